"""Whether a set's `auth` and `headers` are what an operation asks for; where not, what to write. Pure."""

from __future__ import annotations

import re

import msgspec

from agentrun.openapi.operation import Operation, SecurityScheme
from agentrun.spec.types import AuthSpec, OpenApiSpec
from agentrun.visible import one_line


class Unmet(msgspec.Struct, frozen=True):
    """`what` names what is asked for, `help` what to write."""

    what: str
    help: str


def unmet(operation: Operation, spec: OpenApiSpec, name: str) -> Unmet | None:
    """None where one of the alternatives is served. `name` is the set's: variables are called after it."""
    if not operation.security or any(_served(all_of, spec) for all_of in operation.security):
        return None
    best = min(operation.security, key=lambda all_of: (any(one.kind is None for one in all_of), len(all_of)))
    missing = [one for one in best if not _carried(one, spec)] or list(best)
    what = " and ".join(_titled(one) for one in missing)
    return Unmet(what, _help(missing, name))


def _served(all_of: tuple[SecurityScheme, ...], spec: OpenApiSpec) -> bool:
    return all(_carried(one, spec) for one in all_of)


def _carried(scheme: SecurityScheme, spec: OpenApiSpec) -> bool:
    """By `auth`, or by a header that the author wrote."""
    headers = {name.lower() for name in spec.headers}
    auth = spec.auth or AuthSpec()
    key = auth.api_key
    authorizes = bool(auth.bearer is not None or auth.basic is not None or auth.oauth2 is not None)
    if scheme.kind == "api_key":
        if scheme.place == "cookie":
            return "cookie" in headers
        if scheme.place == "header":
            is_authorization = scheme.name.lower() == "authorization"
            has_key = key is not None and key.in_ == "header" and key.name.lower() == scheme.name.lower()
            return scheme.name.lower() in headers or has_key or (is_authorization and authorizes)
        return key is not None and key.in_ == "query" and key.name == scheme.name
    written = "authorization" in headers or (
        key is not None and key.in_ == "header" and key.name.lower() == "authorization"
    )
    if scheme.kind is None:
        return written or bool(headers) or spec.auth is not None  # nobody can say what it needs
    if written:
        return True
    if scheme.kind == "basic":
        return auth.basic is not None
    if scheme.kind == "bearer":
        return auth.bearer is not None or auth.oauth2 is not None
    return auth.oauth2 is not None or auth.bearer is not None


def _titled(scheme: SecurityScheme) -> str:
    title = f"`{one_line(scheme.title, 60)}`"
    kinds = {"bearer": "a bearer token", "basic": "name and password", "oauth2": "OAuth 2"}
    if scheme.kind == "api_key":
        return f"{title} (a key in the {scheme.place} `{one_line(scheme.name, 60)}`)"
    return f"{title} ({kinds[scheme.kind]})" if scheme.kind else title


def _help(missing: list[SecurityScheme], name: str) -> str:
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "API"
    first = missing[0]
    if len(missing) > 1 and all(one.kind == "api_key" and one.place == "header" for one in missing):
        written = ", ".join(f'{one_line(one.name, 60)}: "${{{word}_KEY_{at}}}"' for at, one in enumerate(missing, 1))
        return f"write `headers: {{{written}}}`"
    if first.kind == "basic":
        return f'write `auth: {{basic: {{username: "${{{word}_USER}}", password: "${{{word}_PASSWORD}}"}}}}`'
    if first.kind == "api_key" and first.place == "cookie":
        return f'write `headers: {{Cookie: "{one_line(first.name, 60)}=${{{word}_KEY}}"}}`'
    if first.kind == "api_key":
        where = "header" if first.place == "header" else "query"
        return f'write `auth: {{api_key: {{in: {where}, name: {one_line(first.name, 60)}, value: "${{{word}_KEY}}"}}}}`'
    if first.kind == "oauth2":
        scopes = f", scopes: [{', '.join(first.scopes)}]" if first.scopes else ""
        own = f'client_id: "${{{word}_ID}}", client_secret: "${{{word}_SECRET}}"'
        return f"write `auth: {{oauth2: {{token_url: {one_line(first.token_url, 200)}, {own}{scopes}}}}}`"
    if first.kind == "bearer":
        return f'write `auth: {{bearer: "${{{word}_TOKEN}}"}}`'
    return "agentrun has no `auth` for it: what it needs may be written in `headers`"
