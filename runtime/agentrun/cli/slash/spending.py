"""/commands about what the conversation takes: tokens, money, and room in the model's context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentrun.cli.slash.command import Command
from agentrun.cli.slash.rows import listed, room, tell, title
from agentrun.cli.talk.carried import equipped, last_carried
from agentrun.cli.talk.takeover import functions_of, prompt_of
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.engine import context, events
from agentrun.engine.agent import Agent
from agentrun.engine.events import Event
from agentrun.engine.messages import PROMPT_ROLES, Message, ToolList, Usage, system
from agentrun.errors import ToolsError, UsageError
from agentrun.markup.calls import duration

_BAR_CELLS = 40


def window_tokens(talk: Talk) -> int | None:
    """What the context of who has the conversation holds at most, where that is known."""
    return talk.loader.window_tokens(talk.agent, talk.model)


# -- tokens and money


async def _cost(talk: Talk, rest: str) -> None:
    seen, agent = talk.seen, talk.agent
    rows = []
    if seen.usage.total_tokens or seen.cost_usd is not None:
        rows.append(("conversation", _spent(seen.usage, seen.cost_usd)))
        if last := _last_message(seen.last_run):
            rows.append(("last message", last))
    else:
        rows.append(("conversation", "no tokens were counted yet"))
    rows.append(("limits", f"{_limits(agent)}, for one message"))
    rows.append(("price", _price(agent)))
    tell(talk, listed(rows, room(talk)))


def _spent(usage: Usage, cost_usd: float | None) -> str:
    cached = f", {100 * usage.cached_tokens // usage.input_tokens}% of it cached" if usage.cached_tokens else ""
    money = "cost not known" if cost_usd is None else dollars(cost_usd)
    return f"{usage.total_tokens:,} tokens: {usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out; {money}"


def dollars(amount: float) -> str:
    """With cents, and smaller where there are such."""
    return f"${amount:,.2f}" if round(amount, 4) == round(amount, 2) else f"${amount:,.4f}"


def _last_message(run: Iterable[Event]) -> str:
    """Of the run that began last, with the agents behind its tools."""
    told = list(run)
    end = next((one for one in told if isinstance(one, events.RunFinished) and not one.parent_run_id), None)
    if end is None:
        return ""
    turns = sum(isinstance(one, events.TurnFinished) for one in told)
    calls = sum(isinstance(one, events.ToolFinished) for one in told)
    took = duration(max(0.0, end.time - told[0].time))
    work = f"{counted(turns, 'turn')}, {counted(calls, 'tool call')}, {took}"
    return f"{_spent(end.usage, end.cost_usd)}; {work}"


def _limits(agent: Agent) -> str:
    limits = agent.limits
    caps = [
        counted(limits.max_turns, "turn"),
        counted(limits.max_tool_calls, "tool call"),
        f"{limits.timeout_s:g} s",
        "any tokens" if limits.max_total_tokens is None else f"{limits.max_total_tokens:,} tokens",
        "any cost" if limits.max_cost_usd is None else dollars(limits.max_cost_usd),
    ]
    if any(one.runs_agent for one in agent.tools.values()):
        caps.append(f"{counted(limits.max_agent_runs, 'run')} of agents as tools, {limits.max_depth} deep")
    return ", ".join(caps)


def _price(agent: Agent) -> str:
    price = agent.prices[0] if agent.prices else None
    if price is not None and price.cost_usd(Usage()) is not None:
        return f"known for {agent.model.name}"
    return f"not known for {agent.model.name}: `model.prices` of the file says it"


# -- the context


async def _context(talk: Talk, rest: str) -> None:
    agent, width = talk.agent, room(talk)
    messages = talk.messages or _opening(talk)
    parts = _parts(messages, *await _functions(talk, messages))
    estimated = sum(tokens for _, tokens in parts)
    is_counted = bool(talk.messages and talk.seen.context_tokens)
    total = talk.seen.context_tokens if is_counted else estimated
    window = window_tokens(talk)
    told = f"{total:,} tokens" if is_counted else f"about {total:,} tokens"
    if window is None:
        title(talk, f"The context holds {told}")
    else:
        title(talk, f"The context holds {told} of {window:,}: {100 * total / window:.0f}%")
        talk.say(f"  {_bar(total / window, min(_BAR_CELLS, width - 2))}")
    rows = [(name, f"{tokens:,} ({100 * tokens / max(1, estimated):.0f}%)") for name, tokens in parts]
    tell(talk, listed(rows, width))
    tell(talk, listed([("", note) for note in _notes(agent, window, is_counted)], width))


async def _functions(talk: Talk, messages: list[Message]) -> tuple[str, ToolList]:
    """What the next request carries of what the agent can call, and how many that are."""
    try:
        kit = await equipped(talk)
    except ToolsError as error:
        talk.complain(error)
        return functions_of(talk.agent), last_carried(talk)
    carried, count = kit.carried(messages), len(kit.functions)
    sent = len(carried.tools)
    if sent < count:
        return f"{sent:,} of {count:,} functions", carried
    handoffs = len(talk.agent.handoffs)
    known = [counted(count - handoffs, "tool"), *([counted(handoffs, "hand-off")] if handoffs else [])]
    return ", ".join(known), carried


def _opening(talk: Talk) -> list[Message]:
    """What the first message of a conversation will stand behind."""
    try:
        prompt = prompt_of(talk, talk.agent)
    except UsageError:  # it lacks an argument, which the first message would tell
        return []
    return [] if prompt is None else [system(prompt)]


def _parts(messages: list[Message], functions: str, carried: ToolList) -> list[tuple[str, int]]:
    """Tokens as the context policy estimates them."""
    prompts = [one for one in messages if one.role in PROMPT_ROLES]
    results = [one for one in messages if one.role == "tool"]
    others = [one for one in messages if one.role not in (*PROMPT_ROLES, "tool")]
    return [
        ("system prompt", context.tokens_of(prompts)),
        (functions, context.tokens_of_tools(carried)),
        (f"{counted(len(others), 'message')}", context.tokens_of(others)),
        (f"{counted(len(results), 'tool result')}", context.tokens_of(results)),
    ]


def _notes(agent: Agent, window: int | None, is_counted: bool) -> Iterator[str]:
    share = "the parts are estimated by their size"
    yield f"the whole is what the service counted; {share}" if is_counted else share
    if window is None:
        yield "how much the model takes in is not known: `context.max_tokens` of the file sets a limit"
    elif agent.context.max_tokens == window:
        does = {"compact": "older parts become a summary", "truncate": "older parts go", "error": "the run ends"}
        yield f"`context.max_tokens` is the limit; beyond it {does[agent.context.on_overflow]}"


def _bar(share: float, size: int) -> str:
    full = min(size, round(share * size))
    return "█" * full + "░" * (size - full)


COMMANDS = (
    Command("cost", "", "tokens and cost, and the limits of a message", _cost),
    Command("context", "", "how full the model's context is, and with what", _context),
)
