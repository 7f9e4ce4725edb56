"""What a kind of database must be able to do so that sessions can be kept in it."""

from __future__ import annotations

from typing import Literal, Protocol

from sqlalchemy import Connection, Engine

from agentrun.sessions.lock import Holder

# Of a transaction. In `migrate` nobody else changes the schema.
Purpose = Literal["read", "write", "migrate"]


class Backend(Protocol):
    """`where` names the database for people; `secrets` are texts that must not be shown.

    `prepare` makes what must stand before the first connection. `begin` does what a transaction needs at its beginning.
    `check` raises where what was opened is not there any more. `holder` holds locks. `tidy` gives back the room of what
    was deleted, and leaves no trace of it.
    """

    dialect: str
    where: str
    secrets: tuple[str, ...]

    def prepare(self) -> None: ...
    def engine(self) -> Engine: ...
    def begin(self, connection: Connection, purpose: Purpose) -> None: ...
    def check(self) -> None: ...
    def holder(self, engine: Engine) -> Holder: ...
    def tidy(self, engine: Engine) -> None: ...
