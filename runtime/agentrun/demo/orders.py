"""The order desk over HTTP: a REST service on a loopback port, with a token and state that lasts as long as it runs.

    GET  /v2/orders?customer=&status=&limit=
    GET  /v2/orders/{id}
    GET  /v2/orders/{id}/refunds
    POST /v2/orders/{id}/refunds     {"amount": 5, "reason": "..."}, both optional; honours Idempotency-Key

Owns the protocol only; what an order is and what may be refunded is `desk.py`'s. It binds 127.0.0.1 and nothing
else: this is a demonstration, and its token is printed to the terminal.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socketserver
import sys
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import parse_qs, unquote

from agentrun.demo.desk import MAX_LISTED, STATUSES, OrderDesk, Refusal

HOST = "127.0.0.1"
MAX_BODY_BYTES = 65_536
IDLE_TIMEOUT_S = 30


class OrderService:
    """The running service, as a context manager. Port 0 takes a free one."""

    def __init__(self, *, port: int = 0, token: str = "", verbose: bool = False) -> None:
        self.token = token or f"demo-{secrets.token_hex(16)}"
        self.desk = OrderDesk()
        self._server = _Server(port, self.desk, self.token, verbose)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}/v2"

    @property
    def orders(self) -> dict[str, dict[str, Any]]:
        """The orders as they stand now, by id."""
        return {summary["id"]: self.desk.order(summary["id"]) for summary in self.desk.orders(limit=MAX_LISTED)}

    def refunds(self, order_id: str) -> list[dict[str, Any]]:
        return self.desk.refunds(order_id)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def route(desk: OrderDesk, method: str, target: str, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one request whose token was right. Raises `Refusal`."""
    path, _, query = target.partition("?")
    match method, [unquote(segment) for segment in path.split("/")]:
        case "GET" | "HEAD", ["", "v2", "orders"]:
            return 200, {"orders": desk.orders(**_list_filters(query))}
        case "GET" | "HEAD", ["", "v2", "orders", order_id]:
            return 200, desk.order(order_id)
        case "GET" | "HEAD", ["", "v2", "orders", order_id, "refunds"]:
            return 200, {"refunds": desk.refunds(order_id)}
        case "POST", ["", "v2", "orders", order_id, "refunds"]:
            return 201, desk.refund(order_id, _json_object(body), key)
        case _, ["", "v2", "orders"] | ["", "v2", "orders", _] | ["", "v2", "orders", _, "refunds"]:
            raise Refusal(405, f"{method} is not possible here")
    raise Refusal(404, "there is nothing here: the orders are at /v2/orders")


def _list_filters(query: str) -> dict[str, Any]:
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    if unknown := sorted(set(given) - {"customer", "status", "limit"}):
        raise Refusal(422, f"orders can be listed by customer, status and limit, not by {unknown[0][:40]}")
    if given.get("status", "paid") not in STATUSES:
        raise Refusal(422, f"status must be one of {', '.join(STATUSES)}")
    limit = given.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MAX_LISTED):
        raise Refusal(422, f"limit must be a whole number from 1 to {MAX_LISTED}")
    return {**given, "limit": int(limit)}


def _json_object(body: bytes) -> dict[str, Any]:
    """An empty body is an empty object. Numbers stay exact: money is no float."""
    if not body.strip():
        return {}
    try:
        data = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not valid JSON") from None
    if not isinstance(data, dict):
        raise Refusal(400, "the body must be a JSON object")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, port: int, desk: OrderDesk, token: str, verbose: bool) -> None:
        self.desk = desk
        self.token = token
        self.verbose = verbose
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        # http.server's own asks the name service who 127.0.0.1 is, which takes seconds on some machines.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that hangs up is no error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "agentrun-demo"
    sys_version = ""
    timeout = IDLE_TIMEOUT_S
    wbufsize = -1  # headers and body leave in one piece

    def _serve(self) -> None:
        try:
            body = self._read_body()
            self._check_token()
            key = self.headers.get("Idempotency-Key", "").strip()
            self._send(*route(self.server.desk, self.command, self.path, key, body))
        except Refusal as refusal:
            self._send(refusal.status, {"error": refusal.message})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _read_body(self) -> bytes:
        """The whole body. One that can't be read to its end leaves the connection unusable."""
        length = self.headers.get("Content-Length", "0").strip()
        status, problem = 0, ""
        if "Transfer-Encoding" in self.headers:
            status, problem = 411, "send a Content-Length: a chunked body is not read here"
        elif not (length.isascii() and length.isdigit()):
            status, problem = 400, "Content-Length is not a number"
        elif len(length) > 9 or int(length) > MAX_BODY_BYTES:
            status, problem = 413, f"the body may have at most {MAX_BODY_BYTES} bytes"
        body = b"" if problem else self.rfile.read(int(length))
        if not problem and len(body) < int(length):
            status, problem = 400, "the body is shorter than its Content-Length"
        if problem:
            self.close_connection = True
            raise Refusal(status, problem)
        return body

    def _check_token(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self.server.token.encode()):
            raise Refusal(401, "send the order desk's token: Authorization: Bearer <ORDERS_TOKEN>")

    def _send(self, status: int, data: dict[str, Any]) -> None:
        payload = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses, such as a malformed request line, is told as JSON too."""
        self.close_connection = True
        self._send(code, {"error": message or self.responses[code][0]})

    def log_message(self, format: str, *args: Any) -> None:
        if self.server.verbose:
            super().log_message(format, *args)
