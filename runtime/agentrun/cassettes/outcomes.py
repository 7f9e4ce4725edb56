"""What came of an exchange, as a cassette writes it and as it reads it again: each shape's two sides beside each other.

A file says each thing once: what follows from the rest (`replies.py`) is left out, and filled in again.
"""

from __future__ import annotations

from typing import Any, get_args

from agentrun.cassettes.canonical import key_of
from agentrun.cassettes.cassette import ApprovalEntry, Interrupted, ModelFailed, Result, ToolEntry, ToolFailed
from agentrun.cassettes.members import Members
from agentrun.cassettes.replies import derived_message
from agentrun.engine.arguments import parse_json
from agentrun.engine.messages import FinishReason, Message, Reply, ToolCall, Usage
from agentrun.engine.output import as_text
from agentrun.errors import FailureType

_MESSAGE_FIELDS = ("role", "content", "refusal", "tool_calls")
# The names under which a backend's result stands once more for `output` templates.
_SAME_AS_RESULT = ("result", "body", "stdout")
_MEMBERS_OF_RESULT = ("pages", "more")


# -- of a request ---------------------------------------------------------------------------------------------


def written_outcome(outcome: Reply | ModelFailed | Interrupted) -> dict[str, Any]:
    match outcome:
        case Reply():
            return {"reply": _written_reply(outcome)}
        case ModelFailed(code, message, help, status, retryable, retry_after_s):
            told = {"help": help, "status": status, "retryable": retryable or None, "retry_after": retry_after_s}
            known = {name: value for name, value in told.items() if value is not None}
            return {"error": {"code": code, "message": message, **known}}
        case Interrupted():
            return {"interrupted": True}


def read_outcome(one: Members) -> Reply | ModelFailed | Interrupted:
    match one.exactly_one(("reply", "error", "interrupted")):
        case "reply":
            return _read_reply(one.inner("reply", "a reply"))
        case "error":
            return _read_failure(one.inner("error", "an error"))
    return Interrupted()


def _read_failure(one: Members) -> ModelFailed:
    failed = ModelFailed(
        one.text("code"),
        one.text("message"),
        one.optional_text("help"),
        one.whole("status"),
        bool(one.truth("retryable")),
        one.number("retry_after"),
    )
    one.end()
    return failed


def _written_reply(reply: Reply) -> dict[str, Any]:
    message = dict(reply.message.data)
    content = message.get("content")
    data: dict[str, Any] = {} if content is None else {"content": content}
    if reply.text != (content or ""):
        data["text"] = reply.text
    sent = message.get("tool_calls")
    if reply.calls:
        listed = sent if isinstance(sent, list) and len(sent) == len(reply.calls) else [{}] * len(reply.calls)
        data["tool_calls"] = [_written_call(call, form) for call, form in zip(reply.calls, listed, strict=True)]
    if reply.refusal is not None:
        data["refusal"] = reply.refusal
    if reply.finish_reason != ("tool_calls" if reply.calls else "stop"):
        data["finish_reason"] = reply.finish_reason
    if reply.usage is not None:
        data["usage"] = _written_usage(reply.usage)
    if reply.model_index:
        data["model_index"] = reply.model_index
    if fields := {name: value for name, value in message.items() if name not in _MESSAGE_FIELDS}:
        data["fields"] = fields
    if key_of(derived_message(data, reply.calls)) != key_of(message):
        data["message"] = message
    return data


def _read_reply(one: Members) -> Reply:
    content = one.optional_text("content")
    calls, listed = _read_calls(one)
    refusal = one.optional_text("refusal")
    default = "tool_calls" if calls else "stop"
    text = one.optional_text("text")
    message = one.mapping("message")
    if message is None:
        written = {"content": content, "refusal": refusal, "tool_calls": listed, "fields": one.mapping("fields")}
        message = derived_message(written, calls)
    else:
        one.take("fields")
    finish_reason: Any = one.choice("finish_reason", get_args(FinishReason), default)
    reply = Reply(
        Message(message),
        (content or "") if text is None else text,
        calls,
        finish_reason,
        None if one.take("usage") is None else _read_usage(one.inner("usage", "`usage`")),
        refusal,
        one.whole("model_index") or 0,
    )
    one.end()
    return reply


def _written_call(call: ToolCall, sent: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"name": call.name, "arguments": _written_arguments(call.arguments), "id": call.id}
    if fields := {name: value for name, value in sent.items() if name not in call.chat_form()}:
        data["fields"] = fields
    return data


