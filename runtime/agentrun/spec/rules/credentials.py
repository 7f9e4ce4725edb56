"""Credentials: where they stand, and where they go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Edit, Fix, Severity, Span
from agentrun.spec.asked import model_routes
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.credential_words import (
    is_dummy,
    is_near,
    is_random,
    names_credential,
    names_query_credential,
    plain_host,
)
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Route, members
from agentrun.spec.rules.tools import address_is_unknown
from agentrun.spec.rules.written_credentials import fields_of_credentials, is_key, is_written_out, written_out

_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)\}")
_HTTP = re.compile(r"(http)://", re.IGNORECASE)
_USERINFO = r"(?i)https?://[^/?#\s]*@"
_WRITTEN_USERINFO = r"(?i)[\"']?https?://(?:\$\{[^}]*\}|[^/?#\s$@])*+@"


def keys_in_the_file(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for _, node in document.texts:
        if is_key(node):
            help = "take it out, write `${VAR}`, and change the key"
            yield Diagnostic("AR802", "error", "a key stands in the file", node.span, help)


def credentials_in_the_url(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """As filled in and, where that can't be known, as written."""
    for route, help in _urls(document):
        node = document.node.get(*route)
        if node is None or not isinstance(node.content, str) or is_key(node):
            continue
        filled = "" if route in document.unknown else node.content
        if re.match(_USERINFO, filled) or re.match(_WRITTEN_USERINFO, node.source):
            severity: Severity = (
                "error" if document.kind == "tool" else "warning"
            )  # a tool refuses it, a client takes it
            yield Diagnostic("AR608", severity, "credentials stand in the url", node.span, help)


def _urls(document: Document) -> Iterator[tuple[Route, str]]:
    http = document.node.get("http")
    if document.kind == "tool" and http is not None and not misspelt(http, "base_url"):
        base = http.get("base_url")
        written = base is not None and (base.content or "${" in base.source)
        yield ("http", "base_url" if written else "url"), "write them in `auth`, from a `${VAR}`"
    for model in model_routes(document):
        yield (*model, "base_url"), "write `api_key`, or a header in `headers`, from a `${VAR}`"


# -- AR806 --------------------------------------------------------------------------------------------------


