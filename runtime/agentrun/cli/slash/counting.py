"""A number after a command that counts from the end: `/undo 2`, `/last 2`, `/copy 2`. Pure."""

from __future__ import annotations

_MOST_DIGITS = 9


def number_in(rest: str) -> int | None:
    """The number that follows the command, 1 where nothing does; None where something else does."""
    if not rest:
        return 1
    is_number = rest.isascii() and rest.isdecimal() and len(rest) <= _MOST_DIGITS
    return int(rest) or None if is_number else None
