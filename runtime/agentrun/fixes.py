"""The fixes of findings, made in the texts of files. Pure: reads and writes nothing.

What lies between the edits stays as it is: lines are split as the reader splits them, columns count code points, and
no line end is written anew.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Mapping
from itertools import chain

import msgspec

from agentrun.diagnostics import Diagnostic, Edit, Fix
from agentrun.spec.lines import stretch

_Change = tuple[int, int, str]  # what stands from one offset to the other becomes the text
_Piece = tuple[int, int, list[_Change]]  # the changes of one fix in a file; what stands between them is its own


class Fixed(msgspec.Struct, frozen=True):
    """`texts` are the files that changed, by path; `skipped` are findings whose fix overlaps one that was made."""

    texts: dict[str, str]
    applied: tuple[Diagnostic, ...]
    skipped: tuple[Diagnostic, ...]


def apply(sources: Mapping[str, str], findings: Iterable[Diagnostic], *, unsafe: bool) -> Fixed:
    """Make the fixes of findings, the safe ones or all. Where fixes overlap, the first by place is made."""
    ready = [(pieces, one) for one in findings if (pieces := _pieces(sources, one.fix, unsafe=unsafe))]
    ready.sort(key=lambda pair: sorted((file, *piece) for file, piece in pair[0].items()))
    made: dict[str, list[_Piece]] = {}
    applied: list[Diagnostic] = []
    skipped: list[Diagnostic] = []
    for pieces, one in ready:
        if all(_is_free(made.get(file, []), piece) for file, piece in pieces.items()):
            for file, piece in pieces.items():
                insort(made.setdefault(file, []), piece)
            applied.append(one)
        else:
            skipped.append(one)
    texts = {file: replaced(sources[file], chain.from_iterable(one[2] for one in own)) for file, own in made.items()}
    return Fixed({file: text for file, text in texts.items() if text != sources[file]}, tuple(applied), tuple(skipped))


def _pieces(sources: Mapping[str, str], fix: Fix | None, *, unsafe: bool) -> dict[str, _Piece]:
    """What a fix changes, by file; nothing where it is not wanted, or is about a text that is not there."""
    if fix is None or not (fix.safe or unsafe):
        return {}
    changes: dict[str, list[_Change]] = {}
    for edit in sorted(fix.edits):
        place = stretch(sources[edit.span.file], edit.span) if edit.span.file in sources else None
        own = changes.setdefault(edit.span.file, [])
        if place is None or (own and place[0] < own[-1][1]):
            return {}
        own.append((*place, edit.text))
    return {file: (own[0][0], own[-1][1], own) for file, own in changes.items()}


def _is_free(made: list[_Piece], piece: _Piece) -> bool:
    """Whether a piece neither overlaps nor touches one that is made."""
    at = bisect(made, piece)
    return (at == 0 or made[at - 1][1] < piece[0]) and (at == len(made) or piece[1] < made[at][0])


def by_file(edits: Iterable[Edit]) -> dict[str, list[Edit]]:
    """Edits by the path of the file that they are in."""
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        found.setdefault(edit.span.file, []).append(edit)
    return found


def replaced(text: str, changes: Iterable[_Change]) -> str:
    """A text with stretches replaced, which come in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for start, end, new in changes:
        parts += (text[at:start], new)
        at = end
    return "".join([*parts, text[at:]])
