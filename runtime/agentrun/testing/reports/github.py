"""The run as GitHub's workflow commands, which become annotations of a pull request; the last one counts all.

GitHub keeps ten errors and ten warnings of a step: the failures of all cases come before what was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentrun.markup.workflow import command, place
from agentrun.testing.differences import differences
from agentrun.testing.reports.failed import LEGEND
from agentrun.testing.reports.summary import failed_attempt, summary, why_unmeasured
from agentrun.testing.results import CaseResult, Failure, TestRun
from agentrun.visible import in_a_line

_MAX_LINES = 20  # of a difference


def as_github(run: TestRun, sources: Mapping[str, str]) -> str:
    failed = [line for result in run.results if result.status == "failed" for line in _failures(result)]
    unmeasured = [_warning(result) for result in run.results if result.status == "unmeasured"]
    counts = [command("notice", {"title": "agentrun test"}, summary(run))] if run.results else []
    return "\n".join([*failed, *unmeasured, *counts])


def _failures(result: CaseResult) -> Iterator[str]:
    attempt = failed_attempt(result)
    for failure in attempt.failures if attempt is not None else ():
        yield command("error", place(failure.span) | _title(result), _message(failure))


def _warning(result: CaseResult) -> str:
    return command(
        "warning", place(result.case.span) | _title(result), f"could not be measured: {why_unmeasured(result)}"
    )


def _title(result: CaseResult) -> dict[str, object]:
    return {"title": in_a_line(result.case.name)}


def _message(failure: Failure) -> str:
    if failure.expected is None or failure.got is None:
        return failure.message
    lines = differences(failure.expected, failure.got, max_lines=_MAX_LINES)
    return "\n".join([failure.message, "  ".join(LEGEND), *lines])
