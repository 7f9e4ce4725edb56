"""What only the disk shows: paths of a tool's wiring, and of a test's cassettes, where nothing is.

Looks whether a path is there, and opens and runs nothing. Only relative paths are looked at: they belong to the
project, while `/var/log` may well be missing where the files are checked and be there where the agent runs. For the
same reason no program is looked up on PATH.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agentrun.diagnostics import Diagnostic
from agentrun.places import folder_of, part_folders, working_directory
from agentrun.spec.case_types import TestSpec
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node, Route
from agentrun.spec.types import HttpSpec, PartSpec, SandboxSpec, ShellSpec, ToolSpec
from agentrun.spec.wording import shown

_RELATIVE = "the path is relative to the file that names it"
_FROM_CWD = "a path to a program is relative to `cwd`, which is the folder of the file if it isn't written"


def missing_on_disk(document: Document) -> Iterator[Diagnostic]:
    """Findings of a tool or test file that nothing else was found wrong with."""
    spec = document.spec
    if isinstance(spec, TestSpec):
        yield from _of_cassettes(document, spec)
    if not isinstance(spec, ToolSpec):
        return
    if spec.shell is not None:
        yield from _of_a_command(document, spec.shell)
    if spec.http is not None:
        yield from _of_a_body(document, spec.http)


def _of_cassettes(document: Document, test: TestSpec) -> Iterator[Diagnostic]:
    """A warning, as of other paths: one that is recorded for the first time is not there yet."""
    routes: list[Route] = [("cassette",), *(("cases", index, "cassette") for index in range(len(test.cases)))]
    for route in routes:
        node = _relative(document, route)
        if node is not None and not _is_there(folder_of(document, *route) / node.content):
            help = f"{_RELATIVE}; `agentrun test --cassettes record` makes it"
            yield _nothing(node, f"the cassette {shown(node.content)} is not there", help)


def _of_a_command(document: Document, shell: ShellSpec) -> Iterator[Diagnostic]:
    cwd = _relative(document, ("shell", "cwd"))
    folder = working_directory(document)
    if cwd is not None and not _is_folder(folder):
        yield _nothing(cwd, f"the folder {shown(cwd.content)} is not there", _RELATIVE)
    elif _is_folder(folder):
        yield from _of_a_program(document, folder)
    sandbox = shell.sandbox
    for index, path in enumerate(sandbox.write if isinstance(sandbox, SandboxSpec) else ()):
        route = ("shell", "sandbox", "write", index)
        node = _relative(document, route)
        if node is not None and not _is_there(folder_of(document, *route) / path):
            help = f"{_RELATIVE}; make it before: a sandbox can only open what is there"
            yield _nothing(node, f"the path {shown(path)} is not there", help)


def _of_a_program(document: Document, folder: Path) -> Iterator[Diagnostic]:
    """A program that is named by a path: relative to the working directory, as the system takes it."""
    node = _relative(document, ("shell", "command", 0))
    if node is None or "/" not in node.content or "{{" in node.content:
        return
    path = folder / node.content
    if not _is_there(path):
        yield Diagnostic("AR615", "warning", f"the program {shown(node.content)} is not there", node.span, _FROM_CWD)
    elif _is_folder(path) or not os.access(path, os.X_OK):
        what = "is a folder" if _is_folder(path) else "can't be executed"
        help = _FROM_CWD if _is_folder(path) else "make it executable (`chmod +x`), or write its interpreter before it"
        yield Diagnostic("AR615", "warning", f"the program {shown(node.content)} {what}", node.span, help)


def _of_a_body(document: Document, http: HttpSpec) -> Iterator[Diagnostic]:
    folders = part_folders(document)
    for name, part in (http.multipart or {}).items():
        if not isinstance(part, PartSpec) or part.file is None:
            continue
        route = ("http", "multipart", name)
        root, file = _relative(document, (*route, "root")), _relative(document, (*route, "file"))
        if part.root is not None and not _is_known(document, (*route, "root")):
            continue
        if root is not None and not _is_folder(folders[name]):
            yield _nothing(root, f"the folder {shown(root.content)} is not there", _RELATIVE)
        elif file is not None and "{{" not in file.content and not _is_there(folders[name] / file.content):
            help = "the path is relative to `root`" if part.root is not None else _RELATIVE
            yield _nothing(file, f"the file {shown(file.content)} is not there", help)


def _relative(document: Document, route: Route) -> Node | None:
    """The relative path at a route, if one is written there and is known."""
    node = document.node.get(*route)
    if node is None or not isinstance(node.content, str) or not _is_known(document, route):
        return None
    return None if not node.content or "\0" in node.content or Path(node.content).is_absolute() else node


def _is_there(path: Path) -> bool:
    """A path that is too long for the system, too, is nowhere: methods of `Path` raise an error about it."""
    return os.path.exists(path)  # noqa: PTH110


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _is_known(document: Document, route: Route) -> bool:
    return route not in document.unknown


def _nothing(node: Node, message: str, help: str) -> Diagnostic:
    return Diagnostic("AR614", "warning", message, node.span, help)
