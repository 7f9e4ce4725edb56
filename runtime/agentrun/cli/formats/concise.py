"""Findings in a line each, as editors and `grep` take them: `file:line:column: error AR401 message (help)`."""

from __future__ import annotations

from agentrun.cli.formats.words import with_help
from agentrun.diagnostics import Diagnostic, Report
from agentrun.visible import in_a_line


def as_concise(report: Report, checked: int) -> str:
    return "\n".join(_line(found) for found in report.diagnostics)


def _line(found: Diagnostic) -> str:
    return in_a_line(f"{found.span}: {found.severity} {found.code} {with_help(found)}")
