"""A JSON Schema as OpenAI's strict mode takes it: what is sent in place of the author's schema, and what changed.

Strict mode knows a part of JSON Schema. Every object is closed and has all its properties required, so an optional one
may be null instead (`nulls.py` takes the nulls out again). What the service can't enforce is told to the model in the
description (`words.py`); what the model says is checked against the author's own schema all the same. What has no
strict form is refused.

Pure: knows nothing of tools, agents and files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from agentrun.json_schema import Route
from agentrun.strict.limits import MAX_SCHEMAS, exceeded
from agentrun.strict.merge import Conflict, merged
from agentrun.strict.routes import allows_null, is_followed, resolve, routes_of, written_path
from agentrun.strict.words import in_words, is_told

ChangeKind = Literal["closed", "nullable", "told", "any_of", "merged", "typed", "left_out"]
Json = dict[str, Any]

_ENFORCED = frozenset(
    {"type", "enum", "const", "pattern", "format", "multipleOf", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
_STRUCTURE = frozenset({"properties", "required", "additionalProperties", "unevaluatedProperties", "items"})
_OPEN = frozenset({"patternProperties", "prefixItems"})
_DEFINITIONS = ("$defs", "definitions")
_DESCRIBING = frozenset({"title", "description", "default", "examples"})
# An alternative without any of these only adds a condition to what stands around it.
_SHAPE = frozenset({"type", "enum", "const", "properties", "items", "$ref", "allOf", "anyOf", "oneOf"})
_TYPE_BY_KEYWORD = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "patternProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems"), "array"),
    **dict.fromkeys(("pattern", "format", "minLength", "maxLength"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}
_ELSE = "or leave `strict` out"


class Change(msgspec.Struct, frozen=True):
    """A way in which the sent schema differs. `path` is the place as a person writes it, empty for the whole."""

    kind: ChangeKind
    path: str
    keyword: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why a schema can't be sent. `route` leads to the place in the author's schema."""

    route: Route
    message: str
    help: str
    is_limit: bool = False


class StrictSchema(msgspec.Struct, frozen=True, eq=False):
    """`sent` takes the place of `author`: the same schema where there are no changes, of no use with refusals.

    `alternatives` has the sent form of each alternative of `anyOf` and `oneOf`, by its `id` in `author`.
    """

    author: Mapping[str, Any]
    sent: Json
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    alternatives: dict[int, Json]


def make_strict(schema: Mapping[str, Any]) -> StrictSchema:
    """The strict form of a schema in which `spec/schema_problems.py` finds nothing."""
    maker = _Maker(schema)
    sent: Json = {}
    try:
        sent = maker.whole()
    except _TooLarge:
        message = f"the schema has more than {MAX_SCHEMAS:,} parts once its references are written out"
        maker.refusals.append(Refusal((), message, f"make it smaller, {_ELSE}", is_limit=True))
    if not maker.refusals:
        maker.refusals += [
            Refusal(route, message, f"make it smaller, {_ELSE}", True) for route, message in exceeded(sent)
        ]
    return StrictSchema(
        schema, sent, tuple(dict.fromkeys(maker.changes)), tuple(dict.fromkeys(maker.refusals)), maker.alternatives
    )


class _TooLarge(Exception):
    """References written out don't come to an end."""


