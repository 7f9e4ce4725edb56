"""What stands where in a YAML text, also while it is being typed and is no YAML yet.

The reader of files stops at the first mistake; an editor asks in the middle of one. So this goes line by line, by
indentation, and takes what it sees: an open quote or bracket ends with its lines, a word alone is a key to be. It gives
each key and value its route, and judges nothing.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from agentrun.lsp.flow import PROPERTY, QUOTED, Flow, unquoted
from agentrun.spec.nodes import Route
from agentrun.spec.yaml_errors import MAX_DEPTH

Role = Literal["key", "value", "item", "open"]


class Token(msgspec.Struct, frozen=True):
    """A stretch of the text, blanks around it included, and what it is.

    `key`: the key that ends `route`, with its colon, or a word that may become one. `value`: the value at `route`, a
    key's. `item`: an element of a list. `open`: an empty place below a key, where a mapping, list or value may begin.
    """

    document: int
    route: Route
    role: Role
    start: int
    end: int
    has_colon: bool = False


class Cursor(msgspec.Struct, frozen=True):
    """A place in a text: the token there, and what its mapping or list has beside it: keys, or texts."""

    token: Token
    siblings: frozenset[str]


def cursor_at(text: str, offset: int) -> Cursor | None:
    """What an offset is in, or None in a comment or between documents."""
    outline = Outline(text, offset)
    tokens = outline.tokens
    at = [one for one in tokens if one.start <= offset <= one.end]
    if not at:
        return None
    token = max(at, key=lambda one: (one.start, one.role == "key"))
    others = [one for one in tokens if one.document == token.document and one is not token]
    parent = token.route[:-1] if token.role == "key" else token.route
    siblings = {str(one.route[-1]) for one in others if one.has_colon and one.route[:-1] == parent}
    if token.role in ("item", "open"):
        above = token.route[:-1] if token.role == "item" else token.route
        items = [one for one in others if one.role == "item" and one.route[:-1] == above]
        siblings |= {unquoted(text[one.start : one.end].strip()) for one in items}
    return Cursor(token, frozenset(siblings))


def tokens_of(text: str) -> list[Token]:
    return Outline(text).tokens


class _Frame:
    """An open block collection. `last` is the key, or the index, that the next value belongs to."""

    __slots__ = ("indent", "is_list", "is_pending", "last", "route")

    def __init__(self, indent: int, route: Route, *, is_list: bool) -> None:
        self.indent = indent
        self.route = route
        self.is_list = is_list
        self.last: str | int | None = -1 if is_list else None
        self.is_pending = False

    @property
    def inner(self) -> Route:
        return self.route if self.last is None else (*self.route, self.last)


_LINE = re.compile(r"(?:[^\r\n]*)(?:\r\n|[\r\n]|$)")
_DASH = re.compile(r"-(?=[ \t\r\n]|$)[ \t]*")
_KEY = re.compile(
    r"""("(?:[^"\\\r\n]|\\.)*"|'(?:[^'\r\n]|'')*'|[^\s#&*!|>%@`"'\[\]{},?:-][^\r\n#]*?|[?:-][^\s\r\n][^\r\n#]*?)"""
    r"""[ \t]*:(?=[ \t\r\n]|$)"""
)
_WORD = re.compile(r"[\w.-]+\s*")
_COMMENT = re.compile(r"[ \t]#[^\r\n]*|[\r\n]+$")


