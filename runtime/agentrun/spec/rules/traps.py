"""Traps of YAML: texts without quotes that readers of YAML 1.1 take for something else.

Said only where any value may stand. Where the language wants text or a boolean, the reading is settled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.diagnostics import Diagnostic, Edit, Fix
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, members
from agentrun.spec.rules.schemas import VALUES, parts, schemas_in, types_of

# Below these keys of the language stands the user's own data.
_DATA = frozenset(
    {"args", "arguments", "bind", "env", "form", "headers", "json", "multipart", "query", "result", "settings"}
)
_DATA_HOLDERS = frozenset({"cases", "http", "mcp", "model", "openapi", "shell", "tools"})

_TRUE = frozenset({"y", "yes", "on"})
_FALSE = frozenset({"n", "no", "off"})
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]+\d\d?:\d\d:\d\d(\.\d*)?( *(Z|[-+]\d\d?(:\d\d)?))?)?")
_BASE_60 = re.compile(r"[-+]?[1-9]\d*(:[0-5]?\d)+(\.\d*)?")
_GROUPED = re.compile(r"[-+]?[1-9]\d*(_\d+)+")
_BINARY = re.compile(r"[-+]?0b[01_]+")


def words_of_yaml_1_1(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for node in _free_values(document):
        text = node.content
        if not isinstance(text, str) or node.style or node.source != text:
            continue
        other = _other_reading(text)
        if other is not None:
            message = f"`{text}` is text here; other YAML readers take it for {other}"
            fix = Fix("put it in quotes", (Edit(node.span, f'"{text}"'),))
            yield Diagnostic("AR210", "info", message, node.span, f'write "{text}"', fix=fix)


def _other_reading(text: str) -> str | None:
    if text.lower() in _TRUE | _FALSE and text in (text.lower(), text.upper(), text.capitalize()):
        return "true" if text.lower() in _TRUE else "false"
    if not text[:1].isdigit() and text[:1] not in ("-", "+"):
        return None
    if _DATE.fullmatch(text):
        return "a date"
    if _BASE_60.fullmatch(text):
        return f"the number {_in_base_60(text)}"
    if _GROUPED.fullmatch(text):
        return f"the number {text.replace('_', '')}"
    return "a binary number" if _BINARY.fullmatch(text) else None


def _in_base_60(text: str) -> str:
    total = 0.0
    for digits in text.lstrip("+-").split(":"):
        total = total * 60 + float(digits)
    return f"{'-' if text[0] == '-' else ''}{total:.15g}"


def _free_values(document: Document) -> Iterator[Node]:
    """The scalars of places where any value may stand."""
    for key, holder in members(document.node).items():
        for route, node in holder.walk() if key in _DATA_HOLDERS else ():
            if not _DATA.isdisjoint(route):
                yield node
    for root in schemas_in(document):
        for _, node, schema in parts(root):
            yield from _values_in_a_schema(node, schema)


def _values_in_a_schema(node: Node, schema: Mapping[str, Any]) -> Iterator[Node]:
    """Without texts that `type` doesn't allow: they have a finding of their own."""
    kinds = types_of(schema)
    for key in VALUES:
        written = node.get(key)
        for route, value in written.walk() if written is not None else ():
            is_the_value = len(route) == (1 if key in ("enum", "examples") else 0)
            if not (is_the_value and kinds and "string" not in kinds):
                yield value


RULES = (words_of_yaml_1_1,)
