"""The names of functions that agentrun makes for a model. Pure."""

from __future__ import annotations

HANDOFF_PREFIX = "transfer_to_"  # as in `engine/handoff.py`, which these layers don't know: a test compares
MAX_CHARS = 64
_HASH_CHARS = 8


def handoff_name(agent: str) -> str:
    """The function that hands a conversation over to an agent."""
    return made_name(f"{HANDOFF_PREFIX}{agent}")


def made_name(whole: str) -> str:
    """A name that services take: one that is too long is cut, and ends in a hash of the whole."""
    if len(whole) <= MAX_CHARS:
        return whole
    from hashlib import sha256  # rarely needed, and long to load

    return whole[: MAX_CHARS - _HASH_CHARS] + sha256(whole.encode()).hexdigest()[:_HASH_CHARS]
