"""What a tool's parameters ask for: JSON Schema reduced to slots that a text can fill.

Pure. It reads a schema as far as rules can use it (type, enum, pattern, format, local `$ref`, the first alternative of
`anyOf`); whether a value is allowed is left to a real validator, so nothing is sent that the schema refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from agentrun.engine.bm25 import terms, words
from agentrun.models.offline.words import KINDS, STOP_STEMS, Kind

MAX_REFS = 8
# The engine that checks patterns backtracks; this bounds it.
MAX_BACKTRACKS = 10_000
_ORDINARY_WORDS = ("word", "Word", "two words")


class Slot:
    """One parameter. `schema` has its references resolved; `described` are the words of its description.

    A required one that may be null, as strict schemas have it, is not asked for: null says that it is left open.
    """

    def __init__(self, name: str, whole: Any, root: Mapping[str, Any], required: bool) -> None:
        self.name = name
        self.may_be_null = required and _takes_null(whole)
        self.required = required and not self.may_be_null
        self.root = root
        self.whole = whole
        self.schema = resolved(whole, root)
        self.words = words(name)
        self.terms = terms(name)
        description = self.schema.get("description")
        self.description = description if isinstance(description, str) else ""
        self.described = frozenset(terms(self.description)) - STOP_STEMS

    @cached_property
    def type(self) -> str:
        return type_of(self.schema)

    @cached_property
    def choices(self) -> list[Any]:
        """The values of `enum` or `const`, if there are any."""
        if "const" in self.schema:
            return [self.schema["const"]]
        listed = self.schema.get("enum")
        return [value for value in listed if value is not None][:200] if isinstance(listed, list) else []

    @cached_property
    def kind(self) -> Kind:
        """What sort of string it is, by the last word of its name that tells, else by its description."""
        if self.terms == ["name"] or self.terms == ["title"]:
            return "name"
        kinds: list[Kind] = [KINDS[word] for word in reversed(self.words) if word in KINDS]
        kinds = [kind for kind in kinds if kind != "name"] or kinds
        if kinds and kinds[0] == "free" and self.described & {"search", "find", "match", "contain", "hold"}:
            return "search"
        if not kinds and self.required:
            kinds = [KINDS[word] for word in words(self.description)[:6] if word in KINDS]
            kinds = [kind for kind in kinds if kind in ("id", "place", "person", "email", "url", "path")]
        return kinds[0] if kinds else "plain"

    @property
    def entity(self) -> frozenset[str]:
        """The words of the name that say of what it is the id, the name, the number."""
        return frozenset(
            term for word, term in zip(self.words, self.terms, strict=True) if KINDS.get(word) not in ("id", "name")
        )

    @cached_property
    def is_specific(self) -> bool:
        """Whether the value's form alone gives it away: a pattern or format that ordinary words don't have."""
        form = {key: self.schema[key] for key in ("pattern", "format") if key in self.schema}
        return self.type == "string" and bool(form) and not any(fits(word, form, {}) for word in _ORDINARY_WORDS)

    @cached_property
    def moment(self) -> str:
        """`date` or `date-time` if such a value is wanted, else empty."""
        if self.type != "string":
            return ""
        if self.schema.get("format") in ("date", "date-time"):
            return str(self.schema["format"])
        if self.is_specific and KINDS.get(self.words[-1] if self.words else "") != "id":
            if self.fits("2024-01-31"):
                return "date"
            if self.fits("2024-01-31T10:00:00Z"):
                return "date-time"
        return "date" if re.search(r"YYYY-MM-DD|\bISO(?: 8601)? date", self.description) else ""

    @cached_property
    def items(self) -> Slot:
        """For an array: one of its entries."""
        return Slot(self.name, self.schema.get("items", {}), self.root, self.required)

    def fits(self, value: Any) -> bool:
        return _allows(self._validator, value)

    @cached_property
    def _validator(self) -> Any:
        return _validator(self.whole, self.root)


def slots_of(parameters: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> list[Slot]:
    root = parameters if root is None else root
    schema = resolved(parameters, root)
    properties = schema.get("properties")
    required = schema.get("required")
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    if not isinstance(properties, Mapping):
        return []
    return [Slot(name, whole, root, name in needed) for name, whole in properties.items() if isinstance(name, str)]


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with local references followed, `allOf` merged, and the first alternative that isn't null taken."""
    current = schema
    for _ in range(MAX_REFS):
        if not isinstance(current, Mapping):
            return {}
        rest = {key: value for key, value in current.items() if key not in ("$ref", "anyOf", "oneOf", "allOf")}
        inner = _inner(current, root)
        if inner is None:
            return rest
        current = {**inner, **rest}
    return {}


def _takes_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    listed = schema.get("type")
    if listed == "null" or (isinstance(listed, list) and "null" in listed):
        return True
    branches = schema.get("anyOf")
    return isinstance(branches, list) and any(_takes_null(branch) for branch in branches)


def type_of(schema: Mapping[str, Any]) -> str:
    """The type to fill. One that isn't written is read off the other keywords; the last resort is a string."""
    written = schema.get("type")
    listed = [written] if isinstance(written, str) else written if isinstance(written, list) else []
    for name in listed:
        if name in ("string", "number", "integer", "boolean", "array", "object"):
            return str(name)
    for keyword, name in (("properties", "object"), ("items", "array"), ("minimum", "number"), ("maximum", "number")):
        if keyword in schema:
            return name
    return "string"


def fits(value: Any, schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether the schema allows the value. A schema that can't be used allows nothing: what isn't sent does no harm."""
    return _allows(_validator(schema, root), value)


def _validator(schema: Any, root: Mapping[str, Any]) -> Any:
    import jsonschema_rs

    if isinstance(schema, Mapping):
        schema = {**{key: root[key] for key in ("$defs", "definitions") if key in root}, **schema}
    elif not isinstance(schema, bool):
        return None
    try:
        return jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            retriever=_refuse,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_BACKTRACKS),
        )
    except (ValueError, TypeError, jsonschema_rs.ReferencingError):
        return None


def _allows(validator: Any, value: Any) -> bool:
    try:
        return validator is not None and bool(validator.is_valid(value))
    except (ValueError, TypeError):
        return False


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the schema")


def _inner(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _pointed(reference, root)
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list):
            usable = [option for option in options if isinstance(option, Mapping) and option.get("type") != "null"]
            return usable[0] if usable else {}
    parts = schema.get("allOf")
    if isinstance(parts, list):
        merged: dict[str, Any] = {}
        for part in parts:
            merged.update(part if isinstance(part, Mapping) else {})
        return merged
    return None


def _pointed(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not reference.startswith("#/"):
        return {}
    target: Any = root
    for step in reference[2:].split("/"):
        target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
    return target if isinstance(target, Mapping) else {}
