"""From a place in a file to the value that stands there, and back: what editors ask, and what pointers are made of.

Works on the nodes as they were read, before bases are merged and variables filled in.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentrun.diagnostics import Span
from agentrun.spec.nodes import Node, Route


class Located(msgspec.Struct, frozen=True, eq=False):
    """What stands at a place: the document's index, the route to it, its value, and whether the place is in the key."""

    document: int
    route: Route
    node: Node
    is_key: bool = False


def locate(documents: Sequence[Node], line: int, column: int) -> Located | None:
    """The innermost key or value at a place; lines and columns count from 1. None outside of all documents."""
    index = _document_at(documents, line, column)
    if index is None:
        return None
    found = Located(index, (), documents[index])
    while True:
        inside = _inside(found, line, column)
        if inside is None:
            return found
        found = inside
        if found.is_key:
            return found


def pointer_of(documents: Sequence[Node], span: Span) -> str:
    """The JSON Pointer (RFC 6901) of what a finding is about, within its document; "" is the whole document."""
    found = locate(documents, span.line, span.column)
    return json_pointer(found.route) if found is not None else ""


def json_pointer(route: Route) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in route)


def _document_at(documents: Sequence[Node], line: int, column: int) -> int | None:
    """The last document that begins at or before a place."""
    before = [index for index, node in enumerate(documents) if (node.span.line, node.span.column) <= (line, column)]
    return before[-1] if before else None


def _inside(above: Located, line: int, column: int) -> Located | None:
    node = above.node
    if node.is_mapping:
        for key, child in node.content.items():
            place = node.keys[key]
            if place.file == node.span.file and holds(place, line, column):
                return Located(above.document, (*above.route, key), child, is_key=True)
            if holds(child.span, line, column):
                return Located(above.document, (*above.route, key), child)
    elif node.is_list:
        for index, child in enumerate(node.content):
            if holds(child.span, line, column):
                return Located(above.document, (*above.route, index), child)
    return None


def holds(span: Span, line: int, column: int) -> bool:
    """Whether a place lies in a span; an empty span holds its beginning."""
    begin, end = (span.line, span.column), (span.end_line, span.end_column)
    return begin <= (line, column) < end or begin == (line, column) == end
