"""The calls of one turn: each is found, checked, decided, made and shaped; every failure is a result.

Results come back in request order, whatever finished first. Knows nothing of messages and turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from agentrun.engine.agent import Agent, BoundTool
from agentrun.engine.approval import decide
from agentrun.engine.arguments import canonical, check_arguments, parse_arguments
from agentrun.engine.events import ApprovalDecided, Reason, ToolFinished, ToolStarted
from agentrun.engine.limits import Budget, Repetition
from agentrun.engine.messages import ToolCall
from agentrun.engine.output import as_text, cut
from agentrun.engine.ports import ApprovalQuestion, Approver, CallContext, CallInfo, Journal, RunInfo, ToolResult
from agentrun.errors import ToolFailure

AT_ONCE = 8


class Planned(msgspec.Struct):
    """A call on its way. `failure` is set once it is known not to run; `result` once it has one."""

    call: ToolCall
    tool: BoundTool | None = None
    arguments: dict[str, Any] = {}
    parsed: bool = False
    failure: ToolFailure | None = None
    result: str | None = None


class Turn(msgspec.Struct, frozen=True):
    """What came of a turn's calls. `ended` is a limit that was reached, `final` the call that ends the run."""

    planned: Sequence[Planned]
    ended: Reason | None
    final: Planned | None


