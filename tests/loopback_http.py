"""A raw HTTP server on 127.0.0.1 for tests: it keeps what arrived, byte for byte, and answers what a function says."""

import socket
import socketserver
import threading
from typing import NamedTuple


class Arrived(NamedTuple):
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name):
        return next((value for given, value in self.headers if given.lower() == name.lower()), None)


def reply(status=200, body=b"", *, headers=(), content_type="text/plain"):
    """The bytes of an answer."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} whatever", f"Content-Length: {len(body)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Loopback:
    """`answer` takes an `Arrived` and gives the bytes to send; None closes the connection without a word.

    Instead of a function it may be the bytes, or a list of them: one after the other, the last again and again.
    `idle_s` is how long a connection may stay silent before it is closed.
    """

    def __init__(self, answer=None, *, tls=None, idle_s=10):
        if not callable(answer):
            answers = list(answer) if isinstance(answer, (list, tuple)) else [reply() if answer is None else answer]
            answer = lambda _: answers.pop(0) if len(answers) > 1 else answers[0]  # noqa: E731
        self._answer = answer
        self.requests = []
        self.connections = 0
        loopback = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = idle_s

            def setup(self):
                loopback.connections += 1
                if tls is not None:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self):
                while (arrived := _read(self.rfile)) is not None:
                    loopback.requests.append(arrived)
                    sent = loopback._answer(arrived)
                    if sent is None:
                        return
                    self.wfile.write(sent)
                    self.wfile.flush()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                """A client that went away, or refused our certificate, is part of a test."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def last(self):
        return self.requests[-1]


def _read(stream):
    try:
        line = stream.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = []
        while (line := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(": ")
            headers.append((name, value))
        length = int(next((value for name, value in headers if name.lower() == "content-length"), "0"))
        return Arrived(method, target, headers, stream.read(length))
    except OSError:
        return None


def unused_port():
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
