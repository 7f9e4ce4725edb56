"""How findings name places, types and values: the user's words for what JSON Schema says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from agentrun.diagnostics import did_you_mean
from agentrun.spec.nodes import Route, kind_of
from agentrun.spec.schema import JsonSchema
from agentrun.spec.yaml_nodes import parse_scalar

CASE_MODEL_HELP = "write its turns in `model`, or `cassette: FILE`, or `live: true` for the agent's own"
NAME_HELP = "a name takes letters, digits, `_` and `-`, at most 64"


def subject(route: Route) -> str:
    """`http.headers`, `tools[2].name`: how a person names a place."""
    if not route:
        return "the file"
    text = ""
    for step in route:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return f"`{text}`"


TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
# Booleans of YAML 1.1, which 1.2 takes for text.
SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def wanted(branch: JsonSchema) -> str:
    if "enum" in branch:
        return either([plain(option) for option in branch["enum"]])
    return TYPE_WORDS.get(str(branch.get("type")), "a value")


def plain(option: Any) -> str:
    return str(option).lower() if isinstance(option, bool) else str(option) or '""'


def either(names: Iterable[str]) -> str:
    words = [name for name in names if name != "nothing"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: Any) -> str:
    """Whole or not at all: nothing is masked yet, and half a secret would not be known for one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value}"
    if isinstance(value, str):
        return f"`{value}`" if len(value) <= 40 else f"a text of {len(value)} characters"
    return kind_of(value)


_WORDS_OF_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("true or false",),
    int: ("a number", "a whole number"),
    float: ("a number",),
}


def type_help(value: Any, wanted: Sequence[str], schema: JsonSchema) -> str | None:
    """What to write instead of a value of the wrong type: a trap of YAML, else what the key is for."""
    if (
        isinstance(value, str)
        and value.lower() in SWITCHES
        and {"true or false", SWITCHES[value.lower()]} & set(wanted)
    ):
        return f"`{value}` is text in YAML 1.2: write `{SWITCHES[value.lower()]}`"
    if isinstance(value, str) and set(wanted) & set(_WORDS_OF_TYPES.get(type(parse_scalar(value)), ())):
        return f"write {value} without quotes"
    if type(value) in (int, float) and "text" in wanted:
        return f'write "{value}" in quotes'
    if isinstance(value, str) and set(wanted) & {"a mapping", "a list"} and (sign := misread_sign(value)):
        return sign
    if isinstance(value, bool) and "`always`" in schema.get("description", ""):
        return f"write `{'always' if value else 'never'}`"
    return None


_SIGN = re.compile(r"[A-Za-z_][\w-]*\s*([:=\uff1a])(.?)", re.DOTALL)


def misread_sign(text: str) -> str | None:
    """Help about a sign, or a space, that makes YAML read a key or an item as a text."""
    if text.startswith("-"):
        return "write a space after each `-`"
    found = _SIGN.match(text)
    if found is None:
        return None
    sign, after = found.groups()
    if sign != ":":
        return f"`{sign}` doesn't end a key: write `:` and a space"
    if after.isspace() and after != " ":
        return f"U+{ord(after):04X} stands after the `:`, and looks like a space: write a plain one"
    return None if after in (" ", "/", "") else "write a space after the `:`"


