"""OAuth 2 client credentials (RFC 6749, section 4.4): where an http tool's access token comes from.

A token is kept until 60 s before it expires. Of the calls that need one at the same time one fetches it and the others
take what came of that, a failure too. It goes to the tool's own origin only (`http_send.py`), and nothing of what the
service answers is told but its error code: descriptions may quote what was sent.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

import msgspec

from agentrun.errors import ToolFailure
from agentrun.spec.types import OAuth2Auth
from agentrun.tools.auth import header_problem, token_url
from agentrun.tools.http_request import DEFAULT_HEADERS, FORM, PreparedRequest
from agentrun.tools.network import Answer, Network, NetworkFailure
from agentrun.tools.retry import Deadline, Exchange, Sleep, with_retries
from agentrun.tools.url import Url

EARLY_S = 60.0
_MAX_RETRIES = 2
_MAX_BYTES = 64 * 1024
_MAX_CHARS = 16_384
_MAX_LIFETIME_S = 1e9
_MASKED_TOKENS = 3  # of one client: those before the last ones have expired, or were refused
_SAME_TIME_S = 1.0
_OK = 200
# What a service calls its refusals: of an answer's text only these words are passed on.
_ERRORS = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
# The client may have to say who it is in another way.
_WRONG_WAY = frozenset({"invalid_client", "invalid_request", "unauthorized_client"})


class Secrets(Protocol):
    """What is masked."""

    def add(self, token: str) -> None: ...
    def discard(self, token: str) -> None: ...


class Token(msgspec.Struct, frozen=True):
    """`fresh_until` is by the source's clock, in seconds."""

    value: str
    fresh_until: float

    @property
    def header(self) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.value}")


class TokenSources:
    """One source for each client, however many tools name it. `secrets` is told of each token, which is masked then."""

    def __init__(self, network: Network, secrets: Secrets | None = None) -> None:
        self._network = network
        self._secrets = secrets
        self._sources: dict[bytes, TokenSource] = {}

    def of(self, spec: OAuth2Auth) -> TokenSource:
        key = msgspec.json.encode(spec)
        if key not in self._sources:
            self._sources[key] = TokenSource(spec, self._network, secrets=self._secrets)
        return self._sources[key]


