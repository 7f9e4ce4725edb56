"""What the editor's questions are answered from: a text as it is now, and the project as it was last understood."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from agentrun.lsp.outline import Token
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import LINE_BREAK, Node, Route
from agentrun.spec.rules.parameters import declared
from agentrun.spec.schema import JsonSchema, Kind, branches, marks_of, schema_of
from agentrun.spec.types import EXACTLY_ONE
from agentrun.spec.yaml_nodes import read_text

# What an agent without `parameters` has.
_DEFAULT_PROPERTIES: dict[str, Any] = {"input": {"type": "string"}}
RULE_KEYS = EXACTLY_ONE["PermissionSpec"]


class View(msgspec.Struct, frozen=True, eq=False):
    """One open file. `known` are its documents when they could last be read, `nodes` what is written now.

    `known` have their bases merged in; `nodes` miss the line that is being typed where the file is no YAML with it.
    """

    kind: Kind
    path: Path
    root: Path
    text: str
    catalog: Catalog
    known: list[Document | None]
    nodes: list[Node]

    def place(self, token: Token) -> Place:
        """A token's place in the language: an inline tool is a tool, with a document of its own."""
        document = self.known[token.document] if token.document < len(self.known) else None
        node = self.nodes[token.document] if token.document < len(self.nodes) else None
        route = token.route
        if self.kind == "agent" and route[:1] == ("tools",) and len(route) > 2 and isinstance(route[1], int):
            inline = document.inline.get(route[1]) if document is not None else None
            return Place(self, "tool", route[2:], inline, node.get(*route[:2]) if node is not None else None, document)
        return Place(self, self.kind, route, document, node, document)


class Place(msgspec.Struct, frozen=True, eq=False):
    """A route within an agent, tool or test. `around` is the document of the file, where that is another."""

    view: View
    kind: Kind
    route: Route
    document: Document | None
    node: Node | None
    around: Document | None

    @property
    def catalog(self) -> Catalog:
        return self.view.catalog

    def schemas(self, route: Route | None = None) -> list[tuple[JsonSchema, dict[str, Any]]]:
        """What may stand at a route, with the marks that hold there."""
        found: list[tuple[JsonSchema, dict[str, Any]]] = [(schema_of(self.kind), {})]
        for step in self.route if route is None else route:
            found = [
                (member, marks | marks_of(member))
                for schema, marks in found
                for branch in branches(self.kind, schema)
                for member in _members(branch, step)
            ]
        return found

    def branches(self, route: Route | None = None) -> Iterator[JsonSchema]:
        for schema, _ in self.schemas(route):
            yield from branches(self.kind, schema)

    def written(self, *route: str | int) -> str | None:
        """The text that stands at a route now, or stood there when the file could last be read."""
        for node in (self.node, self.document.node if self.document is not None else None):
            found = node.get(*route) if node is not None else None
            if found is not None and isinstance(found.content, str):
                return found.content
        return None

    def parameters(self) -> dict[str, Any]:
        """The arguments that a template sees here, by name, with their schemas."""
        if self.kind == "agent" and self.route[:1] == ("permissions",):
            rule = [self.written(*self.route[:2], key) for key in RULE_KEYS]
            tools = [tool for tool in self.tools() if any(one and fnmatchcase(tool.name, one) for one in rule)]
            return {name: schema for tool in tools for name, schema in (declared(tool) or {}).items()}
        before = (declared(self.document) or {}) if self.document is not None else {}
        now = self.node.get("parameters", "properties") if self.node is not None else None
        if now is None or not now.is_mapping:
            is_open = self.kind == "agent" and self.document is None
            return _DEFAULT_PROPERTIES if is_open else before
        inherited = before if self.node is not None and self.node.get("extends") is not None else {}
        written: dict[str, Any] = now.data()
        return inherited | written

    def tools(self) -> list[Document]:
        """The tools that can be meant by a name here: those of the agent, where it is known."""
        agent = self.agent()
        found = self.catalog.tools_of(agent) if agent is not None else []
        return found or list(self.catalog.tools.values())

    def agent(self) -> Document | None:
        if self.view.kind == "agent":
            return self.around
        name = self.written("agent") if self.kind == "test" else None
        return self.catalog.agents.get(name) if name else None


def _members(branch: JsonSchema, step: str | int) -> Iterator[JsonSchema]:
    """What may stand below a schema: what it says nothing of may be anything."""
    if branch.get("type", "array" if isinstance(step, int) else "object") not in ("array", "object"):
        return
    if isinstance(step, int):
        if branch.get("type") != "object":
            yield branch.get("items", {})
    elif branch.get("type") != "array":
        others = branch.get("additionalProperties")
        if step in branch.get("properties", {}):
            yield branch["properties"][step]
        elif others is not False:
            yield others if isinstance(others, dict) else {}


def nodes_of(text: str, offset: int | None = None) -> list[Node]:
    """What is written; without the line of an offset where it can't be read with it."""
    read = read_text("", text)
    if not read.stopped or offset is None:
        return read.documents
    start = max((found.end() for found in LINE_BREAK.finditer(text, 0, offset)), default=0)
    after = LINE_BREAK.search(text, offset)
    end = after.start() if after is not None else len(text)
    return read_text("", text[:start] + " " * (end - start) + text[end:]).documents
