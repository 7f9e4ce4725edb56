"""When a turn is complete and what its end means: each row of the table in the design, as the user meets it.

A row is what the service sends in the first turn, and what comes of the run: its reason, its exit code, its text and
what its tool was asked. `AFTER` follows, should the model be asked once more. To add a case, add a row.
"""

import json
from dataclasses import dataclass, field

import pytest

from agentrun.models import retry
from asking import ask
from servers import Response, call_delta, cut, delta, events, reply_json, sse

AFTER = sse("Done.")
ONE = [("note", {"n": 1})]
TWO = [("note", {"n": 1}), ("note", {"n": 2})]


@dataclass(frozen=True)
class Row:
    """`asked` is how often the service was asked; `is_void` says that the turn did not count and was asked for again.

    `error` is the type in `run_finished`, and `says` are words of its message.
    """

    name: str
    first: Response
    reason: str = "answered"
    code: int = 0
    text: str = "Done."
    noted: list = field(default_factory=list)
    asked: int = 2
    is_void: bool = False
    error: str | None = None
    says: str = ""


def ended(name, first, reason, *, text="", noted=(), asked=1, error=None, says=""):
    """A row of a run that gave no answer."""
    code = 4 if reason == "model_error" else 1
    return Row(name, first, reason, code, text, list(noted), asked, error=error or reason, says=says)


def retried(name, first):
    """A row of a turn that does not count: it is asked for again, and the second answer is the answer."""
    return Row(name, first, is_void=True)


def failed(name, first, says):
    """A row of a failure that is final."""
    return ended(name, first, "model_error", says=says, error="")


def broken(arguments, finish):
    return sse(calls=[("note", arguments), ("note", {"n": 2})], finish=finish)


TEXT = sse("Hello", finish="stop")
WHOLE = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
CALL_AS_TEXT = '<tool_call>{"name": "note", "arguments": {"n": 1}}</tool_call>'

