"""The house layout of an open file, as one change to its text."""

from __future__ import annotations

import logging

from agentrun.layout import lay_out
from agentrun.lsp.desk import Open
from agentrun.spec.schema import Kind

_log = logging.getLogger(__name__)


def laid_out(kind: Kind, file: Open) -> tuple[int, int, str] | None:
    """The stretch of the text that changes, and what stands there then. None: nothing to do, or no house layout."""
    made = lay_out(kind, str(file.path), file.text.encode("utf-8", "surrogatepass"))
    if made.refusal is not None:
        _log.warning("%s stays as it is: %s", file.path, made.refusal)
    new = made.content.decode("utf-8", "surrogatepass")
    if new == file.text:
        return None
    lines, new_lines = file.text.splitlines(keepends=True), new.splitlines(keepends=True)
    start = _same(lines, new_lines)
    end = _same(lines[start:][::-1], new_lines[start:][::-1])
    place = len("".join(lines[:start]))
    return (
        place,
        len(file.text) - len("".join(lines[len(lines) - end :])),
        "".join(new_lines[start : len(new_lines) - end]),
    )


def _same(lines: list[str], others: list[str]) -> int:
    pairs = enumerate(zip(lines, others, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(lines), len(others)))
