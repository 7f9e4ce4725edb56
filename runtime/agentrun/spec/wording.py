"""How findings name places, types and values: the user's words for what JSON Schema says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from agentrun.diagnostics import nearest, one_of
from agentrun.spec.nodes import Node, Route, kind_of
from agentrun.spec.schema import JsonSchema
from agentrun.spec.yaml_nodes import parse_scalar

NAME_HELP = "a name takes letters, digits, `_` and `-`, at most 64"


def subject(route: Route) -> str:
    """`http.headers`, `tools[2].name`: how a person names a place."""
    if not route:
        return "the file"
    text = ""
    for step in route:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return f"`{text}`"


_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}


def wanted(branch: JsonSchema) -> str:
    if "enum" in branch:
        return either([plain(option) for option in branch["enum"]])
    return _TYPE_WORDS.get(str(branch.get("type")), "a value")


def plain(option: Any) -> str:
    return str(option).lower() if isinstance(option, bool) else str(option) or '""'


def either(names: Iterable[str]) -> str:
    words = [name for name in names if name != "nothing"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: Any) -> str:
    """Whole or not at all: nothing is masked yet, and half a secret would not be known for one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value}"
    if isinstance(value, str):
        return f"`{value}`" if len(value) <= 40 else f"a text of {len(value)} characters"
    return kind_of(value)


SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_WORDS_OF_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("true or false",),
    int: ("a number", "a whole number"),
    float: ("a number",),
}


def type_help(value: Any, wanted: Sequence[str], schema: JsonSchema) -> str | None:
    """What to write instead of a value of the wrong type: a trap of YAML, else what the key is for."""
    if isinstance(value, str) and "true or false" in wanted and value.lower() in SWITCHES:
        return f"`{value}` is text in YAML 1.2: write `{SWITCHES[value.lower()]}`"
    if isinstance(value, str) and set(wanted) & set(_WORDS_OF_TYPES.get(type(parse_scalar(value)), ())):
        return f"write {value} without quotes"
    if type(value) in (int, float) and "text" in wanted:
        return f'write "{value}" in quotes'
    return schema.get("description")


# Words of other tools and APIs, and where agentrun has them.
_OTHER_WORDS = {
    "approval": "require_approval",
    "arguments": "args",
    "cmd": "command",
    "data": "body",
    "environment": "env",
    "function": "python",
    "input_schema": "parameters",
    "instructions": "system_prompt",
    "needs_approval": "require_approval",
    "params": "query",
    "prompt": "system_prompt",
    "system": "system_prompt",
}


def meant(key: str, allowed: Sequence[str]) -> str | None:
    """What an unknown key was probably meant for, as help."""
    name = meant_name(key, allowed)
    near = f"did you mean `{name}`?" if name else None
    if near is None and "settings" in allowed:
        return f"what is sent to the service as it is goes below `settings`; allowed here: {one_of(allowed, limit=40)}"
    return near


def meant_name(key: str, allowed: Sequence[str]) -> str | None:
    """The key that an unknown one was probably meant for."""
    other = _OTHER_WORDS.get(key)
    return other if other in allowed else nearest(key, allowed)


def misspelt(node: Node, key: str) -> bool:
    """Whether a mapping has a key that was probably meant to be this one: its absence is no finding of its own."""
    absent = node.is_mapping and key not in node.content
    return absent and any(meant(one, [key]) is not None for one in node.content)
