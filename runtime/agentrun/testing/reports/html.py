"""The run as one HTML page, with each conversation to unfold. What a page may do is in `markup/page.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from agentrun import __version__
from agentrun.markup.page import page
from agentrun.testing.reports.coverage import rows, untested_line
from agentrun.testing.reports.html_case import case_section, escaped
from agentrun.testing.reports.summary import WORDS, by_file, counts, spent_in_all, summary, warned
from agentrun.testing.results import AgentCoverage, CaseResult, Status, TestRun

_BAR = 1000  # parts that the bar is measured in
_FILTERS: tuple[Status, ...] = ("failed", "unmeasured", "passed", "skipped")


def as_html(run: TestRun, sources: Mapping[str, str]) -> str:
    style = files("agentrun.testing.reports").joinpath("report.css").read_text(encoding="utf-8")
    return page(f"{escaped(summary(run))} · agentrun test", style, [*_header(run), *_main(run, sources)])


def _header(run: TestRun) -> Iterator[str]:
    yield "<header>"
    yield f"<h1>{escaped(_verdict(run))}</h1>"
    yield f'<p class="soft">{escaped(" · ".join([summary(run), *spent_in_all(run), f"agentrun {__version__}"]))}</p>'
    yield _bar(run)
    yield from _filter(run)
    yield "</header>"


def _verdict(run: TestRun) -> str:
    if not run.results:
        return "No cases"
    ran = len(run.results) - run.count("skipped")
    if run.count("failed"):
        return f"{run.count('failed')} of {ran} cases failed"
    if run.count("unmeasured"):
        return f"{run.count('unmeasured')} of {ran} cases could not be measured"
    return f"All {ran} cases passed" if ran else "All cases were skipped"


def _bar(run: TestRun) -> str:
    parts = []
    at = 0.0
    for status, number in counts(run):
        width = _BAR * number / len(run.results)
        parts.append(f'<rect class="{status}" x="{at:.2f}" y="0" width="{width:.2f}" height="10"/>')
        at += width
    box = f'viewBox="0 0 {_BAR} 10" preserveAspectRatio="none"'
    return f'<svg class="bar" {box} aria-hidden="true">{"".join(parts)}</svg>'


def _filter(run: TestRun) -> Iterator[str]:
    yield "<fieldset>"
    yield '<legend class="hidden-text">Which cases are shown</legend>'
    yield '<input type="radio" name="show" id="show-all" checked>'
    yield f'<label for="show-all">all {len(run.results)}</label>'
    for status in _FILTERS:
        if run.count(status):
            yield f'<input type="radio" name="show" id="show-{status}">'
            yield f'<label for="show-{status}" class="{status}">{run.count(status)} {WORDS[status]}</label>'
    yield "</fieldset>"


def _main(run: TestRun, sources: Mapping[str, str]) -> Iterator[str]:
    yield "<main>"
    for number, (file, results) in enumerate(by_file(run).items(), 1):
        yield from _file(number, file, results, sources)
    yield from _warnings(run)
    yield from _coverage(run)
    yield "</main>"


def _file(number: int, file: str, results: Sequence[CaseResult], sources: Mapping[str, str]) -> Iterator[str]:
    yield f'<section class="file" aria-labelledby="file-{number}">'
    yield f'<h2 id="file-{number}">{escaped(file)}</h2>'
    for result in results:
        yield from case_section(result, sources)
    yield "</section>"


def _warnings(run: TestRun) -> Iterator[str]:
    lines = [f"<li>{escaped(f'{result.case.id}: {warning}')}</li>" for result, warning in warned(run)]
    if lines:
        yield '<section aria-labelledby="warnings"><h2 id="warnings">Warnings</h2>'
        yield from ["<ul>", *lines, "</ul>", "</section>"]


def _coverage(run: TestRun) -> Iterator[str]:
    if not (run.coverage or run.untested):
        return
    yield '<section aria-labelledby="coverage"><h2 id="coverage">Coverage</h2>'
    if run.coverage:
        yield from _table(run.coverage)
    if without := untested_line(run):
        yield f'<p class="unmeasured">{escaped(without)}</p>'
    yield "</section>"


def _table(coverage: Sequence[AgentCoverage]) -> Iterator[str]:
    yield '<table><thead><tr><th scope="col">agent</th><th scope="col"></th><th scope="col">met</th>'
    yield '<th scope="col">not met</th></tr></thead><tbody>'
    for one in coverage:
        for index, (what, met, total, left) in enumerate(rows(one)):
            agent = f'<th scope="rowgroup" rowspan="{len(rows(one))}">{escaped(one.agent)}</th>' if index == 0 else ""
            status: Status = "passed" if met == total else "unmeasured"
            yield f'<tr>{agent}<td>{what}</td><td class="{status}">{met} of {total}</td>'
            yield f"<td>{escaped(', '.join(left))}</td></tr>"
    yield "</tbody></table>"
