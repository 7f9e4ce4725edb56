"""What `agentrun chat` does about sessions before the first message: opens the database, or asks whether to go on
without; takes a session up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial

import click
import msgspec

from agentrun.cli import tell_error
from agentrun.cli.talk.keeper import Keeper
from agentrun.cli.talk.talk import Talk
from agentrun.errors import StoreError, UsageError
from agentrun.sessions.session import Session
from agentrun.sessions.store import open_store


class Asked(msgspec.Struct, frozen=True):
    """What a command line says of sessions. `resume` is an id, or empty where one is to be chosen.

    `taped` is the option that records or plays.
    """

    resume: str | None = None
    goes_on: bool = False
    fork: bool = False
    unkept: bool = False
    taped: str = ""

    @property
    def takes_up(self) -> bool:
        return self.resume is not None or self.goes_on

    def check(self) -> None:
        """Refuses what doesn't go together."""
        taking_up = "--continue" if self.goes_on else "--resume"
        if self.goes_on and self.resume is not None:
            raise UsageError("`--resume` and `--continue` exclude one another", help="leave one of them out")
        if self.fork and not self.takes_up:
            raise UsageError("`--fork` goes on with a copy of a session", help="add `--resume ID` or `--continue`")
        if self.takes_up and self.taped:
            raise UsageError(
                f"`{taking_up}` and `{self.taped}` exclude one another",
                help="a recording begins with the first message of a conversation, and is kept in its file alone",
            )
        if self.takes_up and self.unkept:
            raise UsageError(
                f"`{taking_up}` and `--no-session` exclude one another",
                help=f"`{taking_up} --fork` leaves the session as it is",
            )


def open_keeper(environ: Mapping[str, str], asked: Asked) -> Keeper:
    """Where the conversation is kept. A database that can't be opened is the person's decision, where there is one."""
    if asked.taped:
        return Keeper(
            refusal=f"with `{asked.taped}` nothing is kept in the database: the recording is the conversation"
        )
    open_it = partial(open_store, environ)
    if asked.unkept:
        return Keeper(open_it)
    try:
        return Keeper(open_it, open_it())
    except StoreError as error:
        if asked.takes_up:
            raise
        _ask_to_go_on(error)
        return Keeper(open_it)


def take_up(talk: Talk, session: Session, *, fork: bool) -> None:
    """The conversation goes on with a session, also one that can't be written to, if the person says so."""
    talk.take_up(session, fork=fork)
    if talk.keeper.failure is not None:
        _ask_to_go_on(talk.keeper.failure)
        talk.knows_unsaved()


def _ask_to_go_on(error: StoreError) -> None:
    """At a terminal. From a pipe it is raised: nobody can decide."""
    if not sys.stdin.isatty():
        otherwise = "`--no-session` keeps nothing"
        raise StoreError(error.message, help=f"{error.help}; {otherwise}" if error.help else otherwise) from None
    tell_error(error.message, error.help)
    if not click.confirm("go on without saving?", default=None):
        raise click.exceptions.Exit(error.exit_code)
