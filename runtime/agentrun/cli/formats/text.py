"""Findings as a person reads them: each with its source line and a caret, then a summary."""

from __future__ import annotations

import sys

import click

from agentrun.cli.columns import line_width
from agentrun.cli.formats.unshown import unshown_lines
from agentrun.diagnostics import Diagnostic, Report, Span, counted
from agentrun.markup.snippet import snippet
from agentrun.spec.nodes import LINE_BREAK
from agentrun.visible import in_a_line

_COLORS = {"error": "red", "warning": "yellow", "info": "blue"}


def as_text(report: Report, checked: int, width: int | None = None) -> str:
    """Each finding with its source line and a caret, then a summary, and what can be done."""
    if not report.diagnostics:
        return f"{counted(checked, 'file')} checked, no findings"
    codes = {found.code for found in report.diagnostics}
    hint = click.style(f"agentrun explain {codes.pop() if len(codes) == 1 else 'CODE'} says more", dim=True)
    return f"{findings_text(report, width)}{_fixable(report)}\n{hint}"


def findings_text(report: Report, width: int | None = None) -> str:
    """The findings and their counts. Lines of files are cut at `width` cells, by default the terminal's width."""
    width = line_width(sys.stdout) if width is None else width
    unshown = unshown_lines(report)
    lines_of = {file: LINE_BREAK.split(text) for file, text in report.sources.items()}

    def block(found: Diagnostic) -> str:
        is_shown = (found.span.file, found.span.line) not in unshown
        shown = snippet(lines_of.get(found.span.file, []), found.span, width) if is_shown else []
        return "\n".join([_head(found), *shown, *_further(found)])

    return "\n\n".join([*map(block, report.diagnostics), report.summary()])


def _head(found: Diagnostic) -> str:
    label = click.style(found.severity, fg=_COLORS[found.severity], bold=True)
    return f"{_place(found.span)}: {label} {found.code} {in_a_line(found.message)}"


def _further(found: Diagnostic) -> list[str]:
    help = [f"  help: {in_a_line(found.help)}"] if found.help else []
    return help + [f"  {in_a_line(other.message)}: {_place(other.span)}" for other in found.related]


def _place(span: Span) -> str:
    return f"{in_a_line(span.file)}:{span.line}:{span.column}"


def _fixable(report: Report) -> str:
    """How many findings can be fixed, and with which option."""
    fixes = [found.fix for found in report.diagnostics if found.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    unsafe = len(fixes) - safe
    if safe:
        return f" · {safe} can be fixed with --fix" + (f", {unsafe} more with --unsafe-fixes" if unsafe else "")
    return f" · {unsafe} can be fixed with --unsafe-fixes" if unsafe else ""
