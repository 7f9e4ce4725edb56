"""`--fix`, `--unsafe-fixes` and `--diff` of `agentrun validate`.

The files are checked and fixed in memory, round after round, until no fix is left; only then is anything written, and
no file is replaced before all of them stand beside the old ones. A link stays one: the file it leads to is written.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import msgspec

from agentrun.cli.difference import difference, print_difference
from agentrun.cli.formats.unshown import SECRET, unshown_lines
from agentrun.cli.replacing import written_beside
from agentrun.diagnostics import Diagnostic, Report, counted
from agentrun.errors import UsageError, reason_of
from agentrun.fixes import apply
from agentrun.secrets import Masker
from agentrun.spec.lines import stretch
from agentrun.spec.nodes import LINE_BREAK

MAX_ROUNDS = 100
_STOPS = ("AR201", "AR204", "AR205", "AR206", "AR207")  # where reading stops
Check = Callable[[Mapping[str, bytes]], Report]


class Change(msgspec.Struct, frozen=True):
    """A file's content as it was, and mended."""

    file: str
    before: bytes
    after: bytes


class Mended(msgspec.Struct, frozen=True):
    """`fixed` counts the findings whose fixes were made; `first` is what was found before, `left` afterwards."""

    changes: tuple[Change, ...]
    fixed: int
    first: Report
    left: Report


def fix_all(check: Check, *, unsafe: bool, diff: bool) -> bool:
    """Write the fixes, or with `diff` print what they would change; whether there was something to change.

    `check` gives the findings that are told, with texts in the place of files, by absolute path.
    """
    mended = mend(check, unsafe=unsafe)
    if diff:
        print_difference(diff_lines(mended))
    else:
        write(mended.changes)
    for note in notes(mended, diff=diff):
        click.echo(note, err=True)
    return bool(mended.changes)


def notes(mended: Mended, *, diff: bool) -> Iterator[str]:
    """What was done, and what more can be."""
    if mended.changes:
        done = "would fix" if diff else "fixed"
        yield f"{done} {counted(mended.fixed, 'finding')} in {counted(len(mended.changes), 'file')}"
    guesses = sum(one.fix is not None and not one.fix.safe for one in mended.left.diagnostics)
    if guesses:
        yield f"{guesses} more can be fixed with `--unsafe-fixes`, which takes guesses too"


def mend(check: Check, *, unsafe: bool) -> Mended:
    """Check and fix until nothing changes. Writes nothing."""
    files = _Files()
    first = left = check({})
    fixed = 0
    for _ in range(MAX_ROUNDS):
        done = apply(files.intact(left), left.diagnostics, unsafe=unsafe)
        if not done.texts:
            break
        before = files.now
        files.now = before | {file: files.encoded(file, text) for file, text in done.texts.items()}
        after = check(files.by_path())
        if files.was_before() or _unreadable(after) - _unreadable(left):
            files.now = before
            break
        left = after
        fixed += len(done.applied)
    return Mended(files.changes(), fixed, first, left)


def _unreadable(report: Report) -> set[str]:
    """Files in which reading stops: a fix must not make one."""
    return {one.span.file for one in report.diagnostics if one.code in _STOPS}


class _Files:
    """What files hold, by the path that findings show: on disk, and now."""

    def __init__(self) -> None:
        self.on_disk: dict[str, bytes] = {}
        self.now: dict[str, bytes] = {}
        self._earlier: list[dict[str, bytes]] = []

    def intact(self, report: Report) -> dict[str, str]:
        """The texts that are what the file holds: one that is not UTF-8, or was changed meanwhile, is left alone."""
        wanted = {edit.span.file for one in report.diagnostics if one.fix for edit in one.fix.edits}
        return {
            file: report.sources[file]
            for file in sorted(wanted & report.sources.keys())
            if self._text(file) == report.sources[file].encode()
        }

    def _text(self, file: str) -> bytes | None:
        """Without a byte order mark; None where the file can't be read."""
        if file not in self.on_disk:
            try:
                self.on_disk[file] = Path(file).read_bytes()
            except OSError:
                return None
        return self.now.get(file, self.on_disk[file]).removeprefix(codecs.BOM_UTF8)

    def encoded(self, file: str, text: str) -> bytes:
        mark = codecs.BOM_UTF8 if self.on_disk[file].startswith(codecs.BOM_UTF8) else b""
        return mark + text.encode()

    def was_before(self) -> bool:
        """Whether all files are as they were in an earlier round: fixes that undo one another."""
        known = self.now in self._earlier or not self.changes()
        self._earlier.append(self.now)
        return known

    def by_path(self) -> dict[str, bytes]:
        return {os.path.abspath(file): raw for file, raw in self.now.items()}  # noqa: PTH100 - follows no link

    def changes(self) -> tuple[Change, ...]:
        pairs = ((file, self.on_disk[file], raw) for file, raw in sorted(self.now.items()))
        return tuple(Change(*one) for one in pairs if one[1] != one[2])


# -- writing --------------------------------------------------------------------------------------------------


def write(changes: tuple[Change, ...]) -> None:
    """All files, or none where one of them can't be written or was changed since it was read."""
    targets = [(Path(os.path.realpath(one.file)), one) for one in changes]
    for target, one in targets:
        _refuse_changed(target, one)
    with contextlib.ExitStack() as stack:
        ready = [(_beside(stack, target, one), target) for target, one in targets]
        for temporary, target in ready:
            temporary.replace(target)


def _beside(stack: contextlib.ExitStack, target: Path, change: Change) -> Path:
    try:
        return stack.enter_context(written_beside(target, change.after))
    except OSError as error:
        raise _unwritable(change.file, reason_of(error)) from None


def _refuse_changed(target: Path, change: Change) -> None:
    try:
        raw = target.read_bytes()
    except OSError as error:
        raise _unwritable(change.file, reason_of(error)) from None
    if raw != change.before:
        raise _unwritable(change.file, "it was changed since it was checked")


def _unwritable(file: str, reason: str) -> UsageError:
    return UsageError(f"`{file}` can't be fixed: {reason}", help="`--diff` shows what would be changed")


# -- the difference -------------------------------------------------------------------------------------------


def diff_lines(mended: Mended) -> Iterator[str]:
    """A unified diff of the files, lines with their ends. What no format shows is masked here too."""
    mask = Masker(secret for report in (mended.first, mended.left) for secret in _secrets(report))
    for change in mended.changes:
        hidden = {*_hidden(mended.first, change), *_hidden(mended.left, change)}
        for line in difference(change.file, change.before, change.after, hidden):
            yield mask.text(line)


def _hidden(report: Report, change: Change) -> Iterator[str]:
    lines = LINE_BREAK.split(report.sources.get(change.file, ""))
    for file, number in unshown_lines(report):
        if file == change.file and 0 < number <= len(lines) and lines[number - 1].strip():
            yield lines[number - 1]


def _secrets(report: Report) -> Iterator[str]:
    for one in report.diagnostics:
        if one.code in SECRET:
            yield from (line.strip("\"' ") for line in _written(one, report).splitlines())


def _written(one: Diagnostic, report: Report) -> str:
    text = report.sources.get(one.span.file, "")
    place = stretch(text, one.span)
    return text[place[0] : place[1]] if place else ""
