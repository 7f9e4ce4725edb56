"""Templates: syntax, and that every name they use exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, nearest, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import replace_all
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, Route
from agentrun.spec.retype import respelt
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.spec.rules.tools import address_is_unknown
from agentrun.spec.spelling import is_same_word, typos
from agentrun.spec.template_edits import as_holes, blocks, make_expression, only_the_template, rename_in_template
from agentrun.spec.wording import subject
from agentrun.templates import Hole, Template, TemplateSyntax, compile_template, parse_url, template_of

_RUN = {"run": ("id", "date", "agent", "session")}
_CALL = {"call": ("id", "name", "turn")} | _RUN
_RESULT_NAMES = {
    "http": ("status", "headers", "links", "body", "pages", "more"),
    "shell": ("exit_code", "stdout", "stderr"),
    "openapi": ("status", "headers", "links", "body"),
    "mcp": ("text", "structured", "content"),
}
_CONDITIONS = ("when", "require_approval")
_TEMPLATE = re.compile(r"\{[{%](?:(?!\{[{%]).)*?[}%]\}", re.DOTALL)


def template_names(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for route, node, marks in document.scalars:
        scope = marks.get("x-template")
        if scope in (None, "", "url") or not isinstance(node.content, str):
            continue
        try:
            template = compile_template(node.content)
        except TemplateSyntax as error:
            place = place_of_name(node, error.name) if error.name else _line(node, error.line)
            fix = _suggested(node, error)
            yield _error("AR501", f"not a template: {error.message}", place, error.help, fix)
            continue
        if route[-1] in _CONDITIONS:
            yield from _condition(route, node, template)
        if route[-2:] == ("paginate", "next") and template.literal:
            help = "such as `{{ body.cursor }}` or `{{ links.next }}`"
            message = "`next` must hold a `{{ }}`: a fixed text would follow every page"
            fix = make_expression(node) if _OF_A_RESULT.fullmatch(node.content) else None
            yield _error("AR504", message, node.span, help, fix)
        if not template.literal:
            yield from _names(catalog, document, route, node, template, str(scope))


_WIRING = ("http", "model", "shell")
_SUGGESTION = re.compile(r"did you mean `(\w+)`\?")
_OF_A_RESULT = re.compile(r"(?:body|links|headers)(?:\.\w+)+")


def _suggested(node: Node, error: TemplateSyntax) -> Fix | None:
    """A filter or a test by its right name."""
    found = _SUGGESTION.fullmatch(error.help or "")
    if found is None or not error.name or typos(error.name, found.group(1), 2) > 2:
        return None
    return rename_in_template(node, error.name, found.group(1), safe=False)


def template_where_none_is_read(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Wiring is the author's: it would be sent, or looked for, with its braces. What is sent to a model as it is may
    have braces of its own."""
    for route, node, marks in document.scalars if document.kind != "test" else ():
        is_data = route[0] == "model" and ("settings" in route or "script" in route)
        if (
            marks.get("x-env")
            and not marks.get("x-template")
            and route[0] in _WIRING
            and not is_data
            and route not in document.unknown
        ):
            place = node.find(_TEMPLATE) if isinstance(node.content, str) else None
            if place is not None:
                help = "write it as text, or take it from a `${VAR}`"
                yield _error("AR511", f"no template is read in {subject(route)}", place, help)


