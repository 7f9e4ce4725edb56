"""How similar two texts are, as `difflib` measures it: by characters; long ones by words, very long ones by lines.

The time that `difflib` takes grows with the product of both lengths, so the coarser measure is what keeps a case from
taking minutes.
"""

from __future__ import annotations

import re

import msgspec

from agentrun.testing.differences import steps

_MAX_STEPS = 1_000_000  # about half a second
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
    parts = (text, other), (_WORD.findall(text), _WORD.findall(other)), (text.splitlines(), other.splitlines())
    for one, another in parts:
        if len(one) + len(another) > _MAX_PARTS or steps(one, another) > _MAX_STEPS:
            continue
        matcher = SequenceMatcher(None, one, another, autojunk=False)  # else it takes every letter of a text for junk
        highest = matcher.quick_ratio()
        return Similarity(highest, at_most=True) if highest < enough else Similarity(matcher.ratio())
    return None
