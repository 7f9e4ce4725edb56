"""What a journal's key says: `turn-2`, `turn-2/call-0`, or `turn-1/call-0/turn-2` of an agent behind a call. Pure.

`compaction` is a summary that somebody asked for between two runs.
"""

from __future__ import annotations

import re

from agentrun.engine.compaction import KEY

_TURN = re.compile(r"turn-(\d+)")


def run_of(key: str) -> str:
    """The call of the agent whose run it is, as `turn-1/call-0`; empty: it is the conversation's own."""
    parts = key.split("/")
    is_a_call = parts[-1].startswith("call-")  # turn-1/call-0/turn-2/call-1: a call of the run turn-1/call-0
    return "/".join(parts[:-2] if is_a_call else parts[:-1])


def is_outside(key: str) -> bool:
    """Whether it belongs to no run."""
    return key == KEY


def request_in_words(key: str) -> str:
    """Of the key of a request to the model."""
    turn = _TURN.match(key.rpartition("/")[2])
    what = f"turn {turn[1]}" if turn else "a summary"
    return f"{what} of an agent behind a tool" if run_of(key) else what
