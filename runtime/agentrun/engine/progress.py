"""A model's progress with secrets hidden, and as events.

A secret may come in pieces, so each stream (the text, the reasoning, the arguments of each call) holds back an end
that may begin one. Knows nothing of turns: whoever asked says when a reply is whole. It runs for every piece of a
reply: tests of classes take half the time of `match`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

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
        self._streams: dict[str | int, _Stream] = {}

    def __call__(self, progress: Progress) -> None:
        if isinstance(progress, TextProgress):
            self._feed("text", progress, progress.text)
        elif isinstance(progress, ReasoningProgress):
            self._feed("reasoning", progress, progress.text)
        elif isinstance(progress, CallProgress):
            named = CallProgress(progress.index, self._mask.text(progress.name), progress.arguments)
            self._feed(progress.index, named, progress.arguments)
        elif isinstance(progress, RetryProgress):
            self._streams.clear()
            self._tell(RetryProgress(progress.attempt, self._mask.text(progress.cause), progress.delay_s))
        else:
            self._streams.clear()
            self._tell(FallbackProgress(self._mask.text(progress.model), self._mask.text(progress.cause)))

    def end(self) -> None:
        """The reply is whole: nothing that was held back became a secret."""
        for stream in self._streams.values():
            if rest := stream.mask.flush():
                self._tell(_with_text(stream.last, as_text(rest)))
        self._streams.clear()

    def _feed(self, key: str | int, piece: _Piece, text: str) -> None:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(self._mask.stream(), piece)
        stream.last = piece
        shown = as_text(stream.mask.feed(text))
        if shown == text:  # also where there is none: the first piece of a call may be its name alone
            self._tell(piece)
        elif shown:
            self._tell(_with_text(piece, shown))


_Piece = TextProgress | ReasoningProgress | CallProgress


class _Stream(msgspec.Struct):
    mask: StreamMask
    last: _Piece


def _with_text(piece: _Piece, text: str) -> Progress:
    if isinstance(piece, CallProgress):
        return CallProgress(piece.index, piece.name, text)
    return type(piece)(text)


def progress_event(progress: Progress, emit: Callable[..., None]) -> None:
    """Emits what was told without secrets. `emit` takes an event's class and its fields."""
    if isinstance(progress, TextProgress):
        emit(events.TextDelta, text=progress.text)
    elif isinstance(progress, ReasoningProgress):
        emit(events.ReasoningDelta, text=progress.text)
    elif isinstance(progress, CallProgress):
        emit(events.ToolCallDelta, index=progress.index, name=progress.name, arguments=progress.arguments)
    elif isinstance(progress, RetryProgress):
        emit(events.Retried, attempt=progress.attempt, cause=brief(progress.cause), delay_s=progress.delay_s)
    else:
        emit(events.Fallback, model=progress.model, cause=brief(progress.cause))
