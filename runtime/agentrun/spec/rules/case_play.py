"""A case as its script plays it, as far as that is sure before it runs: which turns and calls there are.

A case whose model is the real one, or a cassette, is not played here; nor is one that can't be read to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from agentrun.diagnostics import Span
from agentrun.effects import is_read_only
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, items, members, text_of, texts
from agentrun.spec.rules.case_places import agent_under_test, sound_cases, steps_of
from agentrun.spec.rules.permissions import rules_of
from agentrun.spec.rules.toolbox import Toolbox, backend, toolbox
from agentrun.spec.script_types import ScriptTurn
from agentrun.spec.types import ToolSpec

_TURN = frozenset(ScriptTurn.__struct_encode_fields__)


class ScriptedCall(NamedTuple):
    """A call of a script. `is_sure`: the model makes it, whatever comes of the calls before."""

    name: str
    node: Node
    turn: int
    is_sure: bool

    @property
    def place(self) -> Span:
        return self.node.place(("name",))


class Play(NamedTuple):
    """A case with the turns of its script; `document` is its file, `agents` those that a run leads to."""

    document: Document
    case: Node
    turns: list[Node]
    calls: list[ScriptedCall]
    box: Toolbox
    agents: list[Document]

    @property
    def agent(self) -> Document:
        return self.agents[0]

    def stubs(self) -> dict[str, Node]:
        """As `testing.plan` merges them."""
        return members(self.document.node.get("tools")) | members(self.case.get("tools"))

    def said(self, key: str) -> Node | None:
        """What the case says itself, or else its file."""
        return self.case.get(key) or self.document.node.get(key)

    def names(self, key: str) -> list[str]:
        """Tools and globs of `approve` or `refuse`, of the file and of the case."""
        found = [holder.get(key) for holder in (self.document.node, self.case)]
        return [name for one in found for name in (*texts(one), *members(one))]


@lru_cache(maxsize=4)
def plays_of(catalog: Catalog, document: Document) -> list[Play]:
    return list(_plays(catalog, document))


def _plays(catalog: Catalog, document: Document) -> Iterator[Play]:
    agent = agent_under_test(catalog, document)
    if agent is None:
        return
    box = toolbox(catalog, agent)
    agents = [agent, *(one for one in catalog.reached(agent) if one.kind == "agent" and one is not agent)]
    if not box.complete or not all(one.complete for one in agents):
        return
    for case in sound_cases(document):
        turns = _script(document, case)
        if turns and case.get("skip") is None and all(one.is_mapping and members(one).keys() <= _TURN for one in turns):
            calls = _calls(turns, case, box, agent)
            if calls is not None:
                yield Play(document, case, turns, calls, box, agents)


def _script(document: Document, case: Node) -> list[Node]:
    for holder in (case, document.node):
        live, cassette, script = holder.get("live"), holder.get("cassette"), holder.get("model")
        if cassette is not None or (live is not None and live.content is not False):
            return []
        if script is not None:
            return items(script)
    return []


def _calls(turns: list[Node], case: Node, box: Toolbox, agent: Document) -> list[ScriptedCall] | None:
    """None where one can't be read."""
    found: list[ScriptedCall] = []
    is_sure = True
    answers = alike = 0
    messages = max(1, len(steps_of(case)))
    alone = not box.runs_agents
    most_turns = limit_of(agent, "max_turns", 25)
    most_calls = limit_of(agent, "max_tool_calls", 100)
    most_alike = limit_of(agent, "max_repeated_calls", 4)
    for index, turn in enumerate(turns):
        calls = turn.get("tool_calls")
        if calls is not None and not calls.is_list:
            return None
        is_whole = turn.get("error") is None and turn.get("finish_reason") is None
        is_sure = is_sure and is_whole and index < most_turns
        for call in items(calls):
            name = call.get("name")
            if name is None or not isinstance(name.content, str):
                return None
            alike = alike + 1 if found and _is_the_same(found[-1].node, call) else 1
            is_sure = is_sure and len(found) < most_calls and alike < most_alike
            found.append(ScriptedCall(name.content, call, index, is_sure))
        ends = not items(calls)
        answers += ends
        goes_on = not any(box.is_final(text_of(call.get("name"))) for call in items(calls))
        is_sure = is_sure and goes_on and (not ends or (alone and answers < messages))
    return found


def _is_the_same(one: Node, other: Node) -> bool:
    return one is other or one.data() == other.data()


def limit_of(agent: Document, key: str, default: int) -> int:
    found = agent.node.get("limits", key)
    if any(agent.node.get("limits", one) is not None for one in ("max_total_tokens", "max_cost_usd", "timeout")):
        return 1
    return default if found is None or type(found.content) is not int else found.content


# -- what becomes of a call


def needs_a_stub(play: Play, name: str) -> bool:
    """Whether each tool of a name calls something that a stub stands for."""
    tools = play.box.tools.get(name, [])
    return bool(tools) and all(backend(tool) in ("http", "shell", "python") for tool in tools)


def is_surely_let_pass(play: Play, call: ScriptedCall) -> bool:
    """Whether nobody refuses a call, whatever was read before it."""
    if any(fnmatchcase(call.name, pattern) for pattern in play.names("refuse")):
        return False
    rules = [rule for agent in play.agents for rule in rules_of(agent) if fnmatchcase(call.name, rule.pattern)]
    if any(rule.action == "deny" for rule in rules):
        return False
    if any(fnmatchcase(call.name, pattern) for pattern in play.names("approve")):
        return True
    is_first = call.turn == 0
    tools = play.box.tools.get(call.name, [])
    return not any(rule.action == "ask" for rule in rules) and all(_never_asks(tool, is_first) for tool in tools)


def _never_asks(tool: Document, is_first: bool) -> bool:
    approval = text_of(tool.node.get("require_approval")) or "auto"
    spec: Any = tool.spec
    return approval == "never" or (
        approval == "auto" and (is_first or (isinstance(spec, ToolSpec) and is_read_only(spec)))
    )


def is_never_asked_about(play: Play, name: str) -> bool:
    """Whether approval is asked for no call of a tool, whatever was read before."""
    tools = play.box.tools.get(name, [])
    rules = [[rule for rule in rules_of(agent) if fnmatchcase(name, rule.pattern)] for agent in play.agents]
    if all(found and found[0].action == "deny" and found[0].when is None for found in rules):
        return True
    asks = any(rule.action == "ask" for found in rules for rule in found)
    return bool(tools) and not asks and all(_never_asks(tool, is_first=False) for tool in tools)
