"""A response without what its schema doesn't name. Pure.

Services answer with more than they describe, and each member costs the model's attention. What is left out was never
promised to anybody. Where the schema tells no members, or the answer looks like nothing that it tells, all stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentrun.openapi.operation import Schema
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.shapes import Defs, definitions, further, items, lists_members, members


def pruned(value: Any, schema: Schema | None) -> Any:
    """`value` is JSON data of at most the depth that a response may have."""
    if schema is None:
        return value
    try:
        return _Pruning(definitions(schema)).value(value, [schema])
    except OperationProblem:  # a definition is made when it is met, and this one can't be
        return value


class _Pruning:
    """What schemas say is found out once for each: an answer may have thousands of items."""

    def __init__(self, defs: Defs) -> None:
        self._defs = defs
        self._members: dict[tuple[int, ...], tuple[dict[str, list[Any]], list[Any], bool]] = {}
        self._items: dict[tuple[int, ...], list[Any]] = {}

    def value(self, value: Any, schemas: Sequence[Any]) -> Any:
        if not schemas:
            return value
        if isinstance(value, dict):
            return self._object(value, schemas)
        if isinstance(value, list):
            key = tuple(map(id, schemas))
            if key not in self._items:
                self._items[key] = items(schemas, self._defs)
            return [self.value(one, self._items[key]) for one in value]
        return value

    def _object(self, value: dict[str, Any], schemas: Sequence[Any]) -> dict[str, Any]:
        key = tuple(map(id, schemas))
        if key not in self._members:
            found = members(schemas, self._defs), further(schemas, self._defs), lists_members(schemas, self._defs)
            self._members[key] = found
        named, others, is_told = self._members[key]
        kept = {
            name: self.value(child, named.get(name, others))
            for name, child in value.items()
            if name in named or others or not is_told
        }
        return kept or value
