"""Backends: addresses, headers, commands, environment."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Fix
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import put_before
from agentrun.spec.guarded import is_guarded_env, is_guarded_header
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node
from agentrun.spec.rules.parameters import declared
from agentrun.spec.wording import shown
from agentrun.templates import Hole, TemplateSyntax, parse_url, template_of


def url_without_host(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("http", "url")
    if document.kind != "tool" or node is None or not isinstance(node.content, str):
        return
    base = document.node.get("http", "base_url")
    if base is not None and base.content:
        node, text = base, str(base.content)
    else:
        text = node.content
    if address_is_unknown(document) or text.startswith(("{{", "{%")):
        return  # a template has its own finding
    if _is_one_hole(text):
        yield from _chosen_without_hosts(document, node) if node is not base else ()
        return
    if "://" not in text and text and not text.startswith(("/", "?")):
        fix = put_before(node, "https://", "add `https://`", safe=False)
        yield _error("AR607", f"{shown(text)} has no scheme", node, f"write `https://{text}`", fix)
    elif "://" not in text:
        message = f"{shown(text)} has no host" if text else "the url is empty"
        yield _error("AR607", message, node, "write a whole URL, or `base_url: https://…`")
    elif text.partition("://")[0].lower() not in ("http", "https"):
        yield _error("AR607", f"`{text.partition('://')[0]}:` is no http address", node, "http and https are allowed")


def _chosen_without_hosts(document: Document, node: Node) -> Iterator[Diagnostic]:
    """A parameter that isn't declared has its own finding."""
    http, properties = document.node.content["http"], declared(document)
    hosts = http.get("hosts")
    is_declared = properties is None or node.content.strip("{+}") in properties
    is_listed = (hosts is not None and hosts.content != []) or misspelt(http, "hosts")
    if is_declared and not is_listed and not document.is_base:
        message = f"`{node.content}` needs `hosts`: without it each call is refused"
        help = "list the hosts that may be chosen, such as `hosts: [docs.example.com]`"
        yield _error("AR613", message, node, help)


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
    template = template_of(node.content)
    return template is not None and bool(template.args or template.uses_all_args)


def root_without_file(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    parts = document.node.get("http", "multipart")
    for name, part in parts.content.items() if parts is not None and parts.is_mapping else ():
        if part.get("root") is not None and part.get("content") is not None and part.get("file") is None:
            message = "`root` has no effect beside `content`: no file is read"
            place = document.node.key_place(("http", "multipart", name, "root"))
            yield Diagnostic("AR616", "warning", message, place, "leave it out, or write `file` instead of `content`")


def _error(code: str, message: str, node: Node, help: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, node.span, help, fix=fix)


RULES = (
    url_without_host,
    headers_from_the_model,
    environment_from_the_model,
    program_from_the_model,
    root_without_file,
)
