"""Events as spans: what stands below what, what each span tells, and what it never tells unasked."""

import asyncio
import json

import msgspec
import pytest

from agentrun import api
from agentrun.engine import events
from agentrun.engine.loop import run
from agentrun.engine.ports import ApprovalAnswer
from agentrun.errors import ModelError
from agentrun.observers import semconv
from agentrun.observers.open_span import AgentFacts, Known
from agentrun.observers.semconv import ModelFacts, model_facts
from agentrun.observers.span import Parent, Span, in_order, parent_in
from agentrun.observers.spans import Spans, spans_of
from engine_agents import answer, calls, make_agent, make_tool, soon
from traced_runs import BEGIN, Told, a_run_with_an_expert, by_name, traced_project

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def tree(spans):
    return [(depth, span.name) for depth, span in in_order(spans)]


def seconds(span):
    return (span.start_ns / 1e9 - BEGIN, span.end_ns / 1e9 - BEGIN)


# -- what stands below what ------------------------------------------------------------------------------------


def test_an_agents_run_stands_below_the_call_that_runs_it():
    spans = spans_of(a_run_with_an_expert())
    assert tree(spans) == [
        (0, "invoke_agent desk"),
        (1, "chat gpt-5"),
        (1, "execute_tool find_order"),
        (1, "execute_tool ask_expert"),
        (2, "invoke_agent expert"),
        (3, "chat small"),
        (1, "chat gpt-5"),
        (1, "execute_tool refund"),
        (1, "chat gpt-5"),
    ]
    named = by_name(spans)
    assert seconds(named["execute_tool ask_expert"][0]) == (2, 6)
    assert seconds(named["execute_tool find_order"][0]) == (2, 5)
    assert seconds(named["invoke_agent desk"][0]) == (0, 12)
    assert len({span.trace_id for span in spans}) == 1


def test_two_agents_at_once_stand_each_below_its_own_call():
    desk, first, second = Told("desk"), Told("first", "desk"), Told("second", "desk")
    spans = spans_of(
        [
            desk.started(),
            desk.called(1, "c1", "ask_one"),
            first.started(1, agent="one"),
            desk.called(1, "c2", "ask_two"),
            second.started(1, agent="two"),
            second.ended(2),
            desk.result(2, "c2", "ask_two"),
            first.ended(3),
            desk.result(3, "c1", "ask_one"),
            desk.ended(3),
        ]
    )
    above = {span.span_id: span.name for span in spans}
    found = {span.name: above.get(span.parent_id) for span in spans}
    assert found["invoke_agent one"] == "execute_tool ask_one"
    assert found["invoke_agent two"] == "execute_tool ask_two"


def test_spans_are_given_as_they_end_and_the_run_last():
    builder = Spans()
    ended = [[span.name for span in builder(event)] for event in a_run_with_an_expert()]
    assert next(names for names in ended if names) == ["chat gpt-5"]
    assert ended[-1] == ["invoke_agent desk"]
    assert builder.close() == []


def test_a_stored_run_has_the_spans_that_it_had_live(tmp_path):
    told = []
    builder = Spans()
    live = []

    def emit(event):
        told.append(msgspec.json.encode(event))
        live.extend(builder(event))

    agent = make_agent([calls("look"), answer()], make_tool("look"))
    asyncio.run(soon(run(agent, text="go", emit=emit)))
    kinds = events.RunStarted
    for kind in events.Event.__subclasses__():
        kinds |= kind
    stored = spans_of(msgspec.json.decode(line, type=kinds) for line in told)
    assert sorted(stored, key=lambda span: span.span_id) == sorted(live, key=lambda span: span.span_id)
    assert len({span.span_id for span in live}) == len(live) == 4


def test_a_later_agent_in_a_circle_of_parents_ends_somewhere():
    def one(span_id, parent_id):
        return Span(
            trace_id="t", span_id=span_id, parent_id=parent_id, name=span_id, kind="internal", start_ns=0, end_ns=1,
            attributes={},
        )  # fmt: skip

    assert tree([one("a", "b"), one("b", "a"), one("c", "gone")]) == [(0, "c"), (0, "a"), (1, "b")]


def test_the_parent_of_another_program_is_above_the_run():
    parent = parent_in({"TRACEPARENT": TRACEPARENT})
    assert parent == Parent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
    top = spans_of(a_run_with_an_expert(), Known(parent=parent))[0]
    assert (top.trace_id, top.parent_id) == (parent.trace_id, parent.span_id)


@pytest.mark.parametrize(
    "written",
    ["", "00-1-2-01", f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACEPARENT.replace("b7-", "g7-")],
)
def test_a_parent_that_is_none_is_left_out(written):
    assert parent_in({"TRACEPARENT": written}) is None


# -- what each tells -------------------------------------------------------------------------------------------

