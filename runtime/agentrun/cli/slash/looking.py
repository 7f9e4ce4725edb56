"""/commands that show the agent: its tools, its system prompt, what it may do, what is wrong in its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from agentrun.cli.columns import in_columns
from agentrun.cli.describe_set import describe_member
from agentrun.cli.slash.command import Command, Failed
from agentrun.cli.slash.findings import show
from agentrun.cli.slash.rows import listed, paragraphs, room, tell, title
from agentrun.cli.slash.tool_page import page
from agentrun.cli.talk.carried import equipped
from agentrun.cli.talk.takeover import prompt_of
from agentrun.cli.talk.talk import Talk
from agentrun.cli.toolbox.source import cut, source_of
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import Agent, BoundTool
from agentrun.engine.conversation import untrusted_seen
from agentrun.engine.messages import PROMPT_ROLES
from agentrun.errors import UsageError


async def _tools(talk: Talk, rest: str) -> None:
    """With a text only those that have it in their name or description."""
    agent = talk.agent
    functions = (await equipped(talk)).functions
    found = [one for one in functions.values() if _has(agent, one, rest)]
    if not found:
        beside = f" with `{rest}` in its name or description: there are {len(functions):,}" if functions else "s"
        talk.say(f"{agent.name} has no tool{beside}", "dim")
        return
    described = _described(talk, agent)
    header = ["TOOL", "SOURCE", "EFFECTS", "APPROVAL", "DESCRIPTION"]
    rows = [
        [
            tool.name,
            _source(described, tool),
            _effects(tool),
            _approval(agent, tool),
            agent.mask.text(tool.function.description),
        ]
        for tool in found
    ]
    tell(talk, in_columns(header, rows, room(talk)))
    if agent.search is not None and len(functions) > agent.search.max_tools:
        most, all_of_them = f"{agent.search.max_tools:,}", f"{len(functions):,}"
        talk.say(f"a request carries at most {most} of all {all_of_them}: those that fit what is said", "dim")


def _has(agent: Agent, tool: BoundTool, text: str) -> bool:
    return text.casefold() in f"{tool.name}\n{agent.mask.text(tool.function.description)}".casefold()


def _described(talk: Talk, agent: Agent) -> dict[str, dict[str, Any]]:
    """The agent's tools and sets as its files have them, by name."""
    return {one["name"]: one for one in talk.loader.described(agent.name)["tools"]}


def _source(described: Mapping[str, dict[str, Any]], tool: BoundTool) -> str:
    if tool.hands_to is not None:
        return f"agent {tool.hands_to}"
    found = described.get(tool.tool_set or tool.name)
    return cut(source_of(found)) if found is not None else "agentrun"


def _effects(tool: BoundTool) -> str:
    if tool.hands_to is not None:
        return "hands over"
    if tool.built_in:
        return "finds tools"
    words = "ends the run" if tool.backend is None else "reads" if tool.read_only else "changes things"
    return f"{words}, untrusted" if tool.untrusted_output else words


def _approval(agent: Agent, tool: BoundTool) -> str:
    """What decides about a call: the first rule of the agent that matches its name, else the tool."""
    for number, rule in enumerate(agent.permissions, 1):
        if fnmatchcase(tool.name, rule.pattern):
            return f"{rule.action} (rule {number})" if rule.when is None else f"rule {number}"
    return tool.approval if isinstance(tool.approval, str) else "by a condition"


async def _tool(talk: Talk, name: str) -> None:
    agent = talk.agent
    known: Mapping[str, BoundTool] = {**agent.tools, **agent.handoffs}
    if agent.sets and name not in known:
        known = (await equipped(talk)).functions
    if not name:
        raise UsageError("name a tool", help=one_of(known) if known else f"{agent.name} has none")
    if name not in known:
        raise UsageError(
            f"{agent.name} has no tool `{name}`",
            help=did_you_mean(name, known, f"its tools: {one_of(known)}" if known else None),
        )
    title(talk, name)
    tool = known[name]
    described = _described(talk, agent).get(tool.tool_set or name)
    if described is None:
        tell(talk, paragraphs(agent.mask.text(tool.function.description), room(talk)))
        return
    if tool.tool_set:
        described = agent.mask.data(describe_member(described, tool))
    tell(talk, page(described, _decided(agent, name), room(talk)))


