"""The agent of a conversation: read once, and bound again for each model; also what only its project can tell of it.

What is told is for people: secrets are hidden in it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentrun import api
from agentrun.cli.bug import hide_secrets
from agentrun.cli.grant import Grants, Offer
from agentrun.diagnostics import Report
from agentrun.engine.agent import Agent, Mask
from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import ApprovalQuestion
from agentrun.project import Project
from agentrun.resolve import Stage, resolve
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import handoff_name

if TYPE_CHECKING:
    from agentrun.cassettes.cassette import Conversation
    from agentrun.cli.session_tests import Saved

Described = dict[str, Any]


class Loader:
    """Reads the agent once and binds it to a model, again for each `/model`.

    A conversation may come to agents that the first one can't hand over to: those that `load` was told of are bound
    beside it, and stay.
    """

    def __init__(
        self, agent: str, environ: Mapping[str, str], tools: tuple[Path, ...], stage: Stage | None = None
    ) -> None:
        self._agent = agent
        self._environ = environ
        self._tools = tools
        self._stage = stage
        self._mask: Mask = Masker()
        self._guests: tuple[str, ...] = ()
        self._read_at_ns = time.time_ns()
        self.project: Project
        self._document: Document
        self.project, self._document = api.find_agent(agent, environ, tools=tools)
        self._grants = Grants(self.project)

    @property
    def name(self) -> str:
        return self._document.name

    @property
    def path(self) -> Path:
        """The agent's file."""
        return Path(self._document.path).resolve()

    @property
    def root(self) -> str:
        """The project's folder, as sessions know it."""
        return str(self.project.root.resolve())

    def of(self, agent: str) -> Loader:
        """The same for another agent."""
        return Loader(agent, self._environ, self._tools, self._stage)

    def again(self) -> Loader:
        """The same with the files read anew."""
        fresh = Loader(self._agent, self._environ, self._tools, self._stage)
        fresh._guests = self._guests
        return fresh

    def load(self, model: str | None, on_exchange: OnExchange | None = None, *, also: str = "") -> Agent:
        """The agent. `also` is another one of the project that may have the conversation; one that isn't there is
        left out.
        """
        guests = tuple(dict.fromkeys((*self._guests, *([also] if also else []))))
        agents = self.project.catalog.agents
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
            beside=[agents[name] for name in guests if name in agents],
        )
        self._guests = guests
        hide_secrets(agent.mask.text)
        self._mask = agent.mask
        return agent

    async def save(self, heard: Conversation, name: str) -> Saved:
        """A conversation with the agent as a test."""
        from agentrun.cli.session_tests import Place, save_conversation

        place = Place(self.project.root, self._environ, self._tools)
        return await save_conversation(heard, name, place)

    # -- what can be told of the project

    def agents(self) -> dict[str, str]:
        """The agents of the project, each with its description."""
        agents = sorted(self.project.catalog.agents.items())
        return {name: self._mask.text(one.spec.description if one.spec else "") for name, one in agents}

    def described(self, agent: str) -> Described:
        """An agent as `agentrun inspect` has it."""
        from agentrun.cli.describe import describe_agent

        return self._hidden(describe_agent(self.project, self.project.catalog.agents[agent], self._environ))

    def described_model(self, agent: str, model: str | None) -> Described:
        """What is asked for an agent, where `model` takes the place of its own."""
        from agentrun.cli.describe_model import describe_model
        from agentrun.model_wiring import asked_models

        written = self.project.catalog.agents[agent].spec.model
        return self._hidden(describe_model(asked_models(written, model)[0], self._environ))

    def window_tokens(self, agent: Agent, model: str | None) -> int | None:
        """What the agent's context holds at most: `context.max_tokens`, or what its model takes in, if that is less."""
        from agentrun.prices import ListPrice

        asked = self.described_model(agent.name, model)
        listed = ListPrice(asked["name"], asked["address"]).window_tokens if asked["address"] else None
        return min((one for one in (agent.context.max_tokens, listed) if one is not None), default=None)

    @property
    def is_played(self) -> bool:
        """Whether a recording answers in the place of the model and the tools."""
        return self._stage is not None

    def findings(self) -> Report:
        """What `agentrun validate` tells of the agent's files, as they are now."""
        from agentrun.baseline import compare
        from agentrun.cli.checking import Checker
        from agentrun.settings import find_settings

        check = Checker([self.path], self._environ, self._tools)
        ((settings, part),) = check.parted(find_settings).items()
        found = settings.selection.of(part().report)
        return compare(found, Path(settings.baseline)).report if settings.baseline else found

    def code_has_changed(self) -> bool:
        """Whether python code of the project that was imported is another one on disk by now."""
        from agentrun.tools.python import loaded_files

        return any(_changed_ns(Path(file)) > self._read_at_ns for file in loaded_files(self.project.root))

    def forget_code(self) -> None:
        """Tools that are made from now on import the python code of the project anew."""
        from agentrun.tools.python import forget_modules

        forget_modules(self.project.root)

    def propose(self, question: ApprovalQuestion) -> Offer:
        """The rule that answers a question for good. Raises `NoRule`."""
        return self._grants.propose(question)

    def action(self, question: ApprovalQuestion) -> str:
        """What a call in question does."""
        from agentrun.cli.describe import describe_tool
        from agentrun.cli.describe_set import member_backend, tool_behind
        from agentrun.cli.portrait_tool import action

        catalog = self.project.catalog
        agent = catalog.agents[question.agent]
        tool = tool_behind(catalog.tools_of(agent), question.tool)
        if tool is None:
            taking = next((one for one in agent.spec.handoffs if handoff_name(one) == question.tool), None)
            return action({"kind": "handoff", "agent": taking}) if taking is not None else ""
        described = describe_tool(self.project, tool, self._environ)
        backend = member_backend(described, question.tool) if tool.is_set else described["backend"]
        return self._mask.text(action(backend))

    def _hidden(self, described: Described) -> Described:
        hidden: Described = self._mask.data(described)
        return hidden


def _changed_ns(file: Path) -> int:
    """When a file was changed, or put in the place of another; now, where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return time.time_ns()
    return max(found.st_mtime_ns, found.st_ctime_ns)
