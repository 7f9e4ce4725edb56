"""A JSON Schema as OpenAI's strict mode takes it: what is sent in place of the author's schema, and what changed.

Strict mode knows a part of JSON Schema. Every object is closed and has all its properties required, so an optional one
may be null instead (`nulls.py` takes the nulls out again). What the service can't enforce is told to the model in the
description (`words.py`); the author's own schema is checked here all the same. What has no strict form is refused.

Pure: routes in, routes out. Nothing here knows of tools, agents or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from agentrun.json_schema import Validator
from agentrun.strict.limits import MAX_SCHEMAS, exceeded
from agentrun.strict.merge import Conflict, merged
from agentrun.strict.places import Route, embedded, resolve, routes_of, written_path
from agentrun.strict.words import FORMATS, is_told, with_words

Kind = Literal["closed", "nullable", "told", "any_of", "merged", "typed", "left_out"]
Json = dict[str, Any]

_ENFORCED = frozenset(
    {"type", "enum", "const", "title", "description", "pattern", "multipleOf", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
_ANNOTATIONS = frozenset({"title", "description", "default", "examples"})
# Keywords that say what a value is; an alternative without any of them only adds a condition.
_SHAPE = frozenset(
    {"type", "enum", "const", "$ref", "properties", "items", "prefixItems", "allOf", "anyOf", "oneOf", "pattern"}
)
_DEFINITIONS = ("$defs", "definitions")
_TYPE_OF_KEYWORD = (
    ("object", ("properties", "required", "additionalProperties")),
    ("array", ("items",)),
    ("string", ("pattern", "format", "minLength", "maxLength")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


class Change(msgspec.Struct, frozen=True):
    """A way in which the sent schema differs. `path` is the place as a person writes it, empty for the whole."""

    kind: Kind
    path: str
    keyword: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why the schema has no strict form. `route` leads to the place in the author's schema."""

    route: Route
    message: str
    help: str
    is_limit: bool = False


class StrictSchema(msgspec.Struct, frozen=True):
    """`schema` is what is sent, of use only without `refusals`; with no changes it is the author's.

    `alternatives` has the sent form of each alternative of the author's `anyOf` and `oneOf`, by the `id` of the
    alternative in `author`.
    """

    author: Mapping[str, Any]
    schema: Json
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    alternatives: dict[int, Json]


def make_strict(schema: Mapping[str, Any]) -> StrictSchema:
    """The strict form of a schema that is valid (`json_schema.problems_of` finds nothing)."""
    maker = _Maker(schema)
    try:
        sent = maker.root()
    except _TooLarge:
        sent = {}
        message = f"the schema has more than {MAX_SCHEMAS:,} parts once its references are written out"
        maker.refuse((), message, "make it smaller, or leave `strict` out", is_limit=True)
    for route, message in exceeded(sent):
        maker.refuse(route, message, "make the schema smaller, or leave `strict` out", is_limit=True)
    changes = tuple(dict.fromkeys(maker.changes))
    return StrictSchema(schema, sent, changes, tuple(dict.fromkeys(maker.refusals)), maker.alternatives)


class _TooLarge(Exception):
    pass


