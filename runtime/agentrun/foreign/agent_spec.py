"""Oracle Agent Spec files: the component at their top, and all that it refers to, as agents and tools of a project."""

from __future__ import annotations

from agentrun.foreign.agent_spec_agents import Agents
from agentrun.foreign.agent_spec_book import Book
from agentrun.foreign.converted import Converted
from agentrun.foreign.draft import Draft
from agentrun.spec.nodes import Node


def from_agent_spec(root: Node, origin: str) -> Converted:
    draft = Draft(origin)
    book = Book(root, draft)
    Agents(book).entry(root, "the file")
    book.rest()
    return draft.converted()
