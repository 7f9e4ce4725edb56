"""Findings as JSON: one object with all of them."""

from __future__ import annotations

import json
from typing import Any

from agentrun.diagnostics import Diagnostic, Report


def as_json(report: Report, checked: int) -> str:
    """`{version, findings: [...]}`; lines and columns count from 1, columns in code points, ends are exclusive."""
    return json.dumps({"version": 1, "findings": [_object(found) for found in report.diagnostics]}, indent=2)


def _object(found: Diagnostic) -> dict[str, Any]:
    span = found.span
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "help": found.help,
        "related": [
            {"message": other.message, "file": other.span.file, "line": other.span.line, "column": other.span.column}
            for other in found.related
        ],
    }
