"""When and how the command line colours text: NO_COLOR, FORCE_COLOR, TERM and whether a person reads it."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

import click

LOG_COLUMNS = 160

_STYLES: dict[str, dict[str, object]] = {
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


def columns(stream: TextIO) -> int:
    """How wide lines may be: the terminal's width, and enough for a line of a log."""
    return shutil.get_terminal_size().columns if stream.isatty() else LOG_COLUMNS


class Painter:
    """Colours texts for one stream, or leaves them as they are."""

    def __init__(self, stream: TextIO) -> None:
        self.on = wants_color(stream)

    def __call__(self, text: str, style: str) -> str:
        if not self.on or style not in _STYLES:
            return text
        return click.style(text, **_STYLES[style])  # type: ignore[arg-type]
