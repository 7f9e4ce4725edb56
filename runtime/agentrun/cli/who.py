"""Who it is that wants something of a person, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agentrun.visible import one_line

_NAME_CHARS = 64


def who_asks(agent: str, callers: Sequence[str]) -> str:
    """`researcher (for support)`: the agent that asks, and those above it, the nearest first.

    One without a name is the person's own call, which needs no telling.
    """
    above = ", ".join(f"for {one_line(name, _NAME_CHARS)}" for name in reversed(callers) if name)
    return f"{one_line(agent, _NAME_CHARS)} ({above})" if above else one_line(agent, _NAME_CHARS)
