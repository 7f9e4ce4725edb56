"""The agents of an Agent Spec file: each as an agent of a project, with its tools; swarms and managers by how they
hand over and call.
"""

from __future__ import annotations

from typing import Any

from agentrun.diagnostics import one_of
from agentrun.foreign.agent_spec_book import (
    Book,
    answer,
    kind_of_component,
    name_of,
    parameters,
    placeholders,
    properties,
    templated,
)
from agentrun.foreign.agent_spec_models import Models
from agentrun.foreign.agent_spec_remote import RemoteTool
from agentrun.foreign.agent_spec_servers import Servers
from agentrun.foreign.fields import Fields
from agentrun.foreign.yaml_text import prose
from agentrun.spec.nodes import Node, text_of

_MAX_NESTED = 20
_NO_TOOLS = {
    "ServerTool": "its code is not in the file: write it as a tool, such as `python: module:function`",
    "ClientTool": "it runs where the agent is used: write it as a tool, such as `python: module:function`",
    "BuiltinTool": "it is part of another runtime: write it as a tool",
}
_NO_AGENTS = {
    "A2AAgent": "agentrun calls no agents elsewhere: an http tool can",
    "OciAgent": "agentrun calls no agents elsewhere: an http tool can",
    "OpenAIAgent": "agentrun calls no agents elsewhere: an http tool can",
    "RemoteAgent": "agentrun calls no agents elsewhere: an http tool can",
}
_CIRCLE = "agents that call each other in a circle have no end"
_CIRCLE_OF_HANDOFFS = f"{_CIRCLE}: these hand over to each other only"


