"""An answer in Markdown, written to a terminal while it streams.

Each line is one here too: a text keeps the breaks that its author gave it. Lists and quotes hang from their marks;
tables are held until their end, and everything else for no longer than a word, a span or a line's beginning takes.
What is written depends only on the text and the window, never on the pieces in which the text comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentrun.observers.prose.atoms import More
from agentrun.observers.prose.blocks import Container, Item, Quote, Start, code_in, start_of
from agentrun.observers.prose.cells import cells
from agentrun.observers.prose.fenced import Fenced, Formula
from agentrun.observers.prose.flow import Flow
from agentrun.observers.prose.imitations import could_pass
from agentrun.observers.prose.inline import Inline
from agentrun.observers.prose.joiners import Pieces
from agentrun.observers.prose.styles import DIM, HEADINGS, LOWER_HEADING, PLAIN, STRONG, Run
from agentrun.observers.prose.tables import drawn, is_delimiters, records
from agentrun.visible import visible

_TAB = "    "
_CODE_CHARS = 1000  # of a line of code that are held
_TABLE_CHARS = 2000  # of a table's line
_TABLE_LINES = 300
_RULE_CELLS = 60
_RECORD = "  "  # before the cells of a row that is a list


class Markdown:
    """Written through `write`, at most once for each piece. `columns` tells how wide the window is now."""

    def __init__(self, write: Callable[[str], None], columns: Callable[[], int], *, styled: bool) -> None:
        self._write = write
        self._columns = columns
        self._styled = styled
        self._flow = Flow(columns, styled=styled, is_marked=could_pass)
        self._inline = Inline(self._put, styled=styled)
        self._pieces = Pieces()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._containers: list[Container] = []
        self._line = ""  # what there is of a line that is held
        self._go_on: Callable[[str, bool], None] = self._begin
        self._in_text = False
        self._in_span = False  # what began in the line before may end in this one
        self._rest: list[Run] = []  # what stands before the lines of a text but its first
        self._is_empty = True
        self._blank: list[Run] | None = None  # a blank line is shown when something follows it
        self._fenced: Fenced | Formula | None = None
        self._table: list[str] = []
        self._table_start: Start | None = None

    def speaker(self, name: str) -> None:
        """Who says what follows."""
        self.end()
        self._write(self._flow.paint(f"{visible(name)}:", STRONG) + "\n")

    def feed(self, text: str) -> None:
        self._take(self._pieces.feed(text))
        self._show()

    def end(self) -> None:
        """The answer ends here: what is held is shown, and the cursor stands at the beginning of a line."""
        self._take(self._pieces.end())
        if self._line or self._go_on != self._begin:
            self._go_on("", True)
        self._end_table()
        self._end_fenced()
        self._end_text()
        self._show()
        self._begin_anew()

    def _take(self, text: str) -> None:
        *lines, last = text.replace("\t", _TAB).split("\n")
        for line in lines:
            self._go_on(line, True)
        if last:
            self._go_on(last, False)

    def _show(self) -> None:
        if text := self._flow.take():
            self._write(text)

    # -- lines

    def _begin(self, text: str, ended: bool) -> None:
        """The beginning of a line, until it is known what it is."""
        self._line += text
        if self._fenced is not None:
            self._fenced_line(self._fenced, ended)
        elif self._table_start is None or not self._is_in_table(self._table_start, ended):
            try:
                start = start_of(self._line, self._containers, goes_on=not ended, in_text=self._in_text)
            except More:
                return
            if start.kind == "table" and len(self._line) <= _TABLE_CHARS:
                if ended:
                    self._table, self._table_start = [self._taken()], start
                return
            self._open(start, self._taken(), ended)

    def _taken(self) -> str:
        line, self._line = self._line, ""
        return line

    def _open(self, start: Start, line: str, ended: bool) -> None:
        if start.kind == "blank":
            self._blank_line(start)
            return
        if self._in_span and start.kind == "text" and start.kept == len(self._containers) and not start.opened:
            self._go_on = self._words
            self._words(" " * start.indent + line[start.at :], ended)
            return
        first, rest = self._prefixes(start)
        self._in_text = start.kind in ("text", "table")
        match start.kind:
            case "rule":
                room = max(1, min(self._columns() - _cells_of(first), _RULE_CELLS))
                self._flow.raw(self._flow.paint("─" * room, DIM), first)
            case "fence" | "formula":
                is_code = start.kind == "fence"
                self._fenced = Fenced(start, styled=self._styled) if is_code else Formula(start, line[start.at :])
                self._flow.raw(self._flow.painted(self._fenced.opening), first)
            case "code":
                self._flow.raw_part(line[start.at :], [*first, (_TAB, PLAIN)])
                self._go_on = self._rest_of_line
                self._rest_of_line("", ended)
            case _:
                self._rest = rest
                if not self._containers:
                    first = rest = [(" " * start.indent, PLAIN)]
                self._flow.begin(first, rest)
                self._inline.begin(HEADINGS.get(start.level, LOWER_HEADING) if start.level else PLAIN)
                if start.level and not self._styled:
                    self._flow.put("#" * start.level + " ", PLAIN)
                self._go_on = self._words
                self._words(line[start.at :], ended)

    def _words(self, text: str, ended: bool) -> None:
        self._inline.feed(text + "\n" if ended and self._in_text else text)
        if ended:
            self._go_on = self._begin
            self._in_span = self._in_text and self._inline.holds
            if not self._in_text:
                self._inline.end()
                self._flow.end()

    def _put(self, text: str, style: str) -> None:
        text, *lines = text.split("\n")
        self._flow.put(text, style)
        for line in lines:
            self._flow.end()
            self._flow.begin(self._rest)
            self._flow.put(line, style)

    def _end_text(self) -> None:
        """What began in the line before does not end in the next one."""
        if self._in_span:
            self._in_span = False
            self._inline.end()

    def _rest_of_line(self, text: str, ended: bool) -> None:
        """Of a line that is shown as it is."""
        self._flow.raw_part(text + "\n" if ended else text)
        if ended:
            self._go_on = self._begin

    def _blank_line(self, start: Start) -> None:
        self._end_text()
        self._containers = [*self._containers[: start.kept], *start.opened]
        self._in_text = False
        if self._blank is None and not self._is_empty:
            self._blank = [("│ ", DIM) for one in self._containers if isinstance(one, Quote)]

    def _prefixes(self, start: Start) -> tuple[list[Run], list[Run]]:
        """What stands before the first row of a line and before the others. A blank line before it is shown."""
        self._end_text()
        if self._blank is not None:
            self._flow.raw("", self._blank)
        self._blank, self._is_empty = None, False
        kept = self._containers[: start.kept]
        self._containers = [*kept, *start.opened]
        first = [_hanging(one) for one in kept]
        first += [(one.marker, PLAIN) if isinstance(one, Item) else _hanging(one) for one in start.opened]
        rest = [_hanging(one) for one in self._containers]
        if start.word and start.kind == "text":  # a task: its box is the mark of an item that has no number
            marker = first[-1][0]
            first[-1] = (marker + start.word if marker[0].isdigit() else start.word, PLAIN)
            rest[-1] = (" " * len(first[-1][0]), PLAIN)
        return first, rest

    # -- code and formulas

    def _fenced_line(self, fenced: Fenced | Formula, ended: bool) -> None:
        is_long = len(self._line) > _CODE_CHARS
        if not ended and not is_long:
            return
        line = self._taken()
        text = code_in(line, self._containers)
        if text is None:  # the quote that it stood in has ended
            self._end_fenced()
            self._begin(line, ended)
        elif is_long:
            self._flow.raw_part(fenced.part(text), self._hanging_all())
            self._go_on = self._rest_of_line
            self._rest_of_line("", ended)
        elif fenced.closes(text):
            self._end_fenced()
            if not text.strip():
                self._begin(line, ended)
        else:
            self._flow.raw(self._flow.painted(fenced.whole(text)), self._hanging_all())

    def _end_fenced(self) -> None:
        fenced, self._fenced = self._fenced, None
        if fenced is not None and fenced.closing is not None:
            self._flow.raw(self._flow.painted(fenced.closing), self._hanging_all())

    def _hanging_all(self) -> list[Run]:
        return [_hanging(one) for one in self._containers]

    # -- tables

    def _is_in_table(self, first: Start, ended: bool) -> bool:
        """Whether the line that comes in belongs to the table that is held; else that table has ended."""
        containers = [*self._containers[: first.kept], *first.opened]
        try:
            start = start_of(self._line, containers, goes_on=not ended, in_text=False)
        except More:
            return True
        goes_on = start.kind == "table" and start.kept == len(containers) and not start.opened
        if goes_on and len(self._line) <= _TABLE_CHARS and len(self._table) < _TABLE_LINES:
            if not ended:
                return True
            row = self._line[start.at :]
            if len(self._table) > 1 or is_delimiters(row, self._table[0][first.at :]):
                self._table.append(row)
                self._line = ""
                return True
        self._end_table()
        return False

    def _end_table(self) -> None:
        start, self._table_start = self._table_start, None
        if start is None:
            return
        lines, self._table = self._table, []
        if len(lines) == 1:
            self._open(start, lines[0], True)
            return
        lines[0] = lines[0][start.at :]
        first, rest = self._prefixes(start)
        shown = drawn(lines, self._columns() - _cells_of(first), styled=self._styled)
        self._in_text = False
        if shown is not None:
            for position, line in enumerate(shown):
                self._flow.raw(line, rest if position else first)
            return
        before = first
        for record in records(lines, styled=self._styled):
            for position, runs in enumerate(record):
                indent: list[Run] = [(_RECORD, PLAIN)] if position else []
                self._flow.begin([*before, *indent], [*rest, *indent, (_RECORD, PLAIN)])
                for run in runs:
                    self._flow.put(*run)
                self._flow.end()
                before = rest


def _hanging(one: Container) -> Run:
    return (" " * cells(one.marker), PLAIN) if isinstance(one, Item) else ("│ ", DIM)


def _cells_of(runs: Sequence[Run]) -> int:
    return sum(cells(text) for text, _ in runs)
