"""What is wrong with the cassettes that a test file names: mistakes in them, and conversations that they don't have.

A large one takes seconds to read, and is not read here: what is wrong with it, its cases tell when they are run. One
that is not there is told by `on_disk.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agentrun.cassettes.cassette import Cassette
from agentrun.cassettes.known import known_cassette, names_told
from agentrun.diagnostics import Diagnostic, did_you_mean
from agentrun.errors import SpecError, UsageError
from agentrun.spec.case_types import CaseSpec, TestSpec
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node, Route, name_place
from agentrun.spec.wording import shown

MAX_BYTES = 2 * 1024 * 1024  # about a second and a half


def cassette_findings(document: Document) -> tuple[list[Diagnostic], dict[str, str]]:
    """Findings of a sound test file and of its cassettes, and the texts of those that they stand in, by path."""
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    for written, route, cases in _named(document):
        path = Path(document.path).parent / written
        if not _is_read(path):
            continue
        try:
            cassette = known_cassette(path)
        except SpecError as error:
            found += error.report.diagnostics
            texts |= error.report.sources
        except UsageError as error:
            node = document.node.get(*route)
            found.append(Diagnostic("AR921", "error", error.message, (node or document.node).span, error.help))
        else:
            found += _unnamed(cassette, written, document, cases)
    return found, texts


def _named(document: Document) -> Iterator[tuple[str, Route, list[int]]]:
    """Each cassette once, with the first route that names it, and the cases that play it."""
    test: TestSpec = document.spec
    found: dict[str, tuple[Route, list[int]]] = {}
    if test.cassette is not None:
        found[test.cassette] = ("cassette",), []
    for index, case in enumerate(test.cases):
        written = _played_by(case, test)
        if written is not None:
            _, cases = found.setdefault(written, (("cases", index, "cassette"), []))
            cases.append(index)
    return ((written, *one) for written, one in found.items() if written and one[0] not in document.unknown)


def _played_by(case: CaseSpec, test: TestSpec) -> str | None:
    """As `testing.plan` has it: who says where replies come from, the case before its file."""
    holder = next((one for one in (case, test) if one.live or one.cassette is not None or one.model is not None), None)
    return None if holder is None or holder.live else holder.cassette


def _is_read(path: Path) -> bool:
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return False
    return seen.st_size <= MAX_BYTES


def _unnamed(cassette: Cassette, written: str, document: Document, cases: list[int]) -> Iterator[Diagnostic]:
    """A warning, as of a file that is not there: a case that is recorded for the first time is not in it yet."""
    for index in cases:
        case: CaseSpec = document.spec.cases[index]
        if case.skip is None and cassette.of_case(case.name) is None:
            node: Node = document.node.content["cases"].content[index]
            message = f"the cassette {shown(written)} has no conversation named {shown(case.name)}"
            names = [one.name for one in cassette.conversations if one.name is not None]
            otherwise = f"{names_told(cassette)}; `agentrun test --cassettes record` records it"
            help = did_you_mean(case.name, names, otherwise)
            yield Diagnostic("AR920", "warning", message, name_place(node), help)
