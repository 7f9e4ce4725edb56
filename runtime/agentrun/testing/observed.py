"""What is seen of a case's runs: values that expectations and reports read, made from events.

Everything here is masked already. `ObservedCall.requests` are what a tool sent or ran, where that is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.arguments import NO_OBJECT, parse_arguments
from agentrun.engine.attached import own_text
from agentrun.engine.events import Event, Reason
from agentrun.engine.messages import Usage
from agentrun.errors import ToolFailure

TEST_ERROR = "test"  # the code of a `ModelError` by which a case ends a run


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
    `key` names it alone: ids of calls may repeat. `path` are the turn and place of each call that led to it, down from
    the agent under test, itself last.
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
    path: tuple[tuple[int, int], ...] = ()


class Decided(msgspec.Struct, frozen=True):
    """A rule of an agent's `permissions` that decided about a call, by its index, or asked."""

    agent: str
    rule: int


class ObservedRetry(msgspec.Struct, frozen=True):
    """A request that failed and was made again, or of another model. `calls` is how many were made before it."""

    cause: str
    calls: int


class ObservedStep(msgspec.Struct):
    """The run that answered one user message. `user` is None where the agent's `input` was the message.

    `asked` are the tools that approval was asked for. `agent` is the one that had the conversation in the end.
    `attached` tells of the files that went with the message.
    """

    user: str | None
    agent: str
    attached: list[str] = []
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
    retries: list[ObservedRetry] = []

    @property
    def ended_by_the_test(self) -> bool:
        """It asked for what the case doesn't have: a stub, a turn of the script, an exchange of the cassette."""
        return self.error is not None and self.error.get("type") in _OF_THE_TEST


_OF_THE_TEST = (TEST_ERROR, "cassette_miss")


class Observed(msgspec.Struct, frozen=True):
    """All runs of a case. `messages` is the whole conversation in the form of the chat API."""

    steps: tuple[ObservedStep, ...]
    messages: tuple[dict[str, Any], ...]

    @property
    def calls(self) -> list[ObservedCall]:
        return [call for step in self.steps for call in step.calls]

    def user_message(self, index: int) -> str:
        """The one that a step answers. An agent's `input` is seen in the messages only."""
        step = self.steps[index]
        if step.user is not None:
            return step.user
        return next((own_text(one["content"]) for one in self.messages if one.get("role") == "user"), "")

    @property
    def system_prompt(self) -> str:
        first = self.messages[0] if self.messages else {}
        return str(first["content"]) if first.get("role") == "system" else ""


# The arguments of a call of an agent's tool with their defaults.
FillIn = Callable[[str, str, dict[str, Any]], dict[str, Any]]


def _as_they_are(agent: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


class StepObserver:
    """Hears the events of one user message's run, and of the runs behind its tools.

    A call that is made is told with its defaults; `fill_in` is for those that are not made.
    """

    def __init__(self, user: str | None, agent: str, fill_in: FillIn = _as_they_are) -> None:
        self.step = ObservedStep(user, agent)
        self._fill_in = fill_in
        self._agents: dict[str, str] = {}
        self._depths: dict[str, int] = {}
        self._paths: dict[str, tuple[tuple[int, int], ...]] = {}
        self._open: dict[tuple[str, str], ObservedCall] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case events.RunStarted():
                self._run_started(event)
            case events.HandedOff(run_id=run_id, agent=agent):
                self._agents[run_id] = agent
                if self._depths[run_id] == 0:
                    self.step.agent = agent
            case events.TurnFinished():
                self._turn_finished(event)
            case events.ApprovalDecided():
                self._decided(event)
            case events.ToolStarted(arguments=arguments):
                self._open[event.run_id, event.call_id].arguments = arguments
            case events.ToolFinished():
                self._tool_finished(event)
            case events.Retried(cause=cause) | events.Fallback(cause=cause):
                self.step.retries.append(ObservedRetry(cause, len(self.step.calls)))
            case events.RunFinished():
                self._run_finished(event)

    def _run_started(self, event: events.RunStarted) -> None:
        parent = event.parent_run_id
        self._agents[event.run_id] = event.agent
        if isinstance(parent, str):
            self._depths[event.run_id] = self._depths[parent] + 1
            self._paths[event.run_id] = self._open[parent, str(event.call_id)].path
        else:
            self._depths[event.run_id], self._paths[event.run_id] = 0, ()

    def _turn_finished(self, event: events.TurnFinished) -> None:
        if self._depths[event.run_id] == 0:
            self.step.turns += 1
        for index, sent in enumerate(event.message.get("tool_calls") or ()):
            call = self._call(event, index, sent)
            self.step.calls.append(call)
            self._open[event.run_id, call.call_id] = call

    def _call(self, event: events.TurnFinished, index: int, sent: Mapping[str, Any]) -> ObservedCall:
        run_id, turn, agent = event.run_id, event.turn, self._agents[event.run_id]
        function = sent.get("function") or {}
        name, raw = str(function.get("name", "")), str(function.get("arguments", ""))
        try:
            arguments: dict[str, Any] | None = self._fill_in(agent, name, parse_arguments(raw))
        except ToolFailure:
            arguments = None
        return ObservedCall(
            agent=agent,
            name=name,
            raw_arguments=raw,
            arguments=arguments,
            call_id=str(sent.get("id")),
            key=f"{run_id}-{turn}-{index}",
            run_id=run_id,
            depth=self._depths[run_id],
            turn=turn,
            path=(*self._paths[run_id], (turn, index)),
        )

    def _decided(self, event: events.ApprovalDecided) -> None:
        self._open[event.run_id, event.call_id].approved = event.approved
        if event.rule is not msgspec.UNSET:
            self.step.rules.append(Decided(self._agents[event.run_id], event.rule))
        if event.by != "rule":
            self.step.asked.append(event.name)

    def _tool_finished(self, event: events.ToolFinished) -> None:
        call = self._open[event.run_id, event.call_id]
        call.result, call.duration_s = event.result, event.duration_s
        if event.is_error:
            call.error = _error_type(event.result)
            if event.result.startswith(_NO_OBJECT):  # then `{}` stands in the history
                call.arguments, call.raw_arguments = None, _quoted_arguments(event.result)

    def _run_finished(self, event: events.RunFinished) -> None:
        if self._depths[event.run_id] == 0:
            self.step.reason, self.step.text, self.step.output = event.reason, event.text, event.output
            self.step.error, self.step.usage, self.step.cost_usd = event.error, event.usage, event.cost_usd


_TYPE = re.compile(r'\{"error":\{"type":"(\w+)"')
_NO_OBJECT = f'{{"error":{{"type":"invalid_arguments","message":"{NO_OBJECT}'


def _error_type(result: str) -> str:
    """The type that a failure's result names. It stands first: the rest may be cut."""
    found = _TYPE.match(result)
    return found[1] if found else "internal"


def _quoted_arguments(result: str) -> str:
    """What the model wrote; nothing is known of it where the result was cut."""
    try:
        return str(msgspec.json.decode(result)["error"]["arguments"])
    except msgspec.DecodeError:
        return ""
