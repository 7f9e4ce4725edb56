"""What a database says when it can't, as an error for people: what is wrong, and what to do about it.

No message holds the password of a URL, nor what was to be written. Drivers are known by the names of their errors: they
are loaded where they are used.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from agentrun.errors import StoreError, reason_of

ELSEWHERE = "AGENTRUN_DATABASE_URL may name another database"


def explained(error: BaseException, where: str, secrets: Sequence[str] = ()) -> StoreError:
    """`where` is the database as people name it; `secrets` are the passwords of its URL."""
    cause: BaseException = getattr(error, "orig", None) or error  # SQLAlchemy's errors have the driver's
    if type(cause).__name__ in _BROKEN_RULES:  # what is written by one process alone was there already
        return StoreError(f"another program changed the same session in {where}", help="try again")
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, where)
    if isinstance(cause, OSError):
        return _of_files(cause, where)
    said = _first_line(cause)
    for secret in secrets:
        said = said.replace(secret, "***")
    return _of_postgres(cause, said, where)


_BROKEN_RULES = ("IntegrityError", "UniqueViolation", "ForeignKeyViolation")


def damaged(where: str) -> StoreError:
    return StoreError(
        f"{where} is damaged, or no database of sessions",
        help=f"move it away, and a new one is begun; `sqlite3 '{where}' .recover` shows what can be saved",
    )


def no_room(where: str) -> StoreError:
    return StoreError(f"there is no room left for the sessions in {where}", help="make room on the disk")


def read_only(where: str) -> StoreError:
    help = f"the file and its folder must be writable; {ELSEWHERE}"
    return StoreError(f"the sessions in {where} can't be written: it is read-only", help=help)


def of_newer_version(where: str, found: int, known: int) -> StoreError:
    return StoreError(
        f"the sessions in {where} are of a newer agentrun: their schema is version {found}, this one knows {known}",
        help=f"update agentrun; {ELSEWHERE}",
    )


def _locked(where: str) -> StoreError:
    help = "try again when the other program is done"
    return StoreError(f"the sessions in {where} are locked by another program", help=help)


# By the beginning of SQLite's name for the error: the more exact stand first.
_SQLITE: dict[str, Callable[[str], StoreError]] = {
    "SQLITE_BUSY": _locked,
    "SQLITE_LOCKED": _locked,
    "SQLITE_FULL": no_room,
    "SQLITE_IOERR_SHMSIZE": no_room,  # the disk is full where the index of the log would grow
    "SQLITE_READONLY": read_only,
    "SQLITE_NOTADB": damaged,
    "SQLITE_CORRUPT": damaged,
}


def _of_sqlite(error: sqlite3.Error, where: str) -> StoreError:
    name = str(getattr(error, "sqlite_errorname", ""))
    for beginning, make in _SQLITE.items():
        if name.startswith(beginning):
            return make(where)
    if name.startswith("SQLITE_CANTOPEN") and not os.access(Path(where).parent, os.W_OK):
        return read_only(where)  # the log beside the file can't be made
    return StoreError(f"the sessions in {where} can't be used: {_first_line(error)}", help=ELSEWHERE)


def _of_files(error: OSError, where: str) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_room(where)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return read_only(where)
    return StoreError(f"the sessions in {where} can't be used: {reason_of(error)}", help=ELSEWHERE)


_REFUSED = ("password authentication failed", "no password supplied", "authentication failed", "pg_hba.conf")
_FULL = ("53100",)  # the classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_READ_ONLY = ("25006", "42501")
_LOCKED = ("55P03", "57014", "40P01")
_UNREACHABLE = ("08", "57P", "53300")


def _of_postgres(error: BaseException, said: str, where: str) -> StoreError:
    state = str(getattr(error, "sqlstate", None) or "")
    if any(sign in said for sign in _REFUSED) or state.startswith("28"):
        help = "check the user and the password in AGENTRUN_DATABASE_URL"
        return StoreError(f"the database {where} does not let the user in: {said}", help=help)
    if state in _FULL:
        return no_room(where)
    if state in _READ_ONLY:
        return StoreError(f"the sessions in {where} can't be written: {said}", help=ELSEWHERE)
    if state in _LOCKED:
        return _locked(where)
    if state.startswith(_UNREACHABLE) or (not state and _lost(error)):
        help = "is it running, and is AGENTRUN_DATABASE_URL right?"
        return StoreError(f"the database {where} can't be reached: {said}", help=help)
    return StoreError(f"the sessions in {where} can't be used: {said}")


def _lost(error: BaseException) -> bool:
    """Errors without an SQLSTATE are those of the connection."""
    return type(error).__name__ == "OperationalError"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
