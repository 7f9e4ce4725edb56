"""A file of SQLite with sessions in it: who may read it, and how it is opened.

Without SQLAlchemy, which takes longer to load than most questions take to be answered.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from agentrun.errors import StoreError
from agentrun.sessions.address import File
from agentrun.sessions.version import checked
from agentrun.state_folder import opened

BUSY_TIMEOUT_S = 2.0
_MAX_LOG_BYTES = 16 * 1024 * 1024
# A process that is killed loses nothing of what it wrote in a log; only a machine that loses power may.
_SETTINGS = (
    "foreign_keys = ON",
    "synchronous = NORMAL",
    "secure_delete = ON",
    f"journal_size_limit = {_MAX_LOG_BYTES}",
)


def prepare(file: File) -> tuple[int, int]:
    """The file is there, is a file, and is the user's alone; which one it is on its disk.

    One that is there is never opened for that: when its descriptor is closed, the kernel would take away the locks of
    every connection that this process has to it.
    """
    folder = file.path.parent
    try:
        with opened(folder, make=True) if file.is_own else _any(folder) as handle:
            found = _found(file, handle)
    except NotADirectoryError:
        raise StoreError(f"{folder} is a link or no folder", help="no link is followed there") from None
    return found.st_dev, found.st_ino


def connect(path: Path) -> sqlite3.Connection:
    """Makes no file: one that was deleted meanwhile would come back with other rights."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def version(connection: sqlite3.Connection, where: str) -> int:
    """Of the schema: 0 where there is none yet."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'agentrun_schema'").fetchone():
        return 0
    row = connection.execute("SELECT version FROM agentrun_schema").fetchone()
    return checked(row and row[0], where)


def _found(file: File, folder: int) -> os.stat_result:
    name = file.path.name
    with contextlib.suppress(FileExistsError):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o600, dir_fd=folder))
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{file.where} is a link or no file", help="no link is followed there")
    if file.is_own and found.st_uid != os.geteuid():
        raise StoreError(f"{file.where} belongs to another user, who could read all that is kept in it")
    if file.is_own and stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(name, 0o600, dir_fd=folder)
    return found


@contextlib.contextmanager
def _any(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _set_up(connection: sqlite3.Connection) -> None:
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    until = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # A new file. Room that becomes free can only be given back where that is said before anything is written.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Several begin at once. SQLite does not wait for this lock.
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return  # also where the file system can't have a log: then there is none
