"""Schemas of a document to JSON Schema 2020-12, for requests or for responses.

What a request may hold is closed: an object that names its members takes no others, members that are read only are
left out. Definitions that are referred to are made once and named; `bundling.py` puts together what one function needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from agentrun.openapi.discriminators import MAX_FAMILY, Discriminators
from agentrun.openapi.joining import close, merge, or_null, pin, take_out, texts, without_remarks
from agentrun.openapi.keywords import examples, remarks, scalars, types_of, usable_pattern
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.prose import one_text, plain
from agentrun.openapi.references import References, escaped

Direction = Literal["request", "response"]

MAX_DEPTH = 60  # levels of one definition
MAX_NAME_CHARS = 60
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_REMARKS = frozenset(("description", "examples"))
_MAKES_MORE = frozenset(("properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf"))


class Pin(msgspec.Struct, frozen=True):
    """The value of a discriminator that tells a schema from its alternatives."""

    member: str
    value: str


class Form(msgspec.Struct, frozen=True):
    """How a definition is made. `is_open`: what else holds for the same value closes it, or must not be closed."""

    pointer: str
    is_open: bool = False
    pin: Pin | None = None
    alone: bool = False  # the base of a family, without those that derive from it


class Schemas:
    """Makes schemas whose references read `#/$defs/NAME`; `definition` gives what a name stands for."""

    def __init__(self, references: References, discriminators: Discriminators, direction: Direction) -> None:
        self._references = references
        self._families = discriminators
        self._direction = direction
        self._names: dict[Form, str] = {}
        self._forms: dict[str, Form] = {}
        self._made: dict[str, Any] = {}
        self._opened: set[str] = set()  # definitions whose parts are being put together

    def schema(self, value: Any, pointer: str) -> Any:
        """Raises `OperationProblem`."""
        self._opened.clear()
        return self._schema(value, Form(pointer), 0)

    @property
    def names(self) -> Collection[str]:
        """Those that are known by now."""
        return self._forms.keys()

    def definition(self, name: str) -> Any:
        if name not in self._made:
            form = self._forms[name]
            found = self._references.resolve(f"#{form.pointer}", form.pointer)
            self._opened.clear()
            self._made[name] = self._schema(found.value, form, 0)
        return self._made[name]

    def _named(self, form: Form) -> str:
        if form not in self._names:
            own = _NOT_IN_NAMES.sub("_", form.pointer.rpartition("/")[2].replace("~1", "_")).strip("_") or "schema"
            if own.isdecimal() or own in ("schema", "items"):
                own = "_".join(_NOT_IN_NAMES.sub("_", one) for one in form.pointer.split("/")[-3:])
            if form.pin is not None:
                own += "_as_" + _NOT_IN_NAMES.sub("_", form.pin.value)
            own = name = own[:MAX_NAME_CHARS] + ("_open" if form.is_open else "")
            number = 1
            while name in self._forms:
                number += 1
                name = f"{own}_{number}"
            self._names[form] = name
            self._forms[name] = form
        return self._names[form]

    # -- one schema

    def _schema(self, value: Any, form: Form, depth: int) -> Any:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            return {}
        if depth > MAX_DEPTH:
            raise OperationProblem(f"a schema is nested deeper than {MAX_DEPTH} levels", form.pointer)
        if isinstance(value.get("$ref"), str):
            return self._referring(value, value["$ref"], form, depth)
        if isinstance(value.get("$dynamicRef"), str):
            return self._referring(value, value["$dynamicRef"], form, depth)
        most = MAX_FAMILY if self._direction == "request" else None  # an answer is read by no model
        family = None if form.is_open or form.alone else self._families.family(value, form.pointer, most)
        if family is not None:
            return self._family(value, family, form)
        parts = value.get("allOf")
        if isinstance(parts, list) and parts:
            return self._whole(value, parts, form, depth)
        return self._plain(value, form, depth)

    def _referring(self, value: dict[str, Any], reference: str, form: Form, depth: int) -> Any:
        """A reference, with what is written beside it: 3.1 says that both hold, and 3.0's authors mean it."""
        found = self._references.resolve(reference, form.pointer)
        found = self._references.follow(found.value, found.pointer)
        if isinstance(found.value, bool):
            return found.value
        beside = {key: one for key, one in value.items() if key not in ("$ref", "$dynamicRef")}
        if beside.keys() & _MAKES_MORE:
            more = beside.pop("allOf", None)
            parts = [{"$ref": reference}, *(more if isinstance(more, list) else ())]
            return self._whole(beside, parts, form, depth + 1)
        made: dict[str, Any] = {"$ref": f"#/$defs/{self._named(Form(found.pointer, form.is_open, form.pin))}"}
        if beside:
            made |= self._plain({**beside, "nullable": False}, Form(form.pointer, True), depth + 1)
        return or_null(made) if beside.get("nullable") is True else made

    def _family(self, value: dict[str, Any], family: Iterable[tuple[str, str, str]], form: Form) -> Any:
        branches = [
            {"$ref": f"#/$defs/{self._named(Form(pointer, pin=Pin(member, tag) if tag else None))}"}
            for pointer, member, tag in family
        ]
        own = {"$ref": f"#/$defs/{self._named(Form(form.pointer, alone=True))}"}
        made: dict[str, Any] = {"anyOf": [*branches, own]}
        if said := one_text(plain(value.get("description"))):
            made["description"] = said
        return self._nullable(value, made)

    def _plain(self, value: Mapping[str, Any], form: Form, depth: int, left_out: set[str] | None = None) -> Any:
        """A schema without `allOf`. Adds to `left_out` the members that are for the other direction."""
        made = scalars(value)
        self._describe(value, made)
        self._members(value, made, form, depth, set() if left_out is None else left_out)
        self._items(value, made, form, depth)
        self._alternatives(value, made, form, depth)
        if form.pin is not None:
            pin(made, form.pin.member, form.pin.value)
        if self._direction == "request" and not form.is_open:
            close(made)
        return self._nullable(value, made)

    def _describe(self, value: Mapping[str, Any], made: dict[str, Any]) -> None:
        said = plain(value.get("description"))
        if not said and isinstance(title := value.get("title"), str) and " " in title.strip():
            said = plain(title)
        if text := one_text(said, *remarks(value)):
            made["description"] = text
        if shown := examples(value):
            made["examples"] = shown

    def _nullable(self, value: Mapping[str, Any], made: dict[str, Any]) -> Any:
        if value.get("nullable") is not True:
            return made
        kind = made.get("type")
        if kind is None and not (made.keys() - _REMARKS):
            return made  # it takes anything already
        if kind is None or any(key in made for key in (*_ALTERNATIVES, "not", "$ref", "const")):
            return or_null(made)
        kinds = kind if isinstance(kind, list) else [kind]
        made["type"] = kinds if "null" in kinds else [*kinds, "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made

    # -- members and items

    def _members(
        self, value: Mapping[str, Any], made: dict[str, Any], form: Form, depth: int, left_out: set[str]
    ) -> None:
        written = value.get("properties")
        named = written if isinstance(written, dict) else {}
        members: dict[str, Any] = {}
        for name, member in named.items():
            place = f"{form.pointer}/properties/{escaped(name)}"
            if self._is_other_way(member, place):
                left_out.add(name)
            else:
                members[name] = self._schema(member, Form(place), depth + 1)
        needed = texts(value.get("required"))
        needed = [name for name in needed if name not in left_out]
        if members or named:
            for name in needed:
                members.setdefault(name, {})
            made["properties"] = members
        if needed:
            made["required"] = needed
        others = value.get("additionalProperties")
        if isinstance(others, (bool, dict)):
            place = f"{form.pointer}/additionalProperties"
            made["additionalProperties"] = self._schema(others, Form(place), depth + 1)
        patterns = value.get("patternProperties")
        for pattern, member in patterns.items() if isinstance(patterns, dict) else ():
            usable = usable_pattern(pattern)
            if usable is None:
                made.setdefault("additionalProperties", True)
            else:
                place = f"{form.pointer}/patternProperties/{escaped(pattern)}"
                made.setdefault("patternProperties", {})[usable] = self._schema(member, Form(place), depth + 1)
        for key in ("propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains", "contentSchema"):
            if isinstance(value.get(key), (bool, dict)):
                made[key] = self._schema(value[key], Form(f"{form.pointer}/{key}"), depth + 1)
        if isinstance(depend := value.get("dependentRequired"), dict):
            made["dependentRequired"] = {name: texts(one) for name, one in depend.items() if isinstance(one, list)}

    def _is_other_way(self, member: Any, pointer: str) -> bool:
        """Whether a member is for the other direction alone."""
        word = "readOnly" if self._direction == "request" else "writeOnly"
        if not isinstance(member, dict):
            return False
        parts = member.get("allOf")  # a reference in 3.0 with something beside it
        for one in (member, *(parts if isinstance(parts, list) else ())):
            target = self._references.follow(one, pointer).value
            if any(isinstance(found, dict) and found.get(word) is True for found in (one, target)):
                return True
        return False

    def _items(self, value: Mapping[str, Any], made: dict[str, Any], form: Form, depth: int) -> None:
        written, first = value.get("items"), value.get("prefixItems")
        if isinstance(written, list):  # before 2020-12
            first, written = written, value.get("additionalItems")
        if isinstance(first, list) and first:
            place = f"{form.pointer}/prefixItems"
            made["prefixItems"] = [
                self._schema(one, Form(f"{place}/{index}"), depth + 1) for index, one in enumerate(first)
            ]
        if isinstance(written, (bool, dict)):
            made["items"] = self._schema(written, Form(f"{form.pointer}/items"), depth + 1)
        elif "array" in types_of(value):
            made["items"] = {}

    # -- alternatives and parts

    def _alternatives(self, value: Mapping[str, Any], made: dict[str, Any], form: Form, depth: int) -> None:
        """`oneOf` becomes `anyOf`: documents seldom mean that one alternative excludes another."""
        # Where members are named beside the alternatives, the whole is closed and not each of them.
        is_open = form.is_open or bool(made.get("properties"))
        for key in ("oneOf", "anyOf"):
            branches = value.get(key)
            if not isinstance(branches, list) or not branches:
                continue
            pins = self._families.pins(value, branches, form.pointer)
            listed = []
            for index, one in enumerate(branches):
                place = Form(f"{form.pointer}/{key}/{index}", is_open, Pin(*pins[index]) if index in pins else None)
                listed.append(self._schema(one, place, depth + 1))
            if "anyOf" in made:
                made.setdefault("allOf", []).append({"anyOf": listed})
            else:
                made["anyOf"] = listed
        for key in ("not", "if", "then", "else"):
            if isinstance(value.get(key), (bool, dict)):
                made[key] = self._schema(value[key], Form(f"{form.pointer}/{key}", True), depth + 1)
        if isinstance(depend := value.get("dependentSchemas"), dict):
            made["dependentSchemas"] = {
                name: self._schema(one, Form(f"{form.pointer}/dependentSchemas/{escaped(name)}", True), depth + 1)
                for name, one in depend.items()
            }

    def _whole(self, value: Mapping[str, Any], parts: list[Any], form: Form, depth: int) -> Any:
        """`allOf`: parts that name members become one object, which can be closed; a single part is what it is."""
        own = {key: one for key, one in value.items() if key not in ("allOf", "discriminator")}
        parts, own = without_remarks(parts, own)
        if len(parts) == 1 and isinstance(parts[0], dict) and not own.keys() & _MAKES_MORE:
            only = parts[0]
            if isinstance(only.get("$ref"), str) and not only.keys() & _MAKES_MORE:
                return self._referring({**only, **own}, only["$ref"], form, depth + 1)
        made: dict[str, Any] = {}
        left_out: set[str] = set()
        for piece in self._pieces({**own, "allOf": parts}, form, depth, {form.pointer}, left_out):
            if not merge(made, piece):
                made.setdefault("allOf", []).append(piece)
        take_out(made, left_out)
        if form.pin is not None:
            pin(made, form.pin.member, form.pin.value)
        if self._direction == "request" and not form.is_open:
            close(made)
        return self._nullable(value, made)

    def _pieces(
        self, value: Any, form: Form, depth: int, seen: set[str], left_out: set[str]
    ) -> Iterable[dict[str, Any]]:
        """A schema and those it is made of, each once and without what makes it up."""
        if not isinstance(value, dict):
            return
        if depth > MAX_DEPTH:
            raise OperationProblem(f"a schema is nested deeper than {MAX_DEPTH} levels", form.pointer)
        if isinstance(value.get("$ref"), str):
            found = self._references.follow(value, form.pointer)
            if found.pointer in self._opened and found.pointer not in seen:  # a member of what it is made of
                yield {"$ref": f"#/$defs/{self._named(Form(found.pointer, True))}"}
            elif found.pointer not in seen:
                seen.add(found.pointer)
                self._opened.add(found.pointer)
                yield from self._pieces(found.value, Form(found.pointer), depth + 1, seen, left_out)
                self._opened.discard(found.pointer)
        parts = value.get("allOf")
        for index, one in enumerate(parts if isinstance(parts, list) else ()):
            yield from self._pieces(one, Form(f"{form.pointer}/allOf/{index}"), depth + 1, seen, left_out)
        own = {key: one for key, one in value.items() if key not in ("$ref", "allOf", "nullable")}
        if own:
            yield self._plain(own, Form(form.pointer, True), depth + 1, left_out)
