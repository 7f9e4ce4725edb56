"""Writes down what a conversation asks of the model, the tools and the person, as it happens.

Everything is kept without secrets, in the order in which it finished. Nothing is written to a file here.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.cassettes.canonical import arguments_of
from agentrun.cassettes.cassette import (
    ApprovalEntry,
    Asked,
    Conversation,
    Entry,
    Interrupted,
    ModelEntry,
    ModelFailed,
    SetEntry,
    SetMember,
    ToolEntry,
    ToolFailed,
    UserEntry,
)
from agentrun.cassettes.keys import run_of
from agentrun.cassettes.masked import Masking
from agentrun.engine.agent import BoundTool, Mask, ToolSet
from agentrun.engine.arguments import parse_json
from agentrun.engine.messages import Reply, Request, ToolCall
from agentrun.engine.ports import (
    ApprovalAnswer,
    ApprovalQuestion,
    Approver,
    ElicitationAnswer,
    ElicitationQuestion,
    Progress,
    Tell,
    ToolResult,
)
from agentrun.engine.progress import MaskedProgress
from agentrun.errors import ModelError, ToolFailure


class Recorder:
    """A journal. `date` is what `run.date` must be in its runs; None: today.

    `model` is what is asked instead of the agent's own model, `args` are the arguments that it is given.
    """

    def __init__(
        self,
        agent: str,
        mask: Mask,
        *,
        date: str | None = None,
        name: str | None = None,
        model: str | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> None:
        self.date: str | None = date or datetime.date.today().isoformat()
        self._masking = Masking(mask)
        self._about = Conversation(agent, self.date or "", (), name, model, self._masking.data(args or {}))
        self._entries: list[Entry] = []
        self._cut_off: dict[tuple[str, str], int] = {}

    def use(self, mask: Mask) -> None:
        """The conversation goes on with this agent's secrets hidden."""
        self._masking = Masking(mask)

    def begins_with(self, agent: str, args: Mapping[str, Any]) -> None:
        """Another agent or other arguments. What was asked with the ones before stays recorded with those."""
        if self.is_empty:
            self._about = msgspec.structs.replace(self._about, agent=agent, args=self._masking.data(args))

    def asks(self, model: str | None) -> None:
        """Another model. What the one before was asked stays recorded with that."""
        if self.is_empty:
            self._about = msgspec.structs.replace(self._about, model=model)

    @property
    def is_empty(self) -> bool:
        return not any(isinstance(one, ModelEntry) for one in self._entries)

    def conversation(self) -> Conversation:
        """What was recorded so far."""
        return msgspec.structs.replace(self._about, entries=tuple(self._entries))

    def end_before(self, entries: int) -> None:
        """Forget all but so many entries of the conversation."""
        del self._entries[entries:]

    def approver(self, otherwise: Approver) -> Approver:
        return _Listening(self, otherwise)

    def begin(self, text: str) -> None:
        self._entries.append(UserEntry(self._masking.text(text)))

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]:
        members = await tool_set.members()
        self.offered(agent, tool_set.name, members)
        return members

    def offered(self, agent: str, tool_set: str, members: Sequence[BoundTool]) -> None:
        """What a set gave an agent: kept where it is not what it gave before."""
        entry = SetEntry(tool_set, agent, tuple(map(self._member, members)))
        before = (one for one in reversed(self._entries) if isinstance(one, SetEntry))
        if next((one for one in before if (one.name, one.agent) == (tool_set, agent)), None) != entry:
            self._entries.append(entry)

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        asked = self._masking.asked(request)
        self._explain_cut_off(key, asked)
        heard: list[Progress] = []
        hear = MaskedProgress(self._masking.mask, heard.append)

        def both(progress: Progress) -> None:
            hear(progress)
            tell(progress)

        def keep(outcome: Reply | ModelFailed | Interrupted) -> None:
            hear.end()
            self._entries.append(ModelEntry(asked, outcome, tuple(heard), within=run_of(key)))

        try:
            reply = await make(both)
        except ModelError as failure:
            keep(self._masking.model_failed(failure))
            raise
        except asyncio.CancelledError:
            keep(Interrupted())
            raise
        keep(self._masking.reply(reply))
        return reply

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        name, call_id = self._masking.text(call.name), self._masking.text(call.id)
        arguments = arguments_of(self._masking.text(call.arguments))
        try:
            result = await make()
        except ToolFailure as failure:
            self._entries.append(ToolEntry(call_id, name, arguments, self._masking.tool_failed(failure)))
            raise
        except asyncio.CancelledError:
            self._cut_off[run_of(key), call_id] = len(self._entries)
            self._entries.append(ToolEntry(call_id, name, arguments, Interrupted()))
            raise
        self._entries.append(ToolEntry(call_id, name, arguments, self._masking.result(result)))
        return result

    def decided(self, question: ApprovalQuestion, answer: ApprovalAnswer) -> None:
        message = answer.message and self._masking.text(answer.message)
        arguments = self._masking.data(question.arguments)
        self._entries.append(ApprovalEntry(question.tool, arguments, answer.approved, answer.by, message))

    def _member(self, tool: BoundTool) -> SetMember:
        change = None if tool.definition is None else tool.definition.change()
        change = None if change is None else self._masking.text(change)
        return SetMember(self._masking.function(tool.function), tool.read_only, tool.untrusted_output, change)

    def _explain_cut_off(self, key: str, asked: Asked) -> None:
        """A call that took longer than its tool may is told to the model like any other failure: it goes on."""
        if not self._cut_off:
            return
        results = {str(one.get("tool_call_id")): one for one in asked.messages if one.get("role") == "tool"}
        for (run, call_id), index in list(self._cut_off.items()):
            if run != run_of(key) or call_id not in results:
                continue
            entry = self._entries[index]
            failed = _failure_told(str(results[call_id].get("content")))
            if isinstance(entry, ToolEntry) and failed is not None and failed.type == "timeout":
                self._entries[index] = msgspec.structs.replace(entry, outcome=failed)
            del self._cut_off[run, call_id]


class _Listening:
    """Asks on, and writes down the answer."""

    def __init__(self, recorder: Recorder, otherwise: Approver) -> None:
        self._recorder = recorder
        self._otherwise = otherwise

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        answer = await self._otherwise.ask(question)
        self._recorder.decided(question, answer)
        return answer

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        return await self._otherwise.elicit(question)


def _failure_told(content: str) -> ToolFailed | None:
    try:
        error = parse_json(content)["error"]
        return ToolFailed(error.pop("type"), error.pop("message"), error)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
