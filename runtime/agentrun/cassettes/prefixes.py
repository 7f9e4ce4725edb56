"""Long conversations compared without looking at each message again and again. Pure.

Each request of a conversation holds the one before it and a few messages more. A message is written as text once, and
a list of messages is a path in a tree, in which the same beginning is the same node.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefixes:
    """Gives lists their nodes: two lists have the same node after as many steps as they have in common."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, Hashable], int] = {}

    def path(self, steps: Iterable[Hashable]) -> list[int]:
        """The node after each step."""
        node, path = 0, []
        for step in steps:
            node = self._nodes.setdefault((node, step), len(self._nodes) + 1)
            path.append(node)
        return path


class Once(Generic[T]):
    """What a function makes of an object that is never changed, made once for each object."""

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._made: dict[int, tuple[object, T]] = {}

    def of(self, one: object) -> T:
        known = self._made.get(id(one))
        if known is None:  # the object is kept, so that no other one gets its id
            known = self._made[id(one)] = one, self._make(one)
        return known[1]
