"""Two texts beside each other, line by line: what was expected, and what came. Pure.

The result is small whatever the texts are: of long ones only the places that differ, of long lines only what stands
around the difference. Control characters are the business of whoever shows the lines.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from agentrun.diagnostics import counted

EXPECTED, GOT, SAME = "- ", "+ ", "  "
MAX_LINES = 120
MAX_CHARS = 160
_AROUND = 3  # lines alike that are shown before and after a difference
_BEFORE = 40  # characters of a line that are shown before the first that differs
_MAX_DEPTH = 8
_MAX_LINES_AT_ONCE = 600
_MAX_STEPS = 50_000  # of a pass over two stretches: some thousandths of a second

# Lines of both sides, as ranges: `expected[a:b]` stands where `got[c:d]` does.
_Part = tuple[bool, int, int, int, int]


def differences(expected: str, got: str, *, max_lines: int = MAX_LINES, max_chars: int = MAX_CHARS) -> list[str]:
    """Lines marked `- ` where only `expected` has them, `+ ` where only `got` does, and two spaces where both do.

    A text that ends with the end of a line has an empty line more than one that doesn't.
    """
    old, new = expected.split("\n"), got.split("\n")
    everything = len(old) + len(new) <= max_lines
    most = max_lines if everything else max(2, max_lines // 2)
    lines: list[str] = []
    for same, a, b, c, d in _parts(old, new):
        if same and everything:
            lines += _same(old[a:b], max_chars)
        elif same:
            lines += _surroundings(old[a:b], max_chars, follows=a + c > 0, goes_on=b + d < len(old) + len(new))
        else:
            lines += _changed(old[a:b], new[c:d], most, max_chars)
        if len(lines) > max_lines:  # the rest of very long texts is not even compared
            return [*lines[:max_lines], f"{SAME}… and more"]
    return lines


def _same(lines: Sequence[str], max_chars: int) -> list[str]:
    return [SAME + _beginning(line, max_chars) for line in lines]


def _surroundings(lines: Sequence[str], max_chars: int, *, follows: bool, goes_on: bool) -> list[str]:
    """Lines that both have. `follows`: a difference stands before them; `goes_on`: one stands after them."""
    head = _AROUND if follows else 0
    tail = _AROUND if goes_on else 0
    left_out = len(lines) - head - tail
    if left_out <= 1:
        return _same(lines, max_chars)
    gap = f"{SAME}… {left_out} lines alike"
    return [*_same(lines[:head], max_chars), gap, *_same(lines[len(lines) - tail :], max_chars)]


def _changed(old: Sequence[str], new: Sequence[str], most: int, max_chars: int) -> list[str]:
    """A line for another is cut where the two begin to differ. `most` lines of each side: both are to be seen."""
    starts = [_start(one, other, max_chars) for one, other in zip(old[:most], new[:most], strict=False)]
    return [*_side(EXPECTED, old, starts, most, max_chars), *_side(GOT, new, starts, most, max_chars)]


def _side(mark: str, lines: Sequence[str], starts: Sequence[int], most: int, max_chars: int) -> list[str]:
    shown = [
        mark + _piece(line, starts[index] if index < len(starts) else 0, max_chars)
        for index, line in enumerate(lines[:most])
    ]
    return shown if len(lines) <= most else [*shown, f"{mark}… {counted(len(lines) - most, 'more line')}"]


def _start(old: str, new: str, max_chars: int) -> int:
    """Where the shown piece of two long lines begins."""
    if len(old) <= max_chars and len(new) <= max_chars:
        return 0
    return max(0, _common_beginning(old, new) - _BEFORE)


def _piece(line: str, start: int, max_chars: int) -> str:
    start = min(start, max(0, len(line) - _BEFORE))
    shown = _beginning(line[start : start + max_chars + 1], max_chars)
    return "…" + shown if start else shown


def _beginning(line: str, max_chars: int) -> str:
    return line if len(line) <= max_chars else line[:max_chars] + "…"


def _common_beginning(old: str, new: str) -> int:
    """How many characters are the same at the beginning, found by halving: slices are compared at C's speed."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# -- what belongs to what -----------------------------------------------------------------------------------


def _parts(old: Sequence[str], new: Sequence[str]) -> Iterator[_Part]:
    """The texts as stretches that are alike and stretches that are not, in turn."""
    same_at = (0, 0)
    at = (0, 0)
    for a, c, length in [*_matches(old, new), (len(old), len(new), 0)]:
        if (a, c) != at:
            if same_at != at:
                yield True, same_at[0], at[0], same_at[1], at[1]
            yield False, at[0], a, at[1], c
            same_at = (a, c)
        at = (a + length, c + length)
    if same_at != at:
        yield True, same_at[0], at[0], same_at[1], at[1]


def _matches(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Stretches of equal lines, in order: where they begin on either side, and how many."""
    most = min(len(old), len(new))
    head = next((index for index in range(most) if old[index] != new[index]), most)
    most -= head
    tail = next((index for index in range(most) if old[-1 - index] != new[-1 - index]), most)
    yield 0, 0, head
    yield from _between(old, new, head, len(old) - tail, head, len(new) - tail)
    yield len(old) - tail, len(new) - tail, tail


def _between(
    old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int, depth: int = 0
) -> Iterator[tuple[int, int, int]]:
    """Those of a stretch. One that would take long is cut where lines stand that are alike, and there only once."""
    from difflib import SequenceMatcher

    if a == b or c == d:
        return
    if b - a + d - c <= _MAX_LINES_AT_ONCE and steps(old[a:b], new[c:d]) <= _MAX_STEPS:
        for i, j, length in SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_matching_blocks():
            if length:
                yield a + i, c + j, length
        return
    anchors = _anchors(old[a:b], new[c:d]) if depth < _MAX_DEPTH else []
    if not anchors:
        return
    old_at, new_at = a, c
    for i, j in anchors:
        yield from _between(old, new, old_at, a + i, new_at, c + j, depth + 1)
        yield a + i, c + j, 1
        old_at, new_at = a + i + 1, c + j + 1
    yield from _between(old, new, old_at, b, new_at, d, depth + 1)


def steps(old: Sequence[str], new: Sequence[str]) -> int:
    """How much work `difflib` has for one pass over two sequences: each equal pair is a step."""
    counts = Counter(new)
    return sum(number * counts[one] for one, number in Counter(old).items()) + len(old) + len(new)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest row of lines that stand once on either side, in the same order: a patience diff."""
    once_old, once_new = _once(old), _once(new)
    pairs = [(index, once_new[line]) for line, index in once_old.items() if line in once_new]
    ends: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for number, (_, there) in enumerate(pairs):
        pile = bisect_left(ends, there)
        before.append(tops[pile - 1] if pile else -1)
        ends[pile : pile + 1] = [there]
        tops[pile : pile + 1] = [number]
    row: list[tuple[int, int]] = []
    at = tops[-1] if tops else -1
    while at >= 0:
        row.append(pairs[at])
        at = before[at]
    return row[::-1]


def _once(lines: Sequence[str]) -> dict[str, int]:
    counts = Counter(lines)
    return {line: index for index, line in enumerate(lines) if counts[line] == 1}
