"""What a model is sent and what it answers, in the form of OpenAI's chat API.

A `Message` is serialised once, when it is made: a request joins the bytes, so that a turn late in a long
conversation costs what an early one does. Translation to other APIs happens in `models/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

encode = msgspec.json.Encoder().encode

PROMPT_ROLES = ("system", "developer")
_PLAIN_KEYS = frozenset({"role", "content", "refusal", "tool_calls", "tool_call_id"})

FinishReason = Literal["stop", "tool_calls", "length", "content_filter", "refusal"]


class Message:
    """One message: `data` is the JSON object of the chat API, `json` its bytes. Neither is changed after.

    What each request asks of all messages is read once, too: `calls` are the ids of the calls in it, `answers` is the
    call that it is the result of, and `is_plain` says that it has nothing that a service may not know.
    """

    __slots__ = ("answers", "calls", "data", "is_plain", "json")

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.json: bytes = encode(data)
        calls: Sequence[Mapping[str, Any]] = data.get("tool_calls") or ()
        self.calls = tuple([call["id"] for call in calls])
        self.answers: str | None = (data.get("tool_call_id") or "") if data["role"] == "tool" else None
        self.is_plain = _is_plain(data)

    @property
    def role(self) -> str:
        return str(self.data["role"])

    def __repr__(self) -> str:
        return f"Message({self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)


def _is_plain(data: Mapping[str, Any]) -> bool:
    if not data.keys() <= _PLAIN_KEYS:
        return False
    if data["role"] != "assistant":
        return True
    content = data.get("content", "")
    if data.get("tool_calls"):
        return content is None or bool(content)
    return bool(content or data.get("refusal"))


def system(text: str) -> Message:
    return Message({"role": "system", "content": text})


def user(text: str, attachments: Sequence[Mapping[str, Any]] = ()) -> Message:
    """`attachments` are content parts of the chat API: they stand before the text, as services advise."""
    content = [*attachments, {"type": "text", "text": text}] if attachments else text
    return Message({"role": "user", "content": content})


def assistant(text: str) -> Message:
    return Message({"role": "assistant", "content": text})


def tool_result(call_id: str, content: str) -> Message:
    return Message({"role": "tool", "tool_call_id": call_id, "content": content})


class ToolCall(msgspec.Struct, frozen=True):
    """A call as the model wrote it: `arguments` is JSON text that may be broken."""

    id: str
    name: str
    arguments: str

    def chat_form(self) -> dict[str, Any]:
        """The call in an assistant message: a name or arguments that services would refuse are replaced."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", self.name)[:64]
        arguments = self.arguments if is_json_object(self.arguments) else "{}"
        return {"id": self.id, "type": "function", "function": {"name": name, "arguments": arguments}}


def is_json_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


class Usage(msgspec.Struct, frozen=True):
    """Tokens. `cached_tokens` are those of `input_tokens` that the provider's prompt cache served."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
        )


class Reply(msgspec.Struct, frozen=True):
    """A complete turn of the model: a finish was seen.

    `message` is the assistant message as received, unknown fields included; it goes into the history. A client adds
    what the chat form can't hold, and who said it where others may refuse that: neither is sent as it is.
    `calls` are in arrival order, with ids that are unique in the reply. `refusal` is the text of a refusal.
    `model_index` says which model answered: 0 is the one that was asked for, 1 its first fallback.
    """

    message: Message
    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage | None = None
    refusal: str | None = None
    model_index: int = 0


class FunctionTool(msgspec.Struct, frozen=True):
    """A tool as the model sees it. `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False

    def chat_form(self) -> dict[str, Any]:
        function: dict[str, Any] = {"name": self.name}
        if self.description:
            function["description"] = self.description
        function["parameters"] = self.parameters
        if self.strict:
            function["strict"] = True
        return {"type": "function", "function": function}


class ToolList:
    """The tools of a request in a stable order; `json` is the chat API's `tools` array, serialised once."""

    __slots__ = ("json", "tools")

    def __init__(self, tools: Iterable[FunctionTool]) -> None:
        self.tools = tuple(tools)
        self.json: bytes = encode([tool.chat_form() for tool in self.tools])

    def __bool__(self) -> bool:
        return bool(self.tools)


class Request(msgspec.Struct, frozen=True):
    """One question to a model. `None` means: not sent. Forms are those of the chat API.

    `used_call_ids` are the call ids already in the history, so that a reply's repeated ids can be replaced.
    """

    messages: Sequence[Message]
    tools: ToolList
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    used_call_ids: frozenset[str] | set[str] = frozenset()