def _read_calls(one: Members) -> tuple[tuple[ToolCall, ...], list[dict[str, Any]]]:
    calls, listed = [], []
    for call in one.each("tool_calls", "a call") or ():
        fields = call.mapping("fields")
        calls.append(ToolCall(call.text("id"), call.text("name"), _read_arguments(call)))
        listed.append({"fields": fields})
        call.end()
    return tuple(calls), listed


def _written_arguments(text: str) -> Any:
    """As data, where the text can be had back from it exactly."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) and as_text(value) == text else text


def _read_arguments(call: Members) -> str:
    node = call.take("arguments")
    if node is None or node.content is None:
        return "{}"
    return as_text(node.data())


def _written_usage(usage: Usage) -> dict[str, int]:
    data = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.total_tokens != usage.input_tokens + usage.output_tokens:
        data["total_tokens"] = usage.total_tokens
    return {**data, "cached_tokens": usage.cached_tokens} if usage.cached_tokens else data


def _read_usage(one: Members) -> Usage:
    given, made = one.whole("input_tokens") or 0, one.whole("output_tokens") or 0
    total = one.whole("total_tokens")
    usage = Usage(given, made, given + made if total is None else total, one.whole("cached_tokens") or 0)
    one.end()
    return usage


# -- of a call ------------------------------------------------------------------------------------------------


def written_tool(entry: ToolEntry) -> dict[str, Any]:
    data: dict[str, Any] = {"tool": entry.name, "id": entry.id, "arguments": entry.arguments}
    match entry.outcome:
        case Result(value, names):
            return data | {"result": value} | _written_names(value, names)
        case ToolFailed(type, message, details):
            error = {"type": type, "message": message}
            return data | {"error": {**error, "details": details} if details else error}
        case Interrupted():
            return data | {"interrupted": True}


def read_tool(one: Members) -> ToolEntry:
    arguments = one.data("arguments")
    name, call_id = one.text("tool"), one.optional_text("id") or ""
    outcome: Result | ToolFailed | Interrupted = Interrupted()
    match one.exactly_one(("result", "error", "interrupted")):
        case "result":
            outcome = _read_result(one)
        case "error":
            outcome = _read_tool_failure(one.inner("error", "an error"))
    written = arguments if isinstance(arguments, (dict, str)) else {}
    return ToolEntry(call_id, name, written, outcome, one.node.span.line)


def _read_tool_failure(one: Members) -> ToolFailed:
    type: Any = one.choice("type", get_args(FailureType), "internal")
    failed = ToolFailed(type, one.text("message"), one.mapping("details") or {})
    one.end()
    return failed


def _written_names(value: Any, names: dict[str, Any]) -> dict[str, Any]:
    """What `output` templates see: under the name of the result itself, parts of it, and the rest."""
    if key_of(names) == key_of({"result": value}):
        return {}
    same = [name for name in _SAME_AS_RESULT if name in names and key_of(names[name]) == key_of(value)][:1]
    parts = [
        name
        for name in _MEMBERS_OF_RESULT
        if name in names and key_of(names[name]) == key_of(_part_of_result(name, value))
    ]
    rest = {name: said for name, said in names.items() if name not in (*same, *parts)}
    data: dict[str, Any] = {"names": rest}
    if same or parts:
        data["result_as"] = same + parts
    return data


def _read_result(one: Members) -> Result:
    value = one.data("result")
    if not one.has("names"):
        return Result(value, {"result": value})
    names = one.mapping("names") or {}
    for node in one.nodes("result_as") or ():
        name = node.content
        if name in _MEMBERS_OF_RESULT:
            names[name] = _part_of_result(name, value)
        elif name in _SAME_AS_RESULT:
            names[name] = value
        else:
            one.wrong(node.span, f"`{name}` is no name under which a result is known", "AR304")
    return Result(value, names)


def _part_of_result(name: str, value: Any) -> Any:
    """What `output` templates see as `pages` and `more`: members of a result of several pages, or the only page."""
    if isinstance(value, dict) and all(one in value for one in _MEMBERS_OF_RESULT):
        return value[name]
    return [value] if name == "pages" else None


# -- of a question --------------------------------------------------------------------------------------------


def written_approval(entry: ApprovalEntry) -> dict[str, Any]:
    data: dict[str, Any] = {"approval": entry.tool, "arguments": entry.arguments, "approved": entry.approved}
    data["by"] = entry.by
    return data if entry.message is None else data | {"message": entry.message}


def read_approval(one: Members) -> ApprovalEntry:
    by: Any = one.choice("by", ("user", "flag", "nobody"), "user")
    arguments = one.mapping("arguments") or {}
    return ApprovalEntry(one.text("approval"), arguments, bool(one.truth("approved")), by, one.optional_text("message"))
