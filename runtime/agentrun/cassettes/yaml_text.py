"""Data as YAML that a person likes to read: texts of several lines as blocks, what is short on one line. Pure.

Our own reader gives the same data back, and so does every reader of YAML 1.1 or 1.2. No anchors, no tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 100
_STEP = "  "
# Words that some reader of YAML takes for something else than text.
_NO_TEXT = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_PLAIN = re.compile(r"[A-Za-z_](?:[\w ./@%+()'=;!?*&$<>-]|,(?= )|:(?=[^\s:]))*")
_PLAIN_IN_FLOW = re.compile(r"[A-Za-z_][\w ./@-]*")
_KEY = re.compile(r"[A-Za-z_][\w./-]*")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\U0001fffe\U0001ffff]")
_NOT_IN_BLOCKS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|[ \t](?:\n|$)")
_NEEDS_ESCAPES = re.compile(f"[\t\n]|{_UNPRINTABLE.pattern}")
_MAX_KEY = 1000  # YAML finds a longer key only where it is announced by a question mark


def dump(value: Any) -> str:
    """A whole document."""
    return "".join(f"{line}\n" for line in _block(value, ""))


def _block(value: Any, indent: str) -> Iterator[str]:
    """The lines of a value that begins a line of its own."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _entry(key, child, indent)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield from _after(indent.removesuffix(" "), value, indent)


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    written = _key(key)
    if len(written) > _MAX_KEY:
        yield f"{indent}? {written}"
        yield from _after(f"{indent}:", value, indent + _STEP)
    else:
        yield from _after(f"{indent}{written}:", value, indent + _STEP, is_entry=True)


def _item(value: Any, indent: str) -> Iterator[str]:
    is_block = isinstance(value, dict) or (isinstance(value, list) and _on_one_line(value, len(indent) + 2) is None)
    if value and is_block:
        lines = _block(value, indent + _STEP)
        yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
        yield from lines
    else:
        yield from _after(f"{indent}-", value, indent + _STEP)


def _after(before: str, value: Any, indent: str, *, is_entry: bool = False) -> Iterator[str]:
    """A value that follows its key or dash."""
    if isinstance(value, str):
        yield from _text(before, value, indent)
        return
    line = _on_one_line(value, len(before) + 1)
    if line is not None:
        yield f"{before} {line}" if before else line
        return
    if isinstance(value, list) and all(type(one) is int for one in value):
        yield from _numbers(f"{before} [", value, indent)
        return
    yield before
    yield from _block(value, indent)


def _numbers(before: str, numbers: Sequence[int], indent: str) -> Iterator[str]:
    """As many on a line as there is room for: the pieces of a long text would fill screens otherwise."""
    line = before
    for index, number in enumerate(numbers):
        written = f"{number}]" if index == len(numbers) - 1 else f"{number},"
        if len(line) + len(written) >= WIDTH:
            yield line.rstrip(" ")
            line = indent
        line += f"{written} "
    yield line.rstrip(" ")


def _text(before: str, text: str, indent: str) -> Iterator[str]:
    if "\n" in text and text.strip("\n") and not _NOT_IN_BLOCKS.search(text):
        body = text.rstrip("\n")
        ends = len(text) - len(body)
        chomp = "-" if ends == 0 else "" if ends == 1 else "+"
        deep = "2" if text[0] in " \n" else ""
        yield f"{before} |{deep}{chomp}"
        for line in body.split("\n"):
            yield f"{indent}{line}" if line else ""
        yield from [""] * (ends - 1)
    else:
        yield f"{before} {_scalar(text, _PLAIN)}".lstrip(" ") if not before else f"{before} {_scalar(text, _PLAIN)}"


def _on_one_line(value: Any, column: int) -> str | None:
    """The value in flow style, where it is short and has no text of several lines."""
    room = WIDTH - column
    if isinstance(value, (dict, list)):
        if not value:
            return "{}" if isinstance(value, dict) else "[]"
        line = _flow(value, room)
        return line if line is not None and len(line) <= room else None
    return _scalar(value, _PLAIN)


def _flow(value: Any, room: int) -> str | None:
    """None as soon as it is clear that there is not enough room, or several mappings that had better have lines."""
    if isinstance(value, dict):
        opening, closing, pairs = "{", "}", [(f"{_key(key)}: ", child) for key, child in value.items()]
    elif isinstance(value, list):
        if sum(isinstance(child, dict) for child in value) > 1:
            return None
        opening, closing, pairs = "[", "]", [("", child) for child in value]
    else:
        text = isinstance(value, str) and "\n" in value
        return None if text else _scalar(value, _PLAIN_IN_FLOW)
    parts = []
    for before, child in pairs:
        written = _flow(child, room)
        room -= len(before) + len(written or "") + 2
        if written is None or room < 0:
            return None
        parts.append(before + written)
    return opening + ", ".join(parts) + closing


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) and key.lower() not in _NO_TEXT else _quoted(key)


def _scalar(value: Any, plain: re.Pattern[str]) -> str:
    if isinstance(value, str):
        is_plain = plain.fullmatch(value) and not value.endswith(" ") and value.lower() not in _NO_TEXT
        return value if is_plain else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Between single quotes where double ones would need more backslashes: JSON in a text stays readable."""
    if text.count('"') + text.count("\\") > text.count("'") and not _NEEDS_ESCAPES.search(text):
        return "'" + text.replace("'", "''") + "'"
    return _UNPRINTABLE.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
