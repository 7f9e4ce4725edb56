"""Runs that are recorded and played again in this process, for tests of cassettes."""

import asyncio

import msgspec

import agentrun
from agentrun.cassettes.cassette import Cassette
from agentrun.cassettes.player import Player
from agentrun.cassettes.reading import cassette_of
from agentrun.cassettes.recorder import Recorder
from agentrun.cassettes.writing import text_of
from agentrun.engine import loop
from agentrun.engine.approval import StandingApprover
from agentrun.secrets import Masker
from golden_runs import normalised


class Untouchable:
    """A model, or a tool, that nobody may ask."""

    name = "untouchable"

    def __init__(self, name="untouchable"):
        self.name = name

    async def complete(self, request, tell):
        raise AssertionError("the model was asked in a replay")

    async def call(self, arguments, context):
        raise AssertionError("a tool was called in a replay")


def untouchable(agent, seen=None):
    """The agent with every model and tool that it reaches replaced by one that nobody may ask."""
    seen = {} if seen is None else seen
    if agent.name in seen:
        return seen[agent.name]
    tools = {}
    peers = {}
    replaced = msgspec.structs.replace(agent, model=Untouchable(agent.model.name), tools=tools, peers=peers)
    seen[agent.name] = replaced
    for name, tool in agent.tools.items():
        if tool.runs_agent:
            backend = type(tool.backend)(untouchable(tool.backend.agent, seen))
        else:
            backend = None if tool.backend is None else Untouchable()
        tools[name] = msgspec.structs.replace(tool, backend=backend)
    peers |= {name: untouchable(peer, seen) for name, peer in agent.peers.items()}
    return replaced


async def converse(agent, texts, tape, *, args=None, approve=()):
    """The events and the outcomes of a conversation. Without texts it is a run with arguments."""
    events, outcomes, messages = [], [], []
    approver = tape.approver(StandingApprover(approve))
    options = {"messages": messages, "emit": events.append, "approver": approver, "journal": tape, "date": tape.date}
    first, *others = texts or [None]
    outcomes.append(await agentrun.run(agent, first, args=args, **options))
    for text in others:
        outcomes.append(await agentrun.run(outcomes[-1].agent, text, **options))
    return events, outcomes


def through_a_file(conversation):
    """What is read of a cassette that was written."""
    text = text_of(Cassette((conversation,)))
    (read,) = cassette_of("recorded.yaml", text.encode()).conversations
    return read


def recorded(agent, texts=(), **options):
    """The events, and the conversation as it comes back from a file."""
    tape = Recorder(agent.name, agent.mask)
    events, _ = asyncio.run(converse(agent, texts, tape, **options))
    return normalised(events), through_a_file(tape.conversation())


def replayed(agent, conversation, texts=(), **options):
    tape = Player(conversation, Masker(), source="recorded.yaml")
    events, outcomes = asyncio.run(converse(untouchable(agent), texts, tape, **options))
    return normalised(events), outcomes


async def recorded_loop(agent, tape, *texts):
    """As `converse`, for agents that are built in code."""
    events, messages, outcome = [], [], None
    approver = tape.approver(StandingApprover())
    for text in texts or ("go",):
        outcome = await loop.run(
            agent, text=text, messages=messages, emit=events.append, approver=approver, journal=tape, date=tape.date
        )
    return normalised(events), outcome
