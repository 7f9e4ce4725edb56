"""Credentials that are written out: in the fields for them, as defaults of variables, in bodies and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.credential_words import (
    has_key,
    is_dummy,
    is_loopback,
    is_random,
    looks_random,
    names_credential,
    names_query_credential,
    plain_host,
)
from agentrun.spec.nodes import Node, Route

_DEFAULT = re.compile(r"(?<!\$)\$\{\w+:-([^${}]+)\}")
_OWN_KEYS = ("api_key", "bearer", "client_secret", "password", "value")
_SHORT = 16
_BY_VARIABLE = "write `${VAR}`, and set the variable where the agent runs"


def written_out(place: Span, help: str) -> Diagnostic:
    message = "a credential is written out: whoever reads the file has it, and it is not masked"
    return Diagnostic("AR811", "warning", message, place, help)


def is_written_out(name: str, value: str) -> bool:
    """Short names (`key`, `appid`) are those of other things too: there the value must look like a key."""
    if is_dummy(value):
        return False
    return len(value) >= 6 if names_credential(name) else names_query_credential(name) and looks_random(value)


def is_key(node: Node) -> bool:
    """AR802 says more of it."""
    return isinstance(node.content, str) and has_key(node.source)


def fields_of_credentials(document: Document) -> Iterator[tuple[Route, Node]]:
    """The texts that are credentials, by their place or by the name of their header or variable."""
    if document.kind == "test":
        return
    for route, node, marks in document.scalars:
        if marks.get("x-secret") and isinstance(node.content, str):
            named = route[-2:-1] in (("headers",), ("env",)) and names_credential(str(route[-1]))
            if named or route[-1] in _OWN_KEYS:
                yield route, node


def literal_credentials(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for route, node in fields_of_credentials(document):
        for text, place in [] if is_key(node) else _literals(node):
            if not is_dummy(text) and not (len(text) < _SHORT and _is_at_loopback(document, route)):
                yield written_out(place, _BY_VARIABLE)


def _literals(node: Node) -> Iterator[tuple[str, Span]]:
    """What is written out of a value: the whole, or the defaults of its variables."""
    if "${" in node.source:
        for found in _DEFAULT.finditer(node.source):
            yield found[1], node.part(*found.span(1))
    elif node.content and "{{" not in node.content and "{%" not in node.content:
        yield node.content, node.span


def _is_at_loopback(document: Document, route: Route) -> bool:
    top = ("model", "fallback", route[2]) if route[:2] == ("model", "fallback") else route[:1]
    found = [document.node.get(*top, key) for key in ("base_url", "url", "server_url")]
    return any(
        node is not None and isinstance(node.content, str) and is_loopback(plain_host(node.content) or "-")
        for node in found
    )


def credentials_in_bodies(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """By the names of a body's fields, at any depth."""
    if document.kind != "tool":
        return
    for kind in ("json", "form"):
        body = document.node.get("http", kind)
        for route, node in body.walk() if body is not None else ():
            name, text = str(route[-1]) if route else "", node.content
            if not isinstance(text, str) or is_key(node) or "${" in node.source or "{{" in text or "{%" in text:
                continue
            if names_credential(name) and is_written_out(name, text):
                yield written_out(node.span, _BY_VARIABLE)


# -- commands -----------------------------------------------------------------------------------------------

_VALUE = r"[\"']?([^\s\"'`$;&|(){}<>]{6,64}+)(?=[\"';&|\s]|$)"
_ASSIGNED = re.compile(rf"(?m)(?:^|(?<=[\s;\"']))(?:--)?([A-Za-z][\w-]{{0,63}}+)={_VALUE}")
_USER = re.compile(rf"\bcurl\s(?:[^\n;|]{{0,300}}?\s)?(?:-u|--user)[ =][\"']?[^\s\"':$(){{}}]{{1,64}}:{_VALUE}")
_PAIR = re.compile(rf"[^\s:$(){{}}]{{1,64}}:{_VALUE}\Z")


def credentials_in_commands(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Only of clear forms: `--password=…`, `TOKEN=…`, and the user that is handed to curl."""
    shell = document.node.get("shell")
    if document.kind != "tool" or shell is None:
        return
    help = 'hand it over by `env: {NAME: "${VAR}"}`, where it is masked'
    before, has_curl = "", False
    for key in ("command", "script"):
        node = shell.get(key)
        for _, one in node.walk() if node is not None else ():
            if not isinstance(one.content, str):
                continue
            values = [] if is_key(one) else list(_values(one.content, before))
            has_curl = has_curl or one.content.rpartition("/")[2] == "curl"
            before = one.content if has_curl or one.content.startswith("--") else ""
            for value in values:
                places = [one.part(*found.span()) for found in re.finditer(re.escape(value), one.source)]
                yield from (written_out(place, help) for place in places or [one.span])


def _values(text: str, before: str) -> Iterator[str]:
    """The credentials of a script, or of an element of a command that stands behind another."""
    found = [one[2] for one in _ASSIGNED.finditer(text) if names_credential(one[1])]
    found += [one[1] for one in _USER.finditer(text)]
    pair = _PAIR.match(text) if before in ("-u", "--user") else None
    if pair is not None:
        found.append(pair[1])
    elif re.fullmatch(r"--[\w-]+", before) and names_credential(before[2:]) and re.fullmatch(rf"(?!-){_VALUE}", text):
        found.append(text)
    yield from (value for value in dict.fromkeys(found) if is_random(value))


RULES = (literal_credentials, credentials_in_bodies, credentials_in_commands)
