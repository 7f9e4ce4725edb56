"""What went wrong with a model service, in the user's words: one place that turns it into a ModelError.

Pure: a status, headers, a body or an exception in, an error out. Decides whether the same request may succeed
later; how often it is asked again is `retry.py`'s. How services word their errors is `error_body.py`'s.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agentrun.errors import ModelError
from agentrun.models.error_body import TOOL_USE_FAILED, Said, one_line, read_error, retry_after_s

CONTEXT_LENGTH = "context_length_exceeded"

_CONTEXT_LENGTH = re.compile(
    r"context[ _](length|window|size)|maximum (context|prompt) length|prompt is too long|too many (input )?tokens"
    r"|input token count.{0,40}exceeds",
    re.IGNORECASE,
)


class Service(msgspec.Struct, frozen=True):
    """Who was asked, for messages. `key_help` says where its key is set, `path_help` how its address ends."""

    model: str
    url: str
    key_help: str = "Check `api_key` under `model`."
    path_help: str = "often in /v1"

    @property
    def where(self) -> str:
        return f"the service at {self.url}" if self.url else "the service"


ANY_SERVICE = Service(model="", url="")

SERVICES_FAULT = "This is the service's fault: try later, or name another model in `fallback`."


class ToolUseFailed(ModelError):
    """The service could not read the call that the model wrote; `generation` is what the model wrote."""

    def __init__(self, message: str, *, generation: str, status: int | None) -> None:
        super().__init__(message, code=TOOL_USE_FAILED, status=status)
        self.generation = generation


def from_response(
    status: int, headers: Mapping[str, str], body: bytes, service: Service, *, now_s: float
) -> ModelError:
    """The failure that a response other than 2xx stands for. `now_s` is Unix time."""
    if 300 <= status < 400:
        target = one_line(headers.get("location", "") or "nowhere")
        return ModelError(
            f"{service.where} redirects to {target} ({status}); redirects are not followed",
            code="redirect",
            status=status,
            help="Write the service's final address in `base_url`.",
        )
    if is_page(headers.get("content-type", ""), body):
        said = Said(message=f"a web page, {page_title(body)}")
    else:
        try:
            said = read_error(msgspec.json.decode(body))
        except (ValueError, RecursionError):
            said = Said()
        if not said.message:
            said = msgspec.structs.replace(said, message=body.decode("utf-8", "replace"))
    wait_s = retry_after_s(headers, now_s)
    return from_said(said, status, service, said.retry_after_s if wait_s is None else wait_s)


def from_event(data: Any, service: Service = ANY_SERVICE) -> ModelError:
    """The failure that an error object stands for which came under a status of 200."""
    said = read_error(data)
    return from_said(said, said.status, service, said.retry_after_s)


def from_said(said: Said, status: int | None, service: Service, wait_s: float | None = None) -> ModelError:
    """`status` is None where the service named none: then the failure counts as its own, and may pass."""
    quoted = f" ({status})" if status else ""
    if said.message.strip():
        quoted += f": {one_line(said.message)}"
    where = service.where
    if said.code == TOOL_USE_FAILED:
        return ToolUseFailed(
            f"{where} could not read the call that the model wrote{quoted}", generation=said.generation, status=status
        )
    code = said.code or "model_error"
    if status in (None, 400, 413, 422) and (said.code == CONTEXT_LENGTH or _CONTEXT_LENGTH.search(said.message)):
        return ModelError(
            f"the conversation is too long for the model{quoted}",
            code=CONTEXT_LENGTH,
            status=status,
            help="Use a model with a larger context, or shorten tool output with `max_output_length`.",
        )
    if status == 429 and said.code == "insufficient_quota":
        return ModelError(
            f"the account at {service.url or 'the service'} has no credit left{quoted}",
            code=code,
            status=status,
            help="Add credit or raise the limit in the account, or name another model in `fallback`.",
        )
    message, help_text = _in_words(status or 500, service)
    return ModelError(
        message + quoted,
        help=help_text,
        code=code,
        status=status,
        retryable=status is None or status in (408, 409, 429) or status >= 500,
        retry_after_s=wait_s,
    )


def _in_words(status: int, service: Service) -> tuple[str, str | None]:
    where = service.where
    if status == 401:
        return f"{where} refused the key", service.key_help
    if status == 403:
        return f"{where} forbids this request", f"The key may lack the right to use the model. {service.key_help}"
    if status == 404:
        named = f"the model {service.model}" if service.model else "the model"
        return (
            f"{where} does not know {named}, or has no chat API at this address",
            f"Check `model.name`, and that `base_url` ends where the API begins, {service.path_help}.",
        )
    if status == 429:
        return f"{where} limits the rate of requests", "Wait, or name another model in `fallback`."
    if status >= 500 or status in (408, 409):
        return f"{where} failed", SERVICES_FAULT
    return f"{where} refused the request", "Check `model.settings` and the tools' parameters against what it says."


def is_page(content_type: str, body: bytes) -> bool:
    return "html" in content_type.lower() or body[:64].lstrip().startswith(b"<")


def page_title(body: bytes) -> str:
    found = re.search(rb"<title[^>]{0,200}>([^<]{1,200})", body[:65536], re.IGNORECASE)
    return f"“{one_line(found[1].decode('utf-8', 'replace'))}”" if found else "without a title"


def web_page(body: bytes) -> ModelError:
    """A page under 200: often a proxy, a login or a waiting page, so it may pass."""
    return ModelError(
        f"the service answered with a web page, {page_title(body)}, not with a model's reply",
        code="wrong_content_type",
        retryable=True,
        help="Check that `base_url` is the address of an API, often ending in /v1.",
    )


def malformed(why: str) -> ModelError:
    return ModelError(
        f"the service sent a broken reply: {one_line(why)}",
        help=SERVICES_FAULT,
        code="malformed_reply",
        retryable=True,
    )


def incomplete(why: str) -> ModelError:
    return ModelError(
        f"the service's reply ended before it was complete: {why}",
        help=SERVICES_FAULT,
        code="incomplete_reply",
        retryable=True,
    )


def lost(error: BaseException) -> ModelError:
    """The connection broke while the reply was read."""
    return incomplete(f"the connection was lost ({one_line(str(error)) or type(error).__name__})")


def unreachable(error: BaseException, service: Service, connect_s: float) -> ModelError:
    """No response came: the connection was not made, or it broke before the first byte."""
    retryable = True
    help_text = "Check the network and `base_url`."
    message = f"{service.where} gave no answer: {one_line(str(error.__cause__ or error))}"
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            message = f"no service answers at {service.url}: is the server running?"
            help_text = "Start the server, or check host and port in `base_url`."
            break
        if isinstance(cause, socket.gaierror):
            message = f"the host of {service.url} is not known: {one_line(cause.strerror or str(cause))}"
            break
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = getattr(cause, "verify_message", str(cause))
            message = f"the certificate of {service.url} is not trusted: {one_line(reason)}"
            help_text = "Check the address; a private authority is trusted through SSL_CERT_FILE."
            retryable = False
            break
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or str(cause)
            message = f"no secure connection to {service.url}: {one_line(reason)}"
            help_text = "Check whether the server speaks https, or http only."
            break
        if isinstance(cause, TimeoutError):
            message = f"no connection to {service.url} within {connect_s:g} s"
            break
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            message = f"{service.where} closed the connection without an answer"
            break
        if isinstance(cause, OSError):
            message = f"no connection to {service.url}: {one_line(cause.strerror or str(cause))}"
    return ModelError(message, code="connection", retryable=retryable, help=help_text)


def no_authorities(error: OSError, file: str) -> ModelError:
    """The certificates that others are checked with can't be read. `file` is what SSL_CERT_FILE says."""
    where = f"of SSL_CERT_FILE, {file}," if file else "of this system"
    return ModelError(
        f"the certificates {where} can't be read: {one_line(error.strerror or str(error))}",
        code="bad_certificates",
        help="Let SSL_CERT_FILE name a file of certificates in PEM form, or unset it.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [*getattr(current, "exceptions", ()), current.__cause__, current.__context__]


def too_slow(what: str, seconds: float, key: str) -> ModelError:
    return ModelError(
        f"the service {what} within {seconds:g} s",
        code="timeout",
        retryable=True,
        help=f"Raise `model.timeout.{key}` if the model needs longer.",
    )
