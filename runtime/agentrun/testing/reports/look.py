"""For whom text is written: how wide their terminal is, which characters and which colours it can show."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from agentrun.markup.lines import chopped, wrapped

MIN_WIDTH = 40
LOG_WIDTH = 160  # enough for a line of a log
_PLAIN = str.maketrans({"✓": "ok", "✗": "x", "–": "-", "·": "|", "→": "->", "•": "*", "…": "...", "─": "-"})


def _as_it_is(text: str, style: str) -> str:
    return text


class Look(msgspec.Struct, frozen=True):
    """`paint(text, style)` colours a text: passed, error, warning, info, tool, dim, bold."""

    width: int = LOG_WIDTH
    paint: Callable[[str, str], str] = _as_it_is
    encoding: str = "utf-8"

    def room(self, indent: str) -> int:
        return max(self.width, MIN_WIDTH) - len(indent)

    def written(self, text: str) -> str:
        """What an encoding without marks and dots can show."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAIN).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def indented(self, text: str, indent: str, style: str = "") -> list[str]:
        """A line of prose, broken between words."""
        return [indent + self._painted(one, style) for one in wrapped(text, self.room(indent))]

    def chopped(self, text: str, indent: str, style: str, sign: str = "") -> list[str]:
        """A line of which every character counts; `sign` stands before each part of it."""
        parts = chopped(text, self.room(indent + sign))
        return [indent + self._painted(sign + one, style) for one in parts]

    def _painted(self, text: str, style: str) -> str:
        return self.paint(text, style) if style and text else text
