"""`# agentrun: ignore[AR312] reason`: findings that the author has looked at and lets stand.

A comment holds for its own line; alone on a line, for all down to the next one with content. Where a text of several
lines begins there, or is the value of a key there, it holds for all of it. A comment that silences nothing is a
finding itself.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Mapping
from itertools import islice

import msgspec

from agentrun.diagnostics import MAX_TOLD, OF_THE_MOMENT, Diagnostic, Edit, Fix, Report, Span, did_you_mean, report
from agentrun.explanations import codes as known_codes
from agentrun.spec.nodes import LINE_BREAK, Node
from agentrun.spec.yaml_nodes import read_text

_MARK = "agentrun:"
_COMMENT = re.compile(r"(?:(?<=\s)|^)#+[ \t]*agentrun:[ \t]*ignore\b[ \t]*(?:\[([^\]\n]*)\])?")
_CODE = re.compile(r"AR[1-9]\d\d")
_BARE_CODES = re.compile(r"[ \t:]*AR\d{3}\b(?:[ \t,]+AR\d{3}\b)*")
_BARE = re.compile(r"\s*(?:(?:---|\.\.\.)\s*)?(?:#.*)?")
_SAFETY = "AR8"
# Found only where the whole project is checked: of a single file nobody can say that such a comment is unused.
_OF_THE_WHOLE = frozenset({"AR420", "AR421"})

_Place = tuple[int, int]
_END = (sys.maxsize, 0)


class Ignore(msgspec.Struct, frozen=True):
    """One comment: the places of the codes that it names, what goes where one is taken out, and the lines that it
    holds for.
    """

    file: str
    codes: dict[str, Span]
    cuts: dict[str, Span]
    lines: range
    comment: Span
    is_alone: bool

    def silences(self, found: Diagnostic) -> bool:
        return self.file == found.span.file and found.span.line in self.lines and found.code in self.codes


def suppressed(
    found: Report, sources: Mapping[str, str], *, is_whole: bool = True, unjudged: Container[str] = ()
) -> Report:
    """The findings that no comment silences, and those about the comments themselves.

    `sources` are all texts that were checked, by the path that findings show. In `unjudged` ones no comment is unused.
    """
    problems: list[Diagnostic] = []
    ignores = [one for path, text in sources.items() if _MARK in text for one in _ignores(path, text, problems)]
    if not ignores and not problems:
        return found
    used: set[tuple[int, str]] = set()
    kept: list[Diagnostic] = []
    for finding, near in _with_comments(found, ignores):
        silent = [one for one in near if one.silences(finding)]
        used |= {(id(one), finding.code) for one in silent}
        if not silent:
            kept.append(finding)
    for one in (one for one in ignores if one.file not in unjudged):
        problems += _unused(one, [code for code in one.codes if (id(one), code) not in used], is_whole=is_whole)
    return report([*kept, *problems], {**found.sources, **sources})


def _with_comments(found: Report, ignores: list[Ignore]) -> Iterator[tuple[Diagnostic, list[Ignore]]]:
    """Each finding with the comments that hold for its line."""
    lines: dict[str, list[int]] = {}
    for one in found.diagnostics:  # sorted by place
        lines.setdefault(one.span.file, []).append(one.span.line)
    near: dict[tuple[str, int], list[Ignore]] = {}
    for comment in ignores:
        told = lines.get(comment.file, [])
        first, last = bisect_left(told, comment.lines.start), bisect_left(told, comment.lines.stop)
        for line in set(told[first:last]):
            near.setdefault((comment.file, line), []).append(comment)
    for one in found.diagnostics:
        yield one, near.get((one.span.file, one.span.line), [])


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
    documents = read_text(path, text).documents
    texts, ends, following = _texts(documents), _ends(documents), _following(lines)
    for number, line in enumerate(lines, 1):
        found = _COMMENT.search(line)
        if found is None or _is_inside(texts, (number, found.start() + 1)):
            continue
        comment = Span(path, number, found.start() + 1, number, len(line) + 1)
        codes, cuts = _codes(path, number, found, problems, comment)
        if codes:
            is_alone = not line[: found.start()].strip()
            last = following[number] if is_alone else number
            yield Ignore(path, codes, cuts, range(number, ends.get(last, last) + 1), comment, is_alone)


def _codes(
    path: str, number: int, found: re.Match[str], problems: list[Diagnostic], comment: Span
) -> tuple[dict[str, Span], dict[str, Span]]:
    """The places of the codes, and for each what goes with it: the comma before it, or behind it if it is the first."""
    codes: dict[str, Span] = {}
    cuts: dict[str, Span] = {}
    if found.group(1) is None or not found.group(1).strip():
        problems.append(_nameless(found, comment))
        return codes, cuts

    def span(begin: int, end: int) -> Span:
        return Span(path, number, found.start(1) + begin + 1, number, found.start(1) + end + 1)

    words = list(islice(re.finditer(r"[^,\s]+", found.group(1)), MAX_TOLD))
    for index, word in enumerate(words):
        if word.group() not in known_codes():
            problems.append(_unknown(word.group(), span(*word.span())))
            continue
        codes[word.group()] = span(*word.span())
        following = words[index + 1].start() if index + 1 < len(words) else word.end()
        cuts[word.group()] = span(words[index - 1].end(), word.end()) if index else span(0, following)
    return codes, cuts


def _nameless(found: re.Match[str], comment: Span) -> Diagnostic:
    """Where codes stand without brackets, the fix adds them; it is a guess, since it lets findings stand."""
    help, fix = "write `# agentrun: ignore[AR401] the reason`", None
    bare = _BARE_CODES.match(found.string, found.end()) if found.group(1) is None else None
    codes = _CODE.findall(bare[0]) if bare else []
    if bare and codes and set(codes) <= set(known_codes()):
        named = f"ignore[{', '.join(codes)}]"
        begin = found.string.rindex("ignore", 0, found.end())
        place = msgspec.structs.replace(comment, column=begin + 1, end_column=bare.end() + 1)
        help = f"write `{named}`"
        fix = Fix(help, (Edit(place, named),), safe=False)
    return Diagnostic("AR107", "warning", "the comment names no code to ignore", comment, help, fix=fix)


def _unknown(word: str, place: Span) -> Diagnostic:
    is_beginning = any(code.startswith(word.upper()) for code in known_codes())
    otherwise = "write whole codes, such as AR401" if is_beginning else "`agentrun explain` lists all codes"
    help = did_you_mean(word.upper(), known_codes(), otherwise) if _CODE.fullmatch(word.upper()) else otherwise
    return Diagnostic("AR107", "warning", f"there is no code `{word}` to ignore", place, help)


def _unused(one: Ignore, codes: list[str], *, is_whole: bool) -> Iterator[Diagnostic]:
    unjudged = OF_THE_MOMENT if is_whole else OF_THE_MOMENT | _OF_THE_WHOLE
    unused = [code for code in codes if code not in unjudged]
    is_idle = len(unused) == len(one.codes)
    for code in unused:
        fix = _removal(one) if is_idle else Fix(f"take {code} out", (Edit(one.cuts[code], ""),))
        yield Diagnostic(
            "AR106", "warning", f"nothing here has the finding {code}", one.codes[code], fix.title, fix=fix
        )


def _removal(one: Ignore) -> Fix:
    span = one.comment
    if one.is_alone:
        span = Span(one.file, span.line, 1, span.line + 1, 1)
    return Fix("remove the comment", (Edit(span, ""),))


def _following(lines: list[str]) -> dict[int, int]:
    """For each line the next that holds more than a comment or the mark of a document; itself where none does."""
    following: dict[int, int] = {}
    after = 0
    for number in range(len(lines), 0, -1):
        following[number] = after or number
        if not _BARE.fullmatch(lines[number - 1]):
            after = number
    return following


def _texts(documents: list[Node]) -> list[tuple[_Place, _Place]]:
    """Where keys, texts in quotes and blocks begin and end, in order. Behind the `|` of a block may be a comment."""
    found: list[tuple[_Place, _Place]] = []
    for node in (node for document in documents for _, node in document.walk()):
        spans = node.keys.values() if node.is_mapping else (node.span,) if node.style else ()
        for one in spans:
            begin = (one.line + 1, 1) if node.style in ("|", ">") else (one.line, one.column)
            found.append((begin, (one.end_line, one.end_column)))
    return sorted(found)


def _is_inside(texts: list[tuple[_Place, _Place]], place: _Place) -> bool:
    """Whether a place lies in a text, where `#` begins no comment."""
    before = bisect_right(texts, (place, _END)) - 1
    return before >= 0 and place < texts[before][1]


def _ends(documents: list[Node]) -> dict[int, int]:
    """The last line of each scalar of several lines, by the lines where it and its key begin."""
    ends: dict[int, int] = {}
    for node in (node for document in documents for _, node in document.walk()):
        if node.is_mapping:
            places = [(node.keys[key].line, child) for key, child in node.content.items()]
        else:
            places = [(child.span.line, child) for child in node.content] if node.is_list else []
        for line, child in places:
            if not (child.is_mapping or child.is_list):
                last = child.span.end_line - (child.span.end_column == 1)  # a block ends where the next line begins
                for first in (line, child.span.line):
                    ends[first] = max(ends.get(first, first), last)
    return ends
