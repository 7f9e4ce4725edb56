"""What is in the sessions that are kept: read, renamed, copied, deleted, and opened to be written. By SQLAlchemy."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from agentrun.engine.agent import Mask
from agentrun.engine.events import Event
from agentrun.engine.messages import Message
from agentrun.errors import StoreError, UsageError
from agentrun.sessions import recovery
from agentrun.sessions.database import Database
from agentrun.sessions.kept_events import decoded, last_run, lines_of
from agentrun.sessions.lookup import no_session
from agentrun.sessions.pauses import giving_way
from agentrun.sessions.rows import columns_of, message_columns
from agentrun.sessions.said import storable
from agentrun.sessions.session import Session, new_id, title_of
from agentrun.sessions.sound import mended, message_of
from agentrun.sessions.tables import events, messages, sessions
from agentrun.sessions.writer import Writer

_AT_ONCE = 50  # sessions that are deleted in one transaction


class Records:
    """Of a database that is open. `Store` says what each of these does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def conversation(self, id: str) -> list[dict[str, Any]]:
        with self._database.reading() as connection:
            _must_exist(connection, id)
            return _conversation(connection, id)

    def events(self, id: str) -> Iterator[Event]:
        return decoded(self.events_jsonl(id))

    def events_jsonl(self, id: str) -> Iterator[bytes]:
        with self._database.reading() as connection:
            _must_exist(connection, id)
        return lines_of(self._database, id)

    def rename(self, id: str, title: str) -> None:
        renamed = update(sessions).where(sessions.c.id == id).values(title=storable(title_of(title)))
        with self._database.writing() as connection:
            if not connection.execute(renamed).rowcount:
                raise no_session(id)

    def fork(self, id: str) -> Session:
        now = time.time()
        with self._database.writing() as connection:
            copy = msgspec.structs.replace(
                _must_exist(connection, id),
                id=new_id(),
                forked_from=id,
                created=now,
                changed=now,
                total_tokens=0,
                cost_usd=None,
            )
            said = _conversation(connection, id)
            connection.execute(insert(sessions).values(columns_of(copy)))
            rows = [
                {"session": copy.id, "position": position, **message_columns(msgspec.json.encode(message).decode())}
                for position, message in enumerate(said)
            ]
            if rows:
                connection.execute(insert(messages), rows)
        return copy

    def delete(self, ids: Iterable[str]) -> int:
        wanted = list(dict.fromkeys(ids))
        with self._database.holder() as holder:
            in_use = [id for id in wanted if not holder.take(id)]
            if in_use:
                named = ", ".join(f"`{id}`" for id in in_use)
                raise UsageError(f"a session that is open can't be deleted: {named}", help="leave it first")
            with self._database.writing() as connection:
                deleted = _delete(connection, wanted)
        if deleted:
            self._database.tidy()
        return deleted

    def delete_older(self, before: float, *, root: str | None = None) -> int:
        query = select(sessions.c.id).where(sessions.c.changed < before)
        if root is not None:
            query = query.where(sessions.c.root == storable(root))
        with self._database.reading() as connection:
            old = list(connection.execute(query).scalars())
        deleted = 0
        for start in range(0, len(old), _AT_ONCE):
            with giving_way(), self._database.holder() as holder:
                free = [id for id in old[start : start + _AT_ONCE] if holder.take(id)]
                with self._database.writing() as connection:
                    deleted += _delete(connection, free, before)
        if deleted:
            self._database.tidy()
        return deleted

    def writer(self, session: Session, messages: list[Message], mask: Mask) -> Writer:
        holder = self._database.new_holder()
        try:
            with self._database.told():
                free = holder.take(session.id)
            if not free:
                help = "leave it there first, or fork it to go on here"
                raise UsageError(f"the session `{session.id}` is open elsewhere", help=help)
            with self._database.reading() as connection:
                stored = _stored(connection, session.id)
                before = recovery.closing(last_run(connection, session.id)) if stored else []
            if stored is not None and stored.changed != session.changed:
                raise UsageError(f"the session `{session.id}` was just changed elsewhere", help="open it again")
            return Writer(self._database, session, messages, mask, holder, before)
        except BaseException:
            holder.close()
            raise


def _stored(connection: Connection, id: str) -> Session | None:
    row = connection.execute(select(sessions).where(sessions.c.id == storable(id))).mappings().one_or_none()
    return None if row is None else mended(row)


def _must_exist(connection: Connection, id: str) -> Session:
    found = _stored(connection, id)
    if found is None:
        raise no_session(id)
    return found


def _conversation(connection: Connection, id: str) -> list[dict[str, Any]]:
    query = select(messages.c.data).where(messages.c.session == id).order_by(messages.c.position)
    kept: list[dict[str, Any]] = []
    for data in connection.execute(query).scalars():
        try:
            kept.append(message_of(data))
        except ValueError as error:
            raise StoreError(
                f"the session `{id}` is damaged: its message {len(kept) + 1} is none, {error}",
                help=f"`agentrun sessions export {id} --format jsonl` has what happened in it",
            ) from None
    return recovery.recovered(kept, last_run(connection, id))


def _delete(connection: Connection, ids: list[str], before: float | None = None) -> int:
    """With a time: unless one was changed since."""
    if before is not None:
        query = select(sessions.c.id).where(sessions.c.id.in_(ids), sessions.c.changed < before)
        ids = list(connection.execute(query).scalars())
    deleted = 0
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        connection.execute(delete(messages).where(messages.c.session.in_(some)))
        connection.execute(delete(events).where(events.c.session.in_(some)))
        deleted += connection.execute(delete(sessions).where(sessions.c.id.in_(some))).rowcount
    return deleted
