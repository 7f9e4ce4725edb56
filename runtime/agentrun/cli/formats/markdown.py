"""Findings as a Markdown table, for the summary of a CI job. In a GitHub workflow places link to their lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import accumulate
from urllib.parse import quote

from agentrun.cli.formats.words import in_repository
from agentrun.diagnostics import Diagnostic, Report, Span, counted
from agentrun.visible import visible

MAX_ROWS = 500
MAX_BYTES = 1_000_000  # a GitHub summary holds 1 MiB, and a larger one is not shown at all
_CODE = re.compile(r"`[^`]+`")
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#]|(?<=www)\.|:(?=//)")  # the last two begin a link


def as_markdown(report: Report, checked: int) -> str:
    if not report.diagnostics:
        return f"### agentrun: no findings\n\n{counted(checked, 'file')} checked"
    rows = _fitting(_row(found) for found in report.diagnostics[:MAX_ROWS])
    head = [f"### agentrun: {report.summary()}", "", "| severity | code | place | finding |", "|---|---|---|---|"]
    left_out = len(report.diagnostics) - len(rows)
    tail = ["", f"{counted(left_out, 'finding')} more"] if left_out else []
    return "\n".join([*head, *rows, *tail])


def _fitting(rows: Iterable[str]) -> list[str]:
    """The rows before the first that is too much."""
    listed = list(rows)
    sizes = accumulate(len(row.encode()) + 1 for row in listed)
    return [row for row, size in zip(listed, sizes, strict=True) if size <= MAX_BYTES]


def _row(found: Diagnostic) -> str:
    says = _escaped(found.message)
    if found.help:
        says += f"<br>help: {_escaped(found.help)}"
    return f"| {found.severity} | {found.code} | {_place(found.span)} | {says} |"


def _place(span: Span) -> str:
    text = _escaped(f"{span.file}:{span.line}:{span.column}")
    host, repository, commit = (os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "SHA"))
    path = in_repository(span.file)
    if not (host and repository and commit) or path.startswith("/"):
        return text
    return f"[{text}]({host}/{repository}/blob/{commit}/{quote(os.fsencode(path))}#L{span.line})"


def _escaped(text: str) -> str:
    """A text in a cell of a table: what stands in backticks is code, all else is meant as it is written."""
    text = visible(text).replace("\n", " ")
    parts: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[at : code.start()]), _code(code.group())]
        at = code.end()
    return "".join([*parts, _plain(text[at:])])


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _code(text: str) -> str:
    """Code in a table: only `|` is escaped, and there is no way to write a backslash before one."""
    return _plain(text) if "\\|" in text else text.replace("|", "\\|")
