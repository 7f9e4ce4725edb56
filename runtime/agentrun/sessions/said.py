"""What of a message a search looks through: what was said, asked of tools, and answered by them. Pure.

Not the system prompt, which every session of an agent shares, and not the bytes of what is attached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.engine.messages import PROMPT_ROLES

_BYTES = re.compile(r"data:[\w.+/-]*(?:;[\w.=-]+)*;base64,[A-Za-z0-9+/=_-]+", re.IGNORECASE)


def said(message: Mapping[str, Any]) -> str:
    if message.get("role") in PROMPT_ROLES:
        return ""
    return storable("\n".join(text for text in _texts(message) if text))


def storable(text: str) -> str:
    """What every database takes: Postgres has no NUL, and half a surrogate pair is no text."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        yield _without_bytes(part if isinstance(part, str) else _text_of(part))
    if isinstance(refusal := message.get("refusal"), str):
        yield refusal
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield _without_bytes(f"{function.get('name', '')} {function.get('arguments', '')}")


def _text_of(part: Any) -> str:
    """A text as it is, a file by its name."""
    if not isinstance(part, dict):
        return ""
    file = part.get("file")
    found = file.get("filename") if isinstance(file, dict) else part.get("text")
    return found if isinstance(found, str) else ""


def _without_bytes(text: str) -> str:
    return _BYTES.sub("", text) if "base64," in text else text
