"""The calls of one turn: each is found, checked, decided, made and shaped; every failure is a result.

Results come back in request order, whatever finished first. Knows nothing of messages and turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from agentrun.engine.agent import Agent, BoundTool
from agentrun.engine.arguments import canonical, check_arguments, parse_arguments
from agentrun.engine.consent import Consent, untimed
from agentrun.engine.events import Reason, ToolFinished, ToolProgress, ToolStarted
from agentrun.engine.handoff import Takeover
from agentrun.engine.limits import Budget, Repetition
from agentrun.engine.messages import ToolCall
from agentrun.engine.output import as_text, cut, shortened
from agentrun.engine.ports import (
    Approver,
    CallContext,
    CallInfo,
    Journal,
    RunInfo,
    Tool,
    ToolResult,
)
from agentrun.engine.toolkit import Toolkit
from agentrun.errors import ToolFailure

AT_ONCE = 16
_MAX_MESSAGE_CHARS = 500  # of what a server says of its progress
_MAX_CHARS = 16_000  # of what is told of a call to a tool that is not there


class Planned(msgspec.Struct):
    """A call on its way. `failure` is set once it is known not to run; `result` once it has one.

    `takeover` is set once the call hands the conversation over.
    """

    call: ToolCall
    tool: BoundTool | None = None
    arguments: dict[str, Any] = {}
    parsed: bool = False
    failure: ToolFailure | None = None
    result: str | None = None
    takeover: Takeover | None = None


class Turn(msgspec.Struct, frozen=True):
    """What came of a turn's calls. `ended` is a limit that was reached, `final` the call that ends the run."""

    planned: Sequence[Planned]
    ended: Reason | None
    final: Planned | None

    @property
    def takeover(self) -> Takeover | None:
        return next((one.takeover for one in self.planned if one.takeover is not None), None)


