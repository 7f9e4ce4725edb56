"""What only binding a tool shows: a host pattern, a header or an address that can't be used.

The pure half of a backend is made from the checked spec, and its refusal becomes a finding. So what a run would refuse
is known to `validate`, without a second set of rules. Nothing is connected or started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentrun.diagnostics import Diagnostic
from agentrun.errors import UsageError
from agentrun.spec.catalog import Document
from agentrun.spec.types import AuthSpec, HttpSpec, ToolSpec

# What a message is about stands in it as a route below `http`: `multipart.photo`.
_ROUTE = re.compile(r"`((?:auth|headers|base_url|query|multipart|url)(?:\.[^`]+)?)(?:: [^`]*)?`")


def unbindable(document: Document) -> Iterator[Diagnostic]:
    """Findings of a tool that the schema and the rules found nothing wrong with."""
    spec = document.spec
    if not isinstance(spec, ToolSpec) or document.unknown:
        return
    if spec.mcp is not None and spec.mcp.server_url is not None:
        yield from _of_a_set(document, "mcp", {"server_url": spec.mcp.server_url}, spec.mcp.headers, spec.mcp.auth)
    if spec.openapi is not None:
        urls = {} if spec.openapi.base_url is None else {"base_url": spec.openapi.base_url}
        yield from _of_a_set(document, "openapi", urls, spec.openapi.headers, spec.openapi.auth)
        yield from _hosts(document, "openapi", spec.openapi.hosts)
    if spec.http is not None:
        yield from _of_http(document, spec, spec.http)


def _of_http(document: Document, spec: ToolSpec, http: HttpSpec) -> Iterator[Diagnostic]:
    yield from _hosts(document, "http", http.hosts)
    from agentrun.tools.auth import BadHeaderValue
    from agentrun.tools.http_request import RequestTemplate

    try:
        RequestTemplate(http, spec.parameters or {})
    except BadHeaderValue:
        return  # the environment's mistake, not the file's: a run says so
    except UsageError as error:
        named = _ROUTE.search(error.message)
        route = named.group(1).split(".") if named else ["url"]
        if "header" in error.message:
            route = ["headers" if http.headers else "auth"]
        value = document.node.get("http", *route)
        is_text = route[0] == "auth" and value is not None and isinstance(value.content, str)
        place = value.span if value is not None and is_text else document.node.key_place(("http", *route))
        yield Diagnostic("AR613", "error", error.message, place, error.help)


def _of_a_set(
    document: Document, kind: str, urls: dict[str, str], headers: dict[str, str], auth: AuthSpec | None
) -> Iterator[Diagnostic]:
    from agentrun.tools.auth import BadHeaderValue, authorized_header, check_authors_header, credentials
    from agentrun.tools.url import BadUrl, parse_whole_url

    for key, url in urls.items():
        try:
            parse_whole_url(url)
        except BadUrl as error:
            message = f"`{key}` can't be used: {error}"
            yield Diagnostic("AR613", "error", message, document.node.place((kind, key)), None)
    try:
        credentials(auth)
        for name, value in headers.items():
            check_authors_header(name, value)
    except BadHeaderValue:
        return  # the environment's mistake, not the file's: a run says so
    except UsageError as error:
        key = "auth" if "auth" in error.message else "headers"
        yield Diagnostic("AR613", "error", error.message, document.node.key_place((kind, key)), error.help)
    for name in headers:
        if name.lower() == authorized_header(auth):
            message = f"the header {name} is set by `auth`"
            place = document.node.key_place((kind, "headers", name))
            yield Diagnostic("AR613", "error", message, place, "take it out of `headers`")


def _hosts(document: Document, kind: str, hosts: Sequence[str]) -> Iterator[Diagnostic]:
    from agentrun.tools.url import BadUrl, parse_host_pattern

    for index, host in enumerate(hosts):
        try:
            parse_host_pattern(host)
        except BadUrl as error:
            message = f"`hosts` has an entry that is no host: `{host}`"
            yield Diagnostic("AR613", "error", message, document.node.place((kind, "hosts", index)), f"{error}")
