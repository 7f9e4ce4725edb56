"""One test run: which cases, how they are run, what is told and remembered of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from agentrun.cli import tell_warning
from agentrun.cli.bug import hide_secrets
from agentrun.cli.cases.output import Output, Wording
from agentrun.cli.cases.paths import Suite, read_suite
from agentrun.cli.output_files import refuse_overwriting
from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, interruptible
from agentrun.diagnostics import counted
from agentrun.errors import UsageError
from agentrun.testing.plan import Case
from agentrun.testing.results import CaseResult, TestRun
from agentrun.testing.runner import Manner, Runner
from agentrun.testing.selection import Wish, chosen, only
from agentrun.testing.state import LastFailed
from agentrun.visible import one_line, visible

if TYPE_CHECKING:
    from agentrun.testing.tapes import Mode


class Asked(msgspec.Struct, frozen=True):
    """What a command line asks for. `manner` is without tapes: `cassettes` says how those are used."""

    paths: Sequence[Path]
    environ: Mapping[str, str]
    tools: Sequence[Path]
    model: str | None
    wish: Wish
    last_failed: bool
    manner: Manner
    cassettes: Mode
    coverage: bool
    wording: Wording


def list_cases(asked: Asked) -> int:
    """The ids of the cases that would be run, and beside them what is special about each."""
    for case in choose(asked, read(asked)):
        click.echo(_listed(case))
    return 0


def _listed(case: Case) -> str:
    marks = list(dict.fromkeys([*case.tags, *(["live"] if case.is_live else [])]))
    if case.skip is not None:
        marks.append(f"skipped: {case.skip}")
    return visible(one_line(case.id, 500) + (f"  ({one_line(', '.join(marks), 200)})" if marks else ""))


def run(asked: Asked) -> int:
    suite = read(asked)
    cases = choose(asked, suite)
    going = ToldRun(asked, suite, cases)
    ended_by: int | None = None
    try:
        with _printing_apart(asked.wording):
            if asyncio.run(interruptible(going.runner.run())) is None:
                ended_by = EXIT_INTERRUPTED
    except Terminated as ended:
        ended_by = ended.exit_code
    finally:
        going.output.close()
    done = going.finish()
    if ended_by is None:
        return done.exit_code
    click.echo(f"interrupted: {len(done.results)} of {counted(len(cases), 'case')} were run", err=True)
    return ended_by


def _printing_apart(wording: Wording) -> AbstractContextManager[object]:
    """What functions of tools print is no part of a report for programs."""
    return contextlib.nullcontext() if wording.format == "text" else contextlib.redirect_stdout(sys.stderr)


def read(asked: Asked) -> Suite:
    """The files, checked. No report is written over one of them, or where it can't be."""
    for one in asked.wording.files:
        if not one.path.parent.is_dir():
            raise UsageError(f"`{one.path}` can't be written: there is no folder `{one.path.parent}`")
    suite = read_suite(asked.paths, asked.environ, tools=asked.tools, model=asked.model)
    refuse_overwriting(suite.sources, [one.path for one in asked.wording.files])
    hide_secrets(suite.benches.hidden)
    return suite


def choose(asked: Asked, suite: Suite) -> list[Case]:
    wish = asked.wish
    if asked.last_failed:
        wish = msgspec.structs.replace(wish, ids=_failed_last(suite))
    found = chosen(suite.cases, wish)
    if asked.last_failed and not found:
        click.echo("none of these cases failed the last time: all are run", err=True)
        found = chosen(suite.cases, asked.wish)
    found, left_out = only(found)
    if left_out:
        help = "take `only` out once you are done"
        tell_warning(f"`only` is set in {counted(len(found), 'case')}: {counted(left_out, 'other')} not run", help)
    if asked.manner.repeat > 1 and not any(case.is_live for case in found):
        tell_warning(
            "`--repeat` does nothing: none of the cases is a live one, and the others give the same every time"
        )
    return found


class ToldRun:
    """A run of some cases with what tells of it."""

    def __init__(self, asked: Asked, suite: Suite, cases: Sequence[Case]) -> None:
        self._asked = asked
        self._suite = suite
        self._cases = cases
        self.output = Output(asked.wording, suite, len(cases))
        self.runner = Runner(cases, suite.benches, _manner(asked, cases), self.output)

    def finish(self) -> TestRun:
        """Remembers and tells what was done, all of it or some."""
        done = self.runner.so_far()
        if self._asked.coverage:
            done = _with_coverage(self._suite, done)
        notes = _remember(self._suite, done.results)
        self.output.finish(done)
        for note in notes if self._asked.last_failed else ():
            tell_warning(note)
        left = len(self._cases) - len(done.results)
        if left and self._asked.manner.fail_fast and done.count("failed"):
            click.echo(f"ended with the first case that failed: {counted(left, 'case')} not run", err=True)
        return done


def _manner(asked: Asked, cases: Iterable[Case]) -> Manner:
    if all(case.source != "cassette" for case in cases):
        return asked.manner
    from agentrun.testing.tapes import Tapes

    return msgspec.structs.replace(asked.manner, tapes=Tapes(asked.cassettes))


def _with_coverage(suite: Suite, done: TestRun) -> TestRun:
    from agentrun.testing.coverage import coverage_of, untested

    covered = tuple(
        one
        for bench in suite.benches.each
        for one in coverage_of(
            [result for result in done.results if suite.benches.of(result.case) is bench], bench.agent
        )
    )
    without = tuple(name for project in suite.projects for name in untested(project))
    return msgspec.structs.replace(done, coverage=covered, untested=without)


# -- what failed last


def _failed_last(suite: Suite) -> frozenset[str]:
    """The ids of the cases that did not pass when they were run last."""
    found: set[str] = set()
    for root, cases in _by_root(suite, suite.cases).items():
        memory = LastFailed(root, os.environ)
        keys = memory.read()
        for note in memory.notes:
            tell_warning(note)
        found |= {case.id for case in cases if memory.key(case.file, case.name) in keys}
    return frozenset(found)


def _remember(suite: Suite, results: Iterable[CaseResult]) -> list[str]:
    """What could not be remembered. A case that its file leaves out is no failed one any more."""
    by_case = {result.case.id: result.status for result in results}
    notes: list[str] = []
    for root, cases in _by_root(suite, (result.case for result in results)).items():
        memory = LastFailed(root, os.environ)
        passed, failed = set(), set()
        for case in cases:
            key, status = memory.key(case.file, case.name), by_case[case.id]
            if status == "passed" or case.skip is not None:
                passed.add(key)
            elif status != "skipped":
                failed.add(key)
        memory.update(passed=passed, failed=failed)
        notes += memory.notes
    return notes


def _by_root(suite: Suite, cases: Iterable[Case]) -> dict[Path, list[Case]]:
    found: dict[Path, list[Case]] = defaultdict(list)
    for case in cases:
        found[suite.root_of(case)].append(case)
    return found
