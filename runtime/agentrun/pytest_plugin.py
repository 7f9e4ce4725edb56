"""pytest collects `*.test.yaml`: a file is a collector, a case an item.

Loaded at the start of every pytest run where agentrun is installed: all else of agentrun is imported when the first
such file is met. Each case runs in an event loop of its own; agents are bound once, and their connections are closed
with the loop.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agentrun.testing.plan import Case
    from agentrun.testing.reports.look import Look
    from agentrun.testing.results import CaseResult
    from agentrun.testing.shelf import Shelf

_SUFFIX = ".test.yaml"
_MAX_NAME_CHARS = 200
_MAX_SUMMARY_CHARS = 300
_STYLES: dict[str, dict[str, bool]] = {
    "passed": {"green": True},
    "error": {"red": True},
    "warning": {"yellow": True},
    "info": {"cyan": True},
    "tool": {"purple": True},
    "dim": {"light": True},
    "bold": {"bold": True},
}
# What `-m` can name; and pytest's own words in its expressions.
_TAG = re.compile(r"(?!(?:and|or|not|None|True|False)$)[^\W_][\w.+/-]*")


class AgentrunWarning(pytest.PytestWarning):
    """Something about a case that passed."""


class _NotPassed(Exception):
    """A case that failed, or could not be measured."""

    def __init__(self, result: CaseResult) -> None:
        super().__init__(result.status)
        self.result = result


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("agentrun_tests", "Collect the *.test.yaml files of agentrun projects.", type="bool", default=True)
    parser.addini("agentrun_tools", "Further folders of tools for agentrun projects.", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "live: a case of agentrun that asks a real model")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not file_path.name.endswith(_SUFFIX) or not parent.config.getini("agentrun_tests"):
        return None
    is_named = parent.session.isinitpath(file_path)
    if not (is_named or _belongs_to_a_project(file_path)):
        return None
    return AgentrunFile.from_parent(parent, path=file_path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """While a case has `only`, the other cases are not run; tests of other kinds are."""
    if any(isinstance(one, AgentrunCase) and one.case.only for one in items):
        left_out = [one for one in items if isinstance(one, AgentrunCase) and not one.case.only]
        items[:] = [one for one in items if one not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, _NotPassed) and error.result.status == "unmeasured":
        report.__dict__["agentrun_status"] = "unmeasured"
        report.when = "setup"  # to pytest, and to those that read its reports, what fails there is an error
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """What could not be measured is an error, apart from what failed."""
    if getattr(report, "agentrun_status", None) == "unmeasured":
        return "error", "E", "UNMEASURED"
    return None


def _belongs_to_a_project(path: Path) -> bool:
    """Whether `agentrun test` reads it: it stands in the `tests/` of the nearest project."""
    from agentrun.discovery import find_root

    if path.name.startswith("."):
        return False
    root = find_root(path)
    return path.parent.resolve().is_relative_to(root / "tests")


class AgentrunFile(pytest.File):
    """A test file. Its cases are read with its project."""

    def collect(self) -> Iterable[AgentrunCase]:
        from agentrun.testing.shelf import InvalidFile

        try:
            shelf = _shelf(self.config, self.path)
            cases = shelf.cases(self.path)
        except InvalidFile as error:
            raise self.CollectError(str(error)) from None
        taken: set[str] = set()
        for case in cases:
            name = next(one for one in _names(case) if one not in taken)
            taken.add(name)
            yield AgentrunCase.from_parent(self, name=name, case=case, shelf=shelf)


class AgentrunCase(pytest.Item):
    def __init__(self, *, case: Case, shelf: Shelf, **options: Any) -> None:
        super().__init__(**options)
        self.case = case
        self.shelf = shelf
        if case.skip is not None:
            self.add_marker(pytest.mark.skip(reason=case.skip))
        if case.is_live:
            self.add_marker(pytest.mark.live)
        for tag in case.tags:
            self.extra_keyword_matches.add(tag)
            if _may_be_a_marker(self.config, tag):
                self.add_marker(tag)

    def runtest(self) -> None:
        import asyncio

        from agentrun.testing.runner import Manner, Runner

        tapes = self.shelf.tapes if self.case.source == "cassette" else None
        # With a factory, the loop is not made the thread's: other tests may have one of their own.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as loop:
            (result,) = loop.run(Runner([self.case], self.shelf.bench, Manner(tapes=tapes)).run()).results
        for warning in dict.fromkeys(one for attempt in result.attempts for one in attempt.warnings):
            self.warn(AgentrunWarning(warning))
        if result.status == "skipped":
            pytest.skip(result.why)
        if result.status != "passed":
            raise _NotPassed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, _NotPassed):
            return _Shown(self, excinfo.value.result)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.span.line - 1, self.name


def _names(case: Case) -> Iterator[str]:
    """What an item may be called. Names that differ may be shown alike; and `::` is pytest's, between parts of ids."""
    from agentrun.visible import one_line

    name = one_line(case.name, _MAX_NAME_CHARS).replace("::", ":")
    yield name
    yield from (f"{name} ({number})" for number in count(2))


