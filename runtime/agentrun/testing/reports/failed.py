"""A case that failed, for a person at a terminal: each failure at its line of the file, then what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agentrun.diagnostics import counted
from agentrun.markup.calls import call_line, duration, failure_text
from agentrun.markup.lines import cut
from agentrun.markup.secret_lines import looks_secret
from agentrun.markup.snippet import cells, snippet
from agentrun.spec.nodes import LINE_BREAK
from agentrun.testing.differences import differences
from agentrun.testing.observed import ObservedCall
from agentrun.testing.reports.conversation import asked
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.summary import (
    MARKS,
    attempt_name,
    ending,
    failed_attempt,
    judged_lines,
    message_of,
    repeats,
)
from agentrun.testing.results import Attempt, CaseResult, Failure
from agentrun.visible import in_a_line, one_line, visible

LEGEND = ("- expected", "+ got")
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
    for failure in attempt.failures:
        lines += failure_lines(failure, sources, look)
    return [*lines, *happened_lines(attempt, look)]


def legend_of(results: Iterable[CaseResult]) -> str:
    """What the signs of differences mean, where any are shown."""
    failures = [one for result in results for attempt in result.attempts for one in attempt.failures]
    return "  ".join(LEGEND) if any(has_difference(one) for one in failures) else ""


def has_difference(failure: Failure) -> bool:
    return failure.expected is not None and failure.got is not None


def failure_lines(failure: Failure, sources: Mapping[str, str], look: Look) -> list[str]:
    span = failure.span
    place = in_a_line(f"{span.file}:{span.line}:{span.column}:")
    message, *further = visible(message_of(failure)).split("\n")
    first, *rest = look.indented(f"{place} {message}", "  ")
    lines = [first.replace(place, look.paint(place, "info"), 1), *rest]
    for line in further:
        lines += look.indented(line, "  ")
    pointed = snippet(shown_lines(failure, sources), span, look.room("  "))
    lines += [f"  {look.paint(line, 'dim')}" for line in pointed]
    return [*lines, *_difference(failure, look)]


def shown_lines(failure: Failure, sources: Mapping[str, str]) -> list[str]:
    """The lines of the file that says what was expected; none where the one that does holds a credential."""
    lines = LINE_BREAK.split(sources.get(failure.span.file, ""))
    line = lines[failure.span.line - 1] if 0 < failure.span.line <= len(lines) else ""
    return [] if looks_secret(line) else lines


def _difference(failure: Failure, look: Look) -> Iterator[str]:
    if failure.expected is None or failure.got is None:
        return
    for line in differences(failure.expected, failure.got, max_lines=_MAX_DIFFERENCES):
        yield from look.chopped(visible(line[2:]), "    ", _STYLES.get(line[:1], "dim"), line[:2])


def happened_lines(attempt: Attempt, look: Look) -> Iterator[str]:
    observed = attempt.observed
    if not observed.steps:
        return
    yield from look.indented(f"what happened: {ending(attempt)}", "  ", "dim")
    for index, step in enumerate(observed.steps):
        yield from _said("user", asked(observed, index), look)
        for call in step.calls[:_MAX_CALLS]:
            yield _call(call, look)
        if len(step.calls) > _MAX_CALLS:
            yield look.paint(f"    … {counted(len(step.calls) - _MAX_CALLS, 'more call')}", "dim")
        yield from _said("answer", step.text, look)
    for judged in judged_lines(attempt):
        yield from look.indented(judged, "    ", "dim")


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
