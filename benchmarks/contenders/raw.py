"""The limit: sockets and the standard library, for this task alone; of failures it knows the end of a connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.contenders import Ask, Converse, Told
from benchmarks.contenders.plain_loop import AT_ONCE, Turn, converse, converse_async
from benchmarks.task import API_KEY, ASYNC_FUNCTIONS, FUNCTIONS

READ_BYTES = 65536


class Service:
    """What is written to it."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        self.host, self.port, self._path = str(address.hostname), address.port or 80, address.path
        self._host = f"host: {address.netloc}\r\n"

    def completion(self, body: bytes) -> bytes:
        head = (
            f"POST {self._path}/chat/completions HTTP/1.1\r\n{self._host}authorization: Bearer {API_KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def weather(self, arguments: dict[str, Any]) -> bytes:
        return f"GET {self._path}/weather?{urlencode(arguments)} HTTP/1.1\r\n{self._host}\r\n".encode()


class ChunkedResponse:
    """Cuts what arrives into the body's chunks. It has ended with the empty one."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""
        self._in_body = False
        self.ended = False

    def feed(self, data: bytes) -> None:
        if not data:
            raise ConnectionError("the connection was closed")
        data = self._rest + data
        at = 0
        if not self._in_body:
            at = data.find(b"\r\n\r\n") + 4
            self._in_body = at >= 4
        pieces: list[bytes] = []
        while self._in_body and (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end], 16)
            if len(data) < end + size + 4:
                break
            pieces.append(data[end + 2 : end + 2 + size])
            at = end + size + 4
            self.ended = size == 0
        self._rest = data[at:] if self._in_body else data
        self._take(b"".join(pieces))


class SizedResponse:
    """One with a content-length, which the server writes last in its head."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> bool:
        """Whether it has ended."""
        if not data:
            raise ConnectionError("the connection was closed")
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        return bool(found) and len(body) == int(head.rpartition(b" ")[2])

    def json(self) -> Any:
        return json.loads(self._data.partition(b"\r\n\r\n")[2])


def open_contender(base_url: str) -> Ask:
    service = Service(base_url)
    connection = socket.create_connection((service.host, service.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pool = ThreadPoolExecutor(AT_ONCE)

    def fetch_weather(**arguments: Any) -> dict[str, Any]:  # one in a turn, so the connection is free
        connection.sendall(service.weather(arguments))
        response = SizedResponse()
        while not response.feed(connection.recv(READ_BYTES)):
            pass
        return dict(response.json())

    tools = {**FUNCTIONS, "fetch_weather": fetch_weather}

    def ask(question: str, told: Told) -> str:
        def take_turn(body: bytes) -> Turn:
            connection.sendall(service.completion(body))
            turn = Turn(told)
            response = ChunkedResponse(turn.feed)
            while not response.ended:
                response.feed(connection.recv(READ_BYTES))
            return turn

        return converse(question, take_turn, tools, pool)

    return ask


def open_crowd(base_url: str) -> Converse:
    """Each conversation takes a connection that no other has, and gives it back at its end."""
    service = Service(base_url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def converse_in_crowd(question: str, told: Told) -> str:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(service.host, service.port)

        async def fetch_weather(**arguments: Any) -> dict[str, Any]:
            writer.write(service.weather(arguments))
            response = SizedResponse()
            while not response.feed(await reader.read(READ_BYTES)):
                pass
            return dict(response.json())

        async def take_turn(body: bytes) -> Turn:
            writer.write(service.completion(body))
            turn = Turn(told)
            response = ChunkedResponse(turn.feed)
            while not response.ended:
                response.feed(await reader.read(READ_BYTES))
            return turn

        answer = await converse_async(question, take_turn, {**ASYNC_FUNCTIONS, "fetch_weather": fetch_weather})
        idle.append((reader, writer))
        return answer

    return converse_in_crowd