def _may_be_a_marker(config: pytest.Config, tag: str) -> bool:
    """Makes it known to pytest. Not a marker with arguments, such as `skip(reason)`: it does more than mark."""
    known = [one.partition(":")[0].strip() for one in config.getini("markers")]
    if _TAG.fullmatch(tag) is None or any(one.startswith(f"{tag}(") for one in known):
        return False
    if tag not in known:
        config.addinivalue_line("markers", f"{tag}: a tag of agentrun cases")
    return True


_SHELVES = pytest.StashKey[dict[Path, "Shelf"]]()


def _shelf(config: pytest.Config, file: Path) -> Shelf:
    """That of the file's project; a file that stands elsewhere and was named has one of its own."""
    from agentrun.discovery import find_root
    from agentrun.testing.shelf import InvalidFile, Shelf

    shelves = config.stash.setdefault(_SHELVES, {})
    belongs = _belongs_to_a_project(file)
    key = find_root(file) if belongs else file
    if key not in shelves:
        files, tools = () if belongs else (file,), config.getini("agentrun_tools")
        if missing := [str(folder) for folder in tools if not folder.is_dir()]:
            raise InvalidFile(f"`agentrun_tools` names a folder that is not there: {', '.join(missing)}")
        shelves[key] = Shelf(find_root(file), os.environ, files=files, tools=tools)
    return shelves[key]


# -- what is shown ------------------------------------------------------------------------------------------------


class _Crash:
    """Where and why, on one line: what pytest's summary shows."""

    def __init__(self, path: str, line: int, message: str) -> None:
        self.path = path
        self.lineno = line
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


class _Shown:
    """What came of a case, in the place of a traceback."""

    def __init__(self, item: AgentrunCase, result: CaseResult) -> None:
        from agentrun.visible import in_a_line, one_line

        self._result = result
        self._sources = item.shelf.project.sources
        attempt = result.shown
        first = attempt.failures[0] if attempt is not None and attempt.failures else None
        span = first.span if first is not None else result.case.span
        message = first.message if first is not None else self._unmeasured()
        self.reprcrash = _Crash(in_a_line(span.file), span.line, one_line(message, _MAX_SUMMARY_CHARS))

    def _unmeasured(self) -> str:
        from agentrun.testing.reports.summary import why_unmeasured

        return f"could not be measured: {why_unmeasured(self._result)}"

    def lines(self, look: Look) -> list[str]:
        from agentrun.testing.reports.failed import failed_alone
        from agentrun.visible import in_a_line

        if self._result.status == "failed":
            return failed_alone(self._result, self._sources, look)  # its name stands above
        return look.indented(in_a_line(f"{self._result.case.span}: {self._unmeasured()}"), "")

    def toterminal(self, terminal: Any) -> None:
        from agentrun.testing.reports.look import Look

        def paint(text: str, style: str) -> str:
            marked: str = terminal.markup(text, **_STYLES.get(style, {}))
            return marked

        for line in self.lines(Look(width=terminal.fullwidth, paint=paint)):
            terminal.line(line)

    def __str__(self) -> str:
        from agentrun.testing.reports.look import Look

        shown = self.lines(Look())
        # Where the object itself is not at hand, as in another process, pytest sums up with the first line.
        return "\n".join([str(self.reprcrash), *shown] if self._result.status == "failed" else shown)
