"""The bytes of a document to data: JSON, or YAML as a JSON schema reads it (1.2), whose keys are all texts.

Made for documents of tens of megabytes: libyaml's events become data without a tree of nodes between. Bounded in bytes,
in depth, and in what aliases may stand for.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from agentrun.openapi.problems import DocumentProblem

MAX_BYTES = 64 * 1024 * 1024
MAX_VALUES = 8_000_000  # with aliases followed
MAX_DEPTH = 200

_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")


def parsed(raw: bytes) -> Any:
    """Raises `DocumentProblem`."""
    if len(raw) > MAX_BYTES:
        raise DocumentProblem(f"it is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentProblem("it is not UTF-8", help="save it as UTF-8", where=f"line {line}") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip()[:1] not in (b"{", b"["):
        return _yaml(raw)
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise DocumentProblem("it is nested too deeply") from None
    except msgspec.DecodeError as error:
        try:
            return _yaml(raw)  # a mapping in braces may be YAML that is no JSON
        except DocumentProblem:
            raise DocumentProblem(f"it is not JSON: {_plain(error)}", where=_line(raw, error)) from None


def _plain(error: msgspec.DecodeError) -> str:
    return _AT_BYTE.sub("", str(error)).removeprefix("JSON is malformed: ").strip()


def _line(raw: bytes, error: msgspec.DecodeError) -> str:
    found = _AT_BYTE.search(str(error))
    lines = raw.count(b"\n", 0, int(found[1])) if found else 0
    return f"line {lines + 1}" if found else ""


# -- YAML -----------------------------------------------------------------------------------------------------


class _Open:
    """A collection whose end was not seen yet, with the number of values in it and how deep they go."""

    __slots__ = ("anchor", "depth", "items", "key", "values")

    def __init__(self, anchor: str | None, items: dict[str, Any] | list[Any]) -> None:
        self.anchor = anchor
        self.items = items
        self.key: str | None = None
        self.values = 1
        self.depth = 1


def _yaml(raw: bytes) -> Any:
    import yaml

    try:
        return _Composer(yaml).document(raw)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}" if mark is not None else ""
        raise DocumentProblem(f"it is neither JSON nor YAML: {error.problem or error.context}", where=where) from None
    except yaml.YAMLError as error:
        raise DocumentProblem(f"it is neither JSON nor YAML: {' '.join(str(error).split())}") from None


class _Composer:
    def __init__(self, yaml: Any) -> None:
        self.yaml = yaml
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}  # the value, how many it is, how deep

    def document(self, raw: bytes) -> Any:
        """The first document of a file."""
        yaml = self.yaml
        scalar, alias, mapping, sequence = (
            yaml.ScalarEvent,
            yaml.AliasEvent,
            yaml.MappingStartEvent,
            yaml.SequenceStartEvent,
        )
        ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        parser = yaml.CSafeLoader(raw)
        try:
            while (event := parser.get_event()) is not None:
                kind = type(event)
                if kind is scalar:
                    self._scalar(event)
                elif kind is mapping:
                    self._begin(event, {})
                elif kind is sequence:
                    self._begin(event, [])
                elif kind in ends:
                    done = self.open.pop()
                    self._counted(event, done)
                    if not self.open:
                        return done.items
                elif kind is alias:
                    self._alias(event)
                elif kind is yaml.DocumentEndEvent:
                    return None  # it is a single value
        finally:
            parser.dispose()
        return None

    def _begin(self, event: Any, items: dict[str, Any] | list[Any]) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise DocumentProblem(f"it is nested deeper than {MAX_DEPTH} levels", where=_where(event))
        if self.open:
            self._place(items, event, as_key=False)
        self.open.append(_Open(event.anchor, items))

    def _counted(self, event: Any, done: _Open) -> None:
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.items, done.values, done.depth)
        if done.values > MAX_VALUES:
            raise DocumentProblem(f"its aliases stand for more than {MAX_VALUES:,} values", where=_where(event))
        if self.open:
            above = self.open[-1]
            above.values += done.values
            above.depth = max(above.depth, done.depth + 1)

    def _scalar(self, event: Any) -> None:
        value: Any = event.value
        if not self.open:
            return
        above = self.open[-1]
        if above.key is None and type(above.items) is dict:
            above.key = value  # as it is written: `200` and `yes` are names here
        else:
            if event.implicit[0] and event.tag not in _TEXT_TAGS:
                value = _resolved(value)
            self._place(value, event, as_key=False)
        above.values += 1
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1, 0)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise DocumentProblem(f"the alias `*{event.anchor}` has no anchor before it", where=_where(event))
        value, values, depth = self.anchors[event.anchor]
        if len(self.open) + depth > MAX_DEPTH:
            raise DocumentProblem(f"it is nested deeper than {MAX_DEPTH} levels", where=_where(event))
        if not self.open:
            return
        above = self.open[-1]
        self._place(value, event, as_key=above.key is None and type(above.items) is dict)
        above.values += values
        above.depth = max(above.depth, depth + 1)

    def _place(self, value: Any, event: Any, *, as_key: bool) -> None:
        above = self.open[-1]
        if not isinstance(above.items, dict):
            above.items.append(value)
            return
        if as_key:
            above.key = str(value)
            return
        if above.key is None:
            raise DocumentProblem("a key is a text, not a list or a mapping", where=_where(event))
        if above.key == "<<":
            self._merge(above.items, value)
        else:
            above.items[above.key] = value
        above.key = None

    def _merge(self, into: Any, value: Any) -> None:
        """What `<<` brings in; what is written beside it, before or after, wins."""
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                for key, member in one.items():
                    into.setdefault(key, member)


def _resolved(text: str) -> Any:
    """A plain scalar by the core schema. Dates are texts, and so is `yes`."""
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "-+.0123456789":
        return text
    if _INT.fullmatch(text) and len(text) <= 40:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _where(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"
