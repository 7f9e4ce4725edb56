"""What was typed in conversations, remembered from one to the next in a file of the user's state folder.

A line of the file is an entry as JSON, so that one of several lines stays whole and a cut-off line costs nothing but
itself. Programs that write at the same time wait for each other. Where the file can't be read or written, what is typed
is remembered as long as the conversation lasts, and nobody is bothered with it. Secrets are masked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from agentrun.state_folder import opened, replace_in

_FILE = "history"
_MOST_ENTRIES = 2000
_MOST_BYTES = 4 * 1024 * 1024
_ENTRY_CHARS = 50_000  # a longer one was pasted: it is remembered for this conversation alone
_TRIES, _TRY_EVERY_S = 40, 0.005
_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | _CAREFUL
_ADD = os.O_RDWR | os.O_APPEND | os.O_CREAT | _CAREFUL


class History:
    """Without a folder it is kept in memory alone."""

    def __init__(self, folder: Path | None, mask: Callable[[str], str]) -> None:
        self._folder = folder
        self._mask = mask
        self._last = ""

    def entries(self) -> list[str]:
        """The oldest first."""
        if self._folder is None:
            return []
        try:
            with opened(self._folder, make=False) as folder, _file(folder, _READ) as file:
                entries = _entries(_content(file))
        except OSError:
            return []
        self._last = entries[-1] if entries else ""
        return entries

    def add(self, text: str) -> None:
        entry = self._mask(text)
        if entry == self._last:
            return
        self._last = entry
        if self._folder is None or len(entry) > _ENTRY_CHARS:
            return
        with contextlib.suppress(OSError), opened(self._folder, make=True) as folder:
            is_alone = _locked(folder)
            with _file(folder, _ADD) as file:
                size = os.fstat(file).st_size
                cut_off = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                os.write(file, (b"\n" if cut_off else b"") + _line(entry))
                content = _content(file)
            if is_alone and (len(content) > _MOST_BYTES // 2 or content.count(b"\n") > _MOST_ENTRIES * 5 // 4):
                replace_in(folder, _FILE, _shortened(content))


def _entries(content: bytes) -> list[str]:
    """Of lines that are none, nothing."""
    found = []
    for line in content.splitlines():
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            found.append(msgspec.json.decode(line, type=str))
    return found[-_MOST_ENTRIES:]


def _shortened(content: bytes) -> bytes:
    """The last entries, and no more than leaves room for many others."""
    kept: list[bytes] = []
    left = _MOST_BYTES // 4
    for entry in reversed(_entries(content)):
        line = _line(entry)
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return b"".join(reversed(kept))


def _line(entry: str) -> bytes:
    return msgspec.json.encode(entry.encode("utf-8", "replace").decode()) + b"\n"


# -- the file


def _locked(folder: int) -> bool:
    """Whether nobody else writes now. Who holds the lock has it for a moment, unless it was stopped just then."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TRY_EVERY_S)
        except OSError:  # the file system has no locks
            return False
        else:
            return True
    return False


@contextlib.contextmanager
def _file(folder: int, flags: int) -> Iterator[int]:
    file = os.open(_FILE, flags, 0o600, dir_fd=folder)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no file")
        if stat.S_IMODE(found.st_mode) & 0o077:
            with contextlib.suppress(OSError):
                os.fchmod(file, 0o600)
        yield file
    finally:
        os.close(file)


def _content(file: int) -> bytes:
    """The end of it, where it is larger than it should be."""
    start = max(os.fstat(file).st_size - _MOST_BYTES, 0)
    content = os.pread(file, _MOST_BYTES, start)
    return content if start == 0 else content.partition(b"\n")[2]