class _Maker:
    """One pass over a schema.

    `near` is where a schema stands that was made here by merging and has no place of its own; `inside` are the
    references that are being written out.
    """

    def __init__(self, author: Mapping[str, Any]) -> None:
        self.author = author
        self.changes: list[Change] = []
        self.refusals: list[Refusal] = []
        self.alternatives: dict[int, Json] = {}
        self._routes = routes_of(author)
        self._made = 0

    def whole(self) -> Json:
        for keyword in ("$ref", "anyOf", "oneOf"):
            if keyword in self.author:
                message = f"strict mode takes no `{keyword}` at the top of a schema"
                self._refuse((keyword,), message, f"put it into a property, {_ELSE}")
        if self.refusals:
            return {}
        sent = self._schema(self.author, (), frozenset({"#"}))
        if not self.refusals and sent.get("type") != "object":
            self._refuse(("type",), "strict mode needs `type: object` at the top of a schema", "put it into a property")
        return sent

    def _refuse(self, route: Route, message: str, help: str) -> Json:
        self.refusals.append(Refusal(route, message, help))
        return {}

    def _note(self, kind: ChangeKind, route: Route, keyword: str = "") -> None:
        self.changes.append(Change(kind, written_path(route), keyword))

    def _schema(self, written: Any, near: Route, inside: frozenset[str]) -> Json:
        self._made += 1
        if self._made > MAX_SCHEMAS:
            raise _TooLarge
        route = self._routes.get(id(written), near)
        if not isinstance(written, Mapping):
            return self._refuse(near, "strict mode needs a schema with a `type` here", "write `{type: …}`")
        if "$id" in written and route:
            return self._refuse(
                (*route, "$id"), "strict mode takes no `$id` inside a schema", "refer to `#/$defs/name`"
            )
        if "$ref" in written:
            return self._reference(written, route, inside)
        if "allOf" in written:
            self._note("merged", route, "allOf")
            return self._merged([_without(written, "allOf"), *written["allOf"]], route, inside)
        for keyword in ("anyOf", "oneOf"):
            if keyword in written and not _only_adds_conditions(written, keyword):
                return self._alternatives(written, keyword, route, inside)
        return self._plain(written, route, inside)

    # -- references, and schemas that hold together

    def _reference(self, written: Mapping[str, Any], route: Route, inside: frozenset[str]) -> Json:
        target = written["$ref"]
        if not is_followed(target):
            message = f"strict mode doesn't follow `$ref: {target}`"
            return self._refuse((*route, "$ref"), message, "refer to `#` or to `#/$defs/name`")
        beside = {name for name, value in written.items() if _says_something(name, value)} - {"$ref"}
        if beside and target not in inside:
            self._note("merged", route, "$ref")
            return self._merged([written], route, inside)
        if beside - _DESCRIBING:
            message = "beside a `$ref` that leads back to where it stands, strict mode takes nothing"
            return self._refuse((*route, "$ref"), message, "move the rest into what it refers to")
        for keyword in _without(written, "$ref"):
            self._note("left_out", route, keyword)
        return {"$ref": target}

    def _merged(self, parts: list[Any], route: Route, inside: frozenset[str]) -> Json:
        """The strict form of schemas that hold together, with their references written out."""
        written_out: list[Mapping[str, Any]] = []
        for part in parts:
            following = part
            while isinstance(following, Mapping) and "$ref" in following:
                target = following["$ref"]
                if target in inside or not is_followed(target):
                    message = f"strict mode can't write out `$ref: {target}` here"
                    place = self._routes.get(id(following), route)
                    return self._refuse((*place, "$ref"), message, f"write its properties out, {_ELSE}")
                inside |= {target}
                written_out.append(_without(following, "$ref"))
                following = resolve(self.author, target)
            if not isinstance(following, Mapping):
                return self._refuse(route, "strict mode can't merge true or false with a schema", "take it out")
            written_out.append(following)
        try:
            together = merged(written_out)
        except Conflict as conflict:
            message = f"strict mode has one schema for a value, and these disagree about `{conflict.keyword}`"
            return self._refuse(route, message, f"write it once, {_ELSE}")
        return self._schema(together, route, inside)

    def _alternatives(self, written: Mapping[str, Any], keyword: str, route: Route, inside: frozenset[str]) -> Json:
        """What stands around alternatives and says what the value is goes into each of them."""
        around = _without(written, keyword)
        common = {name: value for name, value in around.items() if name in _SHAPE | _STRUCTURE | _ENFORCED | _OPEN}
        frame, told = self._frame({name: value for name, value in around.items() if name not in common}, route)
        sent = []
        for index, branch in enumerate(written[keyword]):
            place = (*route, keyword, index)
            made = self._merged([common, branch], place, inside) if common else self._schema(branch, place, inside)
            self.alternatives[id(branch)] = made
            sent.append(made)
        if common:
            self._note("merged", route, keyword)
        if keyword == "oneOf":
            self._note("any_of", route)
        return _described(_in_order({**frame, "anyOf": sent}, written), told)

    # -- a schema that says itself what the value is

    def _plain(self, written: Mapping[str, Any], route: Route, inside: frozenset[str]) -> Json:
        types = _types(written)
        if not types:
            message = "strict mode needs a schema with a `type` here"
            return self._refuse(route, message, "write `type: …`, or `anyOf` with the types that are allowed")
        sent, told = self._frame(written, route)
        if "type" not in written:
            self._note("typed", route)
            sent = {"type": types[0] if len(types) == 1 else types, **sent}
        if "object" in types:
            sent |= self._object(written, route, inside)
        if "array" in types:
            sent |= self._array(written, route, inside)
        return _described(_in_order(sent, written), told)

    def _frame(self, written: Mapping[str, Any], route: Route) -> tuple[Json, str]:
        """The keywords that are sent as they are, and the words for those that are told."""
        sent: Json = {}
        told: Json = {}
        for name, value in written.items():
            if is_told(name, value):
                told[name] = value
                self._note("told", route, name)
            elif name in ("title", "description") or name in _ENFORCED:
                sent[name] = value
            elif name in _DEFINITIONS and not route:
                sent[name] = {
                    key: self._schema(one, (name, key), frozenset({f"#/{name}/{key}"})) for key, one in value.items()
                }
            elif name not in _STRUCTURE | _OPEN:
                self._note("left_out", route, name)
        return sent, in_words(told)

    def _object(self, written: Mapping[str, Any], route: Route, inside: frozenset[str]) -> Json:
        properties: Mapping[str, Any] = written.get("properties", {})
        required: list[str] = written.get("required", [])
        self._refuse_open_object(written, properties, route)
        undeclared = [name for name in required if name not in properties]
        if undeclared:
            message = f"strict mode sends declared properties only, and `required` names `{undeclared[0]}`"
            self._refuse((*route, "required"), message, "declare it in `properties`")
        if written.get("additionalProperties") is not False:
            self._note("closed", route)
        sent: Json = {}
        for name, member in properties.items():
            place = (*route, "properties", name)
            sent[name] = self._schema(member, place, inside)
            if name not in required:
                self._note("nullable", self._routes.get(id(member), place))
                if not allows_null(self.author, member):
                    sent[name] = _nullable(sent[name])
        names = required if len(required) == len(properties) else list(properties)
        return {"properties": sent, "required": names, "additionalProperties": False}

    def _refuse_open_object(self, written: Mapping[str, Any], properties: Mapping[str, Any], route: Route) -> None:
        help = f"declare the keys, take a list of objects with a name and a value, {_ELSE}"
        for keyword in ("additionalProperties", "unevaluatedProperties", "patternProperties"):
            if written.get(keyword, False) is not False:
                message = f"strict mode sends declared properties only, and `{keyword}` allows others"
                self._refuse((*route, keyword), message, help)
                return
        if route and not properties and "additionalProperties" not in written:
            self._refuse(route, "strict mode sends declared properties only, and this object has none", help)

    def _array(self, written: Mapping[str, Any], route: Route, inside: frozenset[str]) -> Json:
        if "prefixItems" in written:
            message = "strict mode has no `prefixItems`"
            return self._refuse((*route, "prefixItems"), message, f"take an object with a property for each, {_ELSE}")
        if "items" not in written:
            return self._refuse(route, "strict mode needs `items` for a list", "write what the list holds")
        return {"items": self._schema(written["items"], (*route, "items"), inside)}


