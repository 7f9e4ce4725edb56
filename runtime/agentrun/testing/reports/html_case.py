"""One case in the HTML report: its line, and what unfolds below it. Every text of others passes `escaped`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from agentrun.diagnostics import Span
from agentrun.engine.arguments import parse_json
from agentrun.markup.calls import duration
from agentrun.markup.page import escaped_line
from agentrun.markup.secret_lines import lines_to_show
from agentrun.testing.observed import HttpRequest, ObservedCall, ToolRequest
from agentrun.testing.reports.conversation import Said, conversation
from agentrun.testing.reports.summary import (
    MARKS,
    WORDS,
    attempt_name,
    difference_of,
    how_it_ended,
    judged_lines,
    message_of,
    repeats,
    spent,
    why_unmeasured,
)
from agentrun.testing.results import Attempt, CaseResult, Failure
from agentrun.visible import one_line, visible

MAX_CHARS = 8_000  # of one text
MAX_ENTRIES = 200  # of one conversation
_CODE = re.compile("`([^`]+)`")
_AROUND_CHARS = 160  # of a line of the file, before and after the place
_WHY_CHARS = 80  # in the line of a case
_LINE_CHARS = 90
_SCROLLS_LINES, _SCROLLS_CHARS = 12, 900  # more may not fit its box: then it can be reached with the keyboard


def escaped(text: str) -> str:
    """A text on one line, of a very long one its beginning."""
    return escaped_line(text, MAX_CHARS)


def case_section(result: CaseResult, sources: Mapping[str, str]) -> Iterator[str]:
    is_open = " open" if result.status == "failed" else ""
    yield f'<details class="case is-{result.status}"{is_open}>'
    yield from _line(result)
    yield '<div class="body">'
    facts = [_place(result.case.span), f"<span>agent {escaped(result.case.agent)}</span>"]
    facts += [f'<span class="tag">{escaped(tag)}</span>' for tag in result.case.tags]
    yield f'<p class="facts">{"".join(facts)}</p>'
    if result.status == "skipped":
        yield f"<p>skipped: {escaped(result.why)}</p>"
    if result.status == "unmeasured":
        yield f"<p>could not be measured: {escaped(why_unmeasured(result))}</p>"
    for attempt in result.attempts:
        yield from _attempt(result, attempt, sources)
    yield "</div></details>"


def _line(result: CaseResult) -> Iterator[str]:
    status = result.status
    facts = [*([duration(result.duration_s)] if result.attempts else []), *spent(result.attempts)]
    if told := repeats(result) or _why(result):
        facts.insert(0, told)
    yield "<summary>"
    yield f'<span class="mark {status}" aria-hidden="true">{MARKS[status]}</span>'
    yield f'<span class="hidden-text">{WORDS[status]}:</span>'
    yield f'<span class="name">{escaped(result.case.name)}</span>'
    yield f'<span class="soft">{escaped(" · ".join(facts))}</span>'
    yield "</summary>"


def _why(result: CaseResult) -> str:
    why = {"skipped": result.why, "unmeasured": why_unmeasured(result)}.get(result.status, "")
    return one_line(why, _WHY_CHARS)


def _attempt(result: CaseResult, attempt: Attempt, sources: Mapping[str, str]) -> Iterator[str]:
    name = attempt_name(result, attempt)
    if not name:
        yield from _inside(attempt, sources)
        return
    is_open = " open" if attempt is result.shown and attempt.status == "failed" else ""
    facts = " · ".join([duration(attempt.duration_s), *spent([attempt])])
    yield f'<details class="more attempt"{is_open}><summary>{name}: '
    yield f'<span class="{attempt.status}">{WORDS[attempt.status]}</span> · {escaped(facts)}</summary>'
    yield '<div class="body">'
    yield from _inside(attempt, sources)
    yield "</div></details>"


def _inside(attempt: Attempt, sources: Mapping[str, str]) -> Iterator[str]:
    for failure in attempt.failures:
        yield from _failure(failure, sources)
    if attempt.error and attempt.status != "unmeasured":
        yield f"<p>{escaped(attempt.error)}</p>"
    for warning in attempt.warnings:
        yield f'<p class="unmeasured">{escaped(warning)}</p>'
    for line in judged_lines(attempt):
        yield f'<p class="soft">{escaped(line)}</p>'
    yield from _conversation(attempt)


def _failure(failure: Failure, sources: Mapping[str, str]) -> Iterator[str]:
    yield '<div class="failure">'
    yield f'<p class="message">{_with_code(message_of(failure))}</p>'
    yield f"<p>{_place(failure.span)}</p>"
    yield from _source(failure.span, lines_to_show(failure.span, sources))
    if lines := difference_of(failure):
        yield '<p class="legend"><span class="expected">- expected</span><span class="got">+ got</span></p>'
        yield _difference(lines)
    yield "</div>"


def _source(span: Span, lines: Sequence[str]) -> Iterator[str]:
    """The line of the file with the place marked in it, wherever the line breaks on a small screen."""
    line = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    if not line.strip():
        return
    begin = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line)
    first, last = max(0, begin - _AROUND_CHARS), end + _AROUND_CHARS
    before = ("…" if first else "") + line[first:begin].lstrip()
    after = line[end:last] + ("…" if last < len(line) else "")
    marked = line[begin:end] if end - begin <= MAX_CHARS else line[begin : begin + MAX_CHARS] + "…"
    told = f"{escape(visible(before))}<mark>{escape(visible(marked))}</mark>{escape(visible(after))}"
    yield f'<pre class="source"><span class="line">{span.line}</span>{told}</pre>'


def _with_code(text: str) -> str:
    """A message of ours: what stands in backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(visible(text)))


