"""The `openai` SDK as OpenAI's guide to function calling with streaming shows it: typed chunks, one call at a time.

A crowd has the same loop on the async client.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk

from benchmarks.contenders import Ask, Converse, Told
from benchmarks.contenders.plain_loop import tool_message
from benchmarks.task import API_KEY, ASYNC_FUNCTIONS, FUNCTIONS, MODEL, SYSTEM_PROMPT, TOOLS

REQUEST: dict[str, Any] = {
    "model": MODEL,
    "tools": TOOLS,
    "stream": True,
    "stream_options": {"include_usage": True},
}


class Turn:
    """What the chunks of one turn come to."""

    def __init__(self, told: Told) -> None:
        self.text = ""
        self._calls: dict[int, Any] = {}
        self._told = told

    @property
    def calls(self) -> list[Any]:
        return list(self._calls.values())

    def add(self, chunk: ChatCompletionChunk) -> None:
        if not chunk.choices:
            return
        delta = chunk.choices[0].delta
        if delta.content:
            self.text += delta.content
            self._told(delta.content)
        part: Any
        for part in delta.tool_calls or []:
            if part.index not in self._calls:
                self._calls[part.index] = part
            else:
                self._calls[part.index].function.arguments += part.function.arguments

    def message(self) -> dict[str, Any]:
        calls = [call.model_dump(exclude={"index"}) for call in self.calls]
        return {"role": "assistant", "content": self.text or None, "tool_calls": calls}


def open_contender(base_url: str) -> Ask:
    client = OpenAI(base_url=base_url, api_key=API_KEY)
    service = httpx2.Client(base_url=base_url)

    def fetch_weather(**arguments: Any) -> dict[str, Any]:
        return dict(service.get("/weather", params=arguments).raise_for_status().json())

    tools = {**FUNCTIONS, "fetch_weather": fetch_weather}

    def ask(question: str, told: Told) -> str:
        messages = _opening(question)
        while True:
            turn = Turn(told)
            for chunk in client.chat.completions.create(messages=messages, **REQUEST):
                turn.add(chunk)
            if not turn.calls:
                return turn.text
            messages.append(turn.message())
            for call in turn.calls:
                result = tools[call.function.name](**json.loads(call.function.arguments))
                messages.append(tool_message(call.id, result))

    return ask


def open_crowd(base_url: str) -> Converse:
    client = AsyncOpenAI(base_url=base_url, api_key=API_KEY)
    service = httpx2.AsyncClient(base_url=base_url)

    async def fetch_weather(**arguments: Any) -> dict[str, Any]:
        return dict((await service.get("/weather", params=arguments)).raise_for_status().json())

    tools = {**ASYNC_FUNCTIONS, "fetch_weather": fetch_weather}

    async def converse(question: str, told: Told) -> str:
        messages = _opening(question)
        while True:
            turn = Turn(told)
            async for chunk in await client.chat.completions.create(messages=messages, **REQUEST):
                turn.add(chunk)
            if not turn.calls:
                return turn.text
            messages.append(turn.message())
            for call in turn.calls:
                result = await tools[call.function.name](**json.loads(call.function.arguments))
                messages.append(tool_message(call.id, result))

    return converse


def _opening(question: str) -> list[Any]:
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": question}]
