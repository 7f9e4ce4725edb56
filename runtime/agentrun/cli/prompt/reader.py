"""Where messages come from: a person at a terminal (`terminal.py`, `plain.py`), or a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from agentrun.cli.turns import TWICE_WITHIN_S

_CHUNK_BYTES = 65_536


class Interrupted(Exception):
    """The person ends it all: by Ctrl-C twice at an empty prompt, or by giving no answer that is needed."""


class LineReader(Protocol):
    """Used as a context: as long as it lasts, what is typed between two questions is not shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        """The next message, to `speaker` where that is worth saying; None where the input ended.

        `draft` stands at the prompt already, to be edited.
        """

    async def answer(self, prompt: str) -> str | None:
        """The answer to a question; None where the input ended."""

    async def fresh_answer(self, prompt: str) -> str | None:
        """The same, but what was typed before the question stood there doesn't count."""


class Twice:
    """Ctrl-C at an empty prompt: the second one in a row leaves."""

    def __init__(self) -> None:
        self._last = -TWICE_WITHIN_S

    def again(self) -> bool:
        now = time.monotonic()
        before, self._last = self._last, now
        return now - before < TWICE_WITHIN_S


class PipeReader:
    """One message a line. Windows line ends and a last line without one are known."""

    def __init__(self, file: int = 0) -> None:
        self._file = file
        self._read = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to put right."""

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        looked_at = 0
        while (end := self._read.find(b"\n", looked_at)) < 0 and not self._ended:
            looked_at = len(self._read)
            piece = await _outside(partial(os.read, self._file, _CHUNK_BYTES))
            self._read += piece
            self._ended = not piece
        if not self._read:
            return None
        line = bytes(self._read[: end + 1] if end >= 0 else self._read)
        del self._read[: len(line)]
        return line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")

    async def answer(self, prompt: str) -> str | None:
        return None

    async def fresh_answer(self, prompt: str) -> str | None:
        return None


async def _outside(read: Callable[[], bytes]) -> bytes:
    """Waits in a thread that the end of the program does not wait for: a pipe may stay open and silent for ever."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def tell(piece: bytes) -> None:
        if not answer.done():
            answer.set_result(piece)

    def wait() -> None:
        try:
            piece = read()
        except OSError:  # it is no stream that can be read, or is one no longer
            piece = b""
        with contextlib.suppress(RuntimeError):  # the conversation is over
            loop.call_soon_threadsafe(tell, piece)

    threading.Thread(target=wait, daemon=True).start()
    return await answer
