"""The run: ask the model, make its calls, give the results back, until the answer or a limit.

One loop for every mode. It tells what happens through `emit` and returns an `Outcome`; a run always ends with the
event `run_finished`. The conversation's list of messages is the caller's and grows in place, so that what finished
stays when a run is cancelled.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.agent import Agent
from agentrun.engine.approval import StandingApprover
from agentrun.engine.arguments import check_arguments, parse_answer, parse_arguments
from agentrun.engine.calls import Caller, Planned, Turn
from agentrun.engine.events import Emit, Event, Reason
from agentrun.engine.limits import Budget
from agentrun.engine.messages import Message, Reply, Request, ToolCall, ToolList, Usage, system, tool_result, user
from agentrun.engine.output import as_text
from agentrun.engine.ports import (
    Approver,
    CallProgress,
    DirectJournal,
    FallbackProgress,
    Journal,
    Progress,
    ReasoningProgress,
    RetryProgress,
    RunInfo,
    TextProgress,
)
from agentrun.errors import ModelError, ToolFailure

ENDED_WELL = ("answered", "final_tool")


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended.

    `text` is the answer; with any reason but `answered` and `final_tool` it is what there was of it. `output` is the
    answer as JSON where a response format or a final tool gave one. `messages` is the whole conversation. `error` is
    `{type, message, help?}` where the run did not end well.
    """

    reason: Reason
    text: str
    output: Any
    messages: list[Message]
    usage: Usage
    cost_usd: float | None
    error: dict[str, Any] | None

    @property
    def ended_well(self) -> bool:
        return self.reason in ENDED_WELL


async def run(
    agent: Agent,
    *,
    text: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    messages: list[Message] | None = None,
    emit: Emit = lambda event: None,
    approver: Approver | None = None,
    journal: Journal | None = None,
    session: str = "",
) -> Outcome:
    """Answer one user message.

    `messages` is the conversation so far, appended to in place; empty or None begins one with the system prompt.
    `text` is the user's message; without it the agent's `input` is rendered from `arguments`. Raises `ToolFailure`
    of type invalid_arguments when `arguments` break the agent's parameters.
    """
    conversation = [] if messages is None else messages
    filled = _checked_arguments(agent, arguments, typed=text is not None)
    budget = Budget(agent.limits)
    this = _Run(agent, conversation, emit, approver or StandingApprover(), journal or DirectJournal(), budget, session)
    return await this.go(text, filled)


def _checked_arguments(agent: Agent, arguments: Mapping[str, Any] | None, *, typed: bool) -> dict[str, Any]:
    given = dict(arguments or {})
    if not typed:
        return check_arguments(agent.arguments, given)
    # What is typed takes the place of `input`: only what the prompt uses must be there.
    filled: dict[str, Any] = agent.arguments.with_defaults(given)
    for name in sorted(agent.prompt_arguments - filled.keys()):
        raise ToolFailure("invalid_arguments", f"the system prompt needs the argument `{name}`", missing=name)
    return filled


