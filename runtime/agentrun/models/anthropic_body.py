"""A request in the form of Anthropic's Messages API.

Pure: the engine's request in, JSON out. System texts stand apart, results and user texts that follow each other
are one message, and what stays the same from turn to turn is marked for the prompt cache: the tools, the system
text, and the conversation so far. How one message translates is `anthropic_blocks.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentrun.engine.messages import FunctionTool, Message, Request, encode
from agentrun.errors import ModelError
from agentrun.models.anthropic_blocks import Block, assistant_blocks, result_block, user_blocks
from agentrun.models.history import repair

DEFAULT_MAX_TOKENS = 8192
OWN_KEYS = frozenset({"model", "messages", "system", "tools"})

# A mark makes everything up to it cacheable. The API takes four; three are used, so `settings` may add one.
_CACHED = {"type": "ephemeral"}

_EMPTY = "(empty)"  # a user message that says nothing: without any the API refuses the request

_PLAIN_KEYWORDS = frozenset({"type", "enum", "const", "description", "title", "default", "required", "$ref"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})


def request_json(
    request: Request,
    model: str,
    settings: Mapping[str, Any],
    *,
    format_in_words: bool = False,
    continued: Sequence[Block] = (),
    to: str = "",
) -> bytes:
    """The request's body, to a speaker. `continued` is what it has said so far in a turn that the service paused."""
    system, turns = conversation(request.messages, to=to)
    tools, tool_choice = _tools(request, turns)
    output_format, words = answer_format(request.response_format, in_words=format_in_words)
    if words:
        system.append({"type": "text", "text": words})
    for blocks in (
        [block for turn in turns[-1:] if turn["role"] == "user" for block in turn["content"]],
        system,
        tools,
    ):
        if blocks:
            blocks[-1]["cache_control"] = _CACHED
    if continued:
        turns.append({"role": "assistant", "content": list(continued)})
    body: dict[str, Any] = {"model": model, "max_tokens": _max_tokens(settings)}
    if tools:
        body["tools"] = tools
    if system:
        body["system"] = system
    body["messages"] = turns
    if tool_choice is not None:
        body["tool_choice"] = tool_choice
    if output_format is not None:
        body["output_config"] = {**(settings.get("output_config") or {}), "format": output_format}
    body |= {key: value for key, value in settings.items() if key not in body and key != "max_completion_tokens"}
    body.setdefault("stream", True)
    return encode(body)


def conversation(messages: Sequence[Message], *, to: str = "") -> tuple[list[Block], list[dict[str, Any]]]:
    """System blocks, and turns in which user and assistant alternate."""
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for message in repair(messages):
        data = message.data
        match message.role:
            case "system" | "developer":
                system += user_blocks(data.get("content"))
                continue
            case "assistant":
                role, blocks = "assistant", assistant_blocks(data, to=to)
            case "tool":
                role, blocks = "user", [result_block(data)]
            case _:
                role, blocks = "user", user_blocks(data.get("content")) or [{"type": "text", "text": _EMPTY}]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return system, turns


def _max_tokens(settings: Mapping[str, Any]) -> Any:
    return settings.get("max_tokens") or settings.get("max_completion_tokens") or DEFAULT_MAX_TOKENS


# -- tools ----------------------------------------------------------------------------------------------------


def _tools(request: Request, turns: Sequence[dict[str, Any]]) -> tuple[list[Block], Block | None]:
    if not request.tools:
        # A history with calls is refused without tools: those of the history stand in, and none may be called.
        stand_ins: list[Block] = [{"name": name, "input_schema": {"type": "object"}} for name in _called(turns)]
        return stand_ins, {"type": "none"} if stand_ins else None
    choice, names = _choice(request.tool_choice)
    tools = [tool for tool in request.tools.tools if not names or tool.name in names]
    if request.parallel_tool_calls is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return [_tool(tool) for tool in tools], choice


def _tool(tool: FunctionTool) -> Block:
    block: Block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = {"type": "object", **tool.parameters}
    if tool.strict:
        block["strict"] = True
    return block


def _called(turns: Iterable[dict[str, Any]]) -> list[str]:
    calls = (block for turn in turns for block in turn["content"] if block["type"] == "tool_use")
    return list(dict.fromkeys(call["name"] for call in calls))


_CHOICES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def _choice(written: str | Mapping[str, Any] | None) -> tuple[Block | None, frozenset[str]]:
    """The choice in the API's form, and the tools to send with it: empty for all."""
    if written is None:
        return None, frozenset()
    if isinstance(written, str):
        if written in _CHOICES:
            return {"type": _CHOICES[written]}, frozenset()
        return {"type": "tool", "name": written}, frozenset()
    kind = written.get("type")
    inner = written.get(kind) if isinstance(kind, str) else None
    if kind == "allowed_tools" and isinstance(inner, dict) and inner.get("mode") in _CHOICES:
        names = frozenset(_name(one) for one in inner.get("tools") or ())
        return {"type": _CHOICES[inner["mode"]]}, names
    if kind in ("function", "custom") and (name := _name(written)):
        return {"type": "tool", "name": name}, frozenset()
    if kind in ("auto", "any", "tool", "none"):
        return dict(written), frozenset()  # in the API's own form already
    raise ModelError(
        f"tool_choice {encode(written).decode()} has no counterpart in Anthropic's API",
        code="bad_tool_choice",
        help="Write none, auto, required or a tool's name.",
    )


def _name(choice: Mapping[str, Any]) -> str:
    inner = choice.get(str(choice.get("type")))
    return str((inner if isinstance(inner, dict) else choice).get("name") or "")


# -- the answer's format --------------------------------------------------------------------------------------


def answer_format(written: Mapping[str, Any] | None, *, in_words: bool = False) -> tuple[Block | None, str]:
    """A response format as the API's own, or as words for the system text where the API can't hold to it.

    The API takes closed objects and few keywords. A schema with others is not rewritten but told in words: the
    engine checks the answer in either case.
    """
    kind = (written or {}).get("type")
    if written is None or kind == "text":
        return None, ""
    rule = "Answer with JSON alone: no text around it, and no Markdown fence."
    if kind != "json_schema":
        return None, f"{rule} It must be one object."
    schema = (written.get("json_schema") or {}).get("schema") or {"type": "object"}
    if not in_words and is_supported(schema):
        return {"type": "json_schema", "schema": schema}, ""
    return None, f"{rule} It must match this JSON Schema:\n{encode(schema).decode()}"


def is_supported(schema: Any) -> bool:
    """Whether the API's structured output takes the schema as it is."""
    if not isinstance(schema, dict) or not schema.keys() & {"type", "anyOf", "enum", "const", "$ref"}:
        return False
    for key, value in schema.items():
        match key:
            case "properties" | "$defs" | "definitions":
                supported = isinstance(value, dict) and all(map(is_supported, value.values()))
            case "anyOf":
                supported = isinstance(value, list) and all(map(is_supported, value))
            case "items":
                supported = is_supported(value)
            case "additionalProperties":
                supported = value is False
            case "format":
                supported = value in _FORMATS
            case "minItems":
                supported = value in (0, 1)
            case _:
                supported = key in _PLAIN_KEYWORDS
        if not supported:
            return False
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    return not is_object or schema.get("additionalProperties") is False
