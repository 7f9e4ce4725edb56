"""A recorded conversation, played as a case that has no expectations: how far it comes, and what is seen of it.

It is played as `agentrun test` plays it elsewhere: without models and tools, and without the variables that the
project's files read, but for those that must be set wherever they are read (`${VAR:?…}`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agentrun.cassettes.cassette import Conversation, ModelEntry, UserEntry
from agentrun.cassettes.player import MISS, Player
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import Agent
from agentrun.engine.attached import attachments_in
from agentrun.errors import UsageError
from agentrun.models.endpoint import KEY_VARIABLES
from agentrun.project import read_project
from agentrun.spec.case_types import ExpectSpec
from agentrun.spec.yaml_nodes import read_text
from agentrun.testing.bench import Bench
from agentrun.testing.observed import ObservedStep
from agentrun.testing.one_case import attempt
from agentrun.testing.plan import AttachedFile, Case, Step, attached_file
from agentrun.visible import one_line

_REQUIRED = re.compile(r"\$\{([A-Za-z_]\w*):\?")


class Played(msgspec.Struct, frozen=True):
    """The runs that could be played, with the messages that began them, and the agent that they began with.

    `users` is None for a run that began with arguments alone. `lacks` says why it ends before the conversation does.
    `files` are those that went with each message.
    """

    users: tuple[str, ...] | None
    args: dict[str, Any]
    steps: tuple[ObservedStep, ...]
    agent: Agent
    lacks: str | None = None
    files: tuple[tuple[Path, ...], ...] = ()


class Rehearsal:
    """Plays conversations with the agents of a project, as they are on the disk."""

    def __init__(self, root: Path, environ: Mapping[str, str], *, tools: Sequence[Path] = ()) -> None:
        given = read_project(root, environ, tools=tools)
        names = {name for document in given.catalog.documents() for name in document.variables}
        required = {name for text in given.sources.values() for name in _REQUIRED.findall(text)}
        hidden = (names | set(KEY_VARIABLES)) - required
        self.environ = {name: value for name, value in environ.items() if name not in hidden}
        self.project = read_project(root, self.environ, tools=tools)
        self._bench = Bench(self.project, self.environ, tools=tools)

    async def play(self, conversation: Conversation) -> Played:
        """As a run with arguments, where it is one; else message by message.

        Raises `UsageError` where not even the first message can be played, and `SpecError` where files are wrong.
        """
        self._refuse_stranger(conversation.agent)
        texts = tuple(one.text for one in conversation.entries if isinstance(one, UserEntry))
        if len(texts) == 1 and conversation.args:
            played = await self._once(conversation, None)
            if played.steps:
                return played
        played = await self._once(conversation, texts)
        if not played.steps:
            raise UsageError(f"no case can be made of it: {played.lacks}")
        return played

    def required_by(self, agent: str) -> list[str]:
        """The variables that must be set wherever the agent and what it reaches are read."""
        files = {one.path for one in self.project.reachable(self.project.catalog.agents[agent])}
        return sorted({name for file in files for name in _REQUIRED.findall(self.project.sources[file])})

    async def close(self) -> None:
        await self._bench.close()

    def _refuse_stranger(self, agent: str) -> None:
        agents = sorted(self.project.catalog.agents)
        if agent not in agents:
            known = f"agents here: {one_of(agents)}" if agents else "no agents were found here"
            help = did_you_mean(agent, agents, f"{known}; a test is of one whose file stands in `agents/`")
            raise UsageError(f"the project has no agent `{agent}`", help=help)

    async def _once(self, conversation: Conversation, users: tuple[str, ...] | None) -> Played:
        case = _case(conversation, users, self.project.root)
        agent = self._bench.agent(case)
        properties: Mapping[str, Any] = agent.parameters.get("properties") or {}
        args = {name: value for name, value in conversation.args.items() if name in properties}
        player = Player(conversation, agent.mask)
        done = await attempt(msgspec.structs.replace(case, args=args), agent, player)
        steps = done.observed.steps
        good = next((number for number, step in enumerate(steps) if _is_unplayed(step)), len(steps))
        error = steps[good].error if good < len(steps) else None
        told = [str(error["message"])] if error else [failure.message for failure in done.failures]
        lacks = (_gone(case.steps[good]) or told[0]) if good < len(case.steps) else None
        files = tuple(tuple(one.path for one in step.attach) for step in case.steps[:good])
        return Played(None if users is None else users[:good], args, steps[:good], agent, lacks, files)


def _case(conversation: Conversation, users: tuple[str, ...] | None, root: Path) -> Case:
    files = [tuple(_file(name, root) for name in names) for names in _attached(conversation)]
    return Case(
        id="",
        file="",
        name=conversation.name or "",
        node=read_text("", "name: rehearsal").documents[0],  # it says nothing
        agent=conversation.agent,
        expect=ExpectSpec(),
        steps=tuple(Step(said, attach=them) for said, them in zip(users or (None,), files, strict=False)),
        source="cassette",
    )


def _attached(conversation: Conversation) -> list[list[str]]:
    """The names of the files that went with each message: they stand in the first request of its run."""
    found: list[list[str]] = []
    is_new = False
    for entry in conversation.entries:
        if isinstance(entry, UserEntry):
            found.append([])
            is_new = True
        elif isinstance(entry, ModelEntry) and is_new and not entry.within:
            said = [one for one in entry.asked.messages if one.get("role") == "user"]
            found[-1] = [file.name for one in said[-1:] for file in attachments_in(one.get("content"))]
            is_new = False
    return found


def _file(name: str, root: Path) -> AttachedFile:
    """The file that is called so in the project; what a name that leads out of it would read is not looked at."""
    there = attached_file(root / name, root)
    return there if there.name == name else AttachedFile(root / Path(name).name, name)


def _gone(step: Step) -> str | None:
    """Which of the files that went with a message the project doesn't have."""
    gone = next((one.name for one in step.attach if not one.path.is_file()), None)
    return None if gone is None else f"`{one_line(gone, 100)}` was attached, and the project has no such file"


def _is_unplayed(step: ObservedStep) -> bool:
    """It asked for what was not recorded, or did not begin."""
    return step.reason == "cancelled" or (step.error is not None and step.error.get("type") == MISS)
