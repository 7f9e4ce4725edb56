"""What is wrong with the files that test cases attach: such as are not there, or that no model takes.

They are read as a run reads them, each once for as long as it stays as it is. Only relative paths are looked at: they
belong to the project.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from agentrun.attachments import Attachment, check_together, read_attachment
from agentrun.diagnostics import Diagnostic, Span
from agentrun.errors import UsageError
from agentrun.spec.case_types import TestSpec
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Route

_KEPT = 256  # files


def attachment_findings(document: Document) -> Iterator[Diagnostic]:
    """Findings of a sound test file; of the cases that one with `each` makes, each once."""
    told: dict[tuple[Span, str], Diagnostic] = {}
    for route, paths in _lists(document.spec):
        for one in _of_a_message(document, route, paths):
            told.setdefault((one.span, one.message), one)
    yield from told.values()


def _lists(test: TestSpec) -> Iterator[tuple[Route, list[str]]]:
    for index, case in enumerate(test.cases):
        yield ("cases", index, "attach"), case.attach
        for number, step in enumerate(case.conversation or ()):
            yield ("cases", index, "conversation", number, "attach"), step.attach


def _of_a_message(document: Document, route: Route, paths: list[str]) -> Iterator[Diagnostic]:
    files: list[Attachment] = []
    for index, written in enumerate(paths):
        node = document.node.get(*route, index)
        if node is None or (*route, index) in document.unknown or Path(written).is_absolute():
            continue
        try:
            files.append(_file(Path(os.path.normpath(Path(document.path).parent / written))))
        except UsageError as error:
            yield Diagnostic("AR922", "error", error.message, node.span, error.help)
    try:
        check_together(files)
    except UsageError as error:
        place = document.node.key_place(route)
        yield Diagnostic("AR922", "error", error.message, place, error.help)


def _file(path: Path) -> Attachment:
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return read_attachment(path)  # which says why
    found = _known(path, (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_mode))
    if isinstance(found, UsageError):
        raise found
    return found


@lru_cache(_KEPT)
def _known(path: Path, stamp: tuple[int, ...]) -> Attachment | UsageError:
    """Without its content. `stamp` is another one once the file has changed."""
    try:
        return msgspec.structs.replace(read_attachment(path), parts=())
    except UsageError as error:
        return error
