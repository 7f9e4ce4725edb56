"""What an MCP server gives back for a call, as a tool's result: text and data passed on, all else named. Pure.

All of it is the server's word: what has another form than the protocol says is named too, and stops nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentrun.engine.ports import ToolResult
from agentrun.errors import ToolFailure
from agentrun.tools.mcp.cutting import beginning_of

_WORD_CHARS = 200  # of a name, a type or an address of the server's, where it stands in brackets
_TEXT_CHARS = 1000  # of a description there
_SILENT = "the tool says that it failed, and not why"


def result_of(given: Mapping[str, Any]) -> ToolResult:
    """Of a CallToolResult as JSON data. Raises `ToolFailure` where the tool says that it failed.

    The value is the structured result where the text says the same or nothing; else the text. A template sees `text`,
    `structured` and `content`: the blocks as they came, without bytes.
    """
    blocks = given.get("content")
    blocks = blocks if isinstance(blocks, Sequence) and not isinstance(blocks, str) else []
    structured = given.get("structuredContent")
    text = "\n".join(told for one in blocks if (told := _told(one)) is not None)
    if given.get("isError") is True:
        raise ToolFailure("tool_error", text or (_SILENT if structured is None else _json(structured)))
    names = {"text": text, "structured": structured, "content": [_without_bytes(one) for one in blocks]}
    if structured is None:
        return ToolResult(text, names)
    if not text or _says(text, structured):
        return ToolResult(structured, names)
    return ToolResult(text if any(map(_has_words, blocks)) else f"{text}\n{_json(structured)}", names)


def stand_in(value: Any) -> ToolResult:
    """A result that no server gave: a text, or data, with all that a template sees of one."""
    text = value if isinstance(value, str) else _json(value)
    structured = None if isinstance(value, str) else value
    return ToolResult(value, {"text": text, "structured": structured, "content": [{"type": "text", "text": text}]})


def _says(text: str, structured: Any) -> bool:
    """Whether a text is nothing but these data."""
    try:
        return bool(json.loads(text) == structured)
    except (ValueError, RecursionError):
        return False


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ToolFailure("internal", "the tool's result is nested too deeply") from None


# -- blocks


def _told(block: Any) -> str | None:
    """A block of a result in text. None: it has nothing to say."""
    if not isinstance(block, Mapping):
        return "[a part of the result that is no object]"
    if _is_for_the_user_only(block):
        return f"[{_what(block)}, meant for the user and left out here]"
    match block.get("type"):
        case "text":
            text = block.get("text")
            return (text or None) if isinstance(text, str) else "[text that is missing]"
        case "image" | "audio" as kind:
            return f"[{_media(str(kind), block)}]"
        case "resource_link":
            return f"[{_link(block)}]"
        case "resource":
            return _resource(block)
    return f"[{_what(block)}]"


def _what(block: Mapping[str, Any]) -> str:
    """A block in a few words, without what it says."""
    match block.get("type"):
        case "text":
            text = block.get("text")
            return f"text, {len(text) if isinstance(text, str) else 0:,} characters"
        case "image" | "audio" as kind:
            return _media(str(kind), block)
        case "resource_link":
            return _link(block)
        case "resource":
            resource = block.get("resource")
            return _named("resource", resource if isinstance(resource, Mapping) else {})
        case str(other):
            return f"content of an unknown type: {_word(other)}"
    return "content without a type"


def _media(kind: str, block: Mapping[str, Any]) -> str:
    return ", ".join((f"{kind} {_word(block.get('mimeType'))}".rstrip(), _size(block.get("data"))))


def _link(block: Mapping[str, Any]) -> str:
    told = _named("link to a resource", block)
    size = block.get("size")
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        told += f", {size:,} bytes"
    description = _word(block.get("description"), _TEXT_CHARS)
    return f"{told}: {description}" if description else told


def _resource(block: Mapping[str, Any]) -> str:
    resource = block.get("resource")
    if not isinstance(resource, Mapping):
        return "[a resource that is missing]"
    told = _named("resource", resource)
    text = resource.get("text")
    if isinstance(text, str):
        return f"[{told}]\n{text}"
    return f"[{told}, {_size(resource.get('blob'))}]"


def _named(kind: str, of: Mapping[str, Any]) -> str:
    """`resource "Notes" file:///notes.txt, text/plain`; the title where there is one, else the name."""
    title = _word(of.get("title")) or _word(of.get("name"))
    uri = _word(of.get("uri"), _TEXT_CHARS) or "without an address"
    mime_type = _word(of.get("mimeType"))
    titled = f'{kind} "{title}"' if title else kind
    return f"{titled} {uri}, {mime_type}" if mime_type else f"{titled} {uri}"


def _size(data: Any) -> str:
    if not isinstance(data, str):
        return "its data are missing"
    try:
        return f"{len(base64.b64decode(data, validate=True)):,} bytes"
    except (binascii.Error, ValueError):
        return "its data are no base64"


def _word(value: Any, max_chars: int = _WORD_CHARS) -> str:
    """On one line and not long; empty for what is no text."""
    return beginning_of(" ".join(value.split()), max_chars - 1) if isinstance(value, str) else ""


def _has_words(block: Any) -> bool:
    """Whether something of a block is for the model to read, other than its name."""
    return isinstance(block, Mapping) and block.get("type") in ("text", "resource") and not _is_for_the_user_only(block)


def _is_for_the_user_only(block: Mapping[str, Any]) -> bool:
    annotations = block.get("annotations")
    return isinstance(annotations, Mapping) and annotations.get("audience") == ["user"]


def _without_bytes(block: Any) -> Any:
    """What a template can use of a block: bytes are not for a text."""
    if not isinstance(block, Mapping):
        return block
    kept = {key: value for key, value in block.items() if key not in ("data", "blob")}
    resource = kept.get("resource")
    return kept | {"resource": _without_bytes(resource)} if isinstance(resource, Mapping) else kept