def credentials_over_plain_http(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for whose, route in _addresses(document):
        node = document.node.get(*route)
        if node is None or not isinstance(node.content, str) or route in document.unknown:
            continue
        host = plain_host(node.content)
        if host and not is_near(host):
            message = f"{whose} go over plain http: anyone on the way can read them"
            written = node.find(_HTTP)
            fix = Fix("write `https`", (Edit(written, "https"),), safe=False) if written else None
            yield Diagnostic("AR806", "warning", message, node.span, "write `https://…`", fix=fix)


def _addresses(document: Document) -> Iterator[tuple[str, Route]]:
    """Where credentials go: whose they are, and the route of the address."""
    if document.kind == "tool":
        if not address_is_unknown(document) and _carries(document, ("http",)):
            base = document.node.get("http", "base_url")
            yield "the tool's credentials", ("http", "base_url" if base is not None and base.content else "url")
        if document.node.get("http", "auth", "oauth2"):
            yield "the client's credentials", ("http", "auth", "oauth2", "token_url")
        for backend, key in (("mcp", "server_url"), ("openapi", "base_url")):
            if _carries(document, (backend,)):
                yield "the tools' credentials", (backend, key)
    for model in model_routes(document):
        if _carries(document, model):
            yield "the model's credentials", (*model, "base_url")


def _carries(document: Document, route: Route) -> bool:
    """Whether a request of what stands at a route has credentials with it."""
    node = document.node.get(*route)
    if node is None or not node.is_mapping:
        return False
    key, auth, headers = node.get("api_key"), node.get("auth"), node.get("headers")
    given = key is not None and (key.content or (*route, "api_key") in document.unknown)
    if given and key is not None and ("${" in key.source or not is_dummy(str(key.content))):
        return True
    if auth is not None and auth.content:
        return True
    return any(
        names_credential(name) and (value.content or (*route, "headers", name) in document.unknown)
        for name, value in members(headers).items()
    )


def has_credentials(document: Document) -> bool:
    """Whether a tool's calls are made with credentials, so that it sees what is not for everyone."""
    if any(_carries(document, (backend,)) for backend in ("http", "mcp", "openapi")):
        return True
    found = [document.node.get("http", "query"), document.node.get("shell", "env"), document.node.get("mcp", "env")]
    entries = [entry for node in found if node is not None and node.is_mapping for entry in node.content.items()]
    return any(names_credential(name) and "${" in node.source for name, node in entries)


# -- AR807 --------------------------------------------------------------------------------------------------

_IN_A_QUERY = r"[?&]([\w.-]+)=(\$\{[^}]*\}|[^&#{\s]*)"
_WITH_DEFAULT = r"\$\{(\w+):"
_LOGS = "and addresses land in logs"


def credentials_in_the_query(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "tool":
        return
    yield from _key_in_query(document)
    query = document.node.get("http", "query")
    for name, node in query.content.items() if query is not None and query.is_mapping else ():
        if isinstance(node.content, str) and not is_key(node):
            yield from _in_the_query(name, node.source.strip("\"'"), node.span)
    for key in ("base_url", "url"):
        address = document.node.get("http", key)
        if address is None or not isinstance(address.content, str) or is_key(address):
            continue
        for found in re.finditer(_IN_A_QUERY, address.source):
            part = address.find(re.compile(re.escape(found[0][1:]))) or address.span
            yield from _in_the_query(found[1], found[2].strip("\"'"), part)


def _key_in_query(document: Document) -> Iterator[Diagnostic]:
    """The language has it, and it is masked; some services take nothing else."""
    place = document.node.get("http", "auth", "api_key", "in")
    if place is not None and place.content == "query":
        help = "write `in: header`, if the service takes the key there too"
        yield Diagnostic("AR807", "info", f"the key becomes part of the address, {_LOGS}", place.span, help)


def _in_the_query(name: str, written: str, place: Span) -> Iterator[Diagnostic]:
    if "{{" in written or "{%" in written:
        return
    help = "write `auth: {api_key: {in: header, …}}`; or `in: query`, which is masked, where no header is taken"
    variable = _VARIABLE.search(written) or re.search(_WITH_DEFAULT, written)
    if variable is not None and (names_query_credential(name) or names_credential(variable[1])):
        message = f"the credential `{name}` stands in the address: it is not masked, {_LOGS}"
        yield Diagnostic("AR807", "warning", message, place, help)
    elif variable is None and is_written_out(name, written):
        yield written_out(place, "take it from a `${VAR}`, by `auth`: there it is masked")


# -- AR812 --------------------------------------------------------------------------------------------------


def empty_credentials(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for route, node in fields_of_credentials(document):
        for found in _VARIABLE.finditer(node.source):
            name = found[1]
            if name in document.variables or route in document.unknown:
                continue  # it has a value, or AR510
            place = node.find(re.compile(re.escape(found[0]))) or node.span
            message = f"the environment variable {name} is set, but empty: no credential is sent"
            stated = f"${{{name}:-}}"
            fix = Fix(f"write `{stated}`", (Edit(place, stated),), safe=False)
            help = f"give it a value, or write `{stated}` where none is needed"
            yield Diagnostic("AR812", "warning", message, place, help, fix=fix)


# -- AR810 --------------------------------------------------------------------------------------------------

_PROSE = ("description", "input", "output", "parameters", "response_format", "starters", "system_prompt")
_LABELS = ("key", "pass", "pwd", "secret", "token")
_SAID = (
    r"(?i)\b(?:pass(?:word|wd|phrase)|pwd|secret|(?:api|access|secret)[ _-]?key|token)[\"'`*]*\s*(?:\bis\b|:|=)"
    r"\s*[\"'`*]*([^\s\"'`*,;<>{}$()=]{6,64}+)(?![(=])"
)
_AN_EXAMPLE = r"(?i)e\.g\.|for example|such as|example|like|format"
_PAIR = r"(?i)\b[a-z][a-z0-9+.-]{0,20}://([^\s/:@\"'{}$<]{1,100}:[^\s/@\"'{}$<*]{1,200})@"
_PLACEHOLDER = (
    r"(?i)(?:user(?:name)?|me|name|login):(?:pass(?:word|wd)?|pwd|secret|x+)|.*(?:your|example|\.{3}).*|(.+):\1"
)
_ADDRESSES = (("http", "url"), ("http", "base_url"), ("http", "auth", "oauth2", "token_url"))


def credentials_in_texts(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind == "test":
        return
    help = "take it out, and change it: tools get credentials from a `${VAR}`, which the model never sees"
    for route, node in document.texts:
        value = _said(node.content) if route[0] in _PROSE else None
        if value is not None:
            message = "a password or key stands in a text that the model and its service see"
        else:
            value = _pair(node.source)
            message = "a user name and password stand in an address"
        if value is not None and not (_is_address(route) or is_key(node)):
            place = node.find(re.compile(re.escape(value))) or node.span
            yield Diagnostic("AR810", "warning", message, place, help)


def _is_address(route: Route) -> bool:
    """Where AR608, or another, says it."""
    return route in _ADDRESSES or (route[0] == "model" and route[-1] == "base_url")


def _said(text: str) -> str | None:
    folded = text.lower()
    if not any(word in folded for word in _LABELS):
        return None
    for found in re.finditer(_SAID, text):
        value = found[1].rstrip(".!?:")
        before = text[max(0, found.start() - 40) : found.start()]
        if is_random(value) and not re.search(_AN_EXAMPLE, before):
            return value
    return None


def _pair(text: str) -> str | None:
    if "://" not in text or "@" not in text:
        return None
    found = (one[1] for one in re.finditer(_PAIR, text))
    return next((pair for pair in found if not re.fullmatch(_PLACEHOLDER, pair)), None)


RULES = (
    keys_in_the_file,
    credentials_in_the_url,
    credentials_over_plain_http,
    credentials_in_the_query,
    empty_credentials,
    credentials_in_texts,
)
