"""`$ref`: what it points to, inside the document. Nothing is fetched, and no other file is opened.

A place is named by its JSON pointer (`/components/schemas/Pet`): two references that lead to one place have one name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import msgspec

from agentrun.openapi.problems import OperationProblem

MAX_CHAIN = 50
_MISSING = object()


class Found(msgspec.Struct, frozen=True, eq=False):
    value: Any
    pointer: str


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


class References:
    """`address` is the document's own, where it has one: a reference may name it."""

    def __init__(self, root: Mapping[str, Any], address: str = "") -> None:
        self.root = root
        own = root.get("$self")
        self.address = own if isinstance(own, str) else address
        self._depth = 0
        self._anchors: dict[str, Found] | None = None
        self._ids: dict[str, Found] = {}

    def resolve(self, reference: str, at: str) -> Found:
        """What a reference that stands at a place points to; that may be a reference itself.

        Raises `OperationProblem`.
        """
        target, fragment = urldefrag(reference)
        base = Found(self.root, "")
        if target and target != self.address:
            base = self._resource(target, reference, at)
        if not fragment:
            return base
        if not fragment.startswith("/"):
            return self._anchor(fragment, reference, at)
        found = self._walk(base, fragment)
        if found is None and not target:
            found = self._nearby(fragment, at)
        if found is None:
            raise OperationProblem(f"`{reference}` points to nothing in the document", at)
        return found

    def follow(self, value: Any, pointer: str) -> Found:
        """A value itself, or what its chain of references leads to."""
        for _ in range(MAX_CHAIN):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str):
                return Found(value, pointer)
            found = self.resolve(reference, pointer)
            value, pointer = found.value, found.pointer
        raise OperationProblem("its references lead in a circle", pointer)

    # -- pointers

    def _walk(self, base: Found, fragment: str) -> Found | None:
        value, pointer = base.value, base.pointer
        for written in fragment.split("/")[1:]:
            step = self._step(value, written)
            if step is None and isinstance(value, dict) and isinstance(value.get("$ref"), str):
                found = self._through(value, pointer)
                value, pointer = found.value, found.pointer
                step = self._step(value, written)
            if step is None:
                return None
            key, value = step
            pointer += "/" + escaped(key)
        return Found(value, pointer)

    def _through(self, value: Any, pointer: str) -> Found:
        """The way to a place may lead through references, whose ways may."""
        if self._depth >= MAX_CHAIN:
            raise OperationProblem("its references lead in a circle", pointer)
        self._depth += 1
        try:
            return self.follow(value, pointer)
        finally:
            self._depth -= 1

    def _step(self, value: Any, written: str) -> tuple[str, Any] | None:
        """A key may hold a `%` of its own, so it is taken as it is written first."""
        for text in (written, unquote(written)):
            key = text.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                return key, value[key]
            if isinstance(value, list) and key.isdecimal() and len(key) < 7 and int(key) < len(value):
                return key, value[int(key)]
        return None

    def _nearby(self, fragment: str, at: str) -> Found | None:
        """`#/$defs/…` inside a schema that was made to stand alone, as generators write it."""
        above: list[Found] = []
        value: Any = self.root
        steps = at.split("/")[1:]
        for index, written in enumerate(steps):
            step = self._step(value, written)
            if step is None:
                break
            value = step[1]
            above.append(Found(value, "/" + "/".join(steps[: index + 1])))
        first = fragment.split("/")[1]
        holds = (one for one in reversed(above) if isinstance(one.value, dict) and first in one.value)
        return next((found for one in holds if (found := self._walk(one, fragment)) is not None), None)

    # -- anchors and identifiers

    def _anchor(self, name: str, reference: str, at: str) -> Found:
        anchors = self._indexed()
        if name not in anchors:
            raise OperationProblem(f"`{reference}` names an anchor that is not in the document", at)
        return anchors[name]

    def _resource(self, target: str, reference: str, at: str) -> Found:
        """A schema of the document that has an `$id`."""
        self._indexed()
        for name in (target, urljoin(self.address, target) if self.address else target):
            if name in self._ids:
                return self._ids[name]
        if "://" in target or target.startswith("//"):
            raise OperationProblem(f"`{reference}` points to another address, and nothing is fetched", at)
        raise OperationProblem(f"`{reference}` points to another file: bundle the files into one document", at)

    def _indexed(self) -> dict[str, Found]:
        if self._anchors is None:
            self._anchors = {}
            for value, pointer in _mappings(self.root):
                for key in ("$anchor", "$dynamicAnchor"):
                    if isinstance(name := value.get(key), str):
                        self._anchors.setdefault(name, Found(value, pointer))
                if isinstance(name := value.get("$id"), str):
                    for one in {name.removesuffix("#"), urljoin(self.address, name).removesuffix("#")}:
                        self._ids.setdefault(one, Found(value, pointer))
        return self._anchors


def _mappings(root: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every mapping of the document, once."""
    waiting: list[tuple[Any, str]] = [(root, "")]
    seen: set[int] = set()
    while waiting:
        value, pointer = waiting.pop()
        if not isinstance(value, (dict, list)) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            yield value, pointer
            waiting += [(child, f"{pointer}/{escaped(str(key))}") for key, child in value.items()]
        else:
            waiting += [(child, f"{pointer}/{index}") for index, child in enumerate(value)]
