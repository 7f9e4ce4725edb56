"""What a server wrote, cut where it is too long, and never within a word: whoever masks it later knows whole secrets
only. Pure.
"""

from __future__ import annotations

import re

# What no token has in it.
_BETWEEN = re.compile(r"[^\w+/=.~%-]")


def beginning_of(text: str, most: int) -> str:
    """At most `most` characters and a `…`."""
    if len(text) <= most:
        return text
    kept = text[:most]
    ends = [found.start() for found in _BETWEEN.finditer(kept)]
    return f"{kept[: ends[-1]].rstrip() if ends else kept}…"


def ending_of(text: str, most: int, *, whole: bool = True) -> str:
    """At most `most` characters of the end. `whole`: the text begins where it was begun."""
    kept = text[-most:]
    if whole and kept == text:
        return text
    found = _BETWEEN.search(kept)
    return kept[found.end() :].lstrip() if found else kept
