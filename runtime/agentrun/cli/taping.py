"""`--record FILE` and `--replay FILE`: a run or a conversation is written down, or played without model and tools.

Recordings are imported where one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.messages import Reply, Request
from agentrun.engine.outcome import Outcome
from agentrun.engine.ports import Approver, CallContext, Model, Tell, Tool, ToolResult
from agentrun.errors import ModelError, ToolFailure, UsageError
from agentrun.spec.types import ModelSpec

if TYPE_CHECKING:
    from agentrun.cassettes.cassette import Conversation, SetMember
    from agentrun.cassettes.player import Player
    from agentrun.cassettes.recorder import Recorder
    from agentrun.resolve import Stage
    from agentrun.tool_sets import SetRules
    from agentrun.tools.network import Network
    from agentrun.tools.shell import ShellTool


class Taping:
    """Neither, where no file is given. Refuses early what could not be written, or played, in the end."""

    def __init__(self, record: Path | None = None, replay: Path | None = None) -> None:
        if record is not None and replay is not None:
            raise UsageError("`--record` and `--replay` exclude one another", help="leave one of them out")
        self._path = record or replay
        self._played = None if replay is None else conversation_in(replay)
        self._is_recording = record is not None
        self._player: Player | None = None
        self._recorder: Recorder | None = None
        if record is not None:
            _refuse_to_write(record)

    @property
    def stage(self) -> Stage | None:
        """What an agent is bound to. What is played needs no model, no tool, and no variable."""
        return None if self._played is None else _ReplayStage()

    def model(self, given: str | None) -> str | None:
        """`--model`: the one of the recording, unless another is given."""
        return self._played.model if given is None and self._played is not None else given

    def open(
        self, agent: Agent, model: str | None, arguments: Mapping[str, Any] | None = None
    ) -> Recorder | Player | None:
        """The journal of all runs that follow. `model` is what is asked instead of the agent's own."""
        if self._played is not None:
            from agentrun.cassettes.player import Player

            again = f"to record again: `--record` into another file than `{self._path}`"
            self._player = Player(self._played, agent.mask, source=str(self._path), again=again)
        elif self._is_recording:
            from agentrun.cassettes.recorder import Recorder

            self._recorder = Recorder(agent.name, agent.mask, model=model, args=arguments)
        return self.journal

    def use(self, agent: Agent, model: str | None) -> None:
        """Goes on with an agent that was bound anew."""
        if self.journal is not None:
            self.journal.use(agent.mask)
        if self._recorder is not None:
            self._recorder.asks(model)

    def begins_with(self, agent: Agent, arguments: Mapping[str, Any]) -> None:
        """Goes on with another agent or other arguments: where nothing was said yet, it begins with them."""
        if self._recorder is not None:
            self._recorder.begins_with(agent.name, arguments)

    def approver(self, otherwise: Approver) -> Approver:
        return otherwise if self.journal is None else self.journal.approver(otherwise)

    @property
    def journal(self) -> Recorder | Player | None:
        return self._player if self._recorder is None else self._recorder

    @property
    def date(self) -> str | None:
        return None if self.journal is None else self.journal.date

    def save(self) -> None:
        """Write what was recorded so far."""
        if self._recorder is not None and self._path is not None and not self._recorder.is_empty:
            from agentrun.cassettes.cassette import Cassette
            from agentrun.cassettes.writing import write_cassette

            write_cassette(self._path, Cassette((self._recorder.conversation(),)))


def is_miss(outcome: Outcome) -> bool:
    from agentrun.cassettes.player import MISS

    return outcome.error is not None and outcome.error.get("type") == MISS


def conversation_in(path: Path) -> Conversation:
    """The only conversation of a cassette."""
    from agentrun.cassettes.reading import read_cassette

    conversations = read_cassette(path).conversations
    if len(conversations) == 1:
        return conversations[0]
    help = "`agentrun test` plays those of test cases" if conversations else None
    raise UsageError(f"the cassette `{path}` has {len(conversations) or 'no'} conversations, not one", help=help)


def _refuse_to_write(path: Path) -> None:
    from agentrun.cassettes.writing import refuse_unwritable

    if not path.parent.is_dir():
        raise UsageError(f"`--record {path}`: there is no folder `{path.parent}`")
    if path.is_dir():
        raise UsageError(f"`--record {path}`: it is a folder")
    if path.exists() and (not path.is_file() or path.stat().st_size):
        raise UsageError(f"`--record {path}`: the file is there already", help="name another one, or remove it")
    refuse_unwritable(path)


# -- an agent whose model and tools are never asked ---------------------------------------------------------


class _ReplayStage:
    def __init__(self) -> None:
        from agentrun.tools.shell import ShellTool

        self.shell: type[ShellTool] = ShellTool

    def model(self, specs: Sequence[ModelSpec], real: Model) -> Model:
        return _NoModel(real.name)

    def tool(self, name: str, timeout_s: float, make: Callable[[], Tool | None]) -> Tool | None:
        """A final tool has no backend, and an agent behind a tool is run: what it asks is played too."""
        from agentrun.tools.agent import AgentTool

        try:
            backend = make()
        except UsageError:  # of a variable that is not set
            return _NoTool()
        return backend if backend is None or isinstance(backend, AgentTool) else _NoTool()

    def tool_set(self, rules: SetRules, make: Callable[[], ToolSet]) -> ToolSet:
        """Its server, which may be gone, is not asked."""
        return _ReplayedSet(rules)

    def network(self, watch: Any) -> Network:
        from agentrun.tools.network import Network

        return Network()

    def tokens(self, network: Network) -> Network:
        return network

    async def sleep(self, seconds: float) -> None:
        """Nothing is waited for."""


class _ReplayedSet:
    """It has what a recording had, and nothing where that knows of none."""

    def __init__(self, rules: SetRules) -> None:
        self.name = rules.name
        self._rules = rules

    async def members(self) -> Sequence[BoundTool]:
        return ()

    def recalled(self, members: Sequence[SetMember]) -> Sequence[BoundTool]:
        from agentrun.cassettes.recalled import recalled_members

        return recalled_members(self._rules, members, lambda function: _NoTool())


class _NoModel:
    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request, tell: Tell) -> Reply:
        from agentrun.cassettes.player import MISS

        raise ModelError("the model is not asked in a replay", code=MISS)


class _NoTool:
    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        raise ToolFailure("internal", "tools are not called in a replay")
