"""The run as Markdown, for a comment of a pull request or the summary of a CI job.

A comment holds 65,536 characters. Conversations and differences are left out where they would not fit, then whole
cases, and the text says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from agentrun.diagnostics import counted
from agentrun.markup.calls import call_line, duration
from agentrun.markup.lines import beginning
from agentrun.markup.markdown import escaped, fenced, fitting, place
from agentrun.testing.observed import ObservedCall
from agentrun.testing.reports.conversation import Entry, Said, conversation
from agentrun.testing.reports.coverage import rows, untested_line
from agentrun.testing.reports.summary import (
    MARKS,
    WORDS,
    attempt_name,
    cost_of,
    counts,
    difference_of,
    dollars,
    ending,
    failed_attempt,
    judged_lines,
    message_of,
    repeats,
    summary,
    usage_of,
    warned,
    why_unmeasured,
)
from agentrun.testing.results import Attempt, CaseResult, Failure, TestRun
from agentrun.visible import one_line

MAX_BYTES = 60_000
_MAX_CONVERSATION = 12_000
_MAX_CHARS = 2_000  # of a text of the conversation
_MAX_LINES = 40  # of a list
_MAX_LINE = 300
_MAX_FAILURES = 20


def as_markdown(run: TestRun, sources: Mapping[str, str]) -> str:
    others = fitting([*_unmeasured(run), *_warnings(run), *_skipped(run), *_coverage(run)], MAX_BYTES // 2)
    failed = _fitting([one for one in run.results if one.status == "failed"], MAX_BYTES - _size(others))
    return "\n\n".join(["\n".join(_head(run)), *failed, *others])


def _fitting(failed: Sequence[CaseResult], max_bytes: int) -> list[str]:
    """Each case in full while there is room, then in brief, then their number."""
    blocks: list[str] = []
    left = max_bytes
    for index, result in enumerate(failed):
        for lines in (_failed(result), _in_brief(result)):
            block = "\n".join(lines)
            if _size([block]) <= left:
                break
        else:
            return [*blocks, f"{counted(len(failed) - index, 'failed case')} more"]
        blocks.append(block)
        left -= _size([block])
    return blocks


def _size(blocks: Sequence[str]) -> int:
    return sum(len(one.encode()) + 2 for one in blocks)


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
    yield _title(result)
    attempt = failed_attempt(result)
    if told := ", ".join(filter(None, [repeats(result), attempt_name(result, attempt) if attempt else ""])):
        yield f"\n{told}"
    if attempt is None:
        return
    for failure in attempt.failures[:_MAX_FAILURES]:
        yield from _failure(failure)
    if len(attempt.failures) > _MAX_FAILURES:
        yield f"\n… {counted(len(attempt.failures) - _MAX_FAILURES, 'more failure')}"
    yield from _happened(attempt)


def _in_brief(result: CaseResult) -> Iterator[str]:
    yield _title(result)
    attempt = failed_attempt(result)
    if attempt is not None and attempt.failures:
        first = attempt.failures[0]
        yield f"\n{place(first.span)}: {_line(first.message)}"


def _title(result: CaseResult) -> str:
    return f"#### {MARKS['failed']} {_line(result.case.name)}"


def _failure(failure: Failure) -> Iterator[str]:
    yield f"\n{place(failure.span)}: {escaped(message_of(failure))}"
    if lines := difference_of(failure):
        yield "\n" + fenced("\n".join(["--- expected", "+++ got", *lines]), "diff")


def _happened(attempt: Attempt) -> Iterator[str]:
    entries = ["\n".join(_entry(one)) for one in conversation(attempt.observed)]
    if not entries:
        return
    shown = fitting(entries, _MAX_CONVERSATION)
    yield f"\n<details><summary>The conversation: {escape(ending(attempt))}</summary>"
    yield from shown
    if len(entries) > len(shown):
        yield f"\n… {len(entries) - len(shown)} more"
    for line in judged_lines(attempt):
        yield f"\n{_line(line)}"
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
    return beginning(text, _MAX_CHARS)


def _line(text: str) -> str:
    return escaped(one_line(text, _MAX_LINE))


def _unmeasured(run: TestRun) -> Iterator[str]:
    found = [one for one in run.results if one.status == "unmeasured"]
    if found:
        lines = [f"{_line(one.case.name)}: {_line(why_unmeasured(one))} ({place(one.case.span)})" for one in found]
        yield "\n".join(["#### ? Could not be measured", "", *_list(lines)])


def _warnings(run: TestRun) -> Iterator[str]:
    lines = [_line(f"{result.case.name}: {warning}") for result, warning in warned(run)]
    if lines:
        yield "\n".join(["#### Warnings", "", *_list(lines)])


def _skipped(run: TestRun) -> Iterator[str]:
    lines = [_line(f"{one.case.name}: {one.why}") for one in run.results if one.status == "skipped"]
    if lines:
        yield "\n".join([f"<details><summary>{len(lines)} skipped</summary>", "", *_list(lines), "", "</details>"])


def _coverage(run: TestRun) -> Iterator[str]:
    table = [["agent", "", "met", "not met"]]
    for one in run.coverage:
        table += [[one.agent, what, f"{met} of {total}", ", ".join(left)] for what, met, total, left in rows(one)]
    blocks = ["\n".join(_table(table))] if len(table) > 1 else []
    blocks += [escaped(untested_line(run))] if run.untested else []
    if blocks:
        yield "\n\n".join(["<details><summary>Coverage</summary>", *blocks, "</details>"])


def _list(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines[:_MAX_LINES])
    if len(lines) > _MAX_LINES:
        yield f"- … {len(lines) - _MAX_LINES} more"


def _table(table: list[list[str]]) -> Iterator[str]:
    for index, cells in enumerate(table):
        yield f"| {' | '.join(map(escaped, cells))} |"
        if index == 0:
            yield "|---" * len(cells) + "|"
