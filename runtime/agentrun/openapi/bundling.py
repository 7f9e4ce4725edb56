"""A schema made whole in itself: what it refers to stands in its `$defs`, and only that.

What is referred to once, or is small, is put in its place: models and services read that best. What refers to itself
stays a definition. Of a schema that is too large for a function the remarks go first, then the members that may be left
out and lead deepest; it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agentrun.diagnostics import one_of
from agentrun.json_schema import subschemas
from agentrun.openapi.circles import in_circles
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.prose import cut
from agentrun.openapi.schemas import Schemas

MAX_CHARS = 40_000  # of the schema of a parameter or a body, as JSON
SMALL_CHARS = 160
SHORT_REMARK = 80
PREFIX = "#/$defs/"


def bundled(schemas: Schemas, root: Any) -> dict[str, Any]:
    """What a function takes. Its root is a mapping and no reference. Raises `OperationProblem`."""
    root = _as_mapping(without_reference(schemas, root))
    whole = _Parts(schemas, root, brief=False)
    if whole.is_complete:
        return whole.joined()
    brief = _Parts(schemas, root, brief=True)
    if brief.is_complete:
        return brief.joined()
    return brief.reduced()


def with_definitions(schemas: Schemas, root: Any) -> dict[str, Any]:
    """What a response is: its `$defs` are all of the document's, each made when it is asked for."""
    root = _as_mapping(without_reference(schemas, root))
    return {**root, "$defs": Definitions(schemas)} if next(references(root), None) is not None else root


