"""Results of test runs, made by hand: what reports are written of."""

from agentrun.diagnostics import Span
from agentrun.engine.messages import Usage
from agentrun.spec.yaml_nodes import read_text
from agentrun.testing.observed import HttpRequest, Observed, ObservedCall, ObservedStep
from agentrun.testing.plan import Case, Step
from agentrun.testing.results import AgentCoverage, Attempt, CaseResult, Failure, TestRun

FILE = "tests/refunds.test.yaml"
TEXT = """\
agent: support
cases:
  - name: refunds a paid order
    args: {input: "Refund order 7, 5 EUR"}
    expect:
      answer: {contains: Done}
  - name: says what it did
    args: {input: "Refund order 8"}
    expect:
      answer:
        equals: |-
          Refunded 5.00 EUR.
          Anything else?
  - name: asks the real model
    live: true
    expect: {answer: {contains: hello}}
  - name: waits for the new API
    skip: not before June
"""
SOURCES = {FILE: TEXT}
ANSWER = Failure(
    "the answer is not the expected text",
    Span(FILE, 11, 9, 11, 15),
    "Refunded 5.00 EUR.\nAnything else?",
    "Refunded 8.00 EUR.\nAnything else?",
)


def a_case(index=0, file=FILE, name=None, text=TEXT, **more):
    """The case of the text at an index; `name` calls it otherwise."""
    node = read_text(file, text).documents[0].get("cases", index)
    name = name or str(node.get("name").content)
    made = {"agent": "support", "expect": None, "steps": (Step(None),), "source": "script"} | more
    return Case(id=f"{file}::{name}", file=file, name=name, node=node, **made)


def a_call(name="refund_order", result='{"id": "r1"}', call_id="c1", **more):
    made = {
        "agent": "support",
        "raw_arguments": '{"order_id": "7", "amount": 5}',
        "arguments": {"order_id": "7", "amount": 5},
        "key": call_id,
        "run_id": "r",
        "depth": 0,
        "turn": 1,
        "duration_s": 0.0031,
    }
    return ObservedCall(name=name, call_id=call_id, result=result, **(made | more))


def conversed(question="Refund order 7, 5 EUR", answer="Done.", calls=None, **more):
    """What is seen of a run: a question, calls in one turn, their results, an answer."""
    calls = [a_call()] if calls is None else calls
    made = {"reason": "answered", "turns": 2, "usage": Usage(100, 20, 120), "cost_usd": 0.0021} | more
    step = ObservedStep(None, "support", text=answer, calls=calls, duration_s=0.01, **made)
    own = [call for call in calls if call.depth == 0]
    sent = [{"id": one.call_id, "function": {"name": one.name, "arguments": one.raw_arguments}} for one in own]
    messages = [
        {"role": "system", "content": "You are the order desk."},
        {"role": "user", "content": question},
        *([{"role": "assistant", "content": None, "tool_calls": sent}] if sent else []),
        *({"role": "tool", "tool_call_id": one.call_id, "content": one.result} for one in own),
        {"role": "assistant", "content": answer},
    ]
    return Observed((step,), tuple(messages))


def an_attempt(status="passed", observed=None, failures=(), **more):
    return Attempt(status, observed or conversed(), more.pop("duration_s", 0.012), tuple(failures), **more)


def passed(index=0, **more):
    return CaseResult(a_case(index, **more), "passed", (an_attempt(),))


def failed(*failures, index=1, observed=None, **more):
    attempt = an_attempt("failed", observed or conversed("Refund order 8", "Refunded 8.00 EUR.\nAnything else?"))
    return CaseResult(a_case(index, **more), "failed", (with_failures(attempt, failures or (ANSWER,)),))


def with_failures(attempt, failures):
    return Attempt(attempt.status, attempt.observed, attempt.duration_s, tuple(failures))


def unmeasured(why="the service answered 503"):
    return CaseResult(a_case(2, source="live"), "unmeasured", (an_attempt("unmeasured", Observed((), ()), error=why),))


def skipped(why="not before June"):
    return CaseResult(a_case(3), "skipped", why=why)


def repeated(*statuses, status="failed", **more):
    """A case with an attempt of each status."""
    attempts = [
        an_attempt(one, failures=[ANSWER] if one == "failed" else [], error="503" if one == "unmeasured" else None)
        for one in statuses
    ]
    return CaseResult(a_case(2, source="live", **more), status, tuple(attempts))


def a_run(*results, duration_s=1.234, coverage=()):
    return TestRun(results or (passed(), failed(), unmeasured(), skipped()), duration_s, coverage)


def a_hostile_run(text="\x1b[2J\u202e</script>&<b>]]>`\r\n"):
    """The text wherever a text of others can stand."""
    call = a_call(text, text, arguments={text: text}, error=text, requests=(REQUEST,))
    failure = Failure(text, Span(FILE, 6, 7, 6, 13), f"a\n{text}", f"b\n{text}")
    attempt = an_attempt("failed", conversed(text, text, [call]), [failure], warnings=(text,))
    case = a_case(1, name=f"name {text}")
    return a_run(CaseResult(case, "failed", (attempt,)), unmeasured(text), skipped(text))


REQUEST = HttpRequest(
    "POST",
    "https://orders.example.com/v2/orders/7/refunds",
    (("dry", "no"),),
    (("authorization", "Bearer [secret]"),),
    '{"amount": 5}',
)
COVERAGE = AgentCoverage(
    agent="support",
    tools=("list_orders",),
    parameters=(("refund_order", "reason"), ("list_orders", "limit")),
    rules=("deny refund_order: amount > 500",),
    tools_total=3,
    parameters_total=6,
    rules_total=2,
)
