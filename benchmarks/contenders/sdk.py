"""The `openai` SDK as OpenAI's guide to function calling with streaming shows it: typed chunks, one call at a time."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

from benchmarks.contenders import Ask, Told
from benchmarks.contenders.plain_loop import tool_message
from benchmarks.task import API_KEY, MODEL, SYSTEM_PROMPT, TOOLS


def open_contender(base_url: str) -> Ask:
    client = OpenAI(base_url=base_url, api_key=API_KEY)
    tools: Any = TOOLS

    def take_turn(messages: list[Any], told: Told) -> tuple[str, list[Any]]:
        text = ""
        calls: dict[int, Any] = {}
        part: Any
        stream = client.chat.completions.create(
            model=MODEL,
            messages=messages,
            tools=tools,
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            if not chunk.choices:
                continue
            delta = chunk.choices[0].delta
            if delta.content:
                text += delta.content
                told(delta.content)
            for part in delta.tool_calls or []:
                if part.index not in calls:
                    calls[part.index] = part
                else:
                    calls[part.index].function.arguments += part.function.arguments
        return text, list(calls.values())

    def ask(question: str, told: Told) -> str:
        messages: list[Any] = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": question}]
        while True:
            text, calls = take_turn(messages, told)
            if not calls:
                return text
            sent = [call.model_dump(exclude={"index"}) for call in calls]
            messages.append({"role": "assistant", "content": text or None, "tool_calls": sent})
            for call in calls:
                messages.append(tool_message(call.id, call.function.name, call.function.arguments))

    return ask
