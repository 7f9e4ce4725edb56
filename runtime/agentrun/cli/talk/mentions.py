"""Files that a typed message names: `@FILE`, or `@"A FILE"`. Looks whether they are there, and reads none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from agentrun.cli.talk.nearby import is_near

# No part of a word: ann@example.com names no file. In @a.py,@b.py there are two.
_NAMED = re.compile(r"""(?<![^\s(\[{<"',;])@(?:"([^"\n]+)"|(\S+?(?=[,;]@|\s|$)))""")
_PATH_LIKE = re.compile(r"(?=.*/|.*\w\.\w{1,5}$)[\w.~/+@%-]+")
_PUNCTUATION = ".,;:!?)]}>'\"…。，、；：！？）】」』»”’"
_MOST_PUNCTUATION = 8  # that may stand behind a file's name
_MAX_PATH_CHARS = 4096
_SHORT_CHARS = 400


def mentioned(text: str, tell: Callable[[str], None] = lambda told: None) -> Iterator[str]:
    """Paths of files that are there. What looks like one and is none stays text, and that is told, once."""
    names = {found[1] or found[2].rstrip(_PUNCTUATION): found for found in _NAMED.finditer(text)}
    for name, found in names.items():
        path = _existing(found)
        if path is not None and not Path(path).expanduser().is_file():
            tell(f"`{path}` is no file: it stays text")
        elif path is not None and _may_be_pasted(text) and not is_near(path):
            where = "outside of this folder, or hidden"
            tell(f"`{path}` is {where}, and named in a long text: it stays text; /attach sends it")
        elif path is not None:
            yield path
        elif found[1] or _PATH_LIKE.fullmatch(name):
            tell(f"there is no file `{name}`: it stays text")


def _may_be_pasted(text: str) -> bool:
    """A short line was seen before it was sent."""
    return len(text) > _SHORT_CHARS or "\n" in text.strip()


def is_there(path: str) -> bool:
    if len(path) > _MAX_PATH_CHARS or "\0" in path:
        return False
    try:
        return os.path.lexists(Path(path).expanduser())
    except (OSError, RuntimeError):
        return False


def _existing(found: re.Match[str]) -> str | None:
    """The path that was meant: punctuation at its end belongs to it only if there is such a file."""
    if found[1]:
        return found[1] if is_there(found[1]) else None
    written: str = found[2][: _MAX_PATH_CHARS + _MOST_PUNCTUATION]
    for _ in range(_MOST_PUNCTUATION + 1):
        for path in (written, re.sub(r"\\(.)", r"\1", written)):
            if is_there(path):
                return path
        if written[-1] not in _PUNCTUATION or len(written) == 1:
            return None
        written = written[:-1]
    return None
