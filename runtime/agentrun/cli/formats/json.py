"""Findings as JSON: one object with all of them, or one object a line."""

from __future__ import annotations

import json
from typing import Any

from agentrun.cli.formats.unshown import Lines, shown_fix, unshown_lines
from agentrun.diagnostics import Diagnostic, Fix, Report, Span
from agentrun.spec.credential_words import without_keys
from agentrun.spec.locate import pointers_of


def as_json(report: Report, checked: int) -> str:
    """`{version, findings: [...]}`; lines and columns count from 1, columns in code points, ends are exclusive."""
    return json.dumps({"version": 1, "findings": _objects(report)}, indent=2)


def as_jsonl(report: Report, checked: int) -> str:
    """The same objects, one a line."""
    return "\n".join(json.dumps(found) for found in _objects(report))


def _objects(report: Report) -> list[dict[str, Any]]:
    unshown = unshown_lines(report)
    pairs = zip(report.diagnostics, pointers_of(report), strict=True)
    return [_object(found, pointer, unshown) for found, pointer in pairs]


def _object(found: Diagnostic, pointer: str, unshown: Lines) -> dict[str, Any]:
    fix = shown_fix(found, unshown)
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        **_span(found.span),
        "pointer": without_keys(pointer),
        "help": found.help,
        "fix": _fix(fix) if fix is not None else None,
        "related": [
            {"message": other.message, "file": other.span.file, "line": other.span.line, "column": other.span.column}
            for other in found.related
        ],
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{**_span(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _span(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
