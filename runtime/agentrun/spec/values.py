"""What a parameter's schema lets through, as far as it decides whether a value is harmless where it lands. Pure.

Where a schema can't be read it lets everything through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_KINDS = frozenset({"string", "object", "array", "integer", "number", "boolean", "null"})
# A pattern of plain characters from end to end: nothing that a shell or a language would take for its own.
_ATOM = r"(?:[A-Za-z0-9_/:=@,% -]|\\[dw./-]|\[(?:[A-Za-z0-9_./:=@,%+ -]|\\[dw./-])+\])"
_REPEAT = r"(?:[*+?]|\{\d+(?:,\d*)?\})?"
_PLAIN = rf"\^(?:{_ATOM}{_REPEAT})*\$"
_PLAIN_CHOICE = rf"\^\((?:\?:)?(?:{_ATOM}{_REPEAT}|\|)*\){_REPEAT}\$"
_HOST_FIRST = r"\^\(?(?:\?:)?https?\??:(?:\\?/){2}(?:[A-Za-z0-9-]|\\\.)+(?:\\?/|:|\$)"
_LIKE_OPTIONS = ("-", "-a", "-1", "-rf", "--all", "--output=/etc/x", "-a/b.c", "-n 1", "-.", "-A")


def is_free(schema: Any) -> bool:
    """Whether a value may be any text."""
    return any(_is_free(one) for one in _texts_in(schema))


def _is_free(schema: Any) -> bool:
    pattern = schema.get("pattern") if isinstance(schema, dict) else None
    return not (isinstance(pattern, str) and (re.fullmatch(_PLAIN, pattern) or re.fullmatch(_PLAIN_CHOICE, pattern)))


def chooses_host(schema: Any) -> bool:
    """Whether a text may be an address of any host."""
    for one in _texts_in(schema):
        pattern = one.get("pattern") if isinstance(one, dict) else None
        if not (isinstance(pattern, str) and re.match(_HOST_FIRST, pattern)):
            return True
    return False


def may_lead_with_dash(schema: Any) -> bool:
    """Whether a value may begin with `-`: by a few texts that do, held against the pattern."""
    if not isinstance(schema, dict):
        return schema is not False
    fixed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if fixed is not None:
        return isinstance(fixed, list) and any(str(value).startswith("-") for value in fixed)
    kinds = _kinds(schema)
    if kinds <= {"integer", "number", "boolean", "null"}:
        return bool(kinds & {"integer", "number"}) and not _is_positive(schema)
    return any(_text_may_lead(one) for one in _texts_in(schema))


def _text_may_lead(schema: Any) -> bool:
    pattern = schema.get("pattern") if isinstance(schema, dict) else None
    if not isinstance(pattern, str):
        return True
    try:
        return any(re.search(pattern, text) for text in _LIKE_OPTIONS)
    except re.error:
        return False  # has a finding of its own


def _is_positive(schema: dict[str, Any]) -> bool:
    least = [schema.get("minimum"), schema.get("exclusiveMinimum")]
    return any(isinstance(one, (int, float)) and one >= 0 for one in least)


def _texts_in(schema: Any, depth: int = 0) -> Iterator[Any]:
    """The schemas of the texts that a value may be, or hold: those that are not held to a list of values."""
    if schema is False or depth > 8:
        return
    if not isinstance(schema, dict):
        yield True
        return
    if "enum" in schema or "const" in schema:
        return
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list) and options:
        for option in options:
            yield from _texts_in(
                {**schema, "anyOf": None, "oneOf": None, **option} if _is_map(option) else option, depth + 1
            )
        return
    kinds = _kinds(schema)
    if "string" in kinds or "object" in kinds:
        yield schema
    if "array" in kinds:
        yield from _texts_in(schema.get("items", True), depth + 1)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _kinds(schema: dict[str, Any]) -> frozenset[str]:
    written = schema.get("type")
    kinds = frozenset(str(one) for one in (written if isinstance(written, list) else [written]))
    return kinds if kinds <= _KINDS else _KINDS
