"""A tool's command, element by element: what stands there, and which parameters put what into it. Pure.

It knows the parameters' schemas, and `--` as `tools/argv.py` heeds it. What programs do with elements is
`programs.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from agentrun.diagnostics import Span
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node
from agentrun.spec.programs import Use, uses
from agentrun.spec.rules.parameters import declared
from agentrun.spec.values import is_free
from agentrun.spec.words import Word, program_name
from agentrun.templates import Template, template_of, to_text

_TEMPLATE = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
_BEFORE_A_TEMPLATE = re.compile(r"(.*?)\{[{%#]", re.DOTALL)
_FINDS = ("find", "gfind")


class Element(msgspec.Struct, frozen=True):
    """One element of a command, out of its group. `schemas` are those of the parameters whose values it takes."""

    node: Node
    word: Word
    template: Template | None
    schemas: dict[str, Any]
    over: bool
    """Whether a literal `--` stands before it."""

    @property
    def free(self) -> list[str]:
        """The parameters that may put any text here."""
        return sorted(name for name, schema in self.schemas.items() if is_free(schema))


def elements(document: Document) -> list[Element]:
    """The elements of a tool's `command`, out of their groups."""
    node = document.node.get("shell", "command")
    properties = declared(document)
    if document.kind != "tool" or node is None or not node.is_list or properties is None:
        return []
    groups = [one.content if one.is_list else [one] for one in node.content]
    heeds = not any(program_name(Word(to_text(one.content), True)) in _FINDS for group in groups for one in group)
    found: list[Element] = []
    options_are_over = False
    for group in groups:
        over = options_are_over
        for one in group:
            element = _element(one, properties, over)
            found.append(element)
            over = over or (heeds and element.word == Word("--", True))
        options_are_over = over
    return found


def _element(node: Node, properties: dict[str, Any], over: bool) -> Element:
    text = to_text(node.content) if not node.is_mapping and not node.is_list else ""
    template = template_of(text)
    if template is None or template.literal:
        return Element(node, Word(text, template is not None), template, {}, over)
    before = _BEFORE_A_TEMPLATE.match(text)
    return Element(node, Word(before[1] if before else "", False), template, _taken(template, properties), over)


def _taken(template: Template, properties: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the arguments that a template takes."""
    names = set(properties) if template.uses_all_args else template.args
    return {name: properties[name] for name in names if name in properties}  # else AR502


def free_in(document: Document, node: Node | None) -> list[str]:
    """The parameters that may put any text into a value."""
    properties = declared(document)
    template = template_of(node.content) if node is not None else None
    if template is None or template.literal or properties is None:
        return []
    return sorted(name for name, schema in _taken(template, properties).items() if is_free(schema))


def uses_of(row: list[Element]) -> Iterator[Use]:
    yield from uses([element.word for element in row])


def place_of(node: Node, name: str) -> Span:
    """The template that takes an argument."""
    taking = re.compile(
        rf"\{{[{{%](?:(?![}}%]\}}).)*?\bargs\b(?:\.|\[\W{{1,2}})?{re.escape(name)}\b.*?[}}%]\}}", re.DOTALL
    )
    return node.find(taking) or node.find(_TEMPLATE) or node.span
