"""Lines that no format shows: they hold a password or a key, whatever else is found there.

Not all are found as such: no rule reads what stands behind a misspelt key, one that is there twice, or a `#`. So a
line is also judged by itself, by the form of a key and by names such as `apikey:`.
"""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic, Edit, Fix, Report, Span
from agentrun.markup.secret_lines import looks_secret
from agentrun.spec.nodes import LINE_BREAK

SECRET = ("AR608", "AR802", "AR810", "AR811")
_NEAR = 80
Lines = frozenset[tuple[str, int]]


def unshown_lines(report: Report) -> Lines:
    told = {line for found in report.diagnostics if found.code in SECRET for line in _lines(found.span)}
    lines_of = {file: LINE_BREAK.split(text) for file, text in report.sources.items()}
    edits = [edit for found in report.diagnostics if found.fix is not None for edit in found.fix.edits]
    spans = [*(found.span for found in report.diagnostics), *(edit.span for edit in edits)]
    for file, number in {(span.file, span.line) for span in spans} - told:
        if looks_secret(_line(lines_of, file, number)):
            told.add((file, number))
    for edit in edits:
        line = _line(lines_of, edit.span.file, edit.span.line)
        if looks_secret(_mended(line, edit)):
            told.add((edit.span.file, edit.span.line))
    return frozenset(told)


def shown_fix(found: Diagnostic, unshown: Lines) -> Fix | None:
    """A finding's fix, where none of its edits touches such a line: a rewritten line may hold what it held."""
    if found.fix is None or any(line in unshown for edit in found.fix.edits for line in _lines(edit.span)):
        return None
    return found.fix


def _line(lines_of: dict[str, list[str]], file: str, number: int) -> str:
    lines = lines_of.get(file, [])
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _mended(line: str, edit: Edit) -> str:
    """A misspelt key written right, and what stands behind it."""
    end = edit.span.end_column - 1
    return edit.text + line[end : end + _NEAR]


def _lines(span: Span) -> list[tuple[str, int]]:
    return [(span.file, line) for line in range(span.line, span.end_line + 1)]
