"""The SDK's generic `client.post` without an event loop: its connection and headers, and none of its types."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai

from benchmarks.contenders import Ask, Told
from benchmarks.contenders.plain_loop import AT_ONCE, Turn, converse
from benchmarks.task import API_KEY


def open_contender(base_url: str) -> Ask:
    client = openai.OpenAI(base_url=base_url, api_key=API_KEY)
    pool = ThreadPoolExecutor(AT_ONCE)

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

        return converse(question, take_turn, pool)

    return ask
