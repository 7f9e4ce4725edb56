"""An agent as a tool: its run is part of the caller's, with shared limits and nested events."""

from __future__ import annotations

from typing import Any

from agentrun.engine.ports import CallContext, ToolResult


class AgentTool:
    def __init__(self, agent: Any) -> None:
        self.agent = agent

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        value = await context.run_child(self.agent, arguments)
        return ToolResult(value, {"result": value})
