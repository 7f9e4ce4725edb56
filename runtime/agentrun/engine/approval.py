"""May a call be made? A pure decision from the files' rules; a question to a person where they say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from agentrun.engine.agent import BoundTool, ConditionFailed, PermissionRule
from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, Approver, CallContext


class Decision(msgspec.Struct, frozen=True):
    """`by_rule` says that a `permissions` rule decided."""

    action: Literal["allow", "deny", "ask"]
    reason: str
    by_rule: bool = False


def decide(
    tool: BoundTool,
    rules: Iterable[PermissionRule],
    arguments: Mapping[str, Any],
    context: CallContext,
    *,
    untrusted_seen: bool,
) -> Decision:
    """The first matching rule; else the tool's own `require_approval`.

    A condition that can't be evaluated counts against the call: deny and ask match, allow does not.
    """
    for rule in rules:
        if fnmatchcase(tool.name, rule.pattern) and _holds(rule, arguments, context):
            return Decision(rule.action, rule.text, by_rule=True)
    if tool.approval == "never":
        return Decision("allow", "require_approval: never")
    if tool.approval == "always":
        return Decision("ask", "require_approval: always")
    if tool.approval == "auto":
        if tool.read_only:
            return Decision("allow", "read-only")
        if tool.backend is None:
            return Decision("allow", "a final tool ends the run and changes nothing")
        if untrusted_seen:
            return Decision("ask", "it is not read-only, and untrusted output was read before")
        return Decision("allow", "no untrusted output was read before")
    try:
        asks = tool.approval(arguments, context)
    except ConditionFailed as error:
        return Decision("ask", f"require_approval could not be evaluated: {error}")
    return Decision("ask" if asks else "allow", "require_approval: {{ … }}")


def _holds(rule: PermissionRule, arguments: Mapping[str, Any], context: CallContext) -> bool:
    if rule.when is None:
        return True
    try:
        return rule.when(arguments, context)
    except ConditionFailed:
        return rule.action != "allow"


class StandingApprover:
    """Answers by `--approve` patterns; asks on where somebody can answer; else nobody does."""

    def __init__(self, approved: Iterable[str] = (), otherwise: Approver | None = None) -> None:
        self.approved = tuple(approved)
        self.otherwise = otherwise
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        if any(fnmatchcase(question.tool, pattern) for pattern in self.approved):
            return ApprovalAnswer(True, "flag")
        if self.otherwise is None:
            return ApprovalAnswer(False, "nobody", "nobody could be asked")
        async with self._one_at_a_time:
            return await self.otherwise.ask(question)
