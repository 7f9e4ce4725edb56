"""How a run ended, and the words for it."""

from __future__ import annotations

from typing import Any

import msgspec

from agentrun.engine.agent import Agent
from agentrun.engine.events import ENDED_WELL, Reason
from agentrun.engine.limits import Budget
from agentrun.engine.messages import Message, Usage
from agentrun.engine.output import brief
from agentrun.errors import ToolFailure


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

    def as_result(self, name: str) -> Any:
        """What a call of the agent `name` gives. Raises `ToolFailure` where its run did not end well."""
        if not self.ended_well:
            explained = (self.error or {}).get("message", self.reason)
            said = {"text": self.text} if self.text else {}
            raise ToolFailure("internal", f"the agent `{name}` did not finish: {explained}", reason=self.reason, **said)
        return self.text if self.output is None else self.output


class End(Exception):
    """Ends a run from anywhere in a turn. Its members are as those of `Outcome`, with secrets."""

    def __init__(
        self,
        reason: Reason,
        text: str = "",
        output: Any = None,
        error: dict[str, Any] | None = None,
        whose: str = "",
    ) -> None:
        """`whose` limit it is: that of an agent above, or of the one that the run began with; empty: its own."""
        super().__init__(reason)
        self.reason = reason
        self.text = text
        self.output = output
        self.error = error
        self.whose = whose

    def outcome(self, agent: Agent, messages: list[Message], budget: Budget) -> Outcome:
        error = self.error
        if error is None and self.reason not in ENDED_WELL:
            error = {"type": self.reason, "message": _explained(self.reason, self.whose)}
        return Outcome(
            reason=self.reason,
            text=agent.mask.text(self.text),
            output=agent.mask.data(self.output),
            messages=list(messages),
            usage=budget.usage,
            cost_usd=budget.cost_usd,
            error=error and {name: brief(agent.mask.text(said)) for name, said in error.items()},
            agent=agent,
        )


def _explained(reason: Reason, whose: str) -> str:
    of = f" of the agent `{whose}`" if whose else ""
    return _LIMITS[reason].format(f"(`limits.{reason}`{of})") if reason in _LIMITS else _EXPLAINED.get(reason, reason)


_LIMITS: dict[str, str] = {
    "max_turns": "the limit of model turns {} is reached",
    "max_tool_calls": "the limit of tool calls {} is reached",
    "max_total_tokens": "the limit of tokens {} is reached",
    "max_cost_usd": "the limit of cost {} is reached",
}
_EXPLAINED: dict[str, str] = {
    "refused": "the model refused",
    "repeated_calls": "the model made the same call several times in a row (`limits.max_repeated_calls`)",
    "length": "the answer was cut off at the model's length limit",
    "content_filter": "the service's content filter cut the answer off",
}
