"""Fixes for values of the wrong type or spelling: quotes too many or too few, a unit, a list of one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentrun.diagnostics import Fix, nearest
from agentrun.spec.edits import Texts, is_as_written, is_plain, opens_flow, quote, write, write_raw
from agentrun.spec.lines import put_around, quotes_for
from agentrun.spec.nodes import Node, Route
from agentrun.spec.schema import JsonSchema, Kind, accepts, branches, json_type
from agentrun.spec.spelling import is_surely
from agentrun.spec.wording import SWITCHES
from agentrun.spec.yaml_nodes import parse_scalar

_GROUPED = re.compile(r"[1-9][0-9]*(?:_[0-9]+)+")
_LEADING_ZERO = re.compile(r"0+([0-9]+)")
_WITH_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# A word of a command line in which nothing has a meaning of its own to a shell.
_PIECE = r"\{\{[^{}]*\}\}|'(?:[^'{}]|\{\{[^'{}]*\}\})*'|\"(?:[^\"{}$`\\]|\{\{[^\"{}]*\}\})*\"|[A-Za-z0-9_./:=@%+,-]"
_WORD = re.compile(rf"(?:{_PIECE})+")
_NAMES = re.compile(r"[A-Za-z0-9_*-]+(?: *, *[A-Za-z0-9_*-]+)*")


def retyped(
    kind: Kind, texts: Texts, node: Node | None, route: Route, options: Sequence[JsonSchema], about: str
) -> Fix | None:
    """What would have been of the right type; `about` is the description of the key."""
    if node is None:
        return None
    items = [one.get("items", {}) for one in options if one.get("type") == "array"]
    takes = [one for option in items for one in branches(kind, option)]
    fits_a_list = any(accepts(one, json_type(node.content)) for one in takes if one)
    if node.is_mapping and fits_a_list and opens_flow(texts.get(node.span.file, ""), node):
        return put_around(node.span, "[", "]", "make it a list", safe=False)
    if not is_as_written(node):
        return None
    wrapped = _wrapped(node, route) if kind == "test" else None
    if wrapped is not None:
        return wrapped
    types = {str(one.get("type")) for one in options}
    if isinstance(node.content, str):
        as_scalar = None if "string" in types else _scalar(node, types, about)
        return as_scalar or (_list(node, route) if fits_a_list and "string" not in types else None)
    if type(node.content) in (int, float) and any(_is_any_text(one) for one in options):
        return quote(node, safe=True)
    return put_around(node.span, "[", "]", "make it a list", safe=True) if fits_a_list else None


# What is written before and behind a text, or a number, that stands for a mapping of one entry in a test file.
_TEXTS_OF_ENTRIES = {"model": ("content: ", ""), "conversation": ("user: ", ""), "tool_calls": ("{name: ", "}")}
_TEXTS = {"judge": ("{model: ", "}")}
_NUMBERS = {"cost_usd": ("{at_most: ", "}"), "latency": ("{at_most: ", "}")}
_STATUS = ("{status: ", "}")


def _wrapped(node: Node, route: Route) -> Fix | None:
    key, above = route[-1], route[-2] if len(route) > 1 else ""
    if isinstance(node.content, str):
        around = _TEXTS_OF_ENTRIES.get(str(above)) if isinstance(key, int) else _TEXTS.get(str(key))
        mark = "" if node.style or is_plain(node.content) or around in _OPEN else quotes_for(node.content)
    else:
        around = _STATUS if key == "error" and "model" in route else _NUMBERS.get(str(key))
        mark = "" if type(node.content) in (int, float) else None
    if around is None or mark is None:
        return None
    before, after = around
    title = f"write `{before}…{after}`"
    return put_around(node.span, f"{before}{mark}", f"{mark}{after}", title, safe=True)


_OPEN = [around for around in _TEXTS_OF_ENTRIES.values() if not around[1]]


def respelt(node: Node | None, names: Sequence[str]) -> Fix | None:
    """One of the names that are allowed."""
    if node is None or not isinstance(node.content, str):
        return None
    meant = nearest(node.content, names)
    return write(node, meant, safe=is_surely(node.content, meant, names)) if meant else None


def _is_any_text(schema: JsonSchema) -> bool:
    return schema.get("type") == "string" and "enum" not in schema


def _scalar(node: Node, types: set[str], about: str) -> Fix | None:
    """The number or boolean that a text was written for."""
    text: str = node.content
    parsed = parse_scalar(text)
    if node.style and not isinstance(parsed, str) and parsed is not None and _fits(parsed, types):
        return write_raw(node, text, safe=True)
    if "boolean" in types and text.lower() in SWITCHES:
        return write_raw(node, SWITCHES[text.lower()], safe=True)
    if not types & {"integer", "number"}:
        return None
    if _GROUPED.fullmatch(text):
        return write_raw(node, text.replace("_", ""), safe=True)
    if zeros := _LEADING_ZERO.fullmatch(text):
        return write_raw(node, zeros.group(1), safe=False)
    with_unit = _WITH_UNIT.fullmatch(text)
    if with_unit is None or "econds" not in about:
        return None
    number, unit = with_unit.groups()
    unit = unit if unit == "ms" else unit[0]
    return write_raw(node, number if unit == "s" else f"{float(number) * _SECONDS[unit]:g}", safe=unit == "s")


def _fits(value: object, types: set[str]) -> bool:
    name = json_type(value)
    return name in types or (name == "integer" and "number" in types)


def _words_of_a_command(text: str) -> list[str]:
    """The program and its arguments, as a shell would read them; none where only a shell can tell."""
    found = list(_WORD.finditer(text))
    if _WORD.sub("", text).strip(" ") or not found or "{{" in found[0].group():
        return []
    return [re.sub(_PIECE, _unquoted, one.group()) for one in found]


def _unquoted(piece: re.Match[str]) -> str:
    return piece.group()[1:-1] if piece.group()[0] in ("'", '"') else piece.group()


def _list(node: Node, route: Route) -> Fix | None:
    text: str = node.content
    if route[-1] == "command":
        words = _words_of_a_command(text)
    else:
        words = re.split(" *, *", text) if _NAMES.fullmatch(text) else [text]
    if not words:
        return None
    if len(words) > 1:
        marks = ["" if is_plain(one) else quotes_for(one) for one in words]
        written = ", ".join(f"{mark}{one}{mark}" for one, mark in zip(words, marks, strict=True))
        return write_raw(node, f"[{written}]", safe=False) if None not in marks else None
    mark = "" if node.style or is_plain(text) else quotes_for(text)
    if mark is None:
        return None
    return put_around(node.span, f"[{mark}", f"{mark}]", "make it a list", safe=False)
