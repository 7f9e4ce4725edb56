"""Paths of a command line to test cases: which projects they belong to, and whether those may be run.

All files that the cases need are checked before one of them is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.cli.checking import joined, named, projects_below
from agentrun.diagnostics import Report, one_of
from agentrun.discovery import TEST_ENDING, display, find_root
from agentrun.errors import SpecError, UsageError
from agentrun.project import Project, read_project
from agentrun.spec.nodes import text_of
from agentrun.suppress import accepted
from agentrun.testing.bench import Bench, Benches, Variables
from agentrun.testing.plan import Case, cases_of, needed, variables_of
from agentrun.testing.selection import of_name

_MARK = "::"


class Suite(msgspec.Struct, frozen=True, eq=False):
    """The cases that some paths name, in the order of the projects and of their files."""

    cases: list[Case]
    benches: Benches
    projects: list[Project]

    @property
    def sources(self) -> dict[str, str]:
        """The text of each file, by the path that places show."""
        return {path: text for project in self.projects for path, text in project.sources.items()}

    def root_of(self, case: Case) -> Path:
        return self.benches.of(case).project().root


class _Wanted(msgspec.Struct):
    """What is wanted of one project: paths, and single cases by their name, each with the files that may hold it."""

    paths: list[Path] = []
    names: dict[str, list[Path]] = {}

    @property
    def places(self) -> list[Path]:
        return [*self.paths, *(path for paths in self.names.values() for path in paths)]


def read_suite(
    paths: Sequence[Path], environ: Mapping[str, str], *, tools: Sequence[Path] = (), model: str | None = None
) -> Suite:
    """Raises `SpecError` with the errors of all files that the cases need."""
    for folder in tools:
        if not folder.is_dir():
            raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
    cases: list[Case] = []
    by_file: dict[str, Bench] = {}
    projects: list[Project] = []
    reports: list[Report] = []
    for root, wanted in _by_root(paths).items():
        further = [path for path in wanted.places if not path.is_dir()]
        project = read_project(root, environ, tools=tools, files=further)
        bench = Bench(project, environ, tools=tools, files=further, model=model)
        files = _test_files(project, wanted)
        projects.append(project)
        reports += _checked(bench, project, files)
        by_file |= dict.fromkeys(files, bench)
        cases += _cases(project, files, wanted)
    found = joined(reports)
    if found.errors:
        errors = tuple(one for one in found.diagnostics if one.severity == "error")
        raise SpecError(msgspec.structs.replace(found, diagnostics=errors))
    return Suite(cases, Benches(by_file), projects)


def roots_of(paths: Sequence[Path]) -> list[Path]:
    """The projects that the paths belong to."""
    return list(_by_root(paths))


def _by_root(paths: Sequence[Path]) -> dict[Path, _Wanted]:
    """The projects of the paths; of the current folder where there are none."""
    found: dict[Path, _Wanted] = {}
    for written in paths or [find_root(Path.cwd())]:
        path, name = split_case(written)
        for one in named([path]):
            wanted = found.setdefault(find_root(one), _Wanted())
            if name is None:
                wanted.paths.append(one)
            else:
                wanted.names.setdefault(name, []).append(one)
    return found


def split_case(written: Path) -> tuple[Path, str | None]:
    """`FILE::CASE`, where no file is called so. The mark may stand in both names: the file is the one that is there."""
    text = str(written)
    ends = [found.start() for found in re.finditer(_MARK, text)]
    if not ends or os.path.lexists(written):
        return written, None
    end = next((one for one in ends if Path(text[:one]).is_file()), ends[0])
    file, name = text[:end], text[end + len(_MARK) :]
    if not name or not file:
        raise UsageError(f"`{written}` is not of the form FILE{_MARK}CASE")
    if Path(file).is_dir():
        raise UsageError(f"`{file}` is a folder, and a case is named with its file", help=f"write FILE{_MARK}CASE")
    return Path(file), name


def _test_files(project: Project, wanted: _Wanted) -> set[str]:
    """The test files among what is wanted, also those that could not be read."""
    tests = {document.path for document in project.catalog.tests}
    unread = {path for path in project.unreadable if ".test.y" in path}
    found: set[str] = set()
    for path in wanted.places:
        of_tests = _under(project, path) & (tests | unread)
        if not of_tests:
            raise _no_tests(project, path)
        found |= of_tests
    return found


def _no_tests(project: Project, path: Path) -> UsageError:
    whole = path.resolve()
    if path.is_dir():
        below = projects_below(whole) if whole == project.root else []
        others = [display(one) for one in below if (one / "tests").is_dir()]
        strays = [display(one) for one in sorted(path.glob(f"*{TEST_ENDING}"))]
        help = f"write them to `tests/NAME{TEST_ENDING}`"
        if others:
            help = f"name the projects below it: {one_of(others)}"
        elif strays:
            help = f"a project's tests stand in its `tests/`; others are named one by one: {one_of(strays)}"
        return UsageError(f"there are no test files in `{display(path)}`", help=help)
    agents = [one.name for one in project.catalog.agents.values() if Path(one.path).resolve() == whole]
    of_agents = [one.path for one in project.catalog.tests if text_of(one.node.get("agent")) in agents]
    help = f"its tests: {one_of(of_agents)}" if of_agents else f"the name of a test file ends in `{TEST_ENDING}`"
    return UsageError(f"`{path}` is no test file", help=help)


def _checked(bench: Bench, project: Project, files: set[str]) -> list[Report]:
    """What is found in the files and all that they need, each with the variables that it sets."""
    groups: dict[Variables, set[str]] = {}
    for document in project.catalog.tests:
        if document.path in files:
            groups.setdefault(frozenset(variables_of(document).items()), set()).add(document.path)
    unread = files - {document.path for document in project.catalog.tests}
    if unread:
        groups.setdefault(frozenset(), set()).update(unread)
    reports = []
    for variables, group in groups.items():
        part = bench.project(variables)
        tests = [document for document in part.catalog.tests if document.path in group]
        documents = dict.fromkeys(one for document in tests for one in needed(part, document))
        reports.append(accepted(part.report(documents, files=group), part.sources))
    return reports


def _cases(project: Project, files: set[str], wanted: _Wanted) -> list[Case]:
    """In the order of the files; of those that are wanted as a whole all, of the others those that are named."""
    read = [one for one in project.catalog.tests if one.path in files and one.spec is not None]
    by_file = {document.path: cases_of([document]) for document in read}
    whole = {path for one in wanted.paths for path in _under(project, one)}
    chosen: set[str] = set()
    for name, paths in wanted.names.items():
        under = project.files_under(paths)
        here = [file for file in by_file if file in under]
        if here:  # else it has errors, which are told
            cases = [case for file in here for case in by_file[file]]
            chosen |= {case.id for case in of_name(cases, one_of(here, limit=3), name)}
    return [case for file, cases in by_file.items() for case in cases if file in whole or case.id in chosen]


def _under(project: Project, path: Path) -> set[str]:
    """The project's folder stands for all of its files, wherever they are."""
    if path.resolve() == project.root:
        return {*project.files, *project.unreadable}
    return project.files_under([path])
