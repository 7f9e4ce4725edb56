"""What is seen of real streams of events: those of `runs/`, and of runs whose calls have the same ids."""

import json

import msgspec
import pytest

from agentrun.engine import events
from agentrun.testing.observed import StepObserver
from golden_runs import RUNS, cases

KINDS = (
    *(events.RunStarted, events.TurnStarted, events.TextDelta, events.ReasoningDelta, events.ToolCallDelta),
    *(events.TurnFinished, events.ApprovalDecided, events.ToolStarted, events.ToolFinished, events.Retried),
    *(events.Fallback, events.Compacted, events.HandedOff, events.RunFinished),
)
EVENT = KINDS[0]
for _kind in KINDS[1:]:
    EVENT |= _kind


def told(case):
    lines = (RUNS / case / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def observed(lines):
    """A step for each run that no other began."""
    observers = []
    for line in lines:
        event = msgspec.convert({"time": 0.0, "duration_s": 0.5} | line, EVENT)
        if isinstance(event, events.RunStarted) and event.parent_run_id is msgspec.UNSET:
            observers.append(StepObserver(None, event.agent))
        observers[-1](event)
    return [observer.step for observer in observers]


CASES = [case.name for case in cases()]


@pytest.mark.parametrize("case", CASES)
def test_each_call_of_a_run_is_seen_with_its_result(case):
    lines = told(case)
    calls = [call for step in observed(lines) for call in step.calls]
    sent = [
        (line["run_id"], one["function"]["name"], one["function"]["arguments"])
        for line in lines
        if line["type"] == "turn_finished"
        for one in line["message"].get("tool_calls", ())
    ]
    assert [(call.run_id, call.name, "{}" if call.arguments is None else call.raw_arguments) for call in calls] == sent
    assert len({call.key for call in calls}) == len(calls)
    assert len({call.path for call in calls}) == len(calls) or len(observed(lines)) > 1
    results = sorted((line["result"], line["is_error"]) for line in lines if line["type"] == "tool_finished")
    assert sorted((call.result, call.error is not None) for call in calls) == results
    started = [(line["run_id"], line["call_id"], line["arguments"]) for line in lines if line["type"] == "tool_started"]
    assert all(one in [(call.run_id, call.call_id, call.arguments) for call in calls] for one in started)
    for call in calls:
        if call.error is not None:
            assert call.error == json.loads(call.result)["error"]["type"]


def test_arguments_that_are_no_json_are_seen_as_the_model_wrote_them():
    (step,) = observed(told("three_calls_of_which_one_is_broken_and_one_unknown"))
    assert [(call.raw_arguments, call.arguments) for call in step.calls if call.error == "invalid_arguments"] == [
        ('{"a": 1', None)
    ]


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_what_its_run_tells_in_the_end(case):
    lines = told(case)
    ended = [line for line in lines if line["type"] == "run_finished" and "parent_run_id" not in line]
    steps = observed(lines)
    assert [(step.reason, step.text, step.output, step.error) for step in steps] == [
        (line["reason"], line["text"], line["output"], line["error"]) for line in ended
    ]
    assert [step.usage.total_tokens for step in steps] == [line["usage"]["total_tokens"] for line in ended]
    own = [line for line in lines if line["type"] == "turn_finished" and "parent_run_id" not in line]
    assert sum(step.turns for step in steps) == len(own)


def test_calls_of_an_agent_behind_a_tool_are_below_the_call_of_it():
    (step,) = observed(told("agent_as_a_tool"))
    assert [(call.agent, call.name, call.depth, call.path) for call in step.calls] == [
        ("main", "adder", 0, ((1, 0),)),
        ("adder", "add", 1, ((1, 0), (1, 0))),
    ]
    assert step.calls[1].arguments == {"a": 40, "b": 2}
    assert (step.agent, step.turns) == ("main", 2)


def test_calls_that_were_not_made_have_their_failure():
    (step,) = observed(told("three_calls_of_which_one_is_broken_and_one_unknown"))
    assert sorted(str(call.error) for call in step.calls) == ["None", "invalid_arguments", "unknown_tool"]


def test_who_was_asked_and_what_decided_is_seen():
    (step,) = observed(told("permissions_deny_ask_and_allow"))
    decided = [line for line in told("permissions_deny_ask_and_allow") if line["type"] == "approval_decided"]
    assert step.asked == [line["name"] for line in decided if line["by"] != "rule"]
    assert [one.rule for one in step.rules] == [line["rule"] for line in decided if "rule" in line]
    assert [call.approved for call in step.calls if call.approved is not None] == [line["approved"] for line in decided]


# -- streams made by hand -----------------------------------------------------------------------------------


def event(kind, run_id="r1", **fields):
    return {"type": kind, "run_id": run_id, "seq": 1} | fields


def begun(run_id="r1", agent="main", **more):
    return event("run_started", run_id, agent=agent, model="m", args={}, input="", **more)


def turn(number, *calls, run_id="r1"):
    """A turn with calls of an id, a name and arguments."""
    sent = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for id, name, arguments in calls
    ]
    message = {"role": "assistant", "content": None, "tool_calls": sent}
    told = {"turn": number, "message": message, "finish_reason": "tool_calls", "usage": None, "cost_usd": None}
    return event("turn_finished", run_id, **told)


