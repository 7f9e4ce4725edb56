"""Files in the body of a request: how a model gives one, and what is sent of it. Pure.

A model writes text, and can write bytes as base64. It never names a file of this machine: nothing is read because a
model says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from agentrun.errors import ToolFailure
from agentrun.openapi.operation import Schema

_KEPT = ("description", "title")


class Upload(msgspec.Struct, frozen=True):
    """`filename` is empty where the model gave none."""

    content: bytes
    filename: str = ""


def is_file(schema: Any) -> bool:
    """Whether a schema describes raw bytes. Of what is base64 on its way, a model writes the base64 itself."""
    if not isinstance(schema, Mapping):
        return False
    if schema.get("format") == "binary":
        return True
    kind = schema.get("contentMediaType")
    if not isinstance(kind, str) or "contentEncoding" in schema:
        return False
    return not kind.startswith(("text/", "application/json"))


def upload_schema(schema: Schema, *, named: bool) -> dict[str, Any]:
    """What a model is asked for in place of raw bytes. `named`: the file's name is sent too."""
    members: dict[str, Any] = {
        "text": {"type": "string", "description": "The content of a text file."},
        "base64": {"type": "string", "contentEncoding": "base64", "description": "The content of any other file."},
    }
    if named:
        members["filename"] = {"type": "string", "description": "The name that it is sent with."}
    return {
        **{key: schema[key] for key in _KEPT if key in schema},
        "type": "object",
        "properties": members,
        "additionalProperties": False,
        "oneOf": [{"required": ["text"]}, {"required": ["base64"]}],
    }


def upload(place: str, value: Any) -> Upload:
    """Raises `ToolFailure`. A text alone is base64, as an author may `bind` it."""
    given = value if isinstance(value, Mapping) else {"base64": value}
    filename = given.get("filename")
    name = filename if isinstance(filename, str) else ""
    if isinstance(given.get("text"), str):
        return Upload(given["text"].encode(), name)
    try:
        return Upload(base64.b64decode("".join(given["base64"].split()), validate=True), name)
    except (binascii.Error, ValueError, KeyError, AttributeError, TypeError):
        raise ToolFailure("invalid_arguments", f"`{place}` is a file: its content is `text`, or `base64`") from None
