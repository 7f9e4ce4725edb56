"""`# agentrun: ignore[AR312] reason`: findings that the author has looked at and lets stand.

A comment holds for its own line, or, alone on a line, for the next one with content; where a text of several lines
begins there, for all of it. A comment that silences nothing is a finding itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import msgspec

from agentrun.diagnostics import Diagnostic, Edit, Fix, Report, Span, did_you_mean, report
from agentrun.spec.nodes import LINE_BREAK, Node
from agentrun.spec.yaml_nodes import read_text

_MARK = "agentrun:"
_COMMENT = re.compile(r"(?:(?<=\s)|^)#+[ \t]*agentrun:[ \t]*ignore\b[ \t]*(?:\[([^\]\n]*)\])?")
_CODE = re.compile(r"AR[1-9]\d\d")
_SAFETY = "AR8"
# Found only where the whole project is checked: of a single file nobody can say that such a comment is unused.
_OF_THE_WHOLE = frozenset({"AR420", "AR421"})


class Ignore(msgspec.Struct, frozen=True):
    """One comment: the codes that it names, the lines that it holds for, and the places of the codes."""

    file: str
    codes: dict[str, Span]
    lines: range
    comment: Span
    is_alone: bool

    def silences(self, found: Diagnostic) -> bool:
        return self.file == found.span.file and found.span.line in self.lines and found.code in self.codes


def suppressed(found: Report, sources: Mapping[str, str], *, is_whole: bool = True) -> Report:
    """The findings that no comment silences, and those about the comments themselves.

    `sources` are all texts that were checked, by the path that findings show.
    """
    problems: list[Diagnostic] = []
    ignores = [one for path, text in sources.items() if _MARK in text for one in _ignores(path, text, problems)]
    if not ignores and not problems:
        return found
    used: set[tuple[int, str]] = set()
    kept: list[Diagnostic] = []
    for finding in found.diagnostics:
        silent = [one for one in ignores if one.silences(finding)]
        used |= {(id(one), finding.code) for one in silent}
        if not silent:
            kept.append(finding)
    for one in ignores:
        problems += _unused(one, [code for code in one.codes if (id(one), code) not in used], is_whole=is_whole)
    return report([*kept, *problems], {**found.sources, **sources})


def accepted(found: Report, sources: Mapping[str, str]) -> Report:
    """The findings without those of safety that a comment silences: what a run takes for the author's decision.

    All other errors are of files that can't run, whatever a comment says.
    """
    files = {one.span.file for one in found.diagnostics if one.code.startswith(_SAFETY)}
    ignores = [one for path in files if _MARK in (text := sources.get(path, "")) for one in _ignores(path, text, [])]
    kept = tuple(
        one
        for one in found.diagnostics
        if not (one.code.startswith(_SAFETY) and any(comment.silences(one) for comment in ignores))
    )
    return msgspec.structs.replace(found, diagnostics=kept)


def _ignores(path: str, text: str, problems: list[Diagnostic]) -> Iterator[Ignore]:
    lines = LINE_BREAK.split(text)
    texts = _texts(read_text(path, text).documents)
    for number, line in enumerate(lines, 1):
        found = _COMMENT.search(line)
        if found is None or _is_inside(texts, number, found.start() + 1):
            continue
        comment = Span(path, number, found.start() + 1, number, len(line) + 1)
        codes = _codes(path, number, found, problems, comment)
        if codes:
            is_alone = not line[: found.start()].strip()
            first = _next_line(lines, number) if is_alone else number
            yield Ignore(path, codes, _scope(texts, first), comment, is_alone)


def _codes(path: str, number: int, found: re.Match[str], problems: list[Diagnostic], comment: Span) -> dict[str, Span]:
    help = "write `# agentrun: ignore[AR401] the reason`"
    if found.group(1) is None or not found.group(1).strip():
        problems.append(Diagnostic("AR107", "warning", "the comment names no code to ignore", comment, help))
        return {}
    codes: dict[str, Span] = {}
    for word in re.finditer(r"[^,\s]+", found.group(1)):
        begin = found.start(1) + word.start() + 1
        place = Span(path, number, begin, number, begin + len(word.group()))
        if _is_known(word.group()):
            codes[word.group()] = place
        else:
            problems.append(_unknown(word.group(), place))
    return codes


def _is_known(code: str) -> bool:
    from agentrun.explanations import codes

    return code in codes()


def _unknown(word: str, place: Span) -> Diagnostic:
    from agentrun.explanations import codes

    otherwise = "`agentrun explain` lists all codes"
    help = did_you_mean(word.upper(), codes(), otherwise) if _CODE.fullmatch(word.upper()) else otherwise
    return Diagnostic("AR107", "warning", f"there is no code `{word}` to ignore", place, help)


def _unused(one: Ignore, codes: list[str], *, is_whole: bool) -> Iterator[Diagnostic]:
    unused = [code for code in codes if is_whole or code not in _OF_THE_WHOLE]
    for code in unused:
        message = f"nothing here has the finding {code}"
        fix = _removal(one) if len(unused) == len(one.codes) == 1 else None
        yield Diagnostic("AR106", "warning", message, one.codes[code], "remove the comment", fix=fix)


def _removal(one: Ignore) -> Fix:
    span = one.comment
    if one.is_alone:
        span = Span(one.file, span.line, 1, span.line + 1, 1)
    return Fix("remove the comment", (Edit(span, ""),))


def _next_line(lines: list[str], number: int) -> int:
    """The next line that holds more than a comment."""
    for after, line in enumerate(lines[number:], number + 1):
        if line.strip() and not line.lstrip().startswith("#"):
            return after
    return number


def _texts(documents: list[Node]) -> list[Span]:
    """The places of all scalars, in order."""
    return sorted(
        node.span for document in documents for _, node in document.walk() if not (node.is_mapping or node.is_list)
    )


def _is_inside(texts: list[Span], line: int, column: int) -> bool:
    """Whether a place lies in a text, where `#` begins no comment."""
    if not texts:
        return False
    before = bisect_right([(one.line, one.column) for one in texts], (line, column)) - 1
    return before >= 0 and (line, column) < (texts[before].end_line, texts[before].end_column)


def _scope(texts: list[Span], first: int) -> range:
    ends = [one.end_line for one in texts if one.line == first]
    return range(first, max([first, *ends]) + 1)