def _decided(agent: Agent, name: str) -> str:
    """The rules that are asked about a tool before it decides by itself."""
    rules = [
        f"{number}. {rule.text}" for number, rule in enumerate(agent.permissions, 1) if fnmatchcase(name, rule.pattern)
    ]
    return "; ".join(rules)


async def _system(talk: Talk, rest: str) -> None:
    first = talk.messages[0] if talk.messages else None
    if first is not None:
        prompt = str(first.data.get("content")) if first.role in PROMPT_ROLES else None
    else:
        prompt = prompt_of(talk, talk.agent)
    if prompt is None:
        talk.say(f"{talk.agent.name} has no system prompt", "dim")
        return
    title(talk, f"System prompt of {talk.agent.name}")
    tell(talk, paragraphs(talk.agent.mask.text(prompt), room(talk), indent=""))


# -- what it may do


async def _permissions(talk: Talk, rest: str) -> None:
    if rest == "forget":
        _forget(talk)
        return
    if rest:
        raise UsageError(
            f"`/permissions {rest}` is not known", help="`/permissions forget` takes back what was allowed"
        )
    agent, width = talk.agent, room(talk)
    if agent.permissions:
        title(talk, f"Rules of {agent.name}: the first that matches decides")
        for number, rule in enumerate(agent.permissions, 1):
            tell(talk, listed([(f"{number}.", agent.mask.text(rule.text))], width))
    title(talk, f"{'Else the' if agent.permissions else 'The'} tool decides")
    own = [(label, ", ".join(names)) for label, names in _by_themselves(agent).items() if names]
    tell(talk, listed(own or [("none", "there are no tools")], width))
    if any(label == _AUTO for label, _ in own):
        read = "was read" if untrusted_seen(agent, talk.messages) else "was not read yet"
        tell(talk, listed([("", f"untrusted output {read} in this conversation")], width))
    tell(talk, _granted(talk, width))


_AUTO = "asked after untrusted output"


def _by_themselves(agent: Agent) -> dict[str, list[str]]:
    """The tools by what `require_approval` says of them."""
    found: dict[str, list[str]] = {"always asked": [], _AUTO: [], "not asked": []}
    for tool in (*agent.tools.values(), *agent.handoffs.values()):
        if tool.approval == "always":
            label = "always asked"
        elif tool.approval == "never" or (tool.approval == "auto" and (tool.read_only or tool.backend is None)):
            label = "not asked"
        else:
            label = _AUTO if tool.approval == "auto" else f"asked when {tool.condition}"
        found.setdefault(label, []).append(tool.name)
    return found


def _granted(talk: Talk, width: int) -> Iterator[str]:
    if talk.approve:
        yield from listed([("--approve", ", ".join(talk.approve))], width, indent="")
    grants = talk.person.granted() if talk.person else []
    if grants:
        yield "Allowed until you leave; `/permissions forget` takes it back"
        for agent, tool, rule in grants:
            asked = "" if rule is None else f", where rule {rule + 1} asks"
            yield from listed([(tool, f"of {agent}{asked}")], width)
    elif talk.person is None:
        yield "Nobody can be asked here: what would be asked is refused"


def _forget(talk: Talk) -> None:
    count = talk.person.forget() if talk.person else 0
    talk.say(f"taken back: {count} of this session" if count else "nothing was allowed for this session", "dim")


async def _validate(talk: Talk, rest: str) -> Failed | None:
    found = talk.loader.findings()
    show(talk, found)
    return Failed() if found.errors else None


COMMANDS = (
    Command(
        "tools",
        "[TEXT]",
        "what the agent can call",
        _tools,
        more="With a TEXT, what has it in its name or description.",
    ),
    Command("tool", "NAME", "all of one tool", _tool, words=lambda talk: (*talk.agent.tools, *talk.agent.handoffs)),
    Command("system", "", "the system prompt, as the model has it", _system),
    Command(
        "permissions",
        "[forget]",
        "what needs approval, and what you allowed",
        _permissions,
        words=lambda _: ("forget",),
        more="With `forget`, what you allowed for this session (s, or a) is asked again.",
    ),
    Command("validate", "", "check the agent's files; nothing changes", _validate),
)
