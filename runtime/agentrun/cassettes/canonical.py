"""What makes two requests, or two calls, the same: the form without what differs from run to run. Pure.

Ids of calls matter only in so far as they link a result to its call; so does a run's id in a system prompt. The order
of keys and the blanks in arguments don't matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agentrun.cassettes.cassette import Asked
from agentrun.cassettes.prefixes import Once, Prefixes
from agentrun.engine.arguments import parse_json
from agentrun.engine.attached import without_bytes
from agentrun.engine.messages import FunctionTool

LIVE = "(the result of a live tool)"
_RUN_ID = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{16}(?![0-9A-Za-z])")


def canonical_request(asked: Asked, live: Callable[[str], bool]) -> dict[str, Any]:
    """`live` says which tools are really called: what they give is not compared."""
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    messages = [_message(one, ids, names, live) for one in asked.messages]
    return {
        "messages": messages,
        "tools": _functions(asked.tools),
        "tool_choice": asked.tool_choice,
        "parallel_tool_calls": asked.parallel_tool_calls,
        "response_format": asked.response_format,
    }


def _functions(tools: Iterable[FunctionTool]) -> list[dict[str, Any]]:
    return [tool.chat_form()["function"] for tool in tools]


class _Shape(NamedTuple):
    """A message by itself: its canonical form with ids numbered from 1, those ids, and which of them are live calls.

    `live_text` is the form of a result that is not compared.
    """

    text: str
    ids: tuple[str, ...]
    live: frozenset[str]
    live_text: str


class Canon:
    """Compares requests by what makes them the same, each message looked at once."""

    def __init__(self, live: Callable[[str], bool]) -> None:
        self._live = live
        self._prefixes = Prefixes()
        self._shapes = Once(self._shape)
        self._tools = Once[str](lambda tools: key_of(_functions(tools)))

    def key(self, asked: Asked) -> Hashable:
        """The same for requests with the same canonical form."""
        node = self._prefixes.path(self.steps(asked.messages))[-1:]
        rest = key_of([asked.tool_choice, asked.parallel_tool_calls, asked.response_format])
        return (*node, self.tools(asked), rest)

    def tools(self, asked: Asked) -> str:
        return self._tools.of(asked.tools)

    def steps(self, messages: Iterable[Mapping[str, Any]]) -> Iterator[Hashable]:
        """What stands for each message: the same for the same one behind the same beginning."""
        numbers: dict[str, int] = {}
        live: set[str] = set()
        for message in messages:
            shape = self._shapes.of(message)
            if not shape.ids:
                yield shape.text
                continue
            numbered = tuple(numbers.setdefault(one, len(numbers)) for one in shape.ids)
            if message.get("role") == "tool":
                yield (shape.live_text if shape.ids[0] in live else shape.text), numbered
            else:
                live = (live - set(shape.ids)) | shape.live
                yield shape.text, numbered

    def _shape(self, message: Mapping[str, Any]) -> _Shape:
        ids: dict[str, str] = {}
        names: dict[str, str] = {}
        form = _message(message, ids, names, lambda name: False)
        live = frozenset(one for one, name in names.items() if self._live(name))
        unheard = key_of({**form, "content": LIVE}) if message.get("role") == "tool" else ""
        return _Shape(key_of(form), tuple(ids), live, unheard)


def key_of(value: Any) -> str:
    """The same text for what is the same."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def arguments_of(text: str) -> dict[str, Any] | str:
    """The arguments of a call as data; as they stand where they are no JSON object."""
    if not text.strip():
        return {}
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _message(
    message: Mapping[str, Any], ids: dict[str, str], names: dict[str, str], live: Callable[[str], bool]
) -> dict[str, Any]:
    role = message.get("role")
    found = dict(without_bytes(message))  # a file may be written out in a cassette, too
    if role == "system" and isinstance(found.get("content"), str):
        found["content"] = _RUN_ID.sub("(run id)", found["content"])
    if role == "tool":
        call_id = str(message.get("tool_call_id"))
        found["tool_call_id"] = _numbered(call_id, ids)
        if live(names.get(call_id, "")):
            found["content"] = LIVE
    if isinstance(calls := message.get("tool_calls"), list):
        found["tool_calls"] = [_call(one, ids, names) for one in calls]
    return found


def _call(call: Any, ids: dict[str, str], names: dict[str, str]) -> Any:
    if not isinstance(call, dict) or not isinstance(function := call.get("function"), dict):
        return call
    call_id = str(call.get("id"))
    names[call_id] = str(function.get("name"))
    arguments = function.get("arguments")
    shaped = {**function, "arguments": arguments_of(arguments) if isinstance(arguments, str) else arguments}
    return {**call, "id": _numbered(call_id, ids), "function": shaped}


def _numbered(call_id: str, ids: dict[str, str]) -> str:
    return ids.setdefault(call_id, f"call {len(ids) + 1}")
