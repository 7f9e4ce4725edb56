"""The looks of prose, as the numbers that a terminal knows them by. Pure.

Only what every terminal shows, in the colours that its owner chose.
"""

from __future__ import annotations

Run = tuple[str, str]  # a text and its style; an empty style is none

PLAIN = ""
STRONG = "1"
EMPHASIS = "3"
CODE = "36"
STRIKE = "9"
LINK = "4"
DIM = "2"
HEADINGS = {1: "1;4", 2: "1"}
LOWER_HEADING = "1;3"


def joined(style: str, more: str) -> str:
    """Both at once."""
    if not style or not more:
        return style or more
    return ";".join(dict.fromkeys([*style.split(";"), *more.split(";")]))


def painted(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text
