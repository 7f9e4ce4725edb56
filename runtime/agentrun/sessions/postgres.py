"""Sessions in a database of Postgres: the driver, and how long to wait for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from agentrun.errors import StoreError
from agentrun.sessions.address import VARIABLE, Server
from agentrun.sessions.backend import Purpose
from agentrun.sessions.lock import AdvisoryHolder, Holder

_CONNECT_TIMEOUT_S = 5
_MIGRATION_TIMEOUT_S = 60
_MIGRATION_LOCK = 0x6167656E7472756E


class PostgresServer:
    dialect = "postgresql"

    def __init__(self, server: Server) -> None:
        self.where = server.where
        self.secrets = server.secrets
        self._url = server.url

    def prepare(self) -> None:
        """Somebody else made the database."""

    def engine(self) -> Engine:
        timeout = {} if "connect_timeout" in self._url.query else {"connect_timeout": _CONNECT_TIMEOUT_S}
        try:
            engine = create_engine(self._url, connect_args=timeout, pool_pre_ping=True, hide_parameters=True)
        except ImportError as error:
            raise StoreError(
                f"{VARIABLE} needs a package that is not installed: {error.name or 'psycopg'}",
                help="Install it: pip install 'psycopg[binary]>=3.2.1,<4'",
            ) from None
        event.listen(engine, "connect", _set_up)
        return engine

    def begin(self, connection: Connection, purpose: Purpose) -> None:
        if purpose == "migrate":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_MIGRATION_TIMEOUT_S}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")

    def check(self) -> None:
        """A connection that broke says so itself."""

    def holder(self, engine: Engine) -> Holder:
        return AdvisoryHolder(engine)

    def tidy(self, engine: Engine) -> None:
        """The server does so by itself."""


def _set_up(connection: Any, record: object) -> None:
    """Who holds a lock for long is not waited for: a conversation goes on unsaved."""
    connection.execute("SET lock_timeout = '2s'")
    connection.commit()
