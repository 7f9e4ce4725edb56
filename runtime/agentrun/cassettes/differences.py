"""The first place where two canonical forms differ, and the words for it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agentrun.cassettes.canonical import key_of
from agentrun.visible import one_line, visible

_BEFORE, _SHOWN = 12, 60  # characters of a text that are shown: before the difference, and in all


class Difference(NamedTuple):
    """The first place where two values differ. Either may be absent: `ABSENT`."""

    route: tuple[str | int, ...]
    recorded: Any
    now: Any


ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "nothing"})()


def first_difference(recorded: Any, now: Any, route: tuple[str | int, ...] = ()) -> Difference | None:
    """In the order of what was recorded, and depth first."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for key in (*recorded, *(one for one in now if one not in recorded)):
            found = first_difference(recorded.get(key, ABSENT), now.get(key, ABSENT), (*route, key))
            if found is not None:
                return found
        return None
    if isinstance(recorded, list) and isinstance(now, list):
        for index in range(max(len(recorded), len(now))):
            before, after = (one[index] if index < len(one) else ABSENT for one in (recorded, now))
            found = first_difference(before, after, (*route, index))
            if found is not None:
                return found
        return None
    if recorded is ABSENT or now is ABSENT:
        return None if recorded is now else Difference(route, recorded, now)
    return None if key_of(recorded) == key_of(now) else Difference(route, recorded, now)


def in_words(difference: Difference, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``messages[0].content (system) differs at character 120: recorded "…", now "…"``."""
    place = visible(_place(difference.route)) + _role(difference.route, recorded, now)
    if difference.recorded is ABSENT:
        return f"{place} was not recorded: now {_short(difference.now)}"
    if difference.now is ABSENT:
        return f"{place} is missing: recorded {_short(difference.recorded)}"
    if isinstance(difference.recorded, str) and isinstance(difference.now, str):
        at = _apart(difference.recorded, difference.now)
        shown = (_excerpt(difference.recorded, at), _excerpt(difference.now, at))
        if shown[0] == shown[1]:
            shown = (_excerpt(difference.recorded, at, blanks=True), _excerpt(difference.now, at, blanks=True))
        where = f" at character {at + 1}" if at else ""
        return f"{place} differs{where}: recorded {shown[0]}, now {shown[1]}"
    return f"{place} differs: recorded {_short(difference.recorded)}, now {_short(difference.now)}"


def _place(route: Iterable[str | int]) -> str:
    text = ""
    for step in route:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text.replace(".function.", ".")


def _role(route: tuple[str | int, ...], recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Whose message it is."""
    if len(route) < 2 or route[0] != "messages" or not isinstance(route[1], int):
        return ""
    for side in (now, recorded):
        if len(side["messages"]) > route[1] and (said := side["messages"][route[1]].get("role")):
            return f" ({one_line(str(said), _SHOWN)})"
    return ""


def _apart(one: str, other: str) -> int:
    """How many characters are the same at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _excerpt(text: str, at: int, *, blanks: bool = False) -> str:
    """`blanks` shows each of them, for texts that differ in nothing else."""
    start = max(0, at - _BEFORE) if len(text) > _SHOWN else 0
    piece = text[start : start + _SHOWN]
    shown = visible(json.dumps(piece, ensure_ascii=False)[1:-1]) if blanks else one_line(piece, _SHOWN)
    return f'"{"…" if start else ""}{shown}{"…" if len(text) > start + _SHOWN else ""}"'


def _short(value: Any) -> str:
    if isinstance(value, str):
        return _excerpt(value, 0)
    return one_line(json.dumps(value, ensure_ascii=False), _SHOWN)
