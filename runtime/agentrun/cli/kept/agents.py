"""The agent of a session, as its files have it today: also where they were moved, or are called otherwise by now."""

from __future__ import annotations

from pathlib import Path

import msgspec

from agentrun.cli.loading import Loader
from agentrun.discovery import display
from agentrun.errors import UsageError
from agentrun.sessions.session import Session


def agent_file(session: Session) -> str:
    """The file of its agent."""
    if not Path(session.path).is_file():
        raise UsageError(
            f"the agent of the session `{session.id}` is gone: there is no file `{display(Path(session.path))}`",
            help=f"`agentrun chat AGENT --resume {session.id}` goes on with the agent that it became, "
            f"`agentrun sessions show {session.id}` shows what was said",
        )
    return session.path


def with_agent(session: Session, loader: Loader) -> Session:
    """The session, to go on with an agent that was named: its own, or, where that is gone, what it became."""
    if str(loader.path) == session.path:
        return session
    if Path(session.path).is_file():
        raise UsageError(
            f"the session `{session.id}` is with `{session.agent}`, not with `{loader.name}`",
            help=f"leave the agent out: `agentrun chat --resume {session.id}`",
        )
    return msgspec.structs.replace(
        session,
        agent=loader.name,
        path=str(loader.path),
        root=loader.root,
        speaker=loader.name if session.speaker == session.agent else session.speaker,
    )
