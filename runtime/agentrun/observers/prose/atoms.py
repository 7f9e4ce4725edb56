"""The parts of a line that marks don't reach into: code, links, addresses, formulas, names, escapes. Pure.

A text that still goes on is looked at up to where it has come: `More` is raised where the rest could change what is
found. What nothing closes is text.
"""

from __future__ import annotations

import re

import msgspec

SPAN_CHARS = 300  # from the first mark to the last one
ADDRESS_CHARS = 1000
_DEPTH = 12  # of brackets in brackets
SPECIAL = re.compile(r"\\|`+|\*+|_+|~+|!?\[|\$+|(?<![A-Za-z0-9])https?://")
# A backslash before a bracket stays: formulas begin so.
_ESCAPED = frozenset("*_`#~>+-.!|\\<&\"':;=@^,/$%?")
_URL = re.compile(r"https?://[^\s<>`*~]*")
_TICKS = re.compile("`+")
_NAME = re.compile(r"__[a-z][a-z0-9_]*[a-z0-9]__")
_MAY_BE_NAME = re.compile(r"__[a-z0-9_]*")
_DOLLAR = re.compile(r"(?<![\s\\$])\$(?![\w$])")
_TWO_DOLLARS = re.compile(r"\$\$")
_BARE = re.compile(r"\w*\Z")


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
    kind: str  # escape, code, url, link, image, formula, name
    shown: str
    address: str = ""


def atom_at(found: re.Match[str], within: Text) -> Atom | None:
    """The part that begins where this was found, or None: then it is text."""
    start, what = found.start(), found.group()
    match what[0]:
        case "\\":
            return _escape(start, within)
        case "_" if what == "__":
            return _name(start, within)
        case "$":
            return _dollars(start, found.end(), within)
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


def _escape(start: int, within: Text) -> Atom | None:
    if start + 1 >= within.stop:
        if within.goes_on:
            raise More
        return None
    character = within.text[start + 1]
    if character in "([":
        return _formula(start, start + 2, re.compile(r"\\\)" if character == "(" else r"\\\]"), within)
    return Atom(start, start + 2, "escape", character) if character in _ESCAPED else None


def _name(start: int, within: Text) -> Atom | None:
    """`__init__` is a name; strong text is written with stars."""
    reach = within.short(SPAN_CHARS)
    if reach.goes_on and _MAY_BE_NAME.fullmatch(reach.text, start, reach.stop):
        raise More
    found = _NAME.match(reach.text, start, reach.stop)
    after = within.text[found.end() : found.end() + 1] if found else ""
    if found is None or after.isalnum() or within.text[start - 1 : start].isalnum():
        return None
    return Atom(start, found.end(), "name", found.group())


def _dollars(start: int, inner: int, within: Text) -> Atom | None:
    """A formula between `$` or `$$`. A `$` before a number is money."""
    if inner >= within.stop:
        if within.goes_on:
            raise More
        return None
    before, after = within.text[start - 1 : start], within.text[inner]
    if inner - start == 2:
        return _formula(start, inner, _TWO_DOLLARS, within)
    if inner - start > 2 or after.isspace() or after.isdigit() or before.isalnum():
        return None
    return _formula(start, inner, _DOLLAR, within)


def _formula(start: int, inner: int, closing: re.Pattern[str], within: Text) -> Atom | None:
    """Shown as it is, so that none of its letters is taken for a mark."""
    reach = Text(within.text, start, within.stop, within.goes_on, within.is_cut).short(SPAN_CHARS)
    found = closing.search(within.text, inner, reach.stop)
    line_end = within.text.find("\n", inner, reach.stop)
    if closing is _DOLLAR and 0 <= line_end < (found.end() if found else reach.stop):
        return None
    if found is None or (found.end() == reach.stop and closing is _DOLLAR):  # what follows tells whether it closes
        if reach.goes_on:
            raise More
        if found is None or reach.is_cut:
            return None
    return Atom(start, found.end(), "formula", within.text[start : found.end()])


def _code(start: int, inner: int, within: Text) -> Atom | None:
    if inner == within.stop and within.goes_on:
        raise More
    reach = Text(within.text, start, within.stop, within.goes_on, within.is_cut).short(SPAN_CHARS)
    ticks = inner - start
    for closing in _TICKS.finditer(within.text, inner, reach.stop):
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
    if within.text[start - 1 : start].isalnum() and _BARE.match(address):
        return None  # `rows[0](x)` is a call
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
            ticks = _TICKS.match(reach.text, at, reach.stop)
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
        elif character == "\n" or (was_space and character != " "):
            return None  # words: no address
        was_space = character == " "
        at += 1
    if reach.goes_on:
        raise More
    return None
