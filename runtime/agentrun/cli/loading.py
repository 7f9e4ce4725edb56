"""The agent of a conversation: read once, and bound again for each model; also what only its project can tell of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agentrun import api
from agentrun.cli.bug import hide_secrets
from agentrun.engine.agent import Agent
from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import ApprovalQuestion
from agentrun.project import Project
from agentrun.resolve import Stage, resolve
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import handoff_name

if TYPE_CHECKING:
    from agentrun.cassettes.cassette import Conversation
    from agentrun.cli.session_tests import Saved


class Loader:
    """Reads the agent once and binds it to a model, again for each `/model`."""

    def __init__(
        self, agent: str, environ: Mapping[str, str], tools: tuple[Path, ...], stage: Stage | None = None
    ) -> None:
        self._environ = environ
        self._tools = tools
        self._stage = stage
        self._mask: Callable[[str], str] = str
        self.project: Project
        self._document: Document
        self.project, self._document = api.find_agent(agent, environ, tools=tools)

    def load(self, model: str | None, on_exchange: OnExchange | None = None) -> Agent:
        # Text that was shown at a terminal can't be taken back, so a turn that has begun is not retried.
        live = sys.stdout.isatty()
        agent = resolve(
            self.project,
            self._document,
            self._environ,
            model=model,
            live=live,
            on_exchange=on_exchange,
            stage=self._stage,
        )
        hide_secrets(agent.mask.text)
        self._mask = agent.mask.text
        return agent

    async def save(self, heard: Conversation, name: str) -> Saved:
        """A conversation with the agent as a test."""
        from agentrun.cli.session_tests import Place, save_conversation

        place = Place(self.project.root, self._environ, self._tools)
        return await save_conversation(heard, name, place)

    def action(self, question: ApprovalQuestion) -> str:
        """What a call in question does."""
        from agentrun.cli.describe import describe_tool
        from agentrun.cli.portrait import action

        catalog = self.project.catalog
        agent = catalog.agents[question.agent]
        tool = next((one for one in catalog.tools_of(agent) if one.name == question.tool), None)
        if tool is None:
            taking = next(name for name in agent.spec.handoffs if handoff_name(name) == question.tool)
            return action({"kind": "handoff", "agent": taking})
        return self._mask(action(describe_tool(self.project, tool, self._environ)["backend"]))
