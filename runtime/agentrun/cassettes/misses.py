"""What is said of a request, or a call, that a cassette doesn't have: which one, and where it first differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentrun.cassettes.canonical import first_difference, in_words, key_of
from agentrun.cassettes.cassette import ToolEntry


def request_missed(key: str, now: Mapping[str, Any], recorded: Mapping[str, Any] | None, played: int) -> str:
    """`recorded` is the request that is nearest to it; None: all that were recorded are played."""
    which = f"the request of {turn_in_words(key)} is not in the cassette"
    if recorded is None:
        return f"{which}: all {played} that were recorded are played" if played else f"{which}: none was recorded"
    difference = first_difference(recorded, now)
    return which if difference is None else f"{which}: {in_words(difference, recorded, now)}"


def call_missed(name: str, arguments: dict[str, Any] | str, recorded: ToolEntry | None) -> str:
    """`recorded` is the next call of this tool; None: there is none left."""
    if recorded is None:
        return f"`{name}` is called once more than in the cassette"
    before, now = {"arguments": recorded.arguments}, {"arguments": arguments}
    difference = first_difference(before, now)
    which = f"this call of `{name}` is not in the cassette"
    return which if difference is None else f"{which}: {in_words(difference, before, now)}"


def nearest(requests: Mapping[int, dict[str, Any]], now: Mapping[str, Any]) -> int | None:
    """The request, by its number, that begins most like this one; the first of several."""
    wanted = [key_of(one) for one in now["messages"]]

    def alike(number: int) -> int:
        pairs = zip(requests[number]["messages"], wanted, strict=False)
        return next((count for count, (one, other) in enumerate(pairs) if key_of(one) != other), len(wanted))

    return max(requests, key=lambda number: (alike(number), -number), default=None)


_TURN = re.compile(r"turn-(\d+)")


def turn_in_words(key: str) -> str:
    """Of a journal's key: `turn-2`, or `turn-1/call-0/turn-2` of an agent behind a call."""
    *above, last = key.split("/")
    turn = _TURN.match(last)
    what = f"turn {turn[1]}" if turn else "a summary"
    return f"{what} of an agent behind a tool" if above else what
