"""Findings as a person reads them: each with its source line and a caret, then a summary."""

from __future__ import annotations

import click

from agentrun.diagnostics import Diagnostic, Report, Span, counted
from agentrun.spec.nodes import LINE_BREAK
from agentrun.visible import visible

_COLORS = {"error": "red", "warning": "yellow", "info": "blue"}
_MAX_LINE_CHARS = 160
_UNSHOWN = ("AR608", "AR802")  # their lines hold a password or a key, whatever else is found there


def as_text(report: Report, checked: int) -> str:
    """Each finding with its source line and a caret, then a summary."""
    if not report.diagnostics:
        return f"{counted(checked, 'file')} checked, no findings"
    return findings_text(report)


def findings_text(report: Report) -> str:
    unshown = {
        (found.span.file, line)
        for found in report.diagnostics
        if found.code in _UNSHOWN
        for line in range(found.span.line, found.span.end_line + 1)
    }
    blocks = [_block(found, report, unshown) for found in report.diagnostics]
    return "\n\n".join([*blocks, f"{report.summary()}"])


def _block(found: Diagnostic, report: Report, unshown: set[tuple[str, int]]) -> str:
    label = click.style(found.severity, fg=_COLORS[found.severity], bold=True)
    lines = [f"{_place(found.span)}: {label} {found.code} {visible(found.message)}"]
    lines += _snippet(found.span, report) if (found.span.file, found.span.line) not in unshown else []
    if found.help:
        lines.append(f"  help: {visible(found.help)}")
    lines += [f"  {visible(other.message)}: {_place(other.span)}" for other in found.related]
    return "\n".join(lines)


def _place(span: Span) -> str:
    return f"{visible(span.file)}:{span.line}:{span.column}"


def _snippet(span: Span, report: Report) -> list[str]:
    source = LINE_BREAK.split(report.sources.get(span.file, ""))
    if not 0 < span.line <= len(source) or not source[span.line - 1].strip():
        return []
    line = source[span.line - 1]
    before = line[: span.column - 1]
    end = span.end_column if span.end_line == span.line else len(line) + 1
    marked = line[span.column - 1 : max(end - 1, span.column - 1)]
    # A long line is cut before the place, so that the place stays in sight.
    if len(before) > _MAX_LINE_CHARS // 2:
        before = "…" + before[-_MAX_LINE_CHARS // 2 :]
    after = line[span.column - 1 :][: _MAX_LINE_CHARS - len(before)]
    number = str(span.line)
    gutter = " " * len(number)
    shown = visible(before + after).replace("\t", " ")
    carets = "^" * max(1, min(len(visible(marked)), len(visible(after)) or 1))
    return [f"  {number} | {shown}", f"  {gutter} | {' ' * len(visible(before))}{carets}"]
