"""The words of a line while they come in: each is passed on as soon as nothing that follows can change how it looks.

Only a mark that may open something holds text back, up to `SPAN_CHARS` characters or to the end of its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agentrun.observers.prose.atoms import ADDRESS_CHARS, SPAN_CHARS, SPECIAL, More, Text, atom_at
from agentrun.observers.prose.spans import atom_runs, marks_at, runs, span_at
from agentrun.observers.prose.styles import PLAIN

Put = Callable[[str, str], None]
_DECIDES = re.compile(r"[*_~`\[\]()\\$\n]")
# What may become a `https://` or a `![`.
_MAY_BECOME = re.compile(r"(?:(?<![A-Za-z0-9])h(?:t(?:t(?:p(?:s?(?::/?)?)?)?)?)?|!)\Z")


class Inline:
    """Passes the parts of lines to `put`, each with its style."""

    def __init__(self, put: Put, *, styled: bool) -> None:
        self._put = put
        self._styled = styled
        self._style = PLAIN
        self._text = ""  # from one character before what was not passed on yet
        self._at = 0
        self._waits_until = 0  # so long that text may decide nothing, unless it holds a character that does

    def begin(self, style: str = PLAIN) -> None:
        self._style = style
        self._text, self._at, self._waits_until = "", 0, 0

    @property
    def holds(self) -> bool:
        """Whether something was not passed on yet."""
        return self._at < len(self._text)

    def feed(self, text: str) -> None:
        last = max(len(self._text) - 1, 0)  # what follows a mark tells whether it closes
        self._text += text
        if len(self._text) < self._waits_until and not _DECIDES.search(self._text, last):
            return
        self._pass_on(goes_on=True)

    def end(self) -> None:
        self._pass_on(goes_on=False)

    def _pass_on(self, *, goes_on: bool) -> None:
        text = self._text
        at = self._at
        self._waits_until = 0
        while found := SPECIAL.search(text, at):
            if found.start() > at:
                self._put(text[at : found.start()], self._style)
            at = found.start()
            try:
                at = self._special(found, text, goes_on=goes_on)
            except More:
                if found.group()[0] != "h":  # any character can end an address
                    self._waits_until = at + SPAN_CHARS
                break
        else:
            end = len(text)
            if goes_on and (held := _MAY_BECOME.search(text, max(at, end - 8))):
                end = held.start()
            if end > at:
                self._put(text[at:end], self._style)
            at = end
        self._text, self._at = (text[at - 1 :], 1) if at else (text, 0)
        if self._waits_until:
            self._waits_until -= max(at - 1, 0)

    def _special(self, found: re.Match[str], text: str, *, goes_on: bool) -> int:
        """Passes on what begins here. Returns where it ends."""
        start, end = found.span()
        whole = Text(text, start, len(text), goes_on)
        atom = atom_at(found, whole.short(ADDRESS_CHARS) if found.group()[0] == "h" else whole)
        if atom is not None:
            for run in atom_runs(atom, self._style, text, styled=self._styled):
                self._put(*run)
            return atom.end
        if found.group()[0] not in "*_~":
            self._put(found.group(), self._style)
            return end
        if end == len(text) and goes_on and end - start <= SPAN_CHARS:
            raise More
        span = None
        if _may_open(found) and marks_at(start, end, whole).opens:
            span = span_at(whole.short(SPAN_CHARS))
        if span is None:
            self._put(found.group(), self._style)
            return end
        for run in runs(text, start, span, self._style, styled=self._styled):
            self._put(*run)
        return span.end


def _may_open(found: re.Match[str]) -> bool:
    size = len(found.group())
    return size <= 3 and (found.group()[0] != "~" or size == 2)
