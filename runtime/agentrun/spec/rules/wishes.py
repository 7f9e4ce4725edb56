"""Texts that were meant as templates or variables, and templates whose values cost something."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from agentrun.diagnostics import Diagnostic, Edit, Fix
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import LINE_BREAK, Node, Route
from agentrun.spec.rules.parameters import declared
from agentrun.spec.rules.templates import names_in_scope, place_of_name
from agentrun.spec.wording import subject
from agentrun.templates import template_of

_JINJA = r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"
_HOLE = r"(?<![\w%#@\\$}{])\{(\w+(?:\.\w+)?)\}(?!\})"
_BRACED = r"(?<![\\$])\$\{(\w+(?:\.\w+)?)\}"
_DOLLAR = r"(?<![\w\\$])\$((?:args|run|call)\.\w+|[a-z_]\w*)\b(?![($=])"
_FENCED = r"^[ \t]*```.*?^[ \t]*```"
_WISHES = f"(?sm){_FENCED}|{_JINJA}|{_BRACED}|{_DOLLAR}|{_HOLE}"  # compiled when a text has such marks

_CONDITIONS = ("when", "require_approval")
# Programs to which `{x}` or `$x` may well mean something of their own.
_OWN_LANGUAGE_NAMES = (
    "awk bash dash envsubst fish gawk jq ksh make mawk node perl psql python python3 ruby sed sh xargs yq zsh"
)
_OWN_LANGUAGE = frozenset(_OWN_LANGUAGE_NAMES.split())


def meant_as_an_argument(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """`{x}`, `${x}` or `$x` where `x` is a parameter and templates are read; `{args.x}` and `{run.id}` too."""
    names = declared(document)
    if document.kind == "test" or names is None:
        return
    for route, node, marks in document.scalars:
        if marks.get("x-template") in (None, "", "url") or not isinstance(node.content, str):
            continue
        if route[-1] in _CONDITIONS or route[0] == "permissions" or not _is_readable(node):
            continue
        for found in re.finditer(_WISHES, node.source):
            braced, dollar, hole = found.groups()
            meant = _meant(braced or dollar or hole, names, str(marks["x-template"]))
            if meant is not None and _may_be_meant(document, route, node, marks, found.group()):
                yield _wish(route, node, found, meant)


def _meant(written: str | None, names: Collection[str], scope: str) -> str | None:
    """What a template calls it: an argument, or a part of `run` or `call`."""
    owner, _, last = (written or "").rpartition(".")
    if owner in ("", "args"):
        return f"args.{last}" if last in names else None
    return written if last in names_in_scope(scope).get(owner, ()) else None


def _is_readable(node: Node) -> bool:
    """Without `$` and braces there is nothing to look for; braces that don't close have their own finding."""
    has_marks = "$" in node.source or "{" in node.source
    return has_marks and "{% raw" not in node.source and template_of(node.content) is not None


def _may_be_meant(document: Document, route: Route, node: Node, marks: dict[str, object], written: str) -> bool:
    is_hole = written.startswith("{")
    if route[:2] == ("shell", "command"):
        return _program(document) not in _OWN_LANGUAGE and not _has_own_language(document)
    if route[0] == "http":  # other braces, and keys with `$`, speak of another language: GraphQL, a JSON text, MongoDB
        is_other = not is_hole and (written.startswith("${") or any(str(step).startswith("$") for step in route))
        return not is_other and "{" not in re.sub(_WISHES, "", node.source)
    if not is_hole:
        return not marks.get("x-env") and route[0] in ("system_prompt", "input", "output", "shell")
    return True


def _program(document: Document) -> str:
    first = document.node.get("shell", "command", 0)
    return str(first.content).rpartition("/")[2] if first is not None else ""


def _has_own_language(document: Document) -> bool:
    """Whether a program that is run by another has one: `env sh -c`, `docker exec … sh -c`."""
    command = document.node.get("shell", "command")
    elements = command.content if command is not None and command.is_list else ()
    return any(
        one.content in ("-c", "-e", "-f", "--format", *_OWN_LANGUAGE)
        for one in elements
        if isinstance(one.content, str)
    )


def _wish(route: Route, node: Node, found: re.Match[str], meant: str) -> Diagnostic:
    written, template = found.group(), f"{{{{ {meant} }}}}"
    message = f"`{written}` is sent as it stands: it is no template in {subject(route)}"
    place = node.part(*found.span())
    return Diagnostic(
        "AR513", "warning", message, place, f"write `{template}`", fix=_template_fix(node, found, template)
    )


def _template_fix(node: Node, found: re.Match[str], template: str) -> Fix | None:
    """In a plain text a template needs quotes: the whole is written anew."""
    title = f"write `{template}`"
    if node.style:
        return Fix(title, (Edit(node.part(*found.span()), template),), safe=False)
    if LINE_BREAK.search(node.source) or '"' in node.source or "\\" in node.source:
        return None
    text = node.source[: found.start()] + template + node.source[found.end() :]
    return Fix(title, (Edit(node.span, f'"{text}"'),), safe=False)


# -- ${VAR} where no variable is read -------------------------------------------------------------------------

_CODE = r"```.*?```|`[^`\n]*`"
_VARIABLE = rf"(?s){_CODE}|(?<![\\$])(\$\{{[A-Z][A-Z0-9_]+(?::?[-?][^}}\n]*)?\}})"
_READ_IN = {
    "agent": "variables are read in `model`; a prompt can have `{{ args.x }}` and `{{ run.date }}`",
    "tool": "variables are read in `http`, and in `env` and `cwd` of `shell`",
}


def variable_where_none_is_read(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind == "test":
        return
    for route, node, marks in document.scalars:
        if marks.get("x-env") or not isinstance(node.content, str) or "${" not in node.source:
            continue
        if route[:2] == ("shell", "script") or (
            route[:2] == ("shell", "command") and _is_read_by_the_program(document)
        ):
            continue
        for found in re.finditer(_VARIABLE, node.source):
            name = (found.group(1) or "").strip("${}")
            if name and name not in (declared(document) or {}):
                message = f"`{found.group(1)}` is no variable in {subject(route)}: it stays as it is"
                yield Diagnostic("AR514", "warning", message, node.part(*found.span(1)), _READ_IN[document.kind])


def _is_read_by_the_program(document: Document) -> bool:
    return _program(document) in _OWN_LANGUAGE or _has_own_language(document)


# -- what templates cost or lose ------------------------------------------------------------------------------


def prompt_that_changes_with_every_run(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("system_prompt") if document.kind == "agent" else None
    template = template_of(node.content) if node is not None else None
    if node is None or template is None:
        return
    for owner, attribute in sorted(template.attributes):
        if owner != "run" or attribute not in ("id", "session"):
            continue
        place = place_of_name(node, f"run.{attribute}")
        message = f"`run.{attribute}` is another one in each run, and the provider's prompt cache is not used"
        yield Diagnostic("AR515", "info", message, place, "let it stand in `input`, or in a tool's call")


def body_of_the_last_page(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node, paginate = document.node.get("output"), document.node.get("http", "paginate")
    template = template_of(node.content) if node is not None else None
    if document.kind != "tool" or node is None or paginate is None or template is None:
        return
    if "body" not in template.names or "pages" in template.names:
        return
    message = "with `paginate`, `body` is that of the last page alone"
    place = place_of_name(node, "body")
    yield Diagnostic("AR519", "warning", message, place, "`pages` is the list of all bodies, such as `pages[0].items`")


RULES = (
    meant_as_an_argument,
    variable_where_none_is_read,
    prompt_that_changes_with_every_run,
    body_of_the_last_page,
)
