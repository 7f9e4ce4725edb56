"""Cassettes that were read already: a file that did not change since is not read a second time.

A file is looked at when the test files that name it are checked, and again when its cases are run.
"""

from __future__ import annotations

import stat
from functools import lru_cache
from pathlib import Path

from agentrun.cassettes.cassette import Cassette
from agentrun.cassettes.reading import read_cassette
from agentrun.errors import AgentrunError, UsageError

_MAX_NAMES = 12


def known_cassette(path: Path) -> Cassette:
    """Raises what `read_cassette` raises."""
    try:
        seen = path.stat()
    except OSError:
        return read_cassette(path)
    if stat.S_ISFIFO(seen.st_mode):  # nobody may ever write to it
        raise UsageError(f"the cassette `{path}` can't be read: it is a pipe")
    found = _read(path, (seen.st_mtime_ns, seen.st_size, seen.st_ino))
    if isinstance(found, AgentrunError):
        raise found
    return found


@lru_cache(maxsize=128)
def _read(path: Path, state: tuple[int, int, int]) -> Cassette | AgentrunError:
    try:
        return read_cassette(path)
    except AgentrunError as error:
        return error


def names_told(cassette: Cassette) -> str:
    """Which conversations there are, for where none has the wanted name."""
    names = [one.name for one in cassette.conversations if one.name is not None]
    if not names:
        return "its conversations have no names" if cassette.conversations else "it has no conversations"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    listed = ", ".join(f"`{name}`" for name in names[:_MAX_NAMES])
    return f"it has {listed}{more}"
