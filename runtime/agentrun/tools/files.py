"""Files that a tool sends: one of the author's, or one that the model names below a folder of the author's.

A model's path can't leave the folder: it is walked piece by piece, each opened below the one before and without
following links, so there is nothing between looking and opening. Only regular files are read, and only so much.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path

from agentrun.errors import ToolFailure, reason_of

MAX_BYTES = 32 * 1024 * 1024

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_UNLINKED = os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not wait for a writer
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def read_below(root: Path, path: str, *, shown_root: str) -> bytes:
    """The content of a file below `root`. Raises `ToolFailure`; `shown_root` is the folder in its words."""
    pieces = path.split("/")
    if not path or "\0" in path or any(piece in ("", ".", "..") for piece in pieces):
        raise _refused(path, f"it must be the path of a file below `{shown_root}`, without `.` and `..` pieces")
    with ExitStack() as opened:
        try:
            folder = _opened(opened, os.fspath(root), _FOLDER)
        except OSError as error:
            message = f"the folder `{shown_root}` of files to send can't be opened: {reason_of(error)}"
            raise ToolFailure("internal", message) from None
        try:
            for piece in pieces[:-1]:
                folder = _opened(opened, piece, _FOLDER | _UNLINKED, folder)
            return _read(_opened(opened, pieces[-1], _FILE | _UNLINKED, folder), path)
        except UnicodeEncodeError:
            raise _refused(path, "it is no text") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _refused(path, "links are not followed") from None
            if error.errno in _MISSING:
                raise _refused(path, f"there is no such file below `{shown_root}`") from None
            raise _refused(path, reason_of(error)) from None


def read_own(path: Path, *, shown: str) -> bytes:
    """The content of a file that the author named. Raises `ToolFailure`."""
    try:
        with ExitStack() as opened:
            return _read(_opened(opened, os.fspath(path), _FILE), shown)
    except OSError as error:
        raise ToolFailure("internal", f"the file `{shown}` can't be read: {reason_of(error)}") from None


def _opened(opened: ExitStack, path: str, flags: int, folder: int | None = None) -> int:
    handle = os.open(path, flags, dir_fd=folder)
    opened.callback(os.close, handle)
    return handle


def _read(handle: int, shown: str) -> bytes:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise _refused(shown, "it is no regular file")
    content = bytearray()
    while piece := os.read(handle, 1 << 20):  # it may grow meanwhile: what is read counts
        content += piece
        if len(content) > MAX_BYTES:
            raise _refused(shown, f"it is larger than {MAX_BYTES // 1024**2} MiB")
    return bytes(content)


def _refused(path: str, why: str) -> ToolFailure:
    return ToolFailure("invalid_arguments", f"the file `{path}` can't be sent: {why}")