OPENAI = model_facts("gpt-5", "chat_completions", "https://api.openai.com/v1?key=x")
KNOWN = Known(agent=lambda name: AgentFacts(f"It is {name}.", (OPENAI,)), session=lambda: "3f2a")


def test_a_turn_tells_model_service_tokens_cost_and_first_chunk():
    chat = by_name(spans_of(a_run_with_an_expert(), KNOWN))["chat gpt-5"][0]
    assert chat.kind == "client"
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "desk",
        "gen_ai.conversation.id": "3f2a",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt-5",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "server.address": "api.openai.com",
        "server.port": 443,
        "agentrun.run_id": "desk1",
        "agentrun.turn": 1,
        "agentrun.cost_usd": 0.25,
    }


def test_a_run_tells_agent_reason_and_what_it_took():
    top = spans_of(a_run_with_an_expert(), KNOWN)[0]
    assert top.kind == "internal"
    assert top.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "desk",
        "gen_ai.agent.description": "It is desk.",
        "gen_ai.conversation.id": "3f2a",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "agentrun.run_id": "desk1",
        "agentrun.reason": "answered",
        "agentrun.turns": 3,
        "agentrun.cost_usd": 0.25,
    }


def test_a_call_tells_its_error_and_how_long_a_person_was_asked():
    call = by_name(spans_of(a_run_with_an_expert()))["execute_tool refund"][0]
    assert (call.is_error, call.message) == (True, "")
    assert call.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.agent.name": "desk",
        "gen_ai.tool.name": "refund",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c3",
        "agentrun.run_id": "desk1",
        "agentrun.approval.approved": True,
        "agentrun.approval.by": "user",
        "agentrun.approval.wait_s": 2.0,
        "error.type": "http_status",
    }


def test_of_two_questions_the_second_waits_from_the_first_answer_on():
    told = Told()
    spans = spans_of(
        [
            told.started(),
            told.turn(0),
            told.turned(1, finish="tool_calls"),
            told.decided(4, "c1"),
            told.called(4, "c1"),
            told.decided(9, "c2", approved=False),
            told.result(9, "c2", error="denied", duration_s=0),
            told.result(9, "c1"),
            told.ended(9),
        ]
    )
    waits = {
        span.attributes["gen_ai.tool.call.id"]: span.attributes for span in spans if semconv.TOOL in span.attributes
    }
    assert (waits["c1"][semconv.APPROVAL_WAIT_S], waits["c2"][semconv.APPROVAL_WAIT_S]) == (3.0, 5.0)
    assert (waits["c2"][semconv.APPROVED], waits["c2"][semconv.ERROR]) == (False, "denied")


def test_a_call_that_stood_in_a_queue_waited_only_while_its_question_was_asked():
    told = Told()
    spans = spans_of(
        [
            told.started(),
            told.turn(0),
            told.turned(1, finish="tool_calls"),
            told.called(1, "c1"),
            told.result(6, "c1"),
            told.decided(9, "c2", waited_s=2.5),
            told.called(9, "c2"),
            told.result(10, "c2"),
            told.ended(10),
        ]
    )
    assert by_name(spans)["execute_tool refund"][1].attributes[semconv.APPROVAL_WAIT_S] == 2.5


class Person:
    async def ask(self, question):
        return ApprovalAnswer(True, "user")


def test_a_run_tells_how_long_a_person_was_asked():
    told = []
    agent = make_agent([calls("look", "look"), answer()], make_tool("look", approval="always"))
    asyncio.run(soon(run(agent, text="go", emit=told.append, approver=Person())))
    waits = [span.attributes[semconv.APPROVAL_WAIT_S] for span in spans_of(told) if semconv.TOOL in span.attributes]
    asked = [event.waited_s for event in told if isinstance(event, events.ApprovalDecided)]
    assert all(0 <= wait <= most for wait, most in zip(waits, asked, strict=True))


def test_retries_and_another_model_are_events_of_the_turn_with_their_cause():
    told = Told()
    facts = AgentFacts("", (OPENAI, ModelFacts("spare", "mistral_ai", "api.mistral.ai", 443)))
    spans = spans_of(
        [
            told.started(),
            told.turn(0),
            told(events.TextDelta, 0.5, text="x"),
            told(events.Retried, 1, attempt=1, cause="the service at https://x:1/v1 failed (503): SECRET", delay_s=2.0),
            told(events.Fallback, 4, model="spare", cause="the service at https://x:1/v1 failed (503): SECRET"),
            told(events.TextDelta, 4.5, text="x"),
            told.turned(5),
            told(events.Compacted, 5, dropped_messages=7),
            told.ended(5),
        ],
        Known(agent=lambda name: facts),
    )
    chat = by_name(spans)["chat gpt-5"][0]
    assert [(event.name, event.attributes) for event in chat.events] == [
        ("agentrun.retry", {"agentrun.attempt": 1, "agentrun.delay_s": 2.0, "error.type": "503"}),
        ("agentrun.fallback", {"gen_ai.request.model": "spare", "error.type": "503"}),
    ]
    assert chat.attributes["gen_ai.request.model"] == "gpt-5"
    assert chat.attributes["gen_ai.response.model"] == "spare"
    assert chat.attributes["gen_ai.provider.name"] == "mistral_ai"
    assert chat.attributes["gen_ai.response.time_to_first_chunk"] == 0.5
    assert [event.attributes for event in spans[0].events] == [{"agentrun.dropped_messages": 7}]


