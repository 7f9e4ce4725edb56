"""The agent of a session, as its files have it today."""

from __future__ import annotations

from pathlib import Path

from agentrun.discovery import display
from agentrun.errors import UsageError
from agentrun.sessions.session import Session


def agent_file(session: Session) -> str:
    """The file of its agent."""
    if not Path(session.path).is_file():
        raise UsageError(
            f"the agent of the session `{session.id}` is gone: there is no file `{display(Path(session.path))}`",
            help=f"`agentrun sessions show {session.id}` shows what was said",
        )
    return session.path
