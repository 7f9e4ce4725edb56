"""One document against the schema: what is data, what came from the environment, and what is wrong.

`shape` walks a document along the schema: it takes out `x-*` and null, fills in `${VAR}` and converts the text where
a number or boolean is wanted. `check` then validates and turns each violation into one finding in the user's words,
at the key or value it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jsonschema
import msgspec
from jsonschema.exceptions import ValidationError

from agentrun.diagnostics import Diagnostic, Severity, Span, did_you_mean, nearest, one_of
from agentrun.secrets import MIN_CHARS
from agentrun.spec.schema import JsonSchema, Kind, branch_for, branches, marks_of, member_schema, schema_of
from agentrun.spec.types import NAME_PATTERN
from agentrun.spec.yaml_nodes import Node, Route, kind_of, parse_scalar
from agentrun.templates import Interpolated, interpolate, quote_jinja, quote_url


class Shaped(msgspec.Struct, frozen=True):
    """A document ready to be validated.

    `secrets` are values of the environment that landed in fields that carry credentials; `variables` the names that
    were read; `unknown` the routes whose value an unset variable leaves open.
    """

    node: Node
    diagnostics: list[Diagnostic]
    secrets: frozenset[str]
    variables: frozenset[str]
    unknown: frozenset[Route]


def shape(kind: Kind, node: Node, environ: Mapping[str, str]) -> Shaped:
    shaper = _Shaper(kind, environ)
    shaped = shaper.visit(node, schema_of(kind), (), {})
    return Shaped(
        shaped, shaper.found, frozenset(shaper.secrets), frozenset(shaper.variables), frozenset(shaper.unknown)
    )


# What makes a value inert where it lands: it must not become a template.
_QUOTES: dict[str, Callable[[str], str]] = {"url": quote_url, "": str}


class _Shaper:
    def __init__(self, kind: Kind, environ: Mapping[str, str]) -> None:
        self.kind = kind
        self.environ = environ
        self.found: list[Diagnostic] = []
        self.secrets: set[str] = set()
        self.variables: set[str] = set()
        self.unknown: set[Route] = set()

    def visit(self, node: Node, schema: JsonSchema, route: Route, marks: dict[str, Any]) -> Node:
        marks = marks | marks_of(schema)
        content = node.content
        if isinstance(content, dict):
            return self._mapping(node, branch_for(self.kind, schema, content) or {}, route, marks)
        if isinstance(content, list):
            items = (branch_for(self.kind, schema, content) or {}).get("items", {})
            return node.like([self.visit(item, items, (*route, i), marks) for i, item in enumerate(content)])
        if isinstance(content, str) and "$" in content and marks.get("x-env"):
            return self._scalar(node, content, schema, route, marks)
        return node

    def _mapping(self, node: Node, branch: JsonSchema, route: Route, marks: dict[str, Any]) -> Node:
        closed = branch.get("additionalProperties") is False
        children: dict[str, Node] = {}
        for key, child in node.content.items():
            if closed and (key.startswith("x-") or child.content is None):
                continue
            schema = member_schema(branch, key)
            children[key] = self.visit(child, schema, (*route, key), marks)
            self._later(key, child, schema, node.keys[key])
        return node.like(children)

    def _later(self, key: str, child: Node, schema: JsonSchema, span: Span) -> None:
        later = schema.get("x-later")
        # What a switch is turned off by asks for nothing.
        if later is True and child.content is not False:
            self.found.append(_error("AR308", f"`{key}` is not available in this version", span))
        elif isinstance(later, list) and child.content in later:
            message = f"`{key}: {child.content}` is not available in this version"
            self.found.append(_error("AR308", message, child.span))

    def _scalar(self, node: Node, text: str, schema: JsonSchema, route: Route, marks: dict[str, Any]) -> Node:
        filled = interpolate(text, self.environ, _QUOTES.get(marks.get("x-template", ""), quote_jinja))
        self._environment_findings(filled, node.span)
        self.variables |= filled.values.keys() | {problem.name for problem in filled.problems if problem.name}
        if marks.get("x-secret"):
            self._keep_secrets(filled, node.span)
        if filled.problems:
            self.unknown.add(route)
            return node.like(filled.text)
        wanted = {branch.get("type") for branch in branches(self.kind, schema)}
        if "string" not in wanted and wanted & {"integer", "number", "boolean"}:
            return node.like(parse_scalar(filled.text))
        return node.like(filled.text)

    def _keep_secrets(self, filled: Interpolated, span: Span) -> None:
        for name, value in filled.values.items():
            self.secrets.add(value)
            if len(value) < MIN_CHARS:
                message = f"the secret {name} is shorter than {MIN_CHARS} characters, and is not masked in outputs"
                self.found.append(Diagnostic("AR801", "warning", message, span, "use a longer one"))

    def _environment_findings(self, filled: Interpolated, span: Span) -> None:
        for problem in filled.problems:
            severity: Severity = "error"
            help: str | None = None
            if problem.kind == "syntax":
                code, message = "AR508", problem.message
                help = "a literal `$` before a brace is written `$$`"
            elif problem.kind == "required":
                code = "AR509"
                message = f"the environment variable {problem.name} is not set"
                help = problem.message or f"set {problem.name}"
            else:
                code, severity = "AR510", "warning"
                message = f"the environment variable {problem.name} is not set"
                help = f"set it before a run, or give a default: `${{{problem.name}:-…}}`"
            self.found.append(Diagnostic(code, severity, message, span, help))


def check(kind: Kind, shaped: Shaped, *, partial: bool) -> list[Diagnostic]:
    """What the schema finds. `partial` is for bases, where a required key may be missing."""
    node = shaped.node
    if not node.is_mapping:
        return [_error("AR309", f"{_article(kind)} is a mapping of keys, not {node.kind}", node.span)]
    found: list[Diagnostic] = []
    for error in _validator(kind).iter_errors(node.data()):
        found.extend(_findings(kind, node, error, shaped.unknown, partial))
    found.extend(_choices(kind, node, partial))
    return found


def _article(kind: Kind) -> str:
    return {"agent": "an agent", "tool": "a tool", "test": "a test file"}[kind]


_validators: dict[Kind, Any] = {}


def _validator(kind: Kind) -> Any:
    if kind not in _validators:
        # Draft 2020-12 reads our `$defs` and `allOf` as draft 7 does, and keeps `$ref` apart from its siblings.
        _validators[kind] = jsonschema.Draft202012Validator(schema_of(kind))
    return _validators[kind]


def _findings(
    kind: Kind, node: Node, error: ValidationError, unknown: Iterable[Route], partial: bool
) -> list[Diagnostic]:
    route: Route = tuple(error.absolute_path)
    if route in unknown:
        return []
    if error.validator in ("anyOf", "allOf"):
        return _alternative(kind, node, error, unknown, partial)
    if error.validator == "additionalProperties":
        return _unknown_keys(node, error, route)
    if error.validator == "required":
        return [] if partial else _missing(node, error, route)
    code, message, help = _violation(error, route)
    return [_error(code, message, node.place(route), help)]


def _alternative(
    kind: Kind, node: Node, error: ValidationError, unknown: Iterable[Route], partial: bool
) -> list[Diagnostic]:
    """Of several alternatives, the findings of the one that the value was meant for."""
    meant = [
        child
        for child in error.context or ()
        if not (child.validator in ("type", "enum") and not child.relative_path and _other_type(child))
    ]
    if not meant:
        route: Route = tuple(error.absolute_path)
        schema: Any = error.schema
        wanted = _or(dict.fromkeys(_wanted(branch) for branch in branches(kind, schema)))
        message = f"{_subject(route)} must be {wanted}, not {_shown(error.instance)}"
        return [_error("AR303", message, node.place(route), _yaml_trap(error.instance))]
    return [found for child in meant for found in _findings(kind, node, child, unknown, partial)]


def _other_type(error: ValidationError) -> bool:
    if error.validator == "type":
        return True
    options: Any = error.validator_value
    return not any(kind_of(option) == kind_of(error.instance) for option in options)


def _unknown_keys(node: Node, error: ValidationError, route: Route) -> list[Diagnostic]:
    schema: Any = error.schema
    allowed = list(schema.get("properties", {}))
    instance: Any = error.instance
    written = set(instance)
    found = []
    for key in instance:
        if key in allowed or key.startswith("x-"):
            continue
        near = did_you_mean(key, [name for name in allowed if name not in written])
        where = f" in {_subject(route)}" if route else ""
        help = near or f"allowed: {one_of(allowed, limit=40)}"
        found.append(_error("AR301", f"unknown key `{key}`{where}", node.key_place((*route, key)), help))
    return found


def _missing(node: Node, error: ValidationError, route: Route) -> list[Diagnostic]:
    """`required` names one key at a time: the one of this error."""
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    absent = [name for name in schema["required"] if name not in instance]
    key = next(name for name in absent if repr(name) in error.message)
    unwritten = [name for name in known if name not in instance]
    if any(nearest(stranger, unwritten) == key for stranger in instance if stranger not in known):
        return []  # the misspelt key has its own finding
    where = f" in {_subject(route)}" if route else ""
    span = node.key_place(route) if route else _first_line(node)
    about = known.get(key, {}).get("description")
    return [_error("AR302", f"the key `{key}` is missing{where}", span, about)]


def _violation(error: ValidationError, route: Route) -> tuple[str, str, str | None]:
    limit: Any = error.validator_value
    schema: Any = error.schema
    subject, shown = _subject(route), _shown(error.instance)
    match error.validator:
        case "type":
            return "AR303", f"{subject} must be {_wanted(schema)}, not {shown}", _yaml_trap(error.instance)
        case "enum":
            names = [_plain(option) for option in limit]
            help = did_you_mean(str(error.instance), names) if isinstance(error.instance, str) else None
            return "AR304", f"{subject} must be {_or(names)}, not {shown}", help
        case "minimum":
            return "AR305", f"{subject} must be at least {limit:g}, not {shown}", None
        case "exclusiveMinimum":
            return "AR305", f"{subject} must be more than {limit:g}, not {shown}", None
        case "maximum":
            return "AR305", f"{subject} must be at most {limit:g}, not {shown}", None
        case "minLength" | "minItems":
            return "AR306", f"{subject} must not be empty", None
        case "pattern" if limit == NAME_PATTERN:
            help = "a name takes letters, digits, `_` and `-`, at most 64"
            return "AR306", f"{shown} is no name", help
        case "pattern":
            return "AR306", f"{subject} must match {limit}, not {shown}", None
    return "AR303", f"{subject}: {error.message}", None


def _choices(kind: Kind, node: Node, partial: bool) -> list[Diagnostic]:
    """Keys of which exactly one, or at most one, may be written."""
    found: list[Diagnostic] = []
    root = node

    def visit(node: Node, schema: JsonSchema, route: Route) -> None:
        branch = branch_for(kind, schema, node.content) or {}
        if isinstance(node.content, list):
            for index, item in enumerate(node.content):
                visit(item, branch.get("items", {}), (*route, index))
        if not isinstance(node.content, dict):
            return
        names = branch.get("x-exactly-one") or branch.get("x-at-most-one") or []
        written = [name for name in names if name in node.content]
        subject = _subject(route) if route else _article(kind)
        if len(written) > 1:
            span = node.keys[written[1]]
            message = f"{subject} takes one of {_or(names)}, not both `{written[0]}` and `{written[1]}`"
            found.append(_error("AR307", message, span))
        elif not written and "x-exactly-one" in branch and not partial:
            # A misspelt key has its own finding.
            misspelt = any(nearest(key, names) for key in node.content if key not in branch["properties"])
            span = root.key_place(route) if route else _first_line(root)
            if not misspelt:
                found.append(_error("AR307", f"{subject} needs one of {_or(names)}", span))
        for key, child in node.content.items():
            visit(child, member_schema(branch, key), (*route, key))

    visit(node, schema_of(kind), ())
    return found


def _first_line(node: Node) -> Span:
    return Span(node.span.file, node.span.line, 1, node.span.line, 1)


# -- wording ------------------------------------------------------------------------------------------------


def _subject(route: Route) -> str:
    """`http.headers`, `tools[2].name`: how a person names a place."""
    if not route:
        return "the file"
    text = ""
    for step in route:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return f"`{text}`"


_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}


def _wanted(branch: JsonSchema) -> str:
    if "enum" in branch:
        return _or([_plain(option) for option in branch["enum"]])
    return _TYPE_WORDS.get(str(branch.get("type")), "a value")


def _plain(option: Any) -> str:
    return str(option).lower() if isinstance(option, bool) else str(option) or '""'


def _or(names: Iterable[str]) -> str:
    words = [name for name in names if name != "nothing"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value}"
    if isinstance(value, str):
        text = value if len(value) <= 40 else value[:39] + "…"
        return f"`{text}`"
    return kind_of(value)


def _yaml_trap(value: Any) -> str | None:
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return f"`{value}` is text in YAML 1.2: write `{'true' if value.lower() in ('yes', 'on') else 'false'}`"
    if isinstance(value, (bool, int, float)):
        return "quote it where text is meant"
    return None


def _error(code: str, message: str, span: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help)
