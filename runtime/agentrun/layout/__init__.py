"""The house layout of a file: the order of keys and the indentation. Comments stay, and so does what the file means.

Lines are moved and shifted, never written anew. What was made is read once more: where it would not mean the same, or
a comment were lost, the file stays as it is.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8

import msgspec

from agentrun.diagnostics import Diagnostic
from agentrun.layout.gaps import (
    claim,
    cleaned,
    close,
    comments,
    split_between_documents,
    take_head,
    trimmed,
)
from agentrun.layout.order import arrange
from agentrun.layout.render import placed, render
from agentrun.layout.tree import BREAKS, Block, Leaf, Unformattable, read_tree, split_lines
from agentrun.spec.schema import Kind
from agentrun.spec.yaml_nodes import ReadFile, read_bytes, read_text


class LaidOut(msgspec.Struct, frozen=True):
    """A file in the house layout. Where it can't be had, `content` is what was given: `findings` are the mistakes
    that make it no YAML, `refusal` says why correct YAML was left alone. `text` is what was read.
    """

    content: bytes
    text: str
    findings: tuple[Diagnostic, ...] = ()
    refusal: str | None = None


def lay_out(kind: Kind, path: str, raw: bytes) -> LaidOut:
    """The content of a file in the house layout. `path` is what findings show."""
    read = read_bytes(path, raw)
    if _mistakes(read) or read.stopped:
        return LaidOut(raw, read.text, _mistakes(read))
    try:
        made = _made(kind, read.text)
        if made != read.text:
            _compare(kind, read, made)
    except Unformattable as reason:
        return LaidOut(raw, read.text, refusal=str(reason))
    return LaidOut((BOM_UTF8 if raw.startswith(BOM_UTF8) else b"") + made.encode(), read.text)


def _compare(kind: Kind, before: ReadFile, made: str) -> None:
    after = read_text(before.path, made)
    if after.stopped or _mistakes(after) or _meaning(after) != _meaning(before):
        raise Unformattable("it would not mean the same in the house layout")
    if comments(made) != comments(before.text):
        raise Unformattable("a comment would be lost in the house layout")
    if _made(kind, made) != made:
        raise Unformattable("its house layout is not settled")


def _mistakes(read: ReadFile) -> tuple[Diagnostic, ...]:
    return tuple(found for found in read.diagnostics if found.severity == "error")


def _meaning(read: ReadFile) -> list[str]:
    return [json.dumps(document.data(), sort_keys=True) for document in read.documents]


def _made(kind: Kind, text: str) -> str:
    text = cleaned(text)
    lines = split_lines(text)
    documents = read_tree(text, lines)
    last = documents[-1] if documents else None
    if lines and lines[-1] == lines[-1].rstrip(BREAKS) and not (isinstance(last, Leaf) and last.is_cut):
        lines[-1] += "\n"
    line_break = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    return "".join(
        line.removesuffix("\n").removesuffix("\r") + line_break if line.endswith("\n") else line
        for line in _laid_out(kind, documents, lines)
    )


def _laid_out(kind: Kind, documents: list[Block | Leaf], lines: list[str]) -> list[str]:
    """Each document for itself; the marks between them, and a document that is no block, stay as they are."""
    starts = [one.entries[0].line if isinstance(one, Block) else one.line for one in documents]
    end, marks, above = split_between_documents(
        trimmed(lines[: starts[0]]) if starts else trimmed(trimmed(lines), at_end=True)
    )
    out = [*end, *marks] if marks else []
    above = above if marks else end
    for document, start, following in zip(documents, starts, [*starts, None][1:], strict=True):
        cursor = document.end_line + 1 if isinstance(document, Leaf) else claim(document, lines, start)
        gap = trimmed(lines[cursor:], at_end=True) if following is None else lines[cursor:following]
        end, marks, below = split_between_documents(gap)
        if isinstance(document, Leaf):
            out += above + lines[start:cursor] + end
        else:
            head = take_head(document, above)
            close(document, end)
            arrange(kind, document)
            out += placed(head, 0) + render(document, lines)
        out += marks
        above = below
    return out + above
