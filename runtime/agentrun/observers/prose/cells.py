"""How many cells of a terminal a text takes. Pure.

A character counts for itself, and the sum is never less than what a terminal that joins characters takes: so the width
of a text does not depend on how it came in, and no row is too wide.
"""

from __future__ import annotations

_EMOJI_STYLE = "\ufe0f"  # asks for the wide form of the character before it


def cells_of(character: str) -> int:
    if " " <= character <= "~":
        return 1
    if character == _EMOJI_STYLE:
        return 1
    from rich.cells import get_character_cell_size

    return get_character_cell_size(character)


def cells(text: str) -> int:
    return len(text) if text.isascii() else sum(map(cells_of, text))


def cut(text: str, room: int) -> str:
    """At most `room` cells of a line; `…` stands for what is left out."""
    if cells(text) <= room:
        return text
    if room < 1:
        return ""
    taken = 0
    for position, character in enumerate(text):
        taken += cells_of(character)
        if taken > room - 1:
            return text[:position].rstrip() + "…"
    return text
