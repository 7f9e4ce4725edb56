"""The Responses API: what is sent, against a real server on the loopback interface, and what its events become."""

import asyncio
import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.api import load, run_sync
from agentrun.engine.messages import FunctionTool, Message, Request, ToolCall, ToolList, system, tool_result, user
from agentrun.engine.ports import CallProgress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models.history import message_json
from agentrun.models.openai_responses import Responses
from agentrun.models.reply_body import ReplyBody
from agentrun.models.responses_assembly import ResponseAssembly
from agentrun.models.speakers import SAID_BY
from responses_events import call, event, message, reasoning, stream_of, streamed, whole, whole_json
from servers import ModelServer, Response, cut, page, reply_json, silence, status

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = ToolList(
    [
        FunctionTool("get_weather", "Current weather for a city.", CITY),
        FunctionTool("now", "", {"type": "object", "properties": {}}, strict=True),
    ]
)
NO_TOOLS = ToolList([])
QUESTION = Request([user("q")], NO_TOOLS)
KEEPING_NOTHING = {"store": False, "include": ["reasoning.encrypted_content"], "stream": True}

HELLO = streamed(message("Hellö"))
THOUGHT = reasoning("Two towns. ", "Ask twice.")
OSLO = call("get_weather", {"city": "Oslo"}, "call_a")
ROME = call("get_weather", {"city": "Rome"}, "call_b")
TURN = b"".join(stream_of(THOUGHT, message("I'll löök.", phase="commentary"), OSLO, ROME))


def client(base_url="http://127.0.0.1:1/v1", **options):
    wiring = {"api_key": None, "headers": {}, "settings": {}, "connect_s": 5, "idle_s": 5, "total_s": 20}
    return Responses("gpt-x", base_url=base_url, **{**wiring, **options})


def ask(*script, requests=(QUESTION,), told=None, **options):
    """The replies to `requests` and what the server was sent."""
    told = [] if told is None else told

    async def complete(model):
        try:
            return [await model.complete(request, told.append) for request in requests]
        finally:
            await model.aclose()

    with ModelServer(script) as server:
        return asyncio.run(complete(client(server.base_url, **options))), server


def failure_of(*script, **options):
    with pytest.raises(ModelError) as failure:
        ask(*script, **options)
    return failure.value


def body(request=QUESTION, **options):
    return json.loads(client(**options).body(request))


def assemble(pieces, *, turn=0, used=()):
    """A reply from bytes, without a network; and the progress that was told."""
    reader, assembly = ReplyBody("text/event-stream", whole_key="output"), ResponseAssembly(turn, used)
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    told = [progress for chunk in chunks for progress in assembly.add(chunk)]
    return assembly.finish(), told


def reply_of(*events, **options):
    return assemble(events, **options)[0]


# -- the request ----------------------------------------------------------------------------------------------


def test_a_conversation_with_parallel_calls_sends_exactly_this_and_what_the_model_said_goes_back_as_it_came():
    messages = [system("Be brief."), user("Weather in Oslo and Rome?")]
    said = [THOUGHT, message("Let me look.", phase="commentary"), OSLO, ROME]
    with ModelServer([streamed(*said), streamed(message("Cold and warm."))]) as server:

        async def converse():
            model = client(server.base_url, settings={"max_output_tokens": 800, "reasoning": {"effort": "low"}})
            first = await model.complete(Request(messages, TOOLS, tool_choice="required"), lambda _: None)
            results = [tool_result(call.id, f"{number}") for number, call in enumerate(first.calls)]
            history = [*messages, first.message, *results]
            second = await model.complete(Request(history, TOOLS, parallel_tool_calls=False), lambda _: None)
            await model.aclose()
            return first, second

        first, second = asyncio.run(converse())
    assert first.finish_reason == "tool_calls"
    assert first.calls == (
        ToolCall("call_a", "get_weather", '{"city": "Oslo"}'),
        ToolCall("call_b", "get_weather", '{"city": "Rome"}'),
    )
    assert (first.text, second.text, second.finish_reason) == ("Let me look.", "Cold and warm.", "stop")
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Oslo and Rome?"},
    ]
    tools = [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Current weather for a city.",
            "parameters": CITY,
            "strict": False,
        },
        {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": True},
    ]
    settings = {"max_output_tokens": 800, "reasoning": {"effort": "low"}}
    assert [(request.method, request.path) for request in server.requests] == [("POST", "/v1/responses")] * 2
    assert server.requests[0].json == {
        "model": "gpt-x",
        "input": asked,
        "tools": tools,
        "tool_choice": "required",
        **settings,
        **KEEPING_NOTHING,
    }
    assert server.requests[1].json == {
        "model": "gpt-x",
        "input": [
            *asked,
            *said,
            {"type": "function_call_output", "call_id": "call_a", "output": "0"},
            {"type": "function_call_output", "call_id": "call_b", "output": "1"},
        ],
        "tools": tools,
        "parallel_tool_calls": False,
        **settings,
        **KEEPING_NOTHING,
    }


