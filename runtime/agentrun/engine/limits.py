"""What a run may still spend. Pure counting: a budget says which limit is reached, the loop acts.

A sub-agent's budget counts in its own and in all above it, so that the tree shares the limits of its root. What is
counted is what begins: of many that run at once none begins beyond a limit.
"""

from __future__ import annotations

from typing import Literal

from agentrun.engine.agent import Limits
from agentrun.engine.events import Reason
from agentrun.engine.messages import Usage

RunLimit = Literal["max_depth", "max_agent_runs"]
_ENDING: tuple[Reason, ...] = ("max_turns", "max_tool_calls", "max_total_tokens", "max_cost_usd")


class Budget:
    """`agent` is whose limits these are. `parent` is the budget above: of the run that calls this one as a tool; or of
    this run, where the agent took it over (`took_over`).
    """

    def __init__(
        self, limits: Limits, parent: Budget | None = None, *, agent: str = "", took_over: bool = False
    ) -> None:
        self.limits = limits
        self.parent = parent
        self.agent = agent
        self.depth: int = 0 if parent is None else parent.depth + (0 if took_over else 1)
        self.turns = 0
        self.tool_calls = 0
        self.agent_runs = 0
        self.usage = Usage()
        self.cost_usd: float | None = None
        self._was_refused_a_call = False
        self._above: tuple[Budget, ...] = () if parent is None else parent._chain

    def begin_turn(self) -> Reason | None:
        """Counts a model turn, unless a limit is reached: of turns, or one that a run below has come to."""
        for reason in _ENDING:
            if self.whose(reason) is not None:
                return reason
        for one in self._chain:
            one.turns += 1
        return None

    @property
    def is_last_turn(self) -> bool:
        return self.whose("max_turns") is not None

    def begin_call(self) -> Reason | None:
        """Counts a tool call, unless the limit is reached."""
        spent = [one for one in self._chain if one.tool_calls >= one.limits.max_tool_calls]
        for one in spent:
            one._was_refused_a_call = True
        if spent:
            return "max_tool_calls"
        for one in self._chain:
            one.tool_calls += 1
        return None

    def begin_run(self) -> tuple[RunLimit, Budget] | None:
        """Counts a run of an agent as a tool of this one, unless a limit is reached: then which, and whose."""
        for one in self._chain:
            if self.depth + 1 - one.depth > one.limits.max_depth:
                return "max_depth", one
        for one in self._chain:
            if one.agent_runs >= one.limits.max_agent_runs:
                return "max_agent_runs", one
        for one in self._chain:
            one.agent_runs += 1
        return None

    def spend(self, usage: Usage, cost: float | None) -> Reason | None:
        """Counts a reply and says which cap is reached now. `cost` is in US dollars; None, without a price: nothing."""
        for one in self._chain:
            one.usage += usage
            if cost is not None:
                one.cost_usd = (one.cost_usd or 0.0) + cost
        caps: tuple[Reason, ...] = ("max_total_tokens", "max_cost_usd")
        return next((reason for reason in caps if self.whose(reason) is not None), None)

    def whose(self, reason: Reason) -> Budget | None:
        """Where a limit is reached: in this budget, or in those above. Of several it is the uppermost, which ends most.

        That of calls is reached by a call too many: what uses all of them may still answer.
        """
        return next((one for one in reversed(self._chain) if one._has_reached(reason)), None)

    @property
    def _chain(self) -> tuple[Budget, ...]:
        """This one, and those above."""
        return self, *self._above

    def _has_reached(self, reason: Reason) -> bool:
        limits = self.limits
        match reason:
            case "max_turns":
                return self.turns >= limits.max_turns
            case "max_tool_calls":
                return self._was_refused_a_call
            case "max_total_tokens":
                return limits.max_total_tokens is not None and self.usage.total_tokens >= limits.max_total_tokens
            case "max_cost_usd":
                return limits.max_cost_usd is not None and (self.cost_usd or 0.0) >= limits.max_cost_usd
        return False


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
