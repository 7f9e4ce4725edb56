"""The SDK's generic `client.post` in an event loop: what a lean runtime on the SDK can reach.

The tools are plain functions, so each call runs in a thread: the loop must not stand still while one waits.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai

from benchmarks.contenders import Ask, Told
from benchmarks.contenders.plain_loop import AT_ONCE, Conversation, Turn, run_call
from benchmarks.task import API_KEY


def open_contender(base_url: str) -> Ask:
    client = openai.AsyncOpenAI(base_url=base_url, api_key=API_KEY)
    pool = ThreadPoolExecutor(AT_ONCE)
    runner = asyncio.Runner()

    async def take_turn(body: bytes, told: Told) -> Turn:
        response: Any = await client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=body,
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )
        turn = Turn(told)
        async for piece in response.aiter_bytes():
            turn.feed(piece)
        return turn

    async def converse(question: str, told: Told) -> str:
        in_thread = asyncio.get_running_loop().run_in_executor
        conversation = Conversation(question)
        while True:
            turn = await take_turn(conversation.body(), told)
            if not turn.calls:
                return turn.text
            conversation.add(turn.message())
            for result in await asyncio.gather(*(in_thread(pool, run_call, call) for call in turn.calls.values())):
                conversation.add(result)

    return lambda question, told: runner.run(converse(question, told))
