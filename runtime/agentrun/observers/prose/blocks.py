"""What a line is, told from its beginning: in which quotes and lists it stands, and whether it is a heading, code, a
table, a rule, or text. Pure.

`More` is raised where the beginning does not tell yet. An indentation that is not quite right ends no list and no
code: models count spaces badly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from agentrun.observers.prose.atoms import More

START_CHARS = 400  # by then it is text
_DEPTH = 12  # of quotes and lists in each other
_LEAST_INDENT = 2  # of what stands in an item of a list
_BULLETS = "•●◦○‣▪∙·⁃"  # also written before the items of lists
_MARKER = re.compile(rf"(?:[-*+{_BULLETS}]|\d{{1,9}}[.)])(?= |\Z)")
_MAY_BE_MARKER = re.compile(rf"(?:[-*+{_BULLETS}]|\d{{1,9}}[.)]?)\Z")
_RULE = re.compile(r"([-*_])(?: *\1){2,} *\Z")
_MAY_BE_RULE = re.compile(r"([-*_])(?: *\1)* *\Z")
_HEADING = re.compile(r"(#{1,6})(?: +|\Z)")
_MAY_BE_HEADING = re.compile(r"#{1,6} *\Z")
_FENCE = re.compile(r"(`{3,})([^`]*)\Z|(~{3,})(.*)\Z")
_MAY_BE_FENCE = re.compile(r"`{1,2}\Z|~{1,2}\Z|`{3,}[^`]*\Z|~{3,}.*\Z")
_FORMULA = {"$$": "$$", "\\[": "\\]"}  # what opens one that has lines of its own, and what ends it
_TASK = re.compile(r"\[[ xX]\] ")
_MAY_BE_TASK = re.compile(r"\[(?:[ xX](?:\](?: )?)?)?\Z")


class Quote(msgspec.Struct, frozen=True):
    pass


class Item(msgspec.Struct, frozen=True):
    """An item of a list: how far its text is indented, and what is shown before it."""

    indent: int
    marker: str


Container = Quote | Item


class Start(msgspec.Struct, frozen=True):
    """`kept` of the containers go on, `opened` are new; from `at` on there is the line's own text.

    `kind`: blank, text, heading, rule, fence, formula, table, code. `level` is a heading's; `word` a fence, what ends a
    formula, or what is to be shown as it is before a text; `info` is what a fence says of its code; so many spaces as
    `indent` stand before it.
    """

    kept: int
    opened: Sequence[Container]
    at: int
    kind: str
    level: int = 0
    word: str = ""
    info: str = ""
    indent: int = 0


def start_of(line: str, containers: Sequence[Container], *, goes_on: bool, in_text: bool) -> Start:
    """`in_text`: the line before was text, which this one may go on with."""
    is_long = len(line) >= START_CHARS
    return _Reader(line[:START_CHARS], goes_on and not is_long, is_long).start(containers, in_text=in_text)


def code_in(line: str, containers: Sequence[Container]) -> str | None:
    """A line of fenced code without what its containers put before it; None where their quote ended."""
    at = 0
    for one in containers:
        spaces = len(line) - at - len(line[at:].lstrip(" "))
        if isinstance(one, Item):
            at += min(spaces, one.indent)
        elif line[at + spaces : at + spaces + 1] == ">" and spaces < 4:
            at += spaces + (2 if line[at + spaces + 1 : at + spaces + 2] == " " else 1)
        else:
            return None
    return line[at:]


class _Reader:
    def __init__(self, line: str, goes_on: bool, is_long: bool) -> None:
        self._line = line
        self._goes_on = goes_on
        self._is_long = is_long

    def start(self, containers: Sequence[Container], *, in_text: bool) -> Start:
        at, kept = self._kept(containers)
        spaces = self._spaces(at)
        if self._is_end(at + spaces):
            return Start(self._last_of_blank(containers, kept), (), at + spaces, "blank")
        if spaces >= 4 and not containers and not in_text:
            return Start(0, (), at + 4, "code")
        opened: list[Container] = []
        while kept + len(opened) < _DEPTH:
            at += spaces
            if self._line[at] == ">":
                opened.append(Quote())
                at += 2 if self._peek(at + 1) == " " else 1
            elif (marker := self._marker(at)) and not self._is_rule(at):
                at += len(marker)
                gap = self._spaces(at)
                gap = gap if 0 < gap < 5 else 1
                # Where a bullet begins a row, it is a call's: no text can pass for one.
                opened.append(Item(spaces + len(marker) + gap, "- " if marker in _BULLETS else f"{marker} "))
                at = min(at + gap, len(self._line))
            else:
                break
            spaces = self._spaces(at)
            if self._is_end(at + spaces):
                return Start(kept, opened, at + spaces, "blank" if isinstance(opened[-1], Quote) else "text")
        leaf = self._leaf(at, spaces, kept, opened)
        if leaf.kind == "text" and in_text and not opened:
            return msgspec.structs.replace(leaf, kept=len(containers))
        return leaf

    def _leaf(self, at: int, spaces: int, kept: int, opened: list[Container]) -> Start:
        rest = self._line[at:]
        if rest[0] == "#":
            if found := self._told(_HEADING, _MAY_BE_HEADING, rest):
                return Start(kept, opened, at + found.end(), "heading", len(found.group(1)))
        elif rest[0] in "`~":
            if not self._is_long and (found := self._told(_FENCE, _MAY_BE_FENCE, rest)):
                fence, info = found.group(1) or found.group(3), found.group(2) or found.group(4) or ""
                end = len(self._line)
                return Start(kept, opened, end, "fence", word=fence, info=info.strip(), indent=spaces)
        elif rest[:2] in _FORMULA or (rest in ("$", "\\") and self._goes_on):
            closing = _FORMULA.get(rest[:2], "")
            if self._goes_on and (not closing or closing not in rest[2:]):
                raise More
            if not self._is_long and closing not in rest[2:]:
                return Start(kept, opened, at, "formula", word=closing, indent=spaces)
        elif rest[0] == "|":
            return Start(kept, opened, at, "table")
        elif rest[0] in "-*_" and self._is_rule(at):
            return Start(kept, opened, len(self._line), "rule")
        elif rest[0] == "[" and opened and isinstance(opened[-1], Item):
            if self._goes_on and _MAY_BE_TASK.match(rest):
                raise More
            if found := _TASK.match(rest):
                return Start(kept, opened, at + found.end(), "text", word=found.group())
        return Start(kept, opened, at, "text", indent=0 if opened else spaces)

    def _told(self, pattern: re.Pattern[str], may_be: re.Pattern[str], rest: str) -> re.Match[str] | None:
        if self._goes_on and may_be.match(rest):
            raise More
        return pattern.match(rest)

    def _is_rule(self, at: int) -> bool:
        if self._is_long or self._line[at] not in "-*_":
            return False
        if self._goes_on and _MAY_BE_RULE.match(self._line, at):
            raise More
        return _RULE.match(self._line, at) is not None

    def _marker(self, at: int) -> str:
        if self._goes_on and _MAY_BE_MARKER.match(self._line, at):
            raise More
        found = _MARKER.match(self._line, at)
        return found.group() if found else ""

    # -- the containers of the line before

    def _kept(self, containers: Sequence[Container]) -> tuple[int, int]:
        at = 0
        for kept, one in enumerate(containers):
            spaces = self._spaces(at)
            if self._is_end(at + spaces):
                return at, kept
            if isinstance(one, Item):
                if spaces < min(one.indent, _LEAST_INDENT):
                    return at, kept
                at += min(spaces, one.indent)
            elif spaces < 4 and self._line[at + spaces] == ">":
                at += spaces + 1
                at += 1 if self._peek(at) == " " else 0
            else:
                return at, kept
        return at, len(containers)

    def _last_of_blank(self, containers: Sequence[Container], kept: int) -> int:
        """A blank line ends the quotes that it does not stand in, and no list."""
        while kept < len(containers) and isinstance(containers[kept], Item):
            kept += 1
        return kept

    # -- characters

    def _spaces(self, at: int) -> int:
        """How many there are; it is known what follows them."""
        end = at
        while end < len(self._line) and self._line[end] == " ":
            end += 1
        if end == len(self._line) and self._goes_on:
            raise More
        return end - at

    def _is_end(self, at: int) -> bool:
        return at >= len(self._line)

    def _peek(self, at: int) -> str:
        if at < len(self._line):
            return self._line[at]
        if self._goes_on:
            raise More
        return "\n"
