"""The names of functions that agentrun makes for a model. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# As in `engine/handoff.py` and `engine/agent.py`, which these layers don't know: tests compare.
HANDOFF_PREFIX = "transfer_to_"
SEARCH_TOOLS = "search_tools"
RESERVED = ("search_tools",)
MAX_CHARS = 64
_HASH_CHARS = 8
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def handoff_name(agent: str) -> str:
    """The function that hands a conversation over to an agent."""
    return made_name(f"{HANDOFF_PREFIX}{agent}")


def member_names(tool_set: str, names: Iterable[str]) -> dict[str, str]:
    """The function of each member of a set, by the name that its source has for it: legal, and each its own.

    Of members whose names would become one, all but the first end in a hash of their own.
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        function = made_name(f"{tool_set}_{_ILLEGAL.sub('_', name)}")
        if function in taken:
            function = _hashed(f"{function}_", f"{tool_set}_{name}")
        taken.add(function)
        made[name] = function
    return made


def made_name(whole: str) -> str:
    """A name that services take: one that is too long is cut, and ends in a hash of the whole."""
    return whole if len(whole) <= MAX_CHARS else _hashed(whole, whole)


def _hashed(beginning: str, whole: str) -> str:
    from hashlib import sha256  # rarely needed, and long to load

    return beginning[: MAX_CHARS - _HASH_CHARS] + sha256(whole.encode()).hexdigest()[:_HASH_CHARS]
