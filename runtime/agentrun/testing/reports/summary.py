"""What reports say in the same words: counts, what came of a case, and of one run of it."""

from __future__ import annotations

from collections.abc import Iterable

from agentrun.diagnostics import counted
from agentrun.engine.messages import Usage
from agentrun.markup.calls import duration
from agentrun.markup.lines import beginning, cut
from agentrun.testing.differences import GOT, MAX_CHARS, MAX_LINES, SAME, differences
from agentrun.testing.observed import ObservedStep
from agentrun.testing.repeats import pass_all_k, pass_at_k
from agentrun.testing.results import Attempt, CaseResult, Failure, Status, TestRun
from agentrun.visible import in_a_line

WORDS: dict[Status, str] = {
    "passed": "passed",
    "failed": "failed",
    "unmeasured": "could not be measured",
    "skipped": "skipped",
}
MARKS: dict[Status, str] = {"passed": "✓", "failed": "✗", "unmeasured": "?", "skipped": "–"}
_MESSAGE_CHARS = 4_000  # a service's answer, or a model's words, may be of any length
_MOST_TOGETHER = 3  # pass@k is told for one attempt, and for this many


def counts(run: TestRun) -> list[tuple[Status, int]]:
    """How many cases came out so; what never happened is left out."""
    return [(status, run.count(status)) for status in WORDS if run.count(status)]


def summary(run: TestRun) -> str:
    """`3 passed, 1 failed, 1 could not be measured, 2 skipped in 1.2 s`."""
    told = ", ".join(f"{number} {WORDS[status]}" for status, number in counts(run)) or "no cases"
    return f"{told} in {duration(run.duration_s)}"


def by_file(run: TestRun) -> dict[str, list[CaseResult]]:
    files: dict[str, list[CaseResult]] = {}
    for result in run.results:
        files.setdefault(result.case.file, []).append(result)
    return files


def pass_rates(result: CaseResult) -> dict[int, float]:
    """The chance that at least one of k attempts passes, by k: for one, and for three if there are as many."""
    measured = [one for one in result.attempts if one.status != "unmeasured"]
    passed = sum(one.status == "passed" for one in measured)
    return {k: pass_at_k(len(measured), passed, k) for k in sorted({1, min(_MOST_TOGETHER, len(measured))}) if measured}


def steady_rates(result: CaseResult) -> dict[int, float]:
    """The chance that all of k attempts pass, by k, for three or as many as there are; for one it is no other."""
    measured = [one for one in result.attempts if one.status != "unmeasured"]
    passed, k = sum(one.status == "passed" for one in measured), min(_MOST_TOGETHER, len(measured))
    return {k: pass_all_k(len(measured), passed, k)} if k > 1 else {}


def repeats(result: CaseResult) -> str:
    """`4 of 5 passed · pass@1 0.80 · pass@3 1.00 · pass^3 0.40`; empty for a case that was run once."""
    if len(result.attempts) < 2:
        return ""
    unmeasured = sum(one.status == "unmeasured" for one in result.attempts)
    if unmeasured == len(result.attempts):
        return f"none of {unmeasured} could be measured"
    passed = sum(one.status == "passed" for one in result.attempts)
    parts = [f"{passed} of {len(result.attempts) - unmeasured} passed"]
    parts += [f"{unmeasured} could not be measured"] if unmeasured else []
    parts += [f"{result.case.pass_rate:.0%} must pass"] if result.case.pass_rate < 1 else []
    parts += [f"pass@{k} {rate:.2f}" for k, rate in pass_rates(result).items()]
    return " · ".join([*parts, *(f"pass^{k} {rate:.2f}" for k, rate in steady_rates(result).items())])


def attempt_name(result: CaseResult, attempt: Attempt) -> str:
    """`attempt 2 of 5`; empty for a case that was run once."""
    index = next(number for number, one in enumerate(result.attempts, 1) if one is attempt)
    return f"attempt {index} of {len(result.attempts)}" if len(result.attempts) > 1 else ""


