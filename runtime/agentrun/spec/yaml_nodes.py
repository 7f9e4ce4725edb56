"""Text of a YAML file to trees of nodes, each key and value with its place.

libyaml parses; the rest is here: the 1.2 core schema, duplicate keys, anchors and merge keys with a budget, and
bounds on size and depth. Works on parser events, one loop without recursion, so that a hostile file can't exhaust
the stack. Knows nothing of agents.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

from agentrun.diagnostics import Diagnostic, Fix, Related, Span, counted
from agentrun.spec.lines import put_around, quoted_template, remove_entry
from agentrun.spec.nodes import Node, Scalar
from agentrun.spec.yaml_errors import MAX_DEPTH, syntax_finding

MAX_BYTES = 1_048_576
MAX_NODES = 50_000
MAX_COMPARED = 100


class Bounds(msgspec.Struct, frozen=True):
    """How much a file may hold: bytes, values after alias expansion, and levels of nesting."""

    bytes: int = MAX_BYTES
    nodes: int = MAX_NODES
    depth: int = MAX_DEPTH


LANGUAGE = Bounds()


class ReadFile(msgspec.Struct, frozen=True):
    """The documents of a file and what was wrong with it. `stopped`: nothing was read after the last finding."""

    path: str
    text: str
    documents: list[Node]
    diagnostics: list[Diagnostic]
    stopped: bool = False


def read_bytes(path: str, raw: bytes, bounds: Bounds = LANGUAGE) -> ReadFile:
    """A YAML file. `path` is what findings show."""
    text, found = _decode(path, raw, bounds.bytes)
    return read_text(path, text, bounds) if not found else ReadFile(path, text, [], found, stopped=True)


def read_plain(path: str, raw: bytes) -> ReadFile:
    """A file that is one text, such as a prompt."""
    text, found = _decode(path, raw)
    return ReadFile(path, text, [Node(text, Span(path, 1, 1, 1, 1), style="file", source=text)], found)


def _decode(path: str, raw: bytes, max_bytes: int = MAX_BYTES) -> tuple[str, list[Diagnostic]]:
    if len(raw) > max_bytes:
        found = _finding("AR103", f"the file is larger than {max_bytes // MAX_BYTES} MiB", Span(path, 1, 1, 1, 1))
        return "", [found]
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig")
        line = good.count("\n") + 1
        column = len(good) - (good.rfind("\n") + 1) + 1
        message = f"the file is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}"
        found = _finding("AR102", message, Span(path, line, column, line, column + 1), "save the file as UTF-8")
        return raw.decode("utf-8", "replace"), [found]


def read_text(path: str, text: str, bounds: Bounds = LANGUAGE) -> ReadFile:
    reader = _Reader(path, text, bounds)
    try:
        reader.run()
    except _Stop as stop:
        reader.found.append(stop.finding)
    except yaml.YAMLError as error:
        finding = syntax_finding(path, text, error)
        if not any(one.code == "AR206" and one.span.line == finding.span.line for one in reader.found):
            reader.found.append(finding)  # what follows a template without quotes is no mistake of its own
    except UnicodeEncodeError as error:  # a lone surrogate, which no file holds
        reader.found.append(_finding("AR201", f"not YAML: {error}", Span(path, 1, 1, 1, 1)))
    else:
        return ReadFile(path, text, reader.documents, reader.found)
    return ReadFile(path, text, reader.documents, reader.found, stopped=True)


class _Stop(Exception):
    """The file has an error after which reading on makes no sense."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__()
        self.finding = finding


