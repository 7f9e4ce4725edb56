"""What one request costs the client, at the 40th and at the 200th message: agentrun, and the SDK's typed `create`.

    python -m benchmarks.requests

Processor time of this process, the service in another one. Both use the same SDK and the same connections; the
difference is that the typed way walks through every message again.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from agentrun.engine.messages import FunctionTool, Message, Request, ToolList
from agentrun.models.openai_chat import ChatCompletions
from benchmarks.peer import Peer
from benchmarks.results import Table
from benchmarks.server import question

SIZES = (40, 200)
REPEATED = 30
WARM_UPS = 3
CHUNKS = 1

TOOL = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
    "required": ["city"],
}


def conversation(size: int, name: str) -> list[dict[str, Any]]:
    """So many messages: a question that says what to play, then calls and their results."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question("chunks", CHUNKS, name)}]
    while len(messages) < size:
        call_id = f"call_{len(messages):024}"
        function = {"name": "get_weather", "arguments": '{"city": "Oslo", "days": 3, "unit": "celsius"}'}
        call = {"id": call_id, "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call_id, "content": "light rain, 10 degrees"})
    return messages[:size]


async def compare(base_url: str) -> Table:
    import openai

    table = Table("request_cpu", "client's processor time for one request", "ms")
    names = (f"requests{number}" for number in itertools.count())
    ours = ChatCompletions(
        "m", base_url=base_url, api_key="k", headers={}, settings={}, connect_s=10, idle_s=30, total_s=60
    )
    typed = openai.AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0)
    tool = FunctionTool("get_weather", "The weather.", TOOL)
    tools: list[Any] = [tool.chat_form()]
    tool_list = ToolList([tool])

    async def by_agentrun(messages: list[Message]) -> None:
        await ours.complete(Request(messages, tool_list), lambda progress: None)

    async def by_typed_create(messages: list[Any]) -> None:
        stream = await typed.chat.completions.create(
            model="m", messages=messages, tools=tools, stream=True, stream_options={"include_usage": True}
        )
        async for _ in stream:
            pass

    for repetition in range(-WARM_UPS, REPEATED):
        for size in SIZES:
            # A message of agentrun is serialised once, when it is made, so that belongs to no request but its own.
            known = [Message(one) for one in conversation(size, next(names))]
            spent = {
                f"agentrun, {size} messages": await _spent_ms(by_agentrun, known),
                f"typed create, {size} messages": await _spent_ms(by_typed_create, conversation(size, next(names))),
            }
            for row, value in spent.items():
                if repetition >= 0:
                    table.add(row, value)
    await ours.aclose()
    await typed.close()
    return table


async def _spent_ms(ask: Callable[[list[Any]], Awaitable[None]], messages: list[Any]) -> float:
    started = time.process_time()
    await ask(messages)
    return (time.process_time() - started) * 1000


def measure(base_url: str) -> Table:
    table = asyncio.run(compare(base_url))
    table.compared = {f"agentrun, {size} messages": [f"typed create, {size} messages"] for size in SIZES}
    return table


def main() -> None:
    with Peer("benchmarks.server", f"chunks:{CHUNKS}") as server:
        print(measure(server.hear()).as_markdown())


if __name__ == "__main__":
    main()