def test_nothing_is_sent_that_was_not_set():
    request = Request([user("q")], NO_TOOLS, tool_choice="auto", parallel_tool_calls=True)
    assert body(request) == {"model": "gpt-x", "input": [{"role": "user", "content": "q"}], **KEEPING_NOTHING}


def test_settings_are_sent_as_they_are_and_win_over_what_is_only_a_default():
    settings = {"store": True, "include": [], "stream": False, "instructions": "Be brief.", "temperature": 0.2}
    assert body(settings=settings) == {"model": "gpt-x", "input": [{"role": "user", "content": "q"}], **settings}


@pytest.mark.parametrize("key", ["input", "tools", "previous_response_id", "conversation"])
def test_settings_cannot_replace_the_conversation(key):
    failure = failure_of(settings={key: "x"})
    assert key in failure.message
    assert not failure.retryable


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "now"}}, {"type": "function", "name": "now"}),
        ({"type": "function", "name": "now"}, {"type": "function", "name": "now"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "now"}}]},
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "now"}]},
        ),
    ],
)
def test_a_tool_choice_is_sent_in_the_form_of_this_api(written, sent):
    assert body(Request([user("q")], TOOLS, tool_choice=written))["tool_choice"] == sent


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": CITY}},
            {"type": "json_schema", "name": "a", "strict": True, "schema": CITY},
        ),
    ],
)
def test_a_response_format_stands_under_text_beside_what_settings_say_of_it(written, sent):
    request = Request([user("q")], NO_TOOLS, response_format=written)
    assert body(request)["text"] == {"format": sent}
    assert body(request, settings={"text": {"verbosity": "low"}})["text"] == {"verbosity": "low", "format": sent}


def test_images_and_files_of_a_user_message_are_sent():
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    ]
    (sent,) = body(Request([Message({"role": "user", "content": parts})], NO_TOOLS))["input"]
    assert sent == {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        ],
    }


def test_a_part_that_this_api_does_not_take_is_named():
    sound = Message({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]})
    assert "'input_audio'" in failure_of(requests=[Request([sound], NO_TOOLS)]).message


def test_a_turn_of_another_api_is_translated_and_its_unknown_fields_stay_behind():
    calls = [{"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    other = {
        "role": "assistant",
        "content": "Hm.",
        "tool_calls": calls,
        "reasoning_content": "…",
        "anthropic_content": [],
    }
    refused = {"role": "assistant", "content": None, "refusal": "No."}
    parts = {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}
    history = [user("q"), Message(other), tool_result("a", "7"), Message(refused), user("?"), Message(parts)]
    assert body(Request(history, TOOLS))["input"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "Hm."},
        {"type": "function_call", "call_id": "a", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "7"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "AB"},
    ]


def test_what_was_kept_for_this_api_is_not_sent_to_chat_services():
    reply = reply_of(TURN)
    assert reply.message.data["responses_output"]
    assert json.loads(message_json(reply.message)) == {
        "role": "assistant",
        "content": "I'll löök.",
        "tool_calls": [
            {
                "id": one.id,
                "type": "function",
                "function": {"name": "get_weather", "arguments": one.arguments},
            }
            for one in reply.calls
        ],
    }


def test_a_broken_history_is_repaired_on_its_way():
    calling = reply_of(*stream_of(THOUGHT, OSLO)).message
    sent = body(Request([user("q"), calling, user("and?"), tool_result("x", "orphan")], TOOLS))["input"]
    assert [item.get("type", item.get("role")) for item in sent] == [
        "user",
        "reasoning",
        "function_call",
        "function_call_output",
        "user",
    ]
    assert "interrupted" in sent[3]["output"]


