"""What an agent can call in a run: its own tools, the members of its sets, and the functions that hand over.

Settled when the agent begins to serve: a server that has other tools later adds none to a run that goes on. What a
request carries of very many is `tool_search.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.messages import Message, ToolList
from agentrun.engine.ports import Journal
from agentrun.engine.tool_search import carried_of
from agentrun.errors import ToolsError


class Toolkit:
    """`functions` are all that the model may call, by name."""

    def __init__(self, agent: Agent, functions: Mapping[str, BoundTool], tool_list: ToolList) -> None:
        """Raises `ToolsError` where the agent's `tool_search` can't be followed."""
        self._all = tool_list
        self._search = carried_of(agent, functions)
        self.functions = self._search.functions if self._search else functions

    def carried(self, messages: Sequence[Message]) -> ToolList:
        """What the next request carries of them."""
        return self._search.tools(messages) if self._search else self._all

    def called(self, names: Iterable[str]) -> None:
        """The model called these."""
        if self._search:
            self._search.called(names)

    @property
    def offered(self) -> list[str]:
        """The names that a model is told which called something else."""
        return self._search.names if self._search else sorted(self.functions)


async def equip(agent: Agent, journal: Journal) -> Toolkit:
    """The agent's functions, with the members of its sets: their servers are started at once. Raises `ToolsError`."""
    if not agent.sets:
        return Toolkit(agent, {**agent.tools, **agent.handoffs}, agent.tool_list)
    tools = dict(agent.tools)
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_members(agent, one, journal)) for one in agent.sets]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    for one in asked:
        for tool in one.result():
            if tool.name in tools:
                raise ToolsError(
                    f"two tools of the agent `{agent.name}` are called `{tool.name}`",
                    help=f"rename the set `{tool.tool_set}`, or leave the tool out of its `allowed_tools`",
                )
            tools[tool.name] = tool
    functions = {**tools, **agent.handoffs}
    _check_choice(agent, functions)
    return Toolkit(agent, functions, ToolList(one.function for one in functions.values()))


async def _members(agent: Agent, of: ToolSet, journal: Journal) -> Sequence[BoundTool]:
    return await journal.members(agent.name, of)


def _check_choice(agent: Agent, functions: Mapping[str, BoundTool]) -> None:
    """The tool that must be called first may be a member of a set: only now it is known whether it is there."""
    if isinstance(agent.tool_choice, dict):
        name = agent.tool_choice.get("function", {}).get("name")
        if name not in functions:
            raise ToolsError(f"`tool_choice` of the agent `{agent.name}` names a tool that is not there: `{name}`")
