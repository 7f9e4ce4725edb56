"""The arguments that a test case names: those of the run, and those of the calls that it expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, nearest, one_of
from agentrun.json_schema import Validator
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, members, name_place, texts
from agentrun.spec.rules.case_places import agent_under_test, cases_of, expected_calls
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.spec.rules.toolbox import Toolbox, backend, takes_more
from agentrun.spec.schema_problems import SchemaProblem, problems_of
from agentrun.spec.spelling import is_same_word


def arguments_of_the_run(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    properties = None if agent is None else declared(agent)
    if agent is None or properties is None or not agent.complete or not _has_names(agent):
        return
    required = ["input"] if agent.node.get("parameters") is None else texts(agent.node.get("parameters", "required"))
    for case in cases_of(document):
        args = case.get("args")
        if args is not None and not args.is_mapping:
            continue
        given = members(args)
        missing = [name for name in required if name in properties and name not in given and name not in case.content]
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


def arguments_of_expected_calls(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    """An argument that the tool does not declare: the model is not told of it."""
    for name, _, call in expected_calls(document):
        known = [_taken(box.catalog, tool) for tool in box.tools.get(name, ())]
        if not known or None in known:
            continue
        names = sorted({argument for one in known for argument in one or ()})
        written = members(call.get("arguments"))
        for argument in written:
            if argument not in names:
                place = call.key_place(("arguments", argument))
                help = did_you_mean(argument, names, f"it takes {one_of(names)}" if names else "it takes no arguments")
                message = f"the tool `{name}` has no parameter `{argument}`"
                fix = _renamed(box.catalog, place, argument, set(names) - set(written))
                yield Diagnostic("AR907", "warning", message, place, help, fix=fix)


def _taken(catalog: Catalog, tool: Document) -> dict[str, Any] | None:
    """The parameters of a tool; one that runs an agent has the agent's where it has none of its own."""
    if not tool.complete:
        return None
    if tool.node.get("parameters") is None and tool.called_agent in catalog.agents:
        tool = catalog.agents[tool.called_agent]
    elif backend(tool) in (None, "mcp", "openapi"):
        return None
    return None if takes_more(tool) else declared(tool)


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


RULES = (arguments_of_the_run,)
