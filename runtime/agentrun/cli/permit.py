"""One more `allow` rule in the text of an agent's file, with every other byte as it was.

Pure: a text and a place in its `permissions` to a new text. Finds the place in the parser's events, and believes no
edit before it was read again: the data must be the old data and the rule, or there is no new text. Knows nothing of
folders, questions or terminals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from agentrun.spec.yaml_nodes import parse_scalar, read_text

Change = tuple[int, int, str]  # what stands from one offset to the other becomes the text


class NoRule(Exception):
    """No rule can be written. The message says why, and what can be done instead."""


class AllowRule(msgspec.Struct, frozen=True):
    tool: str
    when: str | None = None

    @property
    def data(self) -> dict[str, str]:
        return {"allow": self.tool} | ({} if self.when is None else {"when": self.when})

    @property
    def text(self) -> str:
        """The rule in flow style, which stands in every kind of list."""
        when = "" if self.when is None else f", when: {_quoted(self.when)}"
        return f"{{allow: {_plain(self.tool)}{when}}}"


def with_rule(text: str, rule: AllowRule, before: int | None) -> str:
    """The text with `rule` directly before the rule of that index, or at the end. Raises `NoRule`."""
    old = _data(text)
    if old is None:
        raise NoRule("the file can't be read")
    rules = list(old.get("permissions") or [])
    at = len(rules) if before is None else before
    expected = old | {"permissions": [*rules[:at], rule.data, *rules[at:]]}
    root = _outline(text)
    for changes in _edits(text, root, rule.text, before, bool(rules)):
        new = _changed(text, changes)
        if _data(new) == expected:
            return new
    raise NoRule("the file is written in a way that can't be added to")


def _data(text: str) -> dict[str, Any] | None:
    """What the project's own reader takes the file for; None where it has findings."""
    read = read_text("", text)
    if read.diagnostics or len(read.documents) != 1 or not read.documents[0].is_mapping:
        return None
    data: dict[str, Any] = read.documents[0].data()
    return data


def _changed(text: str, changes: list[Change]) -> str:
    for start, end, new in reversed(changes):  # they are in order
        text = text[:start] + new + text[end:]
    return text


# -- how the rule is written ----------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return name if name[0].isalpha() and parse_scalar(name) == name else f'"{name}"'


def _quoted(text: str) -> str:
    """Double quotes, unless single ones need no escapes where double ones do."""
    if text.isprintable() and '"' in text and "'" not in text:
        return f"'{text}'"
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else _code(char)) for char in text) + '"'


