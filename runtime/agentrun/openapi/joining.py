"""Schemas of one value put together: parts that become one object, what else may be null, what takes no others. Pure.

They are JSON Schema 2020-12 already, but for `without_remarks`, which is about what a document writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAME_VALUE = ("allOf", "anyOf", "not", "if", "then", "else", "dependentSchemas", "$ref")
_REMARKS = frozenset(("description", "examples"))
_NOTES = frozenset(("description", "title", "default", "example", "examples", "deprecated", "xml", "externalDocs"))


def without_remarks(parts: list[Any], own: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The parts that rule something; what the others remark is the whole's."""
    kept: list[Any] = []
    for one in parts:
        if isinstance(one, dict) and not (one.keys() - _NOTES):
            own = {**one, **own}
        else:
            kept.append(one)
    return kept, own


def merge(into: dict[str, Any], piece: Any) -> bool:
    """Add what a part says, where it can be said beside the rest; whether it could."""
    if not isinstance(piece, dict):
        return True
    if piece.get("additionalProperties") is False and piece.get("properties"):
        piece = {key: one for key, one in piece.items() if key != "additionalProperties"}  # it would refuse the others
    clashing = {
        key
        for key in into.keys() & piece.keys()
        if key not in ("properties", "required", "description", "examples", "type", "allOf") and into[key] != piece[key]
    }
    if clashing or (into.get("type", piece.get("type")) != piece.get("type", into.get("type"))):
        return False
    members = into.get("properties")
    for key, one in piece.items():
        if key == "properties":
            into[key] = _joined(members or {}, one)
        elif key == "required":
            into[key] = list(dict.fromkeys([*into.get(key, ()), *one]))
        elif key == "allOf":
            into[key] = [*into.get(key, ()), *one]
        else:
            into[key] = one  # what is nearer says it better
    return True


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The members of both; what both name must fit both, but where one says nothing of its own."""
    made = dict(first)
    for name, one in second.items():
        before = made.get(name)
        if before is None or before == one or not _says(before):
            made[name] = one
        elif isinstance(one, dict) and not _says(one):
            made[name] = {**before, **one} if isinstance(before, dict) else before
        elif isinstance(before, dict) and isinstance(one, dict) and not (_rules(before) & _rules(one)):
            made[name] = {**before, **one}
        elif _is_narrower(before, one):
            made[name] = one
        else:
            made[name] = {"allOf": [before, one]}
    return made


def take_out(made: dict[str, Any], left_out: set[str]) -> None:
    """A member that one part leaves out and another one only requires."""
    members = made.get("properties", {})
    for name in left_out:
        if name in members and not _says(members[name]):
            made["properties"] = members = {key: one for key, one in members.items() if key != name}
    if "required" in made:
        needed = [name for name in made["required"] if name not in left_out or name in made.get("properties", {})]
        made["required"] = needed
        if not needed:
            del made["required"]


def _rules(schema: Mapping[str, Any]) -> set[str]:
    return set(schema) - _REMARKS


def _says(schema: Any) -> bool:
    return not isinstance(schema, dict) or bool(_rules(schema))


def _is_narrower(before: Any, one: Any) -> bool:
    """Whether a member is written anew with all that was said of it, such as another description or fewer values."""
    if not isinstance(before, dict) or not isinstance(one, dict):
        return False
    return all(one.get(key) == before[key] for key in _rules(before) if key != "enum") and (
        "enum" not in before or ("enum" in one and all(value in before["enum"] for value in one["enum"]))
    )


def pin(made: dict[str, Any], member_name: str, value: str) -> None:
    """Say which value a discriminator has here."""
    member = made.get("properties", {}).get(member_name)
    if isinstance(member, dict) and not (member.keys() & {"const", "enum", "$ref", "anyOf"}):
        made["properties"] = {**made["properties"], member_name: {**member, "const": value}}


def close(made: dict[str, Any]) -> None:
    """What names its members takes no others."""
    if not made.get("properties") or "additionalProperties" in made or "patternProperties" in made:
        return
    if any(key in made for key in _SAME_VALUE):
        made.setdefault("unevaluatedProperties", False)
    else:
        made["additionalProperties"] = False


def or_null(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {"anyOf": [schema, {"type": "null"}]}
    said = {key: one for key, one in schema.items() if key in _REMARKS}
    rules = {key: one for key, one in schema.items() if key not in _REMARKS}
    if rules.keys() == {"anyOf"}:
        return {"anyOf": [*rules["anyOf"], {"type": "null"}], **said}
    return {"anyOf": [rules, {"type": "null"}], **said}


def texts(value: Any) -> list[str]:
    return list(dict.fromkeys(one for one in value if isinstance(one, str))) if isinstance(value, list) else []
