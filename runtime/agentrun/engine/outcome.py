"""How a run ended, and the words for it."""

from __future__ import annotations

from typing import Any

import msgspec

from agentrun.engine.agent import Agent
from agentrun.engine.events import Reason
from agentrun.engine.messages import Message, Usage

ENDED_WELL = ("answered", "final_tool")


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended.

    `text` is the answer; with any reason but `answered` and `final_tool` it is what there was of it. `output` is the
    answer as JSON where a response format or a final tool gave one. `messages` is the whole conversation. `error` is
    `{type, message, help?}` where the run did not end well. `agent` is the one that has the conversation now.
    """

    reason: Reason
    text: str
    output: Any
    messages: list[Message]
    usage: Usage
    cost_usd: float | None
    error: dict[str, Any] | None
    agent: Agent

    @property
    def ended_well(self) -> bool:
        return self.reason in ENDED_WELL


EXPLAINED: dict[str, str] = {
    "refused": "the model refused",
    "max_turns": "the limit of model turns (`limits.max_turns`) is reached",
    "max_tool_calls": "the limit of tool calls (`limits.max_tool_calls`) is reached",
    "repeated_calls": "the model made the same call several times in a row (`limits.max_repeated_calls`)",
    "max_total_tokens": "the limit of tokens (`limits.max_total_tokens`) is reached",
    "max_cost_usd": "the limit of cost (`limits.max_cost_usd`) is reached",
    "length": "the answer was cut off at the model's length limit",
    "content_filter": "the service's content filter cut the answer off",
}
