"""What an agent can call in a run: its own tools, the members of its sets, and the functions that hand over.

Settled when the agent begins to serve: a server that has other tools later adds none to a run that goes on. Owns what
a request carries of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.messages import ToolList
from agentrun.errors import ToolsError


class Toolkit:
    """`functions` are all that the model may call, by name; `tool_list` is what a request carries of them."""

    def __init__(self, functions: Mapping[str, BoundTool], tool_list: ToolList) -> None:
        self.functions = functions
        self.tool_list = tool_list


async def equip(agent: Agent) -> Toolkit:
    """The agent's functions, with the members of its sets: their servers are started at once. Raises `ToolsError`."""
    if not agent.sets:
        return Toolkit({**agent.tools, **agent.handoffs}, agent.tool_list)
    tools = dict(agent.tools)
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_members(one)) for one in agent.sets]
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
    return Toolkit(functions, ToolList(one.function for one in functions.values()))


async def _members(of: ToolSet) -> Sequence[BoundTool]:
    return await of.members()


def _check_choice(agent: Agent, functions: Mapping[str, BoundTool]) -> None:
    """The tool that must be called first may be a member of a set: only now it is known whether it is there."""
    if isinstance(agent.tool_choice, dict):
        name = agent.tool_choice.get("function", {}).get("name")
        if name not in functions:
            raise ToolsError(f"`tool_choice` of the agent `{agent.name}` names a tool that is not there: `{name}`")
