"""One writer for each session: locks that end with the process that holds them, however it ends.

Beside a file of SQLite stands a file of locks, one byte of it for each session: the kernel lets go of them. Postgres
has advisory locks, which end with the connection. A lock holds within one process too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError


class Holder(Protocol):
    """Holds locks until it is closed.

    `take` says whether the session is now held here. `renew` says whether all that was taken is held still, or again.
    """

    def take(self, session: str) -> bool: ...
    def renew(self) -> bool: ...
    def close(self) -> None: ...


def _number(session: str, bits: int) -> int:
    return int.from_bytes(hashlib.blake2b(session.encode(), digest_size=8).digest()) >> (64 - bits)


class _LockFile:
    """An open file of locks with what this process holds in it.

    There is one for each path: when a process closes any descriptor of a file, the kernel takes away all locks that it
    has on it.
    """

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self.held: set[str] = set()


_files: dict[tuple[int, Path], _LockFile] = {}  # by process too: a fork inherits no locks
_mutex = threading.Lock()


class FileHolder:
    def __init__(self, path: Path) -> None:
        self._path = path.parent.resolve() / path.name
        self._held: set[str] = set()

    def take(self, session: str) -> bool:
        with _mutex:
            key = os.getpid(), self._path
            file = _files.get(key) or _files.setdefault(key, _LockFile(self._path))
            try:
                if session in file.held or not _locked(file.handle, session):
                    return False
                file.held.add(session)
                self._held.add(session)
                return True
            finally:
                self._leave(file)

    def renew(self) -> bool:
        return True

    def close(self) -> None:
        with _mutex:
            file = _files.get((os.getpid(), self._path))
            if file is None:
                return
            for session in self._held:
                fcntl.lockf(file.handle, fcntl.LOCK_UN, 1, _number(session, 56))
            file.held -= self._held
            self._held.clear()
            self._leave(file)

    def _leave(self, file: _LockFile) -> None:
        if not file.held:
            del _files[os.getpid(), self._path]
            os.close(file.handle)


def _locked(handle: int, session: str) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _number(session, 56))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


class AdvisoryHolder:
    """Locks of Postgres, on a connection of their own that is in no transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._taken: list[str] = []
        self._connection = self._connected()

    def take(self, session: str) -> bool:
        if not self._lock(session):
            return False
        self._taken.append(session)
        return True

    def renew(self) -> bool:
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:  # it broke, and the locks with it
            self._drop()
            self._connection = self._connected()
            return all(self._lock(session) for session in self._taken)
        return True

    def close(self) -> None:
        with contextlib.suppress(DBAPIError):  # where the connection broke nothing is held
            self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
        self._drop()

    def _connected(self) -> Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _lock(self, session: str) -> bool:
        number = _number(f"agentrun {session}", 63)
        return bool(self._connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar())

    def _drop(self) -> None:
        """Not back to the pool: whoever gets it next must not hold locks."""
        self._connection.invalidate()
        self._connection.close()
