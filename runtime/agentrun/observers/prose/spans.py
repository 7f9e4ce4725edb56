"""What stands between marks in one line: strong, emphasised and struck text, code, links. Pure.

A text that still goes on is looked at up to where it has come: `More` is raised where the rest could change what is
found. Marks that nothing closes are text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from agentrun.observers.prose.styles import CODE, DIM, EMPHASIS, LINK, PLAIN, STRIKE, STRONG, Run, joined

SPAN_CHARS = 300  # from the first mark to the last one
ADDRESS_CHARS = 1000
_DEPTH = 12  # of marks in marks
SPECIAL = re.compile(r"\\|`+|\*+|_+|~+|!?\[|(?<![A-Za-z0-9])https?://")
# A backslash before a bracket stays: formulas begin so.
_ESCAPED = frozenset("*_`#~>+-.!|\\<&\"':;=@^,/$%?")
_URL = re.compile(r"https?://[^\s<>`*~]*")
_CJK = "\u2e80"  # from here on scripts don't put spaces around words
_STYLES = {("~", 2): STRIKE, ("*", 1): EMPHASIS, ("_", 1): EMPHASIS, ("*", 2): STRONG, ("_", 2): STRONG}


class More(Exception):
    """The text must go on before this can be told."""


class Text(msgspec.Struct, frozen=True):
    """A line from `start` to `stop`. `goes_on`: what stands behind `stop` may be still to come, or is not looked at.

    `is_cut` where it will not be looked at at all.
    """

    text: str
    start: int
    stop: int
    goes_on: bool
    is_cut: bool = False

    def short(self, chars: int) -> Text:
        """Not looked at further than so many characters."""
        if self.stop - self.start < chars:
            return self
        return Text(self.text, self.start, self.start + chars, False, True)


class Atom(msgspec.Struct, frozen=True):
    """A part that marks don't reach into."""

    start: int
    end: int
    kind: str  # escape, code, url, link, image
    shown: str
    address: str = ""


class _Marks(msgspec.Struct):
    """A run of marks: how many of them are still to be matched, and where those stand."""

    character: str
    start: int
    end: int
    opens: bool
    closes: bool


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


def atom_at(found: re.Match[str], within: Text) -> Atom | None:
    """The part that begins where this was found, or None: then it is text."""
    start, what = found.start(), found.group()
    match what[0]:
        case "\\":
            return _escape(start, within)
        case "`":
            return _code(start, found.end(), within)
        case "h":
            end = _URL.match(within.text, start, within.stop).end()  # type: ignore[union-attr]  # it begins so
            if end == within.stop and within.goes_on:
                raise More
            return Atom(start, end, "url", within.text[start:end])
        case "!" | "[":
            return _link(start, found.end(), within)
    return None


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


# -- parts


def _escape(start: int, within: Text) -> Atom | None:
    if start + 1 >= within.stop:
        if within.goes_on:
            raise More
        return None
    character = within.text[start + 1]
    return Atom(start, start + 2, "escape", character) if character in _ESCAPED else None


def _code(start: int, inner: int, within: Text) -> Atom | None:
    if inner == within.stop and within.goes_on:
        raise More
    reach = Text(within.text, start, within.stop, within.goes_on, within.is_cut).short(SPAN_CHARS)
    ticks = inner - start
    for closing in re.compile("`+").finditer(within.text, inner, reach.stop):
        if closing.end() == reach.stop and (reach.goes_on or reach.is_cut):
            break
        if closing.end() - closing.start() == ticks:
            code = within.text[inner : closing.start()]
            if code[:1] == code[-1:] == " " and code.strip():
                code = code[1:-1]
            return Atom(start, closing.end(), "code", code)
    if reach.goes_on:
        raise More
    return None


def _link(start: int, inner: int, within: Text) -> Atom | None:
    close = _closing_bracket(inner, Text(within.text, start, within.stop, within.goes_on, within.is_cut))
    if close is None:
        return None
    reach = Text(within.text, close, within.stop, within.goes_on, within.is_cut).short(ADDRESS_CHARS)
    if close + 1 >= reach.stop:
        if reach.goes_on:
            raise More
        return None
    if within.text[close + 1] != "(":
        return None
    end = _end_of_address(close + 2, reach)
    if end is None:
        return None
    address = within.text[close + 2 : end - 1].strip()
    if address[:1] == "<" and address[-1:] == ">":
        address = address[1:-1]
    kind = "image" if within.text[start] == "!" else "link"
    return Atom(start, end, kind, within.text[inner:close], address) if address else None


def _closing_bracket(inner: int, within: Text) -> int | None:
    reach = within.short(SPAN_CHARS)
    depth, at = 1, inner
    while at < reach.stop:
        character = reach.text[at]
        if character == "\\":
            at += 1
        elif character == "`":
            ticks = re.compile("`+").match(reach.text, at, reach.stop)
            assert ticks is not None  # noqa: S101  # for the type checker: it begins so
            code = _code(at, ticks.end(), reach)
            at = (ticks.end() if code is None else code.end) - 1
        elif character == "[":
            depth += 1
            if depth > _DEPTH:
                return None
        elif character == "]":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    if reach.goes_on:
        raise More
    return None


def _end_of_address(at: int, reach: Text) -> int | None:
    """Behind the parenthesis that closes an address, which may have a title behind it and parentheses in it."""
    depth, quote, was_space = 1, "", False
    if reach.text.startswith("<", at):
        quote = ">"
    while at < reach.stop:
        character = reach.text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character == "\\":
            at += 1
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return at + 1
        elif was_space and character in "\"'":
            quote = character
        elif was_space and character != " ":
            return None  # words: no address
        was_space = character == " "
        at += 1
    if reach.goes_on:
        raise More
    return None


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
        marks += _matched(part, waiting)
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
        if found.group()[0] in "*_~":
            yield marks_at(found.start(), found.end(), within)
        elif (atom := atom_at(found, within)) is not None:
            yield atom
            at = atom.end


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
    return _Marks(character, start, end, left, right)


def _matched(closing: _Marks, waiting: list[_Marks]) -> list[Mark]:
    """Matches marks with those that wait; both are used up from their inner sides."""
    found: list[Mark] = []
    size = closing.end - closing.start
    while closing.closes and closing.start < closing.end:
        for index in range(len(waiting) - 1, -1, -1):
            opening = waiting[index]
            if opening.character == closing.character and not _is_odd(opening, closing, size):
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


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _is_outside(character: str) -> bool:
    return _is_punctuation(character) or character >= _CJK
