"""Whatever is told of runs, whole, cut off or with a clock put back: the spans are trees that tell all of it."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.observers import semconv
from agentrun.observers.span import in_order
from agentrun.observers.spans import spans_of
from golden_runs import cases
from traced_runs import BEGIN, Told, a_run_with_an_expert

CASES = cases()
KINDS = events.RunStarted
for kind in Event.__subclasses__():
    KINDS |= kind


def told_in(case, times=None):
    """The golden events of a case. Each is told a quarter of a second after the one before, or at the times given."""
    lines = (case / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    times = times or [BEGIN + index / 4 for index in range(len(lines))]
    rows = [
        {"duration_s": 0.1, **json.loads(line), "time": times[index % len(times)]} for index, line in enumerate(lines)
    ]
    return [msgspec.convert(row, KINDS) for row in rows]


def check(told):
    """One tree for each run that began alone, in which every run, turn and call is."""
    spans = spans_of(told)
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        assert span.start_ns <= span.end_ns
        above = by_id.get(span.parent_id)
        assert (above is None) == (span.parent_id == "")
        if above is not None:
            assert above.trace_id == span.trace_id
            assert above.start_ns <= span.start_ns
            assert span.end_ns <= above.end_ns
        assert all(span.start_ns <= event.time_ns <= span.end_ns for event in span.events)
    runs = [span for span in spans if span.attributes.get(semconv.OPERATION) == "invoke_agent"]
    assert sorted(span.attributes[semconv.RUN_ID] for span in runs) == sorted({event.run_id for event in told})
    assert sum(depth == 0 for depth, _ in in_order(spans)) == len(
        {event.run_id for event in told if not event.parent_run_id}
    )
    turns = sum(isinstance(event, events.TurnStarted) for event in told)
    assert sum(semconv.TURN in span.attributes for span in spans) == turns
    calls = {
        (event.run_id, event.call_id) for event in told if isinstance(event, events.ToolStarted | events.ToolFinished)
    }
    found = [
        (span.attributes[semconv.RUN_ID], span.attributes[semconv.CALL_ID])
        for span in spans
        if semconv.CALL_ID in span.attributes
    ]
    assert sorted(found) == sorted(calls)
    return spans


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_run_is_a_tree_wherever_it_is_cut_off(case):
    told = told_in(case)
    for end in range(1, len(told) + 1):
        spans = check(told[:end])
        if end == len(told):
            assert not any(span.attributes.get(semconv.UNFINISHED) for span in spans)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.floats(-1e18, 1e18), min_size=1, max_size=40))
def test_a_clock_that_goes_anywhere_breaks_no_tree(case, times):
    check(told_in(case, times))


def test_a_clock_that_is_put_back_stands_still():
    told = Told()
    stepped = [told.started(10), told.turn(10), told.turned(12), told.called(4), told.result(11), told.ended(13)]
    assert [(span.name, span.start_ns / 1e9 - BEGIN, span.end_ns / 1e9 - BEGIN) for span in spans_of(stepped)] == [
        ("invoke_agent desk", 10, 13),
        ("chat gpt-5", 10, 12),
        ("execute_tool refund", 12, 12),
    ]


def test_a_clock_that_was_wrong_in_one_run_changes_no_other():
    ahead, right = Told("ahead"), Told("right")
    spans = spans_of([ahead.started(9e6), ahead.ended(9e6 + 1), right.started(0), right.ended(5)])
    assert sorted(round(span.duration_s) for span in spans) == [1, 5]


def test_a_killed_run_of_a_session_ends_with_what_was_told_last_of_it():
    killed, later = Told("killed"), Told("later")
    spans = spans_of([killed.started(0), killed.turn(1), later.started(90_000), later.ended(90_002)])
    ends = {span.attributes[semconv.RUN_ID]: span.end_ns / 1e9 - BEGIN for span in spans}
    assert ends == {"killed": 1, "later": 90_002}


def test_agents_of_the_same_name_at_once_are_runs_of_their_own_calls():
    desk = Told("desk1")
    experts = [Told(f"expert{number}", parent="desk1") for number in range(8)]
    told = [desk.started(0)]
    for number, expert in enumerate(experts):
        told += [desk.called(1, f"c{number}", "ask_expert"), expert.started(1, agent="expert")]
    for number, expert in reversed(list(enumerate(experts))):
        told += [expert.turn(2), expert.turned(3), expert.ended(3), desk.result(4, f"c{number}", "ask_expert")]
    spans = {span.span_id: span for span in check([*told, desk.ended(5)])}
    above = {
        span.attributes[semconv.RUN_ID]: spans[span.parent_id].attributes[semconv.CALL_ID]
        for span in spans.values()
        if span.name == "invoke_agent expert"
    }
    assert above == {f"expert{number}": f"c{number}" for number in range(8)}


def test_ten_thousand_events_are_spans_and_lines():
    from agentrun.observers.waterfall import waterfall

    told = Told()
    stream = [told.started(), *(event for at in range(3_300) for event in _a_turn(told, at)), told.ended(3_400)]
    assert len(stream) > 10_000
    lines = waterfall(check(stream), 100, lambda text, name: text)
    assert len(lines) == 1 + 3_300 + 1_100


def _a_turn(told, at):
    yield told.turn(at, at + 1)
    yield told.turned(at + 0.5, at + 1)
    if at % 3 == 0:
        yield told.called(at + 0.5, f"c{at}")
        yield told.result(at + 0.9, f"c{at}")
    else:
        yield told(events.Retried, at + 0.6, attempt=1, cause="x", delay_s=0.0)


# -- a summary that somebody asked for -------------------------------------------------------------------------


def test_a_summary_that_was_asked_for_twice_is_one_span():
    aside = Told("aside")
    told = [
        aside(events.Retried, 1, attempt=1, cause="the service at https://x failed (503)", delay_s=1.0),
        aside(events.Fallback, 3, model="spare", cause="the service at https://x failed (503)"),
        aside(events.Compacted, 5, dropped_messages=3, usage=None, cost_usd=0.5),
    ]
    (span,) = spans_of(told)
    assert (span.name, span.parent_id, span.is_error) == ("compact", "", False)
    assert (span.start_ns / 1e9 - BEGIN, span.end_ns / 1e9 - BEGIN) == (1, 5)
    assert [event.name for event in span.events] == ["agentrun.retry", "agentrun.fallback"]


def test_a_summary_that_never_came_is_marked():
    aside = Told("aside")
    (span,) = spans_of([aside(events.Retried, 1, attempt=1, cause="x", delay_s=1.0)])
    assert (span.name, span.attributes[semconv.ERROR]) == ("compact", "unfinished")


def test_a_run_of_which_the_beginning_is_missing_is_no_summary():
    told = Told()
    told.turn(0)
    (span,) = spans_of([told(events.Retried, 1, attempt=1, cause="x", delay_s=0.0)])
    assert span.name == "invoke_agent"


def test_after_a_summary_within_a_turn_the_model_that_was_wanted_is_asked_again():
    told = Told()
    spans = spans_of(
        [
            told.started(),
            told.turn(0),
            told(events.Fallback, 1, model="spare", cause="x"),  # the summary's
            told(events.Compacted, 2, dropped_messages=3),
            told(events.Retried, 2, attempt=1, cause="the conversation is too long for the model", delay_s=0.0),
            told(events.TextDelta, 5, text="x"),
            told.turned(6),
            told.turn(6, 2),
            told.turned(7, 2),
            told.ended(7),
        ]
    )
    first, second = (span.attributes for span in spans if semconv.TURN in span.attributes)
    assert first[semconv.RESPONSE_MODEL] == "gpt-5"
    assert first[semconv.FIRST_CHUNK_S] == 3
    assert first["gen_ai.conversation.compacted"] is second["gen_ai.conversation.compacted"] is True


def test_before_a_summary_no_turn_says_that_there_was_one():
    assert not any("gen_ai.conversation.compacted" in span.attributes for span in spans_of(a_run_with_an_expert()))
