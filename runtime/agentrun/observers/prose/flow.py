"""Text into rows as wide as the window: words go to the next row whole, with what stands before each row of a block.

A word is held back until it is known to fit; nothing else is. What is written does not depend on the pieces in which
the text comes. Knows nothing of Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agentrun.observers.prose.cells import cells, cells_of
from agentrun.observers.prose.styles import DIM, LINK, PLAIN, Run, painted

_PIECES = re.compile(r" +|[^ ]+")
_BAR = "│ "
_JOINER = "\u200d"
_MIN_ROOM = 8  # in a narrow window what stands before a row gives way
# These stand with the character before them, also where a row could be broken.
_NO_START = frozenset("、。，．）」』】〉》〕！？：；ー々…’”)]}!?,.:;\ufe0f")


class Flow:
    """Rows of at most `columns()` cells, asked for each row. `take` gives what is to be written since it last did."""

    def __init__(
        self,
        columns: Callable[[], int],
        *,
        styled: bool,
        whole_addresses: bool = True,
        is_marked: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """A row gets a bar where `is_marked` says so of its first word. `whole_addresses` are left to the terminal."""
        self._columns_now = columns
        self._styled = styled
        self._whole_addresses = whole_addresses
        self._is_marked = is_marked
        self._out: list[str] = []
        self._first: Sequence[Run] = ()
        self._rest: Sequence[Run] = ()
        self._columns = 0
        self._room = 0  # of a whole row
        self._at = 0  # cells of the row that are taken
        self._open = False
        self._gap: Run = ("", PLAIN)
        self._word: list[Run] = []
        self._word_cells = 0
        self._may_break = False  # after a wide character
        self._long = ""  # a word wider than a row: `fill` rows with it, or let it `run` through

    def take(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def begin(self, first: Sequence[Run] = (), rest: Sequence[Run] | None = None) -> None:
        """A line begins: `first` stands before its first row, `rest` before all others."""
        self._first, self._rest = first, first if rest is None else rest
        self._measure()

    def put(self, text: str, style: str = PLAIN) -> None:
        """More of the line: no ends of lines, no tabs."""
        for piece in _PIECES.findall(text):
            if piece[0] == " ":
                self._end_word()
                self._gap = (self._gap[0] + piece, style)
            elif not self._may_break and piece.isascii() and self._word_cells + len(piece) <= self._room:
                self._add(piece, len(piece), style)
            else:
                for character in piece:
                    self._put_one(character, style)

    def end(self) -> None:
        """The line ends."""
        self._end_word()
        if not self._open:
            self._open_row(self._first)
        self._out.append("\n")
        self._open = False
        self._gap = ("", PLAIN)

    def raw(self, text: str, before: Sequence[Run] = ()) -> None:
        """A line as it stands, which the terminal breaks where it is too long: so it can be copied."""
        self.raw_part(text + "\n", before)

    def raw_part(self, text: str, before: Sequence[Run] = ()) -> None:
        self._columns = self._columns_now()
        shown = self._fitted(before)
        if text == "\n" and shown:  # nothing stands at the end of a row
            shown = [*shown[:-1], (shown[-1][0].rstrip(" "), shown[-1][1])]
        self._out.append(self._paint(shown) + text)

    def painted(self, runs: Sequence[Run]) -> str:
        return self._paint(runs)

    def paint(self, text: str, style: str) -> str:
        return painted(text, style) if self._styled else text

    # -- words

    def _put_one(self, character: str, style: str) -> None:
        size = cells_of(character)
        if size == 0:
            self._add(character, 0, style)
            return
        if (size > 1 or self._may_break) and character not in _NO_START and not self._is_joined():
            self._flush()
        if self._word_cells + size > self._room:
            if not self._long:
                is_address = self._whole_addresses and any("://" in text for text, _ in self._word)
                self._long = "run" if is_address else "fill"
                if self._long == "run" and self._open and self._at > _cells_of(self._rest):
                    self._next_row()
                    self._gap = ("", PLAIN)
            self._flush()
        self._add(character, size, style)
        self._may_break = size > 1 or (self._may_break and character in _NO_START)

    def _add(self, text: str, size: int, style: str) -> None:
        if self._word and self._word[-1][1] == style:
            self._word[-1] = (self._word[-1][0] + text, style)
        else:
            self._word.append((text, style))
        self._word_cells += size

    def _is_joined(self) -> bool:
        return bool(self._word) and self._word[-1][0].endswith(_JOINER)

    def _end_word(self) -> None:
        self._flush()
        if self._long == "run":
            self._at = (self._at - 1) % max(self._columns, 1) + 1  # the terminal broke it
        self._long = ""

    def _flush(self) -> None:
        """Writes the word, or what there is of it."""
        self._may_break = False
        if not self._word:
            return
        if not self._open:
            self._open_row(self._first)
            self._leave_gap()
        else:
            gap, style = self._gap
            needed = min(self._word_cells, _MIN_ROOM) if self._long else self._word_cells
            if self._long == "run" or (gap == "" and self._long):
                pass
            elif self._at + len(gap) + needed > self._columns:
                self._next_row()
            elif gap:
                self._out.append(self._paint([(gap, style if LINK in style.split(";") else PLAIN)]))
                self._at += len(gap)
        self._gap = ("", PLAIN)
        if self._long == "fill" or (self._long == "" and self._at + self._word_cells > self._columns):
            for text, style in self._word:
                self._fill(text, style)
        else:
            self._out.append(self._paint(self._word))
            self._at += self._word_cells
        self._word = []
        self._word_cells = 0

    def _fill(self, text: str, style: str) -> None:
        begin = 0
        for position, character in enumerate(text):
            size = cells_of(character)
            if self._at + size > self._columns:
                self._out.append(self._paint([(text[begin:position], style)]))
                begin = position
                self._next_row()
            self._at += size
        self._out.append(self._paint([(text[begin:], style)]))

    # -- rows

    def _leave_gap(self) -> None:
        """Spaces at the beginning of a line, where there is room for them."""
        gap, _ = self._gap
        if gap and self._at + len(gap) + self._word_cells <= self._columns:
            self._out.append(gap)
            self._at += len(gap)

    def _next_row(self) -> None:
        self._out.append("\n")
        self._open_row(self._rest)

    def _open_row(self, before: Sequence[Run]) -> None:
        self._measure()
        shown = self._fitted(before)
        self._out.append(self._paint(shown))
        self._at = _cells_of(shown)
        self._open = True
        if not "".join(text for text, _ in shown).strip() and self._is_marked("".join(text for text, _ in self._word)):
            self._out.append(self.paint(_BAR, DIM))
            self._at += len(_BAR)

    def _measure(self) -> None:
        self._columns = max(self._columns_now(), 2)
        self._room = self._columns - _cells_of(self._fitted(self._rest))

    def _fitted(self, before: Sequence[Run]) -> Sequence[Run]:
        while before and _cells_of(before) > max(self._columns - _MIN_ROOM, 0):
            before = before[1:]
        return before

    def _paint(self, runs: Sequence[Run]) -> str:
        return "".join(painted(*run) for run in runs) if self._styled else "".join(text for text, _ in runs)


def _cells_of(runs: Sequence[Run]) -> int:
    return sum(cells(text) for text, _ in runs)
