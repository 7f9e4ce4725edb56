"""Findings as a JUnit report, which most CI services show: a test case a finding, a failure where it is an error."""

from __future__ import annotations

import re
from html import escape

from agentrun.cli.formats.words import shown_file
from agentrun.diagnostics import Diagnostic, Report, counted
from agentrun.visible import visible

_NOT_XML = re.compile("[\ufffe\uffff]")


def as_junit(report: Report, checked: int) -> str:
    cases = [_case(found) for found in report.diagnostics]
    if not cases:
        cases = [f'    <testcase classname="agentrun" name="{counted(checked, "file")} checked"/>']
    counts = f'tests="{len(cases)}" failures="{report.errors}" errors="0" skipped="0"'
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    suite = [f'  <testsuite name="agentrun validate" {counts}>', *cases, "  </testsuite>"]
    return "\n".join([head, f'<testsuites name="agentrun" {counts}>', *suite, "</testsuites>"])


def _case(found: Diagnostic) -> str:
    file, span = _attribute(shown_file(found.span.file)), found.span
    name = _attribute(f"{found.code} {found.message}")
    head = f'    <testcase classname="{file}" name="{name}" file="{file}" line="{span.line}">'
    lines = [f"{shown_file(span.file)}:{span.line}:{span.column}: {found.severity} {found.code} {found.message}"]
    if found.help:
        lines.append(f"help: {found.help}")
    lines += [f"{other.message}: {shown_file(other.span.file)}:{other.span.line}" for other in found.related]
    text = "\n".join(map(_text, lines))
    if found.severity == "error":
        message = _attribute(found.message)
        inside = f'      <failure type="{found.code}" message="{message}">{text}</failure>'
    else:
        inside = f"      <system-out>{text}</system-out>"
    return "\n".join([head, inside, "    </testcase>"])


def _text(text: str) -> str:
    """Text in XML, without the characters that it can't hold."""
    return escape(_NOT_XML.sub("\ufffd", visible(text)), quote=False)


def _attribute(text: str) -> str:
    return _text(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
