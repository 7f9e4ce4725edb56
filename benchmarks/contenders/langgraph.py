"""LangGraph through LangChain's `create_agent`, as its documentation shows the streaming of tokens.

One agent and one model, with its client, serve all conversations; tools that a turn calls run at once by default. No
checkpointer: nothing of a conversation is kept when it has ended.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.contenders import Converse, Told, one_at_a_time
from benchmarks.contenders.typed_tools import typed_tools
from benchmarks.task import API_KEY, MODEL, SYSTEM_PROMPT


def open_crowd(base_url: str) -> Converse:
    model = ChatOpenAI(model=MODEL, base_url=base_url, api_key=SecretStr(API_KEY), stream_usage=True)
    agent = create_agent(model, tools=typed_tools(base_url), system_prompt=SYSTEM_PROMPT)
    no_limit = RunnableConfig(recursion_limit=100_000)

    async def converse(question: str, told: Told) -> str:
        pieces: list[str] = []
        asked: Any = {"messages": [{"role": "user", "content": question}]}
        async for chunk, _ in agent.astream(asked, no_limit, stream_mode="messages"):
            if isinstance(chunk, AIMessageChunk) and (text := chunk.text):
                pieces.append(text)
                told(text)
        return "".join(pieces)

    return converse


open_contender = one_at_a_time(open_crowd)
