"""A server in the test's own event loop that plays bytes as they are given, also those that no library would send.

async with serving(answering(response, response)) as server:
    ...  # server.url, server.requests, server.connections
"""

import asyncio
import contextlib
import re
import struct
from socket import SO_LINGER, SOL_SOCKET

LIMIT_S = 10  # of every wait in a test


class Server:
    """`requests` are the bytes of what arrived; `left` is set when a client hangs up."""

    def __init__(self):
        self.requests = []
        self.writers = []
        self.left = asyncio.Event()
        self.port = 0
        self.scheme = "http"

    @property
    def connections(self):
        return len(self.writers)

    @property
    def url(self):
        return f"{self.scheme}://localhost:{self.port}/v1"

    async def request(self, reader):
        """The next request of a connection; None when the client hangs up."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1])) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
            return None
        self.requests.append(head + body)
        return body


@contextlib.asynccontextmanager
async def serving(play, *, tls=None, limit_s=LIMIT_S):
    """`play(server, reader, writer)` has one connection; it is closed when that returns."""
    server = Server()
    playing = []

    async def connected(reader, writer):
        playing.append(asyncio.current_task())
        server.writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await play(server, reader, writer)
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, backlog=1024)
    server.port = listening.sockets[0].getsockname()[1]
    server.scheme = "https" if tls else "http"
    async with asyncio.timeout(limit_s):
        try:
            yield server
        finally:
            listening.close()
            for writer in server.writers:
                writer.transport.abort()
            server.left.set()
            await asyncio.gather(*playing)


def answering(*responses, then_close=False):
    """Each request of a connection gets the next response: bytes, or a list of pieces that are sent one by one."""

    async def play(server, reader, writer):
        for response in responses:
            if await server.request(reader) is None:
                return
            await send(writer, response)
        if not then_close:
            await server.request(reader)

    return play


async def send(writer, response):
    for piece in [response] if isinstance(response, bytes) else response:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


def reset(writer):
    """Ends the connection as a crash does."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def whole(body=b"ok", *, status="200 OK", headers=()):
    """A response with a length."""
    lines = [f"HTTP/1.1 {status}".encode(), b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks, trailers=b""):
    """A response in chunks."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n" + trailers + b"\r\n"