def _code(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


# -- where things stand ---------------------------------------------------------------------------------------


class _Piece:
    """A value as it is written: from where to where, and what it is made of. A mapping's keys and values alternate."""

    __slots__ = ("children", "end", "flow", "kind", "marked", "name", "start")

    def __init__(self, event: Any, kind: str) -> None:
        self.kind = kind
        self.start: int = event.start_mark.index
        self.end: int = event.end_mark.index
        self.flow = bool(getattr(event, "flow_style", False))
        self.marked = kind == "alias" or bool(event.anchor or event.tag)
        self.name: str = getattr(event, "value", "")
        self.children: list[_Piece] = []

    def value_of(self, key: str) -> _Piece | None:
        pairs = zip(self.children[::2], self.children[1::2], strict=True)
        return next((value for name, value in pairs if name.kind == "scalar" and name.name == key), None)


_KINDS = {
    yaml.ScalarEvent: "scalar",
    yaml.AliasEvent: "alias",
    yaml.MappingStartEvent: "mapping",
    yaml.SequenceStartEvent: "list",
}


def _outline(text: str) -> _Piece:
    """The document. The text was read before, so it has no errors, and its depth has a bound."""
    top: list[_Piece] = []
    stack: list[_Piece] = []
    event: Any
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if type(event) in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            done = stack.pop()
            # What ends without a mark of its own ends with its last child: the parser stands on the next token then.
            marked = event.end_mark.index > event.start_mark.index
            done.end = event.end_mark.index if marked else max((one.end for one in done.children), default=done.end)
        elif isinstance(event, yaml.DocumentEndEvent):
            if top[0].kind == "mapping":
                break
            top.clear()  # an empty document, which the reader skips
        elif type(event) in _KINDS:
            piece = _Piece(event, _KINDS[type(event)])
            (stack[-1].children if stack else top).append(piece)
            if piece.kind in ("mapping", "list"):
                stack.append(piece)
    return top[0]


# -- the edits that may do it, the nicest first ---------------------------------------------------------------


def _edits(text: str, root: _Piece, rule: str, before: int | None, has_rules: bool) -> Iterator[list[Change]]:
    found = root.value_of("permissions")
    if found is None:
        if has_rules:
            raise NoRule("`permissions` comes from a `<<` there")
        yield from _new_key(text, root, rule)
    elif found.marked:
        raise NoRule("`permissions` has an anchor, an alias or a tag there, so a change may mean more than this agent")
    elif found.kind == "scalar":
        yield _in_place_of_null(text, root, found, rule)
    elif found.flow:
        yield _before_in_flow(text, found, rule, before) if before is not None else _after_in_flow(text, found, rule)
    elif before is not None:
        yield _before_in_block(text, found, rule, before)
    else:
        yield from _after_in_block(text, found, rule)


def _new_key(text: str, root: _Piece, rule: str) -> Iterator[list[Change]]:
    if root.flow:
        yield [(root.children[-1].end, root.children[-1].end, f", permissions: [{rule}]")]
        return
    indent = " " * _column(text, root.children[0].start)
    end = _DOCUMENT_END.search(text, root.end)
    at = end.start() if end else len(text)
    eol = _eol(text, at)
    block = f"{indent}permissions:{eol}{indent}  - {rule}"
    yield [(at, at, f"{block}{eol}" if _line_start(text, at) == at else f"{eol}{block}")]
    # A line end at the end of the file may belong to the last value.
    floor = root.children[-3].end if len(root.children) > 2 else root.children[0].start
    top = _above_comments(text, _line_start(text, root.children[-2].start), floor)
    yield [(top, top, f"{block}{eol}")]


def _in_place_of_null(text: str, root: _Piece, null: _Piece, rule: str) -> list[Change]:
    if null.end > null.start:
        return [(null.start, null.end, f"[{rule}]")]
    if root.flow:
        space = "" if text[null.start - 1].isspace() else " "
        return [(null.start, null.start, f"{space}[{rule}]")]
    at = _line_end(text, null.start)
    indent = " " * _column(text, root.children[0].start)
    return [(at, at, f"{_eol(text, at)}{indent}  - {rule}")]


def _before_in_flow(text: str, rules: _Piece, rule: str, before: int) -> list[Change]:
    start = rules.children[before].start
    lead = text[_line_start(text, start) : start]
    return [(start, start, f"{rule}, " if lead.strip() else f"{rule},{_eol(text, start)}{lead}")]


def _after_in_flow(text: str, rules: _Piece, rule: str) -> list[Change]:
    if not rules.children:
        return [(rules.start + 1, rules.start + 1, rule)]
    last = rules.children[-1]
    lead = text[_line_start(text, last.start) : last.start]
    line_end = _line_end(text, last.end)
    rest = _REST_OF_LINE.fullmatch(text, last.end, line_end)
    if lead.strip() or rest is None:
        return [(last.end, last.end, f", {rule}")]
    line = f"{_eol(text, line_end)}{lead}{rule}"
    if rest["comma"]:
        return [(line_end, line_end, f"{line},")]
    return [(last.end, last.end, ","), (line_end, line_end, line)]


def _before_in_block(text: str, rules: _Piece, rule: str, before: int) -> list[Change]:
    """Above the line of the rule's dash, and above the comments that stand over it."""
    floor = rules.children[before - 1].end if before else 0
    column = _column(text, rules.start)
    line = _line_start(text, rules.children[before].start)
    while not re.match(rf" {{{column}}}-(\s|$)", text[line : _line_end(text, line)]):
        if line <= floor:
            raise NoRule("the rule's place in the file was not found")
        line = _line_start(text, line - 1)
    line = _above_comments(text, line, floor)
    return [(line, line, f"{' ' * column}- {rule}{_eol(text, line)}")]


def _after_in_block(text: str, rules: _Piece, rule: str) -> Iterator[list[Change]]:
    line = f"{' ' * _column(text, rules.start)}- {rule}"
    at = _line_end(text, len(text[: rules.end].rstrip()))
    yield [(at, at, f"{_eol(text, at)}{line}")]
    # A block text may own the blank lines below it.
    if _line_start(text, rules.end) == rules.end:
        yield [(rules.end, rules.end, f"{line}{_eol(text, rules.end)}")]


# -- lines ----------------------------------------------------------------------------------------------------

_EOL = re.compile(r"\r\n|\n|\r")
_DOCUMENT_END = re.compile(r"^(?:---|\.\.\.)(?:\s|$)", re.MULTILINE)
_REST_OF_LINE = re.compile(r"[ \t]*(?P<comma>,?)[ \t]*(?:#.*)?")
_COMMENT = re.compile(r"[ \t]*#")


def _line_start(text: str, at: int) -> int:
    """The start of the line that holds an offset. A `\\r\\n` is the end of the line before it."""
    end = at - 1 if text.startswith("\r\n", at - 1) else at
    return max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1


def _line_end(text: str, at: int) -> int:
    found = _EOL.search(text, at)
    return found.start() if found else len(text)


def _column(text: str, at: int) -> int:
    return at - _line_start(text, at)


def _eol(text: str, at: int) -> str:
    """How the line that holds an offset ends; where it is the last one, how the first ends."""
    found = _EOL.search(text, at) or _EOL.search(text)
    return found.group() if found else "\n"


def _above_comments(text: str, line: int, floor: int) -> int:
    """The start of the first of the comment lines directly over a line, none of them above `floor`."""
    while line > floor:
        above = _line_start(text, line - 1)
        if above < floor or not _COMMENT.match(text, above):
            break
        line = above
    return line
