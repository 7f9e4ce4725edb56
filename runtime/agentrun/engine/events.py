"""What a run tells while it goes on: one tagged union, one envelope.

Encoded as JSON an event is one flat object: `type`, `run_id`, `seq`, `time`, then its own fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from agentrun.engine.messages import Usage

Reason = Literal[
    "answered",
    "final_tool",
    "refused",
    "max_turns",
    "max_tool_calls",
    "repeated_calls",
    "max_total_tokens",
    "max_cost_usd",
    "timeout",
    "length",
    "content_filter",
    "model_error",
    "cancelled",
]
ENDED_WELL: tuple[Reason, ...] = ("answered", "final_tool")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The envelope. `seq` counts from 1 within `run_id`; `time` is Unix time in seconds."""

    run_id: str
    seq: int
    time: float
    parent_run_id: str | msgspec.UnsetType = msgspec.UNSET


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """`input` is the text of the user message; what is attached to it is not told.

    `call_id` is the call of the run above that this one serves, where it is that of an agent behind a tool.
    """

    agent: str
    model: str
    args: dict[str, Any]
    input: str
    call_id: str | msgspec.UnsetType = msgspec.UNSET


class TurnStarted(Event, frozen=True, kw_only=True, tag="turn_started"):
    turn: int


class TextDelta(Event, frozen=True, kw_only=True, tag="text_delta"):
    text: str


class ReasoningDelta(Event, frozen=True, kw_only=True, tag="reasoning_delta"):
    text: str


class ToolCallDelta(Event, frozen=True, kw_only=True, tag="tool_call_delta"):
    index: int
    name: str
    arguments: str


PIECES = (TextDelta, ReasoningDelta, ToolCallDelta)  # of a turn, whose end tells them again, whole


class TurnFinished(Event, frozen=True, kw_only=True, tag="turn_finished"):
    """`message` is the assistant message as it goes into the history. `cost_usd` is None without a known price."""

    turn: int
    message: dict[str, Any]
    finish_reason: str
    usage: Usage | None
    cost_usd: float | None


class ApprovalDecided(Event, frozen=True, kw_only=True, tag="approval_decided"):
    """`by` is a rule of the files, a user, a flag, or nobody because nobody could answer.

    `rule` is the index of the rule in the agent's `permissions`, where one decided or asked. `waited_s` is told where
    a user was asked: how long the answer took, with the time that another question was before it.
    """

    call_id: str
    name: str
    approved: bool
    by: Literal["rule", "user", "flag", "nobody"]
    reason: str
    rule: int | msgspec.UnsetType = msgspec.UNSET
    waited_s: float | msgspec.UnsetType = msgspec.UNSET


class ToolStarted(Event, frozen=True, kw_only=True, tag="tool_started"):
    call_id: str
    name: str
    arguments: dict[str, Any]


class ToolProgress(Event, frozen=True, kw_only=True, tag="tool_progress"):
    """How far a call is, as its server tells it; `total` and `message` are None where it doesn't say."""

    call_id: str
    name: str
    progress: float
    total: float | None
    message: str | None


class Elicited(Event, frozen=True, kw_only=True, tag="elicited"):
    """A server asked a person during a call. What was answered goes to the server alone."""

    call_id: str
    name: str
    server: str
    message: str
    action: Literal["accept", "decline", "cancel"]


class ToolFinished(Event, frozen=True, kw_only=True, tag="tool_finished"):
    """`result` is the text that the model gets. `duration_s` is 0 for a call that was not run."""

    call_id: str
    name: str
    result: str
    is_error: bool
    duration_s: float


class Retried(Event, frozen=True, kw_only=True, tag="retried"):
    """The attempt failed: the deltas of this turn so far are void."""

    attempt: int
    cause: str
    delay_s: float


class Fallback(Event, frozen=True, kw_only=True, tag="fallback"):
    model: str
    cause: str


class Compacted(Event, frozen=True, kw_only=True, tag="compacted"):
    """`usage` and `cost_usd` are told where somebody asked for it, outside of a run: in one they are the run's."""

    dropped_messages: int
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    cost_usd: float | msgspec.UnsetType | None = msgspec.UNSET


class HandedOff(Event, frozen=True, kw_only=True, tag="handed_off"):
    agent: str


class RunFinished(Event, frozen=True, kw_only=True, tag="run_finished"):
    """Always the last event. `error` is `{type, message}` where the run did not end well."""

    reason: Reason
    text: str
    output: Any
    usage: Usage
    cost_usd: float | None
    error: dict[str, Any] | None


Emit = Callable[[Event], None]


class Teller:
    """Tells the events of one run, each in its envelope."""

    def __init__(self, emit: Emit, run_id: str, parent_run_id: str | msgspec.UnsetType = msgspec.UNSET) -> None:
        self._emit = emit
        self._run_id = run_id
        self._parent_run_id = parent_run_id
        self._seq = 0

    def __call__(self, kind: Callable[..., Event], **fields: Any) -> None:
        self._seq += 1
        self._emit(
            kind(run_id=self._run_id, seq=self._seq, time=time.time(), parent_run_id=self._parent_run_id, **fields)
        )
