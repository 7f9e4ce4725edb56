"""What `agentrun test` prints and writes: results while they come, and reports at the end."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from typing import TextIO

import click
import msgspec

from agentrun.cli import reader_may_leave
from agentrun.cli.cases.paths import Suite
from agentrun.cli.cases.progress import Progress
from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width
from agentrun.cli.output_files import OutputFile, write_texts
from agentrun.testing.plan import Case
from agentrun.testing.reports import REPORTS
from agentrun.testing.reports.failed import happened_lines
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.text import case_lines, closing
from agentrun.testing.results import CaseResult, TestRun


class Wording(msgspec.Struct, frozen=True):
    """How a run is told. `quiet`: no line for what passed or was skipped; `verbose`: what happened in what passed."""

    format: str = "text"
    files: Sequence[OutputFile] = ()
    quiet: bool = False
    verbose: bool = False


class Output:
    """Hears of the cases of one run. Texts are told as they come, all other formats at the end."""

    def __init__(self, wording: Wording, suite: Suite, total: int) -> None:
        self._wording = wording
        self._suite = suite
        is_mixed = wording.format == "text" and _is_pipe(sys.stdout)  # `| tee log` prints to the same terminal
        self._progress = Progress(sys.stderr, total, is_wanted=not is_mixed)
        self._look = Look(line_width(sys.stdout), Painter(sys.stdout), sys.stdout.encoding or "utf-8")
        self._before: CaseResult | None = None
        self._told: set[int] = set()

    def began(self, case: Case) -> None:
        self._progress.began(case)

    def ended(self, result: CaseResult) -> None:
        self._progress.ended(result)

    def result(self, result: CaseResult) -> None:
        self._told.add(id(result))
        if self._wording.format != "text" or (self._wording.quiet and result.status in ("passed", "skipped")):
            return
        lines = case_lines(result, self._before, self._look)
        self._before = result
        if self._wording.verbose and result.status == "passed" and result.shown is not None:
            lines += [self._look.written(line) for line in happened_lines(result.shown, self._look)]
        self._print("\n".join(lines))

    def close(self) -> None:
        """Takes the line of progress away."""
        self._progress.end()

    def finish(self, run: TestRun) -> None:
        """Tells what is left to tell, then writes the reports. Raises `UsageError` where one can't be written."""
        self.close()
        for result in run.results:
            if id(result) not in self._told:
                self.result(result)
        sources = self._suite.sources
        if self._wording.format == "text":
            text = closing(run, sources, self._look)
            self._print(f"\n{text}" if self._before is not None else text)
        elif text := REPORTS[self._wording.format](run, sources):
            self._print(text.removesuffix("\n"))
        write_texts((one.path, REPORTS[one.format](run, sources)) for one in self._wording.files)

    def _print(self, text: str) -> None:
        self._progress.hide()
        with reader_may_leave():
            click.echo(text, color=self._look.paint.on if isinstance(self._look.paint, Painter) else None)


def _is_pipe(stream: TextIO) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # closed, or none of the system's
        return False
