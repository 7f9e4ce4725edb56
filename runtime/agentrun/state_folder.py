"""The folder in which agentrun keeps what lasts: the user's alone, 0700, and never reached through a link of its own.

Where it is follows the XDG rules. Knows nothing of what stands in it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """As the XDG rules have it: a path that is not absolute does not count. None without a home."""
    named, home = Path(environ.get("XDG_STATE_HOME", "")), Path(environ.get("HOME", ""))
    if named.is_absolute():
        return named / "agentrun"
    return home / ".local/state/agentrun" if home.is_absolute() else None


@contextlib.contextmanager
def opened(folder: Path | None, *, make: bool) -> Iterator[int]:
    """A descriptor of the folder, for work relative to it. Raises OSError, FileNotFoundError where it isn't there."""
    if folder is None:
        raise OSError(0, "there is no home folder")
    if make:
        for one in (*reversed(folder.parents), folder):  # `parents=True` would leave those above to the umask
            if not one.is_dir():
                with contextlib.suppress(FileExistsError):
                    one.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid():  # who made it may read all that is put there
            raise OSError(0, "the folder belongs to another user")
        if make and stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(handle, 0o700)
        yield handle
    finally:
        os.close(handle)


def replace_in(folder: int, name: str, content: bytes) -> None:
    """A file of the folder gets another content all at once; where that can't be, it stays as it is."""
    temporary = f".{name}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - of a handle
            file.write(content)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
