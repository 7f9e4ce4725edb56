"""A described agent as text: what a reviewer reads before it may run. Pure; all of it passes the escaping sink.

From the data of `describe.py`, so that text and JSON never tell different things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from agentrun.cli.portrait_tool import approval_of, effects_of, exact, is_set, labelled, reach_rows
from agentrun.cli.reach import Reach, reach_of
from agentrun.cli.variables import Variable
from agentrun.diagnostics import counted
from agentrun.visible import one_line, visible

Style = Callable[[str, str], str]
Described = dict[str, Any]
_LINE_CHARS = 1_000
_PROMPT_LINES = 8


def portrait(agent: Described, variables: Sequence[Variable], style: Style) -> Iterator[str]:
    """The lines."""
    yield from _agent(agent, style)
    for other in agent["takes_over"]:
        yield ""
        yield style(f"May take over: {one_line(other['name'], _LINE_CHARS)}", "bold")
        yield from (f"  {line}".rstrip() for line in _agent(other, style))
    yield ""
    beside = ", and of those that may take over" if agent["takes_over"] else ""
    yield style(f"Reach, with that of agents behind tools{beside}", "bold")
    for label, text in _altogether(reach_of(agent)):
        yield f"  {labelled(label, text)}"
    yield ""
    yield style("Environment", "bold")
    if not variables:
        yield "  no variable is read"
    shown = [one for one in variables if one.set or one.missing or one.empty]
    longest = max((len(one.name) for one in shown), default=0)
    yield from (f"  {one.name.ljust(longest)}  {_state(one)}" for one in shown)
    if idle := [one.name for one in variables if one not in shown]:
        yield f"  not set, and not needed: {', '.join(idle)}"


def _altogether(reach: Reach) -> Iterator[tuple[str, str]]:
    yield "hosts", _with_unheld(reach["hosts"], any=reach["any_host"])
    yield from (("command", line) for line in reach["commands"])
    yield from (("function", target) for target in reach["functions"])
    unheld = {"reads all that you may read": reach["any_read"], "all that you may read and write": reach["any_file"]}
    yield "files", _with_unheld(reach["files"], **unheld)


def _with_unheld(listed: list[str], **tools: list[str]) -> str:
    unheld = [f"{what}, by {', '.join(names)}" for what, names in tools.items() if names]
    return "; ".join([*listed, *unheld]) or "none"


def _state(one: Variable) -> str:
    state = "NOT SET: a run needs it" if one.missing else "EMPTY: a run uses it so" if one.empty else "set"
    return f"{state} (secret)" if one.secret else state


def _agent(agent: Described, style: Style) -> Iterator[str]:
    yield _titled(style(one_line(agent["name"], _LINE_CHARS), "bold"), agent["description"])
    yield labelled("file", ", extends ".join([agent["file"], *agent["extends"]]))
    first = agent["model"]
    yield labelled("model", _model(first))
    for other in first["fallback"]:
        yield labelled("  or then", _model(other))
    yield labelled("arguments", _parameters(agent["parameters"]))
    yield labelled("answer", _answer(agent["response_format"]))
    calls_agents = any(tool["backend"]["kind"] == "agent" for tool in agent["tools"])
    yield labelled("limits", _limits(agent["limits"], calls_agents=calls_agents))
    if context := agent["context"]:
        yield labelled("context", f"{context['max_tokens']:,} tokens, then {context['on_overflow']}")
    yield labelled("tool choice", agent["tool_choice"] if isinstance(agent["tool_choice"], str) else "OpenAI's object")
    if agent["starters"]:
        yield labelled("starters", " · ".join(agent["starters"]))
    yield from _unknown(agent)
    yield ""
    yield from _prompt(agent["system_prompt"], style)
    yield ""
    yield style(f"Tools ({_count(agent['tools'])})", "bold")
    if agent["tool_search"]:
        yield f"  {labelled('search', _search(agent))}"
    for tool in agent["tools"]:
        yield from (f"  {line}".rstrip() for line in _tool(tool, style))
    if agent["handoffs"]:
        yield ""
        yield style(f"Hand-offs ({len(agent['handoffs'])})", "bold")
        for handoff in agent["handoffs"]:
            yield f"  {_titled(style(one_line(handoff['name'], _LINE_CHARS), 'tool'), handoff['description'])}"
    yield ""
    yield style("Permissions", "bold")
    for number, rule in enumerate(agent["permissions"], 1):
        when = f" when {rule['when']}" if rule["when"] else ""
        yield exact(f"  {number}. {rule['action']} {rule['tools']}{when}")
    yield f"  {'else ' if agent['permissions'] else ''}each tool's own approval decides"


def _prompt(text: str | None, style: Style) -> Iterator[str]:
    lines = (text or "").rstrip().splitlines()
    yield style("System prompt" + (f" ({counted(len(lines), 'line')})" if lines else ": none"), "bold")
    yield from (f"  {visible(line)}".rstrip() for line in lines[:_PROMPT_LINES])
    if len(lines) > _PROMPT_LINES:
        yield f"  … {counted(len(lines) - _PROMPT_LINES, 'more line')}"


# -- tools --------------------------------------------------------------------------------------------------


def _count(tools: list[Described]) -> str:
    """How many functions they are; the tools of a server are not known before it is asked."""
    known = sum(_members_of(tool) or 0 for tool in tools)
    servers = [tool["name"] for tool in tools if _members_of(tool) is None]
    beside = f"those of {', '.join(one_line(name, 64) for name in servers)}" if servers else ""
    return " and ".join(filter(None, [str(known) if known or not servers else "", beside]))


def _members_of(tool: Described) -> int | None:
    backend = tool["backend"]
    if backend["kind"] == "openapi":
        return None if backend["operations"] is None else int(backend["operations"])
    return None if backend["kind"] == "mcp" else 1


def _search(agent: Described) -> str:
    most, pinned = agent["tool_search"]["max_tools"], agent["tool_search"]["pinned"]
    known = sum(_members_of(tool) or 0 for tool in agent["tools"]) + len(agent["handoffs"])
    servers = [one_line(tool["name"], 64) for tool in agent["tools"] if _members_of(tool) is None]
    beside = f" and those of {', '.join(servers)}" if servers else ""
    always = f"; always {', '.join(pinned)}" if pinned else ""
    return f"sends at most {most:,} of {known:,} tools{beside}{always}"


def _tool(tool: Described, style: Style) -> Iterator[str]:
    yield _titled(style(one_line(tool["name"], _LINE_CHARS), "tool"), tool["description"])
    backend = tool["backend"]
    for label, text in reach_rows(backend):
        yield f"  {labelled(label, text)}"
    if not is_set(backend):
        yield f"  {labelled('arguments', _parameters(tool['parameters']))}"
    yield f"  {labelled('effects', effects_of(tool))}"
    yield f"  {labelled('approval', approval_of(tool))}"
    yield from (f"  {line}" for line in _unknown(tool))
    if backend["kind"] == "agent":
        yield from (f"    {line}" for line in _agent(backend["agent"], style))


# -- small texts --------------------------------------------------------------------------------------------


def _titled(title: str, text: str) -> str:
    return f"{title}  {one_line(text, _LINE_CHARS)}".rstrip()


def _model(model: Described) -> str:
    if model["address"] is None:
        return f"{model['name']} ({model['api']}: no service is asked)"
    headers = f", headers {', '.join(model['headers'])}" if model["headers"] else ""
    return f"{model['name']} ({model['api']}) at {model['address']}{headers}"


def _parameters(schema: Described) -> str:
    required = schema.get("required", ())
    words = []
    for name, member in schema.get("properties", {}).items():
        kind = member.get("type", "any") if isinstance(member, dict) else "any"
        words.append(f"{name} ({kind}{'' if name in required else ', optional'})")
    return ", ".join(words) or "none"


def _answer(response_format: Described | None) -> str:
    if response_format is None or response_format["type"] == "text":
        return "text"
    named = response_format.get("json_schema") or {}
    return f"JSON by the schema `{named['name']}`" if named else "a JSON object"


def _limits(limits: Described, *, calls_agents: bool) -> str:
    caps = [
        f"{limits['max_turns']} turns",
        f"{limits['max_tool_calls']} tool calls",
        f"{limits['max_repeated_calls']} times the same call",
        f"{limits['timeout']:g} s",
        f"{limits['max_total_tokens']:,} tokens" if limits["max_total_tokens"] else "no cap on tokens",
        f"{limits['max_cost_usd']:g} USD" if limits["max_cost_usd"] else "no cap on cost",
    ]
    if calls_agents:
        caps.append(f"{limits['max_agent_runs']} runs of agents as tools, {limits['max_depth']} deep")
    last = "; then one answer without tools" if limits["on_limit"] == "answer" else ""
    return ", ".join(caps) + last


def _unknown(described: Described) -> Iterator[str]:
    if described["unknown"]:
        yield labelled("not known", f"{', '.join(described['unknown'])}: a variable has no value; shown as the default")
