"""What the offline model says of itself, and how it asks for what is missing.

Pure. It says openly that it is no language model, so that nobody mistakes its rules for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agentrun.engine.bm25 import words
from agentrun.engine.messages import FunctionTool
from agentrun.models.offline.slots import Slot
from agentrun.models.offline.words import GOODBYES, GREETINGS, KINDS, THANKS

MAX_LISTED = 12

WHO_I_AM = (
    "I am agentrun's offline model: no language model, only rules that match your words to tools. "
    "Set a model and a key for real answers."
)
_WHO = re.compile(
    r"\b(?:who|what) (?:are|r) (?:you|u)\b|\bare you (?:an?|real|human|chatgpt|gpt|claude)\b|\bwhat can you\b|^help\b",
    re.I,
)


def courtesy(text: str, tools: Sequence[FunctionTool]) -> str:
    """The answer to a greeting, to thanks, to a question about the model itself; empty for anything else."""
    spoken = set(words(text[:500]))
    if _WHO.search(text):
        return introduction(tools)
    if spoken & GOODBYES:
        return "Goodbye."
    if spoken & THANKS and len(spoken) <= 8:
        return "You are welcome."
    if spoken & GREETINGS and len(spoken) <= 6:
        return f"Hello. {introduction(tools)}"
    return ""


def unread(names: Sequence[str]) -> str:
    """What is said of attached files: their names show that they came."""
    return f"I can't read what is attached: {', '.join(names)}." if names else ""


def no_match(tools: Sequence[FunctionTool]) -> str:
    return f"No tool here fits that. {introduction(tools)}" if tools else introduction(tools)


def without_tools() -> str:
    return f"{WHO_I_AM} Tools are switched off for this answer."


def introduction(tools: Sequence[FunctionTool]) -> str:
    if not tools:
        return f"{WHO_I_AM} This agent has no tools, so there is nothing that I can do here."
    lines = [f"- {tool.name}: {_first_sentence(tool.description)}".rstrip(" :") for tool in tools[:MAX_LISTED]]
    rest = [f"- and {len(tools) - MAX_LISTED} more"] * (len(tools) > MAX_LISTED)
    return "\n".join([f"{WHO_I_AM} I can use:", *lines, *rest])


def question(slots: Sequence[Slot], candidates: Sequence[Any] = ()) -> str:
    """`Which order? I need the order's number, such as 1042.` `candidates` are values that were talked about."""
    noun = _noun(slots[0])
    choices = [str(value) for value in slots[0].choices or candidates][:MAX_LISTED]
    if choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
        head = f"Which {noun}: {listed}?"
    else:
        head = f"Which {noun}?"
    needs = [_description(slot) for slot in slots if not slot.choices]
    return f"{head} I need {' and '.join(needs)}." if needs else head


def _noun(slot: Slot) -> str:
    entity = [word for word in slot.words if KINDS.get(word) not in ("id", "name")]
    return " ".join(entity or slot.words) or slot.name


def _description(slot: Slot) -> str:
    """The description as a part of a sentence: `the order's number, such as 1042`."""
    described = re.split(r"[;\n]|\.(?:\s|$)|: ", slot.description.strip(), maxsplit=1)[0].strip()
    if not described or len(described) > 120:
        return f"the {' '.join(slot.words) or slot.name}"
    first, _, rest = described.partition(" ")
    if not first.isupper() or first == "A":
        first = first[0].lower() + first[1:]
    plain = f"{first} {rest}".strip()
    return (
        plain
        if first in ("the", "a", "an", "what", "who", "how", "which", "one", "where", "when", "why")
        else f"the {plain}"
    )


def _first_sentence(description: str) -> str:
    sentence = re.split(r"(?<=[.!?])\s", " ".join(description[:400].split()), maxsplit=1)[0]
    return sentence if len(sentence) <= 120 else sentence[:120].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
