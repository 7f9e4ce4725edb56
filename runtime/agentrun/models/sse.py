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
        if self._after_cr:
            piece = piece.removeprefix(b"\n")  # the second half of a CRLF that was cut
        self._after_cr = piece.endswith(b"\r")
        lines = piece.splitlines()
        rest = b"" if piece.endswith((b"\n", b"\r")) or not lines else lines.pop()  # its end is still to come
        if lines:
            lines[0] = bytes(self._line + lines[0])
            self._line = bytearray(rest)
        else:
            self._line += rest
        if max(map(len, (self._line, *lines))) > self._max_line_bytes:
            raise too_large("a line of the reply", self._max_line_bytes)
        if self._at_start and lines:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[ServerEvent]:
        events = []
        for line in lines:
            if not line:
                data = b"\n".join(self._data)
                if data.strip():
                    events.append(ServerEvent(self._name, data))
                self._name = b""
                self._data.clear()
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif field == b"event":
                self._name = value.removeprefix(b" ")
        return events


def too_large(what: str, max_bytes: int) -> ModelError:
    return ModelError(
        f"{what} is larger than {max_bytes // (1024 * 1024) or 1} MiB",
        code="reply_too_large",
        help="The service sent more than a model's reply can be: check that `base_url` is right.",
    )
