"""Which files a project's tests depend on, whether one has changed, and which cases that concerns.

Looks at times and sizes; reads no file. Of Python modules those of a project count, which its tools name or which were
imported for them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from agentrun.project import Project
from agentrun.python_source import source_of
from agentrun.spec.catalog import Document
from agentrun.testing.plan import Case, needed
from agentrun.tools.python import forget_modules, loaded_files

Snapshot = Mapping[str, tuple[int, int, int]]  # what a change changes, by path

_SUFFIXES = (".yaml", ".yml")


def snapshot(paths: Iterable[str]) -> Snapshot:
    """Of the files that are there."""
    found = {}
    for path in paths:
        try:
            seen = os.stat(path)  # noqa: PTH116 - many, twice a second
        except OSError:
            continue
        found[path] = seen.st_mtime_ns, seen.st_size, seen.st_ino
    return found


def changes(before: Snapshot, now: Snapshot) -> set[str]:
    """The files that changed, came or went."""
    return {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}


def files_of(projects: Iterable[Project], cases: Iterable[Case]) -> set[str]:
    """All files that the projects were read from, their modules, and the cassettes of the cases."""
    found = {str(case.cassette) for case in cases if case.cassette is not None}
    for project in projects:
        found |= {*project.files, *project.unreadable, *loaded_files(project.root)}
        found |= _sources(project, project.catalog.documents())
    return set(map(_whole, found))


def modules_of(projects: Iterable[Project]) -> set[str]:
    """The files of what was imported for tools."""
    return {_whole(path) for project in projects for path in loaded_files(project.root)}


def forget(changed: Iterable[str], projects: Iterable[Project]) -> None:
    """Modules are imported anew once a Python file has changed."""
    if any(path.endswith(".py") for path in changed):
        for project in projects:
            forget_modules(project.root)


def folders_of(root: Path) -> list[Path]:
    """Where files of a project may come to stand."""
    return [root / name for name in ("agents", "tools.d", "tests")]


def files_in(folders: Iterable[Path]) -> set[str]:
    """The YAML files in some folders, at any depth, without what editors leave behind."""
    found = set()
    for folder in folders:
        for place, _, names in os.walk(folder):
            own = [name for name in names if name.endswith(_SUFFIXES) and name[0] != "."]
            found |= {_whole(os.path.join(place, name)) for name in own}  # noqa: PTH118
    return found


def concerned(changed: Collection[str], project: Project, cases: Iterable[Case]) -> list[Case]:
    """The cases of a project that depend on a changed file. One that belongs to nothing yet may concern them all."""
    wanted = list(cases)
    tests = {document.path: _files(project, document) for document in project.catalog.tests}
    cassettes = {_whole(str(case.cassette)) for case in wanted if case.cassette is not None}
    known = cassettes.union(*tests.values())
    if any(path not in known for path in changed if Path(path).is_relative_to(project.root)):
        return wanted
    return [
        case
        for case in wanted
        if not tests.get(case.file, set()).isdisjoint(changed)
        or (case.cassette is not None and _whole(str(case.cassette)) in changed)
    ]


def _files(project: Project, test: Document) -> set[str]:
    """The files that a test file was read from, with all that its agent reaches and what those extend."""
    places = {(one.kind, one.name): one.path for one in project.catalog.documents()}
    reached = needed(project, test)
    paths = {one.path for one in reached}
    paths |= {node.span.file for one in reached for _, node, _ in one.scalars}
    paths |= {places[one.kind, name] for one in reached for name in one.bases if (one.kind, name) in places}
    return set(map(_whole, paths | _sources(project, reached)))


def _sources(project: Project, documents: Iterable[Document]) -> set[str]:
    found = (source_of(one, project.root) for one in documents if one.kind == "tool")
    return {str(path) for path in found if path is not None}


def _whole(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - follows no link
