"""A database that is open: connections for reading and for writing, and its failures as `StoreError`.

Knows no table. What is special about each kind of database is in `sqlite_file.py` and `postgres.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from agentrun.sessions import failures
from agentrun.sessions.address import File, Server
from agentrun.sessions.backend import Backend, Purpose
from agentrun.sessions.lock import Holder
from agentrun.sessions.migrations import migrate
from agentrun.sessions.postgres import PostgresServer
from agentrun.sessions.sqlite_file import SqliteFile

_PURPOSE = "agentrun_purpose"


class Database:
    """`where` is the path, or the URL without its password."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.where = backend.where
        self.dialect = backend.dialect
        with self.told():
            backend.prepare()
            self._engine = backend.engine()
        event.listen(self._engine, "begin", self._begin)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database."""
        with self.told(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, purpose: Purpose = "write") -> Iterator[Connection]:
        """A transaction: all of it is written, or nothing."""
        with self.told():
            self._backend.check()
            with self._engine.execution_options(**{_PURPOSE: purpose}).begin() as connection:
                yield connection

    @contextlib.contextmanager
    def holder(self) -> Iterator[Holder]:
        """Locks on sessions, which are let go of at the end."""
        holder = self.new_holder()
        try:
            with self.told():
                yield holder
        finally:
            holder.close()

    def new_holder(self) -> Holder:
        with self.told():
            return self._backend.holder(self._engine)

    def tidy(self) -> None:
        with self.told():
            self._backend.tidy(self._engine)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Failures of the database become errors for people."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise failures.explained(error, self.where, self._backend.secrets) from None

    def reopen(self) -> None:
        """After a failure: what is connected may be broken, and what was opened may be gone."""
        with self.told():
            self._backend.prepare()
            self._engine.dispose()
        migrate(self)

    def close(self) -> None:
        self._engine.dispose()

    def _begin(self, connection: Connection) -> None:
        self._backend.begin(connection, connection.get_execution_options().get(_PURPOSE, "read"))


def open_database(found: File | Server) -> Database:
    """At the newest version of its schema."""
    database = Database(SqliteFile(found) if isinstance(found, File) else PostgresServer(found))
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database
