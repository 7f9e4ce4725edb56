"""How a lookup is asked: of a file of SQLite directly, of any database by SQLAlchemy."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agentrun.sessions import failures
from agentrun.sessions.address import File
from agentrun.sessions.lookup import Ask
from agentrun.sessions.sqlite_plain import connect, prepare, version
from agentrun.sessions.version import NEWEST

if TYPE_CHECKING:
    from agentrun.sessions.database import Database


def is_up_to_date(file: File) -> bool:
    """Whether lookups may ask the file as it is. Raises StoreError where it can't be opened, or is newer."""
    try:
        prepare(file)
        with contextlib.closing(connect(file.path)) as connection:
            return version(connection, file.where) == NEWEST
    except (sqlite3.Error, OSError) as error:
        raise failures.explained(error, file.where) from None


@contextlib.contextmanager
def asking_file(file: File) -> Iterator[Ask]:
    try:
        with contextlib.closing(connect(file.path)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")

            def ask(statement: str, values: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
                return (dict(row) for row in connection.execute(statement, dict(values)))

            yield ask
    except (sqlite3.Error, OSError) as error:
        raise failures.explained(error, file.where) from None


@contextlib.contextmanager
def asking_database(database: Database) -> Iterator[Ask]:
    from sqlalchemy import text

    with database.reading() as connection:

        def ask(statement: str, values: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
            return ({**row} for row in connection.execute(text(statement), dict(values)).mappings())

        yield ask
