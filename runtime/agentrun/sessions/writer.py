"""Writes one session while it goes on: an observer of its events that also keeps its messages as they are now.

What happened and what the messages became by it is one transaction, so that what was kept is always true of one moment.
A failure stops the writing, not the conversation: it stands in `failure` until `retry` has written everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import compress, count
from operator import is_not
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update

from agentrun.engine import events
from agentrun.engine.agent import Mask
from agentrun.engine.events import PIECES, Event
from agentrun.engine.exchanges import exchange_starts
from agentrun.engine.messages import Message, Usage
from agentrun.errors import StoreError
from agentrun.sessions import tables
from agentrun.sessions.database import Database
from agentrun.sessions.lock import Holder
from agentrun.sessions.rows import columns_of, data_of, message_columns
from agentrun.sessions.session import Session
from agentrun.visible import one_line

_PIECES_EVERY_S = 0.5
_TITLE_CHARS = 60
_encode = msgspec.json.Encoder().encode


class Writer:
    """`messages` is the conversation that changes in place. `before` are events to write with the next ones.

    `session` is as it is now; `mask` hides secrets in what is kept. `holder` holds the session, so that nobody else
    writes it.
    """

    def __init__(
        self,
        database: Database,
        session: Session,
        messages: list[Message],
        mask: Mask,
        holder: Holder,
        before: Sequence[Event] = (),
    ) -> None:
        self.session = session
        self.mask = mask
        self.failure: StoreError | None = None
        self._database = database
        self._messages = messages
        self._holder = holder
        self._closed = False
        self._waiting = [_encode(event) for event in before]
        self._tried = b""  # what the last attempt was to write of them
        self._begun = False  # until something happens there is nothing to keep
        self._last = list(messages)
        self._last_write = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._spent_before = session
        self._row: dict[str, Any] | None = None
        self._position = 0
        self._written: list[Message | None] = []
        self._look()

    # -- what is told

    def __call__(self, event: Event) -> None:
        """Never raises. Pieces of a text are gathered for a moment; anything else is written at once.

        How far a call is says nothing once it is over, and may be told very often: it is not kept.
        """
        if self._closed or isinstance(event, events.ToolProgress):
            return
        self._begun = True
        self._follow(event)
        if (failure := self._failure_of(lambda: self._waiting.append(_encode(event)))) is not None:
            self.failure = self.failure or failure
        if not isinstance(event, PIECES):
            self._follow_messages()
            self._flush()
        elif (wait_s := self._last_write + _PIECES_EVERY_S - time.monotonic()) > 0:
            self._flush_in(wait_s)
        else:
            self._flush()

    def sync(self) -> None:
        """The messages were changed by hand. Never raises."""
        self._follow_messages()
        self._flush()

    def change(
        self,
        *,
        title: str | None = None,
        speaker: str | None = None,
        model: str | msgspec.UnsetType | None = msgspec.UNSET,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        """What is given is different from now on; the model None is that of the agent. Never raises."""
        given = {"title": title, "speaker": speaker, "arguments": arguments}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if model is not msgspec.UNSET:
            changed["model"] = model
        self.session = msgspec.structs.replace(self.session, **changed)
        self._flush()

    def retry(self) -> None:
        """Writes everything that could not be written. Raises StoreError if that is still so."""
        if not self._closed:
            self.failure = self._failure_of(self._write_again)
            if self.failure is not None:
                raise self.failure

    def close(self) -> None:
        """Writes what is left, and lets others have the session. Never raises."""
        if not self._closed:
            self._flush()
            self._closed = True
            self._holder.close()

    # -- what it means for the session

    def _follow(self, event: Event) -> None:
        session = self.session
        changes: dict[str, Any] = {}
        match event:
            case events.RunStarted() if not event.parent_run_id:
                changes["turns"] = session.turns + 1
                if not session.title:
                    changes["title"] = one_line(event.input, _TITLE_CHARS)
                self._spent_before = session
            case events.TurnFinished(usage=usage, cost_usd=cost):
                changes = _spent(session, usage, cost)
            case events.Compacted(usage=usage, cost_usd=cost):
                changes = _spent(session, usage or None, cost or None)
            case events.HandedOff() if not event.parent_run_id:
                changes["speaker"] = event.agent
            case events.RunFinished(usage=usage, cost_usd=cost) if not event.parent_run_id:
                changes = _spent(self._spent_before, usage, cost)  # with what was no turn, such as a summary
        now = time.time()
        self.session = msgspec.structs.replace(session, created=session.created or now, changed=now, **changes)

    def _follow_messages(self) -> None:
        before, now = _without_prompt(self._last), _without_prompt(self._messages)
        same = _same(before, now)
        if same < max(len(before), len(now)):
            # Where some were only taken back, that is what was said; a summary says as much as what it stands for.
            gone = sum(at >= same for at in exchange_starts(before)) if same == len(now) else 0
            turns = max(0, self.session.turns - gone)
            self.session = msgspec.structs.replace(self.session, turns=turns, changed=time.time())
        self._last = list(self._messages)

    # -- writing

    def _flush_in(self, wait_s: float) -> None:
        """A model that stalls sends nothing with which its last pieces would be written."""
        if self._timer is None:
            with contextlib.suppress(RuntimeError):  # no loop runs: they are written with what comes next
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.failure is None and not self._closed and (self._begun or self._row):
            self.failure = self._failure_of(self._write)

    def _failure_of(self, work: Callable[[], object]) -> StoreError | None:
        try:
            work()
        except StoreError as failure:
            return failure
        except Exception as bug:  # noqa: BLE001 - a conversation does not end because it can't be kept
            return StoreError(f"the session can't be written: {type(bug).__name__}: {one_line(str(bug), 200)}")
        return None

    def _write_again(self) -> None:
        self._database.reopen()
        with self._database.told():
            if not self._holder.renew():
                raise StoreError(f"the session `{self.session.id}` is open elsewhere by now", help="fork it to go on")
        self._look()
        self._write()

    def _write(self) -> None:
        known = _same(self._written, self._messages)
        new = [data_of(message, self.mask) for message in self._messages[known:]]
        row = columns_of(self.session, self.mask)
        changed = {name: value for name, value in row.items() if self._row is None or value != self._row[name]}
        lines = b"".join(line + b"\n" for line in self._waiting)
        if not (new or changed or lines or known < len(self._written)):
            return
        self._tried = lines
        id = self.session.id
        with self._database.writing() as connection:
            if self._row is None:
                connection.execute(insert(tables.sessions).values(changed))
            elif not connection.execute(
                update(tables.sessions).filter_by(id=id).values(changed or {"id": id})
            ).rowcount:
                raise StoreError(f"the session `{id}` is no longer in {self._database.where}")
            if lines:
                values = {"session": id, "position": self._position, "lines": lines}
                connection.execute(insert(tables.events).values(values))
            if known < len(self._written):
                gone = tables.messages.c.position >= known
                connection.execute(delete(tables.messages).where(tables.messages.c.session == id, gone))
            if new:
                places = [{"session": id, "position": known + index} for index in range(len(new))]
                columns = [place | message_columns(data) for place, data in zip(places, new, strict=True)]
                connection.execute(insert(tables.messages), columns)
        self._row = row
        self._position += 1 if lines else 0
        self._written = list(self._messages)
        self._waiting.clear()
        self._last_write = time.monotonic()

    def _look(self) -> None:
        """What is in the database already. An attempt that seemed to fail may have been written after all."""
        id = self.session.id
        with self._database.reading() as connection:
            row = connection.execute(select(tables.sessions).filter_by(id=id)).mappings().one_or_none()
            of_session = tables.events.c.session == id
            last = connection.execute(select(func.max(tables.events.c.position)).where(of_session)).scalar()
            here = tables.events.c.position == self._position
            tried = connection.execute(select(tables.events.c.lines).where(of_session, here)).scalar()
            stored = connection.execute(
                select(tables.messages.c.data).filter_by(session=id).order_by(tables.messages.c.position)
            ).scalars()
            kept = list(stored)
        self._row = None if row is None else dict(row)
        if self._tried and tried == self._tried:
            del self._waiting[: tried.count(b"\n")]
        self._tried = b""
        self._position = 0 if last is None else last + 1
        self._written = [
            one if one is not None and data_of(one, self.mask) == data else None
            for data, one in zip(kept, [*self._messages, *[None] * len(kept)], strict=False)
        ]


def _without_prompt(messages: Sequence[Message]) -> Sequence[Message]:
    """It is another one where another agent has the conversation, or has it again: nothing was said by that."""
    return messages[1:] if messages and messages[0].role in ("system", "developer") else messages


def _same(before: Sequence[Message | None], now: Sequence[Message]) -> int:
    """How many messages of the beginning are what they were."""
    return next(compress(count(), map(is_not, before, now)), min(len(before), len(now)))


def _spent(session: Session, usage: Usage | None, cost: float | None) -> dict[str, Any]:
    tokens = session.total_tokens + (usage.total_tokens if usage else 0)
    return {"total_tokens": tokens, "cost_usd": session.cost_usd if cost is None else (session.cost_usd or 0.0) + cost}
