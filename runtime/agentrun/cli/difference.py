"""What a file holds and what it would hold, as a unified diff. Lines that no format shows are masked here too."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator

import click

from agentrun.cli import reader_may_leave
from agentrun.cli.colors import wants_color
from agentrun.markup.secret_lines import looks_secret, masked
from agentrun.spec.nodes import LINE_BREAK
from agentrun.visible import visible

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def difference(file: str, before: bytes, after: bytes, hidden: Collection[str] = ()) -> Iterator[str]:
    """The lines of a diff, with their ends. `hidden` are lines that must not be shown, whatever they look like."""
    import difflib

    old, new = (_LINE.findall(raw.decode()) for raw in (before, after))
    for number, line in enumerate(difflib.unified_diff(old, new, file, file)):
        sign, text = line[:1], line[1:].rstrip("\r\n")
        ending = line[1 + len(text) :] or "\n\\ No newline at end of file\n"
        is_name = number < 2
        is_hidden = looks_secret(text) or any(part in hidden for part in LINE_BREAK.split(text))
        yield sign + (masked(text) if is_hidden and not is_name else text) + ending


def print_difference(lines: Iterable[str]) -> None:
    """As it is where a program reads it; coloured, and harmless, on a terminal."""
    with reader_may_leave():
        for line in lines:
            click.echo(_shown(line) if sys.stdout.isatty() else line, nl=False, color=wants_color(sys.stdout))


def _shown(line: str) -> str:
    return click.style(visible(line), fg=_COLORS.get(line[:1]), bold=line.startswith(("+++ ", "--- ")) or None)
