"""A model service on the loopback interface that plays a script, byte by byte.

    with ModelServer([sse(text="Hi"), sse(calls=[("get_weather", {"city": "Oslo"})]), status(429)]) as server:
        ...  # server.base_url is the address, server.requests what was asked

Each response is played once, in order. A request after the last one gets status 500 and is recorded too.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Ending = Literal["whole", "cut", "reset", "silent"]
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Response:
    """`pieces` are written one by one; an endless iterable ends when the client hangs up.

    `ending`: the body ends as it should, is cut off (a close in mid-body), reset, or followed by silence.
    """

    pieces: Iterable[bytes] = ()
    status: int = 200
    content_type: str | None = EVENTS
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    has_head: bool = True

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True)
class Received:
    """One request. Header names are in lower case; `json` is the body decoded, `body` its bytes."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# -- responses ------------------------------------------------------------------------------------------------


def event(data: Any) -> bytes:
    """One event; a text is taken as it is."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk with a delta of these fields."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def call_delta(**fields: Any) -> dict[str, Any]:
    """One chunk with a piece of one tool call; `name` and `arguments` go to its function."""
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return delta(tool_calls=[{**fields, "function": function}])


def sse(
    text: str | Sequence[str] = "",
    calls: Sequence[tuple[str, Any] | tuple[str, Any, str]] = (),
    *,
    finish: str | None = "",
    usage: tuple[int, int] | None = None,
    reasoning: str = "",
) -> Response:
    """A turn as OpenAI streams it. A call is (name, arguments) or (name, arguments, id); arguments may be raw text.

    `finish` defaults to what fits; None leaves it out. `usage` is (input tokens, output tokens).
    """
    chunks: list[Any] = [delta(role="assistant", content="")]
    if reasoning:
        chunks.append(delta(reasoning_content=reasoning))
    chunks += [delta(content=piece) for piece in ([text] if isinstance(text, str) else text) if piece]
    for index, (name, arguments, *rest) in enumerate(calls):
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call_id = rest[0] if rest else f"call_{index + 1}"
        chunks.append(call_delta(index=index, id=call_id, type="function", name=name, arguments=""))
        half = len(raw) // 2
        chunks += [call_delta(index=index, arguments=piece) for piece in (raw[:half], raw[half:])]
    if finish is not None:
        chunks.append(delta(finish or ("tool_calls" if calls else "stop")))
    if usage is not None:
        counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        chunks.append({"choices": [], "usage": counts})
    return events(*chunks, "[DONE]")


def events(*data: Any) -> Response:
    """A stream of these events."""
    return Response([event(each) for each in data])


def reply_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response([json.dumps(data).encode()], status, "application/json", headers or {})


def status(code: int, message: str = "scripted", *, headers: dict[str, str] | None = None, **error: Any) -> Response:
    """A failure as OpenAI words it; more fields of the error object by name."""
    return reply_json({"error": {"message": message, **error}}, code, headers)


def page(title: str = "Welcome", code: int = 200) -> Response:
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>hello</body></html>"
    return Response([body.encode()], code, "text/html; charset=utf-8")


def cut(response: Response, after_bytes: int, ending: Ending = "cut") -> Response:
    """The response, broken off after so many bytes of its body."""
    return replace(response, pieces=[response.body[:after_bytes]], ending=ending)


def silence(response: Response | None = None) -> Response:
    """Nothing at all, not even a head; or this response, and then nothing more."""
    return Response(has_head=False, ending="silent") if response is None else replace(response, ending="silent")


def hang_up(ending: Ending = "cut") -> Response:
    """The connection ends before the head of a response."""
    return Response(has_head=False, ending=ending)


def in_pieces(response: Response, size: int) -> Response:
    body = response.body
    return replace(response, pieces=[body[start : start + size] for start in range(0, len(body), size)])


# -- the server -----------------------------------------------------------------------------------------------


class ModelServer:
    """Plays `script`. `requests` are recorded before their response; `hung_up` is set when a client leaves early."""

    def __init__(self, script: Iterable[Response]) -> None:
        self.requests: list[Received] = []
        self.hung_up = threading.Event()
        self._script: Iterator[Response] = iter(script)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        handler = type("Handler", (_Handler,), {"service": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.connections = 0

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ModelServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def next_response(self, request: Received) -> Response:
        with self._lock:
            self.requests.append(request)
            return next(self._script, status(500, "the server's script is used up"))

    def wait_for_client_to_leave(self, connection: socket.socket) -> None:
        while not self._closing.is_set():
            readable, _, _ = select.select([connection], [], [], 0.01)
            if readable:
                self.hung_up.set()
                return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: ModelServer

    def setup(self) -> None:
        super().setup()
        self.service.connections += 1

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client left while its next request was waited for
            self.service.hung_up.set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.service.next_response(Received(self.command, self.path, headers, body))
        try:
            self._play(response)
        except (BrokenPipeError, ConnectionResetError):
            self.service.hung_up.set()
            self.close_connection = True

    do_GET = do_POST

    def _play(self, response: Response) -> None:
        if response.has_head:
            self.send_response(response.status)
            if response.content_type is not None:
                self.send_header("content-type", response.content_type)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
        for piece in response.pieces:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if response.ending == "whole":
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if response.ending == "silent":
            self.service.wait_for_client_to_leave(self.connection)
        elif response.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what was asked stands in `requests`."""
