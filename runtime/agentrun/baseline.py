"""A baseline: the findings that an old project had when it began to be checked. Only what is new is told.

The file is JSON, sorted, to be committed. A finding is known by its fingerprint, which a shift of lines doesn't change.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import msgspec

from agentrun.diagnostics import OF_THE_MOMENT, Diagnostic, Report
from agentrun.errors import UsageError, reason_of
from agentrun.fingerprints import fingerprints_of


class Entry(msgspec.Struct, frozen=True, order=True):
    """A known finding. What a person reads stands beside the fingerprint, and is not compared."""

    file: str
    code: str
    message: str
    fingerprint: str


class _Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    findings: list[Entry]


class Compared(msgspec.Struct, frozen=True):
    """What a report has that the baseline has not, how many findings were known, and the entries that are gone.

    What depends on the environment is not called gone.
    """

    report: Report
    known: int
    gone: list[Entry]


def read_baseline(path: Path) -> list[Entry]:
    """The entries of a file. Raises `UsageError` where it can't be read."""
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=_Baseline)
    except OSError as error:
        help = "`agentrun validate --write-baseline FILE` makes one"
        raise UsageError(f"the baseline `{path}` can't be read: {reason_of(error)}", help=help) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` is no baseline: {error}") from None
    if baseline.version != 1:
        raise UsageError(f"the baseline `{path}` is of version {baseline.version}; this agentrun reads version 1")
    return baseline.findings


def compare(report: Report, path: Path) -> Compared:
    """A report beside the baseline at `path`. Raises `UsageError` where that can't be read."""
    entries = read_baseline(path)
    left = Counter(entry.fingerprint for entry in entries)
    new: list[Diagnostic] = []
    for finding, fingerprint in zip(report.diagnostics, fingerprints_of(_seen_from(report, path)), strict=True):
        if left[fingerprint]:
            left[fingerprint] -= 1
        else:
            new.append(finding)
    gone = [entry for entry in entries if left[entry.fingerprint] and entry.code not in OF_THE_MOMENT]
    told = msgspec.structs.replace(report, diagnostics=tuple(new))
    return Compared(told, len(report.diagnostics) - len(new), gone)


def baseline_text(report: Report, path: Path) -> str:
    """The baseline of a report, as it stands in the file at `path`."""
    report = _seen_from(report, path)
    entries = sorted(
        Entry(_text(found.span.file), found.code, _text(found.message), fingerprint)
        for found, fingerprint in zip(report.diagnostics, fingerprints_of(report), strict=True)
    )
    return json.dumps({"version": 1, "findings": [msgspec.to_builtins(one) for one in entries]}, indent=2) + "\n"


def _text(name: str) -> str:
    """A name of a file may hold bytes that are no text, which JSON can't."""
    return name.encode("utf-8", "backslashreplace").decode()


def _seen_from(report: Report, path: Path) -> Report:
    """The report with files relative to the baseline: it holds from whichever folder agentrun is called, and through
    links to folders too.
    """
    folder = path.parent.resolve()

    def named(file: str) -> str:
        whole = Path(file).parent.resolve() / Path(file).name
        return Path(os.path.relpath(whole, folder)).as_posix()

    moved = tuple(
        msgspec.structs.replace(found, span=msgspec.structs.replace(found.span, file=named(found.span.file)))
        for found in report.diagnostics
    )
    return Report(moved, {named(file): text for file, text in report.sources.items()})
