"""The tables, as queries name them. What makes them, and what they were before, is in `migrations.py`.

Their names begin with `agentrun_`: a database of Postgres may hold other tables too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_SMALL_BYTES = 1024
_MOST_BYTES = 1 << 30  # of lines that were written at once


class Lines(TypeDecorator[bytes]):
    """JSON lines, deflated where they are many: a text that came in word by word is mostly envelopes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return value if value is None or len(value) < _SMALL_BYTES else zlib.compress(value, 1)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes]:
        return _inflated


def _inflated(value: object) -> bytes:
    """Nothing where there are no such lines: another program may have put there what it liked."""
    if not isinstance(value, (bytes, memoryview)):
        return b""
    kept = bytes(value)
    try:
        return kept if kept.startswith(b"{") else zlib.decompressobj().decompress(kept, _MOST_BYTES)
    except zlib.error:
        return b""


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
