"""The run as Markdown, for a comment of a pull request or the summary of a CI job.

A comment holds 65,536 characters: what would not fit is left out, and the end says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from agentrun.diagnostics import counted
from agentrun.markup.calls import call_line, duration
from agentrun.markup.markdown import escaped, fenced, fitting, place
from agentrun.testing.differences import differences
from agentrun.testing.observed import ObservedCall
from agentrun.testing.reports.conversation import Entry, Said, conversation
from agentrun.testing.reports.coverage import rows
from agentrun.testing.reports.summary import (
    MARKS,
    WORDS,
    attempt_name,
    cost_of,
    counts,
    dollars,
    ending,
    failed_attempt,
    judged_lines,
    repeats,
    summary,
    usage_of,
    warned,
    why_unmeasured,
)
from agentrun.testing.results import Attempt, CaseResult, Failure, TestRun

MAX_BYTES = 60_000
_MAX_CHARS = 2_000  # of a text of the conversation
_MAX_ENTRIES = 40


def as_markdown(run: TestRun, sources: Mapping[str, str]) -> str:
    failed = [one for one in run.results if one.status == "failed"]
    others = [*_unmeasured(run), *_warnings(run), *_skipped(run), *_coverage(run)]
    shown = fitting(["\n".join(_failed(one)) for one in failed], MAX_BYTES)
    left_out = len(failed) - len(shown)
    more = [f"{counted(left_out, 'failed case')} more"] if left_out else []
    rest = fitting(others, MAX_BYTES - sum(len(one.encode()) for one in shown))
    return "\n\n".join(["\n".join(_head(run)), *shown, *more, *rest])


def _head(run: TestRun) -> Iterator[str]:
    yield f"### {'✗' if run.exit_code else '✓'} agentrun test: {summary(run)}"
    attempts = [attempt for result in run.results for attempt in result.attempts]
    usage, cost = usage_of(attempts), cost_of(attempts)
    cells = [(WORDS[status], str(number)) for status, number in counts(run)]
    cells += [("time", duration(run.duration_s))]
    cells += [("tokens", f"{usage.total_tokens:,}")] if usage.total_tokens else []
    cells += [("cost", dollars(cost))] if cost else []
    yield ""
    yield from _table([[name for name, _ in cells], [value for _, value in cells]])


def _failed(result: CaseResult) -> Iterator[str]:
    yield f"#### {MARKS['failed']} {escaped(result.case.name)}"
    attempt = failed_attempt(result)
    if told := ", ".join(filter(None, [repeats(result), attempt_name(result, attempt) if attempt else ""])):
        yield f"\n{told}"
    if attempt is None:
        return
    for failure in attempt.failures:
        yield from _failure(failure)
    yield from _happened(attempt)


def _failure(failure: Failure) -> Iterator[str]:
    yield f"\n{place(failure.span)}: {escaped(failure.message)}"
    if failure.expected is not None and failure.got is not None:
        lines = differences(failure.expected, failure.got)
        yield "\n" + fenced("\n".join(["--- expected", "+++ got", *lines]), "diff")


def _happened(attempt: Attempt) -> Iterator[str]:
    entries = conversation(attempt.observed)
    if not entries:
        return
    yield f"\n<details><summary>The conversation: {escape(ending(attempt))}</summary>"
    for entry in entries[:_MAX_ENTRIES]:
        yield from _entry(entry)
    if len(entries) > _MAX_ENTRIES:
        yield f"\n… {len(entries) - _MAX_ENTRIES} more"
    for line in judged_lines(attempt):
        yield f"\n{escaped(line)}"
    yield "\n</details>"


def _entry(entry: Entry) -> Iterator[str]:
    if isinstance(entry, Said):
        yield f"\n**{escaped(entry.role)}**\n\n{fenced(_cut(entry.text))}"
    else:
        yield from _call(entry)


def _call(call: ObservedCall) -> Iterator[str]:
    facts = ", ".join(
        [*([duration(call.duration_s)] if call.duration_s else []), *([call.error] if call.error else [])]
    )
    yield f"\n**tool** {escaped(facts)}".rstrip()
    yield "\n" + fenced("\n→ ".join([call_line(call.name, call.arguments), *_result(call)]))


def _result(call: ObservedCall) -> list[str]:
    return [] if call.result is None else [_cut(call.result)]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}\n… {len(text) - _MAX_CHARS:,} more characters"


def _unmeasured(run: TestRun) -> Iterator[str]:
    found = [one for one in run.results if one.status == "unmeasured"]
    if found:
        lines = [
            f"- {escaped(one.case.name)}: {escaped(why_unmeasured(one))} ({place(one.case.span)})" for one in found
        ]
        yield "\n".join(["#### ? Could not be measured", "", *lines])


def _warnings(run: TestRun) -> Iterator[str]:
    lines = [f"- {escaped(f'{result.case.name}: {warning}')}" for result, warning in warned(run)]
    if lines:
        yield "\n".join(["#### Warnings", "", *lines])


def _skipped(run: TestRun) -> Iterator[str]:
    found = [one for one in run.results if one.status == "skipped"]
    if found:
        lines = [f"- {escaped(f'{one.case.name}: {one.why}')}" for one in found]
        yield "\n".join([f"<details><summary>{len(found)} skipped</summary>", "", *lines, "", "</details>"])


def _coverage(run: TestRun) -> Iterator[str]:
    if run.coverage:
        table = [["agent", "", "met", "not met"]]
        for one in run.coverage:
            table += [[one.agent, what, f"{met} of {total}", ", ".join(left)] for what, met, total, left in rows(one)]
        yield "\n".join(["<details><summary>Coverage</summary>", "", *_table(table), "", "</details>"])


def _table(table: list[list[str]]) -> Iterator[str]:
    for index, cells in enumerate(table):
        yield f"| {' | '.join(map(escaped, cells))} |"
        if index == 0:
            yield "|---" * len(cells) + "|"
