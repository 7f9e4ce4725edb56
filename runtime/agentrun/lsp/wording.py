"""What a key means, in words: for hovers and for the list of completions."""

from __future__ import annotations

import json
from typing import Any

from agentrun.spec.catalog import Document
from agentrun.spec.schema import JsonSchema, Kind, branches
from agentrun.spec.wording import either, plain, wanted


def kind_of_value(kind: Kind, schema: JsonSchema) -> str:
    """`text or a mapping`: what may be written."""
    words = [_one(kind, branch) for branch in branches(kind, schema)]
    return either(dict.fromkeys(words)) if any(word != "nothing" for word in words) else "a value"


def _one(kind: Kind, branch: JsonSchema) -> str:
    if branch.get("type") == "array" and branch.get("items"):
        items = kind_of_value(kind, branch["items"])
        return "a list" if items == "a value" else f"a list of {_plural(items)}"
    return wanted(branch)


def _plural(words: str) -> str:
    plural = {"text": "texts", "a mapping": "mappings", "a number": "numbers", "a whole number": "whole numbers"}
    return " or ".join(plural.get(word, word) for word in words.split(" or "))


def default_of(schema: JsonSchema) -> str | None:
    """The default as it is written; None where there is none, or it needs no words."""
    default = schema.get("default")
    if default in (None, [], {}, "") or isinstance(default, dict):
        return None
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)


def about_key(kind: Kind, key: str, schema: JsonSchema, *, is_required: bool = False) -> str:
    """Markdown: what a key is for, its type, its default and what is allowed."""
    lines = [f"**{key}**: {kind_of_value(kind, schema)}{', required' if is_required else ''}"]
    if described := description_of(schema):
        lines.append(described)
    options = [option for branch in branches(kind, schema) for option in branch.get("enum", ())]
    if options:
        lines.append("Allowed: " + ", ".join(f"`{plain(option)}`" for option in options))
    if (default := default_of(schema)) is not None:
        lines.append(f"Default: `{default}`")
    return "\n\n".join(lines)


def description_of(schema: JsonSchema) -> str:
    return str(schema.get("description", "")).strip()


def about_document(document: Document) -> str:
    """Markdown: a tool or agent, what it does and where it stands."""
    described = document.node.get("description") if document.node.is_mapping else None
    noun = "base" if document.is_base else document.kind
    lines = [f"{noun} **{document.name}**"]
    if described is not None and isinstance(described.content, str):
        lines.append(described.content.strip())
    return "\n\n".join([*lines, f"`{document.path}`"])


def about_parameter(name: str, schema: Any) -> str:
    """Markdown: a parameter with its schema."""
    described = schema.get("description") if isinstance(schema, dict) else None
    shown = json.dumps(schema, ensure_ascii=False, indent=2)
    return "\n\n".join([f"**args.{name}**", *([str(described)] if described else []), f"```json\n{shown}\n```"])
