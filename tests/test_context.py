"""How large a conversation is, what goes when it is too large, and what a run makes of it."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.engine import loop
from agentrun.engine.agent import ContextPolicy, Limits, Prices
from agentrun.engine.context import (
    Size,
    cut,
    held_untrusted,
    left_out_note,
    note_room,
    summary_note,
    summary_request,
    tokens_of,
)
from agentrun.engine.messages import FunctionTool, Message, Reply, ToolList, Usage, system, tool_result, user
from agentrun.errors import ModelError
from engine_agents import answer, calls, make_agent, make_tool, script, soon

NO_TOOLS = ToolList(())
REFUSED = {"error": {"status": 400, "message": "maximum context length is 8192 tokens"}}
USED = {"usage": {"input_tokens": 100, "output_tokens": 10}}


def said(text):
    return Message({"role": "assistant", "content": text})


def called(*ids):
    written = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return Message({"role": "assistant", "content": None, "tool_calls": written})


def exchange(number, size=40):
    """A question, a call, its result and an answer."""
    call = f"c{number}"
    return [user(f"question {number}"), called(call), tool_result(call, "x" * size), said(f"answer {number}")]


def play(agent, messages, **options):
    told = []
    outcome = asyncio.run(soon(loop.run(agent, text="go on", messages=messages, emit=told.append, **options)))
    return outcome, told


# -- size -------------------------------------------------------------------------------------------------------------


def test_without_usage_the_size_is_estimated_by_the_bytes_of_messages_and_tools():
    tools = ToolList([FunctionTool("f", "d" * 400, {})])
    assert Size(NO_TOOLS).of([user("x" * 400)]) == pytest.approx(100, abs=15)
    assert Size(tools).of([user("x" * 400)]) == pytest.approx(200, abs=40)


def test_what_the_service_counted_takes_the_place_of_the_estimate():
    messages = [user("x" * 4000)]
    size = Size(NO_TOOLS)
    size.of(messages)
    size.reported(Usage(30, 5, 35), len(messages))
    messages.append(said("y" * 4000))
    assert size.of(messages) == 35
    messages.append(user("z" * 400))
    assert size.of(messages) == 35 + tokens_of(messages[-1:])


@pytest.mark.parametrize("usage", [None, Usage()])
def test_a_service_that_counts_nothing_leaves_the_estimate(usage):
    size = Size(NO_TOOLS)
    before = size.of([user("hello")])
    size.reported(usage, 1)
    assert size.of([user("hello"), said("hi")]) == before + tokens_of([said("hi")])


def test_each_message_is_looked_at_once():
    class Watched(list):
        def __getitem__(self, index):
            looked_at.append(index)
            return super().__getitem__(index)

    looked_at, messages, size = [], Watched(), Size(NO_TOOLS)
    for number in range(20):
        messages.append(user(str(number)))
        size.of(messages)
    assert looked_at == list(range(20))


# -- what goes --------------------------------------------------------------------------------------------------------


def test_the_oldest_exchanges_go_until_half_the_room_is_free():
    messages = [system("prompt"), *(one for number in range(8) for one in exchange(number))]
    room = tokens_of(messages) - 1
    found = cut(messages, room)
    assert found.head == messages[:1]
    assert found.head + found.old + found.kept == messages
    assert found.kept[0].role == "user"
    assert tokens_of(found.head + found.kept) <= room // 2
    assert tokens_of(found.head + found.old[-4:] + found.kept) > room // 2


def test_all_since_the_last_question_stays_where_that_fits():
    task = [user("the task"), called("t1"), tool_result("t1", "y" * 800), called("t2"), tool_result("t2", "y" * 800)]
    messages = [system("prompt"), *exchange(1, 600), *task]
    assert cut(messages, tokens_of(task) * 4 // 3 + 20).kept == task


def test_in_a_long_task_its_oldest_turns_go_and_the_task_stays():
    turns = [one for number in range(20) for one in (called(f"t{number}"), tool_result(f"t{number}", "y" * 100))]
    messages = [system("prompt"), user("the task"), *turns]
    found = cut(messages, tokens_of(messages) - 1)
    assert found.kept[0] == user("the task")
    assert found.kept[1:] == messages[-len(found.kept) + 1 :]
    assert found.old == messages[2 : -len(found.kept) + 1]


def test_what_must_stay_and_does_not_fit_is_said():
    messages = [system("prompt"), *exchange(1), user("the task"), called("t1"), tool_result("t1", "y" * 4000)]
    assert cut(messages, 500) is None
    assert cut([system("prompt"), user("x" * 4000)], 500) is None
    assert cut([], 500) is None


def test_a_conversation_of_one_exchange_and_one_turn_has_nothing_to_drop():
    assert cut([user("the task"), called("t1"), tool_result("t1", "ok")], 10_000) is None


text = st.text(max_size=120)
results = st.lists(text, min_size=1, max_size=3)
turns = st.lists(st.one_of(text.map(lambda one: ("say", one)), results.map(lambda one: ("call", one))), max_size=4)
exchanges = st.lists(st.tuples(text, turns), max_size=6)


def conversation(prompt, written):
    messages = [system(prompt)] if prompt is not None else []
    for question, made in written:
        messages.append(user(question))
        for kind, content in made:
            if kind == "say":
                messages.append(said(content))
                continue
            ids = [f"c{len(messages)}-{index}" for index in range(len(content))]
            messages.append(called(*ids))
            messages += [tool_result(id, one) for id, one in zip(ids, content, strict=True)]
    return messages


@settings(max_examples=300, deadline=None)
@given(st.none() | text, exchanges, st.integers(0, 600))
def test_a_cut_fits_keeps_the_question_and_never_parts_a_call_from_its_results(prompt, written, room):
    messages = conversation(prompt, written)
    found = cut(messages, room)
    if found is None:
        return
    assert found.old
    assert tokens_of(found.head + found.kept) <= room
    assert sorted(found.head + found.old + found.kept, key=repr) == sorted(messages, key=repr)
    asked = max(index for index, one in enumerate(messages) if one.role == "user")
    assert found.kept[0].role == "user"
    assert messages[asked] in found.kept
    assert found.kept[-1] == messages[-1]
    for part in (found.old, found.kept):
        made = [call["id"] for one in part for call in one.data.get("tool_calls", ())]
        assert made == [one.data["tool_call_id"] for one in part if one.role == "tool"]


@settings(max_examples=100, deadline=None)
@given(st.text(), st.integers(0, 4000), st.booleans())
def test_a_note_never_takes_more_than_its_room(summary, room, untrusted):
    given = note_room(room, with_summary=True)
    for note in (summary_note(summary, given, untrusted=untrusted), left_out_note(untrusted=untrusted)):
        assert tokens_of([note]) <= given
        assert held_untrusted(note) == untrusted


def test_a_summary_that_fits_stands_as_it_is():
    note = summary_note("All is well.", 100, untrusted=False)
    assert note == user("Summary of the conversation so far: All is well.")


def test_a_summary_is_asked_for_with_calls_and_results_as_text():
    asked = summary_request(exchange(1))
    assert [one.role for one in asked] == ["system", "user"]
    assert asked[1].data["content"].split("\n\n") == [
        "[user] question 1",
        "[assistant]\n[call] f({})",
        "[tool] " + "x" * 40,
        "[assistant] answer 1",
    ]


def test_content_in_parts_is_summed_up_too():
    parts = [{"type": "text", "text": "See "}, {"type": "image_url", "image_url": {"url": "data:"}}]
    assert summary_request([Message({"role": "user", "content": parts})])[1].data["content"] == "[user] See (image_url)"


# -- in a run ---------------------------------------------------------------------------------------------------------


def long_conversation():
    return [one for number in range(10) for one in exchange(number, 400)]


@pytest.mark.parametrize("on_overflow", ["compact", "truncate"])
def test_every_request_stays_within_the_cap(on_overflow):
    model = script(*[calls("f") if number % 5 else answer("a summary or an end") for number in range(1, 15)])
    messages = long_conversation()
    tool = make_tool("f", lambda arguments, call: text_of(400))
    play(make_agent(model, tool, context=ContextPolicy(600, on_overflow)), messages)
    turns = [one for one in model.requests if one.tools]
    assert turns
    for request in turns:
        assert tokens_of(request.messages) <= 600


async def text_of(size):
    return "x" * size


def test_the_summary_is_made_without_tools_and_is_not_shown():
    model = script(answer("They talked."), answer("The answer."))
    messages = long_conversation()
    outcome, told = play(make_agent(model, make_tool("f"), context=ContextPolicy(600)), messages)
    assert not model.requests[0].tools
    assert [event.text for event in told if type(event).__name__ == "TextDelta"] == ["The answer."]
    assert outcome.text == "The answer."
    assert messages[0] == user("Summary of the conversation so far: They talked.")
    assert outcome.messages == messages


def test_the_summary_is_counted_in_usage_and_cost():
    model = script(answer("They talked.") | USED, answer("The answer.") | USED)
    agent = make_agent(model, context=ContextPolicy(600), prices=(Prices(1, 1, 1),))
    outcome, _ = play(agent, long_conversation())
    assert outcome.usage == Usage(200, 20, 220)
    assert outcome.cost_usd == pytest.approx(220 / 1e6)


def test_a_cap_that_the_summary_reaches_ends_the_run_with_the_next_reply():
    model = script(answer("They talked.") | USED, calls("f") | USED, answer("Never asked."))
    agent = make_agent(model, make_tool("f"), context=ContextPolicy(600), limits=Limits(max_total_tokens=100))
    outcome, _ = play(agent, long_conversation())
    assert outcome.reason == "max_total_tokens"


def test_without_a_cap_a_long_conversation_is_sent_whole():
    model = script(answer("The answer."))
    play(make_agent(model), long_conversation())
    assert len(model.requests[0].messages) == 41


def test_a_request_that_the_service_finds_too_long_is_made_again_once():
    model = script(REFUSED, answer("They talked."), answer("The answer."))
    outcome, told = play(make_agent(model), long_conversation())
    assert outcome.text == "The answer."
    assert tokens_of(model.requests[2].messages) <= tokens_of(model.requests[0].messages) // 2
    assert [type(event).__name__ for event in told][1:4] == ["TurnStarted", "Compacted", "Retried"]


def test_the_second_time_it_is_the_services_failure():
    model = script(REFUSED, answer("They talked."), REFUSED)
    outcome, _ = play(make_agent(model), long_conversation())
    assert (outcome.reason, outcome.error["type"]) == ("model_error", "context_length_exceeded")
    assert "help" in outcome.error


def test_another_failure_of_the_summary_ends_the_run_and_leaves_the_conversation():
    model = script({"error": {"status": 401, "message": "no"}})
    messages = long_conversation()
    outcome, _ = play(make_agent(model, context=ContextPolicy(600)), messages)
    assert outcome.reason == "model_error"
    assert messages == long_conversation()  # what was not answered is not in it


def test_a_summary_that_is_refused_leaves_a_note():
    model = script({"content": "I can't.", "finish_reason": "refusal"}, answer("The answer."))
    messages = long_conversation()
    play(make_agent(model, make_tool("f"), context=ContextPolicy(600)), messages)
    assert messages[0] == left_out_note(untrusted=False)


def test_other_failures_of_the_service_shorten_nothing():
    messages = long_conversation()
    outcome, _ = play(make_agent(script({"error": {"status": 400, "message": "bad request"}})), messages)
    assert outcome.error["type"] != "context_length_exceeded"
    assert messages == long_conversation()


def test_tools_take_room_of_their_own():
    tools = [make_tool(f"f{number}", parameters={"type": "object", "description": "d" * 400}) for number in range(5)]
    messages = long_conversation()
    outcome, _ = play(make_agent(script(answer()), *tools, context=ContextPolicy(600)), messages)
    assert outcome.reason == "model_error"
    assert "max_output_length" in outcome.error["help"]


@pytest.mark.parametrize("on_overflow", ["compact", "truncate"])
@pytest.mark.parametrize("hostile", [True, False])
def test_what_went_may_have_been_hostile(on_overflow, hostile):
    """`auto` asks after untrusted output: dropping the output must not end that, also not for the next message."""
    change, reader = make_tool("change"), make_tool("f", untrusted_output=hostile)
    policy = {"context": ContextPolicy(600, on_overflow)}
    messages = long_conversation()
    play(make_agent([answer("a summary"), answer(), answer()], change, reader, **policy), messages)
    messages[1:] = messages[-1:]
    _, told = play(make_agent([calls("change"), answer()], change, reader), messages)
    decided = [event.approved for event in told if type(event).__name__ == "ApprovalDecided"]
    assert decided == ([False] if hostile else [])


def test_the_price_is_that_of_the_model_that_answered():
    class Second:
        name = "second"

        async def complete(self, request, tell):
            return Reply(said("done"), "done", (), "stop", Usage(1_000_000, 0, 1_000_000), model_index=1)

    outcome, _ = play(make_agent(Second(), prices=(Prices(1, 1, 1), Prices(5, 5, 5))), [])
    assert outcome.cost_usd == 5.0
    outcome, _ = play(make_agent(Second(), prices=(Prices(1, 1, 1), None)), [])
    assert outcome.cost_usd is None


def test_a_failure_that_nobody_can_help_is_raised_as_it_is():
    from agentrun.engine.overflow import Overflow

    failure = ModelError("too long", code="context_length_exceeded")

    async def ask(messages):
        raise AssertionError("there is nothing to sum up")

    overflow = Overflow(ContextPolicy(), [user("hello")], NO_TOOLS, ask=ask, untrusted=bool, changed=lambda count: None)
    with pytest.raises(ModelError) as raised:
        asyncio.run(overflow.refused(failure))
    assert raised.value is failure
