"""A conversation in chat form as the input of OpenAI's Responses API.

Pure: a message in, items out. Also the forms of tools, tool choice and response format, which differ from chat's in
one thing: what chat nests under the name of its type stands beside the type here. What the model itself said is
sent back as it came, reasoning included: it was kept with the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agentrun.engine.messages import FunctionTool, Message, ToolList, encode
from agentrun.errors import ModelError
from agentrun.models.history import RESPONSES_OUTPUT
from agentrun.models.speakers import is_of_another

Item = dict[str, Any]

MAX_ID_CHARS = 64

_OWN_PARTS = frozenset({"input_text", "input_image", "input_file"})


def message_json(message: Message, *, to: str = "") -> bytes:
    """The bytes of a message's items, with commas between them, as they are sent `to` a speaker."""
    return b",".join(map(encode, message_items(message.data, to=to)))


def message_items(data: Mapping[str, Any], *, to: str = "") -> list[Item]:
    content = data.get("content")
    match data["role"]:
        case "assistant":
            return _said(data, to)
        case "tool":
            call_id = _call_id(data.get("tool_call_id"))
            return [{"type": "function_call_output", "call_id": call_id, "output": _content(content)}]
        case role:
            return [{"role": role, "content": _content(content)}]


def tools_json(tools: ToolList) -> bytes:
    return encode([_tool(tool) for tool in tools.tools])


def flat(written: Any) -> Any:
    """A tool choice, a tool's name or a response format of the chat API in the form of this one."""
    if not isinstance(written, dict):
        return written
    inner = written.get(str(written.get("type")))
    form = {"type": written["type"], **inner} if isinstance(inner, dict) else dict(written)
    if isinstance(form.get("tools"), list):
        form["tools"] = [flat(tool) for tool in form["tools"]]
    return form


def _tool(tool: FunctionTool) -> Item:
    form: Item = {"type": "function", "name": tool.name}
    if tool.description:
        form["description"] = tool.description
    # Strict is the default of this API: a tool that is not has to say so.
    return {**form, "parameters": tool.parameters, "strict": tool.strict}


def _said(data: Mapping[str, Any], to: str) -> list[Item]:
    """A model's turn. What was received is used if the model is the same, and its calls are those of the message."""
    calls = data.get("tool_calls") or ()
    received = data.get(RESPONSES_OUTPUT)
    if isinstance(received, list) and not is_of_another(data, to):
        received_ids = [item.get("call_id") for item in received if item.get("type") == "function_call"]
        if received_ids == [call.get("id") for call in calls]:
            return received
    text = _assistant_text(data)
    items: list[Item] = [{"role": "assistant", "content": text}] if text else []
    return items + [_call(call) for call in calls]


def _assistant_text(data: Mapping[str, Any]) -> str:
    content = data.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    return str(content or data.get("refusal") or "")


def _call(call: Mapping[str, Any]) -> Item:
    function = call.get("function") or {}
    return {
        "type": "function_call",
        "call_id": _call_id(call.get("id")),
        "name": function.get("name"),
        "arguments": function.get("arguments") or "{}",
    }


def _call_id(received: Any) -> Any:
    """Other services make longer ids than this one takes."""
    if isinstance(received, str) and len(received) > MAX_ID_CHARS:
        return f"call_{sha256(received.encode('utf-8', 'replace')).hexdigest()[:24]}"
    return received


def _content(content: Any) -> str | list[Item]:
    return [_part(part) for part in content] if isinstance(content, list) else content or ""


def _part(part: Mapping[str, Any]) -> Item:
    match part.get("type"):
        case "text":
            return {"type": "input_text", "text": part.get("text")}
        case "image_url":
            image = part.get("image_url")
            image = image if isinstance(image, dict) else {"url": image}
            return {"type": "input_image", "image_url": image.get("url"), "detail": image.get("detail") or "auto"}
        case "file":
            return {"type": "input_file", **(part.get("file") or {})}
        case kind if kind in _OWN_PARTS:
            return dict(part)
        case kind:
            raise ModelError(
                f"a message holds a part of type {kind!r}, which the Responses API does not take",
                code="unsupported_content",
                help="It takes text, images and files.",
            )
