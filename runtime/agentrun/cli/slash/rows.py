"""Lines that fit the screen, for what /commands tell: labels with texts beside them, and wrapped prose.

Texts may be anybody's: each passes the escaping sink here, before it is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from agentrun.cli.columns import line_width
from agentrun.markup.lines import wrapped
from agentrun.markup.snippet import cells
from agentrun.visible import in_a_line, visible

if TYPE_CHECKING:
    from agentrun.cli.talk.talk import Talk

INDENT = "  "
_GAP = "  "
_MIN_TEXT = 24  # cells beside the labels; with less the texts stand below them
_WIDEST_LABEL = 34


def room(talk: Talk) -> int:
    """Cells of a line. At the edge of a terminal the last one stays free: some would wrap."""
    return line_width(sys.stdout if talk.interactive and sys.stdout.isatty() else sys.stderr) - 1


def title(talk: Talk, text: str) -> None:
    talk.say(text, "bold")


def tell(talk: Talk, lines: Iterable[str]) -> None:
    for line in lines:
        talk.say(line)


def paragraphs(text: str, width: int, indent: str = INDENT) -> Iterator[str]:
    """A text in its own lines, each wrapped."""
    for line in visible(text.expandtabs(4)).rstrip("\n").split("\n"):
        yield from (f"{indent}{piece}".rstrip() for piece in wrapped(line, width - len(indent)))


def listed(
    rows: Sequence[tuple[str, str]], width: int, indent: str = INDENT, *, beside: Sequence[str] = ()
) -> Iterator[str]:
    """Labels with the texts beside them, aligned and wrapped; below them where there is no room.

    `beside` are the labels of other lists that are aligned with this one.
    """
    shown = [(in_a_line(label), in_a_line(text)) for label, text in rows]
    labels = [cells(label) for label in (*(label for label, _ in shown), *beside)]
    widest = max((size for size in labels if size <= _WIDEST_LABEL), default=0)
    left = width - len(indent) - widest - len(_GAP)
    for label, text in shown:
        if not text:
            yield from _hanging(label, width, indent)
        elif left < _MIN_TEXT or cells(label) > widest:
            yield from _hanging(label, width, indent)
            yield from _hanging(text, width, indent + INDENT * 2)
        else:
            padded = label + " " * (widest - cells(label))
            first, *others = wrapped(text, left)
            yield f"{indent}{padded}{_GAP}{first}"
            yield from (f"{indent}{' ' * widest}{_GAP}{other}" for other in others)


def _hanging(text: str, width: int, indent: str) -> Iterator[str]:
    """A text wrapped, indented further from its second line on."""
    first, *_ = wrapped(text, width - len(indent))
    yield f"{indent}{first}"
    rest = text[len(first) :].lstrip(" ")
    further = indent + INDENT
    if rest:
        yield from (f"{further}{line}" for line in wrapped(rest, width - len(further)))
