"""A program that goes on while it is talked to: its pipes, its end, and its last words.

The call supervisor of `process.py` starts it and ends all that came of it, also when agentrun is gone. It knows nothing
of the protocol. All waiting is by callbacks of the event loop, not by tasks: when a loop ends it cancels every task,
and the end of a program still has to be seen to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

from agentrun.errors import ToolFailure
from agentrun.tools import supervisor
from agentrun.tools.mcp.cutting import ending_of
from agentrun.tools.process import End, end_of, open_call, request_of

# A program that is no longer needed has this long to end by itself once its stdin is closed.
LEAVE_S = 2.0
# A supervisor is done after its `GRACE_S`, unless a process can't be killed: then it goes on alone.
_END_S = supervisor.GRACE_S + 2.0
_CHUNK_BYTES = 65_536
_LAST_WORDS_BYTES = 4096


class Child:
    """Made by `start`, ended by `close`, which must be called."""

    def __init__(
        self, program: str, cwd: Path, ours: ExitStack, control: socket.socket, stdin: FileIO, stdout: FileIO
    ) -> None:
        self._program = program
        self._cwd = cwd
        self._ours = ours
        self._control = control
        self._stdin = stdin
        self._stdout = stdout
        self._loop = asyncio.get_running_loop()
        self._reply = b""
        self._last_words = bytearray()
        self._has_said_more = False
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def start(cls, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Child:
        """`argv[0]` is looked up in the PATH of `env`. That it can't start is told by `end`. Raises `ToolFailure`."""
        with ExitStack() as ours:
            try:
                control, stdin, stdout, stderr = open_call(ours, with_stdin=True)
            except OSError as error:
                raise ToolFailure("internal", f"no command could be started: {error.strerror or error}") from error
            if stdin is None:
                raise AssertionError("a pipe was asked for")
            child = cls(argv[0], cwd, ours, control, stdin, stdout)
            for pipe in (stdin, stdout, stderr):
                os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # ended from outside: `end` tells it
                await child._loop.sock_sendall(control, request_of(argv, cwd, env))
            child._watch(control.fileno(), child._read_reply)
            child._watch(stderr.fileno(), lambda: child._read_words(stderr))
            child._ours = ours.pop_all()
        return child

    async def read(self) -> bytes:
        """What comes on stdout next; nothing at its end. Not by two at once."""
        while (data := self._stdout.read(_CHUNK_BYTES)) is None:
            await self._until(self._loop.add_reader, self._loop.remove_reader, self._stdout)
        return data

    async def write(self, data: bytes) -> None:
        """Not by two at once. Raises `BrokenPipeError` where nobody reads any more, and `ValueError` once closed."""
        left = memoryview(data)
        while left:
            written = self._stdin.write(left[:_CHUNK_BYTES])
            if written is None:
                await self._until(self._loop.add_writer, self._loop.remove_writer, self._stdin)
            left = left[written or 0 :]

    @property
    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        text = self._last_words.decode("utf-8", "replace")
        return ending_of(text, _LAST_WORDS_BYTES, whole=not self._has_said_more).strip()

    def end(self) -> End | None:
        """How it ended; None while it runs. Raises `ToolFailure` where it never began."""
        return end_of(self._reply, self._program, self._cwd) if self.ended.done() else None

    async def close(self) -> None:
        """End it: its stdin is closed, then it has `LEAVE_S`, then SIGTERM and `GRACE_S`, then SIGKILL."""
        try:
            if not self._stdin.closed:
                self._loop.remove_writer(self._stdin.fileno())
                self._stdin.close()
            if not self.ended.done():
                self._watch(self._stdout.fileno(), self._drain)
                await asyncio.wait({self.ended}, timeout=LEAVE_S)
            if not self.ended.done():
                self._control.shutdown(socket.SHUT_WR)
                await asyncio.wait({self.ended}, timeout=_END_S)
        finally:
            self._ours.close()  # where it still runs its supervisor sees that, and ends it alone

    async def _until(self, watch: Callable[..., None], unwatch: Callable[[int], object], file: FileIO) -> None:
        """Until a file is ready."""
        ready = self._loop.create_future()
        watch(file.fileno(), _settle, ready)
        try:
            await ready
        finally:
            if not file.closed:
                unwatch(file.fileno())

    def _watch(self, fd: int, read: Callable[[], None]) -> None:
        self._loop.add_reader(fd, read)
        self._ours.callback(self._loop.remove_reader, fd)

    def _read_reply(self) -> None:
        try:
            piece = self._control.recv(4096)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            piece = b""
        self._reply += piece
        if not piece:
            self._loop.remove_reader(self._control.fileno())
            _settle(self.ended)

    def _read_words(self, stderr: FileIO) -> None:
        data = stderr.read(_CHUNK_BYTES)
        if data is None:
            return
        if not data:
            self._loop.remove_reader(stderr.fileno())
        self._last_words += data
        self._has_said_more = self._has_said_more or len(self._last_words) > _LAST_WORDS_BYTES
        del self._last_words[:-_LAST_WORDS_BYTES]

    def _drain(self) -> None:
        """Nobody reads any more: it must not wait for that when it is to end."""
        if self._stdout.read(_CHUNK_BYTES) == b"":
            self._loop.remove_reader(self._stdout.fileno())


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
