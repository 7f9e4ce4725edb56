"""Keeps a conversation within its context: measures it before each request, and acts when it is too large.

Owns when the agent's policy is applied; what goes is decided in `context.py`. The conversation is changed in place.
A policy holds for `max_tokens` where it is written, and once for each request that the service finds too long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentrun.engine import context
from agentrun.engine.agent import ContextPolicy
from agentrun.engine.context import Cut, Size
from agentrun.engine.messages import Message, Reply, ToolList, Usage
from agentrun.errors import ModelError

TOO_LONG = "context_length_exceeded"

_NOTHING_TO_DROP = "Raise `context.max_tokens`, or shorten tool output with `max_output_length`."

# Asks the model with these messages alone, without tools.
Ask = Callable[[list[Message]], Awaitable[Reply]]


class Overflow:
    """`untrusted` says whether the conversation held untrusted output; `changed` is told how many messages went."""

    def __init__(
        self,
        policy: ContextPolicy,
        messages: list[Message],
        tools: ToolList,
        *,
        ask: Ask,
        untrusted: Callable[[], bool],
        changed: Callable[[int], None],
    ) -> None:
        self._policy = policy
        self._messages = messages
        self._size = Size(tools)
        self._tools = tools
        self._tools_tokens = context.tokens_of_tools(tools)
        self._ask = ask
        self._untrusted = untrusted
        self._changed = changed

    def carry(self, tools: ToolList) -> None:
        """The next request carries these tools."""
        if tools is not self._tools:
            tokens = context.tokens_of_tools(tools)
            self._size.grow(tokens - self._tools_tokens)
            self._tools, self._tools_tokens = tools, tokens

    async def before_request(self) -> None:
        """Make room for the next request, where there is a cap. Raises `ModelError` where that can't be."""
        cap = self._policy.max_tokens
        if cap is None:
            return
        tokens = self._size.of(self._messages)
        if tokens <= cap:
            return
        if self._policy.on_overflow == "error":
            raise ModelError(
                f"the context limit is reached: the conversation has about {tokens:,} tokens, and "
                f"`context.max_tokens` is {cap:,}",
                code=TOO_LONG,
                help="Raise `context.max_tokens`, or write `on_overflow: compact` or `truncate`.",
            )
        if not await self._shorten(tokens, cap):
            raise ModelError(
                f"the context limit is reached: what can't be left out of the conversation has more tokens than "
                f"`context.max_tokens` ({cap:,})",
                code=TOO_LONG,
                help=_NOTHING_TO_DROP,
            )

    async def refused(self, failure: ModelError) -> None:
        """The service found the request too long. Shortens the conversation, or raises the failure."""
        tokens = self._size.of(self._messages)
        cap = min(tokens, self._policy.max_tokens or tokens)
        if failure.code != TOO_LONG or self._policy.on_overflow == "error" or not await self._shorten(tokens, cap):
            raise failure

    def replied(self, usage: Usage | None, sent: int) -> None:
        """The service answered a request of `sent` messages."""
        self._size.reported(usage, sent)

    async def _shorten(self, tokens: int, cap: int) -> bool:
        """Bring the conversation from `tokens` to at most `cap`, where that can be."""
        estimated = context.tokens_of(self._messages)
        counted = max(1, tokens - self._tools_tokens)  # the service's count of what is estimated here
        room = (cap - self._tools_tokens) * estimated // counted
        reserve = context.note_room(room, with_summary=self._policy.on_overflow == "compact")
        found = context.cut(self._messages, room - reserve)
        if found is None:
            return False
        shortened = found.joined(await self._note(found, reserve))
        left = context.tokens_of(shortened)
        if left > room:
            return False
        self._messages[:] = shortened
        self._size.known(self._tools_tokens - (-left * counted // estimated), len(shortened))
        self._changed(len(found.old))
        return True

    async def _note(self, found: Cut, reserve: int) -> Message:
        """What stands for the messages that go. Where no summary can be had, it says only that they went."""
        if self._policy.on_overflow == "compact":
            try:
                reply = await self._ask(context.summary_request(found.old))
            except ModelError as failure:
                if failure.code != TOO_LONG:
                    raise
            else:
                if reply.text.strip():
                    return context.summary_note(reply.text.strip(), reserve, untrusted=self._untrusted())
        return context.left_out_note(untrusted=self._untrusted())
