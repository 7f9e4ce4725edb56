"""Findings as SARIF 2.1.0, which code hosts take as alerts.

Nothing of a file is quoted. Messages hold braces as they are, not doubled as messages with arguments need them: viewers
show a message that has no arguments as it stands.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from agentrun import __version__
from agentrun.cli.formats.unshown import Lines, shown_fix, unshown_lines
from agentrun.cli.formats.words import with_help
from agentrun.diagnostics import Diagnostic, Fix, Report, Span
from agentrun.explanations import FAMILIES, codes, explain
from agentrun.fingerprints import fingerprints_of
from agentrun.fixes import by_file
from agentrun.markup.repository import in_repository
from agentrun.visible import visible

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_LINE_ENDS = ["\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"]


def as_sarif(report: Report, checked: int) -> str:
    rules = sorted({found.code for found in report.diagnostics})
    unshown = unshown_lines(report)
    pairs = zip(report.diagnostics, fingerprints_of(report), strict=True)
    run = {
        "tool": {"driver": {"name": "agentrun", "version": __version__, "rules": [_rule(code) for code in rules]}},
        "columnKind": "unicodeCodePoints",
        "newlineSequences": _LINE_ENDS,
        "results": [_result(found, rules.index(found.code), fingerprint, unshown) for found, fingerprint in pairs],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "properties": {"tags": [FAMILIES[code[:3]]]}}
    if code not in codes():
        return rule
    page = explain(code)
    return rule | {
        "shortDescription": {"text": page.title.replace("`", "")},
        "fullDescription": {"text": page.summary},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": _LEVELS[page.severity]},
    }


def _result(found: Diagnostic, rule: int, fingerprint: str, unshown: Lines) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": _LEVELS[found.severity],
        "message": {"text": visible(with_help(found))},
        "locations": [_location(found.span)],
        "partialFingerprints": {"agentrunFingerprint/v1": fingerprint},
    }
    if found.related:
        result["relatedLocations"] = [
            {"id": index, "message": {"text": visible(other.message)}} | _location(other.span)
            for index, other in enumerate(found.related, 1)
        ]
    fix = shown_fix(found, unshown)
    if fix is not None:
        result["fixes"] = [_fix(fix)]
    return result


def _fix(fix: Fix) -> dict[str, Any]:
    changes = [
        {
            "artifactLocation": _artifact(file),
            "replacements": [
                {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}} for edit in edits
            ],
        }
        for file, edits in by_file(fix.edits).items()
    ]
    return {"description": {"text": visible(fix.title)}, "artifactChanges": changes}


def _location(span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(span.file), "region": _region(span)}}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _artifact(file: str) -> dict[str, str]:
    """A path below the root of the checkout; one that lies elsewhere is a URI of its own."""
    path = in_repository(file)
    uri = quote(os.fsencode(path))
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}
