"""`NAME=VALUE …` as it is typed in a conversation: read by the parameters of its agents, and checked by them.

A value ends where another `NAME=` begins. It may stand in quotes, and JSON needs none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentrun.cli.options import collect_arguments
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import Agent
from agentrun.errors import UsageError

_NAME = re.compile(r"\s*([A-Za-z_][\w-]*)=")
_NEXT = re.compile(r"\s+[A-Za-z_][\w-]*=|\s*$")
_QUOTED = re.compile(r"""(["'])(.*?)\1(?=\s|$)""", re.DOTALL)


def read_arguments(typed: str, agents: Sequence[Agent]) -> dict[str, Any]:
    """The arguments that were typed. Each is one that some of these agents declare, and suits all of them that do."""
    found: dict[str, Any] = {}
    for name, value in _pairs(typed):
        declaring = [one for one in agents if name in properties_of(one)]
        if not declaring:
            known = sorted({known for one in agents for known in properties_of(one)})
            otherwise = f"its arguments: {one_of(known)}" if known else "it takes none"
            raise UsageError(f"{agents[0].name} has no argument `{name}`", help=did_you_mean(name, known, otherwise))
        found |= collect_arguments((f"{name}={value}",), None, declaring[0].parameters)
    for agent in agents:
        _check(agent, found)
    return found


def properties_of(agent: Agent) -> Mapping[str, Any]:
    return agent.parameters.get("properties") or {}


def _pairs(typed: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(typed):
        named = _NAME.match(typed, at)
        if named is None:
            raise UsageError(f"`{typed[at:].strip()}` is not of the form NAME=VALUE")
        at = _end(typed, named.end())
        value = typed[named.end() : at].strip()
        quoted = _QUOTED.fullmatch(value)
        yield named[1], quoted[2] if quoted else value


def _end(typed: str, start: int) -> int:
    """Where the value ends that begins here."""
    if quoted := _QUOTED.match(typed, start):
        return quoted.end()
    if typed[start : start + 1] in ("[", "{"):
        try:
            return json.JSONDecoder().raw_decode(typed, start)[1]
        except (ValueError, RecursionError):
            pass  # not JSON: what is wrong with it the schema says
    following = _NEXT.search(typed, start)
    return following.start() if following else len(typed)


def _check(agent: Agent, given: Mapping[str, Any]) -> None:
    mine = {name: value for name, value in given.items() if name in properties_of(agent)}
    for one in agent.arguments.violations(agent.arguments.with_defaults(mine)):
        name = re.split(r"[.\[]", one.path)[0]
        if name in mine:
            raise UsageError(f"the argument `{one.path}` of {agent.name}: {one.message}")
