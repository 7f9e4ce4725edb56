"""From a place in a file to the value that stands there, and back: what editors ask, and what pointers are made of.

Works on the nodes as they were read, before bases are merged and variables filled in. What an alias or `<<` brings in
belongs to where it is written, which is at its anchor.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from agentrun.diagnostics import Report, Span
from agentrun.spec.nodes import Node, Route

_YAML = (".yaml", ".yml", ".json")
_Place = tuple[int, int]


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


def pointers_of(report: Report) -> list[str]:
    """The JSON Pointer (RFC 6901) of what each finding is about, within its document, in order.

    "" is the whole document, and a file that isn't YAML, such as a prompt.
    """
    stretches: dict[str, _Stretches] = {}
    for file in {found.span.file for found in report.diagnostics}:
        stretches[file] = _Stretches(_documents(file, report.sources.get(file, "")))
    return [stretches[found.span.file].pointer(found.span) for found in report.diagnostics]


def _json_pointer(route: Route) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in route)


def holds(span: Span, line: int, column: int) -> bool:
    """Whether a place lies in a span; an empty span holds its beginning."""
    begin, end = (span.line, span.column), (span.end_line, span.end_column)
    return begin <= (line, column) < end or begin == (line, column) == end


def _documents(file: str, text: str) -> list[Node]:
    from agentrun.spec.yaml_nodes import read_text

    return read_text(file, text).documents if file.endswith(_YAML) else []


class _Stretches:
    """All keys and values of a file, by where they begin; of two that begin together the outer first."""

    def __init__(self, documents: Sequence[Node]) -> None:
        routes: dict[tuple[_Place, _Place], Route] = {}
        for root in documents:
            routes.setdefault((_begin(root.span), _end(root.span)), ())
            for route, span in _keys_and_values(root, ()):
                routes.setdefault((_begin(span), _end(span)), route)
        ordered = sorted(routes.items(), key=lambda one: (one[0][0], (-one[0][1][0], -one[0][1][1])))
        self._spans = [span for span, _ in ordered]
        self._routes = [route for _, route in ordered]
        self._begins = [begin for begin, _ in self._spans]

    def pointer(self, span: Span) -> str:
        """Of the innermost key or value that holds a span whole. An empty span stands before what begins there."""
        begin, end = _begin(span), _end(span)
        for index in range(bisect_right(self._begins, begin) - 1, -1, -1):
            first, last = self._spans[index]
            if first <= begin and end <= last and (begin < end or first < begin < last or first == last):
                return _json_pointer(self._routes[index])
        return ""


def _keys_and_values(node: Node, route: Route) -> Iterator[tuple[Route, Span]]:
    """Of all that is written inside a node, in the order of the file: a value is met before its aliases."""
    if node.is_mapping:
        for key, child in node.content.items():
            yield (*route, key), node.keys[key]
            yield (*route, key), child.span
            yield from _keys_and_values(child, (*route, key))
    elif node.is_list:
        for index, child in enumerate(node.content):
            yield (*route, index), child.span
            yield from _keys_and_values(child, (*route, index))


def _begin(span: Span) -> _Place:
    return span.line, span.column


def _end(span: Span) -> _Place:
    return span.end_line, span.end_column


def _document_at(documents: Sequence[Node], line: int, column: int) -> int | None:
    """The last document that begins at or before a place."""
    before = [index for index, node in enumerate(documents) if _begin(node.span) <= (line, column)]
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
