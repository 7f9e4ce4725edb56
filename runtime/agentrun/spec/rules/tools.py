"""Backends: addresses, headers, commands, environment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.guarded import is_guarded_env, is_guarded_header
from agentrun.spec.nodes import Node
from agentrun.spec.wording import misspelt, shown
from agentrun.templates import Hole, Template, TemplateSyntax, compile_template, parse_url


def url_without_host(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("http", "url")
    if document.kind != "tool" or node is None or not isinstance(node.content, str):
        return
    base = document.node.get("http", "base_url")
    if base is not None and base.content:
        node, text = base, str(base.content)
    else:
        text = node.content
    if address_is_unknown(document) or _is_one_hole(text):
        return
    if "://" not in text and text and not text.startswith(("/", "?")):
        yield _error("AR607", f"{shown(text)} has no scheme", node, f"write `https://{text}`")
    elif "://" not in text:
        message = f"{shown(text)} has no host" if text else "the url is empty"
        yield _error("AR607", message, node, "write a whole URL, or `base_url: https://…`")
    elif text.partition("://")[0].lower() not in ("http", "https"):
        yield _error("AR607", f"`{text.partition('://')[0]}:` is no http address", node, "http and https are allowed")
    elif "@" in text.partition("://")[2].partition("/")[0]:
        yield _error("AR608", "credentials stand in the url", node, "write them in `auth`, from a `${VAR}`")


def address_is_unknown(document: Document) -> bool:
    """Whether an unset variable, or a misspelt key, leaves open where a tool goes."""
    unset = ("http", "base_url") in document.unknown or ("http", "url") in document.unknown
    http = document.node.get("http")
    return unset or (http is not None and http.get("base_url") is None and misspelt(http, "base_url"))


def _is_one_hole(text: str) -> bool:
    try:
        pieces = parse_url(text)
    except TemplateSyntax:
        return False
    return len(pieces) == 1 and isinstance(pieces[0], Hole)


# Forms that only a real key has: those of providers, and a bearer token written out.
_KEY = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{20,})\b"
    r"|\bBearer +[A-Za-z0-9._~+/-]{16,}"
)


def keys_in_the_file(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for _, node in document.node.walk():
        if isinstance(node.content, str) and _KEY.search(node.source):
            yield _error("AR802", "a key stands in the file", node, "take it out, write `${VAR}`, and change the key")


def headers_from_the_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    headers = document.node.get("http", "headers")
    if headers is None or not headers.is_mapping:
        return
    for name, value in headers.content.items():
        if is_guarded_header(name) and _uses_arguments(value):
            message = f"the header `{name}` must not come from the model"
            yield _error("AR609", message, value, "write it as text, or from a `${VAR}`")


def environment_from_the_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    env = document.node.get("shell", "env")
    if env is None or not env.is_mapping:
        return
    for name, value in env.content.items():
        if not name or "=" in name or "\0" in name:
            yield Diagnostic("AR612", "error", f"`{name}` can't name an environment variable", env.keys[name], None)
        if is_guarded_env(name) and _uses_arguments(value):
            message = f"the environment variable `{name}` must not come from the model"
            yield _error("AR610", message, value, "it changes how programs are loaded or run: choose another name")


def program_from_the_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    first = document.node.get("shell", "command", 0)
    if first is None:
        return
    if first.is_list or (isinstance(first.content, str) and "{{" in first.content):
        message = "the program, the first element of `command`, must be plain text"
        yield _error("AR611", message, first, "the author chooses the program, the model its arguments")


def _uses_arguments(node: Node) -> bool:
    template = _compiled(node)
    return template is not None and bool(template.args or template.uses_all_args)


def _compiled(node: Node) -> Template | None:
    try:
        return compile_template(node.content) if isinstance(node.content, str) else None
    except TemplateSyntax:
        return None  # has its own finding


def _error(code: str, message: str, node: Node, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, node.span, help)


RULES = (url_without_host, keys_in_the_file, headers_from_the_model, environment_from_the_model, program_from_the_model)
