"""Where the parts of a YAML text stand: its block collections, entry by entry, and everything else as leaves.

libyaml's events and tokens give the places; a flow collection is a leaf. Values don't matter here.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from agentrun.spec.nodes import LINE_BREAK

_HEADER = re.compile(r"(?P<style>[|>])(?P<marks>[-+0-9]*)[ \t]*(?P<comment>#.*)?$")
BREAKS = "\n\r\x85\u2028\u2029"
_LINE = re.compile(rf"[^{BREAKS}]*(?:{LINE_BREAK.pattern})|[^{BREAKS}]+")


class Unformattable(Exception):
    """Correct YAML, but written in a way that has no house layout. The text says which."""


class Leaf:
    """A scalar, an alias or a flow collection: lines from `line` to `end_line`, both counted from 0 and inclusive.

    `style` is "" for plain, a quote, "flow", or `|` and `>`. A block scalar has its header in `header`, and its text
    begins in column `text_column`; with `indicator` that many columns right of what it stands in. `is_open`: its
    text goes on over blank lines after it; `is_cut`: it is the file's end, without a line break.
    """

    __slots__ = (
        "column",
        "end_line",
        "header",
        "indicator",
        "is_cut",
        "is_empty",
        "is_open",
        "line",
        "style",
        "text_column",
    )

    def __init__(self, event: Any) -> None:
        self.line: int = event.start_mark.line
        self.column: int = event.start_mark.column
        self.end_line: int = event.end_mark.line
        self.style: str = getattr(event, "style", None) or ""
        self.header = self.line
        self.indicator = 0
        self.text_column = 0
        self.is_empty = event.end_mark.index == event.start_mark.index
        self.is_open = False
        self.is_cut = False


class Block:
    """A block mapping or block list. `trailing` are the lines after its last entry that belong to it.

    `is_compact`: it begins behind a dash, in the same line.
    """

    __slots__ = ("column", "entries", "is_compact", "is_mapping", "start_line", "trailing")

    def __init__(self, event: Any) -> None:
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.start_line: int = event.start_mark.line
        self.column = 0
        self.is_compact = False
        self.entries: list[Entry] = []
        self.trailing: list[str] = []


class Entry:
    """A key or a dash with its value. `leading` are the lines above that belong to it, `between` those before a value
    on a line of its own, `instead` those that stand in the place of a value. `anchors` and `aliases` are the names in
    all of it.
    """

    __slots__ = ("aliases", "anchors", "between", "column", "instead", "key", "leading", "line", "value")

    def __init__(self, line: int, column: int, key: str | None) -> None:
        self.line = line
        self.column = column
        self.key = key
        self.value: Block | Leaf
        self.leading: list[str] = []
        self.between: list[str] = []
        self.instead: list[str] = []
        self.anchors: set[str] = set()
        self.aliases: set[str] = set()


def split_lines(text: str) -> list[str]:
    """The lines, each with its line break."""
    return _LINE.findall(text)


def read_tree(text: str, lines: list[str]) -> list[Block | Leaf]:
    """The documents that hold anything. Raises `Unformattable`."""
    reader = _Reader(lines, _dashes(text))
    parser = yaml.CSafeLoader(text)
    try:
        while parser.check_event():
            reader.take(parser.get_event())
    finally:
        parser.dispose()
    return reader.documents


def _dashes(text: str) -> list[tuple[int, int]]:
    """The places of the dashes of block lists, in order: no event tells them."""
    dashes = []
    depth = keys = 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)):
            depth += 1
        elif isinstance(token, (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)):
            depth -= 1
        elif depth:
            continue
        elif isinstance(token, yaml.BlockEntryToken):
            dashes.append((token.start_mark.line, token.start_mark.column))
        elif isinstance(token, yaml.KeyToken):
            keys += 1
            if token.end_mark.index > token.start_mark.index:
                raise Unformattable(f"line {token.start_mark.line + 1} writes a key with `?`")
        elif isinstance(token, yaml.ValueToken):
            keys -= 1
            if keys < 0:
                raise Unformattable(f"line {token.start_mark.line + 1} has a `:` without a key")
    return dashes


class _Reader:
    """Builds the tree from events, without recursion."""

    def __init__(self, lines: list[str], dashes: list[tuple[int, int]]) -> None:
        self.lines = lines
        self.documents: list[Block | Leaf] = []
        self._dashes = iter(dashes)
        self._open: list[Block] = []
        self._entry: list[Entry | None] = []  # of each open block: the entry that waits for its value
        self._flow: Leaf | None = None
        self._flow_depth = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent) and self._flow is not None:
            self._flow_depth -= 1
            if not self._flow_depth:
                leaf, self._flow = self._flow, None
                mark: Any = event.end_mark
                leaf.end_line = mark.line
                self._place(leaf)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._entry.pop()
            self._place(self._open.pop())

    def _begin(self, event: Any) -> None:
        is_collection = isinstance(event, yaml.CollectionStartEvent)
        if self._flow is None:
            is_key = self._begin_entry(event)
            self._note_name(event)
            if is_key:
                return
            if is_collection and not event.flow_style:
                self._open.append(Block(event))
                self._entry.append(None)
            elif is_collection:
                self._flow, self._flow_depth = Leaf(event), 1
                self._flow.style = "flow"
            else:
                self._place(self._scalar(event))
        else:
            self._note_name(event)
            self._flow_depth += is_collection

    def _begin_entry(self, event: Any) -> bool:
        """Open the entry that the event begins, if it does; whether the event is a key."""
        if not self._open or self._entry[-1] is not None:
            return False
        block = self._open[-1]
        if block.is_mapping:
            entry = Entry(event.start_mark.line, event.start_mark.column, getattr(event, "value", None))
        else:
            entry = Entry(*next(self._dashes), None)
        if not block.entries:
            block.column = entry.column
            block.is_compact = bool(self.lines[entry.line][: entry.column].strip(" "))
            above = self._entry[-2] if len(self._entry) > 1 else None
            if above is not None and block.start_line not in (above.line, entry.line):
                raise Unformattable(f"line {block.start_line + 1} holds an anchor or a tag and nothing else")
        block.entries.append(entry)
        self._entry[-1] = entry
        return block.is_mapping

    def _note_name(self, event: Any) -> None:
        if event.anchor:
            for entry in self._entry:
                if entry is not None:
                    (entry.aliases if isinstance(event, yaml.AliasEvent) else entry.anchors).add(event.anchor)

    def _place(self, value: Block | Leaf) -> None:
        if self._open:
            self._open[-1].entries[-1].value = value
            self._entry[-1] = None
        elif isinstance(value, Block) or not value.is_empty:
            self.documents.append(value)

    def _scalar(self, event: Any) -> Leaf:
        leaf = Leaf(event)
        if leaf.style in ("|", ">"):
            parent = self._entry[-1] if self._entry else None
            self._measure(leaf, event, parent.column if parent is not None else 0)
        return leaf

    def _measure(self, leaf: Leaf, event: Any, parent_column: int) -> None:
        """Where the text of a block scalar begins and ends. libyaml's own end stands behind all blank lines."""
        last = event.end_mark.line - (event.end_mark.column == 0)
        header, marks = self._header(leaf, event.start_mark.column)
        leaf.header = header
        digits = [mark for mark in marks if mark.isdigit()]
        leaf.indicator = int(digits[0]) if digits else 0
        leaf.is_open = "+" in marks
        texts = [line.rstrip(BREAKS) for line in self.lines[header + 1 : last + 1]]
        filled = [text for text in texts if text.strip(" ")]
        if leaf.indicator:
            leaf.text_column = parent_column + leaf.indicator
        elif filled:
            leaf.text_column = len(filled[0]) - len(filled[0].lstrip(" "))
        else:
            leaf.text_column = max(map(len, texts), default=0)
        while not leaf.is_open and texts and len(texts[-1]) <= leaf.text_column and not texts[-1].strip(" "):
            texts.pop()
        leaf.end_line = header + len(texts)
        leaf.is_cut = bool(texts) and self.lines[leaf.end_line] == texts[-1] and "-" not in marks

    def _header(self, leaf: Leaf, column: int) -> tuple[int, str]:
        """The line with the `|` or `>`, which may stand below an anchor or a tag, and its indicators."""
        for number in range(leaf.line, len(self.lines)):
            found = _HEADER.search(self.lines[number].rstrip(BREAKS), column if number == leaf.line else 0)
            if found is not None:
                return number, found["marks"]
        raise Unformattable(f"line {leaf.line + 1} begins a text of several lines in an unknown way")
