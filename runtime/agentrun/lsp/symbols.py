"""The outline of a file: its keys and the elements of its lists, as editors show them beside it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from agentrun.diagnostics import Span
from agentrun.lsp.view import nodes_of
from agentrun.spec.nodes import Node

_NAMING = ("name", "agent", "extends", "ask", "deny", "allow", "user")
_WIDTH = 60


class Symbol(msgspec.Struct, frozen=True):
    """A key or element: `own` is its name's place, `whole` goes to the end of its value."""

    name: str
    what: str
    own: Span
    whole: Span
    children: list[Symbol]


def symbols_of(text: str) -> list[Symbol]:
    documents = nodes_of(text)
    if len(documents) == 1:
        return list(_below(documents[0]))
    return [_element(node, number) for number, node in enumerate(documents)]


def _below(node: Node) -> Iterator[Symbol]:
    """What was written elsewhere, and came here by an alias or `<<`, is no part of this place."""
    if node.is_mapping:
        for key, value in node.content.items():
            own = node.keys[key]
            if _contains(node.span, own):
                is_here = own <= value.span and _contains(node.span, value.span)
                whole = _joined(own, value.span) if is_here else own
                yield Symbol(key or '""', _what(value), own, whole, list(_below(value)) if is_here else [])
    elif node.is_list:
        yield from (_element(one, index) for index, one in enumerate(node.content) if _contains(node.span, one.span))


def _element(node: Node, index: int) -> Symbol:
    named = next((one for key in _NAMING if node.is_mapping and (one := node.get(key)) is not None), node)
    written = named.content if isinstance(named.content, str) else named.source
    name = written.strip().partition("\n")[0][:_WIDTH] or f"{index + 1}"
    own = named.span if _contains(node.span, named.span) else node.span
    return Symbol(name, _what(node), own, node.span, list(_below(node)))


def _what(node: Node) -> str:
    return node.kind.removeprefix("a ")


def _contains(whole: Span, part: Span) -> bool:
    return (whole.line, whole.column) <= (part.line, part.column) and (part.end_line, part.end_column) <= (
        whole.end_line,
        whole.end_column,
    )


def _joined(first: Span, last: Span) -> Span:
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)
