"""What becomes of a conversation whose process was killed: values in, values out, and at each event of real runs."""

import asyncio
import json

import msgspec
import pytest

from agentrun.engine import events
from agentrun.engine.loop import run
from agentrun.engine.messages import Message, Usage
from agentrun.models.history import repair
from agentrun.sessions.recovery import closing, recovered
from engine_agents import answer, calls, make_agent, make_tool

SYSTEM = {"role": "system", "content": "be brief"}
ASK = {"role": "user", "content": "where is it?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":1}'}}
OTHER = {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]}
TOOK = Usage(1, 1, 2)
ANSWER = {"role": "assistant", "content": "there"}


def told(*kinds_and_fields, run_id="r", parent=msgspec.UNSET):
    return [
        kind(run_id=run_id, seq=number, time=100.0 + number, parent_run_id=parent, **fields)
        for number, (kind, fields) in enumerate(kinds_and_fields, start=1)
    ]


BEGUN = (events.RunStarted, {"agent": "a", "model": "m", "args": {}, "input": "where is it?"})
TURN = (events.TurnStarted, {"turn": 1})
ENDED = (
    events.RunFinished,
    {"reason": "answered", "text": "", "output": None, "usage": Usage(), "cost_usd": None, "error": None},
)


def turn_finished(message, usage=TOOK, cost=None):
    fields = {"turn": 1, "message": message, "finish_reason": "stop", "usage": usage, "cost_usd": cost}
    return events.TurnFinished, fields


def tool_started(id):
    return events.ToolStarted, {"call_id": id, "name": "look_up", "arguments": {}}


def tool_finished(id, result="found", name="look_up", is_error=False):
    fields = {"call_id": id, "name": name, "result": result, "is_error": is_error, "duration_s": 0.1}
    return events.ToolFinished, fields


def text(*pieces):
    return [(events.TextDelta, {"text": piece}) for piece in pieces]


def error_of(message):
    return json.loads(message["content"])["error"]


def test_a_run_that_ended_leaves_everything_as_it_is():
    whole = [SYSTEM, ASK, ANSWER]
    assert recovered(whole, told(BEGUN, TURN, turn_finished(ANSWER), ENDED)) == whole
    assert recovered(whole, []) == whole
    assert recovered([], []) == []


def test_a_turn_that_finished_is_said():
    assert recovered([SYSTEM, ASK], told(BEGUN, TURN, *text("th", "ere"), turn_finished(ANSWER))) == [
        SYSTEM, ASK, ANSWER,
    ]  # fmt: skip


def test_a_turn_that_is_in_the_messages_already_is_said_once():
    assert recovered([ASK, ANSWER], told(BEGUN, TURN, turn_finished(ANSWER))) == [ASK, ANSWER]


def test_a_turn_that_says_nothing_is_left_out():
    empty = {"role": "assistant", "content": None}
    assert recovered([ASK], told(BEGUN, TURN, turn_finished(empty))) == [ASK]


def test_calls_have_their_results_or_are_interrupted():
    happened = told(BEGUN, TURN, turn_finished(CALLING), tool_started("c1"), tool_finished("c1"), tool_started("c2"))
    *before, first, second = recovered([ASK, CALLING], happened)
    assert before == [ASK, CALLING]
    assert first == {"role": "tool", "tool_call_id": "c1", "content": "found"}
    assert second["tool_call_id"] == "c2"
    assert error_of(second)["type"] == "interrupted"
    assert "whether the call had an effect is not known" in error_of(second)["message"]


def test_a_call_that_was_not_begun_is_told_so():
    _, _, first, second = recovered([ASK], told(BEGUN, TURN, turn_finished(CALLING)))
    assert [error_of(one)["message"] for one in (first, second)] == [
        "the program ended before the run did: the call was not made"
    ] * 2


def test_an_empty_result_is_a_result():
    happened = told(BEGUN, TURN, turn_finished(CALLING), tool_finished("c2", ""), tool_finished("c1", ""))
    assert [one["content"] for one in recovered([ASK, CALLING], happened)[2:]] == ["", ""]


def test_results_that_are_in_the_messages_stay_and_only_the_others_are_added():
    kept = [ASK, CALLING, {"role": "tool", "tool_call_id": "c2", "content": "kept"}]
    happened = told(BEGUN, TURN, turn_finished(CALLING), tool_finished("c1"), tool_finished("c2", "told"))
    assert [one["content"] for one in recovered(kept, happened)[2:]] == ["found", "kept"]


def test_arguments_that_are_no_json_are_replaced_as_the_loop_does():
    broken = {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "look_up", "arguments": '{"q":'}}]}
    _, said, _ = recovered([ASK], told(BEGUN, TURN, turn_finished(broken)))
    assert said["tool_calls"][0]["function"] == {"name": "look_up", "arguments": "{}"}


def test_text_that_came_in_is_a_turn_that_was_cut_off():
    assert recovered([ASK], told(BEGUN, TURN, *text("it is ", "th")))[-1] == {
        "role": "assistant",
        "content": "it is th\n\n[interrupted]",
    }
    assert recovered([ASK], told(BEGUN, TURN, *text("  \n"))) == [ASK]


