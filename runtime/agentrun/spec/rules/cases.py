"""Test cases: the tools, arguments and reasons that they name.

What a case may say stands in tables; where it says it, in `case_places.py`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Related, Span, did_you_mean, nearest, one_of
from agentrun.spec.case_types import CaseSpec, TestSpec
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key, write_name
from agentrun.spec.nodes import Node, items, members, name_place, text_of
from agentrun.spec.rules import case_arguments
from agentrun.spec.rules.case_places import (
    agent_under_test,
    approved_tools,
    cases_of,
    expected_answers,
    expected_calls,
    stubs_of,
)
from agentrun.spec.rules.toolbox import Toolbox, backend, toolbox
from agentrun.spec.schema_problems import problems_of
from agentrun.spec.spelling import is_same_word
from agentrun.spec.wording import CASE_MODEL_HELP, shown

# As in `engine/events.py`, which these layers don't know: a test compares.
REASONS = (
    *("answered", "final_tool", "refused", "max_turns", "max_tool_calls", "repeated_calls", "max_total_tokens"),
    *("max_cost_usd", "timeout", "length", "content_filter", "model_error", "cancelled"),
)
# Where the replies of a case come from, and what people write instead.
_MODELS = ("model", "cassette", "live")
_OTHER_MODELS = ("script", "responses", "turns")

# What a stub of each backend may say, beside `error` and `delay`.
STUB_KEYS: dict[str, tuple[str, ...]] = {
    "http": ("status", "headers", "json", "text"),
    "openapi": ("status", "headers", "json", "text", "result"),
    "shell": ("exit_code", "stdout", "stderr"),
    "mcp": ("result",),
    "agent": ("result",),
    "python": ("result",),
}
_OF_A_BACKEND = frozenset(key for keys in STUB_KEYS.values() for key in keys)


def unknown_stubs(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    for above in (document.node, *cases_of(document)):
        stubs = members(above.get("tools"))
        for name in stubs:
            if not box.may_have(name):
                place = above.key_place(("tools", name))
                meant = box.meant(name)
                free = meant if meant not in stubs else None
                fix = rename_key(box.catalog.texts, place, name, free, safe=is_same_word(name, free)) if free else None
                message = f"the stub is for `{name}`, and the agent `{agent.name}` has no such tool"
                yield _error("AR901", message, place, box.help_for(name), fix)


def unknown_calls(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    for name, node, _ in expected_calls(document):
        if not box.may_have(name):
            fix = write_name(node, box.tools) if box.meant(name) else None
            message = f"the case expects a call of `{name}`, and the agent `{agent.name}` has no such tool"
            yield _error("AR902", message, node.span, box.help_for(name), fix)


def unknown_approvals(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    for name, node in approved_tools(document):
        if not box.may_have(name):
            fix = write_name(node, box.tools) if box.meant(name) else None
            message = f"`approve` names `{name}`, and the agent `{agent.name}` has no such tool"
            yield _error("AR905", message, node.span, box.help_for(name), fix)


def stubs_of_another_backend(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    for name, place, stub in stubs_of(document):
        kinds = {backend(tool) for tool in box.tools.get(name, ())}
        if kinds == {"final"}:
            message = f"the stub is never used: `{name}` is `final`, and calls nothing"
            yield _warning("AR907", message, place, "its arguments are the run's output")
        elif len(kinds) == 1 and (kind := kinds.pop()) in STUB_KEYS:
            yield from _foreign_keys(name, str(kind), stub)


def _foreign_keys(name: str, kind: str, stub: Node) -> Iterator[Diagnostic]:
    """The first key of each stub that its backend doesn't have: the others are of the same mistake."""
    for one in items(stub) if stub.is_list else [stub]:
        allowed = STUB_KEYS[kind]
        key = next((key for key in members(one) if key in _OF_A_BACKEND and key not in allowed), None)
        if key is not None:
            article = "an" if kind in ("http", "agent", "openapi", "mcp") else "a"
            message = f"`{key}` is no answer of `{name}`, which is {article} {kind} tool"
            help = f"such a stub has {one_of(allowed)}; or `error`"
            yield _warning("AR907", message, one.key_place((key,)), help)


# Each is told the document, the agent under test and what a run of it can call.
_OF_TOOLS = (
    unknown_stubs,
    unknown_calls,
    unknown_approvals,
    stubs_of_another_backend,
    case_arguments.arguments_of_expected_calls,
)


def what_is_named_of_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    if agent is not None:
        box = toolbox(catalog, agent)
        for rule in _OF_TOOLS:
            yield from rule(document, agent, box)


def cases_of_one_name(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    first: dict[str, Node] = {}
    for case in cases_of(document):
        name = case.get("name")
        if name is None or not isinstance(name.content, str):
            continue
        other = first.setdefault(name.content, name)
        if other is not name:
            related = (Related("first named here", other.span),)
            message = f"two cases are called {shown(name.content)}"
            yield Diagnostic("AR904", "error", message, name.span, "rename one of them", related)


def unknown_reasons(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for case in cases_of(document):
        reason = case.get("expect", "reason")
        if reason is not None and isinstance(reason.content, str) and reason.content not in REASONS:
            help = did_you_mean(reason.content, REASONS, f"allowed: {one_of(REASONS, limit=20)}")
            message = f"a run never ends with {shown(reason.content)}"
            yield _error("AR906", message, reason.span, help, write_name(reason, REASONS))


def patterns_of_answers(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for answer in expected_answers(document):
        pattern = answer.get("matches")
        problem = _pattern_problem(pattern.content) if pattern is not None else None
        if pattern is not None and problem is not None:
            yield _error("AR908", f"`matches` is no regular expression: {problem}", pattern.span, None)


def _pattern_problem(pattern: Any) -> str | None:
    if not isinstance(pattern, str):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        return str(error)
    except (OverflowError, RecursionError):
        return "it is too large"
    return None


def schemas_of_answers(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for answer in expected_answers(document):
        schema = answer.get("schema")
        for problem in problems_of(schema.data()) if schema is not None and schema.is_mapping else ():
            yield _error(problem.code, problem.message, answer.place(("schema", *problem.route)), problem.help)


def cases_without_a_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """An agent that plays a script of its own, or needs no service, brings its model along."""
    agent = agent_under_test(catalog, document)
    if agent is None or text_of(agent.node.get("model", "api")) in ("scripted", "offline"):
        return
    for_all = _has_model(document.node, TestSpec.__struct_encode_fields__)
    for case in cases_of(document):
        if for_all or _has_model(case, CaseSpec.__struct_encode_fields__):
            continue
        yield _error("AR909", "the case has no model", name_place(case), CASE_MODEL_HELP)


def _has_model(node: Node, known: Sequence[str]) -> bool:
    """Where one is misspelt, the key has its own finding."""
    written = [found.content for key in _MODELS if (found := node.get(key)) is not None]
    if any(content is not False and content != [] for content in written):
        return True
    strangers = [key for key in node.content if key not in known]
    return any(key in _OTHER_MODELS or nearest(key, _MODELS) for key in strangers)


def _error(code: str, message: str, place: Span, help: str | None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help, fix=fix)


def _warning(code: str, message: str, place: Span, help: str | None) -> Diagnostic:
    return Diagnostic(code, "warning", message, place, help)


RULES = (
    what_is_named_of_tools,
    cases_of_one_name,
    unknown_reasons,
    patterns_of_answers,
    schemas_of_answers,
    cases_without_a_model,
)
