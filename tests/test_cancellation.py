"""A run that is cancelled while the model speaks: the service is left at once, and the conversation goes on."""

import asyncio
import time

import pytest

import agentrun
from agentrun.engine import events
from projects import write_project
from servers import ModelServer, call_delta, delta, silence, sse
from servers import events as stream_of

AGENT = """
model: {name: gpt-x, base_url: "${SERVICE_URL}", api_key: sk-local, timeout: {idle: 50}}
system_prompt: You are brief.
tools:
  - {name: note, description: Notes., python: "notes:note"}
"""
BOUND_S = 2.0  # the deadlines of the agent are far longer

HALF_A_TEXT = silence(stream_of(delta(content="Half an ans")))
HALF_A_CALL = silence(stream_of(call_delta(index=0, id="a", name="note", arguments="{")))
WHOLE_BUT_UNFINISHED_CALL = silence(stream_of(call_delta(index=0, id="a", name="note", arguments="{}")))
DELTAS = (events.TextDelta, events.ToolCallDelta)


@pytest.mark.parametrize(
    ("first", "before"),
    [
        pytest.param(HALF_A_TEXT, [], id="in a text"),
        pytest.param(HALF_A_CALL, [], id="in a call"),
        pytest.param(WHOLE_BUT_UNFINISHED_CALL, [], id="after a call and before the finish"),
        pytest.param(HALF_A_TEXT, [sse(calls=[("note", {})])], id="in the second turn"),
    ],
)
def test_a_cancelled_run_hangs_up_and_leaves_a_conversation_that_goes_on(tmp_path, first, before):
    notes = "asked = []\n\n\ndef note():\n    asked.append(1)\n    return len(asked)\n"
    write_project(tmp_path, {"agents/a.yaml": AGENT, "notes.py": notes})
    order, messages, told = [], [], []

    async def scenario(server):
        agent = agentrun.load(tmp_path / "agents/a.yaml", environ={"SERVICE_URL": server.base_url})
        speaks = asyncio.Event()

        def watch(event):
            told.append(event)
            if isinstance(event, DELTAS) and len(server.requests) > len(before):
                speaks.set()
            if isinstance(event, events.RunFinished):
                order.append(f"run_finished {event.reason}")

        task = asyncio.create_task(agentrun.run(agent, "Hello", messages=messages, emit=watch))
        await asyncio.wait_for(speaks.wait(), 20)
        assert not server.hung_up.is_set()
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)
        order.append("cancelled")
        assert await asyncio.to_thread(server.hung_up.wait, 20)
        order.append("the server saw it")
        assert time.monotonic() - started < BOUND_S
        return await agentrun.run(agent, "And now?", messages=messages)

    with ModelServer([*before, first, sse("Here.")]) as server:
        outcome = asyncio.run(scenario(server))
        history = server.requests[-1].json["messages"]
    assert order == ["run_finished cancelled", "cancelled", "the server saw it"]
    assert (outcome.reason, outcome.text) == ("answered", "Here.")
    noted = ["assistant", "tool"] if before else []
    cut_off = ["assistant"] if first is HALF_A_TEXT else []
    assert [message["role"] for message in history] == ["system", "user", *noted, *cut_off, "user"]
    assert ("[interrupted]" in str(history)) == bool(cut_off)
    assert sum(isinstance(event, events.ToolStarted) for event in told) == len(before)


def test_a_run_is_cancelled_while_it_waits_for_a_response_that_does_not_begin(tmp_path):
    write_project(tmp_path, {"agents/a.yaml": AGENT.replace('"notes:note"', "x:y")})

    async def scenario(server):
        agent = agentrun.load(tmp_path / "agents/a.yaml", environ={"SERVICE_URL": server.base_url})
        task = asyncio.create_task(agentrun.run(agent, "Hello"))
        while not server.requests:
            await asyncio.sleep(0.005)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)
        assert await asyncio.to_thread(server.hung_up.wait, 20)
        assert time.monotonic() - started < BOUND_S

    with ModelServer([silence()]) as server:
        asyncio.run(asyncio.wait_for(scenario(server), 50))
