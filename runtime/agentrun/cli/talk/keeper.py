"""Where a conversation is kept while it goes on, so that it can be taken up again."""

from __future__ import annotations

from agentrun.engine.events import Event


class Keeper:
    """Keeps nothing. `session` is the id that templates see as `run.session`."""

    def __init__(self) -> None:
        self.session = ""

    def __call__(self, event: Event) -> None:
        """An event of the conversation."""

    def begin_anew(self) -> None:
        """The next message begins another session."""

    def close(self) -> None:
        """The conversation ends."""
