"""The sessions that are kept, for all who want them: which there are, what is in one, and a writer for one.

Lookups load no SQLAlchemy where sessions are in a file: they are answered while it would still be loading. Raises
UsageError for what was asked wrongly, StoreError where the database can't.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from agentrun.sessions import lookup
from agentrun.sessions.address import File, Server, address
from agentrun.sessions.asking import asking_database, asking_file, is_up_to_date
from agentrun.sessions.lookup import Ask, Wanted
from agentrun.sessions.session import Found, Session
from agentrun.sessions.words import Words

if TYPE_CHECKING:
    from agentrun.engine.agent import Mask
    from agentrun.engine.events import Event
    from agentrun.engine.messages import Message
    from agentrun.sessions.database import Database
    from agentrun.sessions.records import Records
    from agentrun.sessions.writer import Writer


def open_store(environ: Mapping[str, str]) -> Store:
    """The sessions of AGENTRUN_DATABASE_URL, else those in the user's state folder. Raises StoreError."""
    return Store(address(environ))


class Store:
    """`where` is for people: the path of the file, or the URL without its password."""

    def __init__(self, found: File | Server) -> None:
        self.where = found.where
        self._found = found
        self._mutex = threading.Lock()
        self._opened: Database | None = None
        if not isinstance(found, File) or not is_up_to_date(found):
            self._open()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    # -- which there are

    def sessions(self, *, agent: str | None = None, root: str | None = None, limit: int | None = None) -> list[Session]:
        """The last changed first."""
        with self._asking() as ask:
            return lookup.listed(ask, Wanted(agent, root), limit)

    def count(self, *, agent: str | None = None, root: str | None = None, before: float | None = None) -> int:
        """`before` is a time: those that were last changed before it."""
        with self._asking() as ask:
            return lookup.counted(ask, Wanted(agent, root, before))

    def find(self, prefix: str) -> Session:
        """By its id, or a beginning of it that no other has."""
        with self._asking() as ask:
            return lookup.found_by(ask, prefix)

    def latest(self, *, root: str, agent: str) -> Session | None:
        found = self.sessions(root=root, agent=agent, limit=1)
        return found[0] if found else None

    def search(self, words: str, *, agent: str | None = None, root: str | None = None, limit: int = 50) -> list[Found]:
        """Those with a message that holds every word, the last one as a beginning; or whose title does."""
        dialect = "sqlite" if isinstance(self._found, File) else "postgresql"
        with self._asking() as ask:
            return lookup.searched(ask, dialect, Words(words), Wanted(agent, root), limit)

    # -- what is in one

    def conversation(self, id: str) -> list[dict[str, Any]]:
        """Its messages, as they can be gone on with: a run that was killed is brought to an end."""
        return self._records.conversation(id)

    def events(self, id: str) -> Iterator[Event]:
        """Everything that happened."""
        return self._records.events(id)

    def events_jsonl(self, id: str) -> Iterator[bytes]:
        """Each event as a line of JSON, with the end of the line."""
        return self._records.events_jsonl(id)

    # -- changes

    def rename(self, id: str, title: str) -> None:
        self._records.rename(id, title)

    def fork(self, id: str) -> Session:
        """A copy of the conversation with an id of its own. What happened, and what it took, stays with the first."""
        return self._records.fork(id)

    def delete(self, ids: Iterable[str]) -> int:
        """How many were deleted. None is where one of them is open."""
        return self._records.delete(ids)

    def delete_older(self, before: float, *, root: str | None = None) -> int:
        """Those that were last changed before a time, in Unix seconds; one that is open stays."""
        return self._records.delete_older(before, root=root)

    def writer(self, session: Session, messages: list[Message], mask: Mask) -> Writer:
        """For one that is new, or as it was read. Raises UsageError if it is open elsewhere, or was changed since."""
        return self._records.writer(session, messages, mask)

    # -- inside

    def _asking(self) -> AbstractContextManager[Ask]:
        return asking_file(self._found) if isinstance(self._found, File) else asking_database(self._open())

    @property
    def _records(self) -> Records:
        from agentrun.sessions.records import Records

        return Records(self._open())

    def _open(self) -> Database:
        from agentrun.sessions.database import open_database

        with self._mutex:
            if self._opened is None:
                self._opened = open_database(self._found)
            return self._opened
