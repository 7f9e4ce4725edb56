"""Files and folders that are overlooked, and the names that are missed because of it: one mistake, one finding.

A file counts as holding what its name says. So nothing else is said of a tool or agent that stands there, and where one
is missed the overlooked folder is an error: a run would go without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from agentrun.diagnostics import Diagnostic
from agentrun.discovery import kind_by_place
from agentrun.spec.catalog import RawDocument
from agentrun.spec.nodes import Node, items, text_of
from agentrun.spec.schema import Kind

Name = tuple[Kind, str]


def weighed(found: Diagnostic, root: Path, missed: set[Name]) -> tuple[Diagnostic, set[Name]]:
    """A finding about what is overlooked, and the names that it explains. `missed` are those that nothing defines."""
    path = Path(found.span.file)
    if found.severity == "error":
        return found, {(kind_by_place(path, root), path.stem)}
    names = {(kind_by_place(one, root), one.stem) for one in path.parent.glob("*.y*ml")} & missed
    return (msgspec.structs.replace(found, severity="error") if names else found), names


def wanted(raw: Iterable[RawDocument]) -> set[Name]:
    """The tools and agents that documents name one by one."""
    return {name for document in raw for name in _wanted(document)}


def _wanted(document: RawDocument) -> Iterator[Name]:
    node, kind = document.node, document.kind
    if not node.is_mapping:
        return
    yield from _named(kind, node, "extends")
    yield from _named("agent", node, "agent")
    for entry in items(node.get("handoffs")):
        yield "agent", str(entry.content)
    for entry in items(node.get("tools")):
        if isinstance(entry.content, str):
            yield "tool", entry.content
        elif entry.is_mapping:
            yield from _named("tool", entry, "extends")
            yield from _named("agent", entry, "agent")


def _named(kind: Kind, node: Node, key: str) -> Iterator[Name]:
    name = text_of(node.get(key))
    if name is not None:
        yield kind, name
