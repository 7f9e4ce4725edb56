"""How long a run may take: the time of the agent that it began with, and within it that of one that took over."""

from __future__ import annotations

import asyncio


class Deadline:
    """`timeout` ends what stands in its `async with`, with a `TimeoutError`. `explained` says whose time is over."""

    def __init__(self, seconds: float) -> None:
        self.timeout = asyncio.timeout(seconds)
        self._latest = self.timeout.when() or 0.0
        self._of_the_run = self.explained = f"the run took longer than {seconds:g} s"

    def for_agent(self, name: str, seconds: float) -> None:
        """An agent takes over: its own time begins."""
        if self.timeout.expired():
            return
        own = asyncio.get_running_loop().time() + seconds
        self.timeout.reschedule(min(own, self._latest))
        is_shorter = own < self._latest
        self.explained = f"the agent `{name}` took longer than {seconds:g} s" if is_shorter else self._of_the_run
