"""Test cases by themselves: their names, how their runs end, and who answers.

What they say of tools, stubs, arguments, values and models stands in the other files `case_*.py`; where it says it, in
`case_places.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import get_args

from agentrun.diagnostics import Diagnostic, Related, did_you_mean, one_of
from agentrun.errors import FailureType
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.each import USES_EACH
from agentrun.spec.edits import write, write_name, write_raw
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, Route, texts
from agentrun.spec.rules.case_places import agent_under_test, cases_of, expected, expected_calls
from agentrun.spec.rules.toolbox import lists_are_readable
from agentrun.spec.wording import shown

# As in `engine/events.py`, which these layers don't know: a test compares.
REASONS = (
    *("answered", "final_tool", "refused", "max_turns", "max_tool_calls", "repeated_calls", "max_total_tokens"),
    *("max_cost_usd", "timeout", "length", "content_filter", "model_error", "cancelled"),
)
FAILURES: tuple[str, ...] = get_args(FailureType)
_OTHER_REASONS = {
    **dict.fromkeys(("completed", "done", "end_turn", "finished", "ok", "stop", "success"), "answered"),
    **dict.fromkeys(("error", "failed", "failure"), "model_error"),
    **dict.fromkeys(("final", "tool", "tool_calls"), "final_tool"),
    **dict.fromkeys(("max_tokens", "max_output_tokens"), "length"),
    "refusal": "refused",
}


def cases_of_one_name(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    first: dict[str, Node] = {}
    for case in cases_of(document):
        name = case.get("name")
        if name is None or not isinstance(name.content, str):
            continue
        other = first.setdefault(name.content, name)
        if other is name:
            continue
        message = f"two cases are called {shown(name.content)}"
        if other.span == name.span:
            help = "let the name have all values of `each` that differ, or none: then they are added"
            yield Diagnostic("AR904", "error", message, name.span, help)
        else:
            related = (Related("first named here", other.span),)
            yield Diagnostic("AR904", "error", message, name.span, "rename one of them", related)


def unknown_reasons(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for one in expected(document):
        reason = one.node.get("reason")
        if reason is not None and isinstance(reason.content, str) and reason.content not in REASONS:
            other = _OTHER_REASONS.get(reason.content.lower())
            help = did_you_mean(reason.content, REASONS, f"allowed: {one_of(REASONS, limit=20)}")
            fix = write(reason, other, safe=False) if other else write_name(reason, REASONS)
            message = f"a run never ends with {shown(reason.content)}"
            yield Diagnostic(
                "AR906", "error", message, reason.span, f"did you mean `{other}`?" if other else help, fix=fix
            )


def unknown_failures(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for call in expected_calls(document):
        error = call.node.get("error") if call.node is not None else None
        if error is not None and isinstance(error.content, str) and error.content not in FAILURES:
            help = did_you_mean(error.content, FAILURES, f"allowed: {one_of(FAILURES)}")
            fix = write_name(error, FAILURES)
            if error.content in ("true", "false"):
                help, fix = f"write {error.content} without quotes", write_raw(error, error.content, safe=True)
            message = f"no call fails with {shown(error.content)}"
            yield Diagnostic("AR912", "error", message, error.span, help, fix=fix)


def agents_that_never_answer(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The one under test answers, or one that hand-offs lead to."""
    agent = agent_under_test(catalog, document)
    wanted = [(one, name) for one in expected(document) if (name := one.node.get("agent")) is not None]
    reached = handed_over(catalog, agent) if agent is not None and wanted else {}
    if agent is None or not all(one.complete and lists_are_readable(one) for one in reached.values()):
        return
    for _, name in wanted:
        if not isinstance(name.content, str) or name.content in reached or catalog.may_be_unread("agent", name.content):
            continue
        message = f"{shown(name.content)} never answers: no hand-off of the agent `{agent.name}` leads there"
        is_known = name.content in catalog.agents
        help = f"list it in `handoffs` of `{agent.name}`" if is_known else did_you_mean(name.content, reached)
        fix = None if is_known else write_name(name, reached)
        yield Diagnostic("AR913", "error", message, name.span, help or f"who may: {one_of(reached)}", fix=fix)


def handed_over(catalog: Catalog, agent: Document) -> dict[str, Document]:
    """The agents that may have the conversation in the end, by name."""
    found = {agent.name: agent}
    waiting = [agent]
    while waiting:
        for name in texts(waiting.pop().node.get("handoffs")):
            if name in catalog.agents and name not in found:
                found[name] = catalog.agents[name]
                waiting.append(found[name])
    return found


def days_that_are_none(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """What has the form of a day is no day yet."""
    for above in (document.node, *cases_of(document)) if document.kind == "test" else ():
        date = above.get("date")
        if date is None or not isinstance(date.content, str) or _is_a_day(date.content):
            continue
        message = f"{shown(date.content)} is no day of the calendar"
        yield Diagnostic("AR306", "error", message, date.span, "write YYYY-MM-DD")


def _is_a_day(text: str) -> bool:
    """Another form has its finding."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return len(text) != len("2026-01-31") or not text.replace("-", "").isdecimal()
    return True


def only_one(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for case in cases_of(document):
        only = case.get("only")
        if only is not None and only.content is True:
            message = "`only` is left here: the other cases are not run"
            yield Diagnostic("AR917", "warning", message, case.key_place(("only",)), "take it out before it is shared")


def each_without_values(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A `{{ each.name }}` that nothing fills in: behind the expansion of `each` none is left. The first of a case."""
    cases = document.node.get("cases") if document.kind == "test" else None
    told: set[Route] = set()
    for route, node, _ in document.scalars if document.kind == "test" else ():
        text = node.content
        if not (isinstance(text, str) and "each" in text and node.source and USES_EACH.search(text)):
            continue
        case = cases.get(*route[1:2]) if cases is not None and route[:1] == ("cases",) else None
        above = route[:2] if case is not None else route
        if above in told or (case is not None and (case.get("each") is not None or misspelt(case, "each"))):
            continue
        told.add(above)
        message = "`each` is not filled in here: it stands for the values of the case that it is written in"
        help = "write `each: [{NAME: VALUE}]` in the case"
        yield Diagnostic("AR911", "warning", message, node.span, help)


RULES = (
    cases_of_one_name,
    unknown_reasons,
    unknown_failures,
    agents_that_never_answer,
    days_that_are_none,
    only_one,
    each_without_values,
)
