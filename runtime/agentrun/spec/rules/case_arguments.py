"""The arguments that a test case names: those of the run, and those of the calls that it expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, nearest, one_of
from agentrun.json_schema import Validator
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, members, name_place, text_of, texts
from agentrun.spec.rules.case_places import Call, agent_under_test, cases_of, expected_calls, stubs_of
from agentrun.spec.rules.case_values import names_asked
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.spec.rules.toolbox import HIDING, Toolbox, backend, takes_more, toolbox
from agentrun.spec.schema_problems import SchemaProblem, problems_of
from agentrun.spec.spelling import is_same_word
from agentrun.templates import template_of


def arguments_of_the_run(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    properties = None if agent is None else declared(agent)
    if agent is None or properties is None or not agent.complete or not _has_names(agent):
        return
    required = ["input"] if agent.node.get("parameters") is None else texts(agent.node.get("parameters", "required"))
    prompt = template_of(text_of(agent.node.get("system_prompt")))
    for case in cases_of(document):
        args = case.get("args")
        if args is not None and not args.is_mapping:
            continue
        given = members(args)
        if case.get("conversation") is not None:  # in the place of `input`: only what the prompt uses is needed
            needed = [name for name in required if prompt is not None and name in prompt.args]
        else:
            needed = required
        missing = [name for name in needed if name in properties and name not in given and name not in case.content]
        missing = [name for name in missing if not has_default(properties[name])]
        strange = [name for name in given if name not in properties and not takes_more(agent)]
        if len(strange) == len(missing) == 1:
            missing = []  # the one is meant for the other
        for name in strange:
            help = f"its parameters: {one_of(sorted(properties))}" if properties else "it takes no arguments"
            meant = nearest(name, [*missing, *properties])
            missing = [one for one in missing if one != meant]
            place = case.key_place(("args", name))
            fix = _renamed(catalog, place, name, set(properties) - set(given))
            message = f"the agent `{agent.name}` has no parameter `{name}`"
            yield _error("AR903", message, place, did_you_mean(name, properties, help), fix)
        if missing and not misspelt(case, "args"):
            names = " and ".join(f"`{name}`" for name in missing)
            place = case.key_place(("args",)) if args is not None else name_place(case)
            help = f"write `args: {{{', '.join(f'{name}: …' for name in missing)}}}`"
            yield _error("AR903", f"the case gives no {names}, which the agent `{agent.name}` requires", place, help)
        if not _problems(agent):
            yield from _values(agent, given)


def _values(agent: Document, given: dict[str, Node]) -> Iterator[Diagnostic]:
    """Each argument by itself: what is missing or not declared is told by name."""
    schema = agent.node.get("parameters")
    whole = schema.data() if schema is not None else {"properties": {"input": {"type": "string"}}}
    try:
        validator = Validator({key: whole[key] for key in ("$defs", "definitions", "properties") if key in whole})
    except ValueError:  # it refers to what was left out
        return
    for name, node in given.items():
        value = validator.with_defaults({name: node.data()})[name]
        violation = next(iter(validator.violations({name: value})), None)
        if violation is not None:
            message = f"the agent `{agent.name}` does not take this `{violation.path or name}`: {violation.message}"
            yield _error("AR903", message, node.span, None)


def arguments_of_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Arguments that expected calls and the `when` of stubs name, and values for them that no call can have."""
    agent = agent_under_test(catalog, document)
    if agent is None:
        return
    box = toolbox(catalog, agent)
    takers: dict[str, _Taker | None] = {}
    scripted = _scripted(document)
    for call in expected_calls(document):
        if call.node is not None and (taker := _taker(box, call.tool, takers)) is not None:
            yield from _of_a_call(taker, call, call.node, scripted)
    for name, _, stub in stubs_of(document):
        taker = _taker(box, name, takers)
        for entry in items(stub) if stub.is_list else [stub]:
            if taker is not None:
                yield from taker.names(entry, "when")
                yield from taker.values(entry, "when", "the call would be refused, so that this stub never answers")


def _of_a_call(taker: _Taker, call: Call, node: Node, scripted: _Scripted) -> Iterator[Diagnostic]:
    """A call that was refused counts too: values are judged where the case doesn't seem to be about that."""
    yield from taker.names(node, "arguments")
    error = node.get("error")
    if error is None or error.content is False:
        sent = [*scripted.get((None, call.tool), ()), *scripted.get((id(call.case), call.tool), ())]
        yield from taker.values(node, "arguments", "such a call is refused", sent)
    for text in members(node.get("where")):
        asked = names_asked(text) - {*taker.known} if text not in taker.known else frozenset()
        for name in sorted(asked) if not taker.is_open else ():
            yield taker.unknown(name, node.key_place(("where", text)), None)


