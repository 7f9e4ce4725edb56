"""`/reload`: the agent's files are read anew, and the conversation goes on with them, or stays as it was.

What was allowed for the session holds on only where the tool and the rules are as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agentrun.cli.approve import Grant
from agentrun.cli.bug import hide_secrets
from agentrun.cli.loading import Described, Loader
from agentrun.cli.slash.command import Failed
from agentrun.cli.slash.findings import refused, show
from agentrun.cli.slash.rows import listed, room, tell
from agentrun.cli.talk.takeover import conversants, go_on, prepared
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import Report, report
from agentrun.engine.conversation import untrusted_seen
from agentrun.errors import AgentrunError, SpecError, UsageError

# What a change of the agent is called, by keys of its description; tools and hand-offs are told one by one.
_WORDS = {
    "system_prompt": "the system prompt changed",
    "permissions": "the permissions changed",
    "limits": "the limits changed",
    "context": "the context changed",
    "parameters": "the arguments changed",
    "response_format": "the answer's format changed",
}
_OTHERS = ("description", "input", "tool_choice", "parallel_tool_calls", "starters")


async def reload(talk: Talk, rest: str) -> Failed | None:
    old = talk.loader
    found = None
    try:
        fresh = old.again()
        found = fresh.findings()
        loaded = fresh.load(talk.model, talk.screen.exchange)
        name = talk.agent.name
        agent = loaded if loaded.name == name else loaded.peers.get(name)
        if agent is None:
            help = f"give it to another one first: `/agent {talk.first.name}`"
            raise UsageError(f"the agent `{name}`, which has the conversation, is not there any more", help=help)
        taken = prepared(talk, agent, first=loaded)
    except AgentrunError as error:
        hide_secrets(talk.first.mask.text)
        so = f"nothing changed: {talk.agent.name} goes on as it was"
        return refused(talk, SpecError(_both(error.report, found)) if isinstance(error, SpecError) else error, so)
    if found.diagnostics:
        show(talk, found)
    names = [one.name for one in conversants(talk)]
    changed = [change for one in names for change in _differences(old, fresh, one, named=len(names) > 1)]
    if old.code_has_changed():
        old.forget_code()
        changed.append("python code is imported anew")
    was_untrusted, before = untrusted_seen(talk.agent, talk.messages), talk.first
    talk.loader = fresh
    talk.use(loaded, talk.model)
    go_on(talk, taken, by="/reload")
    tell(talk, listed([("reloaded", "; ".join(changed) or "nothing changed")], room(talk), indent=""))
    _ask_again(talk, old)
    if was_untrusted and not untrusted_seen(talk.agent, talk.messages):
        talk.say("what tools gave so far counts as trusted now: the files say so", "warning")
    await before.close()
    return None


def _both(errors: Report, found: Report | None) -> Report:
    """The errors, and what else was found."""
    if found is None:
        return errors
    told = {(one.span, one.code) for one in errors.diagnostics}
    others = [one for one in found.diagnostics if (one.span, one.code) not in told]
    return report([*errors.diagnostics, *others], {**found.sources, **errors.sources})


def _ask_again(talk: Talk, old: Loader) -> None:
    """A person allowed calls of the tools and by the rules that they knew."""
    person = talk.person
    if person is None:
        return

    def is_another(grant: Grant) -> bool:
        agent, tool, _ = grant
        return _asked_about(old, agent, tool) != _asked_about(talk.loader, agent, tool)

    again = [tool for _, tool, _ in person.granted(is_another)]
    if person.forget(is_another):
        names = ", ".join(sorted(set(again)))
        talk.say(f"what you allowed for this session counts no more, because the files changed: {names}", "dim")


def _asked_about(loader: Loader, agent: str, tool: str) -> tuple[Any, Any] | None:
    if agent not in loader.project.catalog.agents:
        return None
    whole = loader.described(agent)
    return whole["permissions"], next((one for one in whole["tools"] if one["name"] == tool), None)


# -- what is another now


def _differences(old: Loader, new: Loader, agent: str, *, named: bool) -> Iterator[str]:
    """The changes of an agent in words; `named` where it is not the only one."""
    of = f"{agent}: " if named else ""
    if agent not in new.project.catalog.agents:
        yield f"{agent} is gone"
        return
    before, now = old.described(agent), new.described(agent)
    yield from (f"{of}{change}" for change in changes(before, now))


def changes(before: Described, now: Described) -> Iterator[str]:
    if before["model"] != now["model"]:
        yield f"the model is {now['model']['name']}" if _name(before) != _name(now) else "the model's settings changed"
    yield from (words for key, words in _WORDS.items() if before[key] != now[key])
    for key, noun in (("tools", "tool"), ("handoffs", "hand-off")):
        yield from _members(before[key], now[key], noun)
    if others := [key for key in _OTHERS if before[key] != now[key]]:
        yield f"{', '.join(others)} changed"


def _name(described: Described) -> str:
    return str(described["model"]["name"])


def _members(before: Sequence[Described], now: Sequence[Described], noun: str) -> Iterator[str]:
    old = {one["name"]: one for one in before}
    new = {one["name"]: one for one in now}
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    other = [name for name in new if name in old and new[name] != old[name]]
    for names, words in ((added, "added"), (removed, "removed"), (other, "changed")):
        if names:
            yield f"{noun if len(names) == 1 else f'{noun}s'} {words}: {', '.join(names)}"
    if not (added or removed or other) and list(old) != list(new):
        yield f"the order of the {noun}s changed"
