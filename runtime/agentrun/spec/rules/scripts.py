"""Scripted models whose turns can't be played to the end: of agents, and of tests.

A script plays one turn for each request. A turn with calls is followed by another request, unless a call is of a
final tool; a turn with text and no calls ends a run. A case is one run, or one for each message of its conversation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from agentrun.diagnostics import Diagnostic, counted
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import write_name
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, members, text_of
from agentrun.spec.rules.case_places import agent_under_test, cases_of, expected_calls, sound_cases, steps_of
from agentrun.spec.rules.toolbox import Toolbox, toolbox
from agentrun.spec.script_types import ScriptTurn

ENDED_WELL = ("answered", "final_tool")
_ENDING = ("content_filter", "refusal")
_SAYING = ("content", "chunks", "error")
_KEYS = frozenset(ScriptTurn.__struct_encode_fields__)


class Script(NamedTuple):
    """A script, the agent that it plays for, and what is known of the run.

    `may_break_off` says that a run is meant to end otherwise than by an answer, or that another model takes over;
    `may_ask_again` that an answer may not be the end of its run. `runs` is how many user messages it answers, the
    least and the most of the cases that it is for; None where that can't be known, or others play from it too.
    `wrong_on_purpose` are tools that a case expects to be unknown.
    """

    turns: list[Node]
    agent: Document
    box: Toolbox
    may_break_off: bool
    may_ask_again: bool
    runs: tuple[int, int] | None
    wrong_on_purpose: frozenset[str] = frozenset()


def scripts(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for script in scripts_of(catalog, document):
        for rule in _OF_A_SCRIPT:
            yield from rule(script)


def end_that_is_too_early(script: Script) -> Iterator[Diagnostic]:
    last = script.turns[-1]
    calls = _calls(last)
    if not calls or script.may_break_off or _ends_otherwise(last) or _reaches_a_limit(script):
        return
    if any(_may_be_final(script.box, name) for name in calls):
        return
    message = f"the script ends with {'a call' if len(calls) == 1 else 'calls'}, and the model is asked once more"
    help = "add the turn that answers: each request to the model plays one"
    yield Diagnostic("AR715", "warning", message, last.key_place(("tool_calls",)), help)


def turns_that_say_nothing(script: Script) -> Iterator[Diagnostic]:
    """One with an empty text is a reply that is empty on purpose."""
    for turn in script.turns:
        reason = text_of(turn.get("finish_reason"))
        written = members(turn)
        says = any(key in written for key in _SAYING) or _calls(turn) or reason in (*_ENDING, "length")
        calls = turn.get("tool_calls")
        if not says and _is_known(written) and (calls is None or calls.is_list):
            message = "the turn says nothing: a reply without text and calls is asked for again"
            help = "write `content`, `tool_calls` or `error`; `content: ''` if that is what you want to see"
            yield Diagnostic("AR715", "warning", message, turn.span, help)


def turns_that_are_never_played(script: Script) -> Iterator[Diagnostic]:
    """Behind the turn that answers the last user message of a case."""
    if script.runs is None or script.may_ask_again or any(members(turn).keys() - _KEYS for turn in script.turns):
        return
    most = script.runs[1]
    answers = [index for index, turn in enumerate(script.turns) if _answers(turn)]
    rest = script.turns[answers[most - 1] + 1 :] if len(answers) >= most else []
    if rest:
        others = f" and the {counted(len(rest) - 1, 'turn')} after it are" if len(rest) > 1 else " is"
        ends = "which ends the run" if most == 1 else f"which ends the last of {most} runs"
        message = f"this turn{others} never played: turn {answers[most - 1] + 1} answers, {ends}"
        what = "a case is one user message" if most == 1 else f"the conversation has {most} messages"
        help = f"{what}: leave {'it' if len(rest) == 1 else 'them'} out"
        yield Diagnostic("AR715", "info", message, rest[0].span, help)


def answers_that_are_missing(script: Script) -> Iterator[Diagnostic]:
    """A conversation of more messages than the script can answer: a turn with calls ends no run."""
    if script.runs is None or script.runs[0] < 2 or script.may_break_off or _reaches_a_limit(script):
        return
    ends = sum(1 for turn in script.turns if _may_end(script, turn))
    if ends < script.runs[0]:
        message = f"the script answers {ends} of the {script.runs[0]} messages of the conversation"
        help = "add a turn that answers for each of the others"
        yield Diagnostic("AR715", "warning", message, script.turns[-1].span, help)


def _may_end(script: Script, turn: Node) -> bool:
    calls = _calls(turn)
    return not calls or _ends_otherwise(turn) or any(_may_be_final(script.box, name) for name in calls)


def _may_be_final(box: Toolbox, name: str | None) -> bool:
    return name is None or name not in box.names or box.is_final(name)


def calls_of_unknown_tools(script: Script) -> Iterator[Diagnostic]:
    """A warning: a script may show on purpose what comes of such a call."""
    for turn in script.turns:
        for call in items(turn.get("tool_calls")):
            name = call.get("name")
            if name is None or not isinstance(name.content, str) or script.box.may_have(name.content):
                continue
            if name.content in script.wrong_on_purpose:
                continue
            fix = write_name(name, script.box.names) if script.box.meant(name.content) else None
            message = f"the script calls `{name.content}`, and the agent `{script.agent.name}` has no such tool"
            yield Diagnostic("AR902", "warning", message, name.span, script.box.help_for(name.content), fix=fix)


_OF_A_SCRIPT = (
    end_that_is_too_early,
    turns_that_say_nothing,
    turns_that_are_never_played,
    answers_that_are_missing,
    calls_of_unknown_tools,
)


def scripts_of(catalog: Catalog, document: Document) -> Iterator[Script]:
    """The scripts of an agent's models, or of a test file: for all its cases and of single ones."""
    if document.kind == "agent":
        found = _of_an_agent(catalog, document)
    elif document.kind == "test":
        found = _of_a_test(catalog, document)
    else:
        return
    for script in found:
        if script.turns and all(turn.is_mapping for turn in script.turns):
            yield script