# -- what a keyword is --------------------------------------------------------------------------------------


def _says_something(name: str, value: Any) -> bool:
    return name in _DESCRIBING | _SHAPE | _STRUCTURE | _ENFORCED | _OPEN or is_told(name, value)


def _only_adds_conditions(written: Mapping[str, Any], keyword: str) -> bool:
    """Whether alternatives say nothing of what the value is, as in `anyOf: [{required: [a]}, {required: [b]}]`."""
    shapeless = any(not (isinstance(branch, Mapping) and branch.keys() & _SHAPE) for branch in written[keyword])
    return shapeless and bool(_types(written))


def _types(written: Mapping[str, Any]) -> list[str]:
    """The types of a schema's values: as written, else by its values, else by its keywords."""
    if "type" in written:
        return [written["type"]] if isinstance(written["type"], str) else list(written["type"])
    values = [written["const"]] if "const" in written else written.get("enum", [])
    found = [_type_of(value) for value in values] or [
        name for keyword, name in _TYPE_BY_KEYWORD.items() if keyword in written
    ]
    return list(dict.fromkeys(found))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


# -- small changes ------------------------------------------------------------------------------------------


def _without(written: Mapping[str, Any], keyword: str) -> Json:
    return {name: value for name, value in written.items() if name != keyword}


def _in_order(sent: Json, written: Mapping[str, Any]) -> Json:
    """In the author's order, so that a schema without changes is sent byte for byte."""
    return {**{name: sent[name] for name in written if name in sent}, **sent}


def _described(sent: Json, told: str) -> Json:
    if not told:
        return sent
    return {**sent, "description": f"{sent['description'].rstrip()} {told}" if "description" in sent else told}


def _nullable(sent: Json) -> Json:
    null = {"type": "null"}
    if "anyOf" in sent:
        return {**sent, "anyOf": [*sent["anyOf"], null]}
    if "$ref" in sent or "const" in sent:
        return {"anyOf": [sent, null]}
    written = sent.get("type", [])
    types = {"type": [*([written] if isinstance(written, str) else written), "null"]}
    return {**sent, **types, **({"enum": [*sent["enum"], None]} if "enum" in sent else {})}
