"""The events of a session as they are kept, read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from sqlalchemy import Connection, select

from agentrun.engine import events as kinds
from agentrun.engine.events import Event
from agentrun.sessions.database import Database
from agentrun.sessions.sound import check_message
from agentrun.sessions.tables import events

_AT_ONCE = 200

_Any = (
    kinds.RunStarted
    | kinds.TurnStarted
    | kinds.TextDelta
    | kinds.ReasoningDelta
    | kinds.ToolCallDelta
    | kinds.TurnFinished
    | kinds.ApprovalDecided
    | kinds.ToolStarted
    | kinds.Elicited
    | kinds.ToolFinished
    | kinds.Retried
    | kinds.Fallback
    | kinds.Compacted
    | kinds.HandedOff
    | kinds.RunFinished
)
_decode = msgspec.json.Decoder(_Any).decode


def decoded(lines: Iterable[bytes]) -> Iterator[Event]:
    """A kind of event that is not known here was told by a newer version, and is passed over, as what is no event."""
    for line in lines:
        try:
            event = _decode(line)
            if isinstance(event, kinds.TurnFinished):
                check_message(event.message)
        except (ValueError, RecursionError):
            continue
        yield event


def lines_of(database: Database, session: str) -> Iterator[bytes]:
    """Read some at a time: whoever is slow with them keeps nobody from writing."""
    after = -1
    while True:
        query = select(events.c.position, events.c.lines).filter_by(session=session)
        with database.reading() as connection:
            rows = connection.execute(
                query.where(events.c.position > after).order_by(events.c.position).limit(_AT_ONCE)
            ).all()
        for row in rows:
            yield from row.lines.splitlines(keepends=True)
            after = row.position
        if len(rows) < _AT_ONCE:
            return


def last_run(connection: Connection, session: str) -> list[Event]:
    """What happened since the last run began; agents behind tools begin none of their own."""
    query = select(events.c.lines).filter_by(session=session).order_by(events.c.position.desc())
    found: list[list[Event]] = []
    with connection.execute(query) as rows:
        for (lines,) in rows:
            some = list(decoded(lines.splitlines()))
            begins = [
                at for at, event in enumerate(some) if isinstance(event, kinds.RunStarted) and not event.parent_run_id
            ]
            found.append(some[begins[-1] :] if begins else some)
            if begins:
                break
    return [event for some in reversed(found) for event in some]
