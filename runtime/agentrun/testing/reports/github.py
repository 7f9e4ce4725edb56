"""The run as GitHub's workflow commands, which become annotations of a pull request; the last one counts all.

GitHub keeps ten errors and ten warnings of a step. So the first failure of each case comes before what else is wrong
with any, what could not be measured before warnings, and the last one names the cases that no room is left for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentrun.markup.workflow import command, place
from agentrun.testing.reports.failed import LEGEND
from agentrun.testing.reports.summary import difference_of, failed_attempt, message_of, summary, warned, why_unmeasured
from agentrun.testing.results import CaseResult, Failure, TestRun
from agentrun.visible import in_a_line

_KEPT = 10  # of each kind, by GitHub
_MAX_LINES = 20  # of a difference
_MAX_NAMES = 50


def as_github(run: TestRun, sources: Mapping[str, str]) -> str:
    failed = [one for one in run.results if one.status == "failed"]
    ranked = [ranked for result in failed for ranked in enumerate(_failures(result))]
    errors = [line for _, line in sorted(ranked, key=lambda one: one[0] > 0)]
    unmeasured = [
        _warning(one, f"could not be measured: {why_unmeasured(one)}")
        for one in run.results
        if one.status == "unmeasured"
    ]
    warnings = [_warning(result, warning) for result, warning in warned(run)]
    counts = [command("notice", {"title": "agentrun test"}, _counts(run, failed))] if run.results else []
    return "\n".join([*errors, *unmeasured, *warnings, *counts])


def _failures(result: CaseResult) -> list[str]:
    attempt = failed_attempt(result)
    failures = () if attempt is None else attempt.failures
    return [command("error", place(one.span) | _title(result), _message(one)) for one in failures]


def _warning(result: CaseResult, text: str) -> str:
    return command("warning", place(result.case.span) | _title(result), text)


def _counts(run: TestRun, failed: Sequence[CaseResult]) -> str:
    unseen = [in_a_line(one.case.name) for one in failed[_KEPT:]]
    shown = [*unseen[:_MAX_NAMES], *(["…"] if len(unseen) > _MAX_NAMES else [])]
    return "\n".join([summary(run), *(["failed too:", *shown] if shown else [])])


def _title(result: CaseResult) -> dict[str, object]:
    return {"title": in_a_line(result.case.name)}


def _message(failure: Failure) -> str:
    lines = difference_of(failure, _MAX_LINES)
    return "\n".join([message_of(failure), *([LEGEND, *lines] if lines else [])])
