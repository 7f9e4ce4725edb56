"""OpenAI's Agents SDK, as its documentation shows streaming and the use of chat completions at another address.

One agent and one client serve all conversations; tools that a turn calls run at once by default. Tracing is off, since
it sends to OpenAI.
"""

from __future__ import annotations

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from benchmarks.contenders import Converse, Told, one_at_a_time
from benchmarks.contenders.typed_tools import typed_tools
from benchmarks.task import API_KEY, MODEL, SYSTEM_PROMPT


def open_crowd(base_url: str) -> Converse:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=base_url, api_key=API_KEY)
    agent = Agent(
        name="Weather",
        instructions=SYSTEM_PROMPT,
        model=OpenAIChatCompletionsModel(model=MODEL, openai_client=client),
        model_settings=ModelSettings(include_usage=True),
        tools=[function_tool(tool) for tool in typed_tools(base_url)],
    )

    async def converse(question: str, told: Told) -> str:
        result = Runner.run_streamed(agent, question, max_turns=None)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
                told(event.data.delta)
        return str(result.final_output)

    return converse


open_contender = one_at_a_time(open_crowd)
