"""What one agent asks its model in a run: each turn, within the agent's context, and a summary where that overflows.

Owns the request, its key in the journal, what is told while the reply comes in, and what it costs. What the reply
means for the run is the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from agentrun.engine import events
from agentrun.engine.agent import Agent
from agentrun.engine.events import Reason
from agentrun.engine.limits import Budget
from agentrun.engine.messages import Message, Reply, Request, ToolList, Usage
from agentrun.engine.overflow import Overflow
from agentrun.engine.ports import FallbackProgress, Journal, Progress, RetryProgress, Tell, TextProgress
from agentrun.engine.progress import MaskedProgress, progress_event
from agentrun.engine.toolkit import Toolkit
from agentrun.errors import ModelError

_NO_TOOLS = ToolList(())


class Asker:
    """Asks for one agent. `call_ids` are those of the conversation, `asides` numbers what is no turn: both are the
    run's, whoever asks. `untrusted` says whether the conversation holds untrusted output.
    """

    def __init__(
        self,
        agent: Agent,
        kit: Toolkit,
        messages: list[Message],
        *,
        budget: Budget,
        journal: Journal,
        key_prefix: str,
        call_ids: set[str],
        asides: Iterator[int],
        untrusted: Callable[[], bool],
        emit: Callable[..., None],
    ) -> None:
        self._agent = agent
        self._kit = kit
        self._messages = messages
        self._budget = budget
        self._journal = journal
        self._key_prefix = key_prefix
        self._call_ids = call_ids
        self._asides = asides
        self._emit = emit
        self._tool_choice = agent.tool_choice
        self._masked = MaskedProgress(agent.mask, partial(progress_event, emit=emit))
        self._pieces: list[str] = []
        self._overflow = Overflow(
            agent.context,
            messages,
            _NO_TOOLS,
            ask=self._ask_aside,
            untrusted=untrusted,
            changed=lambda dropped: emit(events.Compacted, dropped_messages=dropped),
        )

    async def ask(self, turn: int, *, may_call: bool = True) -> tuple[Reply, Reason | None]:
        """The model's turn, and the limit that is reached with it."""
        self._overflow.carry(self._kit.carried(self._messages))
        await self._overflow.before_request()
        self._emit(events.TurnStarted, turn=turn)
        key = f"turn-{turn}"
        try:
            reply = await self._complete(key, self._request(may_call), self._progress)
        except ModelError as failure:
            await self._overflow.refused(failure)
            self._progress(RetryProgress(1, failure.message, 0.0))
            reply = await self._complete(f"{key}-shortened", self._request(may_call), self._progress)
        self._masked.end()
        self._pieces.clear()
        self._overflow.replied(reply.usage, len(self._messages))
        self._call_ids.update(call.id for call in reply.calls)
        self._kit.called(call.name for call in reply.calls)
        if self._tool_choice != "none":
            self._tool_choice = self._tool_choice and "auto"  # a choice that forces a call would never end
        cost, limit = self._spend(reply)
        self._emit(
            events.TurnFinished,
            turn=turn,
            message=self._agent.mask.data(dict(reply.message.data)),
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            cost_usd=cost,
        )
        return reply, limit

    @property
    def partial_text(self) -> str:
        """What came of a turn that isn't finished."""
        return "".join(self._pieces)

    def _progress(self, progress: Progress) -> None:
        if isinstance(progress, TextProgress):
            self._pieces.append(progress.text)
        elif isinstance(progress, RetryProgress | FallbackProgress):
            self._pieces.clear()
        self._masked(progress)

    def _request(self, may_call: bool) -> Request:
        tools = self._kit.carried(self._messages) if may_call else _NO_TOOLS
        return Request(
            messages=tuple(self._messages),
            tools=tools,
            tool_choice=self._tool_choice if tools else None,
            parallel_tool_calls=self._agent.parallel_tool_calls if tools else None,
            response_format=self._agent.response_format,
            used_call_ids=self._call_ids,
        )

    async def _complete(self, key: str, request: Request, tell: Tell) -> Reply:
        return await self._journal.model_call(
            f"{self._key_prefix}{key}", request, tell, lambda tell: self._agent.model.complete(request, tell)
        )

    async def _ask_aside(self, messages: list[Message]) -> Reply:
        """A question that is no turn of the conversation. A cap that it reaches is seen with the next reply."""

        def tell(progress: Progress) -> None:
            if isinstance(progress, RetryProgress | FallbackProgress):  # the text is not the answer
                self._progress(progress)

        reply = await self._complete(f"aside-{next(self._asides)}", Request(messages, _NO_TOOLS), tell)
        self._spend(reply)
        return reply

    def _spend(self, reply: Reply) -> tuple[float | None, Reason | None]:
        """Counts what a reply took, in US dollars, and the cap that is reached with it."""
        cost = cost_usd(self._agent, reply)
        return cost, self._budget.spend(reply.usage or Usage(), cost)


def cost_usd(agent: Agent, reply: Reply) -> float | None:
    """What a reply cost in US dollars; None without a known price."""
    prices = agent.prices[reply.model_index : reply.model_index + 1]
    return prices[0].cost_usd(reply.usage) if reply.usage and prices and prices[0] is not None else None
