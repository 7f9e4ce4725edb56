"""Sessions in aligned rows: which, when, with whom, and what about."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from agentrun.cli.columns import in_columns
from agentrun.sessions.session import Session
from agentrun.visible import in_a_line

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DATED_FROM = 30 * _DAY  # from then on a date says more


def ago(when: float, now: float) -> str:
    """How long ago that was: `2 h ago`; a date where it is long."""
    passed = now - when
    if passed < _MINUTE:
        return "just now"
    if passed < _HOUR:
        return f"{passed // _MINUTE:.0f} min ago"
    if passed < _DAY:
        return f"{passed // _HOUR:.0f} h ago"
    if passed < _DATED_FROM:
        return f"{passed // _DAY:.0f} d ago"
    return datetime.datetime.fromtimestamp(when).date().isoformat()


def listed(sessions: Sequence[Session], now: float, width: int) -> list[str]:
    """A header and a line for each."""
    return _in_columns("ID", [one.id for one in sessions], sessions, now, width)


def numbered(sessions: Sequence[Session], now: float, width: int) -> list[str]:
    """A header and a line for each, to choose from: the first is number 1."""
    return _in_columns("#", [str(number) for number in range(1, len(sessions) + 1)], sessions, now, width)


def _in_columns(heading: str, names: Sequence[str], sessions: Sequence[Session], now: float, width: int) -> list[str]:
    """`names` stand first in the lines."""
    rows = [
        [name, ago(one.changed, now), in_a_line(one.agent), str(one.turns), in_a_line(one.title)]
        for name, one in zip(names, sessions, strict=True)
    ]
    return in_columns([heading, "CHANGED", "AGENT", "TURNS", "TITLE"], rows, width)
