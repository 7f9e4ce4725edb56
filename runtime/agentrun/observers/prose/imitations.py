"""Words that could pass, where a row begins, for what stands before the rows that are not the answer's. Pure.

These are the marks of calls, of hand-overs and of thoughts, and the prompts.

An answer can hold any of them. Where one begins a row of it, a bar tells that it is the answer's.
"""

from __future__ import annotations

import re

_LIKE_CALLS = "•●◦○‣▪■∙·⁃‧⏺✗✘✕✖×☓╳⨯"
_LIKE_OTHERS = "→➔➜➝➞⟶⇒┊┆┇┋¦⋮>❯›＞⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKED = re.compile(rf"[{_LIKE_CALLS}{_LIKE_OTHERS}]|allow\?", re.IGNORECASE)


def could_pass(word: str) -> bool:
    return _MARKED.match(word) is not None
