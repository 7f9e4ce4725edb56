"""Who takes part: each is a module with `open_contender(base_url) -> Ask` and `open_crowd(base_url) -> Converse`.

An `Ask` has one whole conversation about a question, tools called along the way, and returns the answer. It tells
each piece of text as it comes. It keeps its connections from one conversation to the next. A `Converse` does the same
in the running event loop, where many are had at once. A module needs what it measures installed, and nothing else of
this project but `benchmarks`: each runs in the environment that `environments.py` names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Told = Callable[[str], None]
Ask = Callable[[str, Told], str]
Converse = Callable[[str, Told], Awaitable[str]]

CONTENDERS = {
    "raw": "sockets and json, written for this task alone: the limit",
    "sdk": "the openai SDK's typed loop of OpenAI's guide, tool calls one after the other",
    "sdk-post": "tuned: the SDK through its client.post, async, messages serialised once, chunks as plain dicts",
    "sdk-post-sync": "tuned: the same without an event loop",
    "openai-agents": "OpenAI's Agents SDK on chat completions, tracing off",
    "pydantic-ai": "Pydantic AI's Agent with its OpenAI chat model",
    "langgraph": "LangChain's create_agent on LangGraph with ChatOpenAI",
    "agentrun": "the Python API with YAML files: arguments validated, events, a journal",
}
TUNED = ("sdk-post", "sdk-post-sync")  # what the SDK can do; what is held against it is held against the faster one
FRAMEWORKS = ("openai-agents", "pydantic-ai", "langgraph")


def module_of(contender: str) -> str:
    return f"benchmarks.contenders.{contender.replace('-', '_')}"


def one_at_a_time(open_crowd: Callable[[str], Converse]) -> Callable[[str], Ask]:
    """The `open_contender` of a contender that lives in an event loop."""

    def open_contender(base_url: str) -> Ask:
        runner = asyncio.Runner()

        async def opened() -> Converse:
            return open_crowd(base_url)

        converse = runner.run(opened())

        async def ask(question: str, told: Told) -> str:
            return await converse(question, told)

        return lambda question, told: runner.run(ask(question, told))

    return open_contender