class Outline:
    def __init__(self, text: str, offset: int = -1) -> None:
        self.text = text
        self.offset = offset  # where an empty place is of interest
        self.tokens: list[Token] = []
        self.document = 0
        self.frames: list[_Frame] = []
        self.lines = [found.span() for found in _LINE.finditer(text) if found.end() > found.start()]
        if not self.lines or text.endswith(("\n", "\r")):
            self.lines.append((len(text), len(text)))
        self.number = 0
        while self.number < len(self.lines):
            self._line(*self.lines[self.number])
            self.number += 1

    # -- lines

    def _line(self, start: int, end: int) -> None:
        content = self.text[start:end]
        if start == 0 and content.startswith("\ufeff"):
            start, content = 1, content[1:]
        stripped = content.lstrip(" ")
        indent = len(content) - len(stripped)
        if not stripped.strip():
            if start <= self.offset <= start + len(content.rstrip("\r\n")):
                self._empty_line(start, self.offset - start)
            return
        if stripped.startswith("#"):
            return
        if content.startswith(("---", "...")) and not content[3:4].strip():
            self.document += bool(self.tokens) and self.tokens[-1].document == self.document
            self.frames = []
            return
        self._content(start, start + indent, end)

    def _empty_line(self, start: int, column: int) -> None:
        open_here = [frame for frame in self.frames if frame.indent <= column]
        if not open_here:
            self.token("key", ("",), start, self.offset)
            return
        frame = open_here[-1]
        while frame.is_list and frame.indent == column and len(open_here) > 1:
            open_here.pop()
            frame = open_here[-1]
        if frame.indent == column or not frame.is_pending:
            route = frame.inner if frame.is_list else frame.route
            self.token("key", (*route, ""), start, self.offset)
        else:
            self.token("open", frame.inner, start, self.offset)

    def _content(self, line_start: int, at: int, end: int) -> None:
        """A line of a block collection, from its first character."""
        column = at - line_start
        dash = _DASH.match(self.text, at, end)
        self._leave(column, is_dash=dash is not None)
        after_dash = False
        while dash is not None and len(self.frames) <= MAX_DEPTH:
            self._item(column)
            column += dash.end() - at
            at = dash.end()
            after_dash = True
            dash = _DASH.match(self.text, at, end)
        if not self.text[at:end].strip():
            self.token("item", self.frames[-1].inner, at, self.content_end(at, end))
            return
        own = PROPERTY.match(self.text, at, end)
        begin = own.end() if own is not None else at
        key = _KEY.match(self.text, begin, end)
        if key is not None:
            self._key(key, column, after_dash=after_dash, end=end)
            return
        top = self.frames[-1] if self.frames else None
        if after_dash and top is not None:
            top.is_pending = False
            self._value("item", top.inner, begin, end, column - 1)
        elif top is not None and top.indent < column and top.is_pending:
            is_word = _WORD.fullmatch(self.text, begin, end) is not None
            self._value("open" if is_word else "value", top.inner, begin, end, top.indent)
        elif top is not None and top.indent < column:
            self._value("key", (*top.inner, ""), begin, end, top.indent)
        elif top is not None and top.is_list:
            self._value("key", (*top.route[:-1], ""), begin, end, column)
        else:  # a text that is the whole document, or a key whose colon is still to come
            route = top.route if top is not None else ()
            self.token("key", (*route, ""), begin, self.content_end(begin, end))

    def _leave(self, column: int, *, is_dash: bool) -> None:
        """Close what is indented more than a line; a list ends where a key stands at its dash."""
        while self.frames and (
            self.frames[-1].indent > column
            or (self.frames[-1].indent == column and self.frames[-1].is_list and not is_dash)
        ):
            self.frames.pop()

    def _item(self, column: int) -> None:
        top = self.frames[-1] if self.frames else None
        if top is None or not (top.is_list and top.indent == column):
            route = top.inner if top is not None else ()
            self.frames.append(_Frame(column, route, is_list=True))
        frame = self.frames[-1]
        frame.last = int(frame.last or 0) + 1 if frame.last != -1 else 0
        frame.is_pending = True

    def _key(self, key: re.Match[str], column: int, *, after_dash: bool, end: int) -> None:
        top = self.frames[-1] if self.frames else None
        if top is None or top.is_list or top.indent != column or after_dash:
            self.frames.append(_Frame(column, top.inner if top is not None else (), is_list=False))
        frame = self.frames[-1]
        name = unquoted(key[1])
        frame.last = name
        self.token("key", (*frame.route, name), key.start(1), key.end(1), has_colon=True)
        begin = key.end()
        while (own := PROPERTY.match(self.text, _past_blanks(self.text, begin, end), end)) is not None:
            begin = own.end()
        frame.is_pending = not self.text[begin:end].strip() or self.text[begin:end].lstrip().startswith("#")
        if frame.is_pending:
            self.token("value", frame.inner, begin, self.content_end(begin, end))
        else:
            self._value("value", frame.inner, begin, end, column)

    # -- values

    def _value(self, role: Role, route: Route, begin: int, end: int, indent: int) -> None:
        """A value that begins on this line: a flow collection, a quoted, block or plain text."""
        at = _past_blanks(self.text, begin, end)
        first = self.text[at : at + 1]
        if first in ("[", "{") and not self.text.startswith("{{", at):
            Flow(self, at, indent).run(role, route)
        elif first in ("|", ">"):
            last = self._lines_below(indent)
            self.token(role, route, begin, self.content_end(at, last) if last > end else self.content_end(at, end))
        elif first in ("'", '"'):
            self.token(role, route, begin, self._quoted_end(at, indent))
        else:
            last = self._lines_below(indent, stop_at_keys=True)
            self.token(role, route, begin, self.content_end(begin, last if last > end else end))

    def _lines_below(self, indent: int, *, stop_at_keys: bool = False) -> int:
        """The end of the lines that are indented more; they are taken."""
        last = self.lines[self.number][1]
        number = self.number
        while number + 1 < len(self.lines):
            start, end = self.lines[number + 1]
            content = self.text[start:end]
            if content.strip():
                if len(content) - len(content.lstrip(" ")) <= indent:
                    break
                if stop_at_keys and _could_be_block(content.strip()):
                    break
            elif stop_at_keys and start <= self.offset <= end:
                break
            number += 1
            if content.strip():
                last, self.number = end, number
            elif not stop_at_keys and start <= self.offset <= end:
                last = end
        return last

    def _quoted_end(self, at: int, indent: int) -> int:
        closed = QUOTED[self.text[at]].match(self.text, at)
        own_end = self.lines[self.number][1]
        if closed is None or closed.end() <= own_end:
            return closed.end() if closed is not None else self.content_end(at, own_end)
        before = self.number
        below = self._lines_below(indent)
        if closed.end() <= below:
            return closed.end()
        self.number = before
        return self.content_end(at, own_end)

    def content_end(self, at: int, end: int) -> int:
        """The end of a line without its comment and line end."""
        found = _COMMENT.search(self.text, at, end) if "\n" not in self.text[at : end - 1].rstrip("\r\n") else None
        cut = found.start() if found is not None else end
        while cut > at and self.text[cut - 1] in "\r\n":
            cut -= 1
        return cut

    def token(self, role: Role, route: Route, start: int, end: int, *, has_colon: bool = False) -> None:
        self.tokens.append(Token(self.document, route, role, start, max(start, end), has_colon))


def _could_be_block(line: str) -> bool:
    return _KEY.match(line) is not None or _DASH.match(line) is not None


def _past_blanks(text: str, at: int, end: int) -> int:
    while at < end and text[at] in " \t":
        at += 1
    return at
