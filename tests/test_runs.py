"""Whole runs through the public Python API: every event and the conversation in the end. See `golden_runs.py`."""

import json

import pytest

from golden_runs import cases, played

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_run_tells_exactly_what_is_expected(case):
    for name, text in played(case).items():
        found = [json.loads(line) for line in text.splitlines()]
        expected = [json.loads(line) for line in (case / name).read_text(encoding="utf-8").splitlines()]
        assert found == expected, f"{case.name}/{name} is not what the run gives"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_events_are_numbered_without_gaps_and_end_with_run_finished(case):
    """Holds whatever the expected files say."""
    by_run = {}
    for line in (case / "expected.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        by_run.setdefault(event["run_id"], []).append(event)
    for told in by_run.values():
        assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
        kinds = [event["type"] for event in told]
        assert (kinds[0], kinds[-1]) == ("run_started", "run_finished")
        assert kinds.count("run_finished") == 1
        started = [event["call_id"] for event in told if event["type"] == "tool_started"]
        finished = [event["call_id"] for event in told if event["type"] == "tool_finished"]
        assert set(started) <= set(finished)
        assert len(set(finished)) == len(finished)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_call_in_the_conversation_is_followed_by_its_result(case):
    messages = [json.loads(line) for line in (case / "messages.jsonl").read_text(encoding="utf-8").splitlines()]
    waiting = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert waiting == []
        for call in message.get("tool_calls", ()):
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting.append(call["id"])
    assert waiting == []