class _Maker:
    def __init__(self, author: Mapping[str, Any]) -> None:
        self.author = author
        self.changes: list[Change] = []
        self.refusals: list[Refusal] = []
        self.alternatives: dict[int, Json] = {}
        self._routes = routes_of(author)
        self._made = 0

    def root(self) -> Json:
        for key in ("$ref", "anyOf", "oneOf"):
            if key in self.author:
                message = f"strict mode takes no `{key}` at the top of a schema"
                self.refuse((key,), message, "put it below a property, or leave `strict` out")
        if self.refusals:
            return {}
        sent = self._schema(self.author, (), frozenset({"#"}))
        if sent.get("type") != "object" and not self.refusals:
            self.refuse(("type",), "strict mode needs `type: object` at the top", "put it below a property")
        return sent

    def refuse(self, route: Route, message: str, help: str, *, is_limit: bool = False) -> None:
        self.refusals.append(Refusal(route, message, help, is_limit))

    def _note(self, kind: Kind, route: Route, keyword: str = "") -> None:
        self.changes.append(Change(kind, written_path(route), keyword))

    # `near` is where a schema stands that was made here by merging; `inside` are the references being written out.

    def _schema(self, written: Any, near: Route, inside: frozenset[str]) -> Json:
        self._made += 1
        if self._made > MAX_SCHEMAS:
            raise _TooLarge
        route = self._routes.get(id(written), near)
        if not isinstance(written, Mapping):
            self.refuse(route, "strict mode needs a schema with a `type` here", "write `{type: …}`")
            return {}
        if "$id" in written and route:
            self.refuse((*route, "$id"), "strict mode takes no `$id` inside a schema", "refer by `#/$defs/name`")
            return {}
        if "$ref" in written:
            return self._reference(written, route, inside)
        if "allOf" in written:
            rest = {key: value for key, value in written.items() if key != "allOf"}
            self._note("merged", route)
            return self._merged([rest, *written["allOf"]], (*route, "allOf"), inside)
        for key in ("anyOf", "oneOf"):
            if key in written:
                return self._alternatives(written, key, route, inside)
        return self._plain(written, route, inside)

    def _reference(self, written: Mapping[str, Any], route: Route, inside: frozenset[str]) -> Json:
        target = written["$ref"]
        if not _is_followed(target):
            message = f"strict mode doesn't follow `$ref: {target}`"
            self.refuse((*route, "$ref"), message, "refer to `#` or `#/$defs/name`")
            return {}
        beside = {key: value for key, value in written.items() if key == "$ref" or key in _SHAPE | _ANNOTATIONS}
        beside |= {key: value for key, value in written.items() if key in _ENFORCED or is_told(key, value)}
        self._leave_out(written, beside, route)
        if len(beside) == 1:
            return {"$ref": target}
        if target not in inside:
            return self._merged([beside], route, inside)
        if beside.keys() - _ANNOTATIONS == {"$ref"}:
            self._leave_out(beside, {"$ref": target}, route)
            return {"$ref": target}
        message = "a `$ref` that leads back to where it stands can't have other keywords beside it in strict mode"
        self.refuse((*route, "$ref"), message, "move them into the schema that it refers to")
        return {}

    def _merged(self, parts: list[Any], route: Route, inside: frozenset[str]) -> Json:
        """The strict form of schemas that hold together, references written out."""
        whole: list[Mapping[str, Any]] = []
        for part in parts:
            target = part.get("$ref") if isinstance(part, Mapping) else None
            if not isinstance(part, Mapping):
                self.refuse(route, "strict mode can't merge true or false", "leave it out")
                return {}
            if target is None:
                whole.append(part)
                continue
            found = resolve(self.author, target)
            if target in inside or not _is_followed(target) or not isinstance(found, Mapping):
                place = self._routes.get(id(part), route)
                message = f"strict mode can't merge `$ref: {target}` with what stands around it"
                self.refuse(place, message, "write the properties out in one place")
                return {}
            inside |= {target}
            whole += [{key: value for key, value in part.items() if key != "$ref"}, found]
        try:
            together = merged(whole)
        except Conflict as conflict:
            message = f"strict mode needs one schema, and the parts merged here disagree about `{conflict.keyword}`"
            self.refuse(route, message, "write it once")
            return {}
        return self._schema(together, route, inside)

    def _alternatives(self, written: Mapping[str, Any], key: str, route: Route, inside: frozenset[str]) -> Json:
        rest = {name: value for name, value in written.items() if name != key}
        branches = written[key]
        around = {name for name in rest if name in _SHAPE or name in _ENFORCED} - _ANNOTATIONS
        has_shape = all(isinstance(branch, Mapping) and branch.keys() & _SHAPE for branch in branches)
        if around and not has_shape:
            return self._plain({**rest, "not": {"not": {key: branches}}} if "not" in rest else written, route, inside)
        outside = {name: value for name, value in rest.items() if name in _ANNOTATIONS}
        base = {name: value for name, value in rest.items() if name not in _ANNOTATIONS and name not in _DEFINITIONS}
        self._leave_out({name: value for name, value in base.items() if not around}, {}, route)
        if around:
            self._note("merged", route)
        sent = []
        for index, branch in enumerate(branches):
            place = (*route, key, index)
            made = self._merged([base, branch], place, inside) if around else self._schema(branch, place, inside)
            self.alternatives[id(branch)] = made
            sent.append(made)
        if key == "oneOf":
            self._note("any_of", route)
        return self._told({"anyOf": sent}, outside, route)
