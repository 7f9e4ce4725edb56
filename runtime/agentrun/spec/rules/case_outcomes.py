"""Cases that fail whatever the agent does: a stub that is missing, and what contradicts the script or itself."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from agentrun.diagnostics import Diagnostic, Related, Span, counted
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.nodes import Node, items, members, name_place, text_of
from agentrun.spec.rules.case_places import Expected, calls_in, expected, steps_of, texts_listed
from agentrun.spec.rules.case_play import (
    Play,
    ScriptedCall,
    is_never_asked_about,
    is_surely_let_pass,
    limit_of,
    needs_a_stub,
    plays_of,
)
from agentrun.spec.rules.case_stubs import STUB_KEYS
from agentrun.spec.rules.taker import Taker, taker_of
from agentrun.spec.rules.toolbox import backend
from agentrun.spec.subset import includes

# What a turn of the script must say, for a run to end so.
_FINISH = {"length": "length", "content_filter": "content_filter", "refused": "refusal"}
_MAX_PATTERNS = 100  # that a name is compared with
_ENDED_WELL = (None, "answered", "final_tool")


def cases_that_fail(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "test":
        return
    contradicted = set()
    for one in expected(document):
        for finding in _contradictions(one):
            contradicted.add(id(one.node))
            yield finding
    takers: dict[str, Taker | None] = {}
    by_case: dict[int, list[Expected]] = {}
    for one in expected(document):
        if id(one.node) not in contradicted:
            by_case.setdefault(id(one.case), []).append(one)
    for play in plays_of(catalog, document):
        yield from _calls_without_a_stub(play, takers)
        above = by_case.get(id(play.case), [])
        for one in above:
            yield from _calls_that_are_not_made(play, one)
            yield from _approvals(play, one)
        for one in above:
            if one.node is play.case.get("expect"):
                yield from _calls_that_are_made(play, one)
                yield from _turns(play, one)
        yield from _reasons(play)


# -- what an `expect` says against itself


def _contradictions(one: Expected) -> Iterator[Diagnostic]:
    calls = one.node.get("calls")
    never = [*texts_listed(calls.get("never"))] if calls is not None and calls.is_mapping else []
    none = [
        (name, calls.key_place(("count", name)))
        for name, count in (members(calls.get("count")) if calls is not None else {}).items()
        if calls is not None and _most(count) == 0
    ]
    forbidden = [*((node.content, node.span) for node in never), *none]
    for name, place in dict(reversed([*_wanted(one)])).items() if forbidden else ():
        other = next((span for pattern, span in forbidden[:_MAX_PATTERNS] if fnmatchcase(name, pattern)), None)
        if other is not None:
            message = f"a call of `{name}` is expected, and must never be made"
            yield _warning(message, other, "leave out one of them", Related("expected here", place))
            return


def _wanted(one: Expected) -> Iterator[tuple[str, Span]]:
    """The tools that must be called, each with the place that says so."""
    for call in calls_in(one):
        if call.node is None or _most(call.node.get("count")) != 0:
            yield call.tool, call.name.span
    calls = one.node.get("calls")
    if calls is not None and calls.is_mapping:
        for node in texts_listed(calls.get("same_turn")):
            yield node.content, node.span
        for name, count in members(calls.get("count")).items():
            if (_least(count) or 0) > 0:
                yield name, calls.key_place(("count", name))


def _least(count: Node | None) -> float | None:
    return _number(count.get("at_least") if count is not None and count.is_mapping else count)


def _most(count: Node | None) -> float | None:
    return _number(count.get("at_most") if count is not None and count.is_mapping else count)


def _number(node: Node | None) -> float | None:
    return node.content if node is not None and type(node.content) in (int, float) else None


# -- stubs


def _calls_without_a_stub(play: Play, takers: dict[str, Taker | None]) -> Iterator[Diagnostic]:
    """The first one: the run ends there."""
    live = play.said("live_tools")
    stubs = play.stubs()
    if (live is not None and live.content is True) or not all(map(play.box.may_have, stubs)):
        return
    used: dict[int, int] = {}
    for call in play.calls:
        taker = taker_of(play.box, call.name, takers) if call.is_sure and needs_a_stub(play, call.name) else None
        given = taker.accepted(call.node.get("arguments")) if taker is not None else None
        if taker is None or given is None or not is_surely_let_pass(play, call):
            continue
        stub = stubs.get(call.name)
        if stub is None:
            kind = str(backend(play.box.tools[call.name][0]))
            key = {"http": "json", "shell": "stdout"}.get(kind, STUB_KEYS[kind][0])
            help = f"write `tools: {{{call.name}: {{{key}: …}}}}`; with `live_tools: true` it is really called"
            yield _warning(f"`{call.name}` is called here, and has no stub", call.place, help)
            return
        problem = _no_stub_left(stub, given, taker, used)
        if problem is not None:
            related = Related("its stubs", stub.span)
            help = "add a stub, or let one answer more calls: `times`, or another `when`"
            yield _warning(f"no stub of `{call.name}` is left for this call: {problem}", call.place, help, related)
            return


def _no_stub_left(stub: Node, given: dict[str, Any], taker: Taker, used: dict[int, int]) -> str | None:
    """Why no entry answers a call; one that does is used. As `testing.stubs` picks them."""
    entries = items(stub) if stub.is_list else [stub]
    if not all(one.is_mapping and taker.may_answer(one) for one in entries):
        return None  # what is wrong with a `when` has its own finding
    spent = False
    for entry in entries:
        when, times = entry.get("when"), entry.get("times")
        if not includes(given, when.data() if when is not None else {}):
            continue
        most = _number(times) if times is not None else 1 if stub.is_list and not members(when) else None
        if most is None or used.get(id(entry), 0) < most:
            used[id(entry)] = used.get(id(entry), 0) + 1
            return None
        spent = True
    return "all that answer it are used up" if spent else "none has a `when` that fits"


# -- what is expected, beside the script


def _calls_that_are_not_made(play: Play, one: Expected) -> Iterator[Diagnostic]:
    names = {call.name for call in play.calls}
    if not all(map(play.box.may_have, names)):
        return  # a name that no tool has may be meant for the other
    for name, place in dict(reversed([*_wanted(one)])).items():
        if play.box.may_have(name) and not any(fnmatchcase(called, name) for called in names):
            yield _warning(f"a call of `{name}` is expected, and the script makes none", place, "add it to a turn")


def _calls_that_are_made(play: Play, one: Expected) -> Iterator[Diagnostic]:
    sure = [call for call in play.calls if call.is_sure]
    calls = one.node.get("calls")
    if calls is None:
        return
    exact = calls if calls.is_list else calls.get("exact")
    if exact is not None and exact.is_list and not exact.content and sure:
        related = Related("the script", sure[0].place)
        where = one.node.key_place(("calls",) if calls.is_list else ("calls", "exact"))
        yield _warning("no call is expected, and the script makes one", where, None, related)
    if not calls.is_mapping:
        return
    for pattern in texts_listed(calls.get("never")):
        made = _first(sure, pattern.content)
        if made is not None:
            related = Related("the script", made.place)
            message = f"`{made.name}` must never be called, and the script calls it"
            yield _warning(message, pattern.span, None, related)
    for name, count in members(calls.get("count")).items():
        surely = sum(fnmatchcase(call.name, name) for call in sure)
        at_all = sum(fnmatchcase(call.name, name) for call in play.calls)
        least, most = _least(count), _most(count)
        if (most is not None and surely > most) or (least is not None and 0 < at_all < least):
            number = surely if most is not None and surely > most else at_all
            message = f"the script makes {counted(number, 'call')} of `{name}`"
            yield _warning(message, calls.key_place(("count", name)), None)


def _first(calls: list[ScriptedCall], pattern: str) -> ScriptedCall | None:
    return next((call for call in calls if fnmatchcase(call.name, pattern)), None)


def _approvals(play: Play, one: Expected) -> Iterator[Diagnostic]:
    for name in texts_listed(one.node.get("approvals")):
        called = any(fnmatchcase(call.name, name.content) for call in play.calls)
        if is_glob(name.content) or not play.box.may_have(name.content):
            continue
        if not called:
            yield _warning(f"the script makes no call of `{name.content}`", name.span, "add it to a turn")
        elif is_never_asked_about(play, name.content):
            message = f"approval is never asked for `{name.content}`"
            help = "its calls are let pass, or denied, by the tool's `require_approval` and the agent's `permissions`"
            yield _warning(message, name.span, help)


def _turns(play: Play, one: Expected) -> Iterator[Diagnostic]:
    turns = one.node.get("turns")
    most = sum(1 for turn in play.turns if turn.get("error") is None)
    least = _least(turns)
    if turns is not None and least is not None and least > most and least <= (_most(turns) or least):
        message = f"the run can't take so many turns: the script has {counted(most, 'turn')}, failures left out"
        yield _warning(message, turns.span, None)
    elif turns is not None and (upper := _most(turns)) is not None and upper < _sure_turns(play):
        message = f"the run takes more turns: the script surely plays {counted(_sure_turns(play), 'turn')}"
        yield _warning(message, turns.span, None)
    for key in ("tokens", "cost_usd"):
        if key in one.node.content and not any(turn.get("usage") for turn in play.turns):
            help = "write `usage: {input_tokens: …, output_tokens: …, total_tokens: …}` in its turns"
            yield _warning(
                "no turn of the script has `usage`, so that this is not known", one.node.key_place((key,)), help
            )


def _sure_turns(play: Play) -> int:
    """Turns of the agent itself: each with calls that are surely made, and one behind them."""
    if any(tool.called_agent for call in play.calls for tool in play.box.tools.get(call.name, ())):
        return 0
    turns = {call.turn for call in play.calls if call.is_sure}
    goes_on = turns and not any(_may_be_final(play, call.name) for call in play.calls if call.turn == max(turns))
    return min(len(turns) + bool(goes_on), limit_of(play.agent, "max_turns", 25))


def _reasons(play: Play) -> Iterator[Diagnostic]:
    """How the last run of a case ends."""
    steps = steps_of(play.case)
    reason = play.case.get("expect", "reason") or (steps[-1].get("expect", "reason") if steps else None)
    wanted = text_of(reason)
    if reason is not None and wanted is None:
        return

    def ends(turn: Node) -> bool:
        calls = [text_of(call.get("name")) or "" for call in items(turn.get("tool_calls"))]
        return turn.get("error") is None and (not calls or any(_may_be_final(play, name) for name in calls))

    finish = _FINISH.get(wanted or "")
    place = reason.span if reason is not None else name_place(play.case)
    if finish is not None and not any(text_of(turn.get("finish_reason")) == finish for turn in play.turns):
        yield _warning(f"no turn of the script ends so: with `finish_reason: {finish}`", place, None)
    elif wanted == "final_tool" and not any(_may_be_final(play, call.name) for call in play.calls):
        yield _warning("the script calls no final tool", place, "add the call to its last turn")
    elif wanted in _ENDED_WELL and play.turns[-1].get("error") is not None and not any(map(ends, play.turns)):
        help = "add a turn that answers, or expect the failure: `reason: model_error`"
        yield _warning("the script ends with a failure, so that the run can't end well", place, help)


def _may_be_final(play: Play, name: str) -> bool:
    return any(backend(tool) in ("final", None) for tool in play.box.tools.get(name, ()))


def _warning(message: str, place: Span, help: str | None, related: Related | None = None) -> Diagnostic:
    return Diagnostic("AR919", "warning", message, place, help, (related,) if related else ())


RULES = (cases_that_fail,)
