"""A cassette as the text of its file. Each thing stands once: what follows from the rest is left out.

`reading.py` reads what is written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agentrun.cassettes.canonical import key_of
from agentrun.cassettes.cassette import (
    VERSION,
    ApprovalEntry,
    Asked,
    Cassette,
    Conversation,
    Entry,
    Interrupted,
    ModelEntry,
    ModelFailed,
    Result,
    ToolEntry,
    ToolFailed,
    UserEntry,
)
from agentrun.cassettes.replies import derived_message, in_history, sent_form, told
from agentrun.cassettes.streams import written_stream
from agentrun.cassettes.yaml_text import dump
from agentrun.engine.arguments import parse_json
from agentrun.engine.messages import FunctionTool, Reply, ToolCall, Usage
from agentrun.engine.output import as_text
from agentrun.errors import UsageError, reason_of

_HEAD = "# A conversation that agentrun recorded, and plays again: docs/cassettes.md says how to read and change it.\n"
# The names under which a backend's result stands once more for `output` templates.
SAME_AS_RESULT = ("result", "body", "stdout")
MEMBERS_OF_RESULT = ("pages", "more")


def write_cassette(path: Path, cassette: Cassette) -> None:
    """All at once: whoever reads meanwhile, or after a crash, sees the old file or the new one."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:50]}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text_of(cassette))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"the cassette `{path}` can't be written: {reason_of(error)}") from None


def text_of(cassette: Cassette) -> str:
    labels = _Labels(cassette.conversations)
    data: dict[str, Any] = {"cassette": VERSION}
    if labels.functions:
        data["functions"] = labels.functions
    data["conversations"] = [_conversation(one, labels) for one in cassette.conversations]
    return _HEAD + dump(data)


class _Labels:
    """A name for each definition of a function: its own, and `NAME#2` for another one of that name."""

    def __init__(self, conversations: Iterable[Conversation]) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self._labels: dict[str, str] = {}
        asked = [one.asked for each in conversations for one in each.entries if isinstance(one, ModelEntry)]
        for tool in (tool for one in asked for tool in one.tools):
            self._add(tool)

    def _add(self, tool: FunctionTool) -> None:
        form = _function(tool)
        key = key_of([tool.name, form])
        if key in self._labels:
            return
        label, number = tool.name, 1
        while label in self.functions:
            number += 1
            label = f"{tool.name}#{number}"
        self._labels[key] = label
        self.functions[label] = form

    def of(self, tools: Iterable[FunctionTool]) -> list[str]:
        return [self._labels[key_of([tool.name, _function(tool)])] for tool in tools]


def _function(tool: FunctionTool) -> dict[str, Any]:
    form: dict[str, Any] = {"description": tool.description} if tool.description else {}
    form["parameters"] = dict(tool.parameters)
    return {**form, "strict": True} if tool.strict else form


def _conversation(conversation: Conversation, labels: _Labels) -> dict[str, Any]:
    data: dict[str, Any] = {} if conversation.name is None else {"name": conversation.name}
    data |= {"agent": conversation.agent, "date": conversation.date}
    if conversation.model is not None:
        data["model"] = conversation.model
    told = _Timeline(labels)
    data["exchanges"] = [told.entry(one) for one in conversation.entries]
    return data


class _Timeline:
    """What stood before an entry, so that it need not be said again."""

    def __init__(self, labels: _Labels) -> None:
        self._labels = labels
        self._user: str | None = None
        self._results: dict[str, str | None] = {}
        self._asked: list[Asked] = []
        self._ends: dict[int, tuple[int, list[str]]] = {}

    def entry(self, entry: Entry) -> dict[str, Any]:
        match entry:
            case UserEntry(text):
                self._user = text
                return {"user": text}
            case ModelEntry():
                return self._model(entry)
            case ToolEntry():
                self._results[entry.id] = told(entry)
                return _tool(entry)
            case ApprovalEntry():
                return _approval(entry)

    # -- requests

    def _model(self, entry: ModelEntry) -> dict[str, Any]:
        asked, outcome = entry.asked, entry.outcome
        system, messages = split_system(asked.messages)
        base, known = self._base(messages)
        before = None if base is None else self._asked[base - 1]
        self._asked.append(asked)
        number = len(self._asked)
        data: dict[str, Any] = {"model": number}
        if base is not None:
            data["after"] = base
        if system != (split_system(before.messages)[0] if before else None):
            data["system"] = system
        data["messages"] = [self._message(one) for one in messages[known:]]
        data |= self._settings(asked, before or Asked(()))
        reply = outcome if isinstance(outcome, Reply) else None
        data |= _outcome(outcome)
        if (stream := written_stream(entry.progress, reply)) is not None:
            data["stream"] = stream
        self._remember(number, [*messages, in_history(reply)] if reply else messages)
        return data

    def _settings(self, asked: Asked, before: Asked) -> dict[str, Any]:
        data: dict[str, Any] = {}
        tools = self._labels.of(asked.tools)
        if tools != self._labels.of(before.tools):
            data["tools"] = tools
        for name in ("tool_choice", "parallel_tool_calls", "response_format"):
            value = getattr(asked, name)
            if key_of(value) != key_of(getattr(before, name)):
                data[name] = value
        return data

    def _base(self, messages: Sequence[dict[str, Any]]) -> tuple[int | None, int]:
        """The exchange that a request goes on with, and how many of its messages are known from there."""
        keys = [key_of(one) for one in messages]
        found: tuple[int | None, int] = (None, 0)
        chain = 0
        for count, key in enumerate(keys, 1):
            chain = hash((chain, key))
            number, known = self._ends.get(chain, (None, []))
            if number is not None and known == keys[:count]:
                found = (number, count)
        return found

    def _remember(self, number: int, messages: Sequence[dict[str, Any]]) -> None:
        keys = [key_of(one) for one in messages]
        chain = 0
        for key in keys:
            chain = hash((chain, key))
        self._ends[chain] = (number, keys)

    def _message(self, message: dict[str, Any]) -> Any:
        role, content = message.get("role"), message.get("content")
        if isinstance(content, str) and isinstance(role, str):
            if message == {"role": "user", "content": self._user}:
                return "user"
            if message == {"role": role, "content": content} and role in PLAIN_ROLES:
                return {role: content}
            call_id = message.get("tool_call_id")
            if isinstance(call_id, str) and message == {"role": "tool", "tool_call_id": call_id, "content": content}:
                same = self._results.get(call_id) == content
                return {"tool": call_id} if same else {"tool": call_id, "content": content}
        return message