class TokenSource:
    """The tokens of one client."""

    def __init__(
        self,
        spec: OAuth2Auth,
        network: Network,
        *,
        secrets: Secrets | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._url = token_url(spec)
        self._where = str(msgspec.structs.replace(self._url, query=""))
        self._network = network
        self._secrets = secrets
        self._known: list[str] = []  # the tokens that are masked
        self._sleep = sleep
        self._clock = clock
        self._credentials_in_body = False
        self._usable: Token | None = None
        self._fetched: Token | ToolFailure | None = None  # what came of the last fetch
        self._fetches = 0
        self._tried_until_s = 0.0
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, deadline: Deadline | None = None) -> Token:
        """A token that may be used now. Raises `ToolFailure`; `deadline` is that of the call that asks."""
        if self._usable is not None and self._clock() < self._usable.fresh_until:
            return self._usable
        seen = self._fetches
        async with self._one_at_a_time():
            end_s = deadline.end_s if deadline else float("inf")
            if self._fetched is None or self._fetches == seen or self._gave_up_for(end_s):
                self._tried_until_s = end_s
                self._fetched = await self._attempt(deadline)
                self._fetches += 1
                self._usable = self._fetched if isinstance(self._fetched, Token) else None
        if isinstance(self._fetched, Token):
            return self._fetched
        raise ToolFailure(self._fetched.type, self._fetched.message, **self._fetched.details)

    def _gave_up_for(self, end_s: float) -> bool:
        """Whether a call that fetched meanwhile failed, and had less time than this one."""
        return isinstance(self._fetched, ToolFailure) and end_s > self._tried_until_s + _SAME_TIME_S

    def reject(self, token: Token) -> None:
        """The tool's service didn't take it. One that came meanwhile stays."""
        if self._usable is token:
            self._usable = None

    async def _attempt(self, deadline: Deadline | None) -> Token | ToolFailure:
        try:
            return await self._fetch(deadline)
        except ToolFailure as failure:
            return failure

    def _one_at_a_time(self) -> asyncio.Lock:
        """A lock belongs to the event loop in which somebody waited for it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock

    async def _fetch(self, deadline: Deadline | None) -> Token:
        done = await self._ask(deadline, credentials_in_body=self._credentials_in_body)
        if not self._credentials_in_body and _error(done.answer) in _WRONG_WAY:
            done = await self._ask(deadline, credentials_in_body=True)  # some services take them in the form only
            self._credentials_in_body = done.answer.status == _OK
        return self._token(done.answer)

    async def _ask(self, deadline: Deadline | None, *, credentials_in_body: bool) -> Exchange:
        request = token_request(self._spec, self._url, credentials_in_body=credentials_in_body)

        async def once() -> Exchange:
            try:
                answer = await self._network.exchange(
                    request.method,
                    request.url,
                    request.headers,
                    request.content,
                    checked=False,
                    max_bytes=lambda _: _MAX_BYTES,
                )
            except NetworkFailure as failure:
                failure.message = f"no access token: {failure.message}"
                raise
            return Exchange(request, answer)

        return await with_retries(once, _MAX_RETRIES, lambda status: status == _OK, self._sleep, deadline)

    def _token(self, answer: Answer) -> Token:
        where = f"no access token from {self._where}"
        if answer.status != _OK:
            error = _error(answer)
            said = f" ({error})" if error else ""
            raise ToolFailure("http_status", f"{where}: it answered {answer.status}{said}", status=answer.status)
        data = _data(answer)
        value, kind, expires_in = data.get("access_token"), data.get("token_type", "bearer"), data.get("expires_in")
        if not isinstance(value, str) or not value:
            raise ToolFailure("internal", f"{where}: its answer holds none")
        if len(value) > _MAX_CHARS:
            raise ToolFailure("internal", f"{where}: it has more than {_MAX_CHARS:,} characters")
        self._keep_secret(value)
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise ToolFailure("internal", f"{where}: it is no bearer token")
        if problem := header_problem(value):
            raise ToolFailure("internal", f"{where}: it {problem}")
        return Token(value, self._clock() + _kept_s(expires_in))

    def _keep_secret(self, token: str) -> None:
        if self._secrets is None or token in self._known:
            return
        self._secrets.add(token)
        self._known.append(token)
        if len(self._known) > _MASKED_TOKENS:
            self._secrets.discard(self._known.pop(0))


def token_request(spec: OAuth2Auth, url: Url, *, credentials_in_body: bool) -> PreparedRequest:
    """The request for a token. The client says who it is by HTTP basic authentication, or in the form."""
    fields = {"grant_type": "client_credentials"}
    if spec.scopes:
        fields["scope"] = " ".join(spec.scopes)
    fields |= spec.params
    headers = {**dict(DEFAULT_HEADERS), "Accept": "application/json", "Content-Type": FORM}
    if credentials_in_body:
        fields |= {"client_id": spec.client_id, "client_secret": spec.client_secret}
    else:
        pair = f"{quote_plus(spec.client_id)}:{quote_plus(spec.client_secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return PreparedRequest("POST", url, tuple(headers.items()), urlencode(fields).encode("ascii"))


def _kept_s(expires_in: Any) -> float:
    """How long a token is used: without a word about it until it is refused, a short one for half of its life."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdigit():
        expires_in = int(expires_in[:9])
    if not isinstance(expires_in, (int, float)) or isinstance(expires_in, bool):
        return float("inf")
    lifetime_s = min(expires_in, _MAX_LIFETIME_S)
    return lifetime_s - EARLY_S if lifetime_s > EARLY_S else max(0.0, lifetime_s / 2)


def _error(answer: Answer) -> str:
    error = _data(answer).get("error")
    return error if isinstance(error, str) and error in _ERRORS else ""


def _data(answer: Answer) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