class Watched(dict):
    """Counts how often the content is looked at."""

    looked_at = 0

    def get(self, key, default=None):
        self.looked_at += key == "content"
        return super().get(key, default)


def test_a_message_is_translated_once_however_long_the_conversation_gets():
    watched = Watched(role="user", content="q")
    model, messages = client(), [Message(watched)]
    earlier = model.body(Request(messages, TOOLS))
    messages.append(user("more"))
    later = model.body(Request(messages, TOOLS))
    assert watched.looked_at == 1
    history, _, rest = earlier.partition(b'],"tools":')
    assert later.startswith(history)
    assert later.endswith(rest)


def test_a_model_that_has_no_encrypted_reasoning_is_asked_without_it_from_then_on():
    refusal = status(400, "Encrypted content is not supported with this model.", param="include")
    replies, server = ask(refusal, HELLO, HELLO, requests=[QUESTION] * 2)
    assert [reply.text for reply in replies] == ["Hellö"] * 2
    assert ["include" in request.json for request in server.requests] == [True, False, False]


def test_another_refusal_is_not_taken_for_one_of_encrypted_reasoning():
    failure = failure_of(status(400, "The encrypted content could not be verified"), HELLO)
    assert "could not be verified" in failure.message


# -- the reply ------------------------------------------------------------------------------------------------


def test_a_turn_is_told_as_it_streams():
    reply, told = assemble([TURN])
    assert told == [
        ReasoningProgress("Two towns. "),
        ReasoningProgress("\n\n"),
        ReasoningProgress("Ask twice."),
        TextProgress("I'll "),
        TextProgress("löök."),
        CallProgress(0, "get_weather", ""),
        CallProgress(0, "get_weather", '{"city":'),
        CallProgress(0, "get_weather", ' "Oslo"}'),
        CallProgress(1, "get_weather", ""),
        CallProgress(1, "get_weather", '{"city":'),
        CallProgress(1, "get_weather", ' "Rome"}'),
    ]
    assert reply.message.data["responses_output"] == [THOUGHT, message("I'll löök.", phase="commentary"), OSLO, ROME]
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cached_tokens) == (20, 9, 29, 8)


def test_reasoning_text_is_told_and_is_not_the_answer():
    events = [event("response.reasoning_text.delta", output_index=0, delta="Hm."), *stream_of(message("Hi"))]
    reply, told = assemble(events)
    assert told[0] == ReasoningProgress("Hm.")
    assert reply.text == "Hi"


@given(st.lists(st.integers(0, len(TURN)), max_size=40))
def test_however_the_bytes_are_cut_the_reply_is_the_same(places):
    cuts = [0, *sorted(places), len(TURN)]
    pieces = [TURN[start:end] for start, end in itertools.pairwise(cuts)]
    assert assemble(pieces) == assemble([TURN])


