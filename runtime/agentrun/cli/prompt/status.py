"""The line below the prompt: which model, how full its context is, what it cost, which session, which files wait.

Pure: values in, text out. A line that is too long for the window loses what is missed least, first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentrun.diagnostics import counted
from agentrun.markup.snippet import cells
from agentrun.visible import one_line

_GAP = " · "
_NAME_CHARS = 40
_SHORT_NAME_CHARS = 16
_MOST_NAMES = 3


class Standing(msgspec.Struct, frozen=True):
    """`window_tokens` is what the context holds at most, None where that is not known. `session` is an id, or why there
    is none. `waiting` are the names of files that go with the next message.
    """

    model: str
    context_tokens: int = 0
    window_tokens: int | None = None
    cost: str = ""
    session: str = ""
    waiting: Sequence[str] = ()


def status_line(standing: Standing, columns: int) -> str:
    """At most `columns` cells. Hostile names are made safe here."""
    parts = {
        "model": one_line(standing.model, _NAME_CHARS),
        "context": _context(standing, brief=False),
        "cost": standing.cost,
        "session": one_line(standing.session, _NAME_CHARS),
        "waiting": _waiting(standing.waiting),
    }
    shorter = (
        ("context", _context(standing, brief=True)),
        ("waiting", _count(standing.waiting)),
        ("session", ""),
        ("model", one_line(standing.model, _SHORT_NAME_CHARS)),
        ("cost", ""),
        ("waiting", ""),
        ("context", ""),
    )
    for name, text in shorter:
        if cells(_joined(parts)) <= columns:
            break
        parts[name] = text
    line = _joined(parts)
    while cells(line) > columns:
        line = line[:-2] + "…" if len(line) > 1 else ""
    return line


def _joined(parts: dict[str, str]) -> str:
    return _GAP.join(text for text in parts.values() if text)


def _context(standing: Standing, *, brief: bool) -> str:
    tokens, window = standing.context_tokens, standing.window_tokens
    if not tokens:
        return ""
    share = f"{min(100 * tokens / window, 999):.0f}%" if window else ""
    if brief:
        return share or _rounded(tokens)
    return f"{_rounded(tokens)} tokens" + (f" ({share} of {_rounded(window)})" if window else "")


def _rounded(tokens: int) -> str:
    """Three digits at most: 950, 1.2k, 34k, 1.1M."""
    if tokens < 1000:
        return str(tokens)
    if tokens < 999_500:
        return f"{tokens / 1000:.1f}k" if tokens < 9950 else f"{tokens / 1000:.0f}k"
    return f"{tokens / 1e6:.1f}".removesuffix(".0") + "M"


def _waiting(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMES:
        return _count(names)
    return "+ " + ", ".join(one_line(name, _NAME_CHARS) for name in names) if names else ""


def _count(names: Sequence[str]) -> str:
    return f"+ {counted(len(names), 'file')}" if names else ""
