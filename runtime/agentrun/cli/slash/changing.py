"""/commands that change who speaks from here on: the model, the agent, its arguments, its files."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from agentrun.cli.loading import Described
from agentrun.cli.slash.arguments import properties_of, read_arguments
from agentrun.cli.slash.command import Command, Next
from agentrun.cli.slash.findings import refused
from agentrun.cli.slash.reloading import reload
from agentrun.cli.slash.rows import listed, room, tell, title
from agentrun.cli.talk.takeover import conversants, functions_of, go_on, prepared
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import Agent
from agentrun.errors import AgentrunError, UsageError

_OWN = "-"


# -- the model


async def _model(talk: Talk, name: str) -> Next | None:
    if not name:
        talk.say(f"the model is {_described(talk)}")
        beside = f", `/model {_OWN}` goes back to the agent's own" if talk.model is not None else ""
        talk.say(f"`/model NAME` changes it, `/model offline` needs no key{beside}", "dim")
        return None
    if len(name.split()) > 1:
        raise UsageError(f"`{name}` is no model's name: it has a space")
    model = None if name == _OWN else name
    try:
        loaded = talk.loader.load(model, talk.screen.exchange)
    except AgentrunError as error:
        return refused(talk, error, f"the model stays {talk.agent.model.name}")
    before = talk.first
    talk.use(loaded, model)
    talk.keeper.sync()
    talk.say(f"the model is {_described(talk, ' now')}", "dim")
    await before.close()
    return None


def _described(talk: Talk, now: str = "") -> str:
    """Name, API and host of what is asked, and what is asked when it fails."""
    if talk.loader.is_played:
        return f"{talk.agent.model.name}{now}, which is not asked: the conversation is played"
    first = talk.loader.described_model(talk.agent.name, talk.model)
    others = (f", or else {one['name']} ({_place(one)})" for one in first["fallback"])
    return "".join((f"{first['name']}{now} ({_place(first)})", *others))


def _place(model: Described) -> str:
    if model["address"] is None:
        return "no service is asked"
    return f"{model['api']} at {urlsplit(model['address']).netloc or model['address']}"


# -- the agent


async def _agent(talk: Talk, rest: str) -> Next | None:
    name, typed = [*rest.split(maxsplit=1), "", ""][:2]
    agents = talk.loader.agents()
    if not name:
        title(talk, f"{talk.agent.name} has the conversation; `/agent NAME` gives it to another one")
        rows = [(f"{'*' if one == talk.agent.name else ' '} {one}", about) for one, about in agents.items()]
        tell(talk, listed(rows, room(talk)))
        return None
    if name not in agents:
        help = did_you_mean(name, agents, f"agents here: {one_of(agents)}")
        raise UsageError(f"there is no agent `{name}`", help=help)
    if name == talk.agent.name and not typed:
        talk.say(f"{name} has the conversation already", "dim")
        return None
    loaded = None
    try:
        agent = _in_the_conversation(talk, name)
        if agent is None:
            loaded = talk.loader.load(talk.model, talk.screen.exchange, also=name)
            agent = loaded if loaded.name == name else loaded.peers[name]
        given = read_arguments(typed, [agent, *conversants(talk)])
        arguments = {**talk.arguments, **given}
        taken = prepared(talk, agent, arguments=arguments)
    except AgentrunError as error:
        if isinstance(error, UsageError) and error.help is None:
            error = UsageError(error.message, help=f"arguments may follow: `/agent {name} NAME=VALUE`")
        return refused(talk, error, f"{talk.agent.name} goes on")
    before = talk.first
    if loaded is not None:
        talk.use(loaded, talk.model)
    talk.arguments = arguments
    go_on(talk, taken, by="/agent")
    talk.say(f"→ {name}", "tool")
    talk.say(f"{name} has the conversation: model {agent.model.name}, {functions_of(agent)}", "dim")
    if loaded is not None:
        await before.close()
    return None


def _in_the_conversation(talk: Talk, name: str) -> Agent | None:
    return talk.first if name == talk.first.name else talk.first.peers.get(name)


# -- arguments


async def _args(talk: Talk, typed: str) -> Next | None:
    if not typed:
        _tell_arguments(talk)
        return None
    try:
        given = read_arguments(typed, conversants(talk))
        arguments = {**talk.arguments, **given}
        taken = prepared(talk, talk.agent, arguments=arguments)
    except AgentrunError as error:
        return refused(talk, error, "nothing changed")
    before = talk.messages[0] if talk.messages else None
    talk.arguments = arguments
    go_on(talk, taken, by="/args")
    anew = "" if before is None or before == talk.messages[0] else ", and the system prompt is rendered anew"
    talk.say(f"{one_of(given)} {'is' if len(given) == 1 else 'are'} set from here on{anew}", "dim")
    return None


def _tell_arguments(talk: Talk) -> None:
    agent = talk.agent
    known = talk.first.arguments.with_defaults(dict(talk.arguments))
    filled = agent.arguments.with_defaults({name: known[name] for name in properties_of(agent) if name in known})
    rows = []
    for name, schema in properties_of(agent).items():
        about = schema.get("description") if isinstance(schema, dict) else None
        if name not in filled:
            state = "not given"
        else:
            origin = "" if name in talk.arguments else " (the default)"
            state = f"{_json(agent, filled[name])}{origin}"
        rows.append((name, f"{state}: {about}" if about else state))
    if not rows:
        talk.say(f"{agent.name} takes no arguments", "dim")
        return
    tell(talk, listed(rows, room(talk)))


def _json(agent: Agent, value: Any) -> str:
    return json.dumps(agent.mask.data(value), ensure_ascii=False)


COMMANDS = (
    Command(
        "model",
        "[NAME]",
        "the model, or another one from here on",
        _model,
        words=lambda _: ("offline", _OWN),
        more=f"`offline` needs no key; `{_OWN}` is the agent's own model again.",
    ),
    Command(
        "agent",
        "[NAME]",
        "the agents, or give the conversation to another one",
        _agent,
        words=lambda talk: talk.loader.agents(),
        more="What was said stays. Arguments that it needs may follow: /agent NAME ARGUMENT=VALUE …",
    ),
    Command(
        "args",
        "[NAME=VALUE …]",
        "the arguments, or set some from here on",
        _args,
        words=lambda talk: [f"{name}=" for name in properties_of(talk.agent)],
        more="A value ends where the next NAME= begins, and may stand in quotes. The system prompt is rendered anew.",
    ),
    Command("reload", "", "read the agent's files anew, and go on with them", reload),
)
