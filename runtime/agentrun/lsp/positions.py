"""Places of findings (lines and code points, from 1) to places of the protocol (from 0, in UTF-16 units or as agreed).

The protocol ends lines at LF, CR LF and CR; libyaml knows three more line ends, so a place goes through its offset.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Literal

from agentrun.diagnostics import Span
from agentrun.spec.nodes import LINE_BREAK

Encoding = Literal["utf-8", "utf-16", "utf-32"]
Place = tuple[int, int]  # line and character of the protocol
Range = tuple[Place, Place]

_LINE_END = re.compile("\r\n|[\r\n]")
_BOM = "\ufeff"


class Positions:
    """The places of one text. A byte order mark belongs to the editor's text, and to no finding's column."""

    def __init__(self, text: str, encoding: Encoding = "utf-16") -> None:
        self.text = text
        self.encoding = encoding
        self._shift = int(text.startswith(_BOM))
        self._lines = [0, *(found.end() for found in _LINE_END.finditer(text))]

    @cached_property
    def _yaml_lines(self) -> list[int]:
        return [self._shift, *(found.end() for found in LINE_BREAK.finditer(self.text))]

    def offset(self, place: Place) -> int:
        """The index in the text. What lies beyond a line or the text is its end."""
        line, character = place
        if line >= len(self._lines):
            return len(self.text)
        start = self._lines[line]
        end = self._lines[line + 1] if line + 1 < len(self._lines) else len(self.text)
        content = self.text[start:end].rstrip("\r\n")
        return start + _code_points(content, character, self.encoding)

    def place(self, offset: int) -> Place:
        line = bisect_right(self._lines, offset) - 1
        return line, _units(self.text[self._lines[line] : offset], self.encoding)

    def offset_of(self, line: int, column: int) -> int:
        """The index of a line and column of a finding."""
        if line > len(self._yaml_lines):
            return len(self.text)
        end = self._yaml_lines[line] if line < len(self._yaml_lines) else len(self.text)
        return min(self._yaml_lines[line - 1] + column - 1, end)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Line and column of a finding."""
        line = max(bisect_right(self._yaml_lines, offset) - 1, 0)
        return line + 1, max(offset - self._yaml_lines[line], 0) + 1

    def range(self, span: Span) -> Range:
        begin = self.offset_of(span.line, span.column)
        end = self.offset_of(span.end_line, span.end_column)
        return self.place(begin), self.place(max(begin, end))

    def range_of(self, start: int, end: int) -> Range:
        return self.place(start), self.place(end)


def _units(text: str, encoding: Encoding) -> int:
    if encoding == "utf-32":
        return len(text)
    return len(text.encode(_CODECS[encoding], "surrogatepass")) // _WIDTHS[encoding]


def _code_points(text: str, units: int, encoding: Encoding) -> int:
    """How many characters take up so many units; half a character is none."""
    if encoding == "utf-32":
        return min(units, len(text))
    coded = text.encode(_CODECS[encoding], "surrogatepass")[: units * _WIDTHS[encoding]]
    return len(coded.decode(_CODECS[encoding], "ignore"))


_CODECS = {"utf-8": "utf-8", "utf-16": "utf-16-le"}
_WIDTHS = {"utf-8": 1, "utf-16": 2}
