"""What only binding a tool shows: a host pattern, a header or an address that can't be used.

The pure half of a backend is made from the checked spec, and its refusal becomes a finding. So what a run would refuse
is known to `validate`, without a second set of rules. Nothing is connected or started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.errors import UsageError
from agentrun.spec.catalog import Document
from agentrun.spec.types import HttpSpec, ToolSpec

# What a message is about stands in it as a route below `http`: `multipart.photo`.
_ROUTE = re.compile(r"`((?:auth|headers|base_url|query|multipart|url)(?:\.[^`]+)?)(?:: [^`]*)?`")


def unbindable(document: Document) -> Iterator[Diagnostic]:
    """Findings of a tool that the schema and the rules found nothing wrong with."""
    spec = document.spec
    if not isinstance(spec, ToolSpec) or spec.http is None or document.unknown:
        return
    yield from _hosts(document, spec.http)
    from agentrun.tools.auth import BadHeaderValue
    from agentrun.tools.http_request import RequestTemplate

    try:
        RequestTemplate(spec.http, spec.parameters or {})
    except BadHeaderValue:
        return  # the environment's mistake, not the file's: a run says so
    except UsageError as error:
        named = _ROUTE.search(error.message)
        route = named.group(1).split(".") if named else ["url"]
        if "header" in error.message:
            route = ["headers" if spec.http.headers else "auth"]
        value = document.node.get("http", *route)
        is_text = route[0] == "auth" and value is not None and isinstance(value.content, str)
        place = value.span if value is not None and is_text else document.node.key_place(("http", *route))
        yield Diagnostic("AR613", "error", error.message, place, error.help)


def _hosts(document: Document, http: HttpSpec) -> Iterator[Diagnostic]:
    from agentrun.tools.url import BadUrl, parse_host_pattern

    for index, host in enumerate(http.hosts):
        try:
            parse_host_pattern(host)
        except BadUrl as error:
            message = f"`hosts` has an entry that is no host: `{host}`"
            yield Diagnostic("AR613", "error", message, document.node.place(("http", "hosts", index)), f"{error}")
