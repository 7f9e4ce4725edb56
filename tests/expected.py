"""What is seen of a run, made by hand, and what a case expects of it, as its file says it.

failures("answer: {contains: x}", run("y"))      what is not as it is expected
places("answer: {contains: x}", run("y"))        the pieces of the file that say so
"""

import textwrap
from types import MappingProxyType

import msgspec

from agentrun.engine.messages import Usage
from agentrun.spec.case_types import CaseSpec
from agentrun.spec.yaml_nodes import read_text
from agentrun.testing.expectations import failures_of
from agentrun.testing.observed import HttpRequest, Observed, ObservedCall, ObservedStep, ProcessRequest
from agentrun.testing.plan import Case, Step

HEAD = "name: a case\n"


def call(name="add", arguments=MappingProxyType({}), *, turn=1, index=0, above=(), run_id="r1", **more):
    """A call that was made, and succeeded. `above` is the path of the call whose agent made it."""
    arguments = None if arguments is None else dict(arguments)
    made = {
        "agent": "main",
        "raw_arguments": msgspec.json.encode(arguments).decode(),
        "call_id": "c1",
        "key": f"{run_id}-{turn}-{index}",
        "depth": len(above),
        "result": "ok",
    }
    path = (*above, (turn, index))
    return ObservedCall(
        **made | {"name": name, "arguments": arguments, "run_id": run_id, "turn": turn, "path": path} | more
    )


def run(text="done", *calls, **more):
    """A run that ended with an answer. Names stand for calls, one a turn."""
    made = [call(one, turn=turn) if isinstance(one, str) else one for turn, one in enumerate(calls, start=1)]
    options = {"reason": "answered", "turns": len(made) + 1, "usage": Usage(10, 5, 15), "calls": made} | more
    return ObservedStep(None, "main", text=text, **options)


def http(method="POST", url="http://shop.test/orders", *, query=(), headers=(), body=""):
    return HttpRequest(method, url, tuple(query), tuple(headers), body)


def process(*argv, cwd="/work", env=None, stdin=""):
    return ProcessRequest(argv, cwd, env or {}, stdin)


def failures(expect, *runs, conversation=None, prompt="You add."):
    """What is not as the case expects. `expect` is YAML, `conversation` a list of such, one a run."""
    _, case = _read(expect, conversation)
    messages = ({"role": "system", "content": prompt},)
    return list(failures_of(case, Observed(runs, messages)))


def messages(expect, *runs, **more):
    return [failure.message for failure in failures(expect, *runs, **more)]


def places(expect, *runs, conversation=None):
    """The pieces of the file where the failures stand."""
    text, _ = _read(expect, conversation)
    return [_piece(text, failure.span) for failure in failures(expect, *runs, conversation=conversation)]


def one(expect, *runs, **more):
    """The only failure."""
    (failure,) = failures(expect, *runs, **more)
    return failure


def _read(expect, conversation):
    text = HEAD + _block("expect", expect)
    if conversation is not None:
        text += "conversation:\n"
        for step in conversation:
            text += "  - user: go\n" + textwrap.indent(_block("expect", step), "    ")
    node = read_text("a.test.yaml", text).documents[0]
    spec = msgspec.convert(node.data(), CaseSpec)
    steps = [Step(None)]
    if spec.conversation is not None:
        steps = [
            Step(step.user, step.expect, node.get("conversation", number, "expect"))
            for number, step in enumerate(spec.conversation)
        ]
    case = Case("a", "a.test.yaml", spec.name, node, "main", spec.expect, tuple(steps))
    return text, case


def _block(key, yaml):
    yaml = textwrap.dedent(yaml).strip("\n")
    return f"{key}:\n{textwrap.indent(yaml, '  ')}\n" if yaml else f"{key}: {{}}\n"


def _piece(text, span):
    lines = text.split("\n")[span.line - 1 : span.end_line]
    if len(lines) == 1:
        return lines[0][span.column - 1 : span.end_column - 1]
    return "\n".join([lines[0][span.column - 1 :], *lines[1:-1], lines[-1][: span.end_column - 1]]).rstrip()
