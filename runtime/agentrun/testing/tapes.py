"""The cassettes of test cases: which conversation a case plays, and what becomes of a file when cases are recorded.

Many cases may share a file, and run at once: each has a tape of its own, and a file is written once, in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from agentrun.cassettes.cassette import Cassette, Conversation, Interrupted, ModelEntry, ToolEntry
from agentrun.cassettes.known import known_cassette, names_told
from agentrun.cassettes.player import Player
from agentrun.cassettes.recorder import Recorder
from agentrun.cassettes.writing import refuse_unwritable, write_cassette
from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.messages import Reply
from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, Approver, ElicitationAnswer, ElicitationQuestion
from agentrun.errors import AgentrunError, SpecError, UsageError
from agentrun.testing.one_case import Tape
from agentrun.testing.plan import Case

Mode = Literal["replay", "record", "auto"]
AGAIN = "`agentrun test --cassettes record` records it again"
_ENDING = (ModelEntry, ToolEntry)
_RECORDS = "`agentrun test --cassettes record` records it"


class Tapes:
    """`replay` plays what is there, `record` writes it anew, `auto` plays what is there and records the rest."""

    def __init__(self, mode: Mode = "replay") -> None:
        self._mode = mode
        self._recording: dict[tuple[Path, str], tuple[Case, Recorder]] = {}
        self._done: list[tuple[Case, Conversation]] = []

    def records(self, case: Case) -> bool:
        """Whether the model, and the tools that have no stub, are really asked."""
        if self._mode != "auto":
            return self._mode == "record"
        path = _path(case)
        if not path.exists():
            return True
        try:
            return _read(path).of_case(case.name) is None
        except AgentrunError:
            return False  # a file with mistakes is not written over

    def open(self, case: Case, agent: Agent) -> Tape:
        """Raises `UsageError` where a case has nothing to play, or its file can't be read, or written."""
        path = _path(case)
        if self.records(case):
            return self._recorder(case, agent, path)
        if not path.exists():
            raise UsageError(f"there is no cassette `{path}`: {_RECORDS}")
        cassette = _read(path)
        conversation = cassette.of_case(case.name)
        if conversation is None:
            there = names_told(cassette)
            raise UsageError(f"the cassette `{path}` has no conversation of this name; {there}; {_RECORDS}")
        return _CaseTape(case, conversation, agent, str(path))

    def ended(self, case: Case) -> str | None:
        """The case came to its end: what was recorded of it may be kept. Why it is not, where nothing else says so."""
        _, recorder = self._recording.get((_path(case), case.name), (case, None))
        if recorder is None or recorder.is_empty:
            return None
        conversation = recorder.conversation()
        if any(isinstance(one, _ENDING) and isinstance(one.outcome, Interrupted) for one in conversation.entries):
            return "it is not recorded: a limit of time cut it off, and a replay takes no time"
        if _is_whole(case, conversation):
            self._done.append((case, conversation))
        return None

    def save(self) -> None:
        """Write each file that cases were recorded for. Conversations of other cases stay in it."""
        for path in dict.fromkeys(_path(case) for case, _ in self._done):
            before = _read(path).conversations if path.exists() else ()
            done = [one for one in self._done if _path(one[0]) == path]
            write_cassette(path, Cassette(_merged(before, done)), make_folder=True)
        self._done = []
        self._recording = {}

    def _recorder(self, case: Case, agent: Agent, path: Path) -> Recorder:
        """What could not be written in the end is refused before a model is paid for it."""
        if path.exists():
            _read(path)
        refuse_unwritable(path)
        other, _ = self._recording.get((path, case.name), (case, None))
        if other.id != case.id:
            place = f"{other.file}:{other.span.line}"
            raise UsageError(f"the case of this name at {place} is recorded into `{path}` too: rename one of them")
        recorder = Recorder(agent.name, agent.mask, date=case.date, name=case.name)
        self._recording[path, case.name] = case, recorder
        return recorder


class _CaseTape(Player):
    """What the case says itself, its stubs and what it approves or refuses, comes before what was recorded."""

    def __init__(self, case: Case, conversation: Conversation, agent: Agent, source: str) -> None:
        def is_live(name: str) -> bool:
            return case.live_tools or name in case.stubs

        super().__init__(conversation, agent.mask, live=is_live, source=source, again=AGAIN)
        self._are_live = case.live_tools

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]:
        return await tool_set.members() if self._are_live else await super().members(agent, tool_set)

    def approver(self, otherwise: Approver) -> Approver:
        return _CaseFirst(otherwise, super().approver(otherwise), self)


class _CaseFirst:
    def __init__(self, case: Approver, recording: Approver, tape: Player) -> None:
        self._case = case
        self._recording = recording
        self._tape = tape

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        answer = await self._case.ask(question)
        if answer.by == "nobody":
            return await self._recording.ask(question)
        if not answer.approved:
            self._tape.ignore_results(question.tool)
        return answer

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        return await self._recording.elicit(question)


def _path(case: Case) -> Path:
    if case.cassette is None:
        raise UsageError(f"the case `{case.name}` has no cassette")
    return case.cassette


def _read(path: Path) -> Cassette:
    try:
        return known_cassette(path)
    except SpecError as error:
        first = error.report.diagnostics[0]
        raise UsageError(f"{first.span}: {first.message}") from None


def _is_whole(case: Case, conversation: Conversation) -> bool:
    """Whether a recording is worth keeping: it ends with a reply, or with the failure that the case expects."""
    asked = [one for one in conversation.entries if isinstance(one, ModelEntry)]
    return case.expects_a_failure or isinstance(asked[-1].outcome, Reply)


def _merged(before: Sequence[Conversation], done: Sequence[tuple[Case, Conversation]]) -> tuple[Conversation, ...]:
    """New ones in the place of those of the same name; others after the case that stands before theirs."""
    recorded = {one.name: one for _, one in sorted(done, key=lambda pair: _order(pair[0]))}
    kept = [] if len(before) == 1 and before[0].name is None else list(before)
    merged = [recorded.get(one.name, one) for one in kept]
    at = len(merged)
    for name, one in recorded.items():
        known = next((index for index, other in enumerate(merged) if other.name == name), None)
        if known is None:
            merged.insert(at, one)
            known = at
        at = known + 1
    return tuple(merged)


def _order(case: Case) -> tuple[str, int, int]:
    return case.file, case.span.line, case.span.column
