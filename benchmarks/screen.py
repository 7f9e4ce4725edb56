"""The work of showing an answer: 20 KB of Markdown as they stream in, beside the bare writing and beside redrawing.

`rich` redraws the whole answer in a live display, as many programs do; here once for 100 characters, which is four
times a second for a fast model. The answer comes in pieces of four characters, as tokens do, and goes to a file that
keeps nothing: what is measured is the program's own work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from benchmarks.peer import ROOT
from benchmarks.results import Table

CHARS = 20_000
QUICK_CHARS = 3_000
_WARM_UP_CHARS = 500
_COLUMNS = 100
_PIECE_CHARS = 4
_REDRAW_CHARS = 100
_RAW, _OURS, _RICH = "written as it is", "agentrun chat", "rich, redrawn"


def answer(chars: int) -> str:
    texts = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "tests" / "answers").glob("*.md"))]
    whole = "\n\n".join(text for text in texts if len(text) < 4000)
    return (whole * (chars // len(whole) + 1))[:chars]


def streamed(chars: int, repeated: int) -> list[Table]:
    ways: dict[str, Callable[[list[str], TextIO], None]] = {_RAW: _write, _OURS: _show, _RICH: _redraw}
    table = Table("screen_cpu", f"An answer of {chars // 1000} KB shown as it streams, CPU", "ms")
    table.compared = {_OURS: [_RAW], _RICH: [_OURS]}
    for repetition in range(repeated + 1):
        text = answer(chars if repetition else _WARM_UP_CHARS)
        pieces = [text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)]
        for name, way in ways.items():
            with Path(os.devnull).open("w", encoding="utf-8") as out:
                started = time.process_time()
                way(pieces, out)
                if repetition:
                    table.add(name, (time.process_time() - started) * 1000)
    return [table]


def _write(pieces: list[str], out: TextIO) -> None:
    for piece in pieces:
        out.write(piece)
        out.flush()


def _show(pieces: list[str], out: TextIO) -> None:
    from agentrun.observers.answer import TerminalAnswer

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    shown = TerminalAnswer(write, lambda: _COLUMNS, lambda text, _: text, styled=True)
    for piece in pieces:
        shown.feed(piece)
    shown.end()


def _redraw(pieces: list[str], out: TextIO) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown

    console = Console(file=out, width=_COLUMNS, height=50, force_terminal=True, color_system="standard")
    text, drawn = "", 0
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for piece in pieces:
            text += piece
            if len(text) - drawn >= _REDRAW_CHARS:
                drawn = len(text)
                live.update(Markdown(text), refresh=True)
        live.update(Markdown(text), refresh=True)
