"""One message of the conversation as content blocks of Anthropic's Messages API.

Pure. What the chat form can't hold (thinking with its signature, blocks of the service's own tools) was kept in
the message when it was received, and goes back as it came. A block of blank text is never made: the API refuses
it. What a request consists of besides messages is `anthropic_body.py`'s.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from agentrun.engine.attached import size_in_words
from agentrun.engine.media import HEADER_BYTES, pixels
from agentrun.errors import FailureType, ModelError
from agentrun.models.history import ANTHROPIC_CONTENT
from agentrun.models.speakers import is_of_another

Block = dict[str, Any]

# Of an image. A request with a larger one is refused as a whole, and so is every later one of the conversation.
MAX_IMAGE_CHARS = 10 * 1024 * 1024
MAX_IMAGE_PIXELS = 8000

UNSUPPORTED = "unsupported_content"
CALL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})

_OWN_PARTS = frozenset({"image", "document", "search_result"})
_CALL_ID = re.compile(r"[A-Za-z0-9_-]+")
_DATA_URL = re.compile(r"data:([\w.+/-]+)(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE)
_FAILURE_TYPES = frozenset(get_args(FailureType))


class _Failure(msgspec.Struct, frozen=True):
    type: str
    message: str


class _FailedResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of a tool's failure, as `ToolFailure.as_result` makes it."""

    error: _Failure


def user_blocks(content: Any) -> list[Block]:
    """A user's message: a text, or a list of parts."""
    if isinstance(content, str):
        return _text(content)
    return [block for part in content or () for block in _part(part)]


def result_block(data: Mapping[str, Any]) -> Block:
    """The result of one call."""
    content = data.get("content")
    block: Block = {"type": "tool_result", "tool_use_id": call_id(str(data.get("tool_call_id")))}
    shown = content if isinstance(content, str) and content.strip() else user_blocks(content)
    if shown:
        block["content"] = shown
    if isinstance(content, str) and _is_failure(content):
        block["is_error"] = True
    return block


def assistant_blocks(data: Mapping[str, Any], *, to: str = "") -> list[Block]:
    """A model's turn. What was received is used if the model is the same, and its calls are those of the message."""
    calls = data.get("tool_calls") or ()
    received = data.get(ANTHROPIC_CONTENT)
    if isinstance(received, list) and not is_of_another(data, to):
        received_ids = [block.get("id") for block in received if block.get("type") == "tool_use"]
        if received_ids == [call.get("id") for call in calls]:
            return [{**one, "id": call_id(one["id"])} if one.get("type") == "tool_use" else one for one in received]
    content = data.get("content")
    blocks = _text(content) if isinstance(content, str) else _texts(content)
    if not blocks and not calls:
        blocks = _text(data.get("refusal") or "")
    return blocks + [_call(call) for call in calls]


def call_id(received: str) -> str:
    """The id as the API takes it. Other services make ids with other characters; the same id gives the same one."""
    if _CALL_ID.fullmatch(received):
        return received
    return "call_" + hashlib.sha256(received.encode("utf-8", "replace")).hexdigest()[:24]


def _call(call: Mapping[str, Any]) -> Block:
    function = call.get("function") or {}
    return {
        "type": "tool_use",
        "id": call_id(str(call.get("id"))),
        "name": function.get("name"),
        "input": arguments_object(function.get("arguments")),
    }


def arguments_object(text: Any) -> dict[str, Any]:
    """Arguments as the object that the API wants. Broken ones count as none: their result says what was wrong."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError, RecursionError):
        return {}


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _texts(parts: Any) -> list[Block]:
    """The text and refusal parts of an assistant's content; it has no others."""
    found: list[Block] = []
    for part in parts or ():
        if isinstance(part, dict):
            text = part.get("text") or part.get("refusal")
            found += _text(text) if isinstance(text, str) else []
    return found


def _is_failure(content: str) -> bool:
    if not content.startswith('{"error":'):
        return False
    try:
        return msgspec.json.decode(content, type=_FailedResult).error.type in _FAILURE_TYPES
    except (msgspec.DecodeError, RecursionError):
        return False


# -- parts of a user's message --------------------------------------------------------------------------------


def _part(part: Any) -> list[Block]:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text":
            return _text(str(part.get("text") or ""))
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            source = _image_source(str(url))
            _check_size(source)
            return [{"type": "image", "source": source}]
        case "file":
            return [_document(part.get("file") or {})]
    if kind in _OWN_PARTS:
        return [dict(part)]
    raise _unsupported(f"a part of type {kind!r}")


def _image_source(url: str) -> Block:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    media_type, data = _data_url(url, "an image")
    return {"type": "base64", "media_type": media_type, "data": data}


def _check_size(source: Block) -> None:
    data = source.get("data") or ""
    if len(data) > MAX_IMAGE_CHARS:
        raise _too_large(f"of {size_in_words(len(data) * 3 // 4)}: at most {size_in_words(MAX_IMAGE_CHARS * 3 // 4)}")
    try:
        size = pixels(base64.b64decode(data[: HEADER_BYTES // 3 * 4]))
    except binascii.Error:
        return  # the service says what is wrong with it
    if size is not None and max(size) > MAX_IMAGE_PIXELS:
        raise _too_large(f"of {size[0]} × {size[1]} pixels: at most {MAX_IMAGE_PIXELS} × {MAX_IMAGE_PIXELS}")


def _document(file: Mapping[str, Any]) -> Block:
    block: Block = {"type": "document", "source": _document_source(file)}
    if file.get("filename"):
        block["title"] = file["filename"]
    return block


def _document_source(file: Mapping[str, Any]) -> Block:
    if file.get("file_id"):
        return {"type": "file", "file_id": file["file_id"]}
    media_type, data = _data_url(str(file.get("file_data")), "a file")
    if media_type == "application/pdf":
        return {"type": "base64", "media_type": media_type, "data": data}
    if not media_type.startswith("text/"):
        raise _unsupported(f"a file of type {media_type}")
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _unsupported("a text file that is not UTF-8 in base64") from None
    return {"type": "text", "media_type": "text/plain", "data": text}


def _data_url(url: str, what: str) -> tuple[str, str]:
    found = _DATA_URL.match(url)
    if found is None:
        raise _unsupported(f"{what} that is neither an address nor a `data:` URL in base64")
    return found[1].lower(), url[found.end() :]


def _too_large(how: str) -> ModelError:
    return ModelError(
        f"a user message holds an image {how} go to Anthropic's API", code=UNSUPPORTED, help="Make it smaller."
    )


def _unsupported(what: str) -> ModelError:
    return ModelError(
        f"a user message holds {what}, which Anthropic's API does not take",
        code=UNSUPPORTED,
        help="It takes text, images, PDF and text files.",
    )