def made(id, name="add", result="ok", run_id="r1", **arguments):
    finished = {"call_id": id, "name": name, "result": result, "is_error": '"error"' in result}
    return [
        event("tool_started", run_id, call_id=id, name=name, arguments=arguments),
        event("tool_finished", run_id, **finished),
    ]


def test_ids_that_repeat_in_a_later_turn_or_another_run_are_other_calls():
    inner = [begun("r2", "adder", parent_run_id="r1", call_id="c1"), turn(1, ("c1", "add", {}), run_id="r2")]
    started, finished = made("c1", "ask", "second")
    lines = [
        begun(),
        turn(1, ("c1", "add", {})),
        *made("c1", result="first"),
        turn(2, ("c1", "ask", {})),
        started,
        *inner,
        *made("c1", result="inner", run_id="r2"),
        finished,
    ]
    (step,) = observed(lines)
    assert [(call.name, call.result, call.key) for call in step.calls] == [
        ("add", "first", "r1-1-0"),
        ("ask", "second", "r1-2-0"),
        ("add", "inner", "r2-1-0"),
    ]


def test_agents_that_run_at_once_belong_each_to_its_own_call():
    started = [made(id, "ask")[0] for id in ("c1", "c2")]
    lines = [
        begun(),
        turn(1, ("c1", "ask", {}), ("c2", "ask", {})),
        *started,
        begun("r2", "one", parent_run_id="r1", call_id="c1"),
        begun("r3", "two", parent_run_id="r1", call_id="c2"),
        turn(1, ("c1", "add", {}), run_id="r3"),
        turn(1, ("c1", "add", {}), run_id="r2"),
    ]
    (step,) = observed(lines)
    assert [(call.agent, call.path) for call in step.calls[2:]] == [
        ("two", ((1, 1), (1, 0))),
        ("one", ((1, 0), (1, 0))),
    ]


def test_the_type_of_a_failure_is_known_though_its_result_was_cut():
    cut = '{"error":{"type":"http_status","message":"a long [1234 characters left out] text'
    (step,) = observed([begun(), turn(1, ("c1", "add", {})), *made("c1", result=cut)])
    assert step.calls[0].error == "http_status"
    assert step.calls[0].duration_s == 0.5


def test_the_agent_that_took_over_has_the_calls_from_then_on():
    lines = [
        begun(),
        turn(1, ("c1", "transfer_to_sales", {})),
        event("tool_finished", call_id="c1", name="transfer_to_sales", result="{}", is_error=False),
        event("handed_off", agent="sales"),
        turn(2, ("c2", "add", {})),
    ]
    (step,) = observed(lines)
    assert [call.agent for call in step.calls] == ["main", "sales"]
    assert step.agent == "sales"
