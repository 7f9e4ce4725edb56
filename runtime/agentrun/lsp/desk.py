"""The open files and the projects they belong to: which are read, what was found, what was last understood.

Knows texts and paths, nothing of the protocol. `Desk.check` may run in a thread: it takes what it needs and gives
what it found; the desk changes with `settle` only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.diagnostics import Report
from agentrun.discovery import display, find_root
from agentrun.lsp.view import View, nodes_of
from agentrun.project import Project, read_project
from agentrun.spec.catalog import Document
from agentrun.spec.schema import Kind
from agentrun.spec.yaml_nodes import MAX_BYTES
from agentrun.suppress import suppressed

_SCHEMA = re.compile(r"^#.*\$schema=\S*\b(agent|test)\.schema\.json", re.MULTILINE)
_AGENT_KEYS = (re.compile(r"^model:", re.MULTILINE), re.compile(r"^(?:system_prompt|tools):", re.MULTILINE))


class Open(msgspec.Struct, frozen=True):
    """A file as the editor holds it."""

    uri: str
    path: Path
    version: int | None
    text: str


class Checked(msgspec.Struct, frozen=True, eq=False):
    """A project, what is told of it, and the open files that it was read with."""

    root: Path
    project: Project
    report: Report
    files: dict[str, Open]


class Desk:
    """`told` gives the findings that a project wants to be told: its root and all that was found are passed."""

    def __init__(
        self, environ: Mapping[str, str], tools: Sequence[Path], told: Callable[[Path, Report], Report]
    ) -> None:
        self.environ = environ
        self.tools = tools
        self.told = told
        self.files: dict[str, Open] = {}
        self.checked: dict[Path, Checked] = {}
        self.known: dict[str, list[Document | None]] = {}

    def hold(self, file: Open) -> Path:
        """Take a new text; the root of its project."""
        self.files[file.uri] = file
        return find_root(file.path)

    def drop(self, uri: str) -> Path | None:
        file = self.files.pop(uri, None)
        return find_root(file.path) if file is not None else None

    def open_in(self, root: Path) -> list[Open]:
        return [file for file in self.files.values() if find_root(file.path) == root]

    def check(self, root: Path, files: Sequence[Open]) -> Checked:
        """Read a project with these files as the editor holds them."""
        texts = {name: file.text.encode("utf-8", "replace") for file in files for name in _names(file.path)}
        named = [file.path for file in files if kind_of(file, root, self.tools) is not None]
        project = read_project(root, self.environ, tools=self.tools, files=named, texts=texts)
        found = suppressed(project.report(), project.sources)
        return Checked(root, project, self.told(root, found), {file.uri: file for file in files})

    def settle(self, checked: Checked) -> None:
        """Take what a check found for what is known now."""
        self.checked[checked.root] = checked
        self.known |= _documents(checked.project)

    def view(self, file: Open, offset: int) -> View | None:
        """What is known around a place of a file that belongs to a checked project."""
        root = find_root(file.path)
        kind, checked = kind_of(file, root, self.tools), self.checked.get(root)
        if kind is None or checked is None or len(file.text) > MAX_BYTES:
            return None
        known = next((self.known[name] for name in map(_shown, _names(file.path)) if name in self.known), [])
        return View(kind, file.path, root, file.text, checked.project.catalog, known, nodes_of(file.text, offset))


def kind_of(file: Open, root: Path, tools: Sequence[Path] = ()) -> Kind | None:
    """What a file is to the project; None where it is none of its files.

    An agent may stand anywhere, so a file elsewhere counts where it names its schema, or has the keys of one.
    """
    folder, name = file.path.parent.resolve(), file.path.name
    if not name.endswith((".yaml", ".yml")) or name.startswith("."):
        return None
    if folder == root / "agents":
        return "agent"
    if folder in (root / "tools.d", *(one.resolve() for one in tools)):
        return "tool"
    is_test = name.endswith(".test.yaml")
    if is_test and root / "tests" in (folder, *folder.parents):
        return "test"
    named = _SCHEMA.search(file.text)
    if named is not None:
        return "test" if named[1] == "test" and is_test else "agent" if named[1] == "agent" and not is_test else None
    is_agent = not is_test and folder.name != "tools.d" and all(key.search(file.text) for key in _AGENT_KEYS)
    return "agent" if is_agent else None


def _names(path: Path) -> list[str]:
    """The absolute paths that may stand for a file: an editor may have come through a link."""
    return list(dict.fromkeys([os.path.abspath(path), str(path.parent.resolve() / path.name), str(path.resolve())]))  # noqa: PTH100


def _shown(name: str) -> str:
    return display(Path(name))


def shown_names(path: Path) -> list[str]:
    """How findings may name a file."""
    return [_shown(name) for name in _names(path)]


def _documents(project: Project) -> dict[str, list[Document | None]]:
    """The documents of each file in their order, merged with their bases; None where another has its name."""
    catalog = project.catalog
    every = [*catalog.agents.values(), *catalog.tools.values(), *catalog.tests, *catalog.bases]
    by_place = {(document.path, document.node.span.line): document for document in every}
    return {
        shown: [by_place.get((shown, node.span.line)) for node in read.documents]
        for shown, read in project.files.items()
        if not read.stopped
    }
