"""Flows of an Agent Spec file. One that only asks an agent or a model, between its start and its end, is an agent;
others are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from agentrun.foreign.fields import Fields
from agentrun.foreign.yaml_text import prose
from agentrun.spec.nodes import Node, text_of

if TYPE_CHECKING:
    from agentrun.foreign.agent_spec_agents import Agents

_WHY = "agentrun has no flows: a model decides what comes next, or a program runs one agent after the other"
_RENAMES = "values change their names between its nodes"


class Flow:
    def __init__(self, book: Book, fields: Fields) -> None:
        self._book = book
        self._draft = book.draft
        self._fields = fields

    def agent(self, agents: Agents) -> str | None:
        """The agent that such a flow is."""
        fields = self._fields
        nodes = [self._book.component(one, fields.told("nodes")) for one in fields.items("nodes")]
        self._book.component(fields.take("start_node"), fields.told("start_node"))
        middle = [one for one in nodes if one is not None and kind_of_component(one) not in ("StartNode", "EndNode")]
        why = self._why_not(nodes, middle)
        if why is not None:
            self._draft.leave(fields.node, fields.what, why)
            return None
        (node,) = middle
        inner = self._book.fields(node, f"{kind_of_component(node)} {name_of(node)}")
        inner.skip("branches", "description")
        fields.skip("inputs", "outputs", "control_flow_connections", "data_flow_connections")
        fields.skip("description") if kind_of_component(node) == "LlmNode" else fields.leave(
            "description", "the agent in it has its own"
        )
        fields.rest()
        if kind_of_component(node) == "AgentNode":
            inner.skip("inputs", "outputs")
            name = agents.entry(inner.take("agent"), inner.told("agent"))
            inner.rest()
            return name
        return self._ask(inner, agents)

    def _ask(self, node: Fields, agents: Agents) -> str:
        """A node that asks a model once: an agent without a prompt of the system, whose message is the template."""
        name = self._draft.name(name_of(self._fields.node), "flow")
        prompt = prose(node.text("prompt_template"))
        inputs = properties(node, "inputs")
        for one in placeholders(prompt):
            inputs.setdefault(one, {"type": "string"})
        description = prose(text_of(self._fields.node.get("description")) or "").strip()
        data: dict[str, Any] = {"description": description or f"The flow {name}."}
        data["parameters"] = parameters(inputs)
        data["model"] = agents.model(node.take("llm_config"), node.told("llm_config"))
        data |= {"input": templated(prompt)} | answer(properties(node, "outputs"))
        node.rest()
        self._draft.agents[name] = data
        return name

    # -- which flows are no more than that

    def _why_not(self, nodes: list[Node | None], middle: list[Node]) -> str | None:
        kinds = [kind_of_component(one) for one in nodes if one is not None]
        if len(middle) != 1 or kinds.count("StartNode") != 1 or kinds.count("EndNode") != 1 or None in nodes:
            return _WHY
        if kind_of_component(middle[0]) not in ("AgentNode", "LlmNode"):
            return _WHY
        if len(self._fields.items("control_flow_connections")) != 2:
            return _WHY
        branches = middle[0].get("branches")
        if branches is not None and branches.is_list and len(branches.content) > 1:
            return _WHY
        return self._renames(nodes)

    def _renames(self, nodes: list[Node | None]) -> str | None:
        """Whether a value has one name at the start, another in the middle or at the end."""
        for place in self._fields.items("data_flow_connections"):
            edge = self._book.component(place, self._fields.told("data_flow_connections"))
            if edge is None or text_of(edge.get("source_output")) != text_of(edge.get("destination_input")):
                return f"{_WHY}; {_RENAMES}"
        return None
