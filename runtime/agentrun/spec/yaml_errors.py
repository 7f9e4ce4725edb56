"""libyaml's errors as findings: its words in the user's, at the place that tells most."""

from __future__ import annotations

import re
from typing import Any

import yaml

from agentrun.diagnostics import Diagnostic, Fix, Related, Span
from agentrun.spec.lines import line_start, quoted_line, quoted_template
from agentrun.spec.nodes import LINE_BREAK, line_starts
from agentrun.spec.yaml_slips import slip_near

MAX_DEPTH = 64
_TOO_DEEP = "exceeded maximum nesting depth"  # libyaml's own bound, far beyond ours, since 0.2.6

# libyaml's words in the user's: message and help. The places are its own.
_SYNTAX = {
    "mapping values are not allowed in this context": (
        "a `:` can't stand here",
        "quote a text that holds `: `, and check the indentation",
    ),
    "did not find expected key": ("a key was expected here", "check the indentation of this line and the one before"),
    "could not find expected ':'": ("this key has no `:`", "write `key: value`, or `- item` in a list"),
    "did not find expected ',' or '}'": ("a `,` or `}` was expected here", "quote a text that holds `,` or a bracket"),
    "did not find expected ',' or ']'": ("a `,` or `]` was expected here", "quote a text that holds `,` or a bracket"),
    "did not find expected '-' indicator": ("a `-` was expected here", "check the indentation of the list"),
    "did not find expected node content": ("a value was expected here", None),
    "found unexpected end of stream": ("this quote is never closed", None),
    "found unexpected document indicator": ("this quote is never closed", None),
    "did not find expected <document start>": ("nothing may stand here, after the end of the document", None),
    "block sequence entries are not allowed in this context": ("a list can't begin here", "begin it on its own line"),
    "did not find expected alphabetic or numeric character": ("no name after `*` or `&`", "quote a text with them"),
    "found a tab character where an indentation space is expected": ("a tab can't indent", "indent with spaces"),
    "found unknown escape character": ("no such escape", "write a backslash twice, or use single quotes"),
}
_OPENED = {"while parsing a flow sequence": "the list", "while parsing a flow mapping": "the mapping"}
# Of these libyaml's other mark, where the trouble began, tells more.
_AT_ITS_BEGINNING = (
    "could not find expected ':'",
    "did not find expected alphabetic or numeric character",
    "found unexpected document indicator",
    "found unexpected end of stream",
)


def syntax_finding(path: str, text: str, error: yaml.YAMLError) -> Diagnostic:
    if isinstance(error, yaml.reader.ReaderError):
        return _character_finding(path, text, error)
    problem = str(getattr(error, "problem", None) or error)
    began = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None)
    if problem == _TOO_DEEP:  # its scanner reads ahead of our own count
        place = _point(path, mark.line + 1, mark.column + 1) if mark is not None else _point(path, 1, 1)
        return Diagnostic("AR205", "error", f"nested deeper than {MAX_DEPTH} levels", place)
    if problem in _AT_ITS_BEGINNING:
        mark = began or mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    slip = slip_near(path, text, line, column, problem)
    if slip is not None:
        return slip
    message, help = _SYNTAX.get(problem, (problem, None))
    if problem == "found character that cannot start any token":
        message, help = _bad_start(text[mark.index : mark.index + 1] if mark is not None else "")
    opened = _OPENED.get(str(getattr(error, "context", None)))
    related: tuple[Related, ...] = ()
    lines = LINE_BREAK.split(text)
    at_the_end = line > len(lines) or not any(lines[line - 1 :])
    if opened and began is not None:
        beginning = _point(path, began.line + 1, began.column + 1)
        if at_the_end:
            return _error(f"{opened} that begins here is never closed", beginning, None)
        related = (Related(f"{opened} begins here", beginning),)
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    fix = _quoted_value(path, text, lines[line - 1], line, problem) if began is None or not opened else None
    if opened == "the mapping" and began is not None:
        fix = _quoted_template(path, text, began.index, lines[began.line])
    return _error(message, _point(path, line, column), help, related, fix)


_KEY_AND_VALUE = re.compile(r" *(?:- +)*[A-Za-z_][A-Za-z0-9_-]*: +(?=[^\s\"'\[{|>&*!#%])")
_QUOTED_BY = ("mapping values are not allowed in this context", "found character that cannot start any token")


def _quoted_template(path: str, text: str, began: int, line: str) -> Fix | None:
    """Quotes around a template that YAML began to read as a mapping, where it is the value of its line."""
    start = began - 1 if text.startswith("{{", began - 1) else began
    before = line[: start - line_start(text, start)]
    if not text.startswith("{{", start) or not _BEFORE_A_VALUE.fullmatch(before):
        return None
    return quoted_template(path, text, start, in_flow=False)


_BEFORE_A_VALUE = re.compile(r" *(?:- +)*(?:[A-Za-z_][A-Za-z0-9_-]*: +)?")


def _quoted_value(path: str, text: str, line: str, number: int, problem: str) -> Fix | None:
    """Quotes around the value of a line `key: value`."""
    found = _KEY_AND_VALUE.match(line) if problem in _QUOTED_BY else None
    return quoted_line(path, text, line_starts(text)[number - 1] + found.end()) if found else None


def _bad_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab can't indent", "indent with spaces"
    return f"`{character}` can't begin a value", "put the value in quotes"


def _character_finding(path: str, text: str, error: Any) -> Diagnostic:
    at = error.position if isinstance(error.position, int) else 0
    lines = LINE_BREAK.split(text[:at])
    code_point = error.character if isinstance(error.character, int) else 0
    message = f"the character U+{code_point:04X} is not allowed"
    return _error(message, _point(path, len(lines), len(lines[-1]) + 1), 'write it as "\\u…" in quotes')


def _point(path: str, line: int, column: int) -> Span:
    return Span(path, line, column, line, column + 1)


def _error(
    message: str, span: Span, help: str | None, related: tuple[Related, ...] = (), fix: Fix | None = None
) -> Diagnostic:
    return Diagnostic("AR201", "error", f"not YAML: {message}", span, help, related, fix)
