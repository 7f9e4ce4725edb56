"""What the cases of agents left out: tools, hand-offs, parameters and `permissions` rules that no call met. Pure.

An agent behind a tool, or handed over to, is an agent of its own here: its tools and rules stand under its name, and
calls count wherever they were made. Agents that no test file leads to are known by their files alone.

A set of tools, which may have thousands, counts as one: it is left out where none of its members was called, and told
as `NAME_*`. Of members only those that were called have parameters that count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from agentrun.engine.agent import Agent, BoundTool
from agentrun.project import Project
from agentrun.testing.observed import ObservedCall, ObservedStep
from agentrun.testing.plan import Case, needed
from agentrun.testing.reached import agents_reached
from agentrun.testing.results import AgentCoverage, CaseResult


class _Seen(msgspec.Struct):
    """What happened to one agent in all cases. `given` are parameters by tool; `is_under_test`: a file tests it."""

    agent: Agent
    is_under_test: bool = False
    called: set[str] = msgspec.field(default_factory=set)
    given: set[tuple[str, str]] = msgspec.field(default_factory=set)
    rules: set[int] = msgspec.field(default_factory=set)
    arguments: set[str] = msgspec.field(default_factory=set)


def coverage_of(results: Iterable[CaseResult], agent_of: Callable[[Case], Agent]) -> tuple[AgentCoverage, ...]:
    """Of each agent that a case ran, and of those that it reaches; in the order in which they come up.

    `agent_of` gives the agent of a case that ran, as it was bound.
    """
    seen: dict[str, _Seen] = {}
    for result in results:
        steps = [step for attempt in result.attempts for step in attempt.observed.steps]
        if not steps:
            continue
        agent = agent_of(result.case)
        for reached in agents_reached(agent):
            seen.setdefault(reached.name, _Seen(reached))
        own = seen[agent.name]
        own.is_under_test = True
        own.arguments |= _given_arguments(result.case)
        for step in steps:
            _count(step, seen)
    return tuple(_left_out(one) for one in seen.values())


def untested(project: Project) -> tuple[str, ...]:
    """The agents that no test file is about, and that none of those that are leads to."""
    led_to = {one for test in project.catalog.tests for one in needed(project, test)}
    return tuple(agent.name for agent in project.catalog.agents.values() if agent not in led_to)


def _given_arguments(case: Case) -> set[str]:
    """The user messages of a conversation stand for `input`."""
    return {*case.args, *(["input"] if case.steps[0].user is not None else [])}


def _count(step: ObservedStep, seen: Mapping[str, _Seen]) -> None:
    for call in step.calls:
        if call.agent in seen:
            own = seen[call.agent]
            if call.error != "unknown_tool":
                own.called.add(call.name)
            own.given |= {(call.name, parameter) for parameter in _written(call, own.agent.tools.get(call.name))}
    for decided in step.rules:
        if decided.agent in seen:
            seen[decided.agent].rules.add(decided.rule)


def _written(call: ObservedCall, tool: BoundTool | None) -> Iterable[str]:
    """The parameters that the model wrote: those whose defaults were filled in are not among them.

    In strict mode a model has to write all, and null stands for nothing.
    """
    try:
        written = msgspec.json.decode(call.raw_arguments)
    except msgspec.DecodeError:
        return ()
    if not isinstance(written, dict):
        return ()
    is_strict = tool is not None and tool.function.strict
    return [name for name, value in written.items() if not (is_strict and value is None)]


def _left_out(seen: _Seen) -> AgentCoverage:
    agent = seen.agent
    counted = {name: tool for name, tool in agent.tools.items() if not tool.tool_set or name in seen.called}
    parameters = [(name, one) for name, tool in counted.items() for one in _names(tool.function.parameters)]
    tools = [name for name, tool in agent.tools.items() if not tool.tool_set]
    sets = _sets(agent)
    idle = [f"{name}_*" for name, has in sets.items() if not any(map(has, seen.called))]
    arguments = _names(agent.parameters) if seen.is_under_test else []
    return AgentCoverage(
        agent=agent.name,
        tools=(*(name for name in tools if name not in seen.called), *idle),
        parameters=tuple(pair for pair in parameters if pair not in seen.given),
        handoffs=tuple(name for name in agent.handoffs if name not in seen.called),
        rules=tuple(rule.text for index, rule in enumerate(agent.permissions) if index not in seen.rules),
        arguments=tuple(name for name in arguments if name not in seen.arguments),
        tools_total=len(tools) + len(sets),
        parameters_total=len(parameters),
        handoffs_total=len(agent.handoffs),
        rules_total=len(agent.permissions),
        arguments_total=len(arguments),
    )


def _sets(agent: Agent) -> dict[str, Callable[[str], bool]]:
    """Of each set whether a function is its member: those of a document are known, of a server's only their names."""
    found: dict[str, Callable[[str], bool]] = {}
    for tool in agent.tools.values():
        if tool.tool_set:
            found[tool.tool_set] = partial(_is_of, agent, tool.tool_set)
    for one in agent.sets:
        found[one.name] = partial(_may_be_of, agent, one.name)
    return found


def _is_of(agent: Agent, tool_set: str, function: str) -> bool:
    return function in agent.tools and agent.tools[function].tool_set == tool_set


def _may_be_of(agent: Agent, tool_set: str, function: str) -> bool:
    return function not in agent.tools and function.startswith(f"{tool_set}_")


def _names(schema: Mapping[str, Any]) -> list[str]:
    """Top-level properties, wherever the schema says them: what stands deeper is the tool's own business."""
    names: dict[str, None] = {}
    parts: list[Any] = [schema]
    for part in parts:
        if isinstance(part, Mapping):
            names |= dict.fromkeys(part.get("properties") or ())
            parts += [one for one in (*part.get("allOf", ()), _referred(schema, part)) if one not in parts]
    return list(names)


def _referred(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
    """What a `$ref` within the schema leads to; None where there is none."""
    path = str(part.get("$ref", "")).split("/")
    found: Any = schema if path[0] == "#" else None
    for key in path[1:]:
        found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