@pytest.mark.parametrize(
    "void",
    [
        (events.Retried, {"attempt": 1, "cause": "503", "delay_s": 0.0}),
        (events.Fallback, {"model": "m", "cause": "503"}),
        TURN,
    ],
)
def test_text_of_an_attempt_that_failed_is_void(void):
    assert recovered([ASK], told(BEGUN, TURN, *text("bad"), void)) == [ASK]
    assert recovered([ASK], told(BEGUN, TURN, *text("bad"), void, *text("good")))[-1]["content"].startswith("good")


def test_the_text_of_an_agent_behind_a_tool_is_not_that_of_the_conversation():
    own = told(BEGUN, TURN, turn_finished(CALLING), tool_started("c1"))
    child = told(BEGUN, TURN, *text("inside"), turn_finished(ANSWER), run_id="child", parent="r")
    assert [one["role"] for one in recovered([ASK, CALLING], own + child)] == ["user", "assistant", "tool", "tool"]


def test_a_hand_over_that_was_not_carried_out_is_interrupted():
    handing = {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "transfer_to_b", "arguments": "{}"}}]}
    happened = told(BEGUN, TURN, turn_finished(handing), tool_finished("c1", '{"assistant":"b"}', name="transfer_to_b"))
    assert error_of(recovered([ASK, handing], happened)[-1])["type"] == "interrupted"
    happened += told(BEGUN, (events.HandedOff, {"agent": "b"}))[1:]
    assert recovered([ASK, handing], happened)[-1]["content"] == '{"assistant":"b"}'


def test_what_happens_between_runs_is_no_run():
    compacted = told((events.Compacted, {"dropped_messages": 3}), run_id="other")
    assert recovered([ASK, ANSWER], compacted) == [ASK, ANSWER]
    assert closing(compacted) == []
    happened = told(BEGUN, TURN, turn_finished(ANSWER), ENDED) + compacted
    assert recovered([ASK], happened) == [ASK]
    assert closing(happened) == []


def test_results_of_no_call_and_empty_turns_are_dropped_wherever_they_stand():
    stray = {"role": "tool", "tool_call_id": "x", "content": "stray"}
    assert recovered([stray, ASK, {"role": "assistant", "content": ""}, stray, ANSWER], []) == [ASK, ANSWER]


def test_each_run_without_an_end_gets_one_the_innermost_first():
    own = told(BEGUN, TURN, turn_finished(CALLING, Usage(1, 2, 3), 0.5), tool_started("c1"))
    child = told(BEGUN, TURN, turn_finished(ANSWER, Usage(10, 20, 30), 0.25), run_id="child", parent="r")
    done = told(BEGUN, TURN, turn_finished(ANSWER, Usage(1, 1, 2)), ENDED, run_id="done", parent="r")
    first, second = closing(own + child + done)
    assert (first.run_id, first.parent_run_id, first.seq, first.usage) == ("child", "r", 4, Usage(10, 20, 30))
    assert (second.run_id, second.seq, second.usage, second.cost_usd) == ("r", 5, Usage(12, 23, 35), 0.75)
    assert (second.reason, second.error["type"], second.time) == ("cancelled", "interrupted", 104.0)
    assert closing([*own, *child, *done, first, second]) == []


# -- real runs, stopped at each event ----------------------------------------------------------------------------------


async def _slow(arguments, context):
    await asyncio.sleep(0)
    return f"result of {context.call.id[-3:]}"


def moments(*turns):
    """For each event of a run: the events so far, and the messages as they were when it was told."""
    messages, so_far, seen = [Message(SYSTEM)], [], []

    def emit(event):
        so_far.append(event)
        seen.append((list(so_far), [dict(message.data) for message in messages]))

    agent = make_agent(list(turns), make_tool("look_up", _slow), make_tool("other", _slow))
    asyncio.run(run(agent, text="go", messages=messages, emit=emit))
    return seen, [dict(message.data) for message in messages]


RUNS = {
    "an answer": [answer("it is there, I think")],
    "calls": [calls("look_up", "other", content="let me see"), calls("look_up"), answer("so it is")],
    "an unknown tool": [calls("nothing", "look_up"), answer("well")],
    "twice": [calls("look_up"), calls("look_up"), calls("other", "look_up", "other"), answer("done")],
}


@pytest.mark.parametrize("turns", RUNS.values(), ids=RUNS.keys())
def test_at_each_moment_of_a_run_the_history_is_valid_and_nothing_finished_is_missing(turns):
    seen, end = moments(*turns)
    for so_far, messages in seen:
        history = recovered(messages, so_far)
        as_sent = [Message(data) for data in history]
        assert repair(as_sent) is as_sent  # valid: nothing had to be repaired
        assert history[: len(messages)] == messages
        said = [event.message for event in so_far if isinstance(event, events.TurnFinished)]
        assert [one for one in history if one["role"] == "assistant" and "[interrupted]" not in str(one)] == said
        results = {event.call_id: event.result for event in so_far if isinstance(event, events.ToolFinished)}
        assert (
            results.items() <= {one["tool_call_id"]: one["content"] for one in history if one["role"] == "tool"}.items()
        )
        begun = isinstance(so_far[-1], events.RunFinished)
        assert len(closing(so_far)) == (0 if begun else 1)
    assert recovered(seen[-1][1], seen[-1][0]) == end
