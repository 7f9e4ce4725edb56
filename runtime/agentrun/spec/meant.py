"""Which key of the language an unknown one was meant for: a word of other tools for it, or one that is nearly it.

`spelling.py` measures how near names are, `other_words.py` lists the words of others; what is likely is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agentrun.diagnostics import nearest
from agentrun.spec.nodes import Node
from agentrun.spec.other_words import other_words
from agentrun.spec.spelling import fold, typos


def meant_name(key: str, allowed: Sequence[str]) -> str | None:
    """The key that an unknown one was probably meant for."""
    other = next((name for name in other_words(key) if name in allowed), None)
    if other is not None:
        return other
    near = nearest(key, allowed)
    return near if near is not None and _is_near(key.lower(), near) and not _is_turned(key, near) else None


_TURNING = re.compile(r"(?:not|no|non|never|un|dis)(?=[_-]?[a-z]{4})[_-]?", re.IGNORECASE)


def _is_turned(written: str, known: str) -> bool:
    """Whether a name says the contrary of a known one: `not_contains`."""
    found = _TURNING.match(written)
    return found is not None and typos(fold(written[found.end() :]), fold(known), 1) <= 1


def _is_near(written: str, known: str) -> bool:
    """`version` shares many letters with `permissions`, and is another word."""
    most = 2 if len(written) <= 6 else 3
    return known in written or written in known or typos(written.replace("-", "_"), known, most) <= most


def misspelt(node: Node, key: str) -> bool:
    """Whether a mapping has a key that was probably meant to be this one: its absence is no finding of its own."""
    absent = node.is_mapping and key not in node.content
    if absent and node.get("function", key) is not None:
        return True  # OpenAI's form of a tool
    return absent and any(_is_meant_for(one, key) for one in node.content)


@lru_cache(maxsize=1024)
def _is_meant_for(written: str, key: str) -> bool:
    return meant_name(written, [key]) is not None
