"""Findings: what is wrong in a file, where, and what to do. Never prints; `cli` renders and decides on exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

MAX_TOLD = 200  # findings of one rule in one document
MAX_COMPARED = 200  # names that one is compared with
# Codes found only where a variable is not set or has such a value, a program or path is not there, or a service is
# asked: where such a finding is missing, it may still be found elsewhere.
OF_THE_MOMENT = frozenset(
    ("AR509", "AR510", "AR614", "AR615", "AR624", "AR707", "AR708", "AR716", "AR717", "AR719", "AR801", "AR812")
)

Severity = Literal["error", "warning", "info"]


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of a file. Lines and columns count from 1, columns in code points; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        """Where it begins, as people and editors read it."""
        return f"{self.file}:{self.line}:{self.column}"


class Related(msgspec.Struct, frozen=True, order=True):
    """Another place that has to do with a finding."""

    message: str
    span: Span


class Edit(msgspec.Struct, frozen=True, order=True):
    """A stretch of a file and what stands there afterwards, byte for byte. An empty span inserts."""

    span: Span
    text: str


class Fix(msgspec.Struct, frozen=True):
    """A change that mends a finding. `title` says what it does: "write `tools`".

    A fix is `safe` where it can't change what a file that worked means, and only one thing can have been meant;
    `--fix` makes safe ones, `--unsafe-fixes` all.
    """

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


class Diagnostic(msgspec.Struct, frozen=True):
    """One finding. `code` is stable (`AR201`); `help` says what is allowed or what to do."""

    code: str
    severity: Severity
    message: str
    span: Span
    help: str | None = None
    related: tuple[Related, ...] = ()
    fix: Fix | None = None


class Report(msgspec.Struct, frozen=True):
    """All findings of a check, sorted by place. `sources` holds the text of each file with findings, by path."""

    diagnostics: tuple[Diagnostic, ...]
    sources: dict[str, str]

    @property
    def errors(self) -> int:
        return sum(found.severity == "error" for found in self.diagnostics)

    @property
    def warnings(self) -> int:
        return sum(found.severity == "warning" for found in self.diagnostics)

    def summary(self) -> str:
        parts = [counted(self.errors, "error")] if self.errors else []
        if self.warnings:
            parts.append(counted(self.warnings, "warning"))
        others = len(self.diagnostics) - self.errors - self.warnings
        if others:
            parts.append(counted(others, "info"))
        return ", ".join(parts) or "no findings"


def report(found: Iterable[Diagnostic], sources: dict[str, str]) -> Report:
    """Sorted, and each finding once: a mistake in a base is seen by every file that extends it.

    What the reader could not take (errors AR2..) is not judged a second time for its type; but what would be of the
    right type is the better fix.
    """
    unique = {(one.span, one.code, one.message): one for one in found}
    misread = {_start(one.span) for one in unique.values() if one.code.startswith("AR2") and one.severity == "error"}
    ordered = tuple(unique[key] for key in sorted(unique) if key[1].startswith("AR2") or _start(key[0]) not in misread)
    retyped = {_start(one.span): one.fix for one in unique.values() if one.code == "AR303"}
    ordered = tuple(
        msgspec.structs.replace(one, fix=retyped[_start(one.span)])
        if one.code == "AR208" and _start(one.span) in retyped
        else one
        for one in ordered
    )
    files = {one.span.file for one in ordered} | {other.span.file for one in ordered for other in one.related}
    return Report(ordered, {path: sources[path] for path in sorted(files) if path in sources})


def _start(span: Span) -> tuple[str, int, int]:
    return span.file, span.line, span.column


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant. Of very many, only some of those that begin alike are looked at."""
    folded = {candidate.lower().replace("-", "_"): candidate for candidate in sorted(set(known))}
    wanted = name.lower().replace("-", "_")
    if wanted in folded:
        return folded[wanted]
    if len(folded) > MAX_COMPARED:
        alike = [candidate for candidate in folded if candidate[:3] == wanted[:3]]
        folded = {candidate: folded[candidate] for candidate in alike[:MAX_COMPARED]}
    import difflib

    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    near = nearest(name, known)
    return f"did you mean `{near}`?" if near else otherwise


def one_of(names: Iterable[str], *, limit: int = 12) -> str:
    """`a, b, c`, cut where it would be too long to read."""
    listed = list(names)
    if len(listed) > limit:
        return ", ".join(listed[:limit]) + f", … ({len(listed)} in all)"
    return ", ".join(listed)