class Caller:
    """Makes calls for one run of an agent."""

    def __init__(
        self,
        agent: Agent,
        kit: Toolkit,
        *,
        callers: tuple[str, ...],
        run: RunInfo,
        key_prefix: str,
        untrusted_seen: bool,
        budget: Budget,
        approver: Approver,
        journal: Journal,
        emit: Callable[..., None],
        run_child: Callable[[str, str, Any, dict[str, Any]], Any],
        hand_over: Callable[[str], Awaitable[Takeover]],
    ) -> None:
        """`callers` are the agents above this one that run each other as tools, the outermost first."""
        self.agent = agent
        self.kit = kit
        self.run = run
        self.key_prefix = key_prefix
        self.budget = budget
        self.journal = journal
        self.emit = emit
        self.run_child = run_child
        self.hand_over = hand_over
        # Calls of one turn were written before any of their results was read: taint counts from the next turn on.
        self.untrusted_seen = self._tainted = untrusted_seen
        self._repetition = Repetition(agent.limits.max_repeated_calls)
        self._consent = Consent(agent, approver, callers, emit)

    def plan(self, calls: Sequence[ToolCall], limit: Reason | None = None) -> Turn:
        """Look at each call in order and count it. With `limit` none is run, and the run ends for that reason.

        A final tool is an answer, not an action: it wins over the other calls, and over limits. Calls beside a hand-off
        are made, since they are this agent's; of several hand-offs only the first is.
        """
        planned = [self._look_up(Planned(call)) for call in calls]
        final = next((one for one in planned if _is_final(one.tool) and one.failure is None), None)
        if final is not None:
            for one in planned:
                if one is not final and one.failure is None:
                    message = f"not run beside `{final.call.name}`, which ends the run"
                    one.failure = ToolFailure("interrupted", message)
            return Turn(planned, limit, final)
        _leave_one_handoff(planned)
        ended = limit
        if ended is not None:
            return Turn([self._refused(one, ended) for one in planned], ended, None)
        for one in planned:
            ended = ended or self._count(one)
            if ended is not None:
                self._refused(one, ended)
        return Turn(planned, ended, None)

    def refuse(self, calls: Sequence[ToolCall], reason: Reason) -> Turn:
        """The turn as it was, with none of its calls run."""
        return Turn([self._refused(self._look_up(Planned(call)), reason) for call in calls], reason, None)

    async def make(self, turn: Turn, number: int) -> None:
        """Make the calls that may be made, at most `AT_ONCE` at once. On cancellation each keeps the result it has."""
        gate = asyncio.Semaphore(1 if self.agent.parallel_tool_calls is False else AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                for index, one in enumerate(turn.planned):
                    key = f"{self.key_prefix}turn-{number}/call-{index}"
                    group.create_task(self._one(one, self._context(one.call, number, index, key), key, gate))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # not a tool's failure but a bug, or a reader that left
        finally:
            self.untrusted_seen = self._tainted

    def taint(self) -> None:
        """Output that may be hostile came in."""
        self._tainted = True

    def _look_up(self, one: Planned) -> Planned:
        one.tool = self.kit.functions.get(one.call.name)
        try:
            one.arguments = parse_arguments(one.call.arguments)
            one.parsed = True
            if one.tool is not None:
                one.arguments = check_arguments(one.tool.check, one.arguments)
        except ToolFailure as failure:
            one.failure = failure
        if one.tool is None:
            message = f"there is no tool `{one.call.name}`"
            one.failure = ToolFailure("unknown_tool", message, tools=self.kit.offered)
        return one

    def _count(self, one: Planned) -> Reason | None:
        arguments = canonical(one.arguments) if one.parsed else one.call.arguments
        if self._repetition.reached(one.call.name, arguments):
            return "repeated_calls"
        return self.budget.begin_call()

    def _refused(self, one: Planned, reason: Reason) -> Planned:
        whose = self.budget.whose(reason)
        of = f" (that of the agent `{whose.agent}`)" if whose is not None and whose.agent != self.agent.name else ""
        one.failure = ToolFailure("limit", f"not run: {_WORDS.get(reason, reason)}{of}", limit=reason)
        return one

    def _context(self, call: ToolCall, turn: int, index: int, key: str) -> CallContext:
        async def run_child(agent: Any, arguments: dict[str, Any]) -> Any:
            return await self.run_child(key, self.agent.mask.text(call.id), agent, arguments)

        def mask_beginning(text: str) -> str:
            return self.agent.mask.stream().feed(text)

        # The model's own call ids may repeat: this one is unique, and the same over retries of the call.
        stable = f"{self.run.id}-{turn}-{index}"
        return CallContext(
            self.run,
            CallInfo(stable, call.name, turn),
            run_child,
            mask_beginning,
            elicit=partial(self._consent.elicit, call),
            tell_progress=partial(self._tell_progress, call),
        )

    def _tell_progress(self, call: ToolCall, progress: float, total: float | None, message: str | None) -> None:
        mask = self.agent.mask
        self.emit(
            ToolProgress,
            call_id=mask.text(call.id),
            name=mask.text(call.name),
            progress=progress,
            total=total,
            message=None if message is None else cut(mask.text(message), _MAX_MESSAGE_CHARS),
        )

    async def _one(self, one: Planned, context: CallContext, key: str, gate: asyncio.Semaphore) -> None:
        """Give the call its result. It is told also where the call was not run, or interrupted."""
        started: float | None = None
        try:
            async with gate:
                if one.failure is not None or one.tool is None:
                    raise one.failure or ToolFailure("unknown_tool", one.call.name)
                if not one.tool.built_in:
                    await self._consent.approve(
                        one.call, one.arguments, one.tool, context, untrusted_seen=self.untrusted_seen
                    )
                if one.tool.hands_to is not None:
                    one.takeover = await self.hand_over(one.tool.hands_to)
                    one.result = as_text(one.takeover.result)
                elif one.tool.backend is None:
                    one.result = "accepted"
                else:
                    started = time.monotonic()
                    one.result = await self._call(one, one.tool, one.tool.backend, context, key)
        except ToolFailure as failure:
            self._fail(one, failure)
        except asyncio.CancelledError:
            self._fail(one, ToolFailure("interrupted", "the run ended before the call did"))
            raise
        finally:
            if one.result is not None:
                self.emit(
                    ToolFinished,
                    call_id=self.agent.mask.text(one.call.id),
                    name=self.agent.mask.text(one.call.name),
                    result=one.result,
                    is_error=one.failure is not None,
                    duration_s=0.0 if started is None else round(time.monotonic() - started, 6),
                )

    def _fail(self, one: Planned, failure: ToolFailure) -> None:
        # Without its details and frames, which may hold megabytes of output until the turn is over.
        one.failure = ToolFailure(failure.type, failure.message)
        max_chars = one.tool.max_output_chars if one.tool else _MAX_CHARS
        try:
            told = shortened(self.agent.mask.data(failure.as_result()), max_chars)
        except RecursionError:  # what a function gave as details
            told = one.failure.as_result()
        one.result = self._told(told, max_chars)

    async def _call(self, one: Planned, tool: BoundTool, backend: Tool, context: CallContext, key: str) -> str:
        mask = self.agent.mask
        self.emit(ToolStarted, call_id=mask.text(one.call.id), name=tool.name, arguments=mask.data(one.arguments))
        deadline = asyncio.timeout(tool.timeout_s)
        context = msgspec.structs.replace(context, elicit=untimed(context.elicit, deadline))
        try:
            async with deadline:
                if tool.runs_agent or tool.built_in:
                    result = await backend.call(one.arguments, context)
                else:
                    result = await self.journal.tool_call(key, one.call, lambda: _result(tool, backend, one, context))
        except TimeoutError:
            if not deadline.expired():
                raise
            raise ToolFailure("timeout", f"no result after {tool.timeout_s:g} s") from None
        finally:
            if tool.untrusted_output:
                self.taint()  # also where it failed: an error may quote what the tool read
        try:
            if tool.output is None:
                return self._told(result.value, tool.max_output_chars)
            names = self.agent.mask.data(dict(result.names))  # a template may change a secret beyond recognition
            return self._told(tool.output(names, one.arguments, context), tool.max_output_chars)
        except RecursionError:
            raise ToolFailure("internal", "the tool's result is nested too deeply") from None

    def _told(self, value: Any, max_chars: int) -> str:
        """Masked before it is cut: half a secret would not be known for one.

        Data is masked as data first, so that it stays JSON, and as text too: a secret may be a piece of JSON itself.
        """
        text = value if isinstance(value, str) else as_text(self.agent.mask.data(value))
        return cut(as_text(self.agent.mask.text(text)), max_chars)


async def _result(tool: BoundTool, backend: Tool, one: Planned, context: CallContext) -> ToolResult:
    """What a journal keeps: names that no template sees, such as the headers of an answer, are left out."""
    result = await backend.call(one.arguments, context)
    return result if tool.output is not None else ToolResult(result.value, {"result": result.value})


def _is_final(tool: BoundTool | None) -> bool:
    return tool is not None and tool.backend is None and tool.hands_to is None


def _leave_one_handoff(planned: Sequence[Planned]) -> None:
    first: Planned | None = None
    for one in planned:
        if one.tool is None or one.tool.hands_to is None or one.failure is not None:
            continue
        if first is not None:
            message = f"not run beside `{first.call.name}`, which hands the conversation over"
            one.failure = ToolFailure("interrupted", message)
        first = first or one


_WORDS = {
    "max_turns": "the limit of model turns is reached",
    "max_tool_calls": "the limit of tool calls is reached",
    "repeated_calls": "the same call was made several times in a row",
    "max_total_tokens": "the limit of tokens is reached",
    "max_cost_usd": "the limit of cost is reached",
    "length": "the model's turn was cut off",
    "content_filter": "the service's content filter cut the turn off",
    "refused": "the model refused",
}
