"""What a run may still spend. Pure counting: a budget says which limit is reached, the loop acts.

A sub-agent's budget counts in its own and in all above it, so that the tree shares the limits of its root.
"""

from __future__ import annotations

from agentrun.engine.agent import Limits
from agentrun.engine.events import Reason
from agentrun.engine.messages import Usage


class Budget:
    def __init__(self, limits: Limits, parent: Budget | None = None) -> None:
        self.limits = limits
        self.parent = parent
        self.turns = 0
        self.tool_calls = 0
        self.usage = Usage()
        self.cost_usd: float | None = None

    def begin_turn(self) -> Reason | None:
        """Counts a model turn, unless the limit is reached."""
        if any(one.turns >= one.limits.max_turns for one in self._chain()):
            return "max_turns"
        for one in self._chain():
            one.turns += 1
        return None

    @property
    def is_last_turn(self) -> bool:
        return any(one.turns >= one.limits.max_turns for one in self._chain())

    def begin_call(self) -> Reason | None:
        """Counts a tool call, unless the limit is reached."""
        if any(one.tool_calls >= one.limits.max_tool_calls for one in self._chain()):
            return "max_tool_calls"
        for one in self._chain():
            one.tool_calls += 1
        return None

    def spend(self, usage: Usage, cost: float | None) -> Reason | None:
        """Counts a reply and says which cap is reached now. `cost` is in US dollars; None, without a price: nothing."""
        reached: Reason | None = None
        for one in self._chain():
            one.usage += usage
            if cost is not None:
                one.cost_usd = (one.cost_usd or 0.0) + cost
            if one.limits.max_total_tokens is not None and one.usage.total_tokens >= one.limits.max_total_tokens:
                reached = reached or "max_total_tokens"
            if one.limits.max_cost_usd is not None and (one.cost_usd or 0.0) >= one.limits.max_cost_usd:
                reached = reached or "max_cost_usd"
        return reached

    def _chain(self) -> list[Budget]:
        chain: list[Budget] = []
        one: Budget | None = self
        while one is not None:
            chain.append(one)
            one = one.parent
        return chain


class Repetition:
    """Counts identical calls in a row over a run."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._last: tuple[str, str] | None = None
        self._count = 0

    def reached(self, name: str, arguments: str) -> bool:
        """`arguments` in a canonical form. True for the call that must not run any more."""
        call = (name, arguments)
        self._count = self._count + 1 if call == self._last else 1
        self._last = call
        return self._count >= self.limit
