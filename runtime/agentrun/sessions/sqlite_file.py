"""Sessions in a file of SQLite, by SQLAlchemy: how transactions begin, and that nothing deleted stays in the file."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine

from agentrun.errors import StoreError
from agentrun.sessions.address import File
from agentrun.sessions.backend import Purpose
from agentrun.sessions.lock import FileHolder, Holder
from agentrun.sessions.pauses import giving_way
from agentrun.sessions.sqlite_plain import BUSY_TIMEOUT_S, connect, prepare

_MIGRATION_TIMEOUT_S = 60.0
_PAGES_AT_ONCE = 200  # others write in between


class SqliteFile:
    dialect = "sqlite"
    secrets: tuple[str, ...] = ()

    def __init__(self, file: File) -> None:
        self.where = file.where
        self._file = file
        self._path = file.path
        self._identity: tuple[int, int] | None = None

    def prepare(self) -> None:
        self._identity = prepare(self._file)

    def engine(self) -> Engine:
        opening = partial(connect, self._path)
        return create_engine("sqlite://", creator=opening, poolclass=QueuePool, hide_parameters=True)

    def begin(self, connection: Connection, purpose: Purpose) -> None:
        """One that writes waits for its turn now: half-way it could not. Who writes is alone."""
        timeout_s = _MIGRATION_TIMEOUT_S if purpose == "migrate" else BUSY_TIMEOUT_S
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {timeout_s * 1000:.0f}")
        connection.exec_driver_sql("BEGIN" if purpose == "read" else "BEGIN IMMEDIATE")

    def check(self) -> None:
        """What is written to a file that was deleted is lost, and nobody would notice."""
        try:
            found = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            raise StoreError(
                f"{self.where} was removed or replaced while it was open", help="try again, and a new one is begun"
            )

    def holder(self, engine: Engine) -> Holder:
        return FileHolder(self._path.with_name(f"{self._path.name}.lock"))

    def tidy(self, engine: Engine) -> None:
        pooled = engine.raw_connection()
        try:
            _forget(cast(sqlite3.Connection, pooled.driver_connection))
        finally:
            pooled.close()


def _forget(connection: sqlite3.Connection) -> None:
    """What was deleted leaves words in the index until its parts are one, and pages in the log until it is emptied."""
    pages = -_PAGES_AT_ONCE  # less than none: all parts are to become one
    while True:
        before = connection.total_changes
        with giving_way():
            connection.execute("INSERT INTO agentrun_search (agentrun_search, rank) VALUES ('merge', ?)", (pages,))
        if connection.total_changes - before < 2:
            break
        pages = _PAGES_AT_ONCE
    free, before = _free_pages(connection), -1
    while free and free != before:  # a file that somebody else made may keep what it has
        with giving_way():  # as a script: else one page would be given back, not so many
            connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
        free, before = _free_pages(connection), free
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
