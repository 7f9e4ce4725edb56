"""Which database holds the sessions: AGENTRUN_DATABASE_URL, else a file in the user's state folder.

Parses and names; opens nothing. The URL's password is known to nobody but the driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agentrun.errors import StoreError
from agentrun.state_folder import state_folder

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

VARIABLE = "AGENTRUN_DATABASE_URL"
_KINDS = "postgresql://USER:PASSWORD@HOST/NAME or sqlite:////PATH"


class File(msgspec.Struct, frozen=True):
    """A file of SQLite. `is_own` says that its folder is agentrun's: it is made, and is the user's alone."""

    path: Path
    is_own: bool

    @property
    def where(self) -> str:
        return str(self.path)


class Server(msgspec.Struct, frozen=True):
    """A database of Postgres. `where` names it without its password; `secrets` must not be shown."""

    url: URL
    where: str
    secrets: tuple[str, ...]


def address(environ: Mapping[str, str]) -> File | Server:
    """Raises StoreError where there is none, or it can't be understood."""
    if given := environ.get(VARIABLE, "").strip():
        return _parsed(given)
    folder = state_folder(environ)
    if folder is None:
        raise StoreError(
            "there is no folder to keep sessions in: there is no home folder",
            help=f"set HOME or XDG_STATE_HOME, or {VARIABLE} to a database",
        )
    return File(folder / "sessions.db", is_own=True)


def _parsed(given: str) -> File | Server:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise StoreError(f"{VARIABLE} is no URL of a database", help=f"it is as {_KINDS}") from None  # may hold secrets
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _file(url)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return _server(url.set(drivername="postgresql+psycopg"))
    raise StoreError(f"{VARIABLE}: sessions can't be kept in `{url.drivername}`", help=f"it is as {_KINDS}")


def _file(url: URL) -> File:
    if not url.database or url.host or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError(f"{VARIABLE} names no file", help="sqlite:////PATH, with the whole path")
    return File(Path(url.database).absolute(), is_own=False)


def _server(url: URL) -> Server:
    if "@" in (url.host or ""):  # the driver would look up the end of a password, and tell it
        raise StoreError(f"{VARIABLE}: what stands before the host holds an `@`", help="write it as %40")
    hidden = {name: value for name, value in url.query.items() if "pass" in name.lower()}
    shown = {name: value for name, value in url.query.items() if name not in hidden}
    bare = url.create("postgresql", url.username, None, url.host, url.port, url.database, shown)
    secrets = [
        url.password,
        *(one for value in hidden.values() for one in ([value] if isinstance(value, str) else value)),
    ]
    return Server(url, bare.render_as_string(hide_password=False), tuple(one for one in secrets if one))
