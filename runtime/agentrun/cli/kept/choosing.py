"""Which session is meant: one that is named, the last one, or one that a person chooses."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from agentrun.cli.columns import terminal_width
from agentrun.cli.kept.agents import with_agent
from agentrun.cli.kept.listing import numbered
from agentrun.cli.loading import Loader
from agentrun.discovery import find_root
from agentrun.errors import UsageError
from agentrun.sessions.session import Session
from agentrun.sessions.store import Store

_OFFERED = 10
_ID_CHARS = frozenset("0123456789abcdef")


def wanted(store: Store, loader: Loader | None, *, id: str | None, goes_on: bool) -> Session:
    """The session to go on with: the one with this id, or the last one; else one is to be chosen.

    `loader` is that of the agent that was named, where one was.
    """
    if id:
        session = store.find(id)
        return session if loader is None else with_agent(session, loader)
    agent = None if loader is None else loader.name
    root = str(find_root(Path.cwd()).resolve()) if loader is None else loader.root
    known = store.sessions(agent=agent, root=root, limit=1 if goes_on else _OFFERED)
    if not known:
        of = f"with `{agent}`" if agent else "of this project"
        raise UsageError(f"there is no session {of} yet", help="`agentrun sessions list` shows those of all projects")
    return known[0] if goes_on else _chosen(known)


def without_id(agent: str | None, resume: str | None) -> tuple[str | None, str | None]:
    """`--resume AGENT`: what can be no id, or is an agent here, is the agent, and its session is to be chosen."""
    if agent is not None or not resume:
        return agent, resume
    is_agent = Path(resume).is_file() or (find_root(Path.cwd()) / "agents" / f"{resume}.yaml").is_file()
    return (resume, "") if is_agent or not set(resume.lower()) <= _ID_CHARS else (None, resume)


def _chosen(known: Sequence[Session]) -> Session:
    if not sys.stdin.isatty():
        raise UsageError(
            "without a terminal nobody can choose a session",
            help="name it: `--resume ID`, as `agentrun sessions list` shows it; or take the last one: `--continue`",
        )
    for line in numbered(known, time.time(), terminal_width()):
        click.echo(line)
    number: int = click.prompt("which one", type=click.IntRange(1, len(known)), default=1)
    return known[number - 1]