class Caller:
    """Makes calls for one run of an agent."""

    def __init__(
        self,
        agent: Agent,
        *,
        run: RunInfo,
        budget: Budget,
        approver: Approver,
        journal: Journal,
        emit: Callable[..., None],
        run_child: Callable[[str, Any, dict[str, Any]], Any],
    ) -> None:
        self.agent = agent
        self.run = run
        self.budget = budget
        self.approver = approver
        self.journal = journal
        self.emit = emit
        self.run_child = run_child
        self.untrusted_seen = False
        self._repetition = Repetition(agent.limits.max_repeated_calls)

    def plan(self, calls: Sequence[ToolCall], *, refuse: Reason | None = None) -> Turn:
        """Look at each call in order and count it. With `refuse` none is run, and the run ends for that reason.

        A final tool is an answer, not an action: it wins over the other calls, and over limits.
        """
        planned = [self._look_up(Planned(call)) for call in calls]
        final = next((one for one in planned if one.tool and one.tool.backend is None and one.failure is None), None)
        if refuse is not None and (final is None or refuse == "length"):
            return Turn([_refused(one, refuse) for one in planned], refuse, None)
        if final is not None:
            for one in planned:
                if one is not final and one.failure is None:
                    message = f"not run: `{final.call.name}` ended the run"
                    one.failure = ToolFailure("interrupted", message)
            return Turn(planned, None, final)
        ended: Reason | None = None
        for one in planned:
            ended = ended or self._count(one)
            if ended is not None:
                _refused(one, ended)
        return Turn(planned, ended, None)

    async def make(self, turn: Turn, number: int) -> None:
        """Make the calls that may be made, at most 8 at once. On cancellation each keeps the result it has."""
        gate = asyncio.Semaphore(1 if self.agent.parallel_tool_calls is False else AT_ONCE)
        untrusted_seen = self.untrusted_seen
        try:
            async with asyncio.TaskGroup() as group:
                for index, one in enumerate(turn.planned):
                    context = self._context(one.call, number, index)
                    group.create_task(self._one(one, context, f"turn-{number}/call-{index}", gate, untrusted_seen))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # not a tool's failure but a bug, or a reader that left

    def _look_up(self, one: Planned) -> Planned:
        one.tool = self.agent.tools.get(one.call.name)
        try:
            one.arguments = parse_arguments(one.call.arguments)
            one.parsed = True
            if one.tool is None:
                raise ToolFailure("unknown_tool", f"there is no tool `{one.call.name}`", tools=sorted(self.agent.tools))
            one.arguments = check_arguments(one.tool.check, one.arguments)
        except ToolFailure as failure:
            one.failure = failure
        return one

    def _count(self, one: Planned) -> Reason | None:
        arguments = canonical(one.arguments) if one.parsed else one.call.arguments
        if self._repetition.reached(one.call.name, arguments):
            return "repeated_calls"
        return self.budget.begin_call()

    def _context(self, call: ToolCall, turn: int, index: int) -> CallContext:
        async def run_child(agent: Any, arguments: dict[str, Any]) -> Any:
            return await self.run_child(f"turn-{turn}/call-{index}", agent, arguments)

        # The model's own call ids may repeat: this one is unique, and the same over retries of the call.
        stable = f"{self.run.id}-{turn}-{index}"
        return CallContext(self.run, CallInfo(stable, call.name, turn), run_child)

    async def _one(
        self, one: Planned, context: CallContext, key: str, gate: asyncio.Semaphore, untrusted_seen: bool
    ) -> None:
        async with gate:
            started = time.monotonic()
            made = False
            is_error = True
            try:
                if one.failure is not None or one.tool is None:
                    raise one.failure or ToolFailure("unknown_tool", one.call.name)
                await self._approve(one, one.tool, context, untrusted_seen)
                if one.tool.backend is None:
                    one.result = "accepted"
                    return
                started = time.monotonic()
                made = True
                self.emit(
                    ToolStarted, call_id=one.call.id, name=one.call.name, arguments=self.agent.mask.data(one.arguments)
                )
                result = await self._call(one.tool, one, context, key)
                one.result = self._shape(one.tool, one, result, context)
                is_error = False
            except ToolFailure as failure:
                limit = one.tool.max_output_chars if one.tool else 16_000
                one.result = cut(self.agent.mask.text(as_text(failure.as_result())), limit)
                one.failure = failure
            finally:
                if one.result is not None:
                    self.emit(
                        ToolFinished,
                        call_id=one.call.id,
                        name=one.call.name,
                        result=one.result,
                        is_error=is_error and one.failure is not None,
                        duration_s=round(time.monotonic() - started, 6) if made else 0.0,
                    )

    async def _approve(self, one: Planned, tool: BoundTool, context: CallContext, untrusted_seen: bool) -> None:
        decision = decide(tool, self.agent.permissions, one.arguments, context, untrusted_seen=untrusted_seen)
        if decision.action == "allow" and not decision.by_rule:
            return  # nothing was in question
        approved, reason = decision.action == "allow", decision.reason
        by: Literal["rule", "user", "flag", "nobody"] = "rule"
        if decision.action == "ask":
            arguments = self.agent.mask.data(one.arguments)
            question = ApprovalQuestion(self.agent.name, tool.name, one.call.id, arguments, reason)
            answer = await self.approver.ask(question)
            approved, by, reason = answer.approved, answer.by, answer.message or reason
        self.emit(ApprovalDecided, call_id=one.call.id, name=tool.name, approved=approved, by=by, reason=reason)
        if not approved:
            raise ToolFailure("denied", f"the call was not allowed: {reason}")

    async def _call(self, tool: BoundTool, one: Planned, context: CallContext, key: str) -> ToolResult:
        backend = tool.backend
        assert backend is not None  # noqa: S101 - final tools end the run before
        try:
            async with asyncio.timeout(tool.timeout_s):
                return await self.journal.tool_call(key, one.call, lambda: backend.call(one.arguments, context))
        except TimeoutError:
            raise ToolFailure("timeout", f"no result after {tool.timeout_s:g} s") from None

    def _shape(self, tool: BoundTool, one: Planned, result: ToolResult, context: CallContext) -> str:
        if tool.untrusted_output:
            self.untrusted_seen = True
        value = result.value if tool.output is None else tool.output(result.names, one.arguments, context)
        return cut(self.agent.mask.text(as_text(value)), tool.max_output_chars)


_WORDS = {
    "max_turns": "the limit of model turns is reached",
    "max_tool_calls": "the limit of tool calls is reached",
    "repeated_calls": "the same call was made several times in a row",
    "max_total_tokens": "the limit of tokens is reached",
    "max_cost_usd": "the limit of cost is reached",
    "length": "the model's turn was cut off",
}


def _refused(one: Planned, reason: Reason) -> Planned:
    one.failure = ToolFailure("limit", f"not run: {_WORDS.get(reason, reason)}", limit=reason)
    return one
