"""A model's progress as events, with secrets hidden.

A secret may come in pieces, so each stream (the text, the reasoning, the arguments of each call) holds back an end
that may begin one. Knows nothing of turns: the loop says when a reply is whole.
"""

from __future__ import annotations

from collections.abc import Callable

from agentrun.engine import events
from agentrun.engine.agent import Mask, StreamMask
from agentrun.engine.output import brief
from agentrun.engine.ports import (
    CallProgress,
    FallbackProgress,
    Progress,
    ReasoningProgress,
    RetryProgress,
    TextProgress,
)


class ProgressEvents:
    """Call it with each progress; `end` tells what was held back. `emit` takes an event's class and its fields."""

    def __init__(self, mask: Mask, emit: Callable[..., None]) -> None:
        self._mask = mask
        self._emit = emit
        self._streams: dict[str | int, tuple[StreamMask, Callable[[str], None]]] = {}

    def __call__(self, progress: Progress) -> None:
        match progress:
            case TextProgress(text):
                self._feed("text", text, lambda shown: self._emit(events.TextDelta, text=shown))
            case ReasoningProgress(text):
                self._feed("reasoning", text, lambda shown: self._emit(events.ReasoningDelta, text=shown))
            case CallProgress(index, name, arguments):
                delta, name = events.ToolCallDelta, self._mask.text(name)
                self._feed(index, arguments, lambda shown: self._emit(delta, index=index, name=name, arguments=shown))
            case RetryProgress(attempt, cause, delay_s):
                self._streams.clear()
                self._emit(events.Retried, attempt=attempt, cause=brief(self._mask.text(cause)), delay_s=delay_s)
            case FallbackProgress(model, cause):
                self._streams.clear()
                self._emit(events.Fallback, model=model, cause=brief(self._mask.text(cause)))

    def end(self) -> None:
        """The reply is whole: nothing that was held back became a secret."""
        for mask, tell in self._streams.values():
            if rest := mask.flush():
                tell(rest)
        self._streams.clear()

    def _feed(self, key: str | int, text: str, tell: Callable[[str], None]) -> None:
        mask, _ = self._streams.setdefault(key, (self._mask.stream(), tell))
        shown = mask.feed(text)
        if shown or not text:  # the first piece of a call may be its name alone
            tell(shown)
