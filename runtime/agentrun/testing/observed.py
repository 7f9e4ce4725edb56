"""What is seen of a case's runs: values that expectations and reports read, made from events.

Everything here is masked already. `ObservedCall.requests` are what a tool sent or ran, where that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.arguments import parse_arguments
from agentrun.engine.events import Event, Reason
from agentrun.engine.messages import Usage
from agentrun.errors import ToolFailure


class HttpRequest(msgspec.Struct, frozen=True, tag="http"):
    """`url` is without its query, `body` as text."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: str


class ProcessRequest(msgspec.Struct, frozen=True, tag="shell"):
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    stdin: str


ToolRequest = HttpRequest | ProcessRequest


class ObservedCall(msgspec.Struct):
    """A call that a model made. `arguments` are with defaults filled in; None where they were no JSON object.

    `error` is the type of the failure that the model was told. `depth` is 0 for calls of the agent under test and of
    those that it handed over to, 1 for those of an agent behind one of its tools. `turn` counts the turns of its run.
    """

    agent: str
    name: str
    raw_arguments: str
    arguments: dict[str, Any] | None
    call_id: str
    key: str
    run_id: str
    depth: int
    turn: int
    result: str | None = None
    error: str | None = None
    approved: bool | None = None
    duration_s: float = 0.0
    requests: tuple[ToolRequest, ...] = ()


class Decided(msgspec.Struct, frozen=True):
    """A rule of an agent's `permissions` that decided about a call, by its index, or asked."""

    agent: str
    rule: int


class ObservedStep(msgspec.Struct):
    """The run that answered one user message. `user` is None where the agent's `input` was the message.

    `asked` are the tools that approval was asked for. `agent` is the one that had the conversation in the end.
    """

    user: str | None
    agent: str
    reason: Reason = "cancelled"
    text: str = ""
    output: Any = None
    error: dict[str, Any] | None = None
    turns: int = 0
    usage: Usage = Usage()
    cost_usd: float | None = None
    duration_s: float = 0.0
    calls: list[ObservedCall] = []
    asked: list[str] = []
    rules: list[Decided] = []


class Observed(msgspec.Struct, frozen=True):
    """All runs of a case. `messages` is the whole conversation in the form of the chat API."""

    steps: tuple[ObservedStep, ...]
    messages: tuple[dict[str, Any], ...]

    @property
    def calls(self) -> list[ObservedCall]:
        return [call for step in self.steps for call in step.calls]

    @property
    def system_prompt(self) -> str:
        first = self.messages[0] if self.messages else {}
        return str(first["content"]) if first.get("role") == "system" else ""


class StepObserver:
    """Hears the events of one user message's run, and of the runs behind its tools."""

    def __init__(self, user: str | None, agent: str) -> None:
        self.step = ObservedStep(user, agent)
        self._agents: dict[str, str] = {}
        self._depths: dict[str, int] = {}
        self._open: dict[tuple[str, str], ObservedCall] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case events.RunStarted(run_id=run_id, agent=agent, parent_run_id=parent):
                self._agents[run_id] = agent
                self._depths[run_id] = 0 if parent is msgspec.UNSET else self._depths.get(str(parent), 0) + 1
            case events.HandedOff(run_id=run_id, agent=agent):
                self._agents[run_id] = agent
                if self._depths[run_id] == 0:
                    self.step.agent = agent
            case events.TurnFinished():
                self._turn_finished(event)
            case events.ApprovalDecided():
                call = self._open.get((event.run_id, event.call_id))
                if call is not None:
                    call.approved = event.approved
                if event.rule is not msgspec.UNSET:
                    self.step.rules.append(Decided(self._agents[event.run_id], event.rule))
                if event.by != "rule":
                    self.step.asked.append(event.name)
            case events.ToolStarted(arguments=arguments):
                self._open[event.run_id, event.call_id].arguments = arguments
            case events.ToolFinished():
                self._tool_finished(event)
            case events.RunFinished() if self._depths.get(event.run_id) == 0:
                self.step.reason, self.step.text, self.step.output = event.reason, event.text, event.output
                self.step.error, self.step.usage, self.step.cost_usd = event.error, event.usage, event.cost_usd

    def _turn_finished(self, event: events.TurnFinished) -> None:
        depth = self._depths[event.run_id]
        if depth == 0:
            self.step.turns += 1
        for index, sent in enumerate(event.message.get("tool_calls") or ()):
            call = self._call(event, index, sent, depth)
            self.step.calls.append(call)
            self._open[event.run_id, call.call_id] = call

    def _call(self, event: events.TurnFinished, index: int, sent: Mapping[str, Any], depth: int) -> ObservedCall:
        function = sent.get("function") or {}
        raw = str(function.get("arguments", ""))
        try:
            arguments: dict[str, Any] | None = parse_arguments(raw)
        except ToolFailure:
            arguments = None
        key = f"{event.run_id}-{event.turn}-{index}"
        name, agent = str(function.get("name", "")), self._agents[event.run_id]
        return ObservedCall(agent, name, raw, arguments, str(sent.get("id")), key, event.run_id, depth, event.turn)

    def _tool_finished(self, event: events.ToolFinished) -> None:
        call = self._open.get((event.run_id, event.call_id))
        if call is None:
            return
        call.result, call.duration_s = event.result, event.duration_s
        if event.is_error:
            call.error = _error_type(event.result)


def _error_type(result: str) -> str:
    """The type that a failure's result names; it may be cut."""
    try:
        return str(msgspec.json.decode(result)["error"]["type"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "internal"
