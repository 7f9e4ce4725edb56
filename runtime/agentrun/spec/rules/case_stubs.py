"""Stubs whose answer doesn't fit their tool, or that never answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentrun.diagnostics import Diagnostic, Related, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, items, members
from agentrun.spec.rules.case_places import agent_under_test, stubs_of
from agentrun.spec.rules.toolbox import backend, toolbox

# What a stub of each backend may say, beside `error`, `delay`, `when` and `times`.
STUB_KEYS: dict[str, tuple[str, ...]] = {
    "http": ("status", "headers", "json", "text"),
    "openapi": ("status", "headers", "json", "text", "result"),
    "shell": ("exit_code", "stdout", "stderr"),
    "mcp": ("result",),
    "agent": ("result",),
    "python": ("result",),
}
_OF_A_BACKEND = frozenset(key for keys in STUB_KEYS.values() for key in keys)
_ANSWERS = ("headers", "json", "text", "stdout", "stderr", "result")


def stubs(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    box = toolbox(catalog, agent) if agent is not None else None
    for name, place, stub in stubs_of(document):
        kinds = {backend(tool) for tool in box.tools.get(name, ())} if box is not None else set()
        if kinds == {"final"}:
            message = f"the stub is never used: `{name}` is `final`, and calls nothing"
            yield _warning("AR907", message, place, "its arguments are the run's output")
            continue
        kind = str(next(iter(kinds))) if len(kinds) == 1 else ""
        if kind in STUB_KEYS:
            yield from _foreign_keys(name, kind, stub)
        yield from _unused_answers(stub)
        yield from _never_reached(name, stub)


def _foreign_keys(name: str, kind: str, stub: Node) -> Iterator[Diagnostic]:
    """The first key of each stub that its backend doesn't have: the others are of the same mistake."""
    for one in _entries(stub):
        allowed = STUB_KEYS[kind]
        key = next((key for key in members(one) if key in _OF_A_BACKEND and key not in allowed), None)
        if key is not None:
            article = "an" if kind in ("http", "agent", "openapi", "mcp") else "a"
            message = f"`{key}` is no answer of `{name}`, which is {article} {kind} tool"
            help = f"such a stub has {one_of(allowed)}; or `error`"
            yield _warning("AR907", message, one.key_place((key,)), help)


def _unused_answers(stub: Node) -> Iterator[Diagnostic]:
    """What stands beside `error`, or `json` beside `text`. A status or exit code is told with the failure."""
    for one in _entries(stub):
        written = members(one)
        if "error" in written:
            lost = next((key for key in written if key in _ANSWERS), None)
            if lost is not None:
                message = f"`{lost}` is not used: the stub has an `error`, so the call fails"
                yield _warning("AR918", message, one.key_place((lost,)), "write one of them")
        elif "text" in written and "json" in written:
            message = "`json` is not used: the stub has a `text`, which is the body"
            yield _warning("AR918", message, one.key_place(("json",)), "write one of them")


def _never_reached(name: str, stub: Node) -> Iterator[Diagnostic]:
    """An entry of a list behind one that answers all of its calls, and any number of them."""
    before: list[tuple[Node, Any]] = []
    for entry in items(stub)[:_MAX_COMPARED]:
        when = entry.get("when")
        asked = when.data() if when is not None else {}
        if not entry.is_mapping or not isinstance(asked, dict):
            continue
        other = next((node for node, taken in before if _holds(asked, taken)), None)
        if other is not None:
            message = f"this stub of `{name}` is never used: one before it answers all of its calls"
            related = (Related("the one before it", other.span),)
            help = "write the narrower `when` first, or give the other one `times`"
            yield Diagnostic("AR918", "warning", message, entry.span, help, related)
        elif asked and entry.get("times") is None:
            before.append((entry, asked))


_MAX_COMPARED = 200


def _holds(narrow: Any, wide: Any) -> bool:
    """Whether what fits the one always fits the other, as subsets: `testing.subset` decides so about a call."""
    if isinstance(wide, dict):
        return isinstance(narrow, dict) and all(key in narrow and _holds(narrow[key], wide[key]) for key in wide)
    if isinstance(wide, list):
        return isinstance(narrow, list) and len(narrow) == len(wide) and all(map(_holds, narrow, wide))
    return isinstance(narrow, bool) == isinstance(wide, bool) and bool(narrow == wide)


def _entries(stub: Node) -> list[Node]:
    return items(stub) if stub.is_list else [stub]


def _warning(code: str, message: str, place: Any, help: str | None) -> Diagnostic:
    return Diagnostic(code, "warning", message, place, help)


RULES = (stubs,)
