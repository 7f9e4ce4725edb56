"""Credentials of http tools that are known before a call, and what a header may hold.

`Credentials` are bound to an origin by whoever sends the request (`http.py`): they never follow a redirect elsewhere.
An empty key, as `${TOKEN:-}` gives it, sends nothing. Messages name a header, never its value.
"""

from __future__ import annotations

import base64

import msgspec

from agentrun.errors import UsageError
from agentrun.spec.guarded import is_header_name
from agentrun.spec.types import AuthSpec, OAuth2Auth
from agentrun.tools.url import BadUrl, Url, parse_whole_url

_FRAMING = frozenset({"connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"})


class BadHeaderValue(UsageError):
    """A value that can't be sent. It comes from the environment of this run: the file may be right."""


class Credentials(msgspec.Struct, frozen=True):
    """`header` and `query` are (name, value) pairs; at most one is there."""

    header: tuple[str, str] | None = None
    query: tuple[str, str] | None = None


def credentials(auth: AuthSpec | None) -> Credentials:
    """Raises `UsageError` for a value that can't be sent."""
    if auth is None:
        return Credentials()
    if auth.bearer is not None:
        return _in_header("Authorization", f"Bearer {auth.bearer}") if auth.bearer else Credentials()
    if auth.basic is not None:
        if ":" in auth.basic.username:
            raise UsageError("`auth.basic.username` has a colon, which HTTP basic authentication can't carry")
        pair = f"{auth.basic.username}:{auth.basic.password}".encode()
        return (
            _in_header("Authorization", f"Basic {base64.b64encode(pair).decode()}") if pair != b":" else Credentials()
        )
    if auth.api_key is not None:
        key = auth.api_key
        if not key.value:
            return Credentials()
        return _in_header(key.name, key.value) if key.in_ == "header" else Credentials(query=(key.name, key.value))
    if auth.oauth2 is not None:
        token_url(auth.oauth2)  # its tokens are fetched for a call
    return Credentials()


def authorized_header(auth: AuthSpec | None) -> str | None:
    """The header that carries the credentials, in lower case."""
    if auth is None:
        return None
    if auth.api_key is not None:
        return auth.api_key.name.lower() if auth.api_key.in_ == "header" else None
    return "authorization"


def token_url(spec: OAuth2Auth) -> Url:
    """Raises `UsageError`."""
    for name in ("grant_type", "scope", "client_id", "client_secret"):
        if name in spec.params:
            raise UsageError(
                f"`auth.oauth2.params` can't set `{name}`", help="agentrun does, from the keys of `oauth2`"
            )
    try:
        return parse_whole_url(spec.token_url)
    except BadUrl as error:
        raise UsageError(f"`auth.oauth2.token_url` can't be used: {error}") from None


def _in_header(name: str, value: str) -> Credentials:
    check_authors_header(name, value)
    return Credentials(header=(name, value))


def check_authors_header(name: str, value: str | None) -> None:
    """Raises `UsageError`. `value` is None where it is known per call only."""
    if not is_header_name(name):
        raise UsageError(f"`{name}` is no name of an HTTP header", help="letters, digits and `-`, no space or colon")
    if name.lower() in _FRAMING:
        raise UsageError(f"the header {name} is set by agentrun", help="take it out of `headers`")
    problem = None if value is None else header_problem(value)
    if problem:
        raise BadHeaderValue(f"the header {name} {problem}", help="look at the variable that it comes from")


def header_problem(value: str) -> str | None:
    """Why a text can't be a header's value as it is, continuing "the header X"; None if it can."""
    if not value.isascii():
        return "has a character outside ASCII"
    if any(character < " " and character != "\t" for character in value) or "\x7f" in value:
        return "has a line break or another control character"
    if value != value.strip(" \t"):
        return "begins or ends with white space"
    return None
