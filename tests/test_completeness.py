"""When a turn is complete and what its end means: each row of the table in the design, as the user meets it.

A row is what the service sends in the first turn, and what comes of the run: its reason, its exit code, its text and
what its tool was asked. `AFTER` follows, should the model be asked once more. To add a case, add a row.
"""

from dataclasses import dataclass, field

import pytest

from agentrun.models import retry
from asking import ask
from servers import Response, call_delta, cut, delta, event, events, reply_json, sse

AFTER = sse("Done.")
ONE = [("note", {"n": 1})]
TWO = [("note", {"n": 1}), ("note", {"n": 2})]


@dataclass(frozen=True)
class Row:
    """`asked` is how often the service was asked. `error` is the type in `run_finished`, words of it are `says`."""

    name: str
    first: Response
    reason: str = "answered"
    code: int = 0
    text: str = "Done."
    noted: list = field(default_factory=list)
    asked: int = 2
    error: str | None = None
    says: str = ""


def ended(name, first, reason, *, text="", noted=(), asked=1, error=None, says=""):
    """A row of a run that gave no answer."""
    code = 4 if reason == "model_error" else 1
    return Row(name, first, reason, code, text, list(noted), asked, error or reason, says)


def retried(name, first, **options):
    """A row of a turn that does not count: it is asked for again, and the second answer is the answer."""
    return Row(name, first, **options)


def failed(name, first, says, **options):
    return ended(name, first, "model_error", says=says, **options)


def broken(arguments, finish):
    return sse(calls=[("note", arguments), ("note", {"n": 2})], finish=finish)


TEXT = sse("Hello", finish="stop")
WITHOUT_ITS_BLANK_LINE = cut(TEXT, TEXT.body.index(b"data: [DONE]") - 1, "whole")
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
    retried("a last event without its blank line", WITHOUT_ITS_BLANK_LINE) if False else
    retried("a finish without its blank line", cut(events(delta("stop", content="Hello")), -1, "whole")),
    retried("only empty finish words, then the end", events(delta("", content="Hello"))),
    Row("text, then DONE alone", events(delta(content="Hello"), "[DONE]"), text="Hello", asked=1),
    Row("empty finish words, then DONE", events(delta("", content="Hello"), "[DONE]"), text="Hello", asked=1),
    Row("a finish, then a reset", cut(TEXT, TEXT.body.index(b"data: [DONE]"), "reset"), text="Hello", asked=1),
    Row("a whole completion where a stream was asked for", reply_json(WHOLE), text="Hello", asked=1),
]  # fmt: skip
