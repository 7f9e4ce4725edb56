"""Limits and timeouts that contradict each other or can't be reached, and times that look like milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic, Related
from agentrun.spec.asked import asked_models
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import write_raw
from agentrun.spec.nodes import Node
from agentrun.spec.rules.models import prompt_tokens
from agentrun.spec.types import LimitsSpec, TimeoutSpec
from agentrun.spec.wording import shown

_DAY_S = 86_400
_DAY_MS = 1000 * _DAY_S  # what is longer is meant as no limit
_LIMITS_IN_MS = (30_000, 60_000)
_LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def limits_that_are_never_reached(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent":
        return
    turns = document.node.get("limits", "max_turns")
    if (
        turns is not None
        and turns.content == 1
        and type(turns.content) is int
        and _needs_a_second_turn(catalog, document)
    ):
        message = "with `max_turns: 1` no tool can run: the calls of the last turn aren't made"
        related = (Related("the tools", document.node.key_place(("tools",))),)
        yield Diagnostic("AR710", "warning", message, turns.span, "a call and the answer to it take 2", related)
    calls, repeated = _number(document, "limits", "max_tool_calls"), _number(document, "limits", "max_repeated_calls")
    if calls and repeated and repeated.content > calls.content:
        message = f"`max_repeated_calls: {repeated.content}` can't be reached: {calls.content} calls end the run before"
        related = (Related("`max_tool_calls`", calls.span),)
        yield Diagnostic("AR710", "warning", message, repeated.span, "lower it, or raise `max_tool_calls`", related)
    total, prompt = _number(document, "limits", "max_total_tokens"), prompt_tokens(document)
    if total and total.content < prompt:
        message = f"the system prompt alone has some {prompt} tokens: the first reply ends the run"
        related = (Related("the system prompt", document.node.key_place(("system_prompt",))),)
        yield Diagnostic("AR710", "warning", message, total.span, f"more than {prompt}, for each turn", related)


def _needs_a_second_turn(catalog: Catalog, document: Document) -> bool:
    choice = document.node.get("tool_choice")
    if choice is not None and choice.content == "none":
        return False
    tools = catalog.tools_of(document)
    return bool(tools) and all(tool.node.get("final") is None for tool in tools)


def more_than_the_model_reads(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    cap = _number(document, "context", "max_tokens")
    for one in asked_models(catalog, document):
        most = one.context_tokens
        if most is None:
            continue
        name, related = shown(one.name.content), (Related("the model", one.name.span),)
        if cap and cap.content > most and len(one.route) == 1:
            message = f"a request is never shortened: {name} reads {most} tokens, and `max_tokens` is {cap.content}"
            yield Diagnostic("AR710", "warning", message, cap.span, f"less than {most}: the reply counts too", related)
        for key in _LENGTHS:
            length = one.written.get("settings", key) if one.written is not None else None
            if length is not None and type(length.content) is int and length.content > most:
                message = f"`{key}` is {length.content}, and {name} takes {most} tokens, request and reply"
                yield Diagnostic("AR710", "warning", message, length.span, "lower it, or take it out", related)


def contradicting_timeouts(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent":
        return
    limit = _limit(document)
    for one in asked_models(catalog, document):
        times = one.written.get("timeout") if one.written is not None else None
        if times is None:
            continue
        total = _seconds(times.get("total") if times.is_mapping else times)
        for key in ("connect", "idle"):
            yield from _exceeds(_seconds(times.get(key)), key, total, "total", TimeoutSpec().total)
        yield from _exceeds(total, "total", limit, "limits.timeout", LimitsSpec().timeout)
    for tool in catalog.tools_of(document):
        time = _seconds(tool.node.get("timeout"))
        if time is not None and not _is_reached_elsewhere(catalog, tool, time.content):
            yield from _exceeds(time, "timeout", limit, "limits.timeout", LimitsSpec().timeout)


def _is_reached_elsewhere(catalog: Catalog, tool: Document, time: float) -> bool:
    """Whether an agent that has the tool too lets it take its time."""
    others = (agent for agent in catalog.agents.values() if _limit_s(agent) >= time)
    return any(one is tool for agent in others for one in catalog.tools_of(agent))


def _limit(agent: Document) -> Node | None:
    return _seconds(agent.node.get("limits", "timeout"), _limit_in_ms)


def _limit_s(agent: Document) -> float:
    limit = _limit(agent)
    return float(limit.content if limit is not None else LimitsSpec().timeout)


def _exceeds(time: Node | None, key: str, bound: Node | None, bound_key: str, default: float) -> Iterator[Diagnostic]:
    """A time that another one, written or by default, always ends before."""
    most = bound.content if bound is not None else default
    if time is None or time.content <= most:
        return
    by_default = "" if bound is not None else ", by default"
    message = f"`{key}` is {time.content:g} seconds, and `{bound_key}` ends it after {most:g}{by_default}"
    related = (Related(f"`{bound_key}`", bound.span),) if bound is not None else ()
    yield Diagnostic("AR713", "warning", message, time.span, f"lower it, or raise `{bound_key}`", related)


# -- milliseconds ---------------------------------------------------------------------------------------------


def milliseconds(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for time in _times(catalog, document):
        if _is_number(time) and _in_ms(time.content):
            yield _too_long(time)
    limit = document.node.get("limits", "timeout") if document.kind == "agent" else None
    if limit is not None and _is_number(limit) and _limit_in_ms(limit.content):
        yield _too_long(limit)
    for delay in _delays(document):
        if _is_number(delay) and _delay_in_ms(delay.content):
            yield _too_long(delay)


def _too_long(time: Node) -> Diagnostic:
    seconds = f"{time.content / 1000:g}"
    message = f"{time.content:.0f} seconds are {_span_of(time.content)}: were milliseconds meant?"
    fix = write_raw(time, seconds, safe=False)
    return Diagnostic("AR714", "warning", message, time.span, f"times are in seconds: {seconds}", fix=fix)


def _span_of(seconds: float) -> str:
    for unit, size in (("days", _DAY_S), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g} {unit}"
    return "long"


def _times(catalog: Catalog, document: Document) -> Iterator[Node]:
    written = document.node.get("timeout") if document.kind == "tool" else None
    if written is not None:
        yield written
    for one in asked_models(catalog, document):
        times = one.written.get("timeout") if one.written is not None else None
        if times is not None:
            yield from times.content.values() if times.is_mapping else (times,)


def _delays(document: Document) -> Iterator[Node]:
    """Those of scripted turns and of stubs."""
    places = ("model",) if document.kind == "agent" else ("model", "tools", "cases")
    for place in places if document.kind != "tool" else ():
        node = document.node.get(place)
        for route, one in node.walk() if node is not None else ():
            is_data = {"json", "result", "arguments", "args", "schema", "headers"} & {*route}
            if route[-1:] == ("delay",) and not is_data:
                yield one


def _in_ms(value: float) -> bool:
    """Long times in seconds are minutes and hours: 1200, 1800, 3600. Those in milliseconds are round: 1500, 30000."""
    whole_hours = value % 3600 == 0 and value < _DAY_S
    return 1000 <= value <= _DAY_MS and value % 500 == 0 and not whole_hours


def _limit_in_ms(value: float) -> bool:
    """A run may last for days."""
    whole_days = value % _DAY_S == 0 and value <= 31 * _DAY_S
    return value in _LIMITS_IN_MS or (100_000 <= value <= _DAY_MS and value % 500 == 0 and not whole_days)


def _delay_in_ms(value: float) -> bool:
    """What a script or a stub waits: minutes may be meant to outlast a timeout."""
    return value >= 200 and value % 50 == 0 and (value >= 1000 or value % 60 != 0)


def _seconds(node: Node | None, looks_like_ms: Callable[[float], bool] = _in_ms) -> Node | None:
    """A time that can be compared: one that looks like milliseconds has its own finding."""
    return node if node is not None and _is_number(node) and not looks_like_ms(node.content) else None


def _number(document: Document, *route: str) -> Node | None:
    node = document.node.get(*route)
    return node if node is not None and type(node.content) is int and node.content > 0 else None


def _is_number(node: Node) -> bool:
    return type(node.content) in (int, float) and node.content > 0


RULES = (limits_that_are_never_reached, more_than_the_model_reads, contradicting_timeouts, milliseconds)