# Words for what a key takes another one for.
_OTHER_OPTIONS = {
    **dict.fromkeys(("azure", "chat", "completions", "ollama", "openai", "vllm"), "chat_completions"),
    **dict.fromkeys(("claude", "messages"), "anthropic_messages"),
    **dict.fromkeys(("end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("function_call", "tool_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("max_tokens", "max_output_tokens"), "length"),
    "safety": "content_filter",
}


def option_help(value: Any, options: Sequence[Any]) -> str | None:
    """What to write instead of a value that is none of the options."""
    if not isinstance(value, str):
        return "leave it out" if value is False and list(options) == [True] else None
    if parse_scalar(value) in options:
        return f"write {value} without quotes"
    other = _OTHER_OPTIONS.get(value.lower())
    names = [plain(option) for option in options]
    return f"did you mean `{other}`?" if other in names else did_you_mean(value, names)


_FORMS = {
    "auth": "write `auth: {bearer: …}`, or `basic`, `api_key` or `oauth2`",
    "body": "it is text: write `json` for data",
    "command": "write a list: `[program, argument]`",
    "context": "write `context: {max_tokens: …}`",
    "conversation": "write a list of messages, with `- user: …` for each",
    "cost_usd": "write `{at_most: …}`, in US dollars",
    "each": "write a list of rows, such as `- {city: Oslo}`, or `{city: [Oslo, Rome]}` for each combination",
    "env": "write `NAME: value` for each",
    "headers": "write `Name: value` for each",
    "http": "write `http: {url: …}`",
    "latency": "write `{at_most: …}`, in seconds",
    "parameters": "write `{type: object, properties: {…}}`",
    "permissions": "write a list of rules, such as `- ask: NAME`",
    "python": "write `module:function`, such as `shop.prices:rate`",
    "response_format": "write `{type: json_object}`, or OpenAI's `{type: json_schema, json_schema: {…}}`",
    "shell": "write `shell: {command: [program, argument]}`",
    "tools": "write a list, with `- NAME` for each",
}


_TOOLS_LISTED = "write a list of names or globs, such as `[refund_*]`"
_COUNTED = "write a whole number, or `{at_least: …, at_most: …}`"
# In a test file, where some keys are also those of agents and tools.
_FORMS_OF_TESTS = {
    "answer": "write its text, or what holds of it: `{contains: …}`",
    "args": "write `NAME: value` for each, such as `{input: …}`",
    "arguments": "write a mapping: `{NAME: value}`",
    "calls": "write a list of calls, `- NAME` for each",
    "cases": "write a list of cases, with `- name: …` for each",
    "cassette": "write the path of a file: `NAME.cassette.yaml`",
    "content": "it is text: JSON stands in single quotes",
    "count": _COUNTED,
    "date": "write YYYY-MM-DD",
    "expect": "write `expect: {answer: …, calls: [NAME]}`",
    "includes": "write `NAME: value` for each; of a text: `contains: …`",
    "judge": "write `judge: {model: NAME}`",
    "length": _COUNTED,
    "model": CASE_MODEL_HELP,
    "not": "write what must not hold: `not: {contains: …}`",
    "refuse": "write what the model is told, `{NAME: …}`, or a list of names",
    "similar_to": "write the text, or `{text: …, ratio: 0.9}`",
    "skip": "write why it is not run",
    "tokens": _COUNTED,
    "tools": "write `NAME: {…}` for each tool",
    "turns": _COUNTED,
    "where": "write `EXPRESSION: value` for each",
    **dict.fromkeys(("approve", "approvals", "never", "same_turn"), _TOOLS_LISTED),
}
_ENTRIES = {
    **dict.fromkeys(("calls", "exact", "in_order", "any_order"), "write `- NAME`, or `- name: NAME`"),
    "conversation": "write `- user: …`",
    "each": "write a row of values, `{NAME: value}`; of a mapping, each value is a list",
    "model": "write `- content: …`, or `- tool_calls: […]`",
    "permissions": "write `ask: NAME`, `allow: NAME` or `deny: NAME`",
    "refuse": "write what the model is told",
    "tool_calls": "write `{name: NAME, arguments: {…}}`",
    "tools": "write what it answers: `json` or `text` for http, `stdout` for shell, `result` for others",
}


def form(route: Route, kind: str = "") -> str | None:
    """How the value of a key, or an entry of it, is written, where its description doesn't show it."""
    if not route:
        return None
    key, above = str(route[-1]), str(route[-2]) if len(route) > 1 else ""
    if above == "permissions":
        return _ENTRIES[above]
    if kind != "test":
        return _FORMS.get(key)
    if key == "error":
        return _failure_form(route)
    if key == "judge" and above == "expect":
        return "write what it judges by"
    if above in _ENTRIES and key not in _FORMS_OF_TESTS:
        return _ENTRIES[above]
    return _FORMS_OF_TESTS.get(key) or _FORMS.get(key)


def _failure_form(route: Route) -> str:
    if "calls" in route:
        return "write a type of failure, such as `http_status`, or true or false"
    return "write `cut`, `reset` or `{status: 429}`" if "model" in route else "write `{type: connection}`"
