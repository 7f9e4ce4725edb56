"""One tool as a person reads it before it is called: what it is told, what it takes, what it reaches, who decides.

From the data of `describe.py`. Pure; all of it passes the escaping sink.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agentrun.cli.portrait_tool import approval_of, effects_of, reach_rows
from agentrun.cli.slash.rows import listed, paragraphs

Described = dict[str, Any]
_BOUNDS = (
    *("enum", "const", "default", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems"),
)


def page(tool: Described, rules: str, width: int) -> Iterator[str]:
    """`rules` are those of the agent that are asked first."""
    if tool["description"]:
        yield from paragraphs(tool["description"], width)
    yield ""
    yield from listed(list(_rows(tool, rules)), width)
    yield ""
    members = tool["parameters"].get("properties") or {}
    yield "  takes" if members else "  takes no arguments"
    required = tool["parameters"].get("required") or ()
    yield from listed([_argument(name, one, name in required) for name, one in members.items()], width, indent="    ")


def _rows(tool: Described, rules: str) -> Iterator[tuple[str, str]]:
    for label, text in reach_rows(tool["backend"]):
        yield label.strip(), text
    yield "effects", effects_of(tool)
    if rules:
        yield "rules", rules
    yield "else" if rules else "approval", approval_of(tool)
    yield "limits", f"{tool['timeout']:g} s, {tool['max_output_length']:,} characters of output"
    if tool["output"]:
        yield "output", tool["output"]
    yield "file", tool["file"]


def _argument(name: str, schema: Any, required: bool) -> tuple[str, str]:
    if not isinstance(schema, dict):
        return name, "anything"
    kind = schema.get("type", "any")
    words = [" or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)]
    words += [] if required else ["optional"]
    words += [f"{key} {json.dumps(schema[key], ensure_ascii=False)}" for key in _BOUNDS if key in schema]
    about = str(schema.get("description") or "")
    return name, f"{', '.join(words)}: {about}" if about else ", ".join(words)
