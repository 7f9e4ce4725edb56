"""Tuned: the SDK's generic `client.post` in an event loop, with its connections and headers, and none of its types."""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from benchmarks.contenders import Converse, Told, one_at_a_time
from benchmarks.contenders.plain_loop import Turn, converse_async
from benchmarks.task import API_KEY, ASYNC_FUNCTIONS


def open_crowd(base_url: str) -> Converse:
    client = openai.AsyncOpenAI(base_url=base_url, api_key=API_KEY)
    service = httpx2.AsyncClient(base_url=base_url)

    async def fetch_weather(**arguments: Any) -> dict[str, Any]:
        response = await service.get("/weather", params=arguments)
        return dict(response.raise_for_status().json())

    tools = {**ASYNC_FUNCTIONS, "fetch_weather": fetch_weather}

    async def converse(question: str, told: Told) -> str:
        async def take_turn(body: bytes) -> Turn:
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

        return await converse_async(question, take_turn, tools)

    return converse


open_contender = one_at_a_time(open_crowd)