def test_after_a_hand_off_turns_are_those_of_the_other_agent():
    told = Told()
    models = {"desk": OPENAI, "billing": model_facts("claude", "anthropic_messages", "https://api.anthropic.com")}
    spans = spans_of(
        [
            told.started(),
            told.turn(0),
            told.turned(1, finish="tool_calls"),
            told.result(1, "c1", "transfer_to_billing", duration_s=0),
            told(events.HandedOff, 1, agent="billing"),
            told.turn(1, 2),
            told.turned(3, 2),
            told.ended(3),
        ],
        Known(agent=lambda name: AgentFacts("", (models[name],))),
    )
    assert tree(spans)[0] == (0, "invoke_agent desk")
    assert [(event.name, event.attributes) for event in spans[0].events] == [
        ("agentrun.hand_off", {"gen_ai.agent.name": "billing"})
    ]
    later = by_name(spans)["chat claude"][0].attributes
    assert (later["gen_ai.agent.name"], later["gen_ai.provider.name"]) == ("billing", "anthropic")


def test_a_summary_that_a_person_asked_for_is_a_span_of_its_own():
    asked = Told("aside")(events.Compacted, 1, dropped_messages=3, usage=None, cost_usd=0.5)
    (span,) = spans_of([asked], KNOWN)
    assert (span.name, span.parent_id, span.attributes["agentrun.cost_usd"]) == ("compact", "", 0.5)


@pytest.mark.parametrize(
    ("url", "api", "provider", "address", "port"),
    [
        ("https://api.openai.com/v1", "responses", "openai", "api.openai.com", 443),
        ("https://me.openai.azure.com/openai/v1", "chat_completions", "azure.ai.openai", "me.openai.azure.com", 443),
        ("https://user:SECRET@api.groq.com/openai/v1?SECRET", "chat_completions", "groq", "api.groq.com", 443),
        ("http://127.0.0.1:8080/v1", "chat_completions", "openai", "127.0.0.1", 8080),
        ("http://localhost", "anthropic_messages", "anthropic", "localhost", 80),
        (
            "https://us-central1-aiplatform.googleapis.com/v1",
            "chat_completions",
            "gcp.vertex_ai",
            "us-central1-aiplatform.googleapis.com",
            443,
        ),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com/v1",
            "chat_completions",
            "aws.bedrock",
            "bedrock-runtime.eu-west-1.amazonaws.com",
            443,
        ),
        ("https://x.elb.amazonaws.com", "chat_completions", "openai", "x.elb.amazonaws.com", 443),
        ("https://api.moonshot.cn/v1", "chat_completions", "moonshot_ai", "api.moonshot.cn", 443),
        ("https://eu.api.openai.com/v1", "responses", "openai", "eu.api.openai.com", 443),
        ("https://notgroq.com.evil.example", "chat_completions", "openai", "notgroq.com.evil.example", 443),
        ("https://[", "chat_completions", "openai", "", None),
        ("", "scripted", "agentrun", "", None),
    ],
)
def test_the_service_of_a_model_is_known_by_its_address(url, api, provider, address, port):
    assert model_facts("m", api, url) == ModelFacts("m", provider, address, port)


# -- what did not end well -------------------------------------------------------------------------------------


def test_what_was_going_on_ends_with_an_interrupted_run():
    told = Told()
    error = {"type": "cancelled", "message": "the run was cancelled"}
    spans = spans_of([told.started(), told.turn(1), told.ended(3, "cancelled", "hel", error)])
    assert [(span.name, seconds(span), span.attributes[semconv.ERROR]) for span in spans] == [
        ("invoke_agent desk", (0, 3), "cancelled"),
        ("chat gpt-5", (1, 3), "cancelled"),
    ]
    assert all(span.is_error for span in spans)


def test_of_a_killed_run_there_is_what_was_told_and_it_is_marked():
    known = a_run_with_an_expert()[:9]
    spans = spans_of(known)
    unfinished = {span.name for span in spans if span.attributes.get(semconv.UNFINISHED)}
    assert unfinished == {"invoke_agent desk", "execute_tool ask_expert", "invoke_agent expert", "chat small"}
    assert seconds(spans[0]) == (0, 5)
    assert tree(spans)[0] == (0, "invoke_agent desk")


