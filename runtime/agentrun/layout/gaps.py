"""What stands between the values of a YAML text: comments, blanks, line breaks; and to whom the comments belong.

An entry has the comments directly above it. Comments that are indented further than the next entry belong to the end
of the block above them. What a document begins with stays its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from agentrun.layout.tree import BREAKS, Block, Entry

BLANKS = " \t"
_COMMENT = re.compile(rf"#[^{BREAKS}]*")
_HEADER_COMMENT = re.compile(rf"[|>][-+0-9]*[ \t]+(#[^{BREAKS}]*)")
_LINE_ENDS = re.compile(rf"[ \t]+(?=[{BREAKS}])")
_TAB_BEFORE_COMMENT = re.compile(r" *\t[ \t]*(?=#)")
_IGNORE = re.compile(r"#+[ \t]*agentrun:[ \t]*ignore\b")
_ITEM = re.compile(r"#\s*- ")


def _gaps(text: str) -> Iterator[tuple[int, int]]:
    """The stretches between tokens."""
    end = 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        start = token.start_mark.index
        if start > end:
            yield end, start
        end = max(end, token.end_mark.index)
    if end < len(text):
        yield end, len(text)


def comments(text: str) -> list[str]:
    """Every comment, sorted."""
    found = [one for start, end in _gaps(text) for one in _COMMENT.findall(text, start, end)]
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            header = _HEADER_COMMENT.match(text, token.start_mark.index)
            found += [header[1]] if header else []
    return sorted(one.rstrip() for one in found)


def cleaned(text: str) -> str:
    """Without blanks at the ends of lines and without tabs before comments, but for what stands inside texts."""
    parts = []
    done = 0
    for start, end in _gaps(text):
        gap = text[start:end]
        if start == 0 or text[start - 1] in BREAKS:
            gap = _LINE_ENDS.sub("", gap)
        else:  # the guard is no line break: what stands in the first line of the gap follows a token
            gap = _LINE_ENDS.sub("", f"x{gap}")[1:]
            tab = _TAB_BEFORE_COMMENT.match(gap)
            gap = f" {gap[tab.end() :]}" if tab else gap
        parts += [text[done:start], gap]
        done = end
    parts.append(text[done:])
    if done == len(text) and parts[-2:-1]:
        parts[-2] = parts[-2].rstrip(" \t")
    return "".join(parts)


def is_comment(line: str) -> bool:
    return line.lstrip(BLANKS).startswith("#")


def is_blank(line: str) -> bool:
    return not line.strip(BLANKS + BREAKS)


def holds_for_next_line(line: str) -> bool:
    return _IGNORE.match(line.lstrip(BLANKS)) is not None


def claim(block: Block, lines: list[str], cursor: int) -> int:
    """Give each line from `cursor` on to an entry; the number of the line after the block's last one."""
    for index, entry in enumerate(block.entries):
        entry.leading = lines[cursor : entry.line]
        if index:
            entry.leading = give_to_inner([], block.entries[index - 1], entry.leading, block.column)
        cursor = entry.line + 1
        if isinstance(entry.value, Block):
            cursor = claim(entry.value, lines, cursor)
        else:
            entry.between = lines[cursor : entry.value.line]
            cursor = entry.value.end_line + 1
    return cursor


def give_to_inner(inner: list[Block], last: Entry, gap: list[str], column: int) -> list[str]:
    """Give the comments of a gap that belong to the blocks that end here to these; what is left.

    `last` is the entry above the gap, `column` that of the entry below it, `inner` the block that ends with `last`.
    """
    while isinstance(last.value, Block):
        inner = [*inner, last.value]
        last = last.value.entries[-1]
    if last.value.is_empty:
        gap = _give_instead(last, gap, max(last.column, column))
    done = 0
    for number, line in enumerate(gap):
        if is_blank(line):
            continue
        place = len(line) - len(line.lstrip(BLANKS))
        if not inner or holds_for_next_line(line) or not _is_inside(line, place, inner[0], column, number == done):
            break
        inner = [block for index, block in enumerate(inner) if index == 0 or block.column <= place]
        inner[-1].trailing += gap[done : number + 1]
        done = number + 1
    return gap[done:]


def _give_instead(entry: Entry, gap: list[str], column: int) -> list[str]:
    """Give an entry without a value the comments that stand in its place: indented further, or items taken out."""
    done = 0
    for number, line in enumerate(gap):
        if is_blank(line):
            continue
        place = len(line) - len(line.lstrip(BLANKS))
        is_item = place == column and number == done and _ITEM.match(line.lstrip(BLANKS))
        if not (place > column or is_item) or holds_for_next_line(line):
            break
        done = number + 1
    entry.instead += gap[:done]
    return gap[done:]


def _is_inside(line: str, place: int, block: Block, column: int, is_near: bool) -> bool:
    if place > column:
        return True
    # A list may stand in the column of its key: there, what looks like an item is one that was taken out.
    return (
        is_near and place == column == block.column and not block.is_mapping and bool(_ITEM.match(line.lstrip(BLANKS)))
    )


def take_head(document: Block, above: list[str]) -> list[str]:
    """Those of the lines above the first key that are about the whole document; the others are that key's.

    One comment is about the document. Of several with blank lines between, the one right above the key is the key's.
    """
    end = next((number for number, line in enumerate(above) if holds_for_next_line(line)), len(above))
    blanks = [number for number, line in enumerate(above[:end]) if is_blank(line)]
    if end == len(above) and blanks and any(map(is_comment, above[: blanks[-1]])):
        end = blanks[-1] + 1
    document.entries[0].leading = above[end:]
    return above[:end]


def split_between_documents(gap: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The end of a document, the marks up to the next one (`...`, `---`), and what stands above its first key."""
    marks = [number for number, line in enumerate(gap) if not (is_blank(line) or is_comment(line))]
    if not marks:
        return gap, [], []
    return gap[: marks[0]], gap[marks[0] : marks[-1] + 1], gap[marks[-1] + 1 :]


def close(document: Block, end: list[str]) -> None:
    """Give the lines after the last entry to the blocks that end there."""
    document.trailing += give_to_inner([document], document.entries[-1], end, -1)


def trimmed(lines: list[str], *, at_end: bool = False) -> list[str]:
    """Without the blank lines at the beginning, or at the end."""
    filled = [number for number, line in enumerate(lines) if not is_blank(line)]
    if not filled:
        return []
    return lines[: filled[-1] + 1] if at_end else lines[filled[0] :]
