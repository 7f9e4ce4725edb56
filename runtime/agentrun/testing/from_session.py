"""A recorded conversation as the text of a test file: what came of each message then is what its case expects.

Knows what a case is made of, not how it is found out (`rehearsal.py`), and writes no file.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agentrun.cassettes.cassette import Conversation, UserEntry
from agentrun.cassettes.player import INTERRUPTED
from agentrun.cassettes.yaml_text import dump
from agentrun.engine.agent import Agent
from agentrun.engine.arguments import parse_arguments
from agentrun.engine.events import ENDED_WELL
from agentrun.testing.observed import ObservedCall, ObservedStep
from agentrun.testing.reached import agents_reached
from agentrun.testing.rehearsal import Played
from agentrun.visible import one_line

_LONG = 300  # characters: what is longer is not compared as a whole
_BEGINNING = 80
_NAME, _FILE = 60, 40
_HEAD = "# A recorded conversation, and what came of it: take out what need not stay so.\n"
_SHORTENED = (
    f"# Of answers with more than {_LONG} characters only the beginning is compared, of such arguments nothing.\n"
)


class SessionCase(msgspec.Struct, frozen=True):
    """A case, and what it plays: the conversation, as far as it can be played again.

    `notes` tell what of the conversation is left out, or may surprise.
    """

    name: str
    conversation: Conversation
    played: Played
    notes: tuple[str, ...]


def session_case(conversation: Conversation, played: Played) -> SessionCase:
    texts = [one.text for one in conversation.entries if isinstance(one, UserEntry)]
    name = conversation.name or one_line(texts[0], _NAME) or "a conversation"
    notes = tuple(_notes(played, len(texts)))
    return SessionCase(name, _cut(conversation, len(played.steps)), played, notes)


def file_name(text: str) -> str:
    """What a file is called after a text: its words, with hyphens."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text.casefold()))
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:_FILE]
        if len(longer) > _FILE:
            break
        name = longer
    return name.strip("_") or "conversation"


def _notes(played: Played, messages: int) -> Iterator[str]:
    for number, step in enumerate(played.steps, 1):
        if step.error is not None and step.error.get("type") == INTERRUPTED:
            yield f"message {number} was interrupted: in the case it ends with `{step.reason}`"
        elif step.reason not in ENDED_WELL:
            yield f"message {number} ended with `{step.reason}`, and the case expects it"
    left = len(played.steps) + 1
    if left <= messages:
        which = f"message {left} is" if left == messages else f"message {left} and all after it are"
        yield f"{which} left out, since it can't be played again: {played.lacks}"


def file_text(cases: Sequence[SessionCase], cassette: str, folder: Path, schema: str | None = None) -> str:
    """A test file in the house layout, for a folder. `schema` is the comment by which editors find its schema."""
    written = [dump([_case(one, cassette, folder)]) for one in cases]
    body = "\n".join("".join(f"  {line}" if line.strip() else line for line in one.splitlines(True)) for one in written)
    head = (f"{schema}\n" if schema else "") + _HEAD + (_SHORTENED if any(map(_is_shortened, cases)) else "")
    return f"{head}{dump({'agent': cases[0].conversation.agent})}cases:\n{body}"


def _case(case: SessionCase, cassette: str, folder: Path) -> dict[str, Any]:
    played = case.played
    data: dict[str, Any] = {"name": case.name}
    if played.args:
        data["args"] = played.args
    declared = _declared(played.agent)
    expected = [_expected(step, played.agent.name, declared) for step in played.steps]
    files = [{"attach": [_beside(folder, one) for one in those]} if those else {} for those in played.files]
    if played.users is None:
        return data | files[0] | {"cassette": cassette, "expect": expected[0]}
    steps = zip(played.users, files, expected, strict=True)
    said = [{"user": text, **those, "expect": one} for text, those, one in steps]
    return data | {"conversation": said, "cassette": cassette}


def _beside(folder: Path, file: Path) -> str:
    return Path(os.path.relpath(file, folder.resolve())).as_posix()


_Declared = Mapping[tuple[str, str], frozenset[str]]  # the parameters of each tool, by agent and tool


def _expected(step: ObservedStep, agent: str, declared: _Declared) -> dict[str, Any]:
    data: dict[str, Any] = {} if (answer := _answer(step)) is None else {"answer": answer}
    calls = [_call(one, declared) for one in step.calls]
    data |= {"calls": {"exact": calls} if calls else [], "reason": step.reason}
    if step.agent != agent:
        data["agent"] = step.agent
    data["turns"] = step.turns
    return data | {"approvals": step.asked} if step.asked else data


def _answer(step: ObservedStep) -> Any:
    """The whole of a short one: what is played is the same each time. None: there is nothing to hold on to."""
    if step.output is not None and not isinstance(step.output, str):
        return {"equals": step.output} if _is_short(step.output) else None
    if len(step.text) <= _LONG:
        return step.text or None
    first = step.text.splitlines()[0]
    beginning = first if len(first) <= _BEGINNING else first[:_BEGINNING].rpartition(" ")[0] or first[:_BEGINNING]
    return {"starts_with": beginning} if beginning else None


def _declared(agent: Agent) -> _Declared:
    """Those of all tools that may be called."""
    return {
        (one.name, name): frozenset(tool.function.parameters.get("properties") or ())
        for one in agents_reached(agent)
        for name, tool in one.tools.items()
    }


def _call(call: ObservedCall, declared: _Declared) -> Any:
    """With the arguments that the model gave, of those that the tool declares, unless the call was refused for them."""
    data: dict[str, Any] = {"name": call.name}
    if call.error != "invalid_arguments":
        known = declared.get((call.agent, call.name), frozenset())
        given = _given(call)
        if arguments := {name: given[name] for name in given if name in known and _is_short(given[name])}:
            data["arguments"] = arguments
    if call.error is not None:
        data["error"] = call.error
    return data if len(data) > 1 else call.name


def _given(call: ObservedCall) -> dict[str, Any]:
    """Without the defaults that were filled in."""
    if call.arguments is None:
        return {}
    sent = parse_arguments(call.raw_arguments)
    return {name: value for name, value in call.arguments.items() if name in sent}


def _is_short(value: Any) -> bool:
    return len(json.dumps(value, ensure_ascii=False)) <= _LONG


def _is_shortened(case: SessionCase) -> bool:
    steps = case.played.steps
    values = [value for step in steps for call in step.calls for value in _given(call).values()]
    return any(len(step.text) > _LONG for step in steps) or not all(map(_is_short, values))


def _cut(conversation: Conversation, messages: int) -> Conversation:
    """What belongs to the first messages."""
    begins = [number for number, one in enumerate(conversation.entries) if isinstance(one, UserEntry)]
    end = begins[messages] if messages < len(begins) else len(conversation.entries)
    return msgspec.structs.replace(conversation, entries=conversation.entries[:end])
