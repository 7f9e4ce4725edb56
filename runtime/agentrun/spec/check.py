"""One shaped document against the schema: each violation as one finding in the user's words, at its key or value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.diagnostics import MAX_TOLD, Diagnostic, Fix, Span
from agentrun.spec import wording
from agentrun.spec.edits import Texts
from agentrun.spec.nodes import Node, Route, items, kind_of
from agentrun.spec.retype import respelt, retyped
from agentrun.spec.schema import SPECS, JsonSchema, Kind, branch_for, branches, member_schema, schema_of
from agentrun.spec.shape import Shaped
from agentrun.spec.strangers import is_meant, strangers, unknown_keys
from agentrun.spec.types import BACKENDS, NAME_PATTERN

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


def check(
    kind: Kind, shaped: Shaped, *, partial: bool, texts: Texts = MappingProxyType({})
) -> tuple[Any, list[Diagnostic]]:
    """The typed form, and what the schema finds; the form is None where it doesn't fit.

    What an unset variable leaves open is not in the form where it would not fit. `partial` is for bases, where a
    required key may be missing; `texts` are the files, for fixes.
    """
    data = shaped.node.data()
    try:
        spec = msgspec.convert(data, SPECS[kind])
    except msgspec.ValidationError:
        found = _explain(kind, shaped, partial, texts)
        return None if found else _settled(kind, data, shaped.unknown), found
    return spec, _choices(kind, shaped.node, partial)


def _settled(kind: Kind, data: Any, unknown: frozenset[Route]) -> Any:
    """The typed form of what is known; None where that alone is no document."""

    def known(value: Any, route: Route) -> Any:
        if isinstance(value, dict):
            return {key: known(item, (*route, key)) for key, item in value.items() if (*route, key) not in unknown}
        return [known(item, (*route, at)) for at, item in enumerate(value)] if isinstance(value, list) else value

    try:
        return msgspec.convert(known(data, ()), SPECS[kind])
    except msgspec.ValidationError:
        return None


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


def misplaced(kind: Kind, node: Node) -> Diagnostic | None:
    """A tool in the folder of agents, or an agent in that of tools, where it can be nothing else."""
    keys = node.content if node.is_mapping else {}
    if "extends" in keys:
        return None
    has_backend = any(key in keys for key in BACKENDS)
    is_agent = "model" in keys and ("system_prompt" in keys or "tools" in keys)
    if kind == "tool" and is_agent and not has_backend:
        return _error("AR105", "this is an agent in a folder of tools", node.first_line, "move the file to `agents/`")
    if kind == "agent" and has_backend and not strangers(branch_for("tool", schema_of("tool"), keys) or {}, keys):
        return _error("AR105", "this is a tool in a folder of agents", node.first_line, "move the file to `tools.d/`")
    return None


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
    code, message, help = _violation(place.kind, error, route)
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
    stands_inside = place.kind == "test" and any(one.get(key) is not None for one in items(node.get("cases")))
    if (
        stands_outside
        or (stands_inside and not route)
        or is_something_else
        or is_meant(place.kind, schema, instance, _or_extends([key], route))
    ):
        return []  # the unknown key has its own finding
    about = known.get(key, {}).get("description")
    empty = _empty_key(node, (*route, key))
    if empty is not None:
        return [_error("AR302", f"`{key}` has no value", empty, about)]
    where = f" in {wording.subject(route)}" if route else ""
    span = node.key_place(route) if route else node.first_line
    return [_error("AR302", f"the key `{key}` is missing{where}", span, about)]


def _or_extends(names: Sequence[str], route: Route) -> list[str]:
    """What a base may have that was meant to be extended."""
    return [*names] if route else [*names, "extends"]


def _empty_key(node: Node, route: Route) -> Span | None:
    """The place of a key that was written without a value: `shape` took it out and kept its place."""
    parent = node.get(*route[:-1])
    return parent.keys.get(str(route[-1])) if parent is not None else None


def _violation(kind: Kind, error: ValidationError, route: Route) -> tuple[str, str, str | None]:
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
                wording.type_help(error.instance, [wanted], schema) or wording.form(route, kind),
            )
        case "enum":
            names = [wording.plain(option) for option in limit]
            help = wording.option_help(error.instance, limit)
            return "AR304", f"{subject} must be {wording.either(names)}, not {shown}", help or wording.form(route, kind)
        case "minimum":
            return "AR305", f"{subject} must be at least {limit:g}, not {shown}", about
        case "exclusiveMinimum":
            return "AR305", f"{subject} must be more than {limit:g}, not {shown}", about
        case "maximum":
            return "AR305", f"{subject} must be at most {limit:g}, not {shown}", about
        case "minLength" | "minItems":
            return "AR306", f"{subject} must not be empty", about or wording.form(route, kind)
        case "pattern" if limit == NAME_PATTERN:
            return "AR306", f"{shown} is no name", wording.NAME_HELP
        case "pattern":
            return "AR306", f"{shown} is no value for {subject}", wording.form(route, kind) or about
    return "AR303", f"{subject}: {error.message}", None


def _choices(kind: Kind, node: Node, partial: bool) -> list[Diagnostic]:
    """Keys of which exactly one, or at most one, may be written."""
    found: list[Diagnostic] = []
    root = node

    def visit(node: Node, schema: JsonSchema, route: Route, outside: Sequence[str]) -> None:
        if not schema or not isinstance(node.content, (dict, list)):
            return  # where anything may stand, nothing is chosen
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
            is_elsewhere = is_meant(kind, branch, node.data(), _or_extends(names, route)) or any(
                name in outside for name in names
            )
            is_strange = bool(route) and bool(strangers(branch, node.content))
            span = root.key_place(route) if route else root.first_line
            empty = next((name for name in names if name in node.keys), None)
            if not (is_elsewhere or is_strange):
                missing = "" if empty is None else f"`{empty}` has no value: "
                place = span if empty is None else node.keys[empty]
                found.append(_error("AR307", f"{missing}{subject} needs {what}", place))
        closed = branch.get("additionalProperties") is False
        unknown = strangers(branch, node.content) if closed else []
        for key, child in node.content.items():
            visit(child, member_schema(branch, key), (*route, key), unknown)

    visit(node, schema_of(kind), (), ())
    return found


def _error(code: str, message: str, span: Span, help: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, span, help, fix=fix)
