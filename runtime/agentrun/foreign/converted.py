"""What came of a file of others: files of a project, and what could not be expressed. They are written all or none.

Knows how a project's files are read; nothing of the formats that others have.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from agentrun.diagnostics import Diagnostic, one_of, report
from agentrun.errors import SpecError, UsageError, reason_of
from agentrun.foreign.yaml_text import kind_of_file
from agentrun.spec.catalog import RawDocument, build
from agentrun.spec.nodes import text_of
from agentrun.spec.yaml_nodes import read_text


class NewFile(msgspec.Struct, frozen=True):
    """`path` is relative to the project, such as `tools.d/orders.yaml`."""

    path: str
    text: str


class Left(msgspec.Struct, frozen=True):
    """What could not be expressed: the line of the file that it came from (0: it has none), what stands there, and why.

    `of` is what has it, where many have the same: the operation of a parameter.
    """

    line: int
    what: str
    why: str
    of: str = ""


class Converted(msgspec.Struct):
    """`variables` are those that must be set, each with what it is for."""

    files: list[NewFile] = []
    left: list[Left] = []
    notes: list[str] = []
    variables: list[str] = []


def write_new(converted: Converted, folder: Path, *, force: bool) -> list[Path]:
    """Write the files below a folder, all or none; where they are. Raises `UsageError` before one that is there would
    be written over, and `SpecError` where one would not load.
    """
    paths = [folder / _inside(one.path) for one in converted.files]
    refuse_broken(converted.files)
    there = [one.path for one, path in zip(converted.files, paths, strict=True) if os.path.lexists(path)]
    if there and not force:
        raise UsageError(
            f"{_shown(folder)} already holds {one_of(there)}", help="nothing was written: `--force` writes over it"
        )
    with contextlib.ExitStack() as undo:
        try:
            for one, path in zip(converted.files, paths, strict=True):
                _make_folder(path.parent, undo)
                _write(path, one.text, undo, force=force)
        except OSError as error:
            where = getattr(error, "filename", None) or folder
            raise UsageError(f"`{where}` can't be written: {reason_of(error)}", help="nothing was written") from None
        undo.pop_all()
    return paths


def refuse_broken(files: Sequence[NewFile]) -> None:
    """Raises `SpecError` where what is to be written would not load."""
    found: list[Diagnostic] = []
    raw: list[RawDocument] = []
    for one in files:
        read = read_text(one.path, one.text)
        found += read.diagnostics
        for node in read.documents:
            name = text_of(node.get("name")) or PurePosixPath(one.path).stem
            raw.append(RawDocument(kind_of_file(one.path, node.content), one.path, name, node))
    catalog = build(raw, {})
    found += [one for document in catalog.documents() for one in document.diagnostics] + catalog.diagnostics
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise SpecError(report(errors, {one.path: one.text for one in files}))


def _inside(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.name:
        raise ValueError(f"{path!r} is no path of a file in a project")
    return pure


def _make_folder(folder: Path, undo: contextlib.ExitStack) -> None:
    for one in (*reversed(folder.parents), folder):
        if not one.is_dir():
            one.mkdir()
            undo.callback(_remove_folder, one)


def _remove_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _write(path: Path, text: str, undo: contextlib.ExitStack, *, force: bool) -> None:
    """Never over a file that appeared meanwhile. With `force`, what was there comes back if another file fails."""
    if force and path.is_file():
        target = Path(os.path.realpath(path))
        before = target.read_bytes()
        _replace(target, text.encode())
        undo.callback(_replace, target, before)
        return
    with path.open("x", encoding="utf-8", newline="\n") as file:
        undo.callback(path.unlink, missing_ok=True)
        file.write(text)


def _replace(target: Path, content: bytes) -> None:
    """All at once; the permissions stay."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _shown(folder: Path) -> str:
    return "the current folder" if folder == Path() else f"`{folder}`"