class _Open:
    """A collection whose end was not seen yet."""

    __slots__ = (
        *("anchor", "is_flow", "is_mapping", "is_template", "items", "key", "key_spans", "merges", "start", "twice"),
        "values",
    )

    def __init__(self, event: Any, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.is_flow = bool(event.flow_style)
        self.start = event.start_mark
        self.anchor: str | None = event.anchor
        self.items: list[Node] = []
        self.values: dict[str, Node] = {}
        self.key_spans: dict[str, Span] = {}
        self.key: Node | None = None
        self.merges: list[Node] = []
        self.is_template = False  # `{{ … }}` without quotes
        self.twice: list[Diagnostic] = []


class _Reader:
    def __init__(self, path: str, text: str, bounds: Bounds = LANGUAGE) -> None:
        self.path = path
        self.text = text
        self.bounds = bounds
        self.documents: list[Node] = []
        self.found: list[Diagnostic] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._sizes: dict[int, tuple[int, int]] = {}  # id(node) -> (nodes, depth), aliases expanded
        self._root: Node | None = None
        self._total = 0  # values of the documents that are done
        self._merged = 0  # entries that `<<` brought in

    def run(self) -> None:
        parser = yaml.CSafeLoader(self.text)
        try:
            handlers: dict[type, Callable[[Any], None]] = {
                yaml.ScalarEvent: self._scalar,
                yaml.AliasEvent: self._alias,
                yaml.MappingStartEvent: lambda event: self._open(event, True),
                yaml.SequenceStartEvent: lambda event: self._open(event, False),
                yaml.MappingEndEvent: self._close,
                yaml.SequenceEndEvent: self._close,
                yaml.DocumentStartEvent: self._document_start,
                yaml.DocumentEndEvent: self._document_end,
            }
            while (event := parser.get_event()) is not None:
                handler = handlers.get(type(event))
                if handler is not None:
                    handler(event)
        finally:
            parser.dispose()

    # -- events

    def _document_start(self, event: Any) -> None:
        self._anchors = {}
        self._sizes = {}
        self._root = None

    def _document_end(self, event: Any) -> None:
        if self._root is None:
            return
        self._total += self._sizes[id(self._root)][0]
        if self._total > self.bounds.nodes:
            self._stop("AR205", f"more than {self.bounds.nodes:,} values in one file", self._root.span)
        if self._root.content is not None:
            self.documents.append(self._root)

    def _scalar(self, event: Any) -> None:
        span = self._span(event.start_mark, event.end_mark)
        plain = not event.style
        content: Scalar = event.value
        if event.tag and not (event.tag == "!" or event.tag in _TAGS):
            self._tag(event.tag, span)
        elif event.tag not in ("!", "tag:yaml.org,2002:str") and (plain or event.tag in _TAGS):
            content = self._resolve(event.value, span)
        source = self.text[event.start_mark.index : event.end_mark.index]
        node = Node(content, span, style=event.style or "", source=source)
        self._sizes[id(node)] = (1, 1)
        self._place(node, event.anchor)

    def _alias(self, event: Any) -> None:
        span = self._span(event.start_mark, event.end_mark)
        if event.anchor not in self._anchors:
            self._stop("AR204", f"the alias `*{event.anchor}` has no anchor before it", span)
        # Findings inside an aliased value point at where it is written, once.
        self._place(self._anchors[event.anchor], None)

    def _open(self, event: Any, is_mapping: bool) -> None:
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._tag(event.tag, self._span(event.start_mark, event.end_mark))
        if len(self._stack) >= self.bounds.depth:
            span = self._span(event.start_mark, event.end_mark)
            self._stop("AR205", f"nested deeper than {self.bounds.depth} levels", span)
        self._stack.append(_Open(event, is_mapping))

    def _close(self, event: Any) -> None:
        done = self._stack.pop()
        # A block collection ends where its last child ends: libyaml's own mark stands on the next token.
        span = self._span(done.start, event.end_mark)
        children = list(done.values.values()) if done.is_mapping else done.items
        if children and not done.is_flow and children[-1].span > span:
            span = Span(self.path, span.line, span.column, children[-1].span.end_line, children[-1].span.end_column)
        self.found += self._twice(done)
        if done.is_template:
            written = self.text[done.start.index : event.end_mark.index]
            node = Node(written, span, source=written)
            self._sizes[id(node)] = (1, 1)
            self._place(node, done.anchor)
            return
        if done.is_mapping:
            for merged in done.merges:
                self._merge(done, merged)
            node = Node(done.values, span, keys=done.key_spans)
        else:
            node = Node(done.items, span)
        self._count(node)
        self._place(node, done.anchor)

    def _twice(self, done: _Open) -> list[Diagnostic]:
        """The keys that stand twice. Several of a whole document: a second one begins there, without its `---`."""
        if len(done.twice) < 2 or self._stack or done.is_flow:
            return done.twice
        first, *others = done.twice
        message = f"{first.message}, and {counted(len(others), 'more key')} after it"
        help = "write `---` above it if another document begins here"
        return [msgspec.structs.replace(first, message=message, help=help, fix=None)]

    # -- building

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._entry(parent, key, node)

    def _entry(self, parent: _Open, key: Node, value: Node) -> None:
        if not key.style and key.content == "<<":
            self._merge_sources(parent, value)
            return
        name = key.content
        if isinstance(name, (dict, list)):
            start = parent.start
            if self.text.startswith("{{", start.index):
                span = Span(self.path, start.line + 1, start.column + 1, key.span.end_line, key.span.end_column + 1)
                message = "a template must be quoted: YAML takes `{` for a mapping"
                in_flow = any(above.is_flow for above in self._stack[:-1])
                fix = quoted_template(self.path, self.text, start.index, in_flow=in_flow)
                self.found.append(_finding("AR206", message, span, 'write "{{ … }}"', fix=fix))
                parent.is_template = True
                return
            self._stop("AR206", f"a key must be text, not {key.kind}", key.span)
        if not isinstance(name, str):
            name = key.source
        if name in parent.values:
            first = Related("first defined here", parent.key_spans[name])
            fix = None
            if self._is_the_same(value, parent.values[name]):
                fix = remove_entry(self.text, key.span, value.span, f"remove the second `{name}`")
            parent.twice.append(
                _finding("AR202", f"the key `{name}` stands twice", key.span, related=(first,), fix=fix)
            )
            return
        parent.values[name] = value
        parent.key_spans[name] = key.span

    def _is_the_same(self, value: Node, first: Node) -> bool:
        """Told for small values only: aliases make large ones cheap to write many times."""
        is_small = all(self._sizes.get(id(one), (1, 1))[0] <= MAX_COMPARED for one in (value, first))
        return is_small and value.data() == first.data()

    def _merge_sources(self, parent: _Open, value: Node) -> None:
        sources = value.content if value.is_list else [value]
        for source in sources:
            if not source.is_mapping:
                self._stop("AR207", f"`<<` takes a mapping or a list of mappings, not {source.kind}", source.span)
            parent.merges.append(source)

    def _merge(self, target: _Open, source: Node) -> None:
        self._merged += len(source.content)
        if self._merged > self.bounds.nodes:
            self._stop("AR205", f"more than {self.bounds.nodes:,} values come from `<<`", source.span)
        for key, value in source.content.items():
            if key not in target.values:
                target.values[key] = value
                target.key_spans[key] = source.keys[key]

    def _count(self, node: Node) -> None:
        children = node.content.values() if node.is_mapping else node.content
        size, depth = 1, 0
        for child in children:
            child_size, child_depth = self._sizes.get(id(child), (1, 1))
            size += child_size
            depth = max(depth, child_depth)
        if size > self.bounds.nodes:
            self._stop("AR205", f"more than {self.bounds.nodes:,} values, aliases expanded", node.span)
        if depth + 1 > self.bounds.depth:
            self._stop("AR205", f"nested deeper than {self.bounds.depth} levels, aliases expanded", node.span)
        self._sizes[id(node)] = (size, depth + 1)

    def _resolve(self, text: str, span: Span) -> Scalar:
        """The 1.2 core schema."""
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        first = text[0]
        if first not in "+-.0123456789":
            return text
        if _LEADING_ZERO.fullmatch(text):
            plain = text.lstrip("+-0_") or "0"
            message = f"`{text}` has a leading zero: YAML readers disagree about it"
            self._quotes("AR208", message, text, span, f", {plain} if it is a number")
        elif _INT.fullmatch(text):
            return int(text) if len(text) < 400 else text
        elif _OCTAL.fullmatch(text):
            return int(text[2:], 8) if len(text) < 400 else text
        elif _HEX.fullmatch(text):
            return int(text[2:], 16) if len(text) < 400 else text
        elif _FLOAT.fullmatch(text):
            value = float(text)
            if value in (float("inf"), float("-inf")):
                self._quotes("AR208", f"`{text}` is too large for a number", text, span)
            return value
        elif _NOT_FINITE.fullmatch(text):
            self._quotes("AR208", f"`{text}` is no number that JSON can carry", text, span)
        return text

    # -- findings

    def _quotes(self, code: str, message: str, text: str, span: Span, otherwise: str = "") -> None:
        is_alone = span.end_column - span.column == len(text) and bool(otherwise)  # no anchor before it
        fix = put_around(span, '"', '"', "put it in quotes", safe=False) if is_alone else None
        self.found.append(_finding(code, message, span, f'write "{text}" if it is text{otherwise}', fix=fix))

    def _tag(self, tag: str, span: Span) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self.found.append(
            _finding("AR203", f"unknown tag `{shown}`", span, "agentrun reads plain YAML: leave tags out")
        )

    def _stop(self, code: str, message: str, span: Span, help: str | None = None) -> Any:
        raise _Stop(_finding(code, message, span, help))

    def _span(self, start: Any, end: Any) -> Span:
        return Span(self.path, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_LEADING_ZERO = re.compile(r"[-+]?0[0-9][0-9_]*(\.[0-9]*)?")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def parse_scalar(text: str) -> Scalar:
    """What a plain scalar of this text is: for values that arrive as text, such as `${VAR}`."""
    return _Reader("", "")._resolve(text, Span("", 1, 1, 1, 1)) if text else None


def _finding(
    code: str,
    message: str,
    span: Span,
    help: str | None = None,
    related: tuple[Related, ...] = (),
    fix: Fix | None = None,
) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help, related, fix)
