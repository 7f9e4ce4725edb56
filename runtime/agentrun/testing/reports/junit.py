"""The run as a JUnit report, which most CI services show: a suite a file, a failure or an error in its case.

What could not be measured is an error: something that is no fault of what was tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import dedent

from agentrun.markup import xml
from agentrun.markup.repository import shown_file
from agentrun.testing.reports.failed import LEGEND, attempt_lines
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.summary import (
    by_file,
    cost_of,
    failed_attempt,
    message_of,
    repeats,
    usage_of,
    why_unmeasured,
)
from agentrun.testing.results import Attempt, CaseResult, TestRun

_TAGS = {"failed": "failure", "unmeasured": "error", "skipped": "skipped"}


def as_junit(run: TestRun, sources: Mapping[str, str]) -> str:
    head = f'<testsuites name="agentrun test" {_counts(run.results)} time="{run.duration_s:.3f}">'
    suites = [line for file, results in by_file(run).items() for line in _suite(file, results, sources)]
    return "\n".join([xml.HEAD, head, *suites, "</testsuites>"])


def _suite(file: str, results: Sequence[CaseResult], sources: Mapping[str, str]) -> Iterator[str]:
    time = sum(one.duration_s for one in results)
    yield f'  <testsuite name="{xml.attribute(shown_file(file))}" {_counts(results)} time="{time:.3f}">'
    for result in results:
        yield from _case(result, sources)
    yield "  </testsuite>"


def _counts(results: Sequence[CaseResult]) -> str:
    numbers = {"tests": len(results)}
    for status, name in (("failed", "failures"), ("unmeasured", "errors"), ("skipped", "skipped")):
        numbers[name] = sum(one.status == status for one in results)
    return " ".join(f'{name}="{number}"' for name, number in numbers.items())


def _case(result: CaseResult, sources: Mapping[str, str]) -> Iterator[str]:
    case, shown = result.case, shown_file(result.case.file)
    file, name, line = xml.attribute(shown), xml.attribute(case.name), case.span.line
    group = xml.attribute(_class_name(shown))
    yield f'    <testcase classname="{group}" name="{name}" file="{file}" line="{line}" time="{result.duration_s:.3f}">'
    yield from _properties(result)
    if tag := _TAGS.get(result.status):
        message, text = _problem(result, sources)
        kind = "" if result.status == "skipped" else f' type="{result.status}"'  # some readers want one
        yield f'      <{tag} message="{xml.attribute(message)}"{kind}>{xml.text(text)}</{tag}>'
    warnings = [warning for one in result.attempts for warning in one.warnings]
    if warnings:
        yield f"      <system-out>{xml.text(chr(10).join(f'warning: {one}' for one in warnings))}</system-out>"
    yield "    </testcase>"


def _class_name(file: str) -> str:
    """`desk.tests.refunds`: the part after the last dot is the class for Jenkins, what stands before it the package."""
    return file.removesuffix(".test.yaml").strip("/").replace(".", "_").replace("/", ".")


def _properties(result: CaseResult) -> Iterator[str]:
    usage, cost = usage_of(result.attempts), cost_of(result.attempts)
    values: dict[str, object] = {"agent": result.case.agent}
    if result.case.tags:
        values["tags"] = " ".join(result.case.tags)
    if usage.total_tokens:
        values |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        values["total_tokens"] = usage.total_tokens
    if cost is not None:
        values["cost_usd"] = f"{cost:.6f}"
    if many := repeats(result):
        values["repeats"] = many
    yield "      <properties>"
    for name, value in values.items():
        yield f'        <property name="{name}" value="{xml.attribute(str(value))}"/>'
    yield "      </properties>"


def _problem(result: CaseResult, sources: Mapping[str, str]) -> tuple[str, str]:
    """In one line, and as a text."""
    if result.status == "skipped":
        return result.why, ""
    if result.status == "unmeasured":
        return why_unmeasured(result), why_unmeasured(result)
    attempt = failed_attempt(result)
    if attempt is None:
        return repeats(result), ""
    first, *others = map(message_of, attempt.failures)
    return first + (f" (and {len(others)} more)" if others else ""), _in_full(attempt, sources)


def _in_full(attempt: Attempt, sources: Mapping[str, str]) -> str:
    legend = [f"  {LEGEND}"] if any(one.has_difference for one in attempt.failures) else []
    return dedent("\n".join([*legend, *attempt_lines(attempt, sources, Look())]))
