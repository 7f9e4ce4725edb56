"""May a call be made? A pure decision from the files' rules; a question to a person where they say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from agentrun.engine.agent import BoundTool, ConditionFailed, PermissionRule
from agentrun.engine.ports import (
    ApprovalAnswer,
    ApprovalQuestion,
    Approver,
    CallContext,
    ElicitationAnswer,
    ElicitationQuestion,
)


class Decision(msgspec.Struct, frozen=True):
    """`rule` is the index of the `permissions` rule that decided; None: the tool's own `require_approval` did.

    `unclear` says that no standing answer holds: a condition could not be evaluated, or the tool is another one by now,
    which is `changed`.
    """

    action: Literal["allow", "deny", "ask"]
    reason: str
    rule: int | None = None
    unclear: bool = False
    changed: bool = False


def decide(
    tool: BoundTool,
    rules: Iterable[PermissionRule],
    arguments: Mapping[str, Any],
    context: CallContext,
    *,
    untrusted_seen: bool,
) -> Decision:
    """The first matching rule; else the tool's own `require_approval`. What somebody else has changed since it was
    approved is asked for again.

    A condition that can't be evaluated counts against the call: deny and ask match, allow does not.
    """
    decision = _decided(tool, rules, arguments, context, untrusted_seen)
    if decision.action == "deny" or tool.definition is None or not (change := tool.definition.change()):
        return decision
    reason = change if decision.action == "allow" else f"{change}; {decision.reason}"
    return Decision("ask", reason, decision.rule, unclear=True, changed=True)


def _decided(
    tool: BoundTool,
    rules: Iterable[PermissionRule],
    arguments: Mapping[str, Any],
    context: CallContext,
    untrusted_seen: bool,
) -> Decision:
    for index, rule in enumerate(rules):
        if not fnmatchcase(tool.name, rule.pattern):
            continue
        try:
            holds = rule.when is None or rule.when(arguments, context)
        except ConditionFailed as error:
            if rule.action == "allow":
                continue
            return Decision(rule.action, f"{rule.text}, which could not be evaluated: {error}", index, unclear=True)
        if holds:
            return Decision(rule.action, rule.text, index)
    return _by_tool(tool, arguments, context, untrusted_seen)


def _by_tool(tool: BoundTool, arguments: Mapping[str, Any], context: CallContext, untrusted_seen: bool) -> Decision:
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
        return Decision("ask", f"require_approval could not be evaluated: {error}", unclear=True)
    return Decision("ask" if asks else "allow", f"require_approval: {tool.condition}")


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

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        """`--approve` says nothing about what a server wants to know."""
        if self.otherwise is None:
            return ElicitationAnswer("cancel")
        async with self._one_at_a_time:
            return await self.otherwise.elicit(question)
