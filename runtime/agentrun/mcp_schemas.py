"""The parameters of a server's tool as JSON Schema 2020-12: what a model is sent, and what judges its calls.

Servers write drafts of many years. What is clear is brought to one form; what can't be is told, and nothing is guessed.
The server judges each call too, so that what judges it here may say less. Pure.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from agentrun.json_schema import Validator, compile_schema, subschemas
from agentrun.visible import visible

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_VALUES = 20_000

# Services refuse these at the top of a function's parameters.
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_REFUSED_AT_THE_TOP = (*_ALTERNATIVES, "not", "enum", "const")


class Shaped(msgspec.Struct, frozen=True):
    """`checked` is `sent` without what the engine here can't take, and without defaults that don't fit."""

    sent: dict[str, Any]
    checked: dict[str, Any]


def shaped(written: Mapping[str, Any]) -> Shaped:
    """Raises `ValueError`; its message goes on from "its parameters"."""
    _check_size(written)
    sent = copy.deepcopy(dict(written))
    for _, schema in subschemas(sent, ()):
        _to_one_form(schema)
    sent = _as_object(sent)
    checked = copy.deepcopy(sent)
    for route, schema in subschemas(checked, ()):
        _without_hard_patterns(schema)
        if len(route) > 2 or route[:1] != ("properties",):
            schema.pop("default", None)  # type: ignore[attr-defined]  # it was copied
    try:
        _drop_bad_defaults(checked)
    except ValueError as error:
        raise ValueError(f"are no usable JSON Schema: {_plain(error)}") from None
    return Shaped(sent, checked)


# -- sizes


def _check_size(schema: Mapping[str, Any]) -> None:
    """Before anything walks through it that would not come back."""
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"are nested deeper than {MAX_DEPTH} levels")
        if count > MAX_VALUES:
            raise ValueError(f"have more than {MAX_VALUES:,} values")
        if isinstance(value, (Mapping, list)):
            waiting += [(child, depth + 1) for child in (value.values() if isinstance(value, Mapping) else value)]
    if len(json.dumps(schema)) > MAX_BYTES:
        raise ValueError(f"are longer than {MAX_BYTES // 1024} KiB")


# -- one form


def _to_one_form(schema: Any) -> None:
    """A schema without those inside of it: of an older draft to the present one. What it tells is made visible."""
    for key in ("$schema", "id"):
        if isinstance(schema.get(key), str):
            del schema[key]
    for key in ("title", "description"):
        if isinstance(schema.get(key), str):
            schema[key] = visible(schema[key])
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema.pop("additionalItems")
        if not schema["prefixItems"]:
            del schema["prefixItems"]
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(bound), bool):
            is_exclusive = schema.pop(bound)
            if is_exclusive and limit in schema:
                schema[bound] = schema.pop(limit)
    for key in ("properties", "required"):
        if key in schema and schema[key] is None:
            del schema[key]


def _as_object(root: dict[str, Any]) -> dict[str, Any]:
    root = _referred(root, root)
    types = root.get("type", "object")
    listed = types if isinstance(types, list) else [types]
    if "object" not in listed:
        raise ValueError(f"are of type {json.dumps(types)}, and a function takes an object")
    made = {"type": "object", **{key: value for key, value in root.items() if key not in _REFUSED_AT_THE_TOP}}
    made["type"] = "object"
    made["properties"] = dict(_object(root.get("properties", {})))
    required = {name: None for name in root.get("required") or () if isinstance(name, str)}
    for alternatives in (root.get(key) for key in _ALTERNATIVES if isinstance(root.get(key), list)):
        branches = [_referred(one, root) for one in alternatives or () if isinstance(one, Mapping)]
        for branch in branches:
            for name, schema in _object(branch.get("properties", {})).items():
                made["properties"].setdefault(name, schema)
        if alternatives is root.get("allOf"):
            required |= {name: None for branch in branches for name in branch.get("required") or ()}
        elif branches:
            shared = set.intersection(*(set(branch.get("required") or ()) for branch in branches))
            required |= dict.fromkeys(sorted(shared))
    if required:
        made["required"] = list(required)
    else:
        made.pop("required", None)
    return made


def _object(properties: Any) -> Mapping[str, Any]:
    if not isinstance(properties, Mapping):
        raise ValueError("have `properties` that are no object")  # noqa: TRY004 - what a server sent is wrong
    return properties


def _referred(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """What stands where a reference leads, with all that stands beside it."""
    seen = []
    found = dict(schema)
    while isinstance(reference := found.get("$ref"), str):
        if reference in seen:
            raise ValueError("refer to themselves and nothing else")
        seen.append(reference)
        target = _at(root, reference)
        found = {**target, **{key: value for key, value in found.items() if key != "$ref"}}
    return found


def _at(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    target: Any = root if reference.startswith("#/") else None
    for step in reference[2:].split("/") if target is not None else ():
        step = step.replace("~1", "/").replace("~0", "~")
        target = target.get(step) if isinstance(target, Mapping) else None
    if not isinstance(target, Mapping):
        raise ValueError(f"refer to what isn't in them: {reference[:200]}")  # noqa: TRY004 - the same
    return target


# -- what judges


def _without_hard_patterns(schema: Any) -> None:
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _is_taken(pattern):
        del schema["pattern"]
    by_pattern = schema.get("patternProperties")
    if isinstance(by_pattern, dict):
        hard = [one for one in by_pattern if not _is_taken(one)]
        for one in hard:
            del by_pattern[one]
        if hard:  # members that it would have allowed
            for key in ("additionalProperties", "unevaluatedProperties"):
                schema.pop(key, None)


@lru_cache(maxsize=512)
def _is_taken(pattern: str) -> bool:
    """Whether the engine here can take a pattern: it has none that take long, such as those that look ahead."""
    try:
        compile_schema({"pattern": pattern})
    except ValueError:
        return False
    return True


def _drop_bad_defaults(checked: dict[str, Any]) -> None:
    """A default that breaks its own schema would make every call wrong that leaves it out."""
    validator = Validator(checked)
    filled = validator.with_defaults({})
    if not filled:
        return
    broken = {one.path for one in validator.violations(filled) if one.path}
    for name in filled:
        if any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in broken):
            checked["properties"][name].pop("default", None)


def _plain(error: ValueError) -> str:
    """What is wrong, in a line, and where."""
    message = str(getattr(error, "message", error)).partition("\n")[0][:300]
    place = "".join(_steps(getattr(error, "instance_path", None) or []))
    return f"{message} (at {place.removeprefix('.')})" if place else message


def _steps(path: Any) -> Iterator[str]:
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"
