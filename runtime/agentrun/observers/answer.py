"""Where an answer goes: to a terminal, laid out, or as it is to files and programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Protocol

from agentrun.observers.prose.joiners import Pieces
from agentrun.observers.unfolded import laid_out

Write = Callable[[str], None]
Style = Callable[[str, str], str]
_MAY_BE_JSON = re.compile(r'\s*(?:[{\[](?:\s*(?:["{\[}\]]|\Z)|\Z)|\Z)')
_PARTS = re.compile(r'["\\{}\[\]]')
_JSON_CHARS = 200_000  # more is not held back


class Answer(Protocol):
    """Where the model's text goes."""

    def feed(self, text: str) -> None:
        """More of it."""

    def end(self) -> None:
        """All that came is shown, and the cursor stands at the beginning of a line."""

    def speaker(self, name: str) -> None:
        """Who says what follows, where it is another agent than before."""


class RawAnswer:
    """The text as it is, for files and programs."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._pieces = Pieces()
        self._is_open = False

    def feed(self, text: str) -> None:
        self._show(self._pieces.feed(text))

    def end(self) -> None:
        self._show(self._pieces.end())
        if self._is_open:
            self._write("\n")
        self._is_open = False

    def speaker(self, name: str) -> None:
        """Not told: it is no part of the text."""

    def _show(self, text: str) -> None:
        if text:
            self._write(text)
            self._is_open = not text.endswith("\n")


class TerminalAnswer:
    """Markdown as it streams. An answer that begins with JSON is held until that ends, and is laid out.

    `style(text, name)` colours it.
    """

    def __init__(self, write: Write, columns: Callable[[], int], style: Style, *, styled: bool) -> None:
        from agentrun.observers.prose.markdown import Markdown  # long to load, and only a terminal needs it

        self._write = write
        self._style = style
        self._markdown = Markdown(write, columns, styled=styled)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._held: str | None = ""  # what may be JSON; None: it is not, or was shown
        self._read = 0  # so much of it was looked at
        self._depth = 0
        self._in_text = False

    def feed(self, text: str) -> None:
        if self._held is None:
            self._markdown.feed(text)
            return
        self._held += text
        if (not self._depth and not _MAY_BE_JSON.match(self._held)) or len(self._held) > _JSON_CHARS:
            self._show_as_text()
        elif (end := self._end_of_json(self._held)) is not None:
            self._show_json(self._held[:end], self._held[end:])

    def end(self) -> None:
        self._show_as_text()
        self._markdown.end()
        self._begin_anew()

    def speaker(self, name: str) -> None:
        self.end()
        self._markdown.speaker(name)

    def _show_as_text(self) -> None:
        held, self._held = self._held, None
        if held:
            self._markdown.feed(held)

    def _show_json(self, text: str, rest: str) -> None:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            self._show_as_text()
            return
        self._held = None
        self._write(laid_out(text.strip(), self._style) + "\n")
        self._markdown.feed(rest.lstrip(" \r\n"))

    def _end_of_json(self, text: str) -> int | None:
        """Where the first value ends. Each character is looked at once."""
        while found := _PARTS.search(text, self._read):
            if found.group() == "\\" and found.end() == len(text):
                return None  # what follows belongs to it
            self._read = found.end() + (found.group() == "\\")
            if found.group() == '"':
                self._in_text = not self._in_text
            elif not self._in_text and found.group() != "\\":
                self._depth += 1 if found.group() in "{[" else -1
                if self._depth <= 0:
                    return found.end()
        self._read = len(text)
        return None
