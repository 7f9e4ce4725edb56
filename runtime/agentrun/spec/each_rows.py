"""The rows of values that a case's `each` gives: those of a list, or each combination of a mapping of lists."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.diagnostics import Span
from agentrun.spec.nodes import Node

_WIDTH = 24  # of a value in the name of a case


class Row(msgspec.Struct, frozen=True, eq=False):
    """`nodes` are its values as they were written; `keys` where their names stand, if it has any of its own."""

    values: dict[str, Any]
    nodes: Mapping[str, Node]
    place: Span
    keys: Mapping[str, Span] = {}


class Rows(msgspec.Struct, frozen=True):
    """The rows of an `each`: `names` are their values' names, each where it is first written."""

    count: int
    names: dict[str, Span]
    place: Span
    rows: Sequence[Row] | None = None
    lists: Mapping[str, Node] = {}

    def __iter__(self) -> Iterator[Row]:
        if self.rows is not None:
            yield from self.rows
            return
        columns = [list(zip(column.data(), column.content, strict=True)) for column in self.lists.values()]
        for picked in itertools.product(*columns):
            values = {name: value for name, (value, _) in zip(self.lists, picked, strict=True)}
            nodes = {name: node for name, (_, node) in zip(self.lists, picked, strict=True)}
            yield Row(values, nodes, self.place)


def rows_of(case: Node) -> Rows | None:
    """None where a case has no `each`, or one that the schema refuses."""
    each = case.get("each")
    if each is None or each.content is None:
        return None
    place = case.key_place(("each",))
    if each.is_list and all(one.is_mapping for one in each.content):
        names: dict[str, Span] = {}
        for one in each.content:
            for name in one.content:
                names.setdefault(name, one.keys[name])
        rows = [Row(one.data(), one.content, one.span, one.keys) for one in each.content]
        return Rows(len(rows), names, place, rows)
    if each.is_mapping and all(one.is_list for one in each.content.values()):
        count = math.prod(len(one.content) for one in each.content.values()) if each.content else 0
        return Rows(count, dict(each.keys), place, None, each.content)
    return None


def label(values: Mapping[str, Any]) -> str:
    return f"[{', '.join(f'{name}={_short(value)}' for name, value in values.items())}]"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
