"""The arguments that a test case names: those of the run, and those of the calls that it expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix, Span, did_you_mean, nearest, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, members, name_place, text_of, texts
from agentrun.spec.other_words import USER_WORDS
from agentrun.spec.rules.case_places import Call, agent_under_test, cases_of, expected_calls, stubs_of
from agentrun.spec.rules.case_play import ScriptedCall, plays_of
from agentrun.spec.rules.case_values import names_asked
from agentrun.spec.rules.parameters import declared, has_default
from agentrun.spec.rules.taker import Taker, quoted, renamed, taker_of, values_alone
from agentrun.spec.rules.toolbox import takes_more, toolbox
from agentrun.spec.schema_problems import SchemaProblem, problems_of
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
            fix = renamed(catalog, place, name, set(properties) - set(given))
            message = f"the agent `{agent.name}` has no parameter `{name}`"
            yield _error("AR903", message, place, did_you_mean(name, properties, help), fix)
        if missing and not any(misspelt(case, key) for key in ("args", "conversation")) and not _speaks(case):
            names = " and ".join(f"`{name}`" for name in missing)
            place = case.key_place(("args",)) if args is not None else name_place(case)
            help = f"write `args: {{{', '.join(f'{name}: …' for name in missing)}}}`"
            yield _error("AR903", f"the case gives no {names}, which the agent `{agent.name}` requires", place, help)
        if not _problems(agent):
            yield from _values(agent, given)


def _speaks(case: Node) -> bool:
    """Whether the user's message stands in the case itself: the key has its own finding."""
    return any(key in case.content for key in USER_WORDS)


def _values(agent: Document, given: dict[str, Node]) -> Iterator[Diagnostic]:
    """Each argument by itself: what is missing or not declared is told by name."""
    schema = agent.node.get("parameters")
    whole = schema.data() if schema is not None else {"properties": {"input": {"type": "string"}}}
    validator = values_alone(whole)
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
    takers: dict[str, Taker | None] = {}
    scripted = _scripted(document)
    for call in expected_calls(document):
        if call.node is not None and (taker := taker_of(box, call.tool, takers)) is not None:
            yield from _of_a_call(taker, call, call.node, scripted)
    for name, _, stub in stubs_of(document):
        taker = taker_of(box, name, takers)
        for entry in items(stub) if stub.is_list else [stub]:
            if taker is not None:
                yield from taker.names(entry, "when")
                yield from taker.values(entry, "when", "the call would be refused, so that this stub never answers")


def _of_a_call(taker: Taker, call: Call, node: Node, scripted: _Scripted) -> Iterator[Diagnostic]:
    """A call that was refused counts too: values are judged where the case doesn't seem to be about that."""
    yield from taker.names(node, "arguments")
    error = node.get("error")
    if error is None or error.content is False:
        sent = [*scripted.get((None, call.tool), ()), *scripted.get((id(call.case), call.tool), ())]
        for key in ("arguments", "where"):
            yield from taker.values(node, key, "such a call is refused", sent)
    for text in members(node.get("where")):
        asked = names_asked(text) - {*taker.known} if text not in taker.known else frozenset()
        for name in sorted(asked) if not taker.is_open else ():
            place = node.key_place(("where", text))
            fix = renamed(taker.catalog, place, name, taker.known) if name == text else None
            yield taker.unknown(name, place, fix)


def arguments_in_scripts(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Arguments that the tool refuses, where the case is not about that: it expects no failure, and no later call."""
    takers: dict[str, Taker | None] = {}
    failing = {
        (id(call.case), call.tool)
        for call in expected_calls(document)
        if call.node is not None and (error := call.node.get("error")) is not None and error.content is not False
    }
    for play in plays_of(catalog, document):
        mended: dict[str, int] = {}  # the last turn in which a tool takes what the script sends
        for call in reversed(play.calls):
            taker = taker_of(play.box, call.name, takers)
            arguments = call.node.get("arguments")
            if taker is None or (id(play.case), call.name) in failing or (arguments and not arguments.is_mapping):
                continue
            if taker.accepted(arguments) is not None:
                mended.setdefault(call.name, call.turn)
            if mended.get(call.name, -1) <= call.turn:
                yield from _refused(taker, call)


def _refused(taker: Taker, call: ScriptedCall) -> Iterator[Diagnostic]:
    unknown = next(taker.names(call.node, "arguments"), None)
    refusal = taker.refusal(call.node)
    if unknown is not None:
        yield unknown
    elif refusal is not None:
        value, why = refusal
        help = f"if that is what the case shows, expect it: `{{name: {call.name}, error: invalid_arguments}}`"
        message = f"`{call.name}` refuses this call of the script: {why}"
        yield Diagnostic("AR907", "warning", message, value.span, help, fix=quoted(value, why))


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


RULES = (arguments_of_the_run, arguments_of_tools, arguments_in_scripts)
