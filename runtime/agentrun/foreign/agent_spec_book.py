"""The components of an Agent Spec file, wherever they are written, and what they all have: references, properties,
placeholders.
"""

from __future__ import annotations

import re
from typing import Any

from agentrun.foreign.draft import Draft
from agentrun.foreign.fields import Fields
from agentrun.foreign.yaml_text import before_template, without_templates
from agentrun.spec.nodes import Node, members, text_of
from agentrun.visible import one_line

REFERENCE = "$component_ref"
REFERENCED = "$referenced_components"
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
COMMON = ("component_type", "id", "name", "metadata", REFERENCED, "agentspec_version", "min_agentspec_version")
_MAX_CHAIN = 20
_SCHEMA_OF_TEXT = frozenset(("title", "type", "description", "default"))


class Book:
    """Finds components by their ids, and remembers which were asked for."""

    def __init__(self, root: Node, draft: Draft) -> None:
        self.draft = draft
        self._by_id: dict[str, Node] = {}
        self._referenced: dict[str, Node] = {}
        self._asked: set[int] = set()
        for _, node in root.walk():
            if node.is_mapping:
                self._referenced |= members(node.get(REFERENCED))
                if (found := text_of(node.get("id"))) is not None and text_of(node.get("component_type")) is not None:
                    self._by_id.setdefault(found, node)
        self._by_id |= self._referenced

    def component(self, node: Node | None, what: str) -> Node | None:
        """The component that stands at a place, or is referred to there; None, and told, where there is none."""
        if node is None:
            return None
        found = node
        for _ in range(_MAX_CHAIN):
            reference = text_of(found.get(REFERENCE)) if found.is_mapping else None
            if reference is None:
                break
            if reference not in self._by_id:
                self.draft.leave(node, what, f"the component `{one_line(reference, 80)}` is not in the file")
                return None
            found = self._by_id[reference]
        self._asked.add(id(found))
        if not found.is_mapping or kind_of_component(found) == "":
            self.draft.leave(node, what, "a component is expected: a mapping with `component_type`")
            return None
        return found

    def fields(self, node: Node, what: str) -> Fields:
        """The keys of a component, of which those that all components have mean nothing here."""
        fields = Fields(node, what, self.draft)
        fields.skip(*COMMON)
        return fields

    def rest(self) -> None:
        for name, node in self._referenced.items():
            if id(node) not in self._asked:
                told = text_of(node.get("name")) or name
                self.draft.leave(node, f"component {one_line(told, 60)}", "nothing that is expressed uses it")


def kind_of_component(node: Node) -> str:
    return text_of(node.get("component_type")) or ""


def name_of(node: Node) -> str:
    return one_line(text_of(node.get("name")) or "", 60)


# -- properties -----------------------------------------------------------------------------------------------


def properties(fields: Fields, key: str) -> dict[str, Any]:
    """Inputs or outputs: their schemas by title."""
    found: dict[str, Any] = {}
    for node in fields.items(key):
        title = text_of(node.get("title"))
        if title is None or not title.isidentifier():
            fields.draft.leave(node, fields.told(key), "a property has a title that is a plain word")
            continue
        schema = {name: value for name, value in node.data().items() if name != "title" and value is not None}
        if "default" in node.content and "default" not in schema and isinstance(schema.get("type"), str):
            schema |= {"type": [schema["type"], "null"], "default": None}  # it may be left out
        found[title] = fields.draft.schema(node, f"{fields.told(key)}: `{title}`", schema)
    return found


def parameters(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs as a JSON Schema: without a default they must be given."""
    required = [name for name, schema in inputs.items() if not (isinstance(schema, dict) and "default" in schema)]
    made: dict[str, Any] = {"type": "object", "properties": inputs}
    return {**made, "required": required} if required else made


def answer(outputs: dict[str, Any]) -> dict[str, Any]:
    """`response_format` for outputs. A single text is the answer itself."""
    schemas = list(outputs.values())
    if not schemas or (len(schemas) == 1 and _is_plain_text(schemas[0])):
        return {}
    closed = {"type": "object", "properties": outputs, "required": list(outputs), "additionalProperties": False}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "outputs", "schema": closed}}}


def _is_plain_text(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string" and set(schema) <= _SCHEMA_OF_TEXT


# -- placeholders ---------------------------------------------------------------------------------------------


def placeholders(value: Any) -> list[str]:
    """The names that the texts of a value hold places for, in order."""
    if isinstance(value, str):
        return [one for one in PLACEHOLDER.findall(value) if one.isidentifier()]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(name for one in inside for name in placeholders(one)))


def templated(text: str) -> str:
    """A text whose placeholders are arguments; all else in it is text."""
    pieces: list[str] = []
    at = 0
    for found in PLACEHOLDER.finditer(text):
        if found[1].isidentifier():
            pieces += [before_template(text[at : found.start()]), f"{{{{ args.{found[1]} }}}}"]
            at = found.end()
    return "".join([*pieces, without_templates(text[at:])])
