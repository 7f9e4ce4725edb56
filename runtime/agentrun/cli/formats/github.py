"""Findings as GitHub's workflow commands, which become annotations of a pull request.

GitHub keeps ten errors, ten warnings and ten notices of a step, and fifty of a job: `sarif` has no such limit.
"""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic, Report
from agentrun.markup.workflow import command, place

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def as_github(report: Report, checked: int) -> str:
    return "\n".join(_command(found) for found in report.diagnostics)


def _command(found: Diagnostic) -> str:
    properties = place(found.span) | {"title": f"agentrun {found.code}"}
    message = f"{found.message}\nhelp: {found.help}" if found.help else found.message
    return command(_COMMANDS[found.severity], properties, message)
