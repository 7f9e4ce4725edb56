"""Reads the messages of a request: texts, calls with their results, and the values that were talked about.

Pure. It knows the chat API's form of a message and is patient with odd ones; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from agentrun.engine.attached import own_text
from agentrun.engine.bm25 import terms, words
from agentrun.models.offline.fill import Known
from agentrun.models.offline.find import MAX_CHARS
from agentrun.models.offline.form import plain
from agentrun.models.offline.say import Result, error_of, parsed
from agentrun.models.offline.words import READS

Data = Mapping[str, Any]
# How far back a conversation is read, in messages, and how many rows of a result.
MAX_MEMORY = 60
MAX_ROWS = 50


def text_of(data: Data) -> str:
    """A user's own words: what stands in an attached file asks for nothing."""
    content = data.get("content")
    if data.get("role") == "user":
        return own_text(content)
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def system_text(messages: Sequence[Data]) -> str:
    return "\n".join(text_of(data) for data in messages if data.get("role") in ("system", "developer"))[:MAX_CHARS]


def calls_of(data: Data) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, name and arguments of an assistant message's calls."""
    found = []
    for call in data.get("tool_calls") or () if data.get("role") == "assistant" else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            arguments = plain(parsed(str(function.get("arguments") or "{}")))
            said = arguments if isinstance(arguments, dict) else {}
            given = {name: value for name, value in said.items() if value is not None}
            found.append((str(call.get("id")), function["name"], given))
    return found


def results_in(messages: Sequence[Data]) -> list[Result]:
    """The calls in these messages that have a result, in order."""
    contents = {str(data.get("tool_call_id")): text_of(data) for data in messages if data.get("role") == "tool"}
    return [
        Result(name, arguments, contents[call_id])
        for data in messages
        for call_id, name, arguments in calls_of(data)
        if call_id in contents
    ]


def last_called(messages: Sequence[Data]) -> str | None:
    """The tool that was called last."""
    names = (name for data in reversed(messages[-MAX_MEMORY:]) for _, name, _ in reversed(calls_of(data)))
    return next(names, None)


def known_values(messages: Sequence[Data]) -> Known:
    """Values by name, as stems, from calls and their results; for each name those of the latest round."""
    known: dict[str, tuple[Any, ...]] = {}
    recent = messages[-MAX_MEMORY:]
    starts = [at for at, data in enumerate(recent) if calls_of(data)]
    for start, end in reversed(list(pairwise([*starts, len(recent)]))):
        of_round: dict[str, dict[Any, None]] = {}
        for result in results_in(recent[start:end]):
            for name, value in _facts(result):
                of_round.setdefault(name, {})[value] = None
        for name, values in of_round.items():
            known.setdefault(name, tuple(values)[:MAX_ROWS])
    return known


def _facts(result: Result) -> list[tuple[str, Any]]:
    """Names and plain values of a call's arguments and of its result's fields. An `id` is also known as the id of
    what the tool is about."""
    data = parsed(result.content)
    if error_of(data) is not None:
        data = {}
    inner = next(iter(data.values())) if isinstance(data, Mapping) and len(data) == 1 else data
    rows = [result.arguments, *(inner if isinstance(inner, list) else [inner])[:MAX_ROWS]]
    nouns = [word for word in words(result.name) if word not in READS]
    found: list[tuple[str, Any]] = []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        has_other_id = any(key != "id" and key.lower().endswith("id") for key in row)
        for key, value in plain(row).items():
            if isinstance(value, str | int | float) and value != "":
                found.append((" ".join(terms(key)), value))
                if key == "id" and not has_other_id:
                    found += [(" ".join(terms(f"{noun} id")), value) for noun in nouns]
    return found
