"""Who is asked before a call is made, and while it is: rules first, then a person, each answer told as an event.

What the rules say is `approval.py`'s; how a person is asked is the approver's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from agentrun.engine.agent import Agent, BoundTool
from agentrun.engine.approval import Decision, decide
from agentrun.engine.events import ApprovalDecided, Elicited
from agentrun.engine.messages import ToolCall
from agentrun.engine.ports import (
    ApprovalQuestion,
    Approver,
    CallContext,
    Elicitation,
    ElicitationAnswer,
    ElicitationQuestion,
)
from agentrun.errors import ToolFailure


class Consent:
    """For one run of an agent. `callers` are the agents above it, the outermost first."""

    def __init__(self, agent: Agent, approver: Approver, callers: tuple[str, ...], emit: Callable[..., None]) -> None:
        self._agent = agent
        self._approver = approver
        self._callers = callers
        self._emit = emit
        self._changed_tools = asyncio.Lock()  # held while somebody is asked about one

    async def approve(
        self, call: ToolCall, arguments: dict[str, Any], tool: BoundTool, context: CallContext, *, untrusted_seen: bool
    ) -> None:
        """Returns where the call may be made; raises `ToolFailure` where it may not."""

        def decided() -> Decision:
            return decide(tool, self._agent.permissions, arguments, context, untrusted_seen=untrusted_seen)

        decision = decided()
        if decision.changed:
            async with self._changed_tools:  # what is approved for one call is so for those that wait
                await self._ask(call, arguments, tool, decided())
        else:
            await self._ask(call, arguments, tool, decision)

    async def _ask(self, call: ToolCall, arguments: dict[str, Any], tool: BoundTool, decision: Decision) -> None:
        if decision.action == "allow" and decision.rule is None:
            return  # nothing was in question
        approved, reason = decision.action == "allow", self._agent.mask.text(decision.reason)
        by: Literal["rule", "user", "flag", "nobody"] = "rule"
        call_id = self._agent.mask.text(call.id)
        waited_s: float | msgspec.UnsetType = msgspec.UNSET
        if decision.action == "ask":
            question = ApprovalQuestion(
                agent=self._agent.name,
                tool=tool.name,
                call_id=call_id,
                arguments=self._agent.mask.data(arguments),
                reason=reason,
                rule=decision.rule,
                unclear=decision.unclear,
                callers=self._callers,
                description=self._agent.mask.text(tool.function.description) if decision.changed else None,
            )
            asked = time.monotonic()
            answer = await self._approver.ask(question)
            approved, by = answer.approved, answer.by
            waited_s = round(time.monotonic() - asked, 6) if by == "user" else waited_s
            if answer.message:  # what a person says stands alone; with nobody there the rule is all there is to tell
                reason = answer.message if by == "user" else f"{answer.message} ({reason})"
            if by == "nobody" and decision.changed:  # no rule lets it be called again
                reason = f"{reason}; a yes in a chat, or `--approve {tool.name}`, approves it as it is now"
        rule = msgspec.UNSET if decision.rule is None else decision.rule
        self._emit(
            ApprovalDecided,
            call_id=call_id,
            name=tool.name,
            approved=approved,
            by=by,
            reason=reason,
            rule=rule,
            waited_s=waited_s,
        )
        if not approved:
            raise ToolFailure("denied", f"the call was not allowed: {reason}")
        if tool.definition is not None:
            tool.definition.accept()

    async def elicit(self, call: ToolCall, asked: Elicitation) -> ElicitationAnswer:
        """A server asks a person; masked, since the server may have been told a secret."""
        mask = self._agent.mask
        call_id, name = mask.text(call.id), mask.text(call.name)
        asked = Elicitation(
            asked.server,
            mask.text(asked.message),
            None if asked.schema is None else mask.data(dict(asked.schema)),
            None if asked.url is None else mask.text(asked.url),
        )
        answer = ElicitationAnswer("cancel")
        try:
            answer = await self._approver.elicit(
                ElicitationQuestion(self._agent.name, name, call_id, asked, self._callers)
            )
        finally:  # also where the call ended meanwhile: it was asked
            self._emit(
                Elicited, call_id=call_id, name=name, server=asked.server, message=asked.message, action=answer.action
            )
        return answer


def untimed(
    elicit: Callable[[Elicitation], Awaitable[ElicitationAnswer]], deadline: asyncio.Timeout
) -> Callable[[Elicitation], Awaitable[ElicitationAnswer]]:
    """A call's time stands still while a person thinks."""

    async def ask(asked: Elicitation) -> ElicitationAnswer:
        until, now = deadline.when(), asyncio.get_running_loop().time
        began = now()
        deadline.reschedule(None)
        try:
            return await elicit(asked)
        finally:
            if until is not None and not deadline.expired():
                deadline.reschedule(until + now() - began)

    return ask
