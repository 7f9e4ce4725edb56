"""Findings as a Markdown table, for the summary of a CI job. In a GitHub workflow places link to their lines."""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic, Report, counted
from agentrun.markup.markdown import MAX_BYTES, escaped, fitting, place

MAX_ROWS = 500


def as_markdown(report: Report, checked: int) -> str:
    if not report.diagnostics:
        return f"### agentrun: no findings\n\n{counted(checked, 'file')} checked"
    rows = fitting(map(_row, report.diagnostics[:MAX_ROWS]), MAX_BYTES)
    head = [f"### agentrun: {report.summary()}", "", "| severity | code | place | finding |", "|---|---|---|---|"]
    left_out = len(report.diagnostics) - len(rows)
    tail = ["", f"{counted(left_out, 'finding')} more"] if left_out else []
    return "\n".join([*head, *rows, *tail])


def _row(found: Diagnostic) -> str:
    says = escaped(found.message)
    if found.help:
        says += f"<br>help: {escaped(found.help)}"
    return f"| {found.severity} | {found.code} | {place(found.span)} | {says} |"
