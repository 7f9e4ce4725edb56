"""Tuned, without an event loop: the SDK's generic `client.post`, its connection and headers, and none of its types.

It holds no crowd: without an event loop that takes a thread for each conversation.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai

from benchmarks.contenders import Ask, Told
from benchmarks.contenders.plain_loop import AT_ONCE, Turn, converse
from benchmarks.task import API_KEY, FUNCTIONS


def open_contender(base_url: str) -> Ask:
    client = openai.OpenAI(base_url=base_url, api_key=API_KEY)
    service = httpx2.Client(base_url=base_url)
    pool = ThreadPoolExecutor(AT_ONCE)

    def fetch_weather(**arguments: Any) -> dict[str, Any]:
        return dict(service.get("/weather", params=arguments).raise_for_status().json())

    tools = {**FUNCTIONS, "fetch_weather": fetch_weather}

    def ask(question: str, told: Told) -> str:
        def take_turn(body: bytes) -> Turn:
            response: Any = client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=body,
                stream=True,
                stream_cls=openai.Stream[Any],
            )
            turn = Turn(told)
            for piece in response.iter_bytes():
                turn.feed(piece)
            return turn

        return converse(question, take_turn, tools, pool)

    return ask
