"""What keys that were typed blind amount to: the text that would stand there. Pure: what a terminal sent in, text out.

Keys that write or take away are meant; those that move or act are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPress


def text_of(sent: str) -> str:
    from prompt_toolkit.input.vt100_parser import Vt100Parser

    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed_and_flush(sent)
    return text_of_keys(keys)


def text_of_keys(keys: Iterable[KeyPress]) -> str:
    """Ends of lines stay between lines; the last one is left out, because whoever reads the text sends it anew."""
    from prompt_toolkit.keys import Keys

    text = ""
    escaped = False
    for one in keys:
        after_escape, escaped = escaped, one.key == Keys.Escape
        match one.key:
            case Keys.ControlM | Keys.ControlJ:
                text += "\n"
            case _ if after_escape:
                pass  # Alt with a letter is no letter
            case Keys.BracketedPaste:
                text += one.data.replace("\r\n", "\n").replace("\r", "\n")
            case Keys.ControlH:
                text = text[:-1]
            case Keys.ControlU:
                text = text[: text.rfind("\n") + 1]
            case Keys.ControlW:
                kept = text.rstrip(" ")
                text = kept[: max(kept.rfind(" "), kept.rfind("\n")) + 1]
            case str() as key if len(key) == 1 and not isinstance(key, Keys) and key.isprintable():
                text += key
    return text.strip("\n")
