"""A failure and what happened as plain text, for the reports that hold a text: without colours, as wide as a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import dedent

from agentrun.testing.reports.failed import LEGEND, failure_lines, happened_lines, has_difference
from agentrun.testing.reports.look import Look
from agentrun.testing.results import Attempt


def told(attempt: Attempt, sources: Mapping[str, str]) -> str:
    """All failures of an attempt, then its calls and answers."""
    return dedent("\n".join(_lines(attempt, sources)))


def _lines(attempt: Attempt, sources: Mapping[str, str]) -> Iterator[str]:
    look = Look()
    if any(map(has_difference, attempt.failures)):
        yield "  " + "  ".join(LEGEND)
    for failure in attempt.failures:
        yield from failure_lines(failure, sources, look)
    yield from happened_lines(attempt, look)