class Definitions(Mapping[str, Any]):
    """What can't be expressed says nothing: answers are not refused for it."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def __getitem__(self, name: str) -> Any:
        try:
            return self._schemas.definition(name)
        except (OperationProblem, RecursionError):
            return {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._schemas.names)

    def __len__(self) -> int:
        return len(self._schemas.names)


def without_reference(schemas: Schemas, root: Any) -> Any:
    for _ in range(50):
        if not isinstance(root, dict) or "$ref" not in root:
            return root
        target = schemas.definition(root["$ref"].removeprefix(PREFIX))
        beside = {key: one for key, one in root.items() if key != "$ref"}
        if isinstance(target, dict) and any(key in target and target[key] != beside[key] for key in _rules(beside)):
            return {**beside, "allOf": [target]}
        root = {**target, **beside} if isinstance(target, dict) else target
    raise OperationProblem("its references lead in a circle")


def references(schema: Any) -> Iterator[str]:
    """The definitions that a schema refers to, each as often as it does."""
    for _, one in subschemas(schema, ()):
        if isinstance(target := one.get("$ref"), str):
            yield target.removeprefix(PREFIX)


class _Parts:
    """A root and the definitions that it leads to, the nearest first, as many as there is room for."""

    def __init__(self, schemas: Schemas, root: dict[str, Any], *, brief: bool) -> None:
        self.root = _brief(root) if brief else root
        self.known: dict[str, Any] = {}
        self._uses: dict[str, int] = {}
        self._recursive: set[str] = set()
        self._placed: dict[str, Any] = {}
        room = MAX_CHARS - _chars(self.root)
        refers = list(references(self.root))
        self._refers: dict[str, set[str]] = {}
        for name in refers:
            self._uses[name] = self._uses.get(name, 0) + 1
            if name in self.known or room < 0:
                continue
            made = schemas.definition(name)
            made = _brief(made) if brief else made
            room -= _chars(made)
            if room >= 0:
                self.known[name] = made
                own = list(references(made))
                self._refers[name] = set(own)
                refers += own
        self.is_complete = room >= 0

    def joined(self) -> dict[str, Any]:
        self._recursive = in_circles(self._refers)
        made = self._in_place(self.root)
        kept: dict[str, Any] = {}
        waiting = list(references(made))
        for name in waiting:
            if name not in kept:
                kept[name] = self._definition(name)
                waiting += references(kept[name])
        return {**made, "$defs": kept} if kept else dict(made)

    def reduced(self) -> dict[str, Any]:
        """Without the members that lead to definitions for which there was no room."""
        left_out: dict[str, None] = {}
        self.root = self._without_unknown(self.root, left_out)
        self.known = {name: self._without_unknown(one, left_out) for name, one in self.known.items()}
        everything = [self.root, *self.known.values()]
        self._uses = {}
        for one in everything:
            for name in references(one):
                self._uses[name] = self._uses.get(name, 0) + 1
        self._refers = {name: set(references(one)) for name, one in self.known.items()}
        made = self.joined()
        if _chars(made) > 2 * MAX_CHARS:
            raise OperationProblem(f"the schema of what it takes has {_chars(made):,} characters")
        note = f"Members left out, as the whole is too large: {one_of(left_out, limit=20)}." if left_out else ""
        said = " ".join(filter(None, (made.get("description", ""), note)))
        return {**made, "description": said} if said else made

    # -- putting in place

    def _in_place(self, schema: Any) -> Any:
        """A schema with what need not be a definition in the place of its references."""
        if not isinstance(schema, dict):
            return schema
        if not isinstance(schema.get("$ref"), str):
            return mapped(schema, self._in_place)
        target = self._target(schema["$ref"].removeprefix(PREFIX))
        beside = {key: one for key, one in schema.items() if key != "$ref"}
        beside = mapped(beside, self._in_place)
        if target is None:
            return {"$ref": schema["$ref"], **beside}
        if not isinstance(target, dict):
            return target
        if any(key in target and target[key] != beside[key] for key in _rules(beside)):
            return {**beside, "allOf": [target]}
        return {**target, **beside}

    def _target(self, name: str) -> Any:
        """What stands for a reference; None where it stays one."""
        if name in self._recursive:
            return None
        made = self._definition(name)
        return made if self._uses[name] == 1 or _chars(made) <= SMALL_CHARS else None

    def _definition(self, name: str) -> Any:
        if name not in self._placed:
            self._placed[name] = self._in_place(self.known[name])
        return self._placed[name]

    # -- leaving out

    def _without_unknown(self, schema: Any, left_out: dict[str, None]) -> Any:
        if not isinstance(schema, dict):
            return schema
        made = dict(schema)
        members, needed = schema.get("properties"), schema.get("required", ())
        if isinstance(members, dict):
            gone = [name for name, one in members.items() if name not in needed and self._leads_away(one)]
            left_out.update(dict.fromkeys(gone))
            made["properties"] = {name: one for name, one in members.items() if name not in gone}
        if isinstance(branches := schema.get("anyOf"), list):
            kept = [one for one in branches if not self._leads_away(one)]
            made["anyOf"] = kept or branches
        made = mapped(made, lambda one: self._without_unknown(one, left_out))
        if isinstance(made.get("$ref"), str) and made["$ref"].removeprefix(PREFIX) not in self.known:
            del made["$ref"]  # it is needed, so it is not left out: its own schema is
        return made

    def _leads_away(self, schema: Any) -> bool:
        return any(name not in self.known for name in references(schema))


def mapped(schema: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """A schema with its subschemas changed, and its data left alone."""
    made: dict[str, Any] = {}
    for key, one in schema.items():
        if key in ("properties", "patternProperties", "dependentSchemas") and isinstance(one, Mapping):
            made[key] = {name: change(member) for name, member in one.items()}
        elif key in _DATA:
            made[key] = one
        elif isinstance(one, list):
            made[key] = [change(member) for member in one]
        else:
            made[key] = change(one) if isinstance(one, dict) else one
    return made


_DATA = ("const", "enum", "default", "examples", "required", "type", "dependentRequired")


def _brief(schema: Any) -> Any:
    """With short remarks only."""
    if not isinstance(schema, dict):
        return schema
    made = mapped({key: one for key, one in schema.items() if key not in ("examples", "format")}, _brief)
    if isinstance(said := made.get("description"), str):
        made["description"] = cut(said, SHORT_REMARK)
    return made


def _rules(schema: Mapping[str, Any]) -> set[str]:
    return set(schema) - {"description", "examples"}


def _as_mapping(schema: Any) -> dict[str, Any]:
    return dict(schema) if isinstance(schema, Mapping) else {} if schema else {"not": {}}


def _chars(schema: Any) -> int:
    return len(msgspec.json.encode(schema))
