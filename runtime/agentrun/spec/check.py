"""One document against the schema: what is data, what came from the environment, and what is wrong.

`shape` walks a document along the schema: it takes out `x-*` and null, fills in `${VAR}` and converts the text where
a number or boolean is wanted. `check` then validates and turns each violation into one finding in the user's words,
at the key or value it is about.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.diagnostics import MAX_TOLD, Diagnostic, Fix, Severity, Span
from agentrun.secrets import MIN_CHARS
from agentrun.spec import wording
from agentrun.spec.edits import Texts, replace_all, write
from agentrun.spec.nodes import Node, Route, kind_of
from agentrun.spec.retype import respelt, retyped
from agentrun.spec.schema import SPECS, JsonSchema, Kind, branch_for, branches, marks_below, member_schema, schema_of
from agentrun.spec.strangers import is_meant, strangers, unknown_keys
from agentrun.spec.types import NAME_PATTERN
from agentrun.spec.yaml_nodes import parse_scalar
from agentrun.templates import Interpolated, interpolate, quote_jinja, quote_url

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


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


_INSIDE_A_TEMPLATE = re.compile(r"\{[{%](?:(?!\{[{%]|[%}]\}).)*?(?<!\$)\$\{", re.DOTALL)
_BARE = re.compile(r"\$(?:([A-Z][A-Z0-9_]+)|\(([A-Z][A-Z0-9_]+)\))")
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
        marks = marks_below(marks, schema)
        content = node.content
        if isinstance(content, dict):
            return self._mapping(node, branch_for(self.kind, schema, content) or {}, route, marks)
        if isinstance(content, list):
            items = (branch_for(self.kind, schema, content) or {}).get("items", {})
            return node.like([self.visit(item, items, (*route, i), marks) for i, item in enumerate(content)])
        if isinstance(content, str) and "$" in content and marks.get("x-env"):
            return self._scalar(node, content, schema, route, marks)
        if isinstance(content, float) and content.is_integer() and "integer" in self._types(schema):
            return node.like(int(content))  # JSON Schema takes 5.0 for a whole number
        return node

    def _types(self, schema: JsonSchema) -> set[str]:
        return {str(branch.get("type")) for branch in branches(self.kind, schema)}

    def _mapping(self, node: Node, branch: JsonSchema, route: Route, marks: dict[str, Any]) -> Node:
        closed = branch.get("additionalProperties") is False
        children: dict[str, Node] = {}
        for key, child in node.content.items():
            if closed and (key.startswith("x-") or (child.content is None and key in branch["properties"])):
                continue
            schema = member_schema(branch, key)
            children[key] = self.visit(child, schema, (*route, key), marks)
            self._later(key, child, schema, node.keys[key])
        if route[-2:] == ("auth", "basic"):
            self._keep_pair(node.like(children))
        return node.like(children)

    def _keep_pair(self, basic: Node) -> None:
        """What HTTP basic authentication sends is a secret by itself: a service may show it in base64 once more."""
        data = basic.data()
        username, password = data.get("username", ""), data.get("password", "")
        if any(value and value in f"{username}\n{password}" for value in self.secrets):
            self.secrets.add(base64.b64encode(f"{username}:{password}".encode()).decode())

    def _later(self, key: str, child: Node, schema: JsonSchema, span: Span) -> None:
        later = schema.get("x-later")
        # What a switch is turned off by, or an empty list, asks for nothing.
        if later is True and child.content is not False and child.content != []:
            self.found.append(_error("AR308", f"`{key}` is not available in this version", span, "leave it out"))
        elif isinstance(later, list) and child.content in later:
            message = f"`{key}: {child.content}` is not available in this version"
            self.found.append(_error("AR308", message, child.span, "choose another"))

    def _scalar(self, node: Node, text: str, schema: JsonSchema, route: Route, marks: dict[str, Any]) -> Node:
        if marks.get("x-template") not in (None, "", "url") and _INSIDE_A_TEMPLATE.search(text):
            help = "let it stand beside: `${VAR}{{ … }}`"
            self.found.append(_error("AR508", "`${VAR}` can't stand inside `{{ }}`", node.span, help))
            self.unknown.add(route)
            return node.like("")
        filled = interpolate(text, self.environ, _QUOTES.get(marks.get("x-template", ""), quote_jinja))
        self._environment_findings(filled, node)
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

    def _environment_findings(self, filled: Interpolated, node: Node) -> None:
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
            else:
                code, severity = "AR510", "warning"
                message = f"the environment variable {problem.name} is not set"
                help = f"set it before a run, or give a default: `${{{problem.name}:-…}}`"
            self.found.append(Diagnostic(code, severity, message, node.span, help, fix=fix))


def _with_colon(node: Node, name: str) -> Fix | None:
    """`${VAR-x}` as `${VAR:-x}`, and `${VAR?x}` as `${VAR:?x}`."""
    before = re.compile(rf"(?<!\$)(?:\$\$)*\${{{name}()(?=[-?])")
    return replace_all(node, before, ":", f"write `${{{name}:…}}`", safe=True) if name else None


def check(
    kind: Kind, shaped: Shaped, *, partial: bool, texts: Texts = MappingProxyType({})
) -> tuple[Any, list[Diagnostic]]:
    """The typed form, and what the schema finds; the form is None where it doesn't fit.

    `partial` is for bases, where a required key may be missing; `texts` are the files, for fixes.
    """
    try:
        spec = msgspec.convert(shaped.node.data(), SPECS[kind])
    except msgspec.ValidationError:
        return None, _explain(kind, shaped, partial, texts)
    return spec, _choices(kind, shaped.node, partial)


def _explain(kind: Kind, shaped: Shaped, partial: bool, texts: Texts) -> list[Diagnostic]:
    """The types say that something is wrong, the schema of the same types says all that is."""
    node = shaped.node
    if not node.is_mapping:
        several = kind == "tool" and node.is_list
        help = "write each tool as a document of its own, with `---` between them" if several else None
        if isinstance(node.content, str):
            help = wording.misread_sign(node.content)
        return [_error("AR309", f"{_article(kind)} is a mapping of keys, not {node.kind}", node.span, help)]
    found: list[Diagnostic] = []
    place = _Place(kind, node, shaped.unknown, partial, texts)
    for error in _validator(kind).iter_errors(node.data()):
        found.extend(_findings(place, error))
        if len(found) >= MAX_TOLD:
            break
    found.extend(_choices(kind, node, partial))
    return found


def _article(kind: Kind) -> str:
    return {"agent": "an agent", "tool": "a tool", "test": "a test file"}[kind]


@cache
def _validator(kind: Kind) -> Any:
    import jsonschema

    # Draft 2020-12 reads our `$defs` and `allOf` as draft 7 does, and keeps `$ref` apart from its siblings.
    return jsonschema.Draft202012Validator(schema_of(kind))


class _Place(msgspec.Struct, frozen=True):
    """The document that errors of the schema are about."""

    kind: Kind
    node: Node
    unknown: frozenset[Route]
    partial: bool
    texts: Texts


def _findings(place: _Place, error: ValidationError) -> list[Diagnostic]:
    route: Route = tuple(error.absolute_path)
    node = place.node
    schema: Any = error.schema
    instance: Any = error.instance
    if route in place.unknown or _is_told_beside(node, route):
        return []
    if error.validator in ("anyOf", "allOf"):
        return _alternative(place, error)
    if error.validator == "additionalProperties":
        return unknown_keys(place.kind, node, place.texts, route, schema, instance)
    if error.validator == "required":
        return [] if place.partial else _missing(place, error, route)
    code, message, help = _violation(error, route)
    fix = None
    if code == "AR304":
        names: Any = error.validator_value
        fix = respelt(node.get(*route), [name for name in names if isinstance(name, str)])
    elif error.validator == "type":
        about = schema.get("description", "")
        fix = retyped(place.kind, place.texts, node.get(*route), route, [schema], about)
        help = help or _help(fix, about)
    return [_error(code, message, node.place(route), help, fix)]


def _is_told_beside(node: Node, route: Route) -> bool:
    """Whether an unknown key beside a value tells what is wrong with it: `args` of a `command`, `properties`."""
    key = _TELLING.get(route[-1]) if route else None
    return key is not None and node.get(*route[:-1], key) is not None


_TELLING: dict[str | int, str] = {"command": "args", "type": "properties"}


def _alternative(place: _Place, error: ValidationError) -> list[Diagnostic]:
    """Of several alternatives, the findings of the one that the value was meant for."""
    meant = [
        child
        for child in error.context or ()
        if not (child.validator in ("type", "enum") and not child.relative_path and _other_type(child))
    ]
    if meant:
        return [found for child in meant for found in _findings(place, child)]
    route: Route = tuple(error.absolute_path)
    schema: Any = error.schema
    options = list(branches(place.kind, schema))
    wanted = list(dict.fromkeys(wording.wanted(branch) for branch in options))
    message = f"{wording.subject(route)} must be {wording.either(wanted)}, not {wording.shown(error.instance)}"
    about = schema.get("description", "")
    help = wording.type_help(error.instance, wanted, schema) or wording.form(route, place.kind)
    fix = retyped(place.kind, place.texts, place.node.get(*route), route, options, about)
    return [_error("AR303", message, place.node.place(route), help or _help(fix, about), fix)]


def _help(fix: Fix | None, about: str) -> str | None:
    """What mends a value says more than what its key is for."""
    return fix.title if fix is not None else about or None


def _other_type(error: ValidationError) -> bool:
    if error.validator == "type":
        return True
    options: Any = error.validator_value
    return not any(kind_of(option) == kind_of(error.instance) for option in options)


def _missing(place: _Place, error: ValidationError, route: Route) -> list[Diagnostic]:
    """`required` names one key at a time: the one of this error."""
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    node = place.node
    absent = [name for name in schema["required"] if name not in instance]
    key = next(name for name in absent if repr(name) in error.message)
    above = node.get(*route[:-1]) if route else None
    stands_outside = above is not None and above.is_mapping and key in above.content
    is_something_else = bool(route) and len(strangers(schema, instance)) == len(instance) > 0
    if stands_outside or is_something_else or is_meant(place.kind, schema, instance, [key]):
        return []  # the unknown key has its own finding
    about = known.get(key, {}).get("description")
    empty = _empty_key(node, (*route, key))
    if empty is not None:
        return [_error("AR302", f"`{key}` has no value", empty, about)]
    where = f" in {wording.subject(route)}" if route else ""
    span = node.key_place(route) if route else node.first_line
    return [_error("AR302", f"the key `{key}` is missing{where}", span, about)]


def _empty_key(node: Node, route: Route) -> Span | None:
    """The place of a key that was written without a value: `shape` took it out and kept its place."""
    parent = node.get(*route[:-1])
    return parent.keys.get(str(route[-1])) if parent is not None else None


def _violation(error: ValidationError, route: Route) -> tuple[str, str, str | None]:
    limit: Any = error.validator_value
    schema: Any = error.schema
    subject, shown = wording.subject(route), wording.shown(error.instance)
    about = schema.get("description")
    match error.validator:
        case "type":
            wanted = wording.wanted(schema)
            return (
                "AR303",
                f"{subject} must be {wanted}, not {shown}",
                wording.type_help(error.instance, [wanted], schema) or wording.form(route),
            )
        case "enum":
            names = [wording.plain(option) for option in limit]
            help = wording.option_help(error.instance, limit)
            return "AR304", f"{subject} must be {wording.either(names)}, not {shown}", help
        case "minimum":
            return "AR305", f"{subject} must be at least {limit:g}, not {shown}", about
        case "exclusiveMinimum":
            return "AR305", f"{subject} must be more than {limit:g}, not {shown}", about
        case "maximum":
            return "AR305", f"{subject} must be at most {limit:g}, not {shown}", about
        case "minLength" | "minItems":
            return "AR306", f"{subject} must not be empty", about
        case "pattern" if limit == NAME_PATTERN:
            return "AR306", f"{shown} is no name", wording.NAME_HELP
        case "pattern":
            return "AR306", f"{shown} is no value for {subject}", wording.form(route) or about
    return "AR303", f"{subject}: {error.message}", None


def _choices(kind: Kind, node: Node, partial: bool) -> list[Diagnostic]:
    """Keys of which exactly one, or at most one, may be written."""
    found: list[Diagnostic] = []
    root = node

    def visit(node: Node, schema: JsonSchema, route: Route, outside: Sequence[str]) -> None:
        if not isinstance(node.content, (dict, list)):
            return
        branch = branch_for(kind, schema, node.content) or {}
        if isinstance(node.content, list):
            for index, item in enumerate(node.content):
                visit(item, branch.get("items", {}), (*route, index), ())
            return
        names = branch.get("x-exactly-one") or branch.get("x-at-most-one") or []
        written = [key for key in node.content if key in names]
        subject = wording.subject(route) if names and route else _article(kind)
        what = f"one of {wording.either(names)}" if names else ""
        if len(written) > 1:
            span = node.keys[written[1]]
            message = f"{subject} takes {what}, not both `{written[0]}` and `{written[1]}`"
            found.append(_error("AR307", message, span))
        elif not written and "x-exactly-one" in branch and not partial:
            # An unknown key that was meant for one has its own finding.
            is_elsewhere = is_meant(kind, branch, node.data(), names) or any(name in outside for name in names)
            is_strange = bool(route) and bool(strangers(branch, node.content))
            span = root.key_place(route) if route else root.first_line
            empty = next((name for name in names if name in node.keys), None)
            if is_elsewhere or is_strange:
                pass
            elif empty is not None:
                found.append(_error("AR307", f"`{empty}` has no value: {subject} needs {what}", node.keys[empty]))
            else:
                found.append(_error("AR307", f"{subject} needs {what}", span))
        closed = branch.get("additionalProperties") is False
        unknown = strangers(branch, node.content) if closed else []
        for key, child in node.content.items():
            visit(child, member_schema(branch, key), (*route, key), unknown)

    visit(node, schema_of(kind), (), ())
    return found


def _error(code: str, message: str, span: Span, help: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help, fix=fix)
