"""Trees of values that know where they were written.

What the reader builds, the checks walk and the rules point into: a finding's place is a route of keys and indices until
`Node` turns it into line and column.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Edit, Span

# What libyaml counts as the end of a line.
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
Scalar = str | int | float | bool | None
Route = tuple[str | int, ...]


class Node:
    """A value: `content` is a scalar, a list of nodes, or a dict of nodes with the places of its keys in `keys`.

    `style` is how a scalar was written: "" plain, a quote, `|` or `>` for a block, "file" for a text of a file of its
    own; `source` is what was written, quotes and all. A node is never changed after the file was read.
    """

    __slots__ = ("content", "keys", "source", "span", "style")

    def __init__(
        self, content: Any, span: Span, *, keys: dict[str, Span] | None = None, style: str = "", source: str = ""
    ) -> None:
        self.content: Any = content
        self.span = span
        self.keys = keys or {}
        self.style = style
        self.source = source

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.content, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.content, list)

    @property
    def kind(self) -> str:
        """What a person calls it."""
        return kind_of(self.content)

    @property
    def first_line(self) -> Span:
        """Where a finding stands that is about the whole."""
        return Span(self.span.file, self.span.line, self.span.column, self.span.line, self.span.column)

    def data(self) -> Any:
        """Plain data. Depth is bounded by the reader."""
        if isinstance(self.content, dict):
            return {key: child.data() for key, child in self.content.items()}
        if isinstance(self.content, list):
            return [child.data() for child in self.content]
        return self.content

    def like(self, content: Any) -> Node:
        """Another value at this place."""
        return Node(content, self.span, keys=self.keys, style=self.style, source=self.source)

    def get(self, *route: str | int) -> Node | None:
        node: Node | None = self
        for step in route:
            inside = node.content  # type: ignore[union-attr]
            if isinstance(inside, dict):
                node = inside.get(step)
            elif isinstance(inside, list) and isinstance(step, int) and 0 <= step < len(inside):
                node = inside[step]
            else:
                return None
            if node is None:
                return None
        return node

    def place(self, route: Route) -> Span:
        """The span of the value at a route, or of the nearest thing above it that exists."""
        node: Node = self
        for step in route:
            child = node.get(step)
            if child is None:
                break
            node = child
        return node.span

    def key_place(self, route: Route) -> Span:
        """The span of the key that ends a route; of the value where it ends in an index."""
        parent = self.get(*route[:-1])
        if parent is not None and parent.is_mapping and route and route[-1] in parent.keys:
            return parent.keys[str(route[-1])]
        return self.place(route)

    def rewrite(self, text: str) -> Edit:
        """The edit that writes another text of one line here, in the quotes that stand there."""
        quote = self.style if self.style in ("'", '"') else ""
        if quote == "'":
            text = text.replace("'", "''")
        elif quote:
            text = text.replace("\\", "\\\\").replace('"', '\\"')
        return Edit(self.span, f"{quote}{text}{quote}")

    def find(self, pattern: re.Pattern[str]) -> Span | None:
        """Where a pattern, or its first group, is found in what was written."""
        found = pattern.search(self.source)
        if found is None:
            return None
        return self.part(*found.span(1 if pattern.groups else 0))

    def part(self, start: int, end: int) -> Span:
        """Where a piece of `source` stands."""
        return Span(self.span.file, *self._at(start), *self._at(end))

    def _at(self, offset: int) -> tuple[int, int]:
        starts = line_starts(self.source)
        line = bisect_right(starts, offset) - 1
        return self.span.line + line, (self.span.column if line == 0 else 1) + offset - starts[line]

    def walk(self, route: Route = ()) -> Iterator[tuple[Route, Node]]:
        """Every value below, itself first, in the order in which they were written."""
        waiting = [(route, self)]
        while waiting:
            route, node = waiting.pop()
            yield route, node
            if isinstance(node.content, dict):
                waiting += [((*route, key), child) for key, child in reversed(node.content.items())]
            elif isinstance(node.content, list):
                waiting += [((*route, index), child) for index, child in enumerate(node.content)][::-1]


@lru_cache(maxsize=64)
def line_starts(text: str) -> tuple[int, ...]:
    """Where each line begins. Many places of one text are asked for, one after the other."""
    return (0, *(found.end() for found in LINE_BREAK.finditer(text)))


def items(node: Node | None) -> list[Node]:
    """What stands in a list; nothing where it is none."""
    return list(node.content) if node is not None and node.is_list else []


def members(node: Node | None) -> dict[str, Node]:
    """What stands in a mapping, by key; nothing where it is none."""
    return dict(node.content) if node is not None and node.is_mapping else {}


def texts(node: Node | None) -> list[str]:
    """The texts of a list."""
    return [one.content for one in items(node) if isinstance(one.content, str)]


def text_of(node: Node | None) -> str | None:
    return node.content if node is not None and isinstance(node.content, str) else None


def name_place(node: Node) -> Span:
    """Where a finding stands that is about something with a `name`, as a whole."""
    name = node.get("name")
    return name.span if name is not None else node.first_line


def kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return "text"
