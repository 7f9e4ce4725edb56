"""A case that failed, for a person at a terminal: each failure at its line of the file, then what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agentrun.diagnostics import counted
from agentrun.markup.calls import call_line, duration, failure_text
from agentrun.markup.lines import cut
from agentrun.markup.secret_lines import lines_to_show
from agentrun.markup.snippet import cells, snippet
from agentrun.testing.observed import ObservedCall, ObservedStep
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.summary import (
    MARKS,
    attempt_name,
    difference_of,
    ending,
    failed_attempt,
    judged_lines,
    message_of,
    repeats,
)
from agentrun.testing.results import Attempt, CaseResult, Failure
from agentrun.visible import in_a_line, one_line, visible

LEGEND = "- expected  + got"
_MAX_DIFFERENCES = 60
_MAX_CALLS = 30
_RESULT_CELLS = 24  # at least, however long the call
_STYLES = {"-": "passed", "+": "error", " ": "dim"}


def failed_case(result: CaseResult, sources: Mapping[str, str], look: Look) -> list[str]:
    first, *rest = look.indented(in_a_line(result.case.name), "  ", "bold")
    return [f"{look.paint(MARKS['failed'], 'error')} {first[2:]}", *rest, *_body(result, sources, look)]


def failed_alone(result: CaseResult, sources: Mapping[str, str], look: Look) -> list[str]:
    """Without its name, for where that stands already; with what the signs of differences mean."""
    legend = legend_of([result])
    return [*([f"  {look.paint(legend, 'dim')}"] if legend else []), *_body(result, sources, look)]


def _body(result: CaseResult, sources: Mapping[str, str], look: Look) -> list[str]:
    attempt = failed_attempt(result)
    lines = []
    if told := repeats(result):
        lines += look.indented(told, "  ", "dim")
    if attempt is None:
        return lines
    if many := attempt_name(result, attempt):
        lines += look.indented(f"{many}:", "  ", "dim")
    return [*lines, *attempt_lines(attempt, sources, look)]


def attempt_lines(attempt: Attempt, sources: Mapping[str, str], look: Look) -> Iterator[str]:
    """All its failures, then what happened."""
    for failure in attempt.failures:
        yield from _failure(failure, sources, look)
    yield from happened_lines(attempt, look)


def legend_of(results: Iterable[CaseResult]) -> str:
    """What the signs of differences mean, where any are shown."""
    failures = [one for result in results for attempt in result.attempts for one in attempt.failures]
    return LEGEND if any(one.has_difference for one in failures) else ""


def _failure(failure: Failure, sources: Mapping[str, str], look: Look) -> list[str]:
    span = failure.span
    place = in_a_line(f"{span}:")
    message, *further = visible(message_of(failure)).split("\n")
    first, *rest = look.indented(f"{place} {message}", "  ")
    lines = [first.replace(place, look.paint(place, "info"), 1), *rest]
    for line in further:
        lines += look.indented(line, "  ")
    pointed = snippet(lines_to_show(span, sources), span, look.room("  "))
    lines += [f"  {look.paint(line, 'dim')}" for line in pointed]
    for line in difference_of(failure, _MAX_DIFFERENCES):
        lines += look.chopped(visible(line[2:]), "    ", _STYLES.get(line[:1], "dim"), line[:2])
    return lines


def happened_lines(attempt: Attempt, look: Look) -> Iterator[str]:
    observed = attempt.observed
    if not observed.steps:
        return
    yield from look.indented(f"what happened: {ending(attempt)}", "  ", "dim")
    for index, step in enumerate(observed.steps):
        yield from _said("user", observed.user_message(index), look)
        for number, call in enumerate(step.calls[:_MAX_CALLS]):
            yield from _retries(step, number, look)
            yield _call(call, look)
        yield from _retries(step, min(len(step.calls), _MAX_CALLS), look)
        if len(step.calls) > _MAX_CALLS:
            yield look.paint(f"    … {counted(len(step.calls) - _MAX_CALLS, 'more call')}", "dim")
        yield from _said("answer", step.text, look)
    for judged in judged_lines(attempt):
        yield from look.indented(judged, "    ", "dim")


def _retries(step: ObservedStep, calls: int, look: Look) -> Iterator[str]:
    """The requests that failed, and were made again, after so many calls."""
    for retry in step.retries:
        if retry.calls == calls:
            told = one_line(f"retried: {retry.cause}", 4 * look.width)
            yield f"    {look.paint(cut(told, look.room('    ')), 'dim')}"


def _said(who: str, text: str, look: Look) -> Iterator[str]:
    if text:
        room = look.room(f"    {who}: ")
        yield f"    {look.paint(f'{who}:', 'dim')} {cut(one_line(text, 4 * room), room)}"


def _call(call: ObservedCall, look: Look) -> str:
    indent = "    " + "  " * call.depth
    mark = look.paint("✗", "error") if call.error else look.paint("•", "tool")
    took = f" ({duration(call.duration_s)})" if call.duration_s else ""
    room = look.room(f"{indent}• {took} → ")
    made = call_line(call.name, call.arguments)
    if call.result is None:
        return f"{indent}{mark} {look.paint(cut(made, room), 'tool')}"
    told = one_line(failure_text(call.result) if call.error else call.result, 4 * look.width)
    shown = cut(made, room - min(cells(told), max(_RESULT_CELLS, room - cells(made))))
    result = look.paint(cut(told, room - cells(shown)), "error" if call.error else "dim")
    return f"{indent}{mark} {look.paint(shown, 'tool')}{took} → {result}"
