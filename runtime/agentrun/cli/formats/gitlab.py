"""Findings as GitLab's Code Quality report."""

from __future__ import annotations

import json
from typing import Any

from agentrun.cli.formats.words import with_help
from agentrun.diagnostics import Diagnostic, Report
from agentrun.fingerprints import fingerprints_of
from agentrun.markup.repository import shown_file
from agentrun.visible import visible

_SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}


def as_gitlab(report: Report, checked: int) -> str:
    pairs = zip(report.diagnostics, fingerprints_of(report), strict=True)
    return json.dumps([_object(found, fingerprint) for found, fingerprint in pairs], indent=2)


def _object(found: Diagnostic, fingerprint: str) -> dict[str, Any]:
    span = found.span
    return {
        "description": visible(with_help(found)),
        "check_name": found.code,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[found.severity],
        "location": {
            "path": shown_file(span.file),
            "lines": {"begin": span.line, "end": span.end_line},
            "positions": {
                "begin": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            },
        },
    }
