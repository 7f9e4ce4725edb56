"""Lines that no format shows: they hold a password or a key, whatever else is found there."""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic, Fix, Report, Span

_CODES = ("AR608", "AR802", "AR810", "AR811")
Lines = frozenset[tuple[str, int]]


def unshown_lines(report: Report) -> Lines:
    return frozenset(line for found in report.diagnostics if found.code in _CODES for line in _lines(found.span))


def shown_fix(found: Diagnostic, unshown: Lines) -> Fix | None:
    """A finding's fix, where none of its edits touches such a line: a rewritten line may hold what it held."""
    if found.fix is None or any(line in unshown for edit in found.fix.edits for line in _lines(edit.span)):
        return None
    return found.fix


def _lines(span: Span) -> list[tuple[str, int]]:
    return [(span.file, line) for line in range(span.line, span.end_line + 1)]
