"""What of an example request becomes a parameter of a tool, and of which type. Pure.

Values are examples: of a request that changes nothing they are the defaults, so that the tool does without arguments
what the example did. Of one that changes things none is a default: a model that forgets an argument must not change
what the example changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from agentrun.errors import UsageError
from agentrun.foreign.shell_words import VARIABLE
from agentrun.spec.credential_words import without_keys

_MAX_EXAMPLE_CHARS = 300
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*[1-9])?")


class Parameters:
    """Collects them. `chosen` are NAME, or NAME=VALUE, of those that are wanted; none: all that may be one."""

    def __init__(self, chosen: Sequence[str], *, reads: bool) -> None:
        self._named = [one for one in chosen if "=" not in one]
        self._valued: dict[str, str] = {}
        for one in chosen:
            name, equals, value = one.partition("=")
            if equals:
                self._valued[value] = name
        self._all = not chosen
        self._reads = reads
        self._used: set[str] = set()
        self._seen: list[str] = []
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self.arguments: dict[str, Any] = {}

    def take(self, place: str, route: Sequence[str], value: Any, *, about: str = "") -> str | None:
        """The name of the parameter that takes the place of a value; None: the value stays as it is.

        `place` is where it stands: path, query, header or body; `route` are its names, the outermost first.
        """
        name = self._wanted(place, route, value)
        if name is None:
            return None
        if name in self._properties:  # the same one again, where NAME=VALUE asks for it
            return name
        required = place == "path" or not self._reads
        schema = schema_of(value)
        if about:
            schema = {**schema, "description": about}
        if len(json.dumps(value, ensure_ascii=False)) <= _MAX_EXAMPLE_CHARS:
            schema = {**schema, "examples": [value]} if required else {**schema, "default": value}
        return self._add(name, schema, value, required=required)

    def ask(self, route: Sequence[str], schema: dict[str, Any]) -> str:
        """A parameter without an example: what the command line doesn't show."""
        return self._add(self._free(route), schema, None, required=True)

    def require(self, name: str) -> None:
        """A hole in the path of a url is always given: no default stands for it."""
        schema = self._properties[name]
        if "default" in schema:
            schema["examples"] = [schema.pop("default")]
        if name not in self._required:
            self._required.append(name)

    def check_all_used(self) -> None:
        """Raises `UsageError` for a chosen one that is nowhere in the request."""
        for one in (*self._named, *(f"{name}={value}" for value, name in self._valued.items())):
            if one not in self._used:
                known = ", ".join(f"`{name}`" for name in self._seen[:20]) or "nothing that could be one"
                raise UsageError(f"`--param {one}` fits nothing in the request", help=f"it has {known}")

    @property
    def schema(self) -> dict[str, Any] | None:
        if not self._properties:
            return None
        required = {"required": self._required} if self._required else {}
        return {"type": "object", "properties": self._properties, **required, "additionalProperties": False}

    def _wanted(self, place: str, route: Sequence[str], value: Any) -> str | None:
        made = self._free(route)
        self._seen.append(made)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text in self._valued:
            name = self._valued[text]
            self._used.add(f"{name}={text}")
            return legal_name(name)
        dotted = ".".join(route)
        for one in self._named:
            if one in (made, dotted, route[-1]) or (place == "header" and one.lower() == route[-1]):
                self._used.add(one)
                return made
        return made if self._all and place != "header" else None

    def _free(self, route: Sequence[str]) -> str:
        """The shortest name that is not taken: the last names of its route, then a number."""
        parts = [legal_name(one) for one in route]
        for count in range(1, len(parts) + 1):
            name = "_".join(parts[-count:])
            if name not in self._properties:
                return name
        number = 2
        while f"{name}_{number}" in self._properties:
            number += 1
        return f"{name}_{number}"

    def _add(self, name: str, schema: dict[str, Any], value: Any, *, required: bool) -> str:
        self._properties[name] = schema
        if value is not None:
            self.arguments[name] = value
        if required:
            self._required.append(name)
        return name


def argument(name: str) -> str:
    """The template that a parameter is put in by."""
    return f"{{{{ args.{name} }}}}"


def legal_name(text: str) -> str:
    """A name as templates and holes take it."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", without_keys(text)).strip("_")
    return name if name and not name[0].isdigit() else f"p_{name}".rstrip("_")


def typed(text: str) -> Any:
    """The number or truth value that a text is, where that comes back as the same text; else the text."""
    if VARIABLE.search(text):
        return text
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text) and text != "-0":
        number = json.loads(text)
        return number if json.dumps(number) == text else text
    return text


def schema_of(value: Any) -> dict[str, Any]:
    """The JSON Schema that an example suggests: of a list, and of an object, what its members have in common."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer"}
    if isinstance(value, float):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if isinstance(value, list):
        items = _common([schema_of(one) for one in value])
        return {"type": "array", "items": items}
    if isinstance(value, dict):
        members = {key: schema_of(one) for key, one in value.items()}
        return {"type": "object", "properties": members} if members else {"type": "object"}
    return {}


def _common(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {one.get("type") for one in schemas}
    if kinds == {"integer", "number"}:
        return {"type": "number"}
    if len(kinds) != 1 or None in kinds:
        return {}
    kind = kinds.pop()
    if kind == "object":
        members: dict[str, list[dict[str, Any]]] = {}
        for one in schemas:
            for key, schema in one.get("properties", {}).items():
                members.setdefault(key, []).append(schema)
        properties = {key: _common(several) for key, several in members.items()}
        return {"type": "object", "properties": properties} if properties else {"type": "object"}
    if kind == "array":
        items = _common([one["items"] for one in schemas if one.get("items")])
        return {"type": "array", "items": items}
    return {"type": kind}
