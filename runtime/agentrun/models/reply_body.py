"""The bytes of a model's reply as chunks: a stream of events, one whole JSON object, or what should not be.

Pure. What a body is follows from its content type where that is decisive, else from its first byte: servers
label streams as text and whole replies as streams. Knows the frame, the same in all APIs, not what the chunks mean.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.error_body import one_line, read_error
from agentrun.models.sse import MAX_REPLY_BYTES, EventReader, ServerEvent, too_large

MAX_QUOTED_BYTES = 200

_LIKELY_TYPES = ("", "text/event-stream", "text/plain", "application/octet-stream", "text/html")


class ReplyBody:
    """Feed it decoded bytes; it gives chunks. `done` says that the service announced the end.

    `whole_key` is the field by which a whole reply is known: `choices` in the chat API.
    """

    def __init__(
        self, content_type: str, *, whole_key: str = "choices", max_reply_bytes: int = MAX_REPLY_BYTES
    ) -> None:
        self.done = False
        self._whole_key = whole_key
        self._content_type = content_type
        self._max_reply_bytes = max_reply_bytes
        self._kind: Literal["unknown", "events", "json", "page"] = "unknown"
        self._whole = bytearray()
        self._seen_events = False
        self._reader = EventReader(max_reply_bytes=max_reply_bytes)
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in _LIKELY_TYPES and "json" not in media_type:
            raise ModelError(
                f"the service answered with {one_line(media_type, 80)}, not with a model's reply",
                code="wrong_content_type",
                help="Check that `base_url` is the address of an API that `api` names.",
            )

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        if self.done:
            return []
        if self._kind == "events":
            if not self._seen_events and len(self._whole) < MAX_QUOTED_BYTES:
                self._whole += piece  # to be quoted, should no event ever come
            return self._events(piece)
        self._whole += piece
        if len(self._whole) > self._max_reply_bytes:
            raise too_large("the reply", self._max_reply_bytes)
        if self._kind == "unknown":
            self._whole = self._whole.lstrip()
            self._kind = self._recognised()
            if self._kind == "events":
                return self._events(bytes(self._whole))
        return []

    def end(self) -> list[dict[str, Any]]:
        """The bytes are all there. What a whole body holds comes out now."""
        if self._kind == "page":
            raise failures.web_page(bytes(self._whole))
        if self._kind == "events" and not self._seen_events:
            raise failures.malformed(f"no event in {_start(self._whole)}")
        if self._kind != "json":
            return []
        self.done = True
        data = _decoded(self._whole)
        if isinstance(data, list) and data:
            data = data[0]  # Google wraps an error into a list
        if isinstance(data, dict) and data.get(self._whole_key):
            return [data]
        if read_error(data).message:
            raise failures.from_event(data)
        raise failures.malformed(f"no {self._whole_key} in {_start(self._whole)}")

    def _recognised(self) -> Literal["unknown", "events", "json", "page"]:
        start = bytes(self._whole[:64]).removeprefix(b"\xef\xbb\xbf").lstrip()
        if "html" in self._content_type.lower() or start.startswith(b"<"):
            return "page"
        if len(start) < 3:  # a byte order mark may be on its way
            return "unknown"
        return "json" if start.startswith((b"{", b"[")) else "events"

    def _events(self, piece: bytes) -> list[dict[str, Any]]:
        chunks: list[dict[str, Any]] = []
        for event in self._reader.feed(piece):
            self._seen_events = True
            if event.data.strip() == b"[DONE]":
                self.done = True
                break
            if event.name == b"ping":
                continue  # Anthropic's keep-alive
            chunks.append(_chunk(event))
        return chunks


def _chunk(event: ServerEvent) -> dict[str, Any]:
    if event.name == b"error" and not event.data.lstrip().startswith(b"{"):
        raise failures.from_event(event.data.decode("utf-8", "replace"))
    data = _decoded(event.data)
    if event.name == b"error":
        raise failures.from_event(data)
    if not isinstance(data, dict):
        raise failures.malformed(f"an event that is not a JSON object: {_start(event.data)}")
    return data


def _decoded(data: bytes | bytearray) -> Any:
    try:
        return msgspec.json.decode(data)
    except UnicodeDecodeError:
        raise failures.malformed("text that is not UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise failures.malformed(f"{error} in {_start(data)}") from None


def _start(data: bytes | bytearray) -> str:
    return data[:MAX_QUOTED_BYTES].decode("utf-8", "replace")
