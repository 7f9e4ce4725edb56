"""A cassette as the text of its file. Each thing stands once: what follows from the rest is left out.

`reading.py` reads what is written here.
"""

from __future__ import annotations

import contextlib
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
    ModelEntry,
    SetEntry,
    ToolEntry,
    UserEntry,
)
from agentrun.cassettes.offered import written_set
from agentrun.cassettes.outcomes import written_approval, written_outcome, written_tool
from agentrun.cassettes.prefixes import Once, Prefixes
from agentrun.cassettes.replies import in_history, told
from agentrun.cassettes.streams import written_stream
from agentrun.cassettes.yaml_text import dump
from agentrun.engine.messages import FunctionTool, Reply
from agentrun.errors import UsageError, reason_of

_HEAD = "# A conversation that agentrun recorded, and plays again: docs/cassettes.md says how to read and change it.\n"


def refuse_unwritable(path: Path) -> None:
    """Raises `UsageError` where it is clear before that a cassette can't be written there."""
    folder = next(one for one in Path(os.path.realpath(path)).parents if one.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the cassette `{path}` can't be written: the folder `{folder}` is read-only")


def write_cassette(path: Path, cassette: Cassette, *, make_folder: bool = False) -> None:
    """All at once: whoever reads meanwhile, or after a crash, sees the old file or the new one."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:50]}.{os.getpid()}.tmp")
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text_of(cassette))
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            beside.chmod(target.stat().st_mode & 0o7777)
        beside.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
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
        self._lists = Once[list[str]](lambda tools: list(map(self._label, tools)))
        for one in (one for each in conversations for one in each.entries):
            if isinstance(one, ModelEntry):
                self.of(one.asked.tools)
            elif isinstance(one, SetEntry):
                self.of_members(one)

    def of(self, tools: tuple[FunctionTool, ...]) -> list[str]:
        return self._lists.of(tools)

    def of_members(self, entry: SetEntry) -> list[str]:
        return [self._label(one.function) for one in entry.members]

    def _label(self, tool: FunctionTool) -> str:
        form = _function(tool)
        key = key_of([tool.name, form])
        if key in self._labels:
            return self._labels[key]
        label, number = tool.name, 1
        while label in self.functions:
            number += 1
            label = f"{tool.name}#{number}"
        self._labels[key] = label
        self.functions[label] = form
        return label


def _function(tool: FunctionTool) -> dict[str, Any]:
    form: dict[str, Any] = {"description": tool.description} if tool.description else {}
    form["parameters"] = dict(tool.parameters)
    return {**form, "strict": True} if tool.strict else form


def _conversation(conversation: Conversation, labels: _Labels) -> dict[str, Any]:
    data: dict[str, Any] = {} if conversation.name is None else {"name": conversation.name}
    data |= {"agent": conversation.agent, "date": conversation.date}
    if conversation.model is not None:
        data["model"] = conversation.model
    if conversation.args:
        data["args"] = conversation.args
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
        self._keys = Once(key_of)
        self._prefixes = Prefixes()
        self._ends: dict[int, int] = {}

    def entry(self, entry: Entry) -> dict[str, Any]:
        match entry:
            case UserEntry(text):
                self._user = text
                return {"user": text}
            case ModelEntry():
                return self._model(entry)
            case ToolEntry():
                self._results[entry.id] = told(entry)
                return written_tool(entry)
            case ApprovalEntry():
                return written_approval(entry)
            case SetEntry():
                return written_set(entry, self._labels.of_members(entry))

    # -- requests

    def _model(self, entry: ModelEntry) -> dict[str, Any]:
        asked, outcome = entry.asked, entry.outcome
        system, messages = split_system(asked.messages)
        base, known = self._base(self._path(messages))
        before = None if base is None else self._asked[base - 1]
        self._asked.append(asked)
        number = len(self._asked)
        data: dict[str, Any] = {"model": number}
        if entry.within:
            data["within"] = entry.within
        if base is not None:
            data["after"] = base
        if system != (split_system(before.messages)[0] if before else None):
            data["system"] = system
        data["messages"] = [self._message(one) for one in messages[known:]]
        data |= self._settings(asked, before or Asked(()))
        reply = outcome if isinstance(outcome, Reply) else None
        data |= written_outcome(outcome)
        if (stream := written_stream(entry.progress, reply)) is not None:
            data["stream"] = stream
        if after := self._path([*messages, in_history(reply)] if reply else messages):
            self._ends[after[-1]] = number
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

    def _base(self, path: Sequence[int]) -> tuple[int | None, int]:
        """The exchange that a request goes on with, and how many of its messages are known from there."""
        known = next((count for count in range(len(path), 0, -1) if path[count - 1] in self._ends), 0)
        return (self._ends[path[known - 1]], known) if known else (None, 0)

    def _path(self, messages: Iterable[dict[str, Any]]) -> list[int]:
        return self._prefixes.path(self._keys.of(one) for one in messages)

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
