"""Reports of a test run, one format a file: each a function from the run, and the texts of its files, to a text.

A format is imported when it is first used. That of GitHub is empty only where there are no cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from agentrun.testing.results import TestRun

TextReport = Callable[[TestRun, Mapping[str, str]], str]


def _lazily(module: str) -> TextReport:
    def write(run: TestRun, sources: Mapping[str, str]) -> str:
        written: TextReport = getattr(import_module(f"agentrun.testing.reports.{module}"), f"as_{module}")
        return written(run, sources)

    return write


REPORTS: dict[str, TextReport] = {
    name: _lazily(name) for name in ("text", "json", "junit", "markdown", "html", "github")
}