@pytest.mark.parametrize("body", [TURN, TURN.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
def test_cut_at_any_byte_a_turn_is_never_a_reply(body):
    last_line = body.rstrip(b"\r\n")
    for size in range(len(last_line) + 1):
        with pytest.raises(ModelError) as failure:
            assemble([body[:size]])
        assert failure.value.code == "incomplete_reply"
        assert failure.value.retryable


@pytest.mark.parametrize("ending", ["whole", "cut", "reset"])
def test_a_stream_that_breaks_off_is_a_failure_that_may_pass(ending):
    ends = [at + 2 for at in range(len(TURN) - 2) if TURN[at : at + 2] == b"\n\n"]
    for size in [0, 1, *ends[::4], len(TURN) - 3]:
        failure = failure_of(cut(Response([TURN]), size, ending))
        assert failure.code == "incomplete_reply", size
        assert failure.retryable


@pytest.mark.parametrize("response", [silence(HELLO), cut(HELLO, len(HELLO.body), "reset")], ids=["silence", "reset"])
def test_what_breaks_after_the_last_event_takes_nothing_away(response):
    (reply,), _ = ask(response, idle_s=1.5)
    assert reply.text == "Hellö"


def test_an_error_after_the_last_event_wins_over_it():
    with pytest.raises(ModelError, match="boom"):
        reply_of(*stream_of(message("Hi")), event("error", code="server_error", message="boom", param=None))


@pytest.mark.parametrize("fields", [{}, {"output": []}, {"output": None}], ids=["all", "none", "null"])
def test_items_that_the_last_event_leaves_out_are_those_that_were_streamed(fields):
    assert reply_of(*stream_of(THOUGHT, message("Hi"), OSLO, **fields)) == reply_of(
        *stream_of(THOUGHT, message("Hi"), OSLO)
    )


def test_a_service_that_streams_pieces_only_is_understood():
    events = [
        event("response.output_item.added", output_index=0, item=call("now", "", "a")),
        event("response.function_call_arguments.delta", output_index=0, delta='{"a"'),
        event("response.output_text.delta", output_index=1, delta="Hi"),
        event("response.function_call_arguments.delta", output_index=0, delta=": 1}"),
        event("response.completed", response={"status": "completed"}),
    ]
    reply = reply_of(*events)
    assert (reply.text, reply.calls) == ("Hi", (ToolCall("a", "now", '{"a": 1}'),))
    assert reply.usage is None


def test_a_whole_response_is_accepted_where_a_stream_was_asked_for():
    told = []
    (reply,), _ = ask(whole_json(THOUGHT, message("Hi"), OSLO), told=told)
    streamed_reply = reply_of(*stream_of(THOUGHT, message("Hi"), OSLO))
    received = {key: value for key, value in reply.message.data.items() if key != SAID_BY}
    assert msgspec.structs.replace(reply, message=Message(received)) == streamed_reply
    assert told == [TextProgress("Hi"), CallProgress(0, "get_weather", '{"city": "Oslo"}')]


def test_a_response_that_was_streamed_as_items_only_is_told_at_the_end():
    last = event("response.completed", response=whole(message("Hi"), OSLO))
    assert assemble([last])[1] == [TextProgress("Hi"), CallProgress(0, "get_weather", '{"city": "Oslo"}')]


def test_a_refusal_is_no_answer():
    reply = reply_of(*stream_of(message(refusal="I can't help with that.")))
    assert (reply.finish_reason, reply.text, reply.refusal) == ("refusal", "", "I can't help with that.")


@pytest.mark.parametrize(("why", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_response_ends_with_its_reason(why, reason):
    reply = reply_of(*stream_of(message("Half an", status="incomplete"), status="incomplete", reason=why))
    assert (reply.finish_reason, reply.text) == (reason, "Half an")


def test_a_response_that_reasoned_until_its_tokens_were_used_up_ends_with_length():
    assert reply_of(*stream_of(THOUGHT, status="incomplete", reason="max_output_tokens")).finish_reason == "length"


@pytest.mark.parametrize("why", ["steered", None])
def test_a_response_that_is_incomplete_for_another_reason_is_asked_for_again(why):
    with pytest.raises(ModelError) as failure:
        reply_of(*stream_of(message("Half an"), status="incomplete", reason=why))
    assert failure.value.retryable


def test_a_call_that_was_cut_is_not_run_and_goes_back_as_one_that_can_be_read():
    cut_call = call("get_weather", '{"city": "Os', "call_b", status="incomplete")
    reply = reply_of(*stream_of(OSLO, cut_call, status="incomplete", reason="max_output_tokens"))
    assert reply.finish_reason == "length"
    assert [item["arguments"] for item in reply.message.data["responses_output"]] == ['{"city": "Oslo"}', "{}"]


def test_calls_that_are_whole_count_though_the_tokens_were_used_up():
    reply = reply_of(*stream_of(OSLO, status="incomplete", reason="max_output_tokens"))
    assert reply.finish_reason == "tool_calls"


def test_arguments_that_cannot_be_read_are_kept_for_the_error_and_not_sent_back():
    reply = reply_of(*stream_of(call("now", "{oops", "call_a")))
    assert reply.calls == (ToolCall("call_a", "now", "{oops"),)
    assert reply.message.data["responses_output"][0]["arguments"] == "{}"


def test_ids_that_are_missing_or_used_are_replaced_in_the_call_and_in_what_goes_back():
    events = stream_of(call("now", {}, "used"), call("now", {}, ""), call("now", {}, "new"))
    reply = reply_of(*events, turn=3, used={"used"})
    ids = [one.id for one in reply.calls]
    assert ids[2] == "new"
    assert len({*ids, "used", ""}) == 5
    assert [item["call_id"] for item in reply.message.data["responses_output"]] == ids
    results = [tool_result(each, "1") for each in ids]
    sent = body(Request([user("q"), reply.message, *results], TOOLS))["input"]
    assert [item["call_id"] for item in sent[1:]] == ids * 2


def test_a_reply_that_says_nothing_is_asked_for_again():
    with pytest.raises(ModelError) as failure:
        reply_of(*stream_of(THOUGHT))
    assert (failure.value.code, failure.value.retryable) == ("empty_reply", True)


def failed(code, text="boom"):
    return event("response.failed", response=whole(status="failed", error={"code": code, "message": text}))


FAULTS = [
    ("a failed response", [failed("server_error")], "boom", True),
    ("a rate limit inside the stream", [failed("rate_limit_exceeded")], "limits the rate", True),
    ("a prompt that was refused", [failed("invalid_prompt")], "boom", False),
    ("an image that is too large", [failed("image_too_large")], "boom", False),
    ("a policy", [failed("bio_policy")], "boom", False),
    ("a failure without an error", [event("response.failed", response=None)], "the status failed", True),
    ("an error event", [event("error", code="server_error", message="boom", param=None)], "boom", True),
    (
        "an error event with an object",
        [event("error", error={"type": "invalid_request_error", "message": "boom"})],
        "boom",
        False,
    ),
    ("a call without a name", stream_of(call("", {}, "a")), "a tool call without a name", True),
    ("an event that is no object", [b"data: 7\n\n"], "broken reply", True),
    ("broken JSON", [b"data: {oops\n\n"], "broken reply", True),
]


@pytest.mark.parametrize(("events", "words", "retryable"), [pytest.param(*row, id=name) for name, *row in FAULTS])
def test_a_failure_inside_the_stream_is_one_line_that_says_whether_it_may_pass(events, words, retryable):
    failure = failure_of(Response([event("response.created", response=whole(status="queued")), *events]))
    assert words in failure.message
    assert failure.retryable == retryable
    assert "\n" not in failure.message


@pytest.mark.parametrize(
    ("response", "words", "retryable"),
    [
        (status(401, "Incorrect API key"), "Incorrect API key", False),
        (status(429, headers={"retry-after": "7"}), "limits the rate", True),
        (page("Log in"), "web page, “Log in”", True),
        (reply_json({"ok": True}), "no output in", True),
        (reply_json(whole(status="failed", error={"code": "server_error", "message": "boom"})), "boom", True),
        (reply_json(whole(message("Hi"), status="in_progress")), "the status in_progress", True),
    ],
)
def test_a_response_that_is_no_stream_is_a_failure_too(response, words, retryable):
    failure = failure_of(response)
    assert words in failure.message
    assert failure.retryable == retryable


FIELDS = ["type", "item", "output", "content", "text", "name", "call_id", "arguments", "usage", "reason", "error"]
ATOMS = st.sampled_from([None, True, 7, "", "x", "message", "function_call"])
JUNK = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
KINDS = ["output_item.added", "output_item.done", "output_text.delta", "refusal.delta", "function_call_arguments.delta"]
KINDS += ["reasoning_text.delta", "completed", "incomplete", "failed"]
PLACES = st.sampled_from(["item", "response", "output_index", "delta", "summary_index"])


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(PLACES, JUNK, max_size=4)), max_size=6))
def test_whatever_a_service_sends_it_is_a_reply_or_a_failure_in_words(events):
    try:
        reply_of(*[event(f"response.{kind}", **fields) for kind, fields in events])
    except ModelError as failure:
        assert "\n" not in failure.message


# -- from a file ----------------------------------------------------------------------------------------------

AGENT = """
model: {name: gpt-x, api: responses, base_url: %s}
tools:
  - name: get_weather
    description: Current weather for a city.
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
    shell: {command: [echo, "7 degrees in {{ args.city }}"]}
"""


def test_an_agent_that_names_this_api_runs_with_it(tmp_path):
    with ModelServer([streamed(THOUGHT, OSLO, ROME), streamed(message("Cold and warm."))]) as server:
        (tmp_path / "weather.yaml").write_text(AGENT % server.base_url)
        outcome = run_sync(load(tmp_path / "weather.yaml"), "Oslo and Rome?")
    assert (outcome.reason, outcome.text) == ("answered", "Cold and warm.")
    assert outcome.usage.total_tokens == 58
    sent = server.requests[1].json["input"]
    assert sent[1:4] == [THOUGHT, OSLO, ROME]
    assert [item["output"] for item in sent[4:]] == ["7 degrees in Oslo\n", "7 degrees in Rome\n"]
