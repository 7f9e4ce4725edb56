"""Schemas that hold together, as one schema: strict mode has no `allOf`, and nothing may stand beside a `$ref`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Conflict(Exception):
    """Two parts say something about `keyword` that no single schema says."""

    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One schema for a value that fits all parts. Of what only describes, the first wins."""
    together: dict[str, Any] = {}
    for part in parts:
        for keyword, value in part.items():
            if keyword not in together:
                together[keyword] = value
            elif together[keyword] != value or isinstance(together[keyword], bool) != isinstance(value, bool):
                if keyword not in _BOTH:
                    raise Conflict(keyword)
                together[keyword] = _BOTH[keyword](together[keyword], value)
    for keyword in ("type", "enum"):
        if together.get(keyword) == []:
            raise Conflict(keyword)
    return together


def _first(one: Any, other: Any) -> Any:
    return one


def _joined(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(value for value in other if value not in one)]


def _common(one: list[Any], other: list[Any]) -> list[Any]:
    return [value for value in one if value in other]


def _members(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: {"allOf": [one[name], other[name]]} for name in one if name in other and one[name] != other[name]}
    return {**one, **other, **both}


def _types(one: str | list[str], other: str | list[str]) -> str | list[str]:
    first, second = ([names] if isinstance(names, str) else list(names) for names in (one, other))
    common = _common(first, second)
    if "integer" in first + second and "number" in first + second and "integer" not in common:
        common = [*(name for name in common if name != "number"), "integer"]
    return common[0] if len(common) == 1 else common


_BOTH: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("title", "description", "default", "examples", "$comment"), _first),
    **dict.fromkeys(("required", "allOf"), _joined),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    "properties": _members,
    "type": _types,
    "enum": _common,
}
