"""What is said of a request, or a call, that a cassette doesn't have: which one, and where it first differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from agentrun.cassettes.canonical import Canon
from agentrun.cassettes.cassette import Asked, ToolEntry
from agentrun.cassettes.differences import Difference, first_difference, in_words
from agentrun.cassettes.keys import request_in_words
from agentrun.engine.attached import attachments_in, described
from agentrun.visible import in_a_line


def request_missed(key: str, now: Mapping[str, Any], recorded: Mapping[str, Any] | None, played: int) -> str:
    """`recorded` is the request that is nearest to it; None: all that were recorded are played."""
    which = f"the request of {request_in_words(key)} is not in the cassette"
    if recorded is None:
        return f"{which}: all {played} that were recorded are played" if played else f"{which}: none was recorded"
    before, after = _with_named_tools(recorded), _with_named_tools(now)
    difference = first_difference(before, after)
    if difference is None:
        return f"{which}: the tools stand in another order"
    return f"{which}: {_files_differ(difference, before, after) or in_words(difference, before, after)}"


def _files_differ(difference: Difference, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Where two messages differ in what is attached to them: which file it is. The bytes would tell nobody."""
    match difference.route:
        case ["messages", int(index), "content", *_]:
            before, after = (attachments_in(one["messages"][index].get("content")) for one in (recorded, now))
        case _:
            return None
    for old, new in zip_longest(before, after):
        if old is None:
            return in_a_line(f"`{new.name}` is attached, and was not when it was recorded")
        if new is None:
            return in_a_line(f"`{old.name}` is not attached, and was when it was recorded")
        if old.parts != new.parts:
            which = "the attached file has another content" if old.name == new.name else "another file is attached"
            return in_a_line(f"{which}: recorded {described(old)}, now {described(new)}")
    return None


def _with_named_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """Each tool under its name: one that is new is told as such, and not as a change of all that stand behind it."""
    return {**request, "tools": {tool["name"]: tool for tool in request["tools"]}}


def call_missed(name: str, arguments: dict[str, Any] | str, recorded: ToolEntry | None) -> str:
    """`recorded` is the next call of this tool; None: there is none left."""
    if recorded is None:
        return f"`{name}` is called once more than in the cassette"
    before, now = {"arguments": recorded.arguments}, {"arguments": arguments}
    difference = first_difference(before, now)
    which = f"this call of `{name}` is not in the cassette"
    return which if difference is None else f"{which}: {in_words(difference, before, now)}"


def nearest(requests: Mapping[int, Asked], now: Asked, canon: Canon) -> int | None:
    """The request, by its number, that is most like this one: that begins so, has its tools, and says the same."""
    wanted = list(canon.steps(now.messages))

    def alike(number: int) -> tuple[int, bool, int, int]:
        asked = requests[number]
        same = [one == other for one, other in zip(canon.steps(asked.messages), wanted, strict=False)]
        beginning = same.index(False) if False in same else len(same)
        return beginning, canon.tools(asked) == canon.tools(now), sum(same), -number

    return max(requests, key=alike, default=None)
