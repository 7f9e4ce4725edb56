"""Which cases did not pass the last time, remembered for each project below the user's state directory.

A file is replaced all at once, no link is followed, and runs that end at the same time wait for each other. What can't
be read or written is as good as nothing: it is told in a note, for those who ask what failed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from agentrun.errors import reason_of
from agentrun.state_folder import opened, replace_in, state_folder

_MAX_BYTES = 4 * 1024 * 1024


class _Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`root` is the project, for people who look into the file."""

    root: str
    failed: tuple[str, ...]


class LastFailed:
    """Of one project. `notes` are what a person should know: of a file that can't be used, or can't be written."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self._root = root.resolve()
        self._folder = state_folder(environ)
        digest = hashlib.sha256(os.fsencode(self._root)).hexdigest()
        self._name = f"last-failed-{digest[:16]}.json"
        self.notes: list[str] = []

    def read(self) -> frozenset[str]:
        """The ids of the cases, as `key` gives them."""
        try:
            with opened(self._folder, make=False) as folder:
                return _failed_in(_read(self._name, folder))
        except FileNotFoundError:
            pass
        except OSError as error:
            self.notes.append(f"what failed last can't be read: {reason_of(error)}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.notes.append("what failed last can't be read: the file is damaged, and is written anew")
        return frozenset()

    def update(self, *, passed: Iterable[str], failed: Iterable[str]) -> None:
        """What was not run stays as it was. Where nothing is remembered and nothing failed, nothing is written."""
        gone, new = set(passed), set(failed)
        try:
            with opened(self._folder, make=bool(new)) as folder:
                with contextlib.suppress(OSError):  # where a file system has no locks
                    fcntl.flock(folder, fcntl.LOCK_EX)
                before = self._before(folder)
                now = (before or frozenset()) - gone | new
                if now != before:
                    content = msgspec.json.encode(_Remembered(str(self._root), tuple(sorted(now))))
                    replace_in(folder, self._name, content)
        except FileNotFoundError:
            pass  # there is nothing to take away
        except OSError as error:
            self.notes.append(f"what failed can't be remembered: {reason_of(error)}")

    def _before(self, folder: int) -> frozenset[str] | None:
        """What was remembered until now; None where there is a file that is no use."""
        try:
            return _failed_in(_read(self._name, folder))
        except FileNotFoundError:
            return frozenset()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def key(self, file: str, name: str) -> str:
        """The id of a case wherever the command is called: with the path of its file below the project."""
        return f"{os.path.relpath(Path(file).resolve(), self._root)}::{name}"


def _failed_in(content: bytes) -> frozenset[str]:
    return frozenset(msgspec.json.decode(content, type=_Remembered).failed)


def _read(name: str, folder: int) -> bytes:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(handle, "rb") as file:  # noqa: PTH123 - of a handle
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no file")
        return file.read(_MAX_BYTES)
