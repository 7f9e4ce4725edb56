"""Slips that libyaml finds too late, told at their own place: a space, a quote or an indentation is missing.

Looks at the line that libyaml complains about and at the one before it, and knows nothing of the rest.
"""

from __future__ import annotations

import re

from agentrun.diagnostics import Diagnostic, Edit, Fix, Span
from agentrun.spec.nodes import LINE_BREAK

_NO_COLON = "could not find expected ':'"
_SECOND_COLON = "mapping values are not allowed in this context"
_AFTER_A_TEXT = ("did not find expected key", "did not find expected ',' or '}'", "did not find expected ',' or ']'")

_GLUED = re.compile(r" *(?:- +)*[A-Za-z_][A-Za-z0-9_-]*([:\uff1a])(?=[^\s/])")
_OPENS_A_BLOCK = re.compile(r"( *)(?:- +)*[^\s#].*: +([|>])[-+0-9]*[ \t]*(?:#.*)?")
_QUOTED = re.compile(r"(?:^|[ \[{,])('(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\")$")


def slip_near(path: str, text: str, line: int, column: int, problem: str) -> Diagnostic | None:
    lines = LINE_BREAK.split(text)
    if line > len(lines):
        return None
    written = lines[line - 1]
    before = next((at for at in range(line - 1, 0, -1) if lines[at - 1].strip()), 0)
    if problem == _NO_COLON:
        return _unindented(path, line, written, lines[before - 1] if before else "") or _glued(path, line, written)
    if problem == _SECOND_COLON and before:
        return _glued(path, before, lines[before - 1])
    return _quote_within(path, line, column, written) if problem in _AFTER_A_TEXT else None


def _glued(path: str, line: int, written: str) -> Diagnostic | None:
    """`key:value`."""
    found = _GLUED.match(written)
    if found is None:
        return None
    place = Span(path, line, found.start(1) + 1, line, found.end(1) + 1)
    help = "write `:` and a space"
    fix = Fix(help, (Edit(place, ": "),), safe=False)
    message = "a space is missing after the `:`" if found.group(1) == ":" else "`\uff1a` doesn't end a key"
    return _error(message, place, help, fix)


def _unindented(path: str, line: int, written: str, before: str) -> Diagnostic | None:
    """The first line of a text below `key: |`."""
    found = _OPENS_A_BLOCK.fullmatch(before)
    indent = len(written) - len(written.lstrip(" "))
    if found is None or indent > len(found.group(1)):
        return None
    place = Span(path, line, indent + 1, line, indent + 2)
    mark = found.group(2)
    return _error(f"the text of `{mark}` ends before this line", place, f"indent the text of `{mark}`")


def _quote_within(path: str, line: int, column: int, written: str) -> Diagnostic | None:
    """`'It's here'`: the text ends at its second quote."""
    found = _QUOTED.search(written[: column - 1])
    rest = written[column - 1 :]
    if found is None or not rest[:1].isalnum():
        return None
    mark = found.group(1)[0]
    twice = "''" if mark == "'" else '\\"'
    end = Span(path, line, column - 1, line, column)
    is_all = rest.count(mark) == 1 and rest.rstrip().endswith(mark)
    fix = Fix(f"write `{twice}`", (Edit(end, twice),)) if is_all else None
    help = f"write `{twice}` for a quote within `{mark}…{mark}`"
    return _error("the text in quotes ends before this", Span(path, line, column, line, column + 1), help, fix)


def _error(message: str, place: Span, help: str, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic("AR201", "error", f"not YAML: {message}", place, help, fix=fix)
