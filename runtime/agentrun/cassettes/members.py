"""What stands in a mapping of a cassette, asked for by name and type. What is wrong becomes a finding with its place.

A value that is wrong is answered with one that is right, so that the rest is looked at too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from agentrun.diagnostics import Diagnostic, Span, did_you_mean, one_of
from agentrun.spec.nodes import Node, kind_of

T = TypeVar("T")


class Members:
    """A mapping whose keys are taken one by one; `end` tells of those that nobody took.

    `what` names the mapping in findings: "an exchange".
    """

    def __init__(self, node: Node, what: str, found: list[Diagnostic]) -> None:
        self.node = node
        self.found = found
        self._what = what
        self._content: dict[str, Node] = node.content if node.is_mapping else {}
        self._known: dict[str, None] = {}  # a set in the order in which they were asked for
        if not node.is_mapping:
            self.wrong(node.span, f"{what} is a mapping, not {node.kind}", "AR303")

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str) -> Node | None:
        self._known[key] = None
        return self._content.get(key)

    def data(self, key: str) -> Any:
        node = self.take(key)
        return None if node is None else node.data()

    def text(self, key: str) -> str:
        """Which must be there."""
        return self._required(key, str, "text", "")

    def optional_text(self, key: str) -> str | None:
        value: str | None = self._typed(key, str, "text")
        return value

    def whole(self, key: str) -> int | None:
        value: int | None = self._typed(key, int, "a whole number")
        return value

    def number(self, key: str) -> float | None:
        value = self._typed(key, (int, float), "a number")
        return None if value is None else float(value)

    def truth(self, key: str) -> bool | None:
        value: bool | None = self._typed(key, bool, "true or false")
        return value

    def mapping(self, key: str) -> dict[str, Any] | None:
        node = self._typed(key, dict, "a mapping", whole=True)
        return None if node is None else dict(node.data())

    def nodes(self, key: str) -> list[Node] | None:
        node = self._typed(key, list, "a list", whole=True)
        return None if node is None else list(node.content)

    def inner(self, key: str, what: str) -> Members:
        """The mapping of a key that is there."""
        self._known[key] = None
        return Members(self._content[key], what, self.found)

    def each(self, key: str, what: str) -> list[Members] | None:
        """The mappings of a list."""
        nodes = self.nodes(key)
        return None if nodes is None else [Members(node, what, self.found) for node in nodes]

    def choice(self, key: str, options: Sequence[str], otherwise: str) -> str:
        value = self.optional_text(key)
        if value is None or value in options:
            return otherwise if value is None else value
        help = did_you_mean(value, options, one_of(options))
        self.wrong(self._content[key].span, f"`{key}` can't be `{value}`", "AR304", help)
        return otherwise

    def exactly_one(self, keys: Sequence[str]) -> str | None:
        present = [key for key in keys if key in self._content]
        self._known |= dict.fromkeys(present)
        if len(present) == 1:
            return present[0]
        named = ", ".join(f"`{key}`" for key in keys)
        which = "one of" if not present else "only one of"
        self.wrong(self.node.first_line, f"{self._what} has {which} {named}", "AR307" if present else "AR302")
        return None

    def end(self) -> None:
        for key in self._content:
            if key not in self._known and not key.startswith("x-"):
                help = did_you_mean(key, self._known, f"keys here: {one_of(self._known)}")
                self.wrong(self.node.keys[key], f"unknown key `{key}`", "AR301", help)

    def wrong(self, span: Span, message: str, code: str, help: str | None = None) -> None:
        self.found.append(Diagnostic(code, "error", message, span, help))

    def _required(self, key: str, kind: type[T], words: str, otherwise: T) -> T:
        if key not in self._content:
            self._known[key] = None
            if self.node.is_mapping:
                self.wrong(self.node.first_line, f"the key `{key}` is missing: {self._what} has one", "AR302")
            return otherwise
        value = self._typed(key, kind, words)
        return otherwise if value is None else value

    def _typed(self, key: str, kind: Any, words: str, *, whole: bool = False) -> Any:
        """Null is the same as absent. `whole`: the node, not what it holds."""
        node = self.take(key)
        if node is None or node.content is None:
            return None
        is_other_number = isinstance(node.content, bool) and kind is not bool
        if not isinstance(node.content, kind) or is_other_number:
            self.wrong(node.span, f"`{key}` must be {words}, not {kind_of(node.content)}", "AR303")
            return None
        return node if whole else node.content