class _End(Exception):
    """Ends the run from anywhere in a turn."""

    def __init__(self, reason: Reason, text: str = "", output: Any = None, error: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text
        self.output = output
        self.error = error


class _Run:
    def __init__(
        self,
        agent: Agent,
        messages: list[Message],
        emit: Emit,
        approver: Approver,
        journal: Journal,
        budget: Budget,
        session: str,
        parent: _Run | None = None,
        key_prefix: str = "",
    ) -> None:
        self.agent = agent
        self.messages = messages
        self.approver = approver
        self.journal = journal
        self.budget = budget
        self.parent = parent
        self.key_prefix = key_prefix
        self._emit = emit
        self._seq = 0
        self._turn = 0
        self._answer_corrected = False
        self._open_calls: list[Planned] = []
        today = datetime.date.today().isoformat()
        self.info = RunInfo(secrets.token_hex(8), today, agent.name, session)
        self._parent_id: str | msgspec.UnsetType = parent.info.id if parent else msgspec.UNSET
        self.caller = Caller(
            agent,
            run=self.info,
            budget=budget,
            approver=approver,
            journal=journal,
            emit=self.emit,
            run_child=self._run_child,
        )
        self.caller.untrusted_seen = parent.caller.untrusted_seen if parent else _untrusted_seen(agent, messages)
        self._call_ids = _call_ids(messages)
        self._new_masks()

    def emit(self, kind: Callable[..., Event], **fields: Any) -> None:
        self._seq += 1
        envelope = {"run_id": self.info.id, "seq": self._seq, "time": time.time(), "parent_run_id": self._parent_id}
        self._emit(kind(**envelope, **fields))

    # -- the whole run

    async def go(self, text: str | None, arguments: dict[str, Any]) -> Outcome:
        self.emit(
            events.RunStarted, agent=self.agent.name, model=self.agent.model.name, args=self.agent.mask.data(arguments)
        )
        try:
            async with asyncio.timeout(self.agent.limits.timeout_s):
                self._begin(text, arguments)
                while True:
                    await self._take_turn()
        except _End as end:
            self._close_calls()
            return self._finish(end)
        except TimeoutError:
            self._close_calls()
            message = f"the run took longer than {self.agent.limits.timeout_s:g} s"
            return self._finish(_End("timeout", error={"type": "timeout", "message": message}))
        except ModelError as error:
            self._close_calls()
            told = {"type": error.code, "message": self.agent.mask.text(error.message)}
            if error.help:
                told["help"] = self.agent.mask.text(error.help)
            return self._finish(_End("model_error", error=told))
        except asyncio.CancelledError:
            self._close_calls()
            self._finish(_End("cancelled", error={"type": "cancelled", "message": "the run was cancelled"}))
            raise
        except BaseException as error:
            self._close_calls()
            self._finish(_End("model_error", error={"type": "internal", "message": type(error).__name__}))
            raise

    def _begin(self, text: str | None, arguments: dict[str, Any]) -> None:
        if not self.messages and self.agent.prompt is not None:
            self.messages.append(system(self.agent.prompt(arguments, self.info)))
        self.messages.append(user(self.agent.input(arguments, self.info) if text is None else text))

    def _finish(self, end: _End) -> Outcome:
        text = self.agent.mask.text(end.text)
        error = end.error
        if error is None and end.reason not in ENDED_WELL:
            error = {"type": end.reason, "message": _EXPLAINED.get(end.reason, end.reason)}
        outcome = Outcome(
            end.reason,
            text,
            self.agent.mask.data(end.output),
            list(self.messages),
            self.budget.usage,
            self.budget.cost_usd,
            error,
        )
        self.emit(
            events.RunFinished,
            reason=end.reason,
            text=text,
            output=outcome.output,
            usage=outcome.usage,
            cost_usd=outcome.cost_usd,
            error=error,
        )
        return outcome

    # -- one turn

    async def _take_turn(self) -> None:
        if limit := self.budget.begin_turn():
            await self._end_at(limit)
        reply = await self._ask(self.agent.tool_list, self._tool_choice())
        cap = self.budget.spend(reply.usage or Usage(), self.agent.prices)
        if reply.finish_reason == "refusal" or reply.refusal is not None:
            self.messages.append(reply.message)
            raise _End("refused", reply.refusal or reply.text)
        if reply.finish_reason in ("length", "content_filter"):
            await self._cut_off(reply)
        if not reply.calls:
            self.messages.append(reply.message)
            await self._answer(reply, cap)
            return
        refuse: Reason | None = cap or ("max_turns" if self.budget.is_last_turn else None)
        await self._make(reply, self.caller.plan(reply.calls, refuse=refuse))

    async def _ask(self, tools: ToolList, tool_choice: Any) -> Reply:
        self._turn += 1
        self._new_masks()
        self.emit(events.TurnStarted, turn=self._turn)
        request = Request(
            messages=tuple(self.messages),
            tools=tools,
            tool_choice=tool_choice if tools else None,
            parallel_tool_calls=self.agent.parallel_tool_calls if tools else None,
            response_format=self.agent.response_format,
            used_call_ids=self._call_ids,
        )
        key = f"{self.key_prefix}turn-{self._turn}"
        reply = await self.journal.model_call(key, request, lambda: self.agent.model.complete(request, self._tell))
        self._flush_masks()
        self._call_ids.update(call.id for call in reply.calls)
        self.emit(
            events.TurnFinished,
            turn=self._turn,
            message=self.agent.mask.data(dict(reply.message.data)),
            finish_reason=reply.finish_reason,
            usage=reply.usage,
        )
        return reply

    def _tell(self, progress: Progress) -> None:
        if isinstance(progress, TextProgress):
            if text := self._text_mask.feed(progress.text):
                self.emit(events.TextDelta, text=text)
        elif isinstance(progress, CallProgress):
            arguments = self.agent.mask.text(progress.arguments)
            self.emit(events.ToolCallDelta, index=progress.index, name=progress.name, arguments=arguments)
        elif isinstance(progress, ReasoningProgress):
            if text := self._reasoning_mask.feed(progress.text):
                self.emit(events.ReasoningDelta, text=text)
        elif isinstance(progress, RetryProgress):
            self._new_masks()
            cause = self.agent.mask.text(progress.cause)
            self.emit(events.Retried, attempt=progress.attempt, cause=cause, delay_s=progress.delay_s)
        elif isinstance(progress, FallbackProgress):
            self._new_masks()
            self.emit(events.Fallback, model=progress.model, cause=self.agent.mask.text(progress.cause))

    def _new_masks(self) -> None:
        self._text_mask, self._reasoning_mask = self.agent.mask.stream(), self.agent.mask.stream()

    def _flush_masks(self) -> None:
        if text := self._reasoning_mask.flush():
            self.emit(events.ReasoningDelta, text=text)
        if text := self._text_mask.flush():
            self.emit(events.TextDelta, text=text)

    def _tool_choice(self) -> Any:
        """`required` and a named tool hold for the first turn only: on every turn they would never end."""
        choice = self.agent.tool_choice
        return choice if choice in (None, "auto", "none") or self._turn == 0 else "auto"

    async def _cut_off(self, reply: Reply) -> None:
        """The turn was cut: nothing of it runs, unless every call came whole and only the rest is missing."""
        reason: Reason = "length" if reply.finish_reason == "length" else "content_filter"
        if reason == "length" and reply.calls and all(_parses(call) for call in reply.calls):
            return
        if reply.calls:
            await self._make(reply, self.caller.plan(reply.calls, refuse=reason), end=False)
        elif reply.text:
            self.messages.append(reply.message)
        raise _End(reason, reply.text)

    async def _answer(self, reply: Reply, cap: Reason | None) -> None:
        if self.agent.answer is None:
            raise _End("answered", reply.text)
        problem, output = self._answer_problem(reply.text)
        if problem is None:
            raise _End("answered", reply.text, output)
        if self._answer_corrected or cap:
            error = {"type": "response_format", "message": f"the answer breaks the response format: {problem}"}
            raise _End(cap or "model_error", reply.text, error=error)
        self._answer_corrected = True
        self.messages.append(
            user(f"Your answer breaks the response format: {problem}. Answer again with the JSON alone.")
        )

    def _answer_problem(self, text: str) -> tuple[str | None, Any]:
        check = self.agent.answer
        try:
            output = parse_answer(text)
        except ValueError as error:
            return f"it is not JSON ({error})", None
        violations = check.violations(output) if check is not None else []
        if violations:
            return "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in violations), None
        return None, output

    # -- calls

    async def _make(self, reply: Reply, turn: Turn, *, end: bool = True) -> None:
        self.messages.append(_history_form(reply, turn.planned))
        self._open_calls = list(turn.planned)
        await self.caller.make(turn, self._turn)
        self._close_calls()
        if turn.final is not None and turn.final.failure is None:
            raise _End("final_tool", as_text(turn.final.arguments), turn.final.arguments)
        if turn.ended is not None and end:
            await self._end_at(turn.ended, reply.text)

    def _close_calls(self) -> None:
        """Every call gets its result message, in order: the history stays valid however the turn ended."""
        for one in self._open_calls:
            interrupted = as_text(ToolFailure("interrupted", "the run ended before the call did").as_result())
            self.messages.append(tool_result(one.call.id, one.result if one.result is not None else interrupted))
        self._open_calls = []

    async def _end_at(self, limit: Reason, text: str = "") -> None:
        """The run ends at a limit; with `on_limit: answer` one last call without tools may sum up."""
        if self.agent.limits.on_limit == "answer":
            reply = await self._ask(ToolList(()), None)
            self.budget.spend(reply.usage or Usage(), self.agent.prices)
            self.messages.append(reply.message)
            text = reply.text
        raise _End(limit, text)

    async def _run_child(self, key: str, agent: Agent, arguments: dict[str, Any]) -> Any:
        """Another agent's run as a tool call of this one: shared limits, nested events."""
        child = _Run(
            agent,
            [],
            self._emit,
            self.approver,
            self.journal,
            Budget(agent.limits, self.budget),
            self.info.session,
            parent=self,
            key_prefix=f"{self.key_prefix}{key}/",
        )
        outcome = await child.go(None, check_arguments(agent.arguments, arguments))
        if child.caller.untrusted_seen:
            self.caller.untrusted_seen = True
        if not outcome.ended_well:
            explained = (outcome.error or {}).get("message", outcome.reason)
            raise ToolFailure(
                "internal", f"the agent `{agent.name}` did not finish: {explained}", reason=outcome.reason
            )
        return outcome.text if outcome.output is None else outcome.output


_EXPLAINED: dict[str, str] = {
    "refused": "the model refused",
    "max_turns": "the limit of model turns (`limits.max_turns`) is reached",
    "max_tool_calls": "the limit of tool calls (`limits.max_tool_calls`) is reached",
    "repeated_calls": "the model made the same call several times in a row (`limits.max_repeated_calls`)",
    "max_total_tokens": "the limit of tokens (`limits.max_total_tokens`) is reached",
    "max_cost_usd": "the limit of cost (`limits.max_cost_usd`) is reached",
    "length": "the answer was cut off at the model's length limit",
    "content_filter": "the service's content filter cut the answer off",
}


def _parses(call: ToolCall) -> bool:
    try:
        parse_arguments(call.arguments)
    except ToolFailure:
        return False
    return True


def _history_form(reply: Reply, planned: Any) -> Message:
    """The assistant message as received, but for arguments that were no JSON: services refuse those in a history."""
    bad = {one.call.id for one in planned if not one.parsed}
    if not bad:
        return reply.message
    data = dict(reply.message.data)
    data["tool_calls"] = [
        {**call, "function": {**call["function"], "arguments": "{}"}} if call.get("id") in bad else call
        for call in data.get("tool_calls", [])
    ]
    return Message(data)


def _call_ids(messages: list[Message]) -> set[str]:
    return {
        str(call.get("id"))
        for message in messages
        if message.role == "assistant"
        for call in message.data.get("tool_calls") or ()
    }


def _untrusted_seen(agent: Agent, messages: list[Message]) -> bool:
    """Whether the conversation so far holds a result of a tool whose output may be hostile."""
    for message in messages:
        for call in message.data.get("tool_calls") or () if message.role == "assistant" else ():
            tool = agent.tools.get(str(call.get("function", {}).get("name")))
            if tool is None or tool.untrusted_output:
                return True
    return False
