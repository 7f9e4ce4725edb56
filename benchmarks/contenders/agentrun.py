"""agentrun through its Python API, with the files of `project/`: nothing is switched off for the measurement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import agentrun
from agentrun.engine.messages import Reply, Request, ToolCall
from agentrun.engine.ports import DirectJournal, Tell, ToolResult
from benchmarks.contenders import Converse, Told, one_at_a_time
from benchmarks.task import API_KEY, MODEL

AGENT = Path(__file__).parent.parent / "project" / "agents" / "weather.yaml"


class KeepingJournal(DirectJournal):
    """Makes each call and keeps what came of it."""

    def __init__(self) -> None:
        self.kept: dict[str, Reply | ToolResult] = {}

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        self.kept[key] = reply = await make(tell)
        return reply

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        self.kept[key] = result = await make()
        return result


def open_crowd(base_url: str) -> Converse:
    agent = agentrun.load(AGENT, environ={"BENCH_URL": base_url, "BENCH_KEY": API_KEY, "BENCH_MODEL": MODEL})

    async def converse(question: str, told: Told) -> str:
        def emit(event: agentrun.events.Event) -> None:
            if isinstance(event, agentrun.events.TextDelta):
                told(event.text)

        outcome = await agentrun.run(agent, question, emit=emit, journal=KeepingJournal())
        if not outcome.ended_well:
            raise RuntimeError(f"the run ended as {outcome.reason}: {outcome.error}")
        return outcome.text

    return converse


open_contender = one_at_a_time(open_crowd)
