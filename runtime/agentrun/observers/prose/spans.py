"""What stands between marks: strong, emphasised and struck text, and the parts that marks don't reach into. Pure.

A text that still goes on is looked at up to where it has come: `More` is raised where the rest could change what is
found. Marks that nothing closes are text, and so are those that write products and names: `2*3*4`, `x**2`, `__init__`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from agentrun.observers.prose.atoms import SPECIAL, Atom, More, Text, atom_at
from agentrun.observers.prose.styles import CODE, DIM, EMPHASIS, LINK, PLAIN, STRIKE, STRONG, Run, joined

_DEPTH = 12  # of marks in marks
_CJK = "\u2e80"  # from here on scripts don't put spaces around words
_ENDS_WORDS = frozenset(":.,;!?)]}\"'”’»%…")  # behind these a strong text may end though a word follows at once
_STYLES = {("~", 2): STRIKE, ("*", 1): EMPHASIS, ("_", 1): EMPHASIS, ("*", 2): STRONG, ("_", 2): STRONG}


class _Marks(msgspec.Struct):
    """A run of marks: how many of them are still to be matched, and where those stand."""

    character: str
    start: int
    end: int
    opens: bool
    closes: bool
    in_word: bool = False


class Mark(msgspec.Struct, frozen=True):
    """Marks that begin or end a style."""

    start: int
    end: int
    style: str
    begins: bool


class Span(msgspec.Struct, frozen=True):
    """What was found up to `end`."""

    end: int
    atoms: Sequence[Atom]
    marks: Sequence[Mark]


def span_at(within: Text) -> Span | None:
    """What the marks at its start begin, up to where all are closed."""
    return _scan(within, until_closed=True)


def runs_of(text: str, style: str, *, styled: bool) -> list[Run]:
    """A whole text."""
    within = Text(text, 0, len(text), False)
    found = _scan(within, until_closed=False)
    return [] if found is None else runs(text, 0, found, style, styled=styled)


def runs(text: str, start: int, span: Span, style: str, *, styled: bool) -> list[Run]:
    """A span as it is shown. Without styles the marks stay."""
    shown: list[Run] = []
    open_styles: list[str] = []
    at = start

    def style_now() -> str:
        now = style
        for one in open_styles:
            now = joined(now, one)
        return now

    parts: list[Atom | Mark] = [*span.atoms, *span.marks]
    for part in sorted(parts, key=lambda one: one.start):
        shown.append((text[at : part.start], style_now()))
        at = part.end
        if isinstance(part, Atom):
            shown += atom_runs(part, style_now(), text, styled=styled)
            continue
        if part.begins:
            open_styles.append(part.style)
        if not styled or part.style == STRIKE:  # not every terminal can strike text, and then it would say the contrary
            shown.append((text[part.start : part.end], style_now()))
        if not part.begins:
            open_styles.remove(part.style)
    shown.append((text[at : span.end], style_now()))
    return [run for run in shown if run[0]]


def atom_runs(atom: Atom, style: str, text: str, *, styled: bool) -> list[Run]:
    match atom.kind:
        case "code" if not styled:
            return [(text[atom.start : atom.end], style)]
        case "code":
            return [(atom.shown, joined(style, CODE))]
        case "link" | "image":
            address = atom.address
            label = atom.shown or ("image" if atom.kind == "image" else "")
            if not label or label in (address, address.removeprefix("mailto:")):
                return [(address, joined(style, LINK))]
            inner = runs_of(label, joined(style, LINK if atom.kind == "link" else PLAIN), styled=styled)
            return [*inner, (" (", style), (address, joined(style, DIM)), (")", style)]
    return [(atom.shown, style)]


# -- marks


def _scan(within: Text, *, until_closed: bool) -> Span | None:
    text = within.text
    atoms: list[Atom] = []
    marks: list[Mark] = []
    waiting: list[_Marks] = []
    for part in _parts(within):
        if isinstance(part, Atom):
            atoms.append(part)
            continue
        if part.end == within.stop:
            if within.goes_on:
                raise More
            if within.is_cut:
                break
        if len(text[part.start : part.end]) > 3 or (part.character == "~" and part.end - part.start != 2):
            continue
        marks += _matched(part, waiting, text)
        if part.opens and part.start < part.end:
            waiting.append(part)
        if until_closed and len(waiting) > _DEPTH:
            return None
        if until_closed and not waiting:
            return Span(part.start, atoms, marks) if marks else None
    if not until_closed:
        return Span(within.stop, atoms, marks)
    if within.goes_on:
        raise More
    return None


def _parts(within: Text) -> Iterator[Atom | _Marks]:
    at = within.start
    while found := SPECIAL.search(within.text, at, within.stop):
        at = found.end()
        if (atom := atom_at(found, within)) is not None:
            yield atom
            at = atom.end
        elif found.group()[0] in "*_~":
            yield marks_at(found.start(), found.end(), within)


def marks_at(start: int, end: int, within: Text) -> _Marks:
    """A run of marks, and whether it can open or close: words stand at its inner side, and outside of it not."""
    text = within.text
    before = text[start - 1 : start]
    after = text[end : end + 1] if end < within.stop or within.is_cut else ""
    space_before, space_after = not before or before.isspace(), not after or after.isspace()
    left = not space_after and (not _is_punctuation(after) or space_before or _is_outside(before))
    right = not space_before and (not _is_punctuation(before) or space_after or _is_outside(after))
    character = text[start]
    if character == "_":
        opens = left and (not right or _is_punctuation(before))
        closes = right and (not left or _is_punctuation(after))
        return _Marks(character, start, end, opens, closes)
    in_word = _is_of_word(before) and _is_of_word(after)
    if character == "*" and in_word:
        is_product = before.isdigit() or after.isdigit()
        return _Marks(character, start, end, end - start > 1 and not is_product, not is_product, True)
    if end - start == 2 and before in _ENDS_WORDS and not space_before:
        right = True
    return _Marks(character, start, end, left, right)


def _matched(closing: _Marks, waiting: list[_Marks], text: str) -> list[Mark]:
    """Matches marks with those that wait; both are used up from their inner sides."""
    found: list[Mark] = []
    size = closing.end - closing.start
    while closing.closes and closing.start < closing.end:
        for index in range(len(waiting) - 1, -1, -1):
            opening = waiting[index]
            if opening.character == closing.character and not (
                _is_odd(opening, closing, size) or _are_operators(opening, closing, text)
            ):
                break
        else:
            break
        used = 2 if min(opening.end - opening.start, closing.end - closing.start) > 1 else 1
        style = _STYLES[closing.character, used]
        found.append(Mark(opening.end - used, opening.end, style, True))
        found.append(Mark(closing.start, closing.start + used, style, False))
        opening.end -= used
        closing.start += used
        del waiting[index + 1 :]
        if opening.start == opening.end:
            waiting.pop()
    return found


def _is_odd(opening: _Marks, closing: _Marks, size: int) -> bool:
    """`*a**b*`: the two in the middle match neither of the others."""
    if not (opening.closes or closing.opens):
        return False
    first = opening.end - opening.start
    return (first + size) % 3 == 0 and not (first % 3 == 0 and size % 3 == 0)


def _are_operators(opening: _Marks, closing: _Marks, text: str) -> bool:
    """Within words marks enclose a part of one: `Hyper**T**ext`, but not `a**n + b**n`."""
    return opening.in_word and " " in text[opening.end : closing.start]


def _is_of_word(character: str) -> bool:
    return character.isalnum() and character < _CJK


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _is_outside(character: str) -> bool:
    return _is_punctuation(character) or character >= _CJK
