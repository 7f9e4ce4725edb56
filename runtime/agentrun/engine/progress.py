"""A model's progress with secrets hidden, and as events.

A secret may come in pieces, so each stream (the text, the reasoning, the arguments of each call) holds back an end
that may begin one. Knows nothing of turns: whoever asked says when a reply is whole.
"""

from __future__ import annotations

from collections.abc import Callable

from agentrun.engine import events
from agentrun.engine.agent import Mask, StreamMask
from agentrun.engine.output import as_text, brief
from agentrun.engine.ports import (
    CallProgress,
    FallbackProgress,
    Progress,
    ReasoningProgress,
    RetryProgress,
    Tell,
    TextProgress,
)


class MaskedProgress:
    """Call it with each progress: `tell` hears it without secrets. `end` tells what was held back."""

    def __init__(self, mask: Mask, tell: Tell) -> None:
        self._mask = mask
        self._tell = tell
        self._streams: dict[str | int, tuple[StreamMask, _Piece]] = {}

    def __call__(self, progress: Progress) -> None:
        match progress:
            case TextProgress(text):
                self._feed("text", text, progress)
            case ReasoningProgress(text):
                self._feed("reasoning", text, progress)
            case CallProgress(index, name, arguments):
                self._feed(index, arguments, CallProgress(index, self._mask.text(name), arguments))
            case RetryProgress(attempt, cause, delay_s):
                self._streams.clear()
                self._tell(RetryProgress(attempt, self._mask.text(cause), delay_s))
            case FallbackProgress(model, cause):
                self._streams.clear()
                self._tell(FallbackProgress(self._mask.text(model), self._mask.text(cause)))

    def end(self) -> None:
        """The reply is whole: nothing that was held back became a secret."""
        for mask, last in self._streams.values():
            if rest := mask.flush():
                self._tell(_with_text(last, as_text(rest)))
        self._streams.clear()

    def _feed(self, key: str | int, text: str, piece: _Piece) -> None:
        known = self._streams.get(key)
        mask = self._mask.stream() if known is None else known[0]
        self._streams[key] = mask, piece
        shown = as_text(mask.feed(text))
        if shown or not text:  # the first piece of a call may be its name alone
            self._tell(_with_text(piece, shown))


_Piece = TextProgress | ReasoningProgress | CallProgress


def _with_text(piece: _Piece, text: str) -> Progress:
    match piece:
        case TextProgress():
            return TextProgress(text)
        case ReasoningProgress():
            return ReasoningProgress(text)
        case CallProgress(index, name):
            return CallProgress(index, name, text)


def progress_event(progress: Progress, emit: Callable[..., None]) -> None:
    """Emits what was told without secrets. `emit` takes an event's class and its fields."""
    match progress:
        case TextProgress(text):
            emit(events.TextDelta, text=text)
        case ReasoningProgress(text):
            emit(events.ReasoningDelta, text=text)
        case CallProgress(index, name, arguments):
            emit(events.ToolCallDelta, index=index, name=name, arguments=arguments)
        case RetryProgress(attempt, cause, delay_s):
            emit(events.Retried, attempt=attempt, cause=brief(cause), delay_s=delay_s)
        case FallbackProgress(model, cause):
            emit(events.Fallback, model=model, cause=brief(cause))
