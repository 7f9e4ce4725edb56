"""Results for a person at a terminal: a line for each case as it ends, and at the end all that went wrong in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentrun.markup.calls import duration
from agentrun.markup.lines import cut
from agentrun.markup.snippet import cells
from agentrun.testing.reports.coverage import coverage_lines, untested_line
from agentrun.testing.reports.failed import failed_case, legend_of
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.summary import (
    MARKS,
    WORDS,
    counts,
    repeats,
    spent_in_all,
    summary,
    warned,
    why_unmeasured,
)
from agentrun.testing.results import CaseResult, Status, TestRun
from agentrun.visible import in_a_line

STYLES: dict[Status, str] = {"passed": "passed", "failed": "error", "unmeasured": "warning", "skipped": "dim"}


def as_text(run: TestRun, sources: Mapping[str, str]) -> str:
    """The whole, as it belongs into a file."""
    look = Look()
    lines = []
    for index, result in enumerate(run.results):
        lines += case_lines(result, run.results[index - 1] if index else None, look)
    return "\n".join([*lines, *([""] if lines else []), closing(run, sources, look)])


def case_lines(result: CaseResult, before: CaseResult | None, look: Look) -> list[str]:
    """What is printed when a case has ended: its line; above it its file, where the one before had another."""
    is_first = before is None or before.case.file != result.case.file
    head = [look.paint(in_a_line(result.case.file), "bold")] if is_first else []
    return [look.written(line) for line in [*head, _line(result, look)]]


def closing(run: TestRun, sources: Mapping[str, str], look: Look) -> str:
    """What is printed after the last case: failures, what could not be measured, warnings, coverage, counts."""
    failed = _of(run, "failed")
    legend = legend_of(failed)
    title = f"Failed ({legend})" if legend else "Failed"
    blocks = [
        *_section(title, "error", [failed_case(one, sources, look) for one in failed], look),
        *_section("Could not be measured", "warning", [_unmeasured(one, look) for one in _of(run, "unmeasured")], look),
        *_section("Warnings", "warning", [_warning(*one, look) for one in warned(run)], look),
        *_section("Coverage", "bold", list(_coverage(run, look)), look),
        _summary(run, look),
    ]
    return look.written("\n\n".join(blocks))


def _line(result: CaseResult, look: Look) -> str:
    mark = look.paint(MARKS[result.status], STYLES[result.status])
    took = duration(result.duration_s)
    after = {
        "passed": f" ({took})",
        "failed": f" ({took})",
        "unmeasured": f" ({took}): {why_unmeasured(result)}",
        "skipped": f": {result.why}",
    }[result.status]
    if told := repeats(result):
        after = f" ({took}) · {told}"
    room = look.room("  ✗ ")
    name = cut(in_a_line(result.case.name), room - len(f" ({took})"))
    return f"  {mark} {name}{look.paint(cut(in_a_line(after), room - cells(name)), 'dim')}"


def _section(title: str, style: str, blocks: list[list[str]], look: Look) -> list[str]:
    if not blocks:
        return []
    rule = look.paint(cut(f"── {title} " + "─" * look.width, min(look.room(""), 80)).replace("…", "─"), style)
    return ["\n\n".join([rule, *("\n".join(block) for block in blocks)])]


def _of(run: TestRun, status: Status) -> list[CaseResult]:
    return [one for one in run.results if one.status == status]


def _unmeasured(result: CaseResult, look: Look) -> list[str]:
    mark = look.paint(MARKS["unmeasured"], "warning")
    name = cut(in_a_line(result.case.name), look.room("? "))
    place = look.paint(in_a_line(str(result.case.span)), "dim")
    return [f"{mark} {name}", f"  {place}", *look.indented(in_a_line(why_unmeasured(result)), "  ")]


def _warning(result: CaseResult, warning: str, look: Look) -> list[str]:
    return look.indented(in_a_line(f"{result.case.id}: {warning}"), "")


def _coverage(run: TestRun, look: Look) -> Iterator[list[str]]:
    for one in run.coverage:
        yield coverage_lines(one, look)
    if without := untested_line(run):
        yield look.indented(in_a_line(without), "", "warning")


def _summary(run: TestRun, look: Look) -> str:
    parts = ", ".join(look.paint(f"{number} {WORDS[status]}", STYLES[status]) for status, number in counts(run))
    whole = summary(run)
    after = whole[whole.rindex(" in ") :]
    return "".join([parts or "no cases", after, *(look.paint(f" · {one}", "dim") for one in spent_in_all(run))])
