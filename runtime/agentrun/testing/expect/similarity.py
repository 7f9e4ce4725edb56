"""How similar two texts are, as `difflib` measures it: by characters; long ones by words, very long ones by lines.

The time that `difflib` takes grows with the product of both lengths, so the coarser measure is what keeps a case from
taking minutes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

_MAX_STEPS = 1_000_000  # pairs of equal parts: about half a second
_MAX_PARTS = 10_000  # of both texts
_WORD = re.compile(r"\w+|[^\w\s]")


class Similarity(msgspec.Struct, frozen=True):
    """From 0 to 1. `at_most`: only that it is not more is known, which was enough."""

    ratio: float
    at_most: bool = False


def similarity(text: str, other: str, enough: float) -> Similarity | None:
    """None where the texts are too long to be compared."""
    from difflib import SequenceMatcher

    if text == other:
        return Similarity(1.0)
    for one, another in ((text, other), (_WORD.findall(text), _WORD.findall(other)), _lines(text, other)):
        if len(one) + len(another) > _MAX_PARTS or _steps(one, another) > _MAX_STEPS:
            continue
        matcher = SequenceMatcher(None, one, another, autojunk=False)  # else it takes every letter of a text for junk
        highest = matcher.quick_ratio()
        return Similarity(highest, at_most=True) if highest < enough else Similarity(matcher.ratio())
    return None


def _lines(text: str, other: str) -> tuple[list[str], list[str]]:
    return text.splitlines(), other.splitlines()


def _steps(one: Sequence[str], another: Sequence[str]) -> int:
    counts = Counter(another)
    return sum(number * counts[part] for part, number in Counter(one).items())
