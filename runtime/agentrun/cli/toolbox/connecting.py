"""Asking the servers of sets which tools they have: at once, and each failure told of the set that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from agentrun.engine.agent import BoundTool, Mask
from agentrun.errors import AgentrunError
from agentrun.project import Project
from agentrun.resolve import BoundTools, resolve_tools
from agentrun.spec.catalog import Document


class Asked(msgspec.Struct, frozen=True):
    """What came of asking one set: its members, or the error that it ended in."""

    document: Document
    members: Sequence[BoundTool] = ()
    error: AgentrunError | None = None
    mask: Mask | None = None


async def ask_all(project: Project, documents: Sequence[Document], environ: Mapping[str, str]) -> list[Asked]:
    """The members of each of these sets. What was started for it is ended."""
    return list(await asyncio.gather(*(_ask(project, one, environ) for one in documents)))


async def _ask(project: Project, document: Document, environ: Mapping[str, str]) -> Asked:
    bound: BoundTools | None = None
    try:
        bound = resolve_tools(project, document, environ)
        return Asked(document, await members_of(bound), mask=bound.mask)
    except AgentrunError as error:
        return Asked(document, error=error, mask=bound.mask if bound else None)
    finally:
        if bound is not None:
            await bound.close()


async def members_of(bound: BoundTools) -> list[BoundTool]:
    """All tools, with what servers have."""
    members = list(bound.tools)
    for one in bound.sets:
        members += await one.members()
    return members
