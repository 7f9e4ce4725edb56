"""Flow collections, `[…]` and `{…}`, as `outline.py` reads them: to their end, or to where their lines end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentrun.spec.nodes import Route
from agentrun.spec.yaml_errors import MAX_DEPTH

if TYPE_CHECKING:
    from agentrun.lsp.outline import Outline, Role

QUOTED = {'"': re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL), "'": re.compile(r"'(?:[^']|'')*'")}
PROPERTY = re.compile(r"[&!][^\s,\[\]{}]*[ \t]*")
_FLOW_PLAIN = re.compile(r"(?:[^,\[\]{}#:\r\n]|:(?![ \t\r\n,\[\]{}]|$)|(?<![ \t])#)+")


class Flow:
    """Reads `[…]` or `{…}` to its end, or to where its lines end."""

    def __init__(self, outline: Outline, at: int, indent: int) -> None:
        self.outline = outline
        self.text = outline.text
        self.at = at
        self.indent = indent
        self.line_end = outline.lines[outline.number][1]

    def run(self, role: Role, route: Route) -> None:
        stack: list[Level] = []
        slot: tuple[Role, Route] = (role, route)
        while self._goes_on() and len(stack) <= MAX_DEPTH:
            char = self.text[self.at]
            if char in "[{":
                stack.append(Level(slot[1], is_list=char == "["))
                self.at += 1
                slot = self._begin(stack[-1])
            elif char in "]},":
                self._empty(stack, slot)
                self.at += 1
                if char != ",":
                    done = stack.pop()
                    done.is_full = True
                    if not stack:
                        return
                    stack[-1].is_full = True
                    slot = ("value", stack[-1].route)
                else:
                    slot = self._begin(stack[-1])
            elif char == "#":
                self.at = self._end_of_line()
            elif char == ":":
                self.at += 1
                stack[-1].start = self.at
                stack[-1].is_full = False
                slot = ("value", stack[-1].inner)
            else:
                slot = self._scalar(stack, slot)
        if stack:
            self._empty(stack, slot)

    def _begin(self, level: Level) -> tuple[Role, Route]:
        level.start = self.at
        level.is_full = False
        if level.is_list:
            level.last = int(level.last) + 1
            return "item", level.inner
        return "key", (*level.route, "")

    def _scalar(self, stack: list[Level], slot: tuple[Role, Route]) -> tuple[Role, Route]:
        level = stack[-1]
        begin = level.start if not level.is_full else self.at
        while (own := PROPERTY.match(self.text, self.at)) is not None:
            self.at = own.end()
        char = self.text[self.at : self.at + 1]
        word_start = self.at
        quoted = QUOTED[char].match(self.text, self.at, self._end_of_line()) if char in ("'", '"') and char else None
        if quoted is not None:
            self.at = quoted.end()
        elif char in ("'", '"') and char:
            self.at = self._end_of_line()
        else:
            found = _FLOW_PLAIN.match(self.text, self.at)
            self.at = found.end() if found is not None else self.at + 1
        word = self.text[word_start : self.at].strip()
        rest = self.text[self.at :].lstrip(" \t")[:2]
        is_key = rest[:1] == ":" and (quoted is not None or not rest[1:].strip(" \t\r\n,[]{}"))
        level.is_full = True
        if is_key and slot[0] in ("key", "item"):
            level.last = unquoted(word) if not level.is_list else level.last
            route = level.inner if not level.is_list else (*level.inner, unquoted(word))
            self.outline.token("key", route, word_start, word_start + len(word), has_colon=True)
            self.at += self.text[self.at :].find(":")
            return "value", route
        if slot[0] == "key":
            self.outline.token("key", (*level.route, ""), begin, self.at)
        else:
            self.outline.token(slot[0], slot[1], begin, self.at)
        return slot

    def _empty(self, stack: list[Level], slot: tuple[Role, Route]) -> None:
        """The place between two separators, where nothing stands."""
        level = stack[-1]
        if not level.is_full:
            self.outline.token(slot[0], slot[1], level.start, self.at)

    def _goes_on(self) -> bool:
        """To the next character that counts; false at the end of the lines that may belong here."""
        while True:
            while self.at < self.line_end and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < self.line_end:
                return True
            outline = self.outline
            if outline.number + 1 >= len(outline.lines):
                return False
            start, end = outline.lines[outline.number + 1]
            content = self.text[start:end].strip()
            indent = end - start - len(self.text[start:end].lstrip(" "))
            if content and indent <= self.indent and content[0] not in "]}":
                self.at = min(self.at, outline.content_end(start, self.line_end)) if self.at > start else self.at
                self._back_over_line_end()
                return False
            outline.number += 1
            self.line_end = end

    def _back_over_line_end(self) -> None:
        while self.at > 0 and self.text[self.at - 1] in "\r\n":
            self.at -= 1

    def _end_of_line(self) -> int:
        end = self.line_end
        while end > self.at and self.text[end - 1] in "\r\n":
            end -= 1
        return end


class Level:
    """An open flow collection. `start` is where its open place begins; `is_full` says that something stands there."""

    __slots__ = ("is_full", "is_list", "last", "route", "start")

    def __init__(self, route: Route, *, is_list: bool) -> None:
        self.route = route
        self.is_list = is_list
        self.last: str | int = -1 if is_list else ""
        self.start = 0
        self.is_full = False

    @property
    def inner(self) -> Route:
        return (*self.route, self.last)


def unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        return word[1:-1].replace("''", "'") if word[0] == "'" else word[1:-1]
    return word
