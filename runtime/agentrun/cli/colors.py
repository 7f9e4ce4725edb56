"""When and how the command line colours text: NO_COLOR, FORCE_COLOR, TERM and whether a person reads it."""

from __future__ import annotations

import os
from typing import TextIO

import click

_STYLES: dict[str, dict[str, object]] = {
    "passed": {"fg": "green"},
    "error": {"fg": "red"},
    "warning": {"fg": "yellow"},
    "info": {"fg": "blue"},
    "tool": {"fg": "cyan"},
    "dim": {"dim": True},
    "bold": {"bold": True},
}


def wants_color(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Painter:
    """Colours texts for one stream, or leaves them as they are."""

    def __init__(self, stream: TextIO) -> None:
        self.on = wants_color(stream)

    def __call__(self, text: str, style: str) -> str:
        if not self.on or style not in _STYLES:
            return text
        return click.style(text, **_STYLES[style])  # type: ignore[arg-type]
