"""Findings as GitHub's workflow commands, which become annotations of a pull request.

GitHub keeps ten errors, ten warnings and ten notices of a step, and fifty of a job: `sarif` has no such limit.
"""

from __future__ import annotations

from agentrun.cli.formats.words import shown_file
from agentrun.diagnostics import Diagnostic, Report
from agentrun.visible import visible

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def as_github(report: Report, checked: int) -> str:
    return "\n".join(_command(found) for found in report.diagnostics)


def _command(found: Diagnostic) -> str:
    span = found.span
    place: dict[str, object] = {"file": shown_file(span.file), "line": span.line, "col": span.column}
    place["endLine"] = span.end_line
    if span.end_line == span.line:
        place["endColumn"] = span.end_column
    else:  # GitHub takes columns within a line only
        del place["col"]
    place["title"] = f"agentrun {found.code}"
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in place.items())
    message = f"{found.message}\nhelp: {found.help}" if found.help else found.message
    return f"::{_COMMANDS[found.severity]} {properties}::{_data(visible(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
