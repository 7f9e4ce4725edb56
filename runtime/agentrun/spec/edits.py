"""Fixes by what they do: a name written anew, quotes put around a value, an entry taken out of a list.

Each function gives a fix, or None where what is written leaves a doubt: an anchor or a tag, escapes, a value that came
out of a variable. `texts` are the files as they were read, by the path of their spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from agentrun.diagnostics import Edit, Fix, Span, nearest
from agentrun.spec.lines import (
    flow_gap,
    line_break,
    line_gap,
    line_start,
    place,
    put_around,
    quotes_for,
    start_of,
    stretch,
    written,
)
from agentrun.spec.nodes import LINE_BREAK, Node
from agentrun.spec.spelling import is_same_word
from agentrun.spec.yaml_nodes import parse_scalar

Texts = Mapping[str, str]
MAX_PARTS = 100
_PLAIN = re.compile(r"-{0,2}[A-Za-z0-9][A-Za-z0-9_.*?/=-]*")


def is_as_written(node: Node) -> bool:
    """Whether a scalar of one line stands in the file as it is: nothing was filled in, escaped, tagged or anchored."""
    if node.style not in ("", "'", '"') or not node.source or LINE_BREAK.search(node.source):
        return False
    if isinstance(node.content, str):
        return node.source == f"{node.style}{node.content}{node.style}"
    return not node.style and parse_scalar(node.source) == node.content


def is_plain(text: str) -> bool:
    """Whether a text may stand without quotes, in a list too."""
    return bool(_PLAIN.fullmatch(text)) and parse_scalar(text) == text


def write(node: Node, text: str, *, safe: bool) -> Fix | None:
    """Another text in the place of a scalar, in the quotes that stand there."""
    if not is_as_written(node):
        return None
    edit = node.rewrite(text) if node.style or is_plain(text) else Edit(node.span, f'"{text}"')
    return Fix(f"write `{text}`", (edit,), safe)


def write_raw(node: Node, text: str, *, safe: bool) -> Fix | None:
    """What is YAML already in the place of a scalar: a number, `true`."""
    return Fix(f"write `{text}`", (Edit(node.span, text),), safe) if is_as_written(node) else None


def quote(node: Node, *, safe: bool) -> Fix | None:
    """Quotes around a plain scalar."""
    mark = quotes_for(node.source)
    if node.style or mark is None or not is_as_written(node):
        return None
    return put_around(node.span, mark, mark, "put it in quotes", safe=safe)


def put_before(node: Node, text: str, title: str, *, safe: bool) -> Fix | None:
    """A text of letters and the like at the beginning of a scalar, inside its quotes."""
    if not is_as_written(node):
        return None
    at = len(node.style)
    return Fix(title, (Edit(node.part(at, at), text),), safe)


def write_name(node: Node, known: Iterable[str], *, is_guess: bool = False) -> Fix | None:
    """The known name that a scalar was probably meant for. Safe where it is the same word, unless that is a guess."""
    meant = nearest(node.content, known) if isinstance(node.content, str) else None
    return write(node, meant, safe=not is_guess and is_same_word(node.content, meant)) if meant else None


def replace_all(node: Node, pattern: re.Pattern[str], new: str, title: str, *, safe: bool) -> Fix | None:
    """Another text for each stretch of a scalar, or for the first group of it, that a pattern finds."""
    group = 1 if pattern.groups else 0
    return replace_parts(node, ((one.span(group), new) for one in pattern.finditer(node.source)), title, safe=safe)


def replace_parts(node: Node, parts: Iterable[tuple[tuple[int, int], str]], title: str, *, safe: bool) -> Fix | None:
    """Other texts for stretches of what was written. More than a bound is no slip: it is left to the author."""
    found = list(islice(parts, MAX_PARTS + 1))
    if not 0 < len(found) <= MAX_PARTS:
        return None
    return Fix(title, tuple(Edit(node.part(*stretch), text) for stretch, text in found), safe)


def rename_key(texts: Texts, span: Span, key: str, name: str, *, safe: bool) -> Fix | None:
    """Another name for a key, in its quotes."""
    found = written(texts.get(span.file, ""), span)
    mark = found[:1] if found[:1] in ("'", '"') else ""
    if found != f"{mark}{key}{mark}":
        return None
    return Fix(f"write `{name}`", (Edit(span, f"{mark}{name}{mark}"),), safe)


def put_inside(texts: Texts, mapping: Node | None, key: str, home: str) -> Fix | None:
    """An entry of a mapping, of one line, as the only one of another mapping: `home: {key: …}`."""
    text = texts.get(mapping.span.file, "") if mapping is not None else ""
    value, span = (mapping.get(key), mapping.keys.get(key)) if mapping is not None else (None, None)
    if value is None or span is None or value.span.line != span.line or value.span.end_line != span.line:
        return None
    is_closed = opens_flow(text, value) if isinstance(value.content, (dict, list)) else is_as_written(value)
    if (
        not is_closed
        or written(text, span) != key
        or (isinstance(value.content, str) and not value.style and re.search(r"[,\[\]{}]", str(value.content)))
    ):
        return None
    at = Span(value.span.file, value.span.line, value.span.end_column, value.span.line, value.span.end_column)
    return Fix(f"write it inside `{home}`", (Edit(start_of(span), f"{home}: {{"), Edit(at, "}")), safe=False)


def add_first(texts: Texts, mapping: Node, entry: str) -> Fix | None:
    """An entry `key: value` before the first one of a mapping that has entries."""
    text = texts.get(mapping.span.file)
    begin = (mapping.span.file, mapping.span.line, mapping.span.column)
    keys = [span for span in mapping.keys.values() if (span.file, span.line, span.column) >= begin]
    keys = [span for span in keys if span.file == mapping.span.file]
    found = stretch(text, min(keys)) if text is not None and keys else None
    if text is None or found is None:
        return None
    at = found[0]
    title = f"add `{entry}`"
    before = text[line_start(text, at) : at]
    if opens_flow(text, mapping):
        return Fix(title, (Edit(start_of(min(keys)), f"{entry}, "),))
    if before.strip(" -"):
        return None
    return Fix(title, (Edit(start_of(min(keys)), f"{entry}{line_break(text, at)}{' ' * len(before)}"),))


def remove_item(texts: Texts, items: Node, index: int, title: str, *, safe: bool) -> Fix | None:
    """An entry of a list, not its first, taken out: with its comma, or with its line and the comment there."""
    item = items.content[index]
    text = texts.get(item.span.file)
    found = stretch(text, item.span) if text is not None else None
    if text is None or found is None or item.span.file != items.span.file:
        return None
    gap = flow_gap(text, *found) if opens_flow(text, items) else None
    gap = gap or line_gap(text, *found, before="" if opens_flow(text, items) else "- ")
    return Fix(title, (Edit(place(text, item.span.file, *gap), ""),), safe) if gap else None


def opens_flow(text: str, node: Node) -> bool:
    found = stretch(text, node.span)
    return found is not None and text[found[0] : found[0] + 1] in ("[", "{")
