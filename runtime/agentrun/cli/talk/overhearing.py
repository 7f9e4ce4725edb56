"""What is said in a conversation, kept in memory so that it can be saved as a test: `/save-test`.

It hears what a cassette of `--record` holds, also where another one is recorded or played.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agentrun.cassettes.cassette import Conversation
from agentrun.cassettes.recorder import Recorder
from agentrun.engine.agent import Agent, Mask
from agentrun.engine.messages import Reply, Request, ToolCall
from agentrun.engine.ports import Approver, DirectJournal, Journal, Tell, ToolResult


class Overheard:
    """One conversation. A journal beside another one, or alone."""

    def __init__(
        self, agent: Agent, model: str | None, arguments: Mapping[str, Any], date: str | None, inner: Journal | None
    ) -> None:
        self._recorder = Recorder(agent.name, agent.mask, date=date, model=model, args=arguments)
        self._inner = inner or DirectJournal()
        self._mask = agent.mask
        self._before = 0

    def begin_turn(self, mask: Mask) -> None:
        self._before = len(self._recorder.conversation().entries)
        if mask is not self._mask:  # what it masked already it remembers
            self._recorder.use(mask)
            self._mask = mask

    def forget_turn(self) -> None:
        """The last turn is taken back."""
        self._recorder.end_before(self._before)

    def conversation(self) -> Conversation | None:
        """None where nothing was said yet."""
        return None if self._recorder.is_empty else self._recorder.conversation()

    def approver(self, otherwise: Approver) -> Approver:
        return self._recorder.approver(otherwise)

    def begin(self, text: str) -> None:
        self._recorder.begin(text)
        self._inner.begin(text)

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        return await self._recorder.model_call(
            key, request, tell, lambda told: self._inner.model_call(key, request, told, make)
        )

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        return await self._recorder.tool_call(key, call, lambda: self._inner.tool_call(key, call, make))
