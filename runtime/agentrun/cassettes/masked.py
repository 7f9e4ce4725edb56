"""What crosses the engine's ports, as plain data without secrets: the form that is kept, and that is compared."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from agentrun.cassettes.cassette import Asked, ModelFailed, Result, ToolFailed
from agentrun.cassettes.prefixes import Once
from agentrun.engine.agent import Mask
from agentrun.engine.attached import without_bytes
from agentrun.engine.messages import FunctionTool, Message, Reply, Request, ToolCall, ToolList
from agentrun.engine.output import as_text
from agentrun.engine.ports import ToolResult
from agentrun.errors import ModelError, ToolFailure

_MAX_DEPTH = 200  # of a tool's result: what is nested deeper is kept as text
_MAX_VALUES = 20_000  # of a result that is only told to the model: as text it is told the same, and read faster
_CREDENTIALS = ("set-cookie",)  # headers of an answer that open a session
_HIDDEN = "[secret]"


class Masking:
    """One agent's masker, and what was masked already: each message and list of tools is looked at once."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self._messages = Once[dict[str, Any]](lambda message: self.data(dict(without_bytes(message.data))))
        self._tools = Once(self._functions)

    def text(self, text: str) -> str:
        return as_text(self.mask.text(text))

    def data(self, value: Any) -> Any:
        return self.mask.data(plain(value))

    def asked(self, request: Request) -> Asked:
        return Asked(
            tuple(map(self._messages.of, request.messages)),
            self._tools.of(request.tools),
            self.data(request.tool_choice),
            request.parallel_tool_calls,
            self.data(request.response_format),
        )

    def reply(self, reply: Reply) -> Reply:
        return msgspec.structs.replace(
            reply,
            message=Message(self.data(dict(reply.message.data))),
            text=self.text(reply.text),
            calls=tuple(self._call(one) for one in reply.calls),
            refusal=reply.refusal and self.text(reply.refusal),
        )

    def model_failed(self, failure: ModelError) -> ModelFailed:
        return ModelFailed(
            failure.code,
            self.text(failure.message),
            failure.help and self.text(failure.help),
            failure.status,
            failure.retryable,
            failure.retry_after_s,
        )

    def tool_failed(self, failure: ToolFailure) -> ToolFailed:
        return ToolFailed(failure.type, self.text(failure.message), self.data(failure.details))

    def result(self, result: ToolResult) -> Result:
        value = self.data(result.value)
        if result.names == {"result": result.value}:
            value = as_text(value) if _is_huge(value) else value
            return Result(value, {"result": value})
        return Result(value, _without_cookies(self.data(dict(result.names))))

    def function(self, one: FunctionTool) -> FunctionTool:
        return FunctionTool(one.name, self.text(one.description), self.data(one.parameters), one.strict)

    def _functions(self, tools: ToolList) -> tuple[FunctionTool, ...]:
        return tuple(map(self.function, tools.tools))

    def _call(self, call: ToolCall) -> ToolCall:
        return ToolCall(self.text(call.id), self.text(call.name), self.text(call.arguments))


def plain(value: Any) -> Any:
    """JSON data that a file can hold. Half a surrogate pair becomes `?`, as it does wherever text is sent."""
    return as_text(value) if _depth(value) > _MAX_DEPTH else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {as_text(str(key)): _plain(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _depth(value: Any) -> int:
    """Levels of nesting, without recursion."""
    waiting: Sequence[Any] = [value]
    depth = 0
    while waiting and depth <= _MAX_DEPTH:
        depth += 1
        waiting = [child for one in waiting for child in _children(one)]
    return depth


def _is_huge(value: Any) -> bool:
    waiting: list[Any] = [value]
    count = 0
    while waiting and count <= _MAX_VALUES:
        children = _children(waiting.pop())
        count += len(children)
        waiting += children
    return count > _MAX_VALUES


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, (list, tuple)) else ()


def _without_cookies(names: dict[str, Any]) -> dict[str, Any]:
    headers = names.get("headers")
    if not isinstance(headers, dict) or not any(name in headers for name in _CREDENTIALS):
        return names
    return {**names, "headers": {**headers, **{name: _HIDDEN for name in _CREDENTIALS if name in headers}}}