PLAIN_ROLES = ("system", "developer", "user", "assistant")


def split_system(messages: Sequence[dict[str, Any]]) -> tuple[str | None, list[dict[str, Any]]]:
    """The system prompt at the beginning, and the rest."""
    first = messages[0] if messages else {}
    if set(first) == {"role", "content"} and first["role"] == "system" and isinstance(first["content"], str):
        return first["content"], list(messages[1:])
    return None, list(messages)


# -- what came of it ----------------------------------------------------------------------------------------


def _outcome(outcome: Reply | ModelFailed | Interrupted) -> dict[str, Any]:
    match outcome:
        case Reply():
            return {"reply": _reply(outcome)}
        case ModelFailed(code, message, help, status, retryable, retry_after_s):
            told = {"help": help, "status": status, "retryable": retryable or None, "retry_after": retry_after_s}
            known = {name: value for name, value in told.items() if value is not None}
            return {"error": {"code": code, "message": message, **known}}
        case Interrupted():
            return {"interrupted": True}


def _reply(reply: Reply) -> dict[str, Any]:
    message = dict(reply.message.data)
    content = message.get("content")
    data: dict[str, Any] = {} if content is None else {"content": content}
    if reply.text != (content or ""):
        data["text"] = reply.text
    sent = message.get("tool_calls")
    if reply.calls:
        listed = sent if isinstance(sent, list) and len(sent) == len(reply.calls) else [{}] * len(reply.calls)
        data["tool_calls"] = [_call(call, form) for call, form in zip(reply.calls, listed, strict=True)]
    if reply.refusal is not None:
        data["refusal"] = reply.refusal
    if reply.finish_reason != ("tool_calls" if reply.calls else "stop"):
        data["finish_reason"] = reply.finish_reason
    if reply.usage is not None:
        data["usage"] = _usage(reply.usage)
    if reply.model_index:
        data["model_index"] = reply.model_index
    if fields := {name: value for name, value in message.items() if name not in MESSAGE_FIELDS}:
        data["fields"] = fields
    if key_of(derived_message(data, reply.calls)) != key_of(message):
        data["message"] = message
    return data


MESSAGE_FIELDS = ("role", "content", "refusal", "tool_calls")


def _call(call: ToolCall, sent: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"name": call.name, "arguments": written_arguments(call.arguments), "id": call.id}
    if fields := {name: value for name, value in sent.items() if name not in sent_form(call)}:
        data["fields"] = fields
    return data


def written_arguments(text: str) -> Any:
    """As data, where the text can be had back from it exactly."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) and as_text(value) == text else text


def _usage(usage: Usage) -> dict[str, int]:
    data = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.total_tokens != usage.input_tokens + usage.output_tokens:
        data["total_tokens"] = usage.total_tokens
    return {**data, "cached_tokens": usage.cached_tokens} if usage.cached_tokens else data


def _tool(entry: ToolEntry) -> dict[str, Any]:
    data: dict[str, Any] = {"tool": entry.name, "id": entry.id, "arguments": entry.arguments}
    match entry.outcome:
        case Result(value, names):
            return data | {"result": value} | _names(value, names)
        case ToolFailed(type, message, details):
            error = {"type": type, "message": message}
            return data | {"error": {**error, "details": details} if details else error}
        case Interrupted():
            return data | {"interrupted": True}


def _names(value: Any, names: dict[str, Any]) -> dict[str, Any]:
    """What `output` templates see: under the name of the result itself, parts of it, and the rest."""
    if key_of(names) == key_of({"result": value}):
        return {}
    same = [name for name in SAME_AS_RESULT if name in names and key_of(names[name]) == key_of(value)][:1]
    parts = [
        name
        for name in MEMBERS_OF_RESULT
        if isinstance(value, dict) and name in names and name in value and key_of(names[name]) == key_of(value[name])
    ]
    rest = {name: said for name, said in names.items() if name not in (*same, *parts)}
    data: dict[str, Any] = {"names": rest}
    if same or parts:
        data["result_as"] = same + parts
    return data


def _approval(entry: ApprovalEntry) -> dict[str, Any]:
    data: dict[str, Any] = {"approval": entry.tool, "arguments": entry.arguments, "approved": entry.approved}
    data["by"] = entry.by
    return data if entry.message is None else data | {"message": entry.message}
