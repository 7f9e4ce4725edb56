"""Paths of a command line to a report: which projects they belong to, and what is found in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from agentrun.diagnostics import Report, report
from agentrun.discovery import find_root
from agentrun.errors import UsageError
from agentrun.project import read_project
from agentrun.spec.catalog import Document
from agentrun.suppress import suppressed

_GLOB = "*?["


K = TypeVar("K", bound=Hashable)


class Checked(msgspec.Struct, frozen=True, eq=False):
    """What was found, the paths of all files that were checked, and their documents."""

    report: Report
    files: frozenset[str]
    documents: list[Document]


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
        for path in self._named(paths) or [find_root(Path.cwd())]:
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
        found = [finding for one in parts for finding in one.report.diagnostics]
        sources = {path: text for one in parts for path, text in one.report.sources.items()}
        files = frozenset(path for one in parts for path in one.files)
        return Checked(report(found, sources), files, [document for one in parts for document in one.documents])

    def _project(self, root: Path, wanted: list[Path], texts: Mapping[str, bytes], *, online: bool) -> Checked:
        named = [path for path in wanted if not path.is_dir()]
        project = read_project(root, self.environ, tools=self.tools, files=named, texts=texts)
        if not (project.files or project.unreadable):
            help = "`agentrun init` makes a project to start from"
            raise UsageError(f"there are no agents and no tools in `{root}`", help=help)
        is_whole = any(path.resolve() == root for path in wanted)
        documents = list(project.catalog.documents()) if is_whole else project.under(wanted)
        files = frozenset(project.files if is_whole else (document.path for document in documents))
        found = project.report(None if is_whole else documents)
        if online:
            found = _with_answers(found, documents, self.environ)
        sources = {path: text for path, text in project.sources.items() if path in files}
        # What is found in a base may come of a file that extends it, which is not looked at here.
        bases = frozenset() if is_whole else frozenset(document.path for document in documents if document.is_base)
        return Checked(suppressed(found, sources, is_whole=is_whole, unjudged=bases), files, documents)

    def _named(self, paths: Iterable[Path]) -> list[Path]:
        """The paths that were written, globs replaced by what they match."""
        found: list[Path] = []
        for path in paths:
            if path.exists() or os.path.abspath(path) in self.texts:  # noqa: PTH100 - follows no link
                found.append(path)
            elif any(mark in str(path) for mark in _GLOB):
                found += _matching(path)
            else:
                raise UsageError(f"there is no `{path}`", help="pass a file or a folder")
        return found


def _with_answers(found: Report, documents: list[Document], environ: Mapping[str, str]) -> Report:
    from agentrun.online import check_models

    return report([*found.diagnostics, *check_models(documents, environ)], found.sources)


def _matching(pattern: Path) -> list[Path]:
    import glob

    found = sorted(Path(one) for one in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - takes absolute ones
    if not found:
        raise UsageError(f"`{pattern}` matches no file")
    return found


def read_stdin(name: Path | None) -> dict[str, bytes]:
    """What stands on standard input, as the content of the file `name`."""
    if name is None:
        raise UsageError(
            "`-` reads a file from standard input, and its name is not known",
            help="add `--stdin-filename agents/NAME.yaml`",
        )
    if name.is_dir():
        raise UsageError(f"`--stdin-filename {name}` is a folder", help="name the file that `-` is the content of")
    return {os.path.abspath(name): sys.stdin.buffer.read()}  # noqa: PTH100
