"""Text that people see: the one sink between untrusted text and a terminal.

Models, tools, names, errors and files can hold escape sequences, and controls that reorder or hide text. They are
shown, never sent.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"  # zero-width, bidi, ends of lines
    "\ufe00-\ufe0e\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"  # what looks like nothing
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"  # tags, lone surrogates
)


def visible(text: str) -> str:
    """The text with every control character made visible. `\\r\\n` is a line end."""
    return _CONTROLS.sub(_show, text.replace("\r\n", "\n"))


def in_a_line(text: str) -> str:
    """The whole text on one line: names and values of files can hold ends of lines."""
    return visible(" ".join(text.splitlines()))


def one_line(text: str, max_chars: int) -> str:
    """A text on one line, cut where it would be too long."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def _show(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures: ␛ for ESC
    if code == 0x7F:
        return "␡"
    return f"⟨U+{code:04X}⟩"