def _difference(lines: list[str]) -> str:
    tags = {"-": "del", "+": "ins"}
    parts = []
    for line in lines:
        tag = tags.get(line[:1], "span")
        parts.append(f"<{tag}>{escape(visible(line))}</{tag}>")
    return f'<pre class="diff"{_tab_stop("", len(lines))}>{"".join(parts)}</pre>'


def _conversation(attempt: Attempt) -> Iterator[str]:
    entries = conversation(attempt.observed)
    if not entries:
        return
    steps = attempt.observed.steps
    yield f"<h3>{escaped(' · '.join(['Conversation', *([how_it_ended(steps[-1])] if steps else [])]))}</h3>"
    for entry in entries[:MAX_ENTRIES]:
        yield from _said(entry) if isinstance(entry, Said) else _call(entry)
    if len(entries) > MAX_ENTRIES:
        yield f'<p class="soft">… {len(entries) - MAX_ENTRIES} more are not shown</p>'


def _said(said: Said) -> Iterator[str]:
    if said.role in ("system", "developer"):
        yield _folded(f"{said.role} prompt · {len(said.text):,} characters", said.text)
        return
    role = "user" if said.role == "user" else "other"
    yield f'<div class="said {role}"><p class="who"><strong>{escaped(said.role)}</strong></p>{_box(said.text)}</div>'


def _call(call: ObservedCall) -> Iterator[str]:
    facts = [f"by {call.agent}"] if call.depth else []
    facts += [duration(call.duration_s)] if call.duration_s else []
    facts += [] if call.approved is None else ["approved" if call.approved else "not approved"]
    error = f'<span class="failed">{escaped(call.error)}</span>' if call.error else ""
    yield f'<div class="call{" nested" if call.depth else ""}">'
    yield f'<p class="who">tool call <span class="name-of-tool">{escaped(call.name)}</span>'
    yield f"<span>{escaped(' · '.join(facts))}</span>{error}</p>"
    yield _box(call.raw_arguments if call.arguments is None else _laid_out(call.arguments))
    if call.result is not None:
        yield f'<p class="what">result</p>{_box(_pretty(call.result))}'
    for request in call.requests:
        yield _folded(*_request(request))
    yield "</div>"


def _request(request: ToolRequest) -> tuple[str, str]:
    if isinstance(request, HttpRequest):
        lines = [f"{request.method} {request.url}"]
        lines += [f"  ?{name}={value}" for name, value in request.query]
        lines += [f"{name}: {value}" for name, value in request.headers]
        return f"request: {request.method} {request.url}", "\n".join(
            [*lines, *(["", request.body] if request.body else [])]
        )
    lines = [json.dumps(list(request.argv), ensure_ascii=False), f"in {request.cwd}"]
    lines += [f"{name}={value}" for name, value in request.env.items()]
    program = " ".join(request.argv)
    return f"run: {program}", "\n".join([*lines, *(["", request.stdin] if request.stdin else [])])


def _folded(title: str, text: str) -> str:
    head = title if len(title) <= 160 else title[:159] + "…"
    return f'<details class="more"><summary>{escaped(head)}</summary>{_box(text)}</details>'


def _box(text: str) -> str:
    """A text in a box that scrolls; of a very long one only the beginning, and how much is missing."""
    shown = escape(visible(text[:MAX_CHARS]))
    left_out = len(text) - MAX_CHARS
    note = f'<p class="soft">… {left_out:,} more characters are not shown</p>' if left_out > 0 else ""
    return f"<pre{_tab_stop(text, text.count(chr(10)))}>{shown}</pre>{note}"


def _tab_stop(text: str, lines: int) -> str:
    return ' tabindex="0"' if lines > _SCROLLS_LINES or len(text) > _SCROLLS_CHARS else ""


def _place(span: Span) -> str:
    return f'<span class="place">{escaped(str(span))}</span>'


def _pretty(text: str) -> str:
    """JSON laid out; any other text, and one that is too long to be shown whole or nested deeply, as it is."""
    if len(text) > MAX_CHARS or not text.startswith(("{", "[")):
        return text
    try:
        return _laid_out(parse_json(text))
    except ValueError:
        return text


def _laid_out(value: Any) -> str:
    """On one line where that is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _LINE_CHARS else json.dumps(value, indent=2, ensure_ascii=False)