def default_input(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """An agent without `input` is asked by its parameter of that name."""
    properties = declared(document)
    wanted = document.kind == "agent" and document.node.get("input") is None
    if wanted and properties is not None and "input" not in properties and not misspelt(document.node, "input"):
        message = "without `input` the first message is `{{ args.input }}`, and `parameters` declares no `input`"
        place = document.node.key_place(("parameters",))
        names = one_of(sorted(properties))
        help = f"write `input:` with the parameters it needs: {names}" if properties else "write `input:`"
        yield Diagnostic("AR512", "warning", message, place, help)


def _condition(route: Route, node: Node, template: Template) -> Iterator[Diagnostic]:
    if route[-1] == "require_approval" and template.literal:
        allowed = ("auto", "always", "never")
        if template.source not in allowed:
            otherwise = "`always` asks each time, `auto` once untrusted output was read"
            help = did_you_mean(template.source, allowed, otherwise)
            fix = respelt(node, allowed) or _expression(node, template)
            message = f"`require_approval` is auto, always, never or one `{{{{ }}}}`, not `{template.source}`"
            yield _error("AR304", message, node.span, help, fix)
    elif not template.expression:
        message = f"`{route[-1]}` must be exactly one `{{{{ }}}}`"
        fix = _expression(node, template) if template.literal else only_the_template(node)
        yield _error("AR504", message, node.span, "nothing may stand around it", fix)


def _expression(node: Node, template: Template) -> Fix | None:
    """A condition that was written without its braces."""
    compiled = template_of(f"{{{{ {template.source} }}}}")
    is_meant = compiled is not None and compiled.expression and compiled.args and not compiled.names - _CALL.keys()
    return make_expression(node) if is_meant else None


def _names(
    catalog: Catalog, document: Document, route: Route, node: Node, template: Template, scope: str
) -> Iterator[Diagnostic]:
    backend = next((name for name in _RESULT_NAMES if document.node.get(name) is not None), None)
    known = names_in_scope(scope, backend)
    help: str | None
    for name in sorted(template.names - set(known)):
        near = nearest(name, ["args", *known])
        help = f"did you mean `{near}`?" if near else f"known here: {one_of(['args', *known])}"
        fix = rename_in_template(node, name, near, safe=is_same_word(name, near)) if near else None
        if name in (declared(document) or {}):
            help = f"did you mean `args.{name}`?"
            fix = rename_in_template(node, name, f"args.{name}", safe=True)
        message = f"the template uses `{name}`, which is not known here"
        yield _error("AR503", message, place_of_name(node, name), help, fix)
    for owner, attribute in sorted(template.attributes):
        if known.get(owner) and attribute not in known[owner]:
            help = did_you_mean(attribute, known[owner], f"`{owner}` has {one_of(known[owner])}")
            place = place_of_name(node, f"{owner}.{attribute}")
            fix = _renamed(node, f"{owner}.{attribute}", known[owner])
            yield _error("AR503", f"`{owner}` has no `{attribute}`", place, help, fix)
    properties = _arguments(catalog, document, route)
    if properties is None:
        return
    for name in sorted(template.args - set(properties)):
        declared_names = f"declared: {one_of(sorted(properties))}" if properties else "no parameters are declared"
        help = did_you_mean(name, properties, declared_names)
        nothing = (
            "no tool of this rule declares it" if route[0] == "permissions" else f"`parameters` declares no `{name}`"
        )
        message = f"the template uses `args.{name}`, and {nothing}"
        fix = _renamed(node, f"args.{name}", properties)
        yield _error("AR502", message, place_of_name(node, f"args.{name}"), help, fix)


def _renamed(node: Node, name: str, known: Iterable[str]) -> Fix | None:
    """The last part of `args.name` as the known name that was probably meant."""
    written = name.rpartition(".")[2]
    near = nearest(written, known)
    return rename_in_template(node, name, near, safe=is_same_word(written, near)) if near else None


def _arguments(catalog: Catalog, document: Document, route: Route) -> dict[str, Any] | None:
    """What `args` has at a place: a permission sees the arguments of the tools that it matches."""
    if route[0] != "permissions":
        return declared(document)
    rule = document.node.get(*route[:-1])
    patterns = [rule.get(key) for key in ("deny", "ask", "allow")] if rule is not None else []
    matched = [tool for one in patterns if one is not None for tool in catalog.tools_of(document) if _fits(tool, one)]
    found: dict[str, Any] = {}
    for tool in matched:
        properties = declared(tool) if tool.complete else None
        if properties is None:
            return None
        found |= properties
    return found if matched else None


def _fits(tool: Document, pattern: Node) -> bool:
    return fnmatchcase(tool.name, str(pattern.content))


def names_in_scope(scope: str, backend: str | None = None) -> dict[str, tuple[str, ...]]:
    """The names that a template sees beside `args`, each with its parts where these are fixed."""
    results = _RESULT_NAMES.get(backend or "", ("result",)) if scope == "result" else ()
    return dict(_RUN if scope == "run" else _CALL) | dict.fromkeys(results, ())


def url_holes(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("http", "url")
    if document.kind != "tool" or node is None or not isinstance(node.content, str):
        return
    try:
        pieces = parse_url(node.content)
    except TemplateSyntax as error:
        place = node.find(re.compile(r"\{[{%].*[}%]\}|\{[^}]*\}?|\}")) or node.span
        fix = as_holes(node, declared(document) or ())
        help = "write `{name}` for the argument `name`"
        if _TEMPLATE.fullmatch(node.content) and not _base(document):
            help += ", and the hosts that it may choose in `hosts`"
        yield _error("AR501", error.message, place, help, fix)
        return
    properties = declared(document)
    written = document.node.get("parameters", "required")
    required = written.data() if written is not None and written.is_list else []
    whole = len(pieces) == 1 and isinstance(pieces[0], Hole)
    before = _base(document)
    for piece in pieces:
        if isinstance(piece, str):
            before += piece
            continue
        place = _hole_place(node, piece)
        if not (whole or address_is_unknown(document)) and _is_in_the_host(before):
            message = f"`{{{piece.name}}}` stands in the host: holes come after the authority"
            help = 'the author owns scheme, host and port; use `hosts` with `url: "{url}"` for a free choice'
            yield _error("AR506", message, place, help)
        else:
            yield from _hole(node, piece, place, properties, required, in_query="?" in before)
        before += "x"


def _hole(
    node: Node, hole: Hole, place: Span, properties: dict[str, Any] | None, required: list[Any], *, in_query: bool
) -> Iterator[Diagnostic]:
    if properties is None:
        return
    if hole.name not in properties:
        names = f"declared: {one_of(sorted(properties))}" if properties else "no parameters are declared"
        near = nearest(hole.name, properties)
        help = f"did you mean `{near}`?" if near else names
        written = re.compile(rf"\{{\+?({hole.name})\}}")
        safe = near is not None and is_same_word(hole.name, near)
        fix = replace_all(node, written, near, f"write `{{{near}}}`", safe=safe) if near else None
        yield _error("AR505", f"`{{{hole.name}}}` names no parameter", place, help, fix)
        return
    schema = properties[hole.name]
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind in ("object", "array", "null"):
        is_kind = {"object": "a mapping", "array": "a list", "null": "nothing"}[kind]
        yield _error("AR507", f"`{{{hole.name}}}` takes text, a number or a boolean, not {is_kind}", place)
    if hole.name not in required and not has_default(schema) and not in_query:
        help = f"add `{hole.name}` to `required`, or give it a `default`"
        yield _error("AR507", f"`{{{hole.name}}}` is part of the path, so the parameter must be required", place, help)


def _base(document: Document) -> str:
    base = document.node.get("http", "base_url")
    return base.content if base is not None and isinstance(base.content, str) else ""


def _is_in_the_host(before: str) -> bool:
    _, separator, rest = before.partition("://")
    return bool(separator) and not any(mark in rest for mark in "/?#")


def _line(node: Node, line: int) -> Span:
    """A line of a text that keeps its lines; else the place of the text."""
    above = {"|": line, "file": line - 1}.get(node.style)
    if above is None:
        return node.span
    return node.find(re.compile(rf"(?:.*\n){{{above}}}\s*(.*\S)")) or node.span


def place_of_name(node: Node, name: str) -> Span:
    """Where a name first stands in a template."""
    owner, _, attribute = name.rpartition(".")
    written = rf"(?<![\w.]){re.escape(name)}(?!\w)"
    if owner:
        written += rf"|(?<![\w.]){owner}\[\W{{1,2}}{re.escape(attribute)}\W{{1,2}}\]"
    pattern = re.compile(written)
    for kind, start, end in blocks(node.source):
        found = pattern.search(node.source, start, end) if kind != "{#" else None
        if found is not None:
            return node.part(*found.span())
    return node.span


def _hole_place(node: Node, hole: Hole) -> Span:
    return node.find(re.compile(rf"\{{\+?{hole.name}\}}")) or node.span


def _error(code: str, message: str, span: Span, help: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help, fix=fix)


RULES = (template_names, template_where_none_is_read, default_input, url_holes)
