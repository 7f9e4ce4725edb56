"""Completion in the shell: session ids with their titles, and names of agents."""

from __future__ import annotations

import os
from contextlib import closing

import click
from click.shell_completion import CompletionItem

_OFFERED = 50


def complete_session(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids that begin so, the last changed first; none where there is no database to ask."""
    from agentrun.errors import AgentrunError
    from agentrun.sessions.store import open_store
    from agentrun.visible import one_line

    try:
        with closing(open_store(os.environ)) as store:
            known = store.sessions(limit=None if incomplete else _OFFERED)
    except AgentrunError:
        return []
    found = [one for one in known if one.id.startswith(incomplete) and one.id.isalnum()][:_OFFERED]
    return [CompletionItem(one.id, help=one_line(f"{one.agent}: {one.title}", 80)) for one in found]


def complete_agent_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The agents of the project."""
    from pathlib import Path

    from agentrun.discovery import find_root

    names = sorted(path.stem for path in (find_root(Path.cwd()) / "agents").glob("*.yaml"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and not name.startswith("_")]
