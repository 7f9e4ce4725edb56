"""Undoes gzip and deflate piece by piece, never making more bytes than asked for.

Twenty kilobytes of gzip can stand for twenty megabytes: stock decoders make them all before anyone can count.
"""

from __future__ import annotations

import zlib

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_START = b"\x1f"


class CorruptBody(Exception):
    """Compressed data that is damaged or cut."""


class Inflater:
    """For one body. `feed` takes what came, `finish` says that nothing follows."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._started = False

    @classmethod
    def of(cls, encoding: str) -> Inflater | None:
        """None where there is nothing to undo, or nothing we can."""
        return cls() if encoding in ("gzip", "x-gzip", "deflate") else None

    def feed(self, data: bytes, max_bytes: int) -> bytes:
        """At most `max_bytes`; what goes beyond is lost, so a full measure means: stop. Raises `CorruptBody`."""
        out = bytearray()
        while data and len(out) < max_bytes:
            if self._zlib.eof:
                if not data.startswith(_GZIP_START):
                    break  # padding
                self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)  # a further member
            out += self._some(data, max_bytes - len(out))
            data = self._zlib.unused_data or self._zlib.unconsumed_tail
        return bytes(out)

    def finish(self) -> None:
        if self._started and not self._zlib.eof:
            raise CorruptBody("its compressed body ends too early")

    def _some(self, data: bytes, max_bytes: int) -> bytes:
        first, self._started = not self._started, True
        try:
            return self._zlib.decompress(data, max_bytes)
        except zlib.error:
            if not first:
                raise CorruptBody("its compressed body is damaged") from None
        try:
            self._zlib = zlib.decompressobj(_RAW)  # some servers mean this by `deflate`
            return self._zlib.decompress(data, max_bytes)
        except zlib.error:
            raise CorruptBody("its compressed body is damaged") from None
