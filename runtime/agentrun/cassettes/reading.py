"""A cassette from its file. The file is untrusted input, and a person may have changed it: what is wrong has its place.

`writing.py` has the other half: what is left out there is filled in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentrun.cassettes.cassette import (
    VERSION,
    Asked,
    Cassette,
    Conversation,
    Entry,
    ModelEntry,
    UserEntry,
)
from agentrun.cassettes.members import Members
from agentrun.cassettes.offered import read_set
from agentrun.cassettes.outcomes import read_approval, read_outcome, read_tool
from agentrun.cassettes.replies import in_history, told
from agentrun.cassettes.streams import parts_of, read_stream
from agentrun.cassettes.writing import PLAIN_ROLES, split_system
from agentrun.diagnostics import Diagnostic, report
from agentrun.engine.messages import FunctionTool, Reply
from agentrun.errors import SpecError, UsageError, reason_of
from agentrun.spec.nodes import Node
from agentrun.spec.wording import shown
from agentrun.spec.yaml_nodes import Bounds, read_bytes

BOUNDS = Bounds(bytes=128 * 1024 * 1024, nodes=2_000_000, depth=256)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KINDS = ("user", "model", "tool", "approval", "set")


def read_cassette(path: Path) -> Cassette:
    """Raises `UsageError` where there is no such file, and `SpecError` with all that is wrong in it."""
    try:
        with path.open("rb") as file:
            raw = file.read(BOUNDS.bytes + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no cassette `{path}`") from None
    except OSError as error:
        raise UsageError(f"the cassette `{path}` can't be read: {reason_of(error)}") from None
    return cassette_of(str(path), raw)


def cassette_of(path: str, raw: bytes) -> Cassette:
    """The cassette of a file's bytes. `path` is what findings show."""
    read = read_bytes(path, raw, BOUNDS)
    found = list(read.diagnostics)
    cassette = Cassette(())
    if not read.stopped:
        if len(read.documents) != 1:
            raise UsageError(f"`{path}` is no cassette: it has {len(read.documents) or 'no'} documents, not one")
        cassette = _cassette(path, read.documents[0], found)
    if any(one.severity == "error" for one in found):
        raise SpecError(report(found, {path: read.text}))
    return cassette


def _cassette(path: str, node: Node, found: list[Diagnostic]) -> Cassette:
    version = node.get("cassette")
    if version is None:
        help = "`agentrun run` and `agentrun chat` write one with `--record FILE`"
        raise UsageError(f"`{path}` is no cassette: it has no key `cassette`", help=help)
    file = Members(node, "a cassette", found)
    written = file.whole("cassette")
    if written is not None and written != VERSION:
        raise UsageError(f"the cassette `{path}` is of version {written}; this agentrun reads version {VERSION}")
    functions = _functions(file.take("functions"), found)
    listed = file.each("conversations", "a conversation") or ()
    conversations = tuple(_conversation(one, functions) for one in listed)
    _refuse_second_names(listed)
    file.end()
    return Cassette(conversations)


def _refuse_second_names(conversations: Iterable[Members]) -> None:
    """A case plays the conversation of its name: there is one."""
    seen = set()
    for one in conversations:
        name = one.take("name")
        if name is not None and isinstance(name.content, str):
            if name.content in seen:
                one.wrong(name.span, f"another conversation is named {shown(name.content)} too", "AR304")
            seen.add(name.content)


def _functions(node: Node | None, found: list[Diagnostic]) -> dict[str, FunctionTool]:
    """By their labels: `NAME`, or `NAME#2` for another definition of it."""
    functions: dict[str, FunctionTool] = {}
    if node is None or not Members(node, "`functions`", found).node.is_mapping:
        return functions
    for label, inner in node.content.items():
        one = Members(inner, "a function", found)
        functions[label] = FunctionTool(
            label.partition("#")[0],
            one.optional_text("description") or "",
            one.mapping("parameters") or {},
            bool(one.truth("strict")),
        )
        one.end()
    return functions


def _conversation(one: Members, functions: dict[str, FunctionTool]) -> Conversation:
    timeline = _Timeline(functions, one.found)
    conversation = Conversation(
        name=one.optional_text("name"),
        agent=one.text("agent"),
        date=_day(one),
        model=one.optional_text("model"),
        args=one.mapping("args") or {},
        entries=tuple(map(timeline.entry, one.each("exchanges", "an exchange") or ())),
    )
    one.end()
    return conversation


