"""How the schema came to be, step by step: a new database takes all of them, an older one those that it lacks.

A step that was released is never changed: what is to be different is a further step. Each is one transaction, and
processes that start at once wait for each other. What the newest schema is called in queries is in `tables.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, inspect, select, update

from agentrun.sessions import tables
from agentrun.sessions.backend import Purpose
from agentrun.sessions.version import NEWEST, checked


class _Database(Protocol):
    where: str
    dialect: str

    def reading(self) -> AbstractContextManager[Connection]: ...
    def writing(self, purpose: Purpose = "write") -> AbstractContextManager[Connection]: ...


def _tables(dialect: str) -> list[str]:
    """1: sessions, what happened in them, and their messages."""
    # Ids and paths are compared byte by byte: the order of a language would not use an index.
    name, real, big, blob, key = (
        ("TEXT", "REAL", "INTEGER", "BLOB", "INTEGER PRIMARY KEY")
        if dialect == "sqlite"
        else ('TEXT COLLATE "C"', "DOUBLE PRECISION", "BIGINT", "BYTEA", "BIGSERIAL PRIMARY KEY")
    )
    session = f"session {name} NOT NULL REFERENCES agentrun_sessions (id) ON DELETE CASCADE"
    return [
        "CREATE TABLE agentrun_schema (version INTEGER NOT NULL)",
        "INSERT INTO agentrun_schema (version) VALUES (0)",
        f"""CREATE TABLE agentrun_sessions (
            id {name} PRIMARY KEY,
            agent {name} NOT NULL,
            path TEXT NOT NULL,
            root {name} NOT NULL,
            speaker TEXT NOT NULL,
            model TEXT,
            arguments TEXT NOT NULL,
            title TEXT NOT NULL,
            created {real} NOT NULL,
            changed {real} NOT NULL,
            turns INTEGER NOT NULL,
            total_tokens {big} NOT NULL,
            cost_usd {real},
            forked_from TEXT
        )""",
        "CREATE INDEX agentrun_sessions_changed ON agentrun_sessions (changed)",
        "CREATE INDEX agentrun_sessions_of_agent ON agentrun_sessions (agent, changed)",
        "CREATE INDEX agentrun_sessions_of_root ON agentrun_sessions (root, changed)",
        "CREATE INDEX agentrun_sessions_of_both ON agentrun_sessions (root, agent, changed)",
        f"""CREATE TABLE agentrun_events (
            {session},
            position INTEGER NOT NULL,
            lines {blob} NOT NULL,
            PRIMARY KEY (session, position)
        )""",
        f"""CREATE TABLE agentrun_messages (
            id {key},
            {session},
            position INTEGER NOT NULL,
            data TEXT NOT NULL,
            text TEXT NOT NULL,
            UNIQUE (session, position)
        )""",
    ]


_INDEX_CHARS = 100_000  # of a message: Postgres refuses words of more than a megabyte
# Postgres takes some of it for parts of addresses, paths and numbers, which would be found as a whole alone.
_PUNCTUATION = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~«»“”„‘’…–—•→"


def _search(dialect: str) -> list[str]:
    """2: messages are found by their words. Whatever is no letter and no digit parts words, on either database."""
    if dialect == "sqlite":
        old = "INSERT INTO agentrun_search (agentrun_search, rowid, text) VALUES ('delete', old.id, old.text);"
        new = "INSERT INTO agentrun_search (rowid, text) VALUES (new.id, new.text);"
        return [
            """CREATE VIRTUAL TABLE agentrun_search USING fts5 (
                text, content='agentrun_messages', content_rowid='id',
                tokenize='unicode61 remove_diacritics 2'
            )""",
            f"CREATE TRIGGER agentrun_search_new AFTER INSERT ON agentrun_messages BEGIN {new} END",
            f"CREATE TRIGGER agentrun_search_old AFTER DELETE ON agentrun_messages BEGIN {old} END",
            f"CREATE TRIGGER agentrun_search_changed AFTER UPDATE ON agentrun_messages BEGIN {old} {new} END",
            "INSERT INTO agentrun_search (agentrun_search) VALUES ('rebuild')",
        ]
    blanks = " " * len(_PUNCTUATION)
    parted = _PUNCTUATION.replace("'", "''")
    words = f"to_tsvector('simple', translate(left(text, {_INDEX_CHARS}), '{parted}', '{blanks}'))"
    return [
        f"ALTER TABLE agentrun_messages ADD COLUMN words tsvector GENERATED ALWAYS AS ({words}) STORED",
        "CREATE INDEX agentrun_messages_words ON agentrun_messages USING gin (words)",
    ]


STEPS: tuple[Callable[[str], list[str]], ...] = (_tables, _search)


def migrate(database: _Database) -> None:
    """Brings a database to the newest schema. Raises StoreError for one of a newer version."""
    with database.reading() as connection:
        version = _version(database, connection)
    while version < NEWEST:
        with database.writing("migrate") as connection:
            version = _version(database, connection)  # another process may have been faster
            if version < NEWEST:
                _step(connection, database.dialect, version + 1)


def _step(connection: Connection, dialect: str, number: int) -> None:
    for statement in STEPS[number - 1](dialect):
        connection.exec_driver_sql(statement)
    connection.execute(update(tables.schema).values(version=number))


def _version(database: _Database, connection: Connection) -> int:
    if not inspect(connection).has_table(tables.schema.name):
        return 0
    found = connection.execute(select(tables.schema.c.version)).scalar_one_or_none()
    return checked(found, database.where)
