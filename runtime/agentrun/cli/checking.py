"""Paths of a command line to a report: which projects they belong to, and what is found in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from agentrun.diagnostics import Diagnostic, Report, one_of, report
from agentrun.discovery import display, find_root
from agentrun.errors import UsageError
from agentrun.project import Project, read_project
from agentrun.spec.catalog import Document
from agentrun.suppress import suppressed

_GLOB = "*?["
_YAML = (".yaml", ".yml")

K = TypeVar("K", bound=Hashable)


class Checked(msgspec.Struct, frozen=True, eq=False):
    """What was found, and the paths of all files that were checked."""

    report: Report
    files: frozenset[str]


class Checker:
    """Checks some paths. `texts` stand for the content of files, by absolute path: see `read_project`."""

    def __init__(
        self,
        paths: Sequence[Path],
        environ: Mapping[str, str],
        tools: Sequence[Path] = (),
        texts: Mapping[str, bytes] | None = None,
    ) -> None:
        for folder in tools:
            if not folder.is_dir():
                raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
        self.environ = environ
        self.tools = tools
        self.texts = texts or {}
        self.by_root: dict[Path, list[Path]] = {}
        for path in named(paths, self.texts) or [find_root(Path.cwd())]:
            self.by_root.setdefault(find_root(path), []).append(path)

    def parted(self, key: Callable[[Path], K]) -> dict[K, Checker]:
        """The projects for which the key is the same, each lot with a checker of its own."""
        parts: dict[K, list[Path]] = {}
        for root, paths in self.by_root.items():
            parts.setdefault(key(root), []).extend(paths)
        return {one: Checker(paths, self.environ, self.tools, self.texts) for one, paths in parts.items()}

    def __call__(self, texts: Mapping[str, bytes] | None = None, *, online: bool = False) -> Checked:
        """All findings but those that a comment silences; the files are read anew each time.

        `texts` stand for files over those that the checker was made with. With `online` model services are asked.
        """
        held = {**self.texts, **(texts or {})}
        parts = [self._project(root, wanted, held, online=online) for root, wanted in self.by_root.items()]
        return Checked(joined(one.report for one in parts), frozenset(path for one in parts for path in one.files))

    def _project(self, root: Path, wanted: list[Path], texts: Mapping[str, bytes], *, online: bool) -> Checked:
        files = [path for path in wanted if not path.is_dir()]
        project = read_project(root, self.environ, tools=self.tools, files=files, texts=texts)
        if not (project.files or project.unreadable):
            raise _nothing_in(root)
        is_whole = any(path.resolve() == root for path in wanted)
        if not is_whole:
            _refuse_folders_without_documents(project, wanted)
        under = set() if is_whole else project.files_under(wanted)
        documents = list(project.catalog.documents()) if is_whole else project.reached_from(under)
        told: list[Diagnostic] = []
        if online:
            from agentrun.online_documents import fetch_documents

            told, has_new = fetch_documents(project.catalog, documents, self.environ)
            if has_new:  # it is on this machine now, and can be read
                project = read_project(root, self.environ, tools=self.tools, files=files, texts=texts)
                documents = list(project.catalog.documents()) if is_whole else project.reached_from(under)
        further = set() if is_whole else _read_for(project, documents)
        concerned = project.files.keys() & (project.files.keys() if is_whole else under | further)
        found = project.report() if is_whole else project.report(documents, files=under)
        if online:
            found = _with_answers(found, told, documents, self.environ)
        sources = {path: text for path, text in project.sources.items() if path in concerned}
        # What is found in a base may come of a file that extends it, which is not looked at here.
        bases = set() if is_whole else further - {one.path for one in documents if not one.is_base}
        return Checked(suppressed(found, sources, is_whole=is_whole, unjudged=bases), frozenset(concerned))


def joined(parts: Iterable[Report]) -> Report:
    """Reports of several projects as one."""
    reports = list(parts)
    found = [one for part in reports for one in part.diagnostics]
    return report(found, {path: text for part in reports for path, text in part.sources.items()})


def _read_for(project: Project, documents: Iterable[Document]) -> set[str]:
    """The files that documents were read from: their own, those that they name, and those of their bases."""
    places = {(one.kind, one.name): one.path for one in project.catalog.documents()}
    chosen = list(documents)
    return (
        {one.path for one in chosen}
        | {node.span.file for one in chosen for _, node, _ in one.scalars}
        | {places[one.kind, name] for one in chosen for name in one.bases if (one.kind, name) in places}
    )


def _refuse_folders_without_documents(project: Project, wanted: Iterable[Path]) -> None:
    for folder in (path for path in wanted if path.is_dir()):
        under = project.files_under([folder])
        if not project.reached_from(under) and under.isdisjoint(project.unreadable):
            raise UsageError(f"there are no agents, tools or tests in `{folder}`", help="name the files")


def _nothing_in(root: Path) -> UsageError:
    below = projects_below(root)
    if below:
        help = f"name the projects below it: {one_of(map(display, below))}"
    else:
        help = "`agentrun init` makes a project to start from"
    return UsageError(f"there are no agents and no tools in `{display(root)}`", help=help)


def projects_below(folder: Path) -> list[Path]:
    """Folders at most three levels down that hold agents or tools."""
    found: list[Path] = []
    for place, inside, _ in os.walk(folder):
        if "agents" in inside or "tools.d" in inside:
            found.append(Path(place))
        is_deep = len(Path(place).relative_to(folder).parts) > 2
        inside[:] = [] if is_deep else [name for name in inside if name[0] != "." and name != "node_modules"]
    return sorted(found)


def named(paths: Iterable[Path], texts: Container[str] = ()) -> list[Path]:
    """The paths that were written, globs replaced by what they match. `texts` are files that need not be there."""
    found: list[Path] = []
    for path in paths:
        if path.exists() or os.path.abspath(path) in texts:  # noqa: PTH100 - follows no link
            refuse_other_files(path)
            found.append(path)
        elif any(mark in str(path) for mark in _GLOB):
            found += _matching(path)
        else:
            raise UsageError(f"there is no `{path}`", help="pass a file or a folder")
    return found


def refuse_other_files(path: Path) -> None:
    if path.suffix not in _YAML and not path.is_dir():
        raise UsageError(f"`{path}` is no YAML file", help="agents, tools and tests are")


def _with_answers(
    found: Report, told: list[Diagnostic], documents: list[Document], environ: Mapping[str, str]
) -> Report:
    """`told` are findings about what was fetched: where a document could be asked for, that says more than before."""
    from agentrun.online import check_models

    places = {one.span for one in told}
    before = [one for one in found.diagnostics if one.code != "AR624" or one.span not in places]
    return report([*before, *told, *check_models(documents, environ)], found.sources)


def _matching(pattern: Path) -> list[Path]:
    import glob

    found = sorted(Path(one) for one in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - takes absolute ones
    if not found:
        raise UsageError(f"`{pattern}` matches no file")
    chosen = [path for path in found if path.suffix in _YAML or path.is_dir()]
    if not chosen:
        raise UsageError(f"`{pattern}` matches no YAML file", help="agents, tools and tests are")
    return chosen
