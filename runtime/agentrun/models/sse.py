"""Server-sent events from bytes: where a line and an event end, and how large they may be.

Pure and incremental: the same events come out however the bytes are cut. Knows nothing of JSON, of chat
or of networks. An event whose blank line never came is not an event.
"""

from __future__ import annotations

from typing import NamedTuple

from agentrun.errors import ModelError

MAX_LINE_BYTES = 10 * 1024 * 1024
MAX_REPLY_BYTES = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    """`name` is empty unless the event has an `event:` line; `data` is never empty."""

    name: bytes
    data: bytes


class EventReader:
    """Feed it bytes as they arrive. Comments, keep-alives and events without data yield nothing."""

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._max_reply_bytes = max_reply_bytes
        self._bytes_left = max_reply_bytes
        self._line = bytearray()
        self._at_start = True
        self._after_cr = False
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[ServerEvent]:
        if not piece:
            return []
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise too_large("the reply", self._max_reply_bytes)
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a CRLF that was cut
            self._after_cr = False
        events = []
        for line in piece.splitlines(keepends=True):
            text = line.rstrip(b"\r\n")
            if len(self._line) + len(text) > self._max_line_bytes:
                raise too_large("a line of the reply", self._max_line_bytes)
            if len(text) == len(line):  # its end is still to come
                self._line += text
                continue
            if self._line:
                text = bytes(self._line + text)
                self._line.clear()
            if event := self._take(text):
                events.append(event)
        if piece:
            self._after_cr = piece.endswith(b"\r")
        return events

    def _take(self, line: bytes) -> ServerEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            event = ServerEvent(self._name, b"\n".join(self._data))
            self._name = b""
            self._data = []
            return event if event.data.strip() else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None


def too_large(what: str, max_bytes: int) -> ModelError:
    return ModelError(
        f"{what} is larger than {max_bytes // (1024 * 1024) or 1} MiB",
        code="reply_too_large",
        help="The service sent more than a model's reply can be: check that `base_url` is right.",
    )