_Scripted = dict[tuple[int | None, str], list[Any]]


def _scripted(document: Document) -> _Scripted:
    """The arguments of a tool's calls in the script of all cases, and in those of single ones."""
    found: _Scripted = {}
    for case in (None, *cases_of(document)):
        holder = document.node if case is None else case
        for turn in items(holder.get("model")):
            for one in items(turn.get("tool_calls")):
                name, arguments = text_of(one.get("name")), one.get("arguments")
                if name is not None and arguments is not None and arguments.is_mapping:
                    key = (None if case is None else id(case), name)
                    found.setdefault(key, []).append(arguments.data())
    return found


class _Taker:
    """A tool by its name, and what it takes: several tools of one name take what any of them does."""

    def __init__(self, box: Toolbox, name: str, schemas: list[dict[str, Any]], *, is_open: bool) -> None:
        self.name = name
        self.is_open = is_open
        self.known = {argument: None for schema in schemas for argument in schema.get("properties", {})}
        self._box = box
        self._schemas = schemas
        self._validators: list[Validator] | None = None

    def names(self, node: Node, key: str) -> Iterator[Diagnostic]:
        """Arguments that are not declared: the model is told of no others."""
        written = members(node.get(key))
        for argument in written if not self.is_open else ():
            if argument not in self.known:
                place = node.key_place((key, argument))
                yield self.unknown(
                    argument, place, _renamed(self._box.catalog, place, argument, {*self.known} - {*written})
                )

    def unknown(self, argument: str, place: Span, fix: Fix | None) -> Diagnostic:
        names = sorted(self.known)
        help = did_you_mean(argument, names, f"it takes {one_of(names)}" if names else "it takes no arguments")
        message = f"the tool `{self.name}` has no parameter `{argument}`"
        return Diagnostic("AR907", "warning", message, place, help, fix=fix)

    def values(self, node: Node, key: str, what: str, sent: Iterable[Any] = ()) -> Iterator[Diagnostic]:
        """Values that the tool's schema refuses. A mapping is matched as a subset: it is not judged."""
        for argument, value in members(node.get(key)).items():
            if argument not in self.known or any(one.is_mapping for _, one in value.walk()):
                continue
            data = value.data()
            if any(argument in one and one[argument] == data for one in sent):
                continue
            problem = self._problem(argument, data)
            if problem is not None:
                message = f"no call of `{self.name}` has this `{argument}`: {problem}"
                yield Diagnostic("AR907", "warning", message, value.span, what)

    def _problem(self, argument: str, value: Any) -> str | None:
        if self._validators is None:
            self._validators = list(map(_values_alone, self._schemas))
        found = [one.violations({argument: value}) for one in self._validators]
        return found[0][0].message if found and all(found) else None


def _taker(box: Toolbox, name: str, known: dict[str, _Taker | None]) -> _Taker | None:
    if name not in known:
        schemas = [_taken(box.catalog, tool) for tool in box.tools.get(name, ())]
        readable = [one for one in schemas if one is not None]
        is_known = bool(readable) and len(readable) == len(schemas)
        known[name] = _Taker(box, name, readable, is_open=any(map(_is_open, readable))) if is_known else None
    return known[name]


def _values_alone(schema: dict[str, Any]) -> Validator:
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


def _renamed(catalog: Catalog, place: Span, name: str, free: Iterable[str]) -> Fix | None:
    """The name that was probably meant, unless it is written beside."""
    meant = nearest(name, free)
    return rename_key(catalog.texts, place, name, meant, safe=is_same_word(name, meant)) if meant else None


def _problems(agent: Document) -> list[SchemaProblem]:
    schema = agent.node.get("parameters")
    return problems_of(schema.data()) if schema is not None and schema.is_mapping else []


def _has_names(agent: Document) -> bool:
    """Whether the schema tells the names, whatever may be wrong with one of the properties."""
    schema = agent.node.get("parameters")
    is_readable = schema is None or schema.is_mapping
    return is_readable and all(one.route[:1] == ("properties",) and len(one.route) > 1 for one in _problems(agent))


def _error(code: str, message: str, place: Span, help: str | None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help, fix=fix)


RULES = (arguments_of_the_run, arguments_of_tools)