def _of_an_agent(catalog: Catalog, document: Document) -> Iterator[Script]:
    model = document.node.get("model")
    models = [model, *items(model.get("fallback"))] if model is not None else []
    if not any(members(one).get("script") for one in models):
        return
    box = toolbox(catalog, document, with_agents=False)
    ends_early = any(document.node.get(*route) is not None for route in (("limits", "timeout"), ("context",)))
    for index, one in enumerate(models):
        turns = items(members(one).get("script"))
        goes_on_elsewhere = index < len(models) - 1 or bool(turns and box.transfers.intersection(_calls(turns[-1])))
        yield Script(turns, document, box, ends_early or goes_on_elsewhere, may_ask_again=True, runs=None)


def _of_a_test(catalog: Catalog, document: Document) -> Iterator[Script]:
    agent = agent_under_test(catalog, document)
    if agent is None:
        return
    box = toolbox(catalog, agent)
    asks_again = any(map(_may_ask_again, catalog.reached(agent)))
    unknown = frozenset(
        call.tool
        for call in expected_calls(document)
        if call.node and text_of(call.node.get("error")) == "unknown_tool"
    )
    cases = cases_of(document)
    shared = [case for case in cases if not any(key in members(case) for key in ("model", "cassette", "live"))]
    scripts = [(document.node.get("model"), shared), *((case.get("model"), [case]) for case in cases)]
    sound = {id(case) for case in sound_cases(document)}
    for node, played in scripts:
        reasons = {text_of(one.get("expect", "reason")) for case in played for one in (case, *steps_of(case))}
        runs = [_runs(case) if id(case) in sound else None for case in played] if not box.runs_agents else []
        known = [one for one in runs if one is not None]
        between = (min(known), max(known)) if known and len(known) == len(runs) else None
        may_break_off = bool(reasons - {None, *ENDED_WELL})
        yield Script(items(node), agent, box, may_break_off, asks_again, between, unknown)


def _runs(case: Node) -> int | None:
    """How many user messages a case has; None where its conversation can't be read."""
    conversation = case.get("conversation")
    if conversation is None:
        return None if misspelt(case, "conversation") else 1
    return len(conversation.content) if conversation.is_list and conversation.content else None


def _calls(turn: Node) -> list[str | None]:
    """The names of a turn's calls; None for one that can't be read."""
    return [text_of(call.get("name")) for call in items(turn.get("tool_calls"))]


def _ends_otherwise(turn: Node) -> bool:
    return turn.get("error") is not None or text_of(turn.get("finish_reason")) in _ENDING


def _answers(turn: Node) -> bool:
    """Text and no calls: the end of a run, whatever its `finish_reason`."""
    pieces = [text_of(piece) or "" for piece in items(turn.get("chunks"))]
    said = "".join(pieces) if turn.get("chunks") is not None else text_of(turn.get("content")) or ""
    return bool(said.strip()) and turn.get("error") is None and not turn.get("tool_calls")


def _may_ask_again(document: Document) -> bool:
    """An answer that breaks its format is asked for once more, and so is a summary of a long conversation."""
    return document.kind == "agent" and any(
        document.node.get(key) is not None for key in ("response_format", "context")
    )


def _reaches_a_limit(script: Script) -> bool:
    limits = members(script.agent.node.get("limits"))
    calls = [json.dumps(call.data(), sort_keys=True) for turn in script.turns for call in items(turn.get("tool_calls"))]
    if "max_total_tokens" in limits or "max_cost_usd" in limits:
        return True
    return (
        len(script.turns) >= _number(limits, "max_turns", 25)
        or len(calls) > _number(limits, "max_tool_calls", 100)
        or _longest_row(calls) >= _number(limits, "max_repeated_calls", 4)
    )


def _number(limits: dict[str, Node], key: str, default: int) -> int:
    found = limits.get(key)
    return found.content if found is not None and type(found.content) is int else default


def _longest_row(calls: list[str]) -> int:
    longest = row = 0
    for index, call in enumerate(calls):
        row = row + 1 if index and call == calls[index - 1] else 1
        longest = max(longest, row)
    return longest


def _is_known(written: dict[str, Node]) -> bool:
    """Without keys that have a finding of their own and were meant for something."""
    return not set(written) - {"finish_reason", "usage", "delay", "tool_calls"}


RULES = (scripts,)
