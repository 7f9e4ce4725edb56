"""The escaping sink for prose that comes in pieces.

It lets joiners through between the parts of an emoji, and between letters of scripts that are spelled with them.
Elsewhere these characters hide something, and are shown.
"""

from __future__ import annotations

import re

from agentrun.visible import visible

_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc"
_JOINER = re.compile(f"(?<=[{_EMOJI}])(\u200d)(?=[{_EMOJI}])|(?<=[{_JOINING}])([\u200c\u200d])(?=[{_JOINING}])")
_BEFORE = re.compile(f"[{_EMOJI}{_JOINING}]")


class Pieces:
    """`feed` gives what is safe to show of the text so far, but for what the next piece tells; `end` gives that."""

    def __init__(self) -> None:
        self._before = ""  # what was given last, where it can be joined to
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = text[-1:] if text[-1:] in ("\r", "\u200c", "\u200d") else ""
        return self._shown(text[: len(text) - len(self._held)])

    def end(self) -> str:
        held, self._held = self._held, ""
        shown, self._before = self._shown(held), ""
        return shown

    def _shown(self, text: str) -> str:
        if not text:
            return ""
        before = len(self._before)
        parts = _JOINER.split(self._before + text)
        self._before = text[-1] if _BEFORE.match(text[-1]) else ""
        joined = "".join(part if index % 3 else visible(part) for index, part in enumerate(parts) if part)
        return joined[before:]
