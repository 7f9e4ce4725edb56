"""A mapping of another format, key by key: each is taken, known to mean nothing here, or told as left.

So nothing is dropped silently. Knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from agentrun.foreign.draft import Draft
from agentrun.spec.nodes import Node
from agentrun.visible import one_line

UNKNOWN = "agentrun has nothing for it, or it is no key of this format"
_MAX_NAME_CHARS = 60
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Fields:
    """`what` is what the mapping is, in the words of what is told: `agent root`."""

    def __init__(self, node: Node, what: str, draft: Draft) -> None:
        self.node = node
        self.what = what
        self.draft = draft
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self.peek(key) is not None

    def peek(self, key: str) -> Node | None:
        """The value of a key; None is as absent."""
        found = self.node.get(key) if self.node.is_mapping else None
        return None if found is None or found.content is None else found

    def take(self, key: str) -> Node | None:
        self._known.add(key)
        return self.peek(key)

    def skip(self, *keys: str) -> None:
        """Keys that mean nothing here: who wrote a file, under which version."""
        self._known.update(keys)

    def leave(self, key: str, why: str) -> None:
        """Tell a key that is there as left. What says nothing (an empty text, list or mapping) is not told."""
        self._known.add(key)
        found = self.peek(key)
        if found is not None and found.content not in ("", [], {}):
            self.draft.leave(self.line(key), self.told(key), why)

    def leave_switched_on(self, key: str, why: str) -> None:
        """The same of a switch, which says nothing where it is off."""
        found = self.peek(key)
        if found is not None and found.content is False:
            self.skip(key)
        else:
            self.leave(key, why)

    def rest(self, reasons: Mapping[str, str] = MappingProxyType({})) -> None:
        """Every key that was not spoken of is left."""
        for key in self.node.content if self.node.is_mapping else ():
            if key not in self._known:
                self.leave(key, reasons.get(key, UNKNOWN))

    def told(self, key: str) -> str:
        name = one_line(key, _MAX_NAME_CHARS)
        return f"{self.what}: `{name}`" if self.what else f"`{name}`"

    def line(self, key: str) -> int:
        return self.node.key_place((key,)).line

    # -- values of a kind

    def text(self, key: str) -> str:
        """A text, or a number or truth value as it was written; empty where there is none."""
        found = self.take(key)
        if found is None:
            return ""
        text = text_in(found)
        if text is None:
            self.leave(key, f"a text is expected, not {found.kind}")
        return text or ""

    def flag(self, key: str) -> bool | None:
        found = self.take(key)
        if found is None or isinstance(found.content, bool):
            return None if found is None else bool(found.content)
        self.leave(key, f"true or false is expected, not {found.kind}")
        return None

    def number(self, key: str, *, least: float = 0) -> float | int | None:
        found = self.take(key)
        if found is None:
            return None
        value = found.content
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least:
            return int(value) if isinstance(value, float) and value.is_integer() else value
        self.leave(key, f"a number of at least {least:g} is expected")
        return None

    def whole(self, key: str, *, least: int = 0) -> int | None:
        found = self.number(key, least=least)
        if found is None or isinstance(found, int):
            return found
        self.leave(key, "a whole number is expected")
        return None

    def items(self, key: str) -> list[Node]:
        found = self.take(key)
        if found is None or found.is_list:
            return list(found.content) if found is not None else []
        self.leave(key, f"a list is expected, not {found.kind}")
        return []

    def texts(self, key: str) -> Iterator[tuple[str, Node]]:
        for one in self.items(key):
            text = text_in(one)
            if text is None:
                self.draft.leave(one, self.told(key), f"a text is expected, not {one.kind}")
            else:
                yield text, one

    def members(self, key: str) -> dict[str, Node]:
        """The entries of a mapping, but for those that are null."""
        found = self.take(key)
        if found is None or found.is_mapping:
            entries = found.content.items() if found is not None else ()
            return {name: child for name, child in entries if child.content is not None}
        self.leave(key, f"a mapping is expected, not {found.kind}")
        return {}

    def inner(self, key: str, what: str | None = None) -> Fields | None:
        found = self.take(key)
        if found is None:
            return None
        if not found.is_mapping:
            self.leave(key, f"a mapping is expected, not {found.kind}")
            return None
        return Fields(found, what or self.told(key), self.draft)

    def data(self, key: str) -> Any:
        found = self.take(key)
        return None if found is None else found.data()


def headers_of(fields: Fields, write: Callable[[str, str, Node], str]) -> dict[str, str]:
    """`headers`, each as `write` makes it of its name, text and place. What can be no header is left."""
    made = {}
    for name, node in fields.members("headers").items():
        text = text_in(node)
        if text is None or not _HEADER_NAME.fullmatch(name) or not text.isprintable():
            what = f"{fields.told('headers')}: `{one_line(name, _MAX_NAME_CHARS)}`"
            fields.draft.leave(node, what, "it is no header: a name of letters, digits and `-`, and a text of one line")
        else:
            made[name] = write(name, text, node)
    return made


def text_in(node: Node) -> str | None:
    """A scalar as text: a number as it was written."""
    value = node.content
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return node.source.strip() or str(value)
    return None
