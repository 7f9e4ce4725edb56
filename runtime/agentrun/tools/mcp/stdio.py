"""A server that is a program: its lines of JSON, as the SDK's streams.

What it writes to stdout and is no message is junk: ignored, and told where the server doesn't start. Imports the SDK,
so it is itself imported where a server is needed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from agentrun.errors import ToolFailure
from agentrun.tools.mcp.child import Child
from agentrun.tools.mcp.cutting import beginning_of
from agentrun.tools.mcp.launch import StdioLaunch
from agentrun.tools.mcp.route import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_JUNK_CHARS = 200


class StdioRoute:
    """A `Route` over a program."""

    def __init__(self, launch: StdioLaunch) -> None:
        self._launch = launch
        self.over = asyncio.Event()
        self._child: Child | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._junk_lines = 0
        self._first_junk = ""
        self._too_long = False
        self._gone = False  # it left before anybody asked it to

    async def __aenter__(self) -> TransportStreams:
        self._child = child = await Child.start(
            self._launch.argv, cwd=Path(self._launch.cwd), env=dict(self._launch.env)
        )
        to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        self._tasks = [
            asyncio.create_task(self._read(child, to_session)),
            asyncio.create_task(self._write(child, from_session)),
        ]
        return incoming, outgoing

    async def __aexit__(self, *exc_info: object) -> None:
        if self._child is None:
            return
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:
            await self._child.close()
        for task in self._tasks:
            if not task.cancelled():
                task.result()

    def departure(self) -> ToolFailure | None:
        if self._child is None or not self._gone:
            return None
        if self._too_long:
            return ToolFailure("connection", f"sent a line of more than {MAX_MESSAGE_BYTES // 1024**2} MiB")
        end = self._child.end()
        details: dict[str, Any] = {}
        if end is None:
            what = "closed its stdout"
        elif end.signal is not None:
            what, details = f"was ended by {end.signal}", {"signal": end.signal}
        else:
            what, details = f"ended with exit code {end.exit_code}", {"exit_code": end.exit_code}
        if self._child.last_words:
            details["stderr"] = self._child.last_words
        return ToolFailure("connection", what, **details)

    def told(self, data: Any) -> ToolFailure | None:
        return None

    @property
    def clues(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._child is not None and self._child.last_words:
            found["stderr"] = self._child.last_words
        if self._junk_lines:
            found["stdout"] = self._first_junk
            found["lines_that_are_no_messages"] = self._junk_lines
        return found

    async def _read(self, child: Child, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        buffer = bytearray()
        try:
            while data := await child.read():
                searched = len(buffer)
                buffer += data
                while (end := buffer.find(b"\n", searched)) >= 0:
                    await self._take(bytes(buffer[:end]), to_session)
                    del buffer[: end + 1]
                    searched = 0
                if len(buffer) > MAX_MESSAGE_BYTES:
                    self._too_long = True
                    break
            self._gone = not self.over.is_set()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):  # the session reads no more
            pass
        finally:
            self.over.set()
            to_session.close()

    async def _take(self, line: bytes, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        if not line.strip():
            return
        try:
            message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self._first_junk = self._first_junk or beginning_of(line.decode("utf-8", "replace"), _JUNK_CHARS)
            self._junk_lines += 1
            return
        await to_session.send(SessionMessage(message))

    async def _write(self, child: Child, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """A program that reads no more has gone, or soon will: what it says last is still read."""
        with from_session:
            async for one in from_session:
                text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    await child.write(text.encode() + b"\n")
                except BrokenPipeError:
                    return