def failed_attempt(result: CaseResult) -> Attempt | None:
    return next((one for one in result.attempts if one.status == "failed"), None)


def message_of(failure: Failure) -> str:
    return beginning(failure.message, _MESSAGE_CHARS)


def difference_of(failure: Failure, max_lines: int = MAX_LINES) -> list[str]:
    """The lines of what was expected beside what came, or of what came alone; none where the message says it."""
    if failure.got is None or not failure.has_difference:
        return []
    if failure.expected is not None:
        return differences(failure.expected, failure.got, max_lines=max_lines)
    lines = [GOT + cut(line, MAX_CHARS) for line in failure.got.rstrip("\n").split("\n")]
    more = [f"{SAME}… {counted(len(lines) - max_lines, 'more line')}"] if len(lines) > max_lines else []
    return lines[:max_lines] + more


def why_unmeasured(result: CaseResult) -> str:
    error = next((one.error for one in result.attempts if one.status == "unmeasured"), None)
    return beginning(error or result.why, _MESSAGE_CHARS)


def usage_of(attempts: Iterable[Attempt]) -> Usage:
    return sum((step.usage for one in attempts for step in one.observed.steps), Usage())


def cost_of(attempts: Iterable[Attempt]) -> float | None:
    """US dollars; None where no price was known."""
    known = [step.cost_usd for one in attempts for step in one.observed.steps if step.cost_usd is not None]
    return sum(known) if known else None


def judges_cost_of(attempts: Iterable[Attempt]) -> float | None:
    known = [one.cost_usd for attempt in attempts for one in attempt.judgements if one.cost_usd is not None]
    return sum(known) if known else None


def dollars(cost: float) -> str:
    """Four digits after the point. What is less is not told as nothing."""
    return f"${cost:.4f}" if cost == 0 or cost >= 0.00005 else "<$0.0001"


def spent(attempts: Iterable[Attempt]) -> list[str]:
    """`2 turns`, `150 tokens`, `$0.0021`: what is known and not nothing."""
    listed = list(attempts)
    turns = sum(step.turns for one in listed for step in one.observed.steps)
    tokens, cost = usage_of(listed).total_tokens, cost_of(listed)
    parts = [counted(turns, "turn")] if turns else []
    parts += [f"{tokens:,} tokens"] if tokens else []
    return parts + ([dollars(cost)] if cost else [])


def spent_in_all(run: TestRun) -> list[str]:
    """The same of a whole run, and what its judges cost."""
    attempts = [attempt for result in run.results for attempt in result.attempts]
    judges = judges_cost_of(attempts)
    return spent(attempts) + ([f"{dollars(judges)} for judges"] if judges else [])


def ending(attempt: Attempt) -> str:
    """`answered, 2 turns, 150 tokens`."""
    steps = attempt.observed.steps
    return ", ".join([*([how_it_ended(steps[-1])] if steps else []), *spent([attempt])])


def how_it_ended(step: ObservedStep) -> str:
    return "ended by the test" if step.ended_by_the_test else step.reason


def judged_lines(attempt: Attempt) -> list[str]:
    """`judged by MODEL: 2 of 3 say yes`, and why those say no that do. What a failure tells already is left out."""
    told = [failure.span for failure in attempt.failures]
    lines = []
    for one in attempt.judgements:
        if one.passed is False and one.span in told:
            continue
        lines.append(in_a_line(f"judged by {one.model}: {one.count(True)} of {len(one.votes)} say yes"))
        lines += [in_a_line(vote.told) for vote in one.votes if vote.passed is not True]
    return lines


def warned(run: TestRun) -> list[tuple[CaseResult, str]]:
    """Warnings, each once for a case."""
    return [
        (result, warning)
        for result in run.results
        for warning in dict.fromkeys(warning for one in result.attempts for warning in one.warnings)
    ]