ROWS = [
    # -- calls
    *[Row(f"calls and the finish `{word}`", sse(calls=TWO, finish=word), noted=[1, 2])
      for word in ("tool_calls", "stop", "function_call", "eos", "never_heard_of")],
    Row("a call that is no JSON beside one that is", broken('{"n": ', "tool_calls"), noted=[2]),
    Row("a call with a second object glued to it", broken('{"n": 1}{"n": 9}', "stop"), noted=[2]),
    Row("a call whose arguments are a list", broken("[1]", "tool_calls"), noted=[2]),
    Row("a call whose arguments break the schema", broken({"n": "one"}, "tool_calls"), noted=[2]),
    Row("a call of no tool", sse(calls=[("multi_tool_use.parallel", {}), ("note", {"n": 2})]), noted=[2]),
    Row("a call that is written as text", sse(CALL_AS_TEXT), text=CALL_AS_TEXT, asked=1),
    Row("reasoning is no answer", sse("Done.", reasoning="Let me think."), asked=1),
    # -- length, content filter, refusal
    ended("length with cut arguments", sse(calls=[*ONE, ("note", '{"n": ')], finish="length"), "length"),
    ended("length before the arguments", events(call_delta(index=0, id="a", name="note"), delta("length")), "length"),
    Row("length after whole calls", sse(calls=TWO, finish="length"), noted=[1, 2]),
    ended("length with text", sse("The answer is", finish="length"), "length", text="The answer is"),
    ended("length without text", sse(finish="length"), "length"),
    ended("content_filter with text", sse("First you", finish="content_filter"), "content_filter", text="First you"),
    ended("content_filter without text", sse(finish="content_filter"), "content_filter"),
    ended("content_filter with calls", sse(calls=ONE, finish="content_filter"), "content_filter"),
    ended("a refusal", events(delta(refusal="I can't."), delta("stop")), "refused", text="I can't."),
    ended("a refusal beside a call", events(delta(refusal="I can't."), *[call_delta(index=0, id="a", name="note",
          arguments='{"n": 1}')], delta("tool_calls")), "refused", text="I can't."),
    # -- nothing at all
    retried("empty text and no calls", sse()),
    retried("blank text and no calls", sse(" \n")),
    # -- the service's failures
    retried("the finish `error`", sse("Half", finish="error")),
    retried("an error in the stream that may pass", events(delta(content="Half"), {"error": {"code": 503}})),
    retried("too many requests, said in the stream", events({"error": {"message": "slow", "code": 429}})),
    failed("an error in the stream that is final", events({"error": {"message": "bad", "code": 400}}), "bad"),
    retried("an event named error", Response([b'event: error\ndata: {"message": "boom"}\n\n'])),
    retried("an error after the finish", events(delta("stop", content="Hello"), {"error": {"message": "boom"}})),
    failed("an error after the calls' finish that is final", events(call_delta(index=0, id="a", name="note",
           arguments='{"n": 1}'), delta("tool_calls"), {"error": {"message": "bad", "code": 400}}), "bad"),
    # -- no finish
    retried("text, then the end", events(delta(content="Hello"))),
    retried("calls, then the end", sse(calls=ONE, finish=None)),
    retried("calls, then DONE alone", events(call_delta(index=0, id="a", name="note", arguments='{"n": 1}'), "[DONE]")),
    retried("a finish without its blank line", cut(events(delta("stop", content="Hello")), -1, "whole")),
    retried("only empty finish words, then the end", events(delta("", content="Hello"))),
    Row("text, then DONE alone", events(delta(content="Hello"), "[DONE]"), text="Hello", asked=1),
    Row("empty finish words, then DONE", events(delta("", content="Hello"), "[DONE]"), text="Hello", asked=1),
    Row("a finish, then a reset", cut(TEXT, TEXT.body.index(b"data: [DONE]"), "reset"), text="Hello", asked=1),
    Row("a whole completion where a stream was asked for", reply_json(WHOLE), text="Hello", asked=1),
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY_S", 0.0)


def rows(wanted=lambda row: True):
    return pytest.mark.parametrize("row", [row for row in ROWS if wanted(row)], ids=lambda row: row.name)


@rows()
def test_a_turn_means_what_its_end_says(tmp_path, row):
    asked = ask(tmp_path, [row.first, AFTER])
    assert (asked.ended["reason"], asked.ended["text"], asked.code) == (row.reason, row.text, row.code)
    assert sorted(asked.noted) == row.noted  # calls of a turn are made at once
    assert len(asked.requests) == row.asked
    assert len(asked.told("retried")) == row.is_void
    assert "Traceback" not in asked.stderr
    if row.error is None:
        assert asked.ended["error"] is None
    else:
        error = asked.ended["error"]
        assert error["type"] == row.error or row.reason == "model_error"
        assert row.says in error["message"]
        assert f"{row.reason}: {error['message']}" in asked.stderr_lines


@rows(lambda row: row.is_void)
def test_a_turn_that_never_counts_ends_the_run_with_model_error(tmp_path, row):
    asked = ask(tmp_path, [row.first] * 3, keys=["max_retries: 1"])
    assert (asked.ended["reason"], asked.ended["text"], asked.code) == ("model_error", "", 4)
    assert (asked.noted, len(asked.requests)) == ([], 2)
    assert asked.stderr_lines[-2] == f"model_error: {asked.ended['error']['message']}"
    assert asked.stderr_lines[-1].startswith("help: ")


@rows(lambda row: row.asked == 2 and not row.is_void)
def test_after_a_turn_with_calls_the_history_is_one_that_every_service_takes(tmp_path, row):
    """Each call has its result, in order, and its arguments are an object: those that were not are told as an error."""
    asked = ask(tmp_path, [row.first, AFTER])
    _, calling, *results = asked.requests[1].json["messages"]
    assert [result["tool_call_id"] for result in results] == [call["id"] for call in calling["tool_calls"]]
    for call, result in zip(calling["tool_calls"], results, strict=True):
        sent = json.loads(call["function"]["arguments"])
        assert isinstance(sent, dict)
        assert ("error" in result["content"]) == (sent.get("n") not in row.noted)


def test_an_answer_that_is_incomplete_is_told_as_such_beside_the_text(tmp_path):
    asked = ask(tmp_path, [sse("The answer is", finish="length")], output="text")
    assert (asked.code, asked.stdout) == (1, "The answer is\n")
    assert asked.stderr == "length: the answer was cut off at the model's length limit\n"
