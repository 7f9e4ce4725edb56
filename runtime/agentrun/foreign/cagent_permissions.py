"""The permissions of a Docker cagent file as rules of an agent, in the order of cagent: deny, allow, ask."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import msgspec

from agentrun.foreign.cagent_kit import Kit
from agentrun.foreign.draft import Draft
from agentrun.foreign.fields import Fields
from agentrun.spec.nodes import Node

KINDS = ("deny", "allow", "ask")
_CONDITION = re.compile(r":[A-Za-z_][\w-]*=")


class Rule(msgspec.Struct, frozen=True):
    kind: str
    pattern: str
    place: Node


class Permissions:
    """The rules of the file, which hold for each of its agents: those that fit no agent are left.

    `functions` are cagent's names of all tools that the file itself defines, in small letters: a rule that names one
    of them is not about a tool that some server may have.
    """

    def __init__(self, draft: Draft, fields: Fields | None) -> None:
        self._draft = draft
        self.functions = {"transfer_task", "handoff"}
        self._rules: list[Rule] = []
        self._used: set[Rule] = set()
        if fields is not None:
            self._rules = [Rule(kind, text, place) for kind in KINDS for text, place in fields.texts(kind)]
            fields.rest()

    def of(self, kit: Kit, agents: list[str], handoffs: list[str]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for rule in self._rules:
            is_known = rule.pattern.lower() in self.functions
            for glob in dict.fromkeys(_globs(rule.pattern, kit, agents, handoffs, is_known=is_known)):
                self._used.add(rule)
                entry = {rule.kind: glob}
                if entry not in made:
                    made.append(entry)
        return made

    def rest(self) -> None:
        for rule in self._rules:
            if rule in self._used:
                continue
            if _CONDITION.search(rule.pattern):
                why = 'a rule about arguments: write it with `when: "{{ … }}"` for a tool that has them'
            else:
                why = "no tool of the agents is called so"
            self._draft.leave(rule.place, f"permissions: {rule.kind} `{rule.pattern[:80]}`", why)


def _globs(pattern: str, kit: Kit, agents: list[str], handoffs: list[str], *, is_known: bool) -> list[str]:
    """The globs over an agent's functions that a pattern of cagent, which ignores case, stands for."""
    if _CONDITION.search(pattern):
        return []
    if pattern == "*":
        return ["*"] if kit.names or agents or handoffs else []
    if pattern.startswith("mcp:"):
        named, _, tool = pattern.removeprefix("mcp:").partition(":")
        return [f"{name}_{tool or '*'}" for name in kit.sets if fnmatch.fnmatchcase(name.lower(), named.lower())]
    if ":" in pattern:
        return []
    folded = pattern.lower()
    found = [made for name, made in kit.functions.items() if fnmatch.fnmatchcase(name.lower(), folded)]
    if fnmatch.fnmatchcase("transfer_task", folded):
        found += agents
    if fnmatch.fnmatchcase("handoff", folded) and handoffs:
        found.append("transfer_to_*")
    for name, (is_named, chosen) in () if is_known else kit.sets.items():
        found += _of_set(pattern, name, is_named=is_named, chosen=chosen)
    return found


def _of_set(pattern: str, name: str, *, is_named: bool, chosen: list[str] | None) -> list[str]:
    """Which tools a server has is not known, unless some were chosen."""
    if is_named:
        if not pattern.lower().startswith(f"{name.lower()}_"):
            return []
        pattern = pattern[len(name) + 1 :]
    if chosen is None:
        return [f"{name}_{pattern}"]
    return [f"{name}_{one}" for one in chosen if fnmatch.fnmatchcase(one.lower(), pattern.lower())]
