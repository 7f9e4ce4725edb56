"""A cassette from its file. The file is untrusted input, and a person may have changed it: what is wrong has its place.

`writing.py` has the other half: what is left out there is filled in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

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
from agentrun.cassettes.members import Members, each
from agentrun.cassettes.replies import derived_message, in_history, told
from agentrun.cassettes.streams import read_stream
from agentrun.cassettes.writing import MEMBERS_OF_RESULT, PLAIN_ROLES, SAME_AS_RESULT, split_system
from agentrun.diagnostics import Diagnostic, report
from agentrun.engine.messages import FinishReason, FunctionTool, Message, Reply, ToolCall, Usage
from agentrun.engine.output import as_text
from agentrun.errors import FailureType, SpecError, UsageError, reason_of
from agentrun.spec.nodes import Node
from agentrun.spec.wording import shown
from agentrun.spec.yaml_nodes import Bounds, read_bytes

BOUNDS = Bounds(bytes=32 * 1024 * 1024, nodes=500_000, depth=256)
_KINDS = ("user", "model", "tool", "approval")


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
        help = f"this version of agentrun reads version {VERSION}"
        raise UsageError(f"the cassette `{path}` is of version {written}", help=help)
    functions = _functions(file.take("functions"), found)
    conversations = tuple(
        each(file.nodes("conversations"), "a conversation", found, lambda one: _conversation(one, functions))
    )
    file.end()
    return Cassette(conversations)


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
        date=one.text("date"),
        model=one.optional_text("model"),
        entries=tuple(each(one.nodes("exchanges"), "an exchange", one.found, timeline.entry)),
    )
    one.end()
    return conversation


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
                entry = _tool(one)
                self._results[entry.id] = told(entry)
            case "approval":
                entry = _approval(one)
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
        outcome = self._outcome(one)
        reply = outcome if isinstance(outcome, Reply) else None
        if number is not None:
            if number in self._asked:
                one.wrong(one.node.content["model"].span, f"`model: {number}` stands twice", "AR304")
            self._asked[number] = asked, [*messages, in_history(reply)] if reply else messages
        stream = _stream(one)
        return ModelEntry(asked, outcome, read_stream(stream, reply), one.node.span.line)

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

    def _outcome(self, one: Members) -> Reply | ModelFailed | Interrupted:
        kind = one.exactly_one(("reply", "error", "interrupted"))
        node = None if kind is None else one.take(kind)
        if node is None or kind == "interrupted":
            return Interrupted()
        if kind == "error":
            return _model_failed(Members(node, "an error", self._found))
        return _reply(Members(node, "a reply", self._found))


def _setting(one: Members, key: str, before: Asked) -> Any:
    node = one.take(key)
    return getattr(before, key) if node is None else node.data()


# -- what came of it ----------------------------------------------------------------------------------------


def _model_failed(one: Members) -> ModelFailed:
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


def _reply(one: Members) -> Reply:
    content = one.optional_text("content")
    calls, listed = _calls(one)
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
    usage = one.take("usage")
    reply = Reply(
        Message(message),
        (content or "") if text is None else text,
        calls,
        finish_reason,
        None if usage is None else _usage(Members(usage, "`usage`", one.found)),
        refusal,
        one.whole("model_index") or 0,
    )
    one.end()
    return reply


def _calls(one: Members) -> tuple[tuple[ToolCall, ...], list[dict[str, Any]]]:
    calls, listed = [], []
    for call in each(one.nodes("tool_calls"), "a call", one.found, lambda inner: inner):
        fields = call.mapping("fields")
        calls.append(ToolCall(call.text("id"), call.text("name"), _raw_arguments(call)))
        listed.append({"fields": fields})
        call.end()
    return tuple(calls), listed


def _raw_arguments(call: Members) -> str:
    node = call.take("arguments")
    if node is None or node.content is None:
        return "{}"
    return as_text(node.data())


def _usage(one: Members) -> Usage:
    given, made = one.whole("input_tokens") or 0, one.whole("output_tokens") or 0
    total = one.whole("total_tokens")
    usage = Usage(given, made, given + made if total is None else total, one.whole("cached_tokens") or 0)
    one.end()
    return usage


def _tool(one: Members) -> ToolEntry:
    arguments = one.data("arguments")
    name, call_id = one.text("tool"), one.optional_text("id") or ""
    outcome: Result | ToolFailed | Interrupted = Interrupted()
    match one.exactly_one(("result", "error", "interrupted")):
        case "result":
            outcome = _result(one)
        case "error":
            outcome = _tool_failed(Members(one.node.content["error"], "an error", one.found))
            one.take("error")
        case "interrupted":
            one.take("interrupted")
    written = arguments if isinstance(arguments, (dict, str)) else {}
    return ToolEntry(call_id, name, written, outcome, one.node.span.line)


def _result(one: Members) -> Result:
    value = one.data("result")
    if not one.has("names"):
        return Result(value, {"result": value})
    names = one.mapping("names") or {}
    for node in one.nodes("result_as") or ():
        name = node.content
        if name in MEMBERS_OF_RESULT and isinstance(value, dict) and name in value:
            names[name] = value[name]
        elif name in SAME_AS_RESULT:
            names[name] = value
        else:
            one.wrong(node.span, f"`{name}` is no name under which a result is known", "AR304")
    return Result(value, names)


def _tool_failed(one: Members) -> ToolFailed:
    type: Any = one.choice("type", get_args(FailureType), "internal")
    failed = ToolFailed(type, one.text("message"), one.mapping("details") or {})
    one.end()
    return failed


def _approval(one: Members) -> ApprovalEntry:
    by: Any = one.choice("by", ("user", "flag", "nobody"), "user")
    arguments = one.mapping("arguments") or {}
    return ApprovalEntry(one.text("approval"), arguments, bool(one.truth("approved")), by, one.optional_text("message"))


# -- pieces -------------------------------------------------------------------------------------------------


def _stream(one: Members) -> list[dict[str, Any]] | None:
    nodes = one.nodes("stream")
    return None if nodes is None else list(each(nodes, "a part of a stream", one.found, _part))


def _part(one: Members) -> dict[str, Any]:
    kind = one.exactly_one(("text", "reasoning", "call", "retry", "fallback"))
    part: dict[str, Any] = {"text": []}
    match kind:
        case "text" | "reasoning":
            part = {kind: _pieces(one, kind)}
        case "call":
            part = {"call": one.whole("call") or 0, "name": one.text("name"), "arguments": _pieces(one, "arguments")}
        case "retry":
            retry = Members(one.node.content["retry"], "a retry", one.found)
            attempt, cause, delay = retry.whole("attempt") or 1, retry.text("cause"), retry.number("delay") or 0.0
            retry.end()
            part = {"retry": {"attempt": attempt, "cause": cause, "delay": delay}}
        case "fallback":
            other = Members(one.node.content["fallback"], "a fallback", one.found)
            part = {"fallback": {"model": other.text("model"), "cause": other.text("cause")}}
            other.end()
    if kind is not None:
        one.take(kind)
    one.end()
    return part


def _pieces(one: Members, key: str) -> Sequence[int | str]:
    pieces: list[int | str] = []
    for node in one.nodes(key) or ():
        is_length = isinstance(node.content, int) and not isinstance(node.content, bool) and node.content >= 0
        if is_length or isinstance(node.content, str):
            pieces.append(node.content)
        else:
            one.wrong(node.span, f"a piece is text, or its length, not {node.kind}", "AR303")
    return pieces
