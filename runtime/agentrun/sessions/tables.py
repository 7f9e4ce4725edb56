"""The tables, as queries name them. What makes them, and what they were before, is in `migrations.py`.

Their names begin with `agentrun_`: a database of Postgres may hold other tables too.
"""

from __future__ import annotations

import zlib

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_SMALL_BYTES = 1024


class Lines(TypeDecorator[bytes]):
    """JSON lines, deflated where they are many: a text that came in word by word is mostly envelopes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return value if value is None or len(value) < _SMALL_BYTES else zlib.compress(value, 1)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return value if value is None or value.startswith(b"{") else zlib.decompress(value)


metadata = MetaData()

schema = Table("agentrun_schema", metadata, Column("version", Integer))

# Times are Unix seconds; `arguments` is a JSON object.
sessions = Table(
    "agentrun_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent", Text),
    Column("path", Text),
    Column("root", Text),
    Column("speaker", Text),
    Column("model", Text),
    Column("arguments", Text),
    Column("title", Text),
    Column("created", Float),
    Column("changed", Float),
    Column("turns", Integer),
    Column("total_tokens", Integer),
    Column("cost_usd", Float),
    Column("forked_from", Text),
)

# A row holds what was written at once: one event or more, in order. Positions count from 0 in each session.
events = Table(
    "agentrun_events",
    metadata,
    Column("session", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("lines", Lines),
)

# The conversation as it is now. `data` is the message in the form of the chat API, `text` what a search looks through.
messages = Table(
    "agentrun_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", Text),
    Column("position", Integer),
    Column("data", Text),
    Column("text", Text),
)
