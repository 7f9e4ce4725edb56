"""A project's test files for a test framework: read once, with the cases of each file, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agentrun.diagnostics import Report
from agentrun.discovery import display
from agentrun.errors import SpecError
from agentrun.markup.secret_lines import lines_to_show
from agentrun.markup.snippet import snippet
from agentrun.project import read_project
from agentrun.resolve import check_runnable
from agentrun.testing.bench import Bench
from agentrun.testing.plan import Case, cases_of, needed, variables_of
from agentrun.visible import in_a_line

if TYPE_CHECKING:
    from agentrun.testing.tapes import Tapes

_WIDTH = 120


class InvalidFile(Exception):
    """A file that can't be run. The text lists what `agentrun validate` finds."""


class Shelf:
    """`files` are further test files, which stand outside of the project's `tests/`."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], *, files: Sequence[Path] = (), tools: Sequence[Path] = ()
    ) -> None:
        self.project = read_project(root, environ, tools=tools, files=files)
        self.bench = Bench(self.project, environ, tools=tools, files=files)
        self._documents = {Path(one.path).resolve(): one for one in self.project.catalog.tests}
        self._cases: dict[str, list[Case]] = {}
        for case in cases_of(self.project.catalog.tests):
            self._cases.setdefault(case.file, []).append(case)

    @cached_property
    def tapes(self) -> Tapes:
        """Cassettes are played, and never recorded here."""
        from agentrun.testing.tapes import Tapes

        return Tapes("replay")

    def cases(self, file: Path) -> list[Case]:
        """The cases of a file. Raises `InvalidFile` where it, or the agent that it tests, has errors."""
        document = self._documents.get(file.resolve())
        if document is None:
            raise InvalidFile(_findings(self.project.report([], files=[display(file)])) or f"{file.name} is not read")
        # Whether an agent is sound may depend on the variables that the file sets.
        project = self.bench.project(frozenset(variables_of(document).items()))
        tests = (one for one in project.catalog.tests if one.path == document.path)
        try:
            check_runnable(project, [one for test in tests for one in needed(project, test)], unset=True)
        except SpecError as error:
            raise InvalidFile(_findings(error.report)) from None
        return self._cases.get(document.path, [])


def _findings(report: Report) -> str:
    told: list[str] = []
    for one in report.diagnostics:
        if one.severity != "error":
            continue
        told.append(in_a_line(f"{one.span}: {one.code} {one.message}"))
        told += snippet(lines_to_show(one.span, report.sources), one.span, _WIDTH)
        if one.help:
            told.append(in_a_line(f"  help: {one.help}"))
    return "\n".join(told)
