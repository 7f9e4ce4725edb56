"""Descriptions: what a model chooses tools by, and fills in arguments by."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node
from agentrun.spec.types import BACKENDS

# Their descriptions are those of the agent, the server or the document.
_DESCRIBED_ELSEWHERE = ("agent", "mcp", "openapi")
_OWN = tuple(backend for backend in BACKENDS if backend not in _DESCRIBED_ELSEWHERE)


def tools_without_description(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "tool" or not any(document.node.get(backend) is not None for backend in _OWN):
        return
    place = _missing(document.node)
    if place is not None:
        message = f"the tool `{document.name}` has no description"
        help = "say what it does and when to use it: the model chooses by it"
        yield Diagnostic("AR633", "warning", message, place, help)


def parameters_without_description(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    properties = document.node.get("parameters", "properties")
    if document.kind != "tool" or properties is None or not properties.is_mapping:
        return
    for name, schema in properties.content.items():
        if schema.is_mapping and "$ref" not in schema.content and _missing(schema) is not None:
            message = f"the parameter `{name}` has no description"
            help = "say what it is, with an example where the form matters"
            yield Diagnostic("AR634", "info", message, properties.keys[name], help)


def agents_without_description(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    place = _missing(document.node) if document.kind == "agent" else None
    if place is not None:
        message = f"the agent `{document.name}` has no description"
        help = "say what it does: other agents, `agentrun inspect` and the web page show it"
        yield Diagnostic("AR635", "info", message, place, help)


def _missing(node: Node) -> Span | None:
    """Where a description should stand, if there is none: at its key, else at the name, else at the beginning."""
    written, name = node.get("description"), node.get("name")
    if written is None and not misspelt(node, "description"):
        return node.keys.get("description", name.span if name is not None else node.first_line)
    is_blank = written is not None and isinstance(written.content, str) and not written.content.strip()
    return written.span if written is not None and is_blank else None


RULES = (tools_without_description, parameters_without_description, agents_without_description)
