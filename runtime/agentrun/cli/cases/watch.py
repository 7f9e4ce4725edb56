"""`agentrun test --watch`: what a change concerns is run again, until it is told to quit.

Nothing that was printed is taken away. Keys are read where stdin is a terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from agentrun.cli import tell_error
from agentrun.cli.cases.paths import Suite, roots_of
from agentrun.cli.cases.run import Asked, ToldRun, choose, read
from agentrun.cli.colors import wants_color
from agentrun.cli.columns import line_width
from agentrun.cli.formats.text import findings_text
from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, interruptible
from agentrun.diagnostics import one_of
from agentrun.discovery import display
from agentrun.errors import AgentrunError, SpecError
from agentrun.testing.plan import Case
from agentrun.testing.results import Status
from agentrun.testing.watch import changes, concerned, files_in, files_of, folders_of, forget, modules_of, snapshot
from agentrun.visible import visible

_EVERY_S = 0.5
_SHARE = 40  # looking takes no more than this part of the time
_ALL, _FAILED, _QUIT = "all", "failed", "quit"
_KEYS = {"\n": _ALL, "\r": _ALL, "f": _FAILED, "F": _FAILED, "q": _QUIT, "Q": _QUIT, "\x04": _QUIT}
Cue = str | frozenset[str]  # a key's meaning, or the files that changed


def watch(asked: Asked) -> int:
    """Quitting is no failure, whatever the cases came to; Ctrl-C in the middle of a run is an interruption."""
    session = _Session(asked)
    try:
        asyncio.run(interruptible(session.go()))
    except Terminated as ended:
        return ended.exit_code
    return EXIT_INTERRUPTED if session.is_running else 0


class _Session:
    def __init__(self, asked: Asked) -> None:
        self.is_running = False
        self._asked = asked
        self._folders = [*asked.tools, *(folder for root in roots_of(asked.paths) for folder in folders_of(root))]
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._has_keys = sys.stdin.isatty()
        self._suite: Suite | None = None  # as it was read last without errors
        self._is_current = False  # nothing had errors since
        self._blamed: set[str] = set()  # the files that have
        self._status: dict[str, Status] = {}
        self._seen = snapshot(self._paths())

    async def go(self) -> None:
        with _pressed_keys(self._keys) if self._has_keys else contextlib.nullcontext():
            cue: Cue = _ALL
            while cue != _QUIT:
                suite, cases = self._cases(cue)
                cue = (suite and cases and await self._run(suite, cases)) or await self._next()

    # -- one run

    def _cases(self, cue: Cue) -> tuple[Suite | None, list[Case]]:
        """What is to be run now: all, those that failed, or those that some changed files concern."""
        before = self._suite.cases if self._suite is not None and self._is_current else None
        if isinstance(cue, frozenset) and self._suite is not None:
            forget(cue, self._suite.projects)
        self._is_current, self._blamed = False, set()
        try:
            suite = self._suite = read(self._asked)
            self._is_current = True
            cases = choose(self._asked, suite)
        except SpecError as error:
            self._blamed = {os.path.abspath(path) for path in error.report.sources}  # noqa: PTH100 - follows no link
            text = findings_text(error.report, line_width(sys.stderr))
            click.echo(text, err=True, color=wants_color(sys.stderr))
            return None, []
        except AgentrunError as error:
            tell_error(error.message, error.help)
            return None, []
        finally:
            self._seen = {**snapshot(self._paths()), **self._seen}  # what changes from now on is seen
        if cue == _FAILED:
            cases = [case for case in cases if self._status.get(case.id) in ("failed", "unmeasured")]
            if not cases:
                self._tell("nothing failed")
        elif isinstance(cue, frozenset) and before is not None:  # after findings everything may be different
            cases = _concerned(cue, suite, cases, {case.id for case in before})
        return suite, cases

    async def _run(self, suite: Suite, cases: Sequence[Case]) -> Cue | None:
        """`_QUIT` where that key ended it."""
        going = ToldRun(self._asked, suite, cases)
        self.is_running = True
        runs, quits = asyncio.create_task(going.runner.run()), asyncio.create_task(self._quit())
        try:
            await asyncio.wait([runs, quits], return_when=asyncio.FIRST_COMPLETED)
            is_over = runs.done()
        finally:
            runs.cancel()
            quits.cancel()
            await asyncio.wait([runs, quits])
            going.output.close()
            self._status |= {result.case.id: result.status for result in going.finish().results}
            recorded = {str(case.cassette.absolute()) for case in cases if case.cassette is not None}
            # What this run imported or wrote is no change.
            self._seen = {**snapshot(modules_of(suite.projects)), **self._seen, **snapshot(recorded)}
        if not runs.cancelled():
            runs.result()  # a bug of ours is raised here
        self.is_running = False
        return None if is_over else _QUIT

    async def _quit(self) -> None:
        """Until that key is pressed; the others do nothing in the middle of a run."""
        while await self._keys.get() != _QUIT:
            pass

    # -- between runs

    async def _next(self) -> Cue:
        """The key that is pressed, or the files that change."""
        how = "Enter runs all, f what failed, q quits" if self._has_keys else "Ctrl-C ends"
        self._tell(f"waiting for changes: {how}")
        pause_s = _EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._keys.get(), pause_s)
            began = time.monotonic()
            now = snapshot(self._paths() | self._seen.keys())
            changed = frozenset(changes(self._seen, now))
            self._seen = now
            if changed:
                self._tell(f"changed: {one_of([display(Path(path)) for path in sorted(changed)], limit=3)}")
                return changed
            pause_s = max(_EVERY_S, _SHARE * (time.monotonic() - began))

    def _paths(self) -> set[str]:
        suite = self._suite
        files = files_of(suite.projects, suite.cases) if suite is not None else set()
        return files | files_in(self._folders) | self._blamed

    def _tell(self, text: str) -> None:
        click.echo(visible(text), err=True)


def _concerned(changed: frozenset[str], suite: Suite, cases: Sequence[Case], known: set[str]) -> list[Case]:
    """Those that depend on a changed file, and those that were not there before."""
    found = {case.id for case in cases if case.id not in known}
    for project in suite.projects:
        own = [case for case in cases if suite.root_of(case) == project.root]
        found |= {case.id for case in concerned(changed, project, own)}
    return [case for case in cases if case.id in found]


@contextlib.contextmanager
def _pressed_keys(pressed: asyncio.Queue[str]) -> Iterator[None]:
    """Each key at once, and not shown: the terminal is as it was afterwards."""
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read_keys() -> None:
        try:
            typed = os.read(terminal, 1024).decode(errors="replace")
        except OSError:
            typed = ""
        if not typed:  # the terminal is gone
            loop.remove_reader(terminal)
            pressed.put_nowait(_QUIT)
        for key in typed:
            if key in _KEYS:
                pressed.put_nowait(_KEYS[key])

    tty.setcbreak(terminal)
    loop.add_reader(terminal, read_keys)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
