"""One document as the language reads it: what is data, and what came from the environment.

Walks a document along the schema: takes out `x-*` and null, fills in `${VAR}`, and converts the text where a number or
boolean is wanted. What is wrong with the rest is for `check.py` to say.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping

import msgspec

from agentrun.diagnostics import Diagnostic, Fix, Severity, Span
from agentrun.secrets import MIN_CHARS
from agentrun.spec.edits import replace_all, write
from agentrun.spec.nodes import Node, Route
from agentrun.spec.schema import (
    JsonSchema,
    Kind,
    Marked,
    Marks,
    branch_for,
    branches,
    marks_below,
    member_schema,
    schema_of,
)
from agentrun.spec.yaml_nodes import parse_scalar
from agentrun.templates import Interpolated, interpolate, quote_jinja, quote_url


class Shaped(msgspec.Struct, frozen=True):
    """A document ready to be validated.

    `secrets` are values of the environment that landed in fields that carry credentials; `variables` the names that
    were read; `unknown` the routes whose value an unset variable leaves open. `scalars` are those of the node, each
    with its route and the marks that hold there (`x-env`, `x-secret`, `x-template`), but for what stands below an
    unknown key: it has its own finding.
    """

    node: Node
    diagnostics: list[Diagnostic]
    secrets: frozenset[str]
    variables: frozenset[str]
    unknown: frozenset[Route]
    scalars: list[Marked]


def shape(kind: Kind, node: Node, environ: Mapping[str, str]) -> Shaped:
    properties = node.get("parameters", "properties") if kind == "tool" else None
    declared = frozenset(properties.content) if properties is not None and properties.is_mapping else frozenset[str]()
    shaper = _Shaper(kind, environ, declared)
    shaped = shaper.visit(node, schema_of(kind), (), {})
    return Shaped(
        shaped,
        shaper.found,
        frozenset(shaper.secrets),
        frozenset(shaper.variables),
        frozenset(shaper.unknown),
        shaper.scalars,
    )


_INSIDE_A_TEMPLATE = re.compile(r"\{[{%](?:(?!\{[{%]|[%}]\}).)*?(?<!\$)\$\{", re.DOTALL)
_BARE = re.compile(r"\$(?:([A-Z][A-Z0-9_]+)|\(([A-Z][A-Z0-9_]+)\))")
# What makes a value inert where it lands: it must not become a template.
_QUOTES: dict[str, Callable[[str], str]] = {"url": quote_url, "": str}


class _Shaper:
    def __init__(self, kind: Kind, environ: Mapping[str, str], declared: frozenset[str]) -> None:
        self.kind = kind
        self.environ = environ
        self.found: list[Diagnostic] = []
        self.secrets: set[str] = set()
        self.variables: set[str] = set()
        self.unknown: set[Route] = set()
        self.scalars: list[Marked] = []
        self.declared = declared

    def visit(self, node: Node, schema: JsonSchema, route: Route, marks: Marks, *, is_known: bool = True) -> Node:
        marks = marks_below(marks, schema)
        content = node.content
        if isinstance(content, dict):
            return self._mapping(node, branch_for(self.kind, schema, content) or {}, route, marks, is_known)
        if isinstance(content, list):
            items = (branch_for(self.kind, schema, content) or {}).get("items", {})
            entries = enumerate(content)
            return node.like([self.visit(one, items, (*route, i), marks, is_known=is_known) for i, one in entries])
        if isinstance(content, str) and "$" in content and marks.get("x-env"):
            node = self._scalar(node, content, schema, route, marks)
        elif isinstance(content, float) and content.is_integer() and "integer" in self._types(schema):
            node = node.like(int(content))  # JSON Schema takes 5.0 for a whole number
        if is_known:
            self.scalars.append((route, node, marks))
        return node

    def _types(self, schema: JsonSchema) -> set[str]:
        return {str(branch.get("type")) for branch in branches(self.kind, schema)}

    def _mapping(self, node: Node, branch: JsonSchema, route: Route, marks: Marks, is_known: bool) -> Node:
        known = branch["properties"] if branch.get("additionalProperties") is False else None
        children: dict[str, Node] = {}
        for key, child in node.content.items():
            if known is not None and (key.startswith("x-") or (child.content is None and key in known)):
                continue
            is_here = is_known and (known is None or key in known)
            children[key] = self.visit(child, member_schema(branch, key), (*route, key), marks, is_known=is_here)
        if route[-2:] == ("auth", "basic"):
            self._keep_pair(node.like(children))
        return node.like(children)

    def _keep_pair(self, basic: Node) -> None:
        """What HTTP basic authentication sends is a secret by itself: a service may show it in base64 once more."""
        data = basic.data()
        username, password = data.get("username", ""), data.get("password", "")
        if any(value and value in f"{username}\n{password}" for value in self.secrets):
            self.secrets.add(base64.b64encode(f"{username}:{password}".encode()).decode())

    def _scalar(self, node: Node, text: str, schema: JsonSchema, route: Route, marks: Marks) -> Node:
        if marks.get("x-template") not in (None, "", "url") and _INSIDE_A_TEMPLATE.search(text):
            help = "let it stand beside: `${VAR}{{ … }}`"
            self.found.append(_error("AR508", "`${VAR}` can't stand inside `{{ }}`", node.span, help))
            self.unknown.add(route)
            return node.like("")
        filled = interpolate(text, self.environ, _QUOTES.get(marks.get("x-template", ""), quote_jinja))
        self._environment_findings(filled, node, marks.get("x-template", ""))
        if not marks.get("x-secret"):  # a credential that is written out has a finding of its own
            self._without_braces(node, text)
        self.variables |= filled.values.keys() | {problem.name for problem in filled.problems if problem.name}
        if marks.get("x-secret"):
            self._keep_secrets(filled, node.span)
        if filled.problems:
            self.unknown.add(route)
            return node.like(filled.text)
        wanted = self._types(schema)
        if "string" not in wanted and wanted & {"integer", "number", "boolean"}:
            return node.like(parse_scalar(filled.text))
        return node.like(filled.text)

    def _without_braces(self, node: Node, text: str) -> None:
        """`$MODEL` or `$(MODEL)`, as shells write it."""
        found = _BARE.fullmatch(text)
        if found is not None:
            meant = f"${{{found.group(1) or found.group(2)}}}"
            message = f"`{text}` is no variable: it is used as it stands"
            fix = write(node, meant, safe=False)
            self.found.append(Diagnostic("AR508", "warning", message, node.span, f"write `{meant}`", fix=fix))

    def _keep_secrets(self, filled: Interpolated, span: Span) -> None:
        for name, value in filled.values.items():
            self.secrets.add(value)
            if len(value) < MIN_CHARS:
                message = f"the secret {name} is shorter than {MIN_CHARS} characters, and is not masked in outputs"
                self.found.append(Diagnostic("AR801", "warning", message, span, "use a longer one"))

    def _environment_findings(self, filled: Interpolated, node: Node, scope: str) -> None:
        for problem in filled.problems:
            severity: Severity = "error"
            help: str | None = None
            fix: Fix | None = None
            if problem.kind == "syntax":
                code, message = "AR508", problem.message
                help = "a literal `$` before a brace is written `$$`"
                fix = _with_colon(node, problem.name)
            elif problem.kind == "required":
                code = "AR509"
                state = "empty" if problem.name in self.environ else "not set"
                message = f"the environment variable {problem.name} is {state}"
                help = problem.message or f"set {problem.name}"
            elif scope and problem.name in self.declared:
                code, severity = "AR513", "warning"
                message = f"`${{{problem.name}}}` is a variable of the environment, which is not set, and no argument"
                help = f"write `{{{problem.name}}}`" if scope == "url" else f"write `{{{{ args.{problem.name} }}}}`"
            else:
                code, severity = "AR510", "warning"
                message = f"the environment variable {problem.name} is not set"
                help = f"set it before a run, or give a default: `${{{problem.name}:-…}}`"
            self.found.append(Diagnostic(code, severity, message, node.span, help, fix=fix))


def _with_colon(node: Node, name: str) -> Fix | None:
    """`${VAR-x}` as `${VAR:-x}`, and `${VAR?x}` as `${VAR:?x}`."""
    before = re.compile(rf"(?<!\$)(?:\$\$)*\${{{name}()(?=[-?])")
    return replace_all(node, before, ":", f"write `${{{name}:…}}`", safe=True) if name else None


def _error(code: str, message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help)