class Agents:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._draft = book.draft
        self._models = Models(book)
        self._servers = Servers(book)
        self._made: dict[int, str | None] = {}
        self._tools: dict[int, str | None] = {}
        self._depth = 0

    def model(self, place: Node | None, what: str) -> Any:
        return self._models.of(place, what)

    def entry(self, place: Node | None, what: str) -> str | None:
        """The agent that one talks to first, of whatever stands at a place; None, and told, where it is none."""
        node = self._book.component(place, what)
        if node is None:
            return None
        if id(node) not in self._made:
            if self._depth > _MAX_NESTED:
                self._draft.leave(node, what, f"nested deeper than {_MAX_NESTED} components")
                return None
            self._depth += 1
            self._made[id(node)] = None  # while it is being made: one that holds itself has no beginning
            self._made[id(node)] = self._of_kind(node)
            self._depth -= 1
        return self._made[id(node)]

    def _of_kind(self, node: Node) -> str | None:
        kind = kind_of_component(node)
        fields = self._book.fields(node, f"{kind} {name_of(node)}")
        if kind == "Agent":
            return self._agent(fields)
        if kind == "SpecializedAgent":
            return self._specialized(fields)
        if kind == "Swarm":
            return self._swarm(fields)
        if kind == "ManagerWorkers":
            return self._manager(fields)
        if kind == "Flow":
            from agentrun.foreign.agent_spec_flows import Flow

            return Flow(self._book, fields).agent(self)
        self._draft.leave(node, fields.what, _NO_AGENTS.get(kind, "it is no agent that agentrun has"))
        return None

    # -- agents

    def _agent(self, fields: Fields, special: Fields | None = None, named: Node | None = None) -> str:
        """`special` are parameters that make an agent another one, which is `named`."""
        name = self._draft.name(name_of(named or fields.node), "agent")
        self._draft.agents[name] = {}  # its place in the order
        texts = [fields.text("system_prompt")]
        inputs = properties(fields, "inputs")
        tools = fields.items("tools")
        if special is not None:
            texts.append(special.text("additional_instructions"))
            inputs |= properties(special, "inputs")
            tools = [*tools, *special.items("additional_tools")]
            special.skip("human_in_the_loop", "description", "outputs")
            special.rest()
        prompt = "\n\n".join(one for one in (prose(text).strip("\n") for text in texts) if one.strip())
        for one in placeholders(prompt):
            inputs.setdefault(one, {"type": "string"})
        description = prose(text_of((named or fields.node).get("description")) or fields.text("description")).strip()
        fields.skip("description", "human_in_the_loop")
        data: dict[str, Any] = {"description": description or f"The agent {name}."}
        data |= with_input(inputs)
        data["model"] = self._models.of(fields.take("llm_config"), f"{fields.what}: `llm_config`")
        data |= {"system_prompt": f"{templated(prompt)}\n" if "\n" in prompt else templated(prompt)} if prompt else {}
        names, asks = self._kit(fields, tools)
        data |= {"tools": names} if names else {}
        data |= answer(properties(fields, "outputs"))
        data |= {"permissions": [{"ask": one} for one in asks]} if asks else {}
        fields.leave("transforms", "`context: {max_tokens: …, on_overflow: compact}` sums up a long conversation")
        fields.rest()
        self._draft.agents[name] = data
        return name

    def _specialized(self, fields: Fields) -> str | None:
        node = self._book.component(fields.take("agent"), fields.told("agent"))
        place = fields.take("agent_specialization_parameters")
        special = self._book.component(place, fields.told("agent_specialization_parameters"))
        fields.skip("description", "inputs", "outputs")
        fields.rest()
        if node is None or special is None or kind_of_component(node) != "Agent":
            self._draft.leave(fields.node, fields.what, "it specializes no agent of the file")
            return None
        agent = self._book.fields(node, f"Agent {name_of(node)}")
        return self._agent(
            agent, self._book.fields(special, fields.told("agent_specialization_parameters")), fields.node
        )

    def _kit(self, fields: Fields, tools: list[Node]) -> tuple[list[str], list[str]]:
        """The entries of an agent's `tools`, and the functions of sets that need approval."""
        names: list[str] = []
        asks: list[str] = []
        served: dict[int, list[Node]] = {}
        for place in tools:
            node = self._book.component(place, fields.told("tools"))
            if node is None:
                continue
            if kind_of_component(node) == "MCPTool":
                what = f"{fields.what}: tool {name_of(node)}"
                transport = self._book.component(node.get("client_transport"), what)
                served.setdefault(id(transport) if transport is not None else id(node), []).append(node)
            elif (name := self._tool(node, fields.what)) is not None:
                names.append(name)
        found = [self._servers.tools(nodes, fields.what) for nodes in served.values()]
        for place in fields.items("toolboxes"):
            node = self._book.component(place, fields.told("toolboxes"))
            if node is not None and kind_of_component(node) == "MCPToolBox":
                found.append(self._servers.toolbox(node, f"{fields.what}: MCPToolBox {name_of(node)}"))
            elif node is not None:
                what = f"{fields.what}: {kind_of_component(node)} {name_of(node)}"
                self._draft.leave(node, what, "agentrun has no such toolbox")
        for one in found:
            if one is not None:
                names.append(one[0])
                asks += one[1]
        return list(dict.fromkeys(names)), asks

    def _tool(self, node: Node, what: str) -> str | None:
        kind = kind_of_component(node)
        if kind != "RemoteTool":
            why = _NO_TOOLS.get(kind, "agentrun has no such tool")
            self._draft.leave(node, f"{what}: {kind} {name_of(node)}", why)
            return None
        if id(node) not in self._tools:
            fields = self._book.fields(node, f"RemoteTool {name_of(node)}")
            data = RemoteTool(fields).data()
            self._tools[id(node)] = self._draft.tool(name_of(node), data) if data is not None else None
        return self._tools[id(node)]

    # -- several together

    def _swarm(self, fields: Fields) -> str | None:
        mode = self._mode(fields)
        first = self.entry(fields.take("first_agent"), fields.told("first_agent"))
        pairs: list[tuple[str, str]] = []
        for place in fields.items("relationships"):
            ends = place.content if place.is_list else []
            caller, called = (
                (self.entry(one, fields.told("relationships")) for one in ends) if len(ends) == 2 else ("", "")
            )
            if not caller or not called or caller == called:
                self._draft.leave(
                    place, fields.told("relationships"), "two different agents are expected: who calls whom"
                )
                continue
            pairs.append((caller, called))
            if mode != "never":
                self._hand_over(place, fields, caller, called)
        if mode != "always":
            self._ask_each_other(fields, pairs, by_order=mode == "never")
        self._together(fields, first)
        return first

    def _ask_each_other(self, fields: Fields, pairs: list[tuple[str, str]], *, by_order: bool) -> None:
        """As tools, but for those in a circle; of these, `by_order`, the first are tools nevertheless."""
        circles = []
        for caller, called in pairs:
            if (not by_order and _leads(pairs, called, caller)) or not self._call(caller, called):
                circles.append(f"{caller} → {called}")
        if circles:
            what = f"{fields.what}: to ask and get a reply, {one_of(circles)}"
            self._draft.leave(fields.line("relationships"), what, _CIRCLE if by_order else _CIRCLE_OF_HANDOFFS)

    def _mode(self, fields: Fields) -> str:
        node = fields.take("handoff")
        if node is None or isinstance(node.content, bool):
            return "never" if node is not None and node.content is False else "optional"
        if node.content in ("never", "optional", "always"):
            return str(node.content)
        fields.leave("handoff", "one of never, optional, always")
        return "optional"

    def _manager(self, fields: Fields) -> str | None:
        manager = self.entry(fields.take("group_manager"), fields.told("group_manager"))
        for place in fields.items("workers"):
            worker = self.entry(place, fields.told("workers"))
            if worker is not None and manager is not None and not self._call(manager, worker):
                self._draft.leave(place, f"{fields.what}: worker {worker}", _CIRCLE)
        self._together(fields, manager)
        return manager

    def _together(self, fields: Fields, first: str | None) -> None:
        if first is not None:
            self._draft.note(f"{fields.what} begins with the agent {first}")
        fields.skip("description")
        for key in ("inputs", "outputs"):
            fields.leave(key, "they are those of the agent that it begins with")
        fields.rest()

    def _call(self, caller: str, called: str) -> bool:
        if not self._draft.may_call(caller, called):
            return False
        tools: list[Any] = self._draft.agents[caller].setdefault("tools", [])
        if {"agent": called} not in tools:
            tools.append({"agent": called})
        return True

    def _hand_over(self, place: Node, fields: Fields, caller: str, called: str) -> None:
        """An agent that takes over gets the arguments of the same names: one that it needs must be there."""
        required = set(self._draft.agents[called].get("parameters", {}).get("required", ())) - {"input"}
        lacking = required - set(self._draft.agents[caller].get("parameters", {}).get("properties", {}))
        if lacking:
            why = f"{called} needs {', '.join(sorted(lacking))}, which {caller} does not have"
            self._draft.leave(place, f"{fields.what}: {caller} hands over to {called}", why)
            return
        handoffs: list[str] = self._draft.agents[caller].setdefault("handoffs", [])
        if called not in handoffs:
            handoffs.append(called)


def _leads(pairs: list[tuple[str, str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if one == goal:
            return True
        if one not in seen:
            seen.add(one)
            waiting += [called for caller, called in pairs if caller == one]
    return False


def with_input(inputs: dict[str, Any]) -> dict[str, Any]:
    """`parameters` of an agent that has inputs: what the user says comes beside them."""
    if not inputs:
        return {}
    said = {} if "input" in inputs else {"input": {"type": "string", "description": "What the user says."}}
    return {"parameters": parameters(said | inputs)}
