"""What is known of a session without reading what was said in it. Values only."""

from __future__ import annotations

import os
from typing import Any

import msgspec

_ID_BYTES = 5
_TITLE_CHARS = 200


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation that is kept.

    `agent` is the agent that began it, by the file `path`, in the project `root`, both absolute; `speaker` the one that
    has the conversation now. `model` is what is asked instead of the agent's own. Times are Unix seconds. `turns` are
    user messages. `cost_usd` is None without a known price. `forked_from` is the id of the session it is a copy of.
    """

    id: str
    agent: str
    path: str
    root: str
    speaker: str
    model: str | None = None
    arguments: dict[str, Any] = {}
    title: str = ""
    created: float = 0.0
    changed: float = 0.0
    turns: int = 0
    total_tokens: int = 0
    cost_usd: float | None = None
    forked_from: str | None = None


def title_of(text: str) -> str:
    """What a person gave a session for a title, on one line and no longer than a list can show."""
    line = " ".join(text[: _TITLE_CHARS * 4].split())
    return line if len(line) <= _TITLE_CHARS else f"{line[: _TITLE_CHARS - 1]}…"


def new_id() -> str:
    return os.urandom(_ID_BYTES).hex()  # `secrets` would load more than a lookup takes


class Found(msgspec.Struct, frozen=True):
    """A session in which a search found something. `snippet` is a piece of the text; `marks` where the words stand."""

    session: Session
    snippet: str
    marks: tuple[tuple[int, int], ...] = ()
