"""Discriminators: which schemas stand behind a base, and which value tells each from the others.

A base that others take up with `allOf` may stand for any of them: what a request may hold is then theirs too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.references import References, escaped

MAX_FAMILY = 20  # of a request; a base of more is taken as it stands: no model could read the function

Member = tuple[str, str, str]  # a schema's pointer, the discriminator's property, its value


class Discriminators:
    def __init__(self, references: References) -> None:
        self._references = references
        self._children: dict[str, list[tuple[str, str]]] | None = None

    def family(self, value: Mapping[str, Any], pointer: str, most: int | None = MAX_FAMILY) -> list[Member] | None:
        """The schemas that a base stands for; None where it stands for itself, or for more than `most`."""
        member = _member(value)
        if member is None or value.get("oneOf") or value.get("anyOf"):
            return None
        found = self._mapped(value, pointer)
        for child, name in self._derived().get(pointer, ()):
            found.setdefault(child, name)
        found.pop(pointer, None)
        if not found or (most is not None and len(found) > most):
            return None
        return [(child, member, tag) for child, tag in found.items()]

    def pins(self, value: Mapping[str, Any], branches: list[Any], pointer: str) -> dict[int, tuple[str, str]]:
        """The property and the value that tell each of some alternatives from the others, by index."""
        member = _member(value)
        if member is None:
            return {}
        mapped = self._mapped(value, pointer)
        pins = {}
        for index, one in enumerate(branches):
            if isinstance(one, dict) and isinstance(one.get("$ref"), str):
                place = self._place(one["$ref"], pointer)
                tag = mapped.get(place) or place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
                if place and tag:
                    pins[index] = (member, tag)
        return pins

    def _mapped(self, value: Mapping[str, Any], pointer: str) -> dict[str, str]:
        """The value of each schema that the mapping names; of one with several values none is sure."""
        mapping = value["discriminator"].get("mapping")
        found: dict[str, str] = {}
        for tag, target in mapping.items() if isinstance(mapping, dict) else ():
            if isinstance(target, str) and (place := self._place(target, pointer)):
                found[place] = "" if place in found else tag
        return found

    def _place(self, target: str, pointer: str) -> str:
        """A mapping names a schema by a reference, or by its bare name."""
        known = self._schemas()
        if target in known:
            return f"/components/schemas/{escaped(target)}"
        try:
            found = self._references.resolve(target, pointer)
            return self._references.follow(found.value, found.pointer).pointer
        except OperationProblem:
            return ""

    def _schemas(self) -> Mapping[str, Any]:
        components = self._references.root.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        return schemas if isinstance(schemas, dict) else {}

    def _derived(self) -> dict[str, list[tuple[str, str]]]:
        """Of each schema those that take it up with `allOf`: their places, and the value that each goes by."""
        if self._children is None:
            self._children = {}
            for name, schema in self._schemas().items():
                parts = schema.get("allOf") if isinstance(schema, dict) else None
                for part in parts if isinstance(parts, list) else ():
                    reference = part.get("$ref") if isinstance(part, dict) else None
                    if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
                        tag = schema.get("x-ms-discriminator-value")
                        child = (f"/components/schemas/{escaped(name)}", tag if isinstance(tag, str) else name)
                        self._children.setdefault(reference[1:], []).append(child)
        return self._children


def _member(value: Mapping[str, Any]) -> str | None:
    discriminator = value.get("discriminator")
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    return name if isinstance(name, str) and name else None
