"""Plays a recorded conversation: in the place of the model, the tools and the person, without asking any of them.

A request gets the reply of the first exchange that was not played yet and asked the same (`canonical.py`), a call the
result of the first such call; of several at once that are the same, each gets its own. What is not there ends the run
with a `ModelError` of code `cassette_miss`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from agentrun.cassettes.canonical import Canon, arguments_of, canonical_request, key_of
from agentrun.cassettes.cassette import (
    ApprovalEntry,
    Asked,
    Conversation,
    ModelEntry,
    ModelFailed,
    Result,
    SetEntry,
    ToolEntry,
    ToolFailed,
)
from agentrun.cassettes.keys import is_outside, run_of
from agentrun.cassettes.masked import Masking
from agentrun.cassettes.misses import call_missed, nearest, request_missed
from agentrun.cassettes.recalled import Recalling
from agentrun.cassettes.turns import Turns
from agentrun.engine.agent import BoundTool, Mask, ToolSet
from agentrun.engine.messages import Reply, Request, ToolCall
from agentrun.engine.ports import (
    ApprovalAnswer,
    ApprovalQuestion,
    Approver,
    ElicitationAnswer,
    ElicitationQuestion,
    Tell,
    ToolResult,
)
from agentrun.errors import ModelError, ToolFailure

T = TypeVar("T")

MISS = "cassette_miss"
INTERRUPTED = "interrupted"


class Player:
    """A journal. `date` is that of the recording, for `run.date`.

    `live` says which tools are really called; what was not recorded of approvals is asked. `source` is the name of the
    file, `again` says how to record it again.
    """

    def __init__(
        self,
        conversation: Conversation,
        mask: Mask,
        *,
        live: Callable[[str], bool] = lambda name: False,
        source: str = "",
        again: str = "record the conversation again",
    ) -> None:
        self.date: str | None = conversation.date
        self._live = live
        self._source = source
        self._again = again
        self._masking = Masking(mask)
        entries = list(enumerate(conversation.entries))
        self._replies = {number: one for number, one in entries if isinstance(one, ModelEntry)}
        self._calls = {number: one for number, one in entries if isinstance(one, ToolEntry)}
        self._answers = {number: one for number, one in entries if isinstance(one, ApprovalEntry)}
        self._sets = {number: one for number, one in entries if isinstance(one, SetEntry)}
        self._unused = self._replies.keys() | self._calls.keys() | self._answers.keys()
        self._turns = Turns({one for one in self._unused if one not in self._calls or not live(self._calls[one].name)})
        self._unheard: set[str] = set()
        self._compare()
        self._by_call = _grouped(self._calls, lambda one: (one.name, key_of(one.arguments)))
        self._by_question = _grouped(self._answers, lambda one: (one.tool, key_of(one.arguments)))
        self._used_by_run: list[int] = []
        self._latest = -1  # of what was played
        self._missed: ModelError | None = None
        self._was_interrupted = False

    def ignore_results(self, tool: str) -> None:
        """From now on what the model is told of this tool's calls is not compared: it was decided anew about one."""
        if tool not in self._unheard:
            self._unheard.add(tool)
            self._compare()

    def use(self, mask: Mask) -> None:
        """The conversation goes on with this agent's secrets hidden."""
        self._masking = Masking(mask)

    def approver(self, otherwise: Approver) -> Approver:
        return _Recalling(self, otherwise)

    def begin(self, text: str) -> None:
        """Where the run before missed something, what it played may be played again."""
        if self._missed is not None:
            self._unused |= set(self._used_by_run)
        self._missed = None
        self._was_interrupted = False
        self._used_by_run = []

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]:
        """What was recorded of a set, where it can be had so; else what it gives."""
        entry = self._given(agent, tool_set.name)
        if entry is None or not isinstance(tool_set, Recalling):
            return await tool_set.members()
        return tool_set.recalled(entry.members)

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        if is_outside(key):
            self.begin("")
        self._refuse_after_a_miss()
        if self._was_interrupted:
            raise _interrupted()
        now = self._masking.asked(request)
        same = self._by_request.get(self._canon.key(now), ())
        within = run_of(key)
        number = self._first(same, lambda number: self._replies[number].within == within)
        if number is None:
            raise self._request_missed(key, now)
        await self._play(number)
        entry = self._replies[number]
        for progress in entry.progress:
            tell(progress)
        if isinstance(entry.outcome, Reply):
            return entry.outcome
        if isinstance(entry.outcome, ModelFailed):
            raise _as_error(entry.outcome)
        raise _interrupted()

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        if self._live(call.name):
            with self._turns.something_real():
                return await make()
        self._refuse_after_a_miss()
        name, arguments = self._masking.text(call.name), arguments_of(self._masking.text(call.arguments))
        same = self._by_call.get((name, key_of(arguments)), ())
        call_id = self._masking.text(call.id)
        number = self._first(same, lambda number: self._calls[number].id == call_id)
        if number is None:
            left = self._first(number for number, one in self._calls.items() if one.name == name)
            near = None if left is None else self._calls[left]
            raise self._miss(call_missed(name, arguments, near), near)
        await self._play(number)
        match self._calls[number].outcome:
            case Result(value, names):
                return ToolResult(value, names)
            case ToolFailed(type, message, details):
                raise ToolFailure(type, message, **details)
        self._was_interrupted = True
        raise ToolFailure("interrupted", "the run ended before the call did")

    async def answer(self, question: ApprovalQuestion, otherwise: Approver) -> ApprovalAnswer:
        """The answer that was given to the same question; what is new is asked."""
        same = self._by_question.get((question.tool, key_of(self._masking.data(question.arguments))), ())
        number = self._first(same)
        if number is None:
            with self._turns.something_real():
                return await otherwise.ask(question)
        entry = self._answers[number]
        if entry.by == "user":
            await self._play(number)
        else:
            self._use(number)
            if not self._turns.took_at_once(number):  # nothing goes on between a question and nobody's answer
                await self._turns.wait(number)
        return ApprovalAnswer(entry.approved, entry.by, entry.message)

    # -- what was played

    def _given(self, agent: str, tool_set: str) -> SetEntry | None:
        """What a set gave an agent last before the request that comes next, or gave it at all; or another agent."""
        of_it = {number: one for number, one in self._sets.items() if one.name == tool_set}
        own = {number: one for number, one in of_it.items() if one.agent == agent} or of_it
        upcoming = next((number for number in self._replies if number > self._latest), None)
        past = [one for number, one in own.items() if upcoming is None or number < upcoming]
        return past[-1] if past else next(iter(own.values()), None)

    def _first(self, numbers: Iterable[int], is_meant: Callable[[int], bool] = lambda number: True) -> int | None:
        """Of those that may be played, the first that is meant; else the first at all."""
        left = [number for number in numbers if number in self._unused]
        return next(filter(is_meant, left), left[0] if left else None)

    async def _play(self, number: int) -> None:
        self._use(number)
        await self._turns.wait(number)

    def _use(self, number: int) -> None:
        self._unused.discard(number)
        self._used_by_run.append(number)
        self._latest = max(self._latest, number)

    def _refuse_after_a_miss(self) -> None:
        """Of all that follows from a miss, the first says why."""
        if self._missed is not None:
            raise self._missed

    def _compare(self) -> None:
        self._canon = Canon(self._is_not_compared)
        self._by_request = _grouped(self._replies, lambda one: self._canon.key(one.asked))

    def _is_not_compared(self, tool: str) -> bool:
        return tool in self._unheard or self._live(tool)

    def _request_missed(self, key: str, now: Asked) -> ModelError:
        left = {number: one.asked for number, one in self._replies.items() if number in self._unused}
        number = nearest(left, now, self._canon)
        near = None if number is None else self._replies[number]
        recorded = None if near is None else canonical_request(near.asked, self._is_not_compared)
        message = request_missed(key, canonical_request(now, self._is_not_compared), recorded, len(self._replies))
        return self._miss(message, near)

    def _miss(self, message: str, near: ModelEntry | ToolEntry | None) -> ModelError:
        place = f" ({self._source}:{near.line})" if near is not None and near.line and self._source else ""
        self._missed = ModelError(message + place, help=self._again, code=MISS)
        return self._missed


class _Recalling:
    def __init__(self, player: Player, otherwise: Approver) -> None:
        self._player = player
        self._otherwise = otherwise

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        return await self._player.answer(question, self._otherwise)

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        """What a server was told is not recorded: the call's result is."""
        return await self._otherwise.elicit(question)


def _grouped(entries: Mapping[int, T], key: Callable[[T], Hashable]) -> dict[Hashable, list[int]]:
    """The numbers of what is the same."""
    groups: dict[Hashable, list[int]] = {}
    for number, one in entries.items():
        groups.setdefault(key(one), []).append(number)
    return groups


def _as_error(failed: ModelFailed) -> ModelError:
    return ModelError(
        failed.message,
        help=failed.help,
        code=failed.code,
        status=failed.status,
        retryable=failed.retryable,
        retry_after_s=failed.retry_after_s,
    )


def _interrupted() -> ModelError:
    return ModelError("the recording was interrupted here", code=INTERRUPTED)
