"""Pydantic AI, as its documentation shows the streaming of a whole run with its tool calls.

One agent and one provider, with its client, serve all conversations; tools that a turn calls run at once by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from pydantic_ai import (
    Agent,
    AgentStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    RunContext,
    TextPart,
    TextPartDelta,
    UsageLimits,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.contenders import Converse, Told, one_at_a_time
from benchmarks.contenders.typed_tools import typed_tools
from benchmarks.task import API_KEY, MODEL, SYSTEM_PROMPT


def open_crowd(base_url: str) -> Converse:
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url, api_key=API_KEY))
    agent = Agent(model, instructions=SYSTEM_PROMPT, tools=typed_tools(base_url))
    no_limits = UsageLimits(request_limit=None)

    async def converse(question: str, told: Told) -> str:
        async def tell(context: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    told(event.part.content)
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    told(event.delta.content_delta)

        result = await agent.run(question, usage_limits=no_limits, event_stream_handler=tell)
        return result.output

    return converse


open_contender = one_at_a_time(open_crowd)
