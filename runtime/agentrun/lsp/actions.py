"""What can be done about a finding: its fix, a comment that lets it stand, all safe fixes at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from agentrun.diagnostics import Diagnostic, Edit, Span
from agentrun.fixes import apply
from agentrun.spec.nodes import LINE_BREAK
from agentrun.spec.yaml_nodes import read_text

_NEVER_IGNORED = ("AR1", "AR2")  # the file could not be read as it is


class Action(msgspec.Struct, frozen=True):
    """A change with its title. `mends` is the finding that it is about; None: several."""

    title: str
    edits: tuple[Edit, ...]
    mends: Diagnostic | None = None
    is_preferred: bool = False


def actions_for(found: Diagnostic, text: str) -> list[Action]:
    """The actions on one finding of a file with this text."""
    actions = []
    if found.fix is not None:
        title = _sentence(found.fix.title)
        actions.append(Action(title, found.fix.edits, found, is_preferred=found.fix.safe))
    if not found.code.startswith(_NEVER_IGNORED):
        actions.append(Action(f"Ignore {found.code} here", (ignoring(found, text),), found))
    return actions


def ignoring(found: Diagnostic, text: str) -> Edit:
    """The edit that writes a comment above the line of a finding, or above the text of several lines it is in."""
    lines, long_texts = _lines_of(text)
    line = _first_line(found.span, long_texts)
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip(" "))]
    line_end = "\r\n" if "\r\n" in text else "\n"
    place = Span(found.span.file, line, 1, line, 1)
    return Edit(place, f"{indent}# agentrun: ignore[{found.code}]{line_end}")


def _first_line(span: Span, long_texts: list[Span]) -> int:
    place = (span.line, span.column)
    within = (one for one in long_texts if (one.line, one.column) <= place < (one.end_line, one.end_column))
    return next((one.line for one in within), span.line)


@lru_cache(maxsize=1)
def _lines_of(text: str) -> tuple[list[str], list[Span]]:
    """The lines, and the values of several lines, which no comment may stand in."""
    every = (node for document in read_text("", text).documents for _, node in document.walk())
    spans = (node.span for node in every if not (node.is_mapping or node.is_list))
    return LINE_BREAK.split(text), [span for span in spans if span.line < span.end_line]


def safe_fixes(found: Iterable[Diagnostic], sources: Mapping[str, str]) -> tuple[Edit, ...]:
    """The edits that `agentrun validate --fix` would make in these texts first."""
    fixes = [one.fix for one in apply(sources, found, unsafe=False).applied if one.fix is not None]
    return tuple(edit for fix in fixes for edit in fix.edits)


def touches(span: Span, begin: tuple[int, int], end: tuple[int, int]) -> bool:
    """Whether a finding and a stretch of its file have a place in common, ends included."""
    return (span.line, span.column) <= end and begin <= (span.end_line, span.end_column)


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]
