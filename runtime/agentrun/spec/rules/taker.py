"""A tool by its name, as test cases speak of it: which arguments it takes, and which values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, nearest, one_of
from agentrun.json_schema import Validator
from agentrun.spec.case_types import ValueExpect
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import quote, rename_key
from agentrun.spec.nodes import Node, members
from agentrun.spec.rules.parameters import declared
from agentrun.spec.rules.toolbox import HIDING, Toolbox, backend
from agentrun.spec.spelling import is_same_word


class Taker:
    """A tool by its name, and what it takes: several tools of one name take what any of them does."""

    def __init__(self, box: Toolbox, name: str, schemas: list[dict[str, Any]], *, is_open: bool) -> None:
        self.name = name
        self.is_open = is_open
        self.known = {argument: None for schema in schemas for argument in schema.get("properties", {})}
        self.catalog = box.catalog
        self._schemas = schemas
        self._validators: list[Validator] | None = None
        self._compiled: list[Validator] | None = None

    def names(self, node: Node, key: str) -> Iterator[Diagnostic]:
        """Arguments that are not declared: the model is told of no others."""
        written = members(node.get(key))
        for argument in written if not self.is_open else ():
            if argument not in self.known:
                place = node.key_place((key, argument))
                yield self.unknown(argument, place, renamed(self.catalog, place, argument, {*self.known} - {*written}))

    def unknown(self, argument: str, place: Span, fix: Fix | None) -> Diagnostic:
        names = sorted(self.known)
        help = did_you_mean(argument, names, f"it takes {one_of(names)}" if names else "it takes no arguments")
        message = f"the tool `{self.name}` has no parameter `{argument}`"
        return Diagnostic("AR907", "warning", message, place, help, fix=fix)

    def values(self, node: Node, key: str, what: str, sent: Iterable[Any] = ()) -> Iterator[Diagnostic]:
        """Values that the tool's schema refuses. Of mappings only one meant for `where` is judged."""
        for argument, value in members(node.get(key)).items():
            is_meant_for_where = key == "arguments" and _tells_of_a_value(value) and not self._may_be_mapping(argument)
            has_mapping = any(one.is_mapping for _, one in value.walk())
            if argument not in self.known or (has_mapping and not is_meant_for_where):
                continue
            data = value.data()
            if any(argument in one and one[argument] == data for one in sent):
                continue
            problem = self._problem(argument, data)
            if problem is not None:
                message = f"no call of `{self.name}` has this `{argument}`: {problem}"
                help = f"what holds of an argument stands in `where: {{{argument}: …}}`" if is_meant_for_where else what
                yield Diagnostic("AR907", "warning", message, value.span, help, fix=quoted(value, problem))

    def accepted(self, arguments: Node | None) -> dict[str, Any] | None:
        """The arguments of a call as the tool gets them; None where it may refuse them."""
        data = arguments.data() if arguments is not None else {}
        if not isinstance(data, dict):
            return None
        whole = self._whole()
        given: dict[str, Any] = whole[0].with_defaults(data)
        return given if all(one.is_valid(given) for one in whole) else None

    def refusal(self, call: Node) -> tuple[Node, str] | None:
        """The value for which the tool refuses a call of a script, whichever of its name it is, and why."""
        arguments = call.get("arguments")
        data = arguments.data() if arguments is not None else {}
        found = [one.violations(one.with_defaults(data)) for one in self._whole()]
        if not found or not all(found):
            return None
        first = found[0][0]
        route = tuple(int(one) if one.isdigit() else one for one in re.findall(r"[\w-]+", first.path))
        whole = arguments or call
        value = next((one for end in range(len(route), 0, -1) if (one := whole.get(*route[:end]))), whole)
        return value, f"`{first.path}`: {first.message}" if first.path else first.message

    def _whole(self) -> list[Validator]:
        if self._compiled is None:
            self._compiled = list(map(_compiled, self._schemas))
        return self._compiled

    def may_answer(self, stub: Node) -> bool:
        """Whether a call may have what a stub asks for with `when`, as far as arguments are known one by one."""
        return not any((*self.names(stub, "when"), *self.values(stub, "when", "")))

    def _may_be_mapping(self, argument: str) -> bool:
        told = [schema.get("properties", {}).get(argument) for schema in self._schemas]
        return any(not isinstance(one, dict) or "object" in one.get("type", "object") for one in told)

    def _problem(self, argument: str, value: Any) -> str | None:
        if self._validators is None:
            self._validators = list(map(values_alone, self._schemas))
        found = [one.violations({argument: value}) for one in self._validators]
        return found[0][0].message if found and all(found) else None


def quoted(value: Node, problem: str) -> Fix | None:
    """Quotes around a number where the schema wants a text."""
    is_number = type(value.content) in (int, float) and problem.endswith('is not of type "string"')
    return quote(value, safe=True) if is_number else None


_SAYS_OF_A_VALUE = frozenset(field.encode_name for field in msgspec.structs.fields(ValueExpect))


def _tells_of_a_value(node: Node) -> bool:
    """Whether it is written as what stands in `where`, such as `{at_most: 5}`."""
    return node.is_mapping and bool(node.content) and members(node).keys() <= _SAYS_OF_A_VALUE


def taker_of(box: Toolbox, name: str, known: dict[str, Taker | None]) -> Taker | None:
    if name not in known:
        schemas = [_taken(box.catalog, tool) for tool in box.tools.get(name, ())]
        readable = [one for one in schemas if one is not None]
        is_known = bool(readable) and len(readable) == len(schemas)
        known[name] = Taker(box, name, readable, is_open=any(map(_is_open, readable))) if is_known else None
    return known[name]


def _compiled(schema: dict[str, Any]) -> Validator:
    try:
        return Validator(schema)
    except ValueError:  # it has a finding of its own
        return Validator({})


def values_alone(schema: dict[str, Any]) -> Validator:
    """A schema of what each argument may be by itself; one that refers to what is left out takes all."""
    try:
        return Validator({key: schema[key] for key in ("$defs", "definitions", "properties") if key in schema})
    except ValueError:
        return Validator({})


def _is_open(schema: dict[str, Any]) -> bool:
    others = schema.get("additionalProperties", False)
    return others is not False or any(key in schema for key in HIDING)


def _taken(catalog: Catalog, tool: Document) -> dict[str, Any] | None:
    """The schema of a tool's arguments; one that runs an agent has the agent's where it has none of its own."""
    if not tool.complete:
        return None
    if tool.node.get("parameters") is None and tool.called_agent in catalog.agents:
        tool = catalog.agents[tool.called_agent]
    elif backend(tool) in (None, "mcp", "openapi"):
        return None
    names = declared(tool)
    if names is None:
        return None
    schema = tool.node.get("parameters")
    return {"properties": names} if schema is None else {**schema.data(), "properties": names}


def renamed(catalog: Catalog, place: Span, name: str, free: Iterable[str]) -> Fix | None:
    """The name that was probably meant, unless it is written beside."""
    meant = nearest(name, free)
    return rename_key(catalog.texts, place, name, meant, safe=is_same_word(name, meant)) if meant else None
