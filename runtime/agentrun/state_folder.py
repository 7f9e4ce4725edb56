"""The folder in which agentrun keeps what lasts: the user's alone, 0700, and never reached through a link of its own.

Where it is follows the XDG rules. Knows nothing of what stands in it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """As the XDG rules have it: a path that is not absolute does not count. None without a home."""
    named, home = Path(environ.get("XDG_STATE_HOME", "")), environ.get("HOME")
    if named.is_absolute():
        return named / "agentrun"
    return Path(home, ".local", "state", "agentrun") if home else None


@contextlib.contextmanager
def opened(folder: Path | None, *, make: bool) -> Iterator[int]:
    """A descriptor of the folder, for work relative to it. Raises OSError, FileNotFoundError where it isn't there."""
    if folder is None:
        raise OSError(0, "there is no home folder")
    if make:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if make and stat.S_IMODE(os.fstat(handle).st_mode) != 0o700:
            os.fchmod(handle, 0o700)
        yield handle
    finally:
        os.close(handle)
