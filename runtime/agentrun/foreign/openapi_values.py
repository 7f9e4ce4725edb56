"""How a value of an OpenAPI document is written in a template of `http`: what its schema says it may be, and the
entries that a style makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentrun.json_schema import Validator
from agentrun.openapi.operation import Style
from agentrun.openapi.shapes import Defs, definitions, further, items, lists_members, members, parts

MAX_ENTRIES = 100  # that one parameter is spread into
_SEPARATORS: Mapping[Style, str] = {"spaceDelimited": " ", "pipeDelimited": "|"}
_DICT = frozenset(dir(dict))  # `args.a.items` would be a method


class Inexpressible(Exception):
    """Why something has no form in `http`: the end of a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Kinds:
    """What a value may be, by all that its schema says."""

    def __init__(self, schema: Any, defs: Defs | None = None) -> None:
        self.schemas: Sequence[Any] = schema if isinstance(schema, list) else [schema]
        self.defs = definitions(schema) if defs is None and isinstance(schema, Mapping) else (defs or {})
        self._types: set[str] = set()
        for part in parts(self.schemas, self.defs):
            kinds = part.get("type", ())
            self._types |= {kinds} if isinstance(kinds, str) else set(kinds)
            self._types |= {"object"} if part.get("properties") else set()

    @property
    def object(self) -> bool:
        return "object" in self._types

    @property
    def list(self) -> bool:
        return "array" in self._types

    @property
    def several(self) -> bool:
        return self.object or self.list

    @property
    def alone(self) -> bool:
        """It is a list, or an object, and nothing else."""
        return len(self._types - {"null"}) == 1

    def items(self) -> Kinds:
        return Kinds(items(self.schemas, self.defs), self.defs)

    def joins(self) -> bool:
        """Whether the items are texts or numbers: those read the same in a template as in JSON."""
        types = self.items()._types
        return bool(types) and types <= {"string", "integer", "number"}


def spread(
    name: str, expression: str, schema: Mapping[str, Any], style: Style, *, explode: bool
) -> Iterator[tuple[str, str]]:
    """The entries of a query or a form, each with its template. Raises `Inexpressible`."""
    kinds = Kinds(schema)
    if not kinds.several:
        yield name, template(expression)
    elif style == "deepObject":
        yield from _within_bounds(_deep(name, expression, kinds))
    elif kinds.object:
        if not explode:
            raise Inexpressible("it is an object on one line")
        yield from _within_bounds(_flat(expression, kinds))
    elif explode:
        yield name, template(expression)
    else:
        yield name, joined(expression, kinds, _SEPARATORS.get(style, ","))


def joined(expression: str, kinds: Kinds, separator: str) -> str:
    if not kinds.alone or not kinds.list or not kinds.joins():
        raise Inexpressible("only a list of texts or numbers can be joined")
    is_never_empty = any(part.get("minItems") for part in parts(kinds.schemas, kinds.defs))
    return template(f"{expression} | join('{separator}')" + ("" if is_never_empty else " or none"))


def _deep(route: str, expression: str, kinds: Kinds) -> Iterator[tuple[str, str]]:
    if not kinds.several:
        yield route, template(expression)
        return
    if not kinds.alone:
        raise Inexpressible(f"`{route}` may be an object, and something else")
    if kinds.list:
        if kinds.items().several:
            raise Inexpressible(f"`{route}` is a list of lists or objects")
        yield f"{route}[]", template(expression)
        return
    for name, schemas in _known(route, kinds).items():
        child = Kinds(schemas, kinds.defs)
        inside = _member(expression, name)
        if child.object:
            yield from _deep(f"{route}[{name}]", f"({inside} | default({{}}, true))", child)
        else:
            yield from _deep(f"{route}[{name}]", f"{inside} | default(none)", child)


def _flat(expression: str, kinds: Kinds) -> Iterator[tuple[str, str]]:
    if not kinds.alone:
        raise Inexpressible("it may be an object, and something else")
    for name, schemas in _known("it", kinds).items():
        if Kinds(schemas, kinds.defs).several:
            raise Inexpressible("its members have members of their own")
        yield name, template(f"{_member(expression, name)} | default(none)")


def _known(route: str, kinds: Kinds) -> dict[str, list[Any]]:
    if not lists_members(kinds.schemas, kinds.defs) or further(kinds.schemas, kinds.defs):
        raise Inexpressible(f"the members of `{route}` are not known" if route != "it" else "its members are not known")
    return members(kinds.schemas, kinds.defs)


def _within_bounds(entries: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for number, entry in enumerate(entries):
        if number == MAX_ENTRIES:
            raise Inexpressible(f"it would be more than {MAX_ENTRIES} entries")
        yield entry


def _member(expression: str, name: str) -> str:
    if name in _DICT:
        return f"{expression}.get('{name}')"
    if name.isidentifier() and name.isascii() and not name.startswith("__"):
        return f"{expression}.{name}"
    if any(mark in name for mark in ("'", "\\", "{", "}", "%", "#", "\n", "\r")):
        raise Inexpressible(f"a template can't name the member `{name}`")
    return f"{expression}['{name}']"


def with_sound_examples(schema: Mapping[str, Any], defs: Defs) -> dict[str, Any]:
    """Without examples that break what they are examples of: documents have them, and a file's are found."""
    made = dict(schema)
    if isinstance(made.get("examples"), list):
        check = Validator({**made, "$defs": defs})
        made["examples"] = [one for one in made["examples"] if check.is_valid(one)]
        if not made["examples"]:
            del made["examples"]
    for key in ("properties", "$defs"):
        if isinstance(made.get(key), Mapping):
            made[key] = {
                name: with_sound_examples(one, defs) if isinstance(one, Mapping) else one
                for name, one in made[key].items()
            }
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = with_sound_examples(made[key], defs)
    for key in ("allOf", "anyOf"):
        if isinstance(made.get(key), list):
            made[key] = [with_sound_examples(one, defs) if isinstance(one, Mapping) else one for one in made[key]]
    return made


def template(expression: str) -> str:
    return f"{{{{ {expression} }}}}"
