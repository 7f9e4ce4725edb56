"""Events as JSON lines, one object a line, flushed one by one: a reader follows a run while it goes on."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from agentrun.engine.events import Event

_encoder = msgspec.json.Encoder()


class JsonLines:
    """Writes each event to a binary stream."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        self._out.write(encode(event) + b"\n")
        self._out.flush()


def encode(event: Event) -> bytes:
    """One event as a JSON object."""
    return _encoder.encode(event)