def _day(one: Members) -> str:
    """What `run.date` is in a replay."""
    written = one.text("date")
    if written and not _DAY.fullmatch(written):
        one.wrong(one.node.content["date"].span, f"`date` is a day, such as 2026-03-10, not {shown(written)}", "AR304")
    return written


class _Timeline:
    """What stood before an entry, and what it may therefore leave out."""

    def __init__(self, functions: dict[str, FunctionTool], found: list[Diagnostic]) -> None:
        self._functions = functions
        self._found = found
        self._user: str | None = None
        self._results: dict[str, str | None] = {}
        self._asked: dict[int, tuple[Asked, list[dict[str, Any]]]] = {}

    def entry(self, one: Members) -> Entry:
        kind = one.exactly_one(_KINDS) if one.node.is_mapping else None
        entry: Entry
        match kind:
            case "model":
                entry = self._model(one)
            case "tool":
                entry = read_tool(one)
                self._results[entry.id] = told(entry)
            case "approval":
                entry = read_approval(one)
            case "set":
                entry = read_set(one, self._functions)
            case "user":
                entry = UserEntry(one.text("user"))
                self._user = entry.text
            case _:
                return UserEntry("")
        one.end()
        return entry

    # -- requests

    def _model(self, one: Members) -> ModelEntry:
        number = one.whole("model")
        before, known = self._before(one)
        system = split_system(before.messages)[0]
        if one.has("system"):
            system = one.optional_text("system")
        new = [self._message(node) for node in one.nodes("messages") or ()]
        messages = [*known, *new]
        opening = [] if system is None else [{"role": "system", "content": system}]
        asked = Asked(
            messages=(*opening, *messages),
            tools=self._tools(one) if one.has("tools") else before.tools,
            tool_choice=_setting(one, "tool_choice", before),
            parallel_tool_calls=_setting(one, "parallel_tool_calls", before),
            response_format=_setting(one, "response_format", before),
        )
        outcome = read_outcome(one)
        reply = outcome if isinstance(outcome, Reply) else None
        if number is not None:
            if number in self._asked:
                one.wrong(one.node.content["model"].span, f"`model: {number}` stands twice", "AR304")
            self._asked[number] = asked, [*messages, in_history(reply)] if reply else messages
        stream = parts_of(one)
        within = one.optional_text("within") or ""
        return ModelEntry(asked, outcome, read_stream(stream, reply), one.node.span.line, within)

    def _before(self, one: Members) -> tuple[Asked, list[dict[str, Any]]]:
        after = one.whole("after")
        if after is None:
            return Asked(()), []
        if after not in self._asked:
            span = one.node.content["after"].span
            one.wrong(span, f"`after: {after}` names no exchange with the model before this one", "AR304")
        return self._asked.get(after, (Asked(()), []))

    def _tools(self, one: Members) -> tuple[FunctionTool, ...]:
        tools = []
        for node in one.nodes("tools") or ():
            if not isinstance(node.content, str) or node.content not in self._functions:
                one.wrong(node.span, f"`tools` names {shown(node.content)}, which is not in `functions`", "AR304")
            else:
                tools.append(self._functions[node.content])
        return tuple(tools)

    def _message(self, node: Node) -> dict[str, Any]:
        """A message in one of its short forms, or as the chat API has it."""
        if node.content == "user":
            if self._user is None:
                self._wrong(node, "`user` stands for a user message, and there is none before")
            return {"role": "user", "content": self._user or ""}
        if not node.is_mapping:
            self._wrong(node, f"a message is a mapping, or the word `user`, not {node.kind}")
            return {"role": "user", "content": ""}
        if node.get("role") is not None:
            return dict(node.data())
        one = Members(node, "a message", self._found)
        role = one.exactly_one((*PLAIN_ROLES, "tool"))
        if role == "tool":
            message = self._result(one)
        else:
            message = {"role": role or "user", "content": one.text(role) if role else ""}
        one.end()
        return message

    def _result(self, one: Members) -> dict[str, Any]:
        call_id, content = one.text("tool"), one.optional_text("content")
        if content is None and (content := self._results.get(call_id)) is None:
            message = f"`tool: {call_id}` names no result of a tool before; without one it needs a `content`"
            self._wrong(one.node.content["tool"], message)
        return {"role": "tool", "tool_call_id": call_id, "content": content or ""}

    def _wrong(self, node: Node, message: str) -> None:
        self._found.append(Diagnostic("AR304", "error", message, node.span))


def _setting(one: Members, key: str, before: Asked) -> Any:
    node = one.take(key)
    return getattr(before, key) if node is None else node.data()
