"""Findings as a JUnit report, which most CI services show: a test case a finding, a failure where it is an error."""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic, Report, counted
from agentrun.markup import xml
from agentrun.markup.repository import shown_file


def as_junit(report: Report, checked: int) -> str:
    cases = [_case(found) for found in report.diagnostics]
    if not cases:
        cases = [f'    <testcase classname="agentrun" name="{counted(checked, "file")} checked"/>']
    counts = f'tests="{len(cases)}" failures="{report.errors}" errors="0" skipped="0"'
    suite = [f'  <testsuite name="agentrun validate" {counts}>', *cases, "  </testsuite>"]
    return "\n".join([xml.HEAD, f'<testsuites name="agentrun" {counts}>', *suite, "</testsuites>"])


def _case(found: Diagnostic) -> str:
    file, span = xml.attribute(shown_file(found.span.file)), found.span
    name = xml.attribute(f"{found.code} {found.message}")
    head = f'    <testcase classname="{file}" name="{name}" file="{file}" line="{span.line}">'
    lines = [f"{shown_file(span.file)}:{span.line}:{span.column}: {found.severity} {found.code} {found.message}"]
    if found.help:
        lines.append(f"help: {found.help}")
    lines += [f"{other.message}: {shown_file(other.span.file)}:{other.span.line}" for other in found.related]
    text = "\n".join(map(xml.text, lines))
    if found.severity == "error":
        message = xml.attribute(found.message)
        inside = f'      <failure type="{found.code}" message="{message}">{text}</failure>'
    else:
        inside = f"      <system-out>{text}</system-out>"
    return "\n".join([head, inside, "    </testcase>"])