def test_events_without_a_beginning_are_a_run_without_a_name():
    spans = spans_of(a_run_with_an_expert()[12:])
    assert tree(spans)[0] == (0, "invoke_agent")


class Failing:
    name = "gpt-5"

    async def complete(self, request, tell):
        raise ModelError("the service failed: CANARY", code="CANARY not a code")


def test_a_failing_service_is_told_by_its_code_if_that_is_one():
    told = []
    asyncio.run(soon(run(make_agent(Failing()), text="go", emit=told.append)))
    spans = spans_of(told)
    assert {span.attributes[semconv.ERROR] for span in spans} == {"_OTHER"}
    assert b"CANARY" not in msgspec.json.encode(spans)
    assert "CANARY" in spans_of(told, content=True)[0].message


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"type": "model_error", "message": "the service at https://x failed (503): CANARY"}, "503"),
        ({"type": "model_error", "message": "no service answers at https://x"}, "connection"),
        ({"type": "model_error", "message": "CANARY"}, "model_error"),
        ({"type": "rate_limit_exceeded", "message": "the service at https://x failed (429)"}, "rate_limit_exceeded"),
    ],
)
def test_a_service_that_gave_no_code_is_told_by_its_status(error, told):
    assert semconv.error_type(error, "model_error") == told


def test_of_a_turn_that_never_finished_the_finish_is_an_error():
    told = Told()
    error = {"type": "cancelled", "message": "x"}
    turn = spans_of([told.started(), told.turn(1), told.ended(3, "cancelled", "hel", error)])[1]
    assert turn.attributes["gen_ai.response.finish_reasons"] == ["error"]


def test_an_answer_in_a_format_says_so_in_the_run_and_its_turns():
    facts = AgentFacts("", (OPENAI,), output_type="json")
    spans = spans_of(a_run_with_an_expert(), Known(agent=lambda name: facts))
    typed = {span.name.split()[0] for span in spans if "gen_ai.output.type" in span.attributes}
    assert typed == {"invoke_agent", "chat"}


# -- what was said ---------------------------------------------------------------------------------------------


def events_of(folder, approve=("fail",)):
    told = []
    agent = api.load(traced_project(folder) / "agents/desk.yaml", environ={})
    api.run_sync(agent, "CANARY-input", emit=told.append, approve=approve)
    return told


def test_nothing_of_what_was_said_is_in_a_span_unasked(tmp_path):
    told = events_of(tmp_path)
    assert sum("CANARY" in str(event) for event in told) > 10
    spans = spans_of(told)
    assert len(spans) == 11
    assert b"CANARY" not in msgspec.json.encode(spans)


def test_what_was_said_is_in_the_spans_where_it_is_asked_for(tmp_path):
    spans = by_name(spans_of(events_of(tmp_path), content=True))
    top = spans["invoke_agent desk"][0].attributes
    assert json.loads(top["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "CANARY-input"}]}
    ]
    assert json.loads(top["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "CANARY-answer"}], "finish_reason": "stop"}
    ]
    look = spans["execute_tool look"][0].attributes
    assert json.loads(look["gen_ai.tool.call.arguments"]) == {"what": "CANARY-arguments"}
    assert look["gen_ai.tool.call.result"] == "CANARY-result CANARY-arguments"
    first, second, _ = [span.attributes for span in spans["chat scripted"] if span.attributes[semconv.AGENT] == "desk"]
    said = json.loads(first["gen_ai.output.messages"])[0]
    assert said["finish_reason"] == "tool_call"
    assert said["parts"][0] == {
        "type": "tool_call",
        "id": "c1",
        "name": "ask_expert",
        "arguments": {"input": "CANARY-arguments"},
    }
    heard = json.loads(second["gen_ai.input.messages"])  # what is new since the turn before
    assert [part["id"] for message in heard for part in message["parts"]] == ["c1", "c2"]
    assert "execute_tool CANARY_invented" in spans
    assert "CANARY" in spans["execute_tool fail"][0].attributes["agentrun.approval.reason"]


def test_a_call_of_a_refused_kind_is_a_span_with_the_kind(tmp_path):
    spans = spans_of(events_of(tmp_path, approve=()))
    errors = {
        span.attributes[semconv.CALL_ID]: span.attributes.get(semconv.ERROR)
        for span in spans
        if semconv.TOOL in span.attributes
    }
    assert errors == {"c1": None, "c2": None, "c3": "unknown_tool", "c4": "denied", "c5": "invalid_arguments"}
    assert {span.name for span in spans if span.attributes.get(semconv.ERROR) == "unknown_tool"} == {
        "execute_tool _OTHER"
    }
