"""Somebody's Markdown as a part of a document of ours: what it says is laid out, and it reaches no further than itself.

Models and tools write it, so it is hostile: it opens no HTML, loads no image, hides no link behind other words, leaves
nothing open, and no heading of it passes for one of the document. Pure.

Where code begins and ends, viewers don't agree in all cases. Blocks of code are therefore written anew, with fences
that nobody mistakes; spans of code are left as they are only where no reading of the backticks is another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.markup.markdown import fenced
from agentrun.visible import visible

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})(.*)")
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_RUNS = re.compile(r"\\`|`+")
_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)(.*?)(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_BRACKET = re.compile(r"(\\*)\[")
_TASK = re.compile(r" *(?:[-*+]|\d{1,9}[.)]) \[[ xX]\] ")  # what is to be ticked off
_LEVELS = 2  # of headings that are the document's


def own_place(text: str) -> str:
    """The text with nothing that reaches out of its place."""
    return "\n".join(_lines(visible(text).strip("\n").split("\n"))).strip("\n")


def _lines(lines: list[str]) -> Iterator[str]:
    position, prose = 0, 0
    while position < len(lines):
        fence = _FENCE.fullmatch(lines[position])
        if fence is None or (fence[2][0] == "`" and "`" in fence[3]):
            position += 1
            continue
        yield from _prose(lines[prose:position])
        end = _end(lines, position + 1, fence[2])
        code = [line[len(fence[1]) :] if line.startswith(fence[1]) else line for line in lines[position + 1 : end]]
        language = _LANGUAGE.match(fence[3].strip())
        yield fenced("\n".join(code), language[0] if language else "")
        position = prose = min(end + 1, len(lines))
    yield from _prose(lines[prose:])


def _end(lines: list[str], start: int, fence: str) -> int:
    """Where the block of code ends that this fence began; at the end of the text, where nothing closes it."""
    closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*")
    return next((at for at in range(start, len(lines)) if closing.fullmatch(lines[at])), len(lines))


def _prose(lines: list[str]) -> Iterator[str]:
    has_clear_code = all(_is_clear(line) for line in lines)
    before = ""
    for line in lines:
        if _UNDERLINE.fullmatch(line) and before.strip():
            yield line.replace(line.strip()[0], f"\\{line.strip()[0]}", 1)
        elif heading := _HEADING.match(line):
            level = min(6, len(heading[1]) + _LEVELS)
            yield f"{'#' * level}{_inline(line[heading.end() :], has_clear_code)}"
        else:
            yield _inline(line, has_clear_code)
        before = line


def _is_clear(line: str) -> bool:
    """Whether each backtick of a line belongs to a span of code in it, however its line is read."""
    if "`" not in line:
        return True
    return "|" not in line and "\\`" not in line and not _RUNS.search(_SPAN.sub("", line))


def _inline(line: str, has_clear_code: bool) -> str:
    task = _TASK.match(line)
    at = task.end() if task else 0
    parts = [line[:at]]
    for span in _SPAN.finditer(line, at) if has_clear_code else ():
        parts += [_plain(line[at : span.start()]), span[0]]
        at = span.end()
    return "".join([*parts, _plain(line[at:])])


def _plain(text: str) -> str:
    """Tags and links as they are written."""
    return _BRACKET.sub(_shown, _TAG.sub("&lt;", text))


def _shown(bracket: re.Match[str]) -> str:
    """One that has a backslash already needs no other."""
    return bracket[0] if len(bracket[1]) % 2 else f"{bracket[1]}\\["
