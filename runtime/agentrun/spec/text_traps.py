"""What only the raw text of a file shows: a byte order mark, mixed line ends, a comment that cuts a text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Edit, Fix, Span
from agentrun.spec.lines import place
from agentrun.spec.nodes import LINE_BREAK, Node, Route
from agentrun.spec.yaml_nodes import ReadFile

# Keys whose value is written for people and models to read, or is sent as it is.
_PROSE = frozenset(
    {
        *("answer", "body", "contains", "content", "description", "equals", "input", "message", "output", "script"),
        *("starters", "stderr", "stdin", "stdout", "system_prompt", "text", "title"),
    }
)
_DATA = frozenset({"args", "arguments", "form", "headers", "json", "multipart", "query"})
_IN_A_SCHEMA = frozenset({"const", "default", "description", "enum", "examples", "title"})
# ` #1042`, but neither `# note` nor `#TODO`: those are meant as comments. One of them may follow.
_MARKS = "todo|fixme|xxx|noqa|nosec|pragma|yamllint|region|endregion"
_CUT = re.compile(rf"[ \t]+(#(?!(?:{_MARKS})\b)[\w({{\[\"'$].*?)(?=[ \t]+# |[ \t]*$)", re.IGNORECASE)
_SUSPECT = re.compile(r"[ \t]#\S")


def text_traps(read: ReadFile, raw: bytes) -> list[Diagnostic]:
    """The findings of a YAML file that was read from these bytes."""
    return [*_byte_order_mark(read, raw), *_mixed_line_ends(read), *_cut_texts(read)]


def _byte_order_mark(read: ReadFile, raw: bytes) -> Iterator[Diagnostic]:
    if raw.startswith(codecs.BOM_UTF8):
        message = "the file begins with a byte order mark, which other tools take for a part of its first key"
        yield Diagnostic("AR211", "info", message, Span(read.path, 1, 1, 1, 1), "save the file as UTF-8 without it")


def _mixed_line_ends(read: ReadFile) -> Iterator[Diagnostic]:
    long = read.text.count("\r\n")
    short = read.text.count("\n") - long
    if not long or not short:
        return
    first_is_short = read.text[read.text.index("\n") - 1] != "\r"
    rare, usual = ("\r\n", "\n") if (long, not first_is_short) < (short, first_is_short) else ("\n", "\r\n")
    breaks = (found.span() for found in LINE_BREAK.finditer(read.text) if found.group() == rare)
    places = [place(read.text, read.path, *one) for one in breaks]
    names = {"\n": "LF", "\r\n": "CRLF"}
    message = f"mixed line ends: {min(long, short)} of {long + short} lines end in {names[rare]}, this one first"
    fix = Fix(f"end all lines in {names[usual]}", tuple(Edit(one, usual) for one in places))
    first = Span(read.path, places[0].line, places[0].column, places[0].line, places[0].column)
    yield Diagnostic("AR212", "info", message, first, f"end all lines in {names[usual]}", fix=fix)


def _cut_texts(read: ReadFile) -> Iterator[Diagnostic]:
    if not _SUSPECT.search(read.text):
        return
    lines = LINE_BREAK.split(read.text)
    for document in read.documents:
        for route, node in document.walk():
            if isinstance(node.content, str) and not node.style and _is_read_by_someone(route):
                found = _CUT.match(lines[node.span.end_line - 1], node.span.end_column - 1)
                if found is not None:
                    yield _cut_text(node, found)


def _cut_text(node: Node, found: re.Match[str]) -> Diagnostic:
    span = node.span
    cut = Span(span.file, span.end_line, found.start(1) + 1, span.end_line, found.end(1) + 1)
    whole = Span(span.file, span.line, span.column, span.end_line, found.end(1) + 1)
    written = found.string[span.column - 1 : found.end(1)]
    is_one_line = span.line == span.end_line
    fix = Fix("put the whole in quotes", (Edit(whole, _quoted(written)),), safe=False) if is_one_line else None
    message = "the text ends here: ` #` begins a comment"
    help = "put the whole text in quotes; a comment is told apart by a space after `#`"
    return Diagnostic("AR209", "warning", message, cut, help, fix=fix)


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _is_read_by_someone(route: Route) -> bool:
    names = [step for step in route if isinstance(step, str)]
    if not names or any(name.startswith("x-") for name in names):
        return False
    if "parameters" in names or "schema" in names:
        return names[-1] in _IN_A_SCHEMA
    is_name_of_a_case = names == ["cases", "name"]
    return names[-1] in _PROSE or is_name_of_a_case or not _DATA.isdisjoint(names)
