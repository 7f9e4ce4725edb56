"""`extends`: a document with its bases merged in, each value at the place where it was written."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, one_of
from agentrun.spec.edits import write_name
from agentrun.spec.nodes import Node, text_of
from agentrun.spec.schema import Kind

MAX_BASES = 32
Unread = frozenset[tuple[Kind, str]]


class Merged(msgspec.Struct, frozen=True):
    """A document with its bases merged in: the names it went through, and what was wrong on the way."""

    node: Node
    bases: tuple[str, ...] = ()
    found: list[Diagnostic] = []
    complete: bool = True


class Bases(msgspec.Struct, frozen=True):
    """What `extends` may name: documents as they were read, and the names of those that could not be read."""

    nodes: Mapping[Kind, Mapping[str, Node]]
    unread: Unread

    def extended(self, kind: Kind, name: str, node: Node, seen: tuple[str, ...] = ()) -> Merged:
        """A document with its bases merged in."""
        wanted = text_of(node.get("extends"))
        if wanted is None:
            return Merged(node)
        above = self.nodes[kind].get(wanted)
        seen = (*seen, name)
        if len(seen) > MAX_BASES:
            message = f"`extends` goes through more than {MAX_BASES} bases"
            found = [_error("AR205", message, node.content["extends"].span)]
            return Merged(without(node, "extends"), (), found, complete=False)
        if wanted in seen:
            return self._circle(node, seen[seen.index(wanted) :])
        if above is None:
            return self._no_base(kind, name, wanted, node)
        base = self.extended(kind, wanted, above, seen)
        if not base.node.is_mapping:
            return Merged(without(node, "extends"), (), base.found, complete=False)
        merged = merge(without(base.node, "name"), without(node, "extends"))
        return Merged(merged, (wanted, *base.bases), base.found, base.complete)

    def _circle(self, node: Node, names: tuple[str, ...]) -> Merged:
        """Every document of the circle comes here; the one that leads back to its first name has the finding."""
        found = []
        if names[0] == min(names):
            message = f"`extends` goes in a circle: {' → '.join([*names, names[0]])}"
            found.append(_error("AR404", message, node.content["extends"].span))
        return Merged(without(node, "extends"), (), found, complete=False)

    def _no_base(self, kind: Kind, name: str, wanted: str, node: Node) -> Merged:
        found = []
        if (kind, wanted) not in self.unread:
            is_base = wanted.startswith("_")
            others = sorted(one for one in self.nodes[kind] if one != name and (one.startswith("_") or not is_base))
            known = f"known: {one_of(others)}" if others else None
            message = f"`extends` names no {kind} of this project: `{wanted}`"
            help = did_you_mean(wanted, others, known)
            place = node.content["extends"]
            found.append(_error("AR403", message, place.span, help, write_name(place, others)))
        return Merged(without(node, "extends"), (), found, complete=False)


def merge(target: Node, patch: Node) -> Node:
    """RFC 7396: maps merge, all else replaces, null deletes. Each value keeps the place where it was written."""
    content = dict(target.content)
    keys = {**target.keys, **patch.keys}
    for key, value in patch.content.items():
        if value.content is None:
            content.pop(key, None)
            continue
        below = content.get(key)
        content[key] = merge(below, value) if value.is_mapping and below is not None and below.is_mapping else value
    return Node(content, patch.span, keys=keys)


def without(node: Node, key: str) -> Node:
    if key not in node.content:
        return node
    return Node({name: child for name, child in node.content.items() if name != key}, node.span, keys=node.keys)


def _error(code: str, message: str, place: Span, help: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help, fix=fix)
