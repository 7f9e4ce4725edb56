"""Stubs whose answer doesn't fit their tool, or that never answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Fix, Related, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key
from agentrun.spec.nodes import Node, items, members
from agentrun.spec.rules.case_places import agent_under_test, stubs_of
from agentrun.spec.rules.case_tools import is_set
from agentrun.spec.rules.toolbox import Toolbox, backend, toolbox
from agentrun.spec.subset import includes

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
_WHOLE = ("json", "text", "stdout", "result")
_ANSWERS = ("headers", "json", "text", "stdout", "stderr", "result")


def stubs(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    box = toolbox(catalog, agent) if agent is not None else None
    for name, place, stub in stubs_of(document):
        kinds = {backend(tool) for tool in _answered(box, name)} if box is not None else set()
        if box is not None and is_set(box, name):
            message = f"the stub is never used: `{name}` is a set of tools, and no tool"
            yield _warning("AR907", message, place, f"stub its members: `{name}_…`")
            continue
        if kinds == {"final"}:
            message = f"the stub is never used: `{name}` is `final`, and calls nothing"
            yield _warning("AR907", message, place, "its arguments are the run's output")
            continue
        kind = str(next(iter(kinds))) if len(kinds) == 1 else ""
        if kind in STUB_KEYS:
            yield from _foreign_keys(catalog, name, kind, stub)
        yield from _texts_of_json(catalog, stub)
        yield from _unused_answers(stub)
        yield from _never_reached(name, stub)


def _answered(box: Toolbox, name: str) -> list[Document]:
    """The tools of a name; else the set that a member of this name would be of."""
    sets = [one for one in box.tools if is_set(box, one) and name.startswith(f"{one}_")]
    return box.tools.get(name) or (box.tools[max(sets, key=len)] if sets else [])


def _foreign_keys(catalog: Catalog, name: str, kind: str, stub: Node) -> Iterator[Diagnostic]:
    """The first key of each stub that its backend doesn't have: the others are of the same mistake."""
    for one in _entries(stub):
        allowed = STUB_KEYS[kind]
        key = next((key for key in members(one) if key in _OF_A_BACKEND and key not in allowed), None)
        if key is not None:
            article = "an" if kind in ("http", "agent", "openapi", "mcp") else "a"
            message = f"`{key}` is no answer of `{name}`, which is {article} {kind} tool"
            help = f"such a stub has {one_of(allowed)}; or `error`"
            place = one.key_place((key,))
            yield Diagnostic("AR907", "warning", message, place, help, fix=_renamed(catalog, one, key, kind))


def _renamed(catalog: Catalog, stub: Node, key: str, kind: str) -> Fix | None:
    """What another backend answers, under the key of this one: a status or an exit code has none."""
    is_text = isinstance(stub.content[key].content, str)
    own = {"http": "text" if is_text else "json", "shell": "stdout" if is_text else None}.get(kind, "result")
    if key not in _WHOLE or own is None or own in stub.content:
        return None
    return rename_key(catalog.texts, stub.key_place((key,)), key, own, safe=True)


def _texts_of_json(catalog: Catalog, stub: Node) -> Iterator[Diagnostic]:
    for one in _entries(stub):
        json = one.get("json")
        if json is None or not isinstance(json.content, str) or json.content.strip()[:1] not in ("{", "["):
            continue
        with contextlib.suppress(ValueError, RecursionError):
            msgspec.json.decode(json.content)
            place = one.key_place(("json",))
            message = "`json` is a text that holds JSON: the tool gets a text, and not what stands in it"
            fix = rename_key(catalog.texts, place, "json", "text", safe=False) if "text" not in one.content else None
            yield Diagnostic("AR907", "warning", message, place, "write it as YAML, or in `text`", fix=fix)


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
        other = next((node for node, taken in before if includes(asked, taken)), None)
        if other is not None:
            message = f"this stub of `{name}` is never used: one before it answers all of its calls"
            related = (Related("the one before it", other.span),)
            help = "write the narrower `when` first, or give the other one `times`"
            yield Diagnostic("AR918", "warning", message, entry.span, help, related)
        elif asked and entry.get("times") is None:
            before.append((entry, asked))


_MAX_COMPARED = 200


def _entries(stub: Node) -> list[Node]:
    return items(stub) if stub.is_list else [stub]


def _warning(code: str, message: str, place: Any, help: str | None) -> Diagnostic:
    return Diagnostic(code, "warning", message, place, help)


RULES = (stubs,)
