"""Hundreds of conversations in one process: none waits for another, each gets its own answer, and nothing is left."""

import asyncio
import json
import re
import resource

import pytest

import agentrun
from byte_server import chunked, send, serving
from projects import ADD, write_project
from servers import sse

CONVERSATIONS = 300
AGENT = """
    model: {name: m, base_url: "${URL}", api_key: "${KEY}"}
    tools: [add]
    limits: {max_turns: 5}
"""


@pytest.fixture
def open_files():
    """Both ends of each connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CONVERSATIONS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} files may not be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def played(body):
    """The turn that follows: two calls, one after the other, and then what they came to."""
    messages = json.loads(body)["messages"]
    number = int(re.search(r"\d+", messages[0]["content"])[0])
    results = [message["content"] for message in messages if message["role"] == "tool"]
    if len(results) < 2:
        return sse(calls=[("add", {"a": number, "b": 10 ** (len(results) + 3)})])
    return sse(" and ".join(results))


def test_hundreds_of_conversations_are_with_the_model_at_the_same_time(tmp_path, open_files):
    write_project(tmp_path, {**ADD, "agents/sum.yaml": AGENT})

    async def go():
        arrived = []
        all_there = asyncio.Event()

        async def model(server, reader, writer):
            while (body := await server.request(reader)) is not None:
                arrived.append(body)
                if len(arrived) == CONVERSATIONS:
                    all_there.set()
                await all_there.wait()  # the first of each conversation is answered when all have asked
                await send(writer, chunked(*played(body).pieces))

        async with serving(model, limit_s=50) as server:
            agent = agentrun.load(tmp_path / "agents/sum.yaml", environ={"URL": server.url, "KEY": "many-at-once"})
            outcomes = await asyncio.gather(*(agentrun.run(agent, f"number {one}") for one in range(CONVERSATIONS)))
            await agent.close()
            return [outcome.text for outcome in outcomes], len(arrived), server.connections

    texts, requests, connections = asyncio.run(go())
    assert texts == [f"{one + 1000} and {one + 10_000}" for one in range(CONVERSATIONS)]
    assert requests == 3 * CONVERSATIONS
    assert connections == CONVERSATIONS
