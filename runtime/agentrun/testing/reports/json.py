"""The run as one JSON document. The types below are its description: no key is ever taken away or changes its meaning.

Lines and columns count from 1, columns in code points, ends are exclusive. Durations are seconds, costs US dollars.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun import __version__
from agentrun.diagnostics import Span
from agentrun.engine.messages import Usage
from agentrun.testing.observed import ObservedCall, ObservedStep, ToolRequest
from agentrun.testing.plan import Source
from agentrun.testing.reports.summary import cost_of, judges_cost_of, pass_rates, steady_rates, usage_of
from agentrun.testing.results import Attempt, AttemptStatus, CaseResult, Failure, Judgement, Status, TestRun

VERSION = 1


class Summary(msgspec.Struct, frozen=True):
    """Counts of cases. `usage` and `cost_usd` are of all attempts, not of judges; no cost where no price was known."""

    cases: int
    passed: int
    failed: int
    unmeasured: int
    skipped: int
    duration_s: float
    exit_code: int
    usage: Usage
    cost_usd: float | None
    judges_cost_usd: float | None


class Failed(msgspec.Struct, frozen=True):
    """Something that was expected and is not so, and where the file says it."""

    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    expected: str | None
    got: str | None


class Call(msgspec.Struct, frozen=True):
    """A call that a model made. `arguments` is null where they were no JSON object: then see `raw_arguments`.

    `depth` is 0 for calls of the agent under test, 1 for those of an agent behind one of its tools. `error` is the type
    of the failure that the model was told, `approved` null where nobody was asked and no rule decided.
    """

    agent: str
    name: str
    arguments: dict[str, Any] | None
    raw_arguments: str
    call_id: str
    depth: int
    turn: int
    result: str | None
    error: str | None
    approved: bool | None
    duration_s: float
    requests: tuple[ToolRequest, ...]


class Step(msgspec.Struct, frozen=True):
    """The run that answered one user message; `user` is null where the agent's `input` was the message."""

    user: str | None
    agent: str
    reason: str
    answer: str
    output: Any
    error: dict[str, Any] | None
    turns: int
    usage: Usage
    cost_usd: float | None
    duration_s: float
    asked: list[str]
    calls: list[Call]


class Verdict(msgspec.Struct, frozen=True):
    """What a judging model said. `passed` is null where it gave no verdict."""

    passed: bool | None
    reason: str


class Judged(msgspec.Struct, frozen=True):
    model: str
    line: int
    column: int
    passed: bool | None
    votes: list[Verdict]
    usage: Usage
    cost_usd: float | None


class Attempted(msgspec.Struct, frozen=True):
    """A case that was run once. `reason`, `answer` and `output` are those of its last step.

    `messages` is the whole conversation, in the form of the chat API.
    """

    status: AttemptStatus
    duration_s: float
    failures: list[Failed]
    error: str | None
    warnings: list[str]
    reason: str | None
    answer: str | None
    output: Any
    usage: Usage
    cost_usd: float | None
    steps: list[Step]
    messages: list[dict[str, Any]]
    judgements: list[Judged]


class CaseReport(msgspec.Struct, frozen=True):
    """`why` is why it was skipped. For a case with several attempts `pass_at` has pass@k by k, the chance that one of k
    attempts passes, and `pass_all` pass^k, the chance that all do.
    """

    id: str
    file: str
    line: int
    column: int
    name: str
    agent: str
    tags: list[str]
    source: Source
    status: Status
    why: str | None
    duration_s: float
    pass_rate: float
    pass_at: dict[str, float] | None
    pass_all: dict[str, float] | None
    usage: Usage
    cost_usd: float | None
    attempts: list[Attempted]


class Coverage(msgspec.Struct, frozen=True):
    """What the cases of an agent left out, and how many there are of it."""

    agent: str
    tools: list[str]
    tools_total: int
    parameters: list[tuple[str, str]]
    parameters_total: int
    rules: list[str]
    rules_total: int
    arguments: list[str]
    arguments_total: int
    handoffs: list[str]
    handoffs_total: int


class Document(msgspec.Struct, frozen=True):
    """`untested` are the agents that no test file is about; it and `coverage` are empty without `--coverage`."""

    version: int
    agentrun: str
    summary: Summary
    cases: list[CaseReport]
    coverage: list[Coverage]
    untested: list[str]


def as_json(run: TestRun, sources: Mapping[str, str]) -> str:
    """ASCII, whatever characters are in it."""
    return json.dumps(msgspec.to_builtins(document(run)), indent=2)


def document(run: TestRun) -> Document:
    return Document(
        version=VERSION,
        agentrun=__version__,
        summary=_summary(run),
        cases=[_case(result) for result in run.results],
        coverage=[msgspec.convert(msgspec.to_builtins(one), Coverage) for one in run.coverage],
        untested=list(run.untested),
    )


def _summary(run: TestRun) -> Summary:
    attempts = [attempt for result in run.results for attempt in result.attempts]
    return Summary(
        cases=len(run.results),
        passed=run.count("passed"),
        failed=run.count("failed"),
        unmeasured=run.count("unmeasured"),
        skipped=run.count("skipped"),
        duration_s=run.duration_s,
        exit_code=run.exit_code,
        usage=usage_of(attempts),
        cost_usd=cost_of(attempts),
        judges_cost_usd=judges_cost_of(attempts),
    )


def _case(result: CaseResult) -> CaseReport:
    case = result.case
    return CaseReport(
        id=case.id,
        file=case.file,
        line=case.span.line,
        column=case.span.column,
        name=case.name,
        agent=case.agent,
        tags=list(case.tags),
        source=case.source,
        status=result.status,
        why=result.why or None,
        duration_s=result.duration_s,
        pass_rate=case.pass_rate,
        pass_at=_rates(result, pass_rates),
        pass_all=_rates(result, steady_rates),
        usage=usage_of(result.attempts),
        cost_usd=cost_of(result.attempts),
        attempts=[_attempt(attempt) for attempt in result.attempts],
    )


def _rates(result: CaseResult, of: Callable[[CaseResult], dict[int, float]]) -> dict[str, float] | None:
    return {str(k): rate for k, rate in of(result).items()} if len(result.attempts) > 1 else None


def _attempt(attempt: Attempt) -> Attempted:
    steps = attempt.observed.steps
    last = steps[-1] if steps else None
    return Attempted(
        status=attempt.status,
        duration_s=attempt.duration_s,
        failures=[_failure(one) for one in attempt.failures],
        error=attempt.error,
        warnings=list(attempt.warnings),
        reason=last.reason if last else None,
        answer=last.text if last else None,
        output=last.output if last else None,
        usage=usage_of([attempt]),
        cost_usd=cost_of([attempt]),
        steps=[_step(one) for one in steps],
        messages=[dict(one) for one in attempt.observed.messages],
        judgements=[_judged(one) for one in attempt.judgements],
    )


def _failure(failure: Failure) -> Failed:
    place: Span = failure.span
    return Failed(failure.message, **msgspec.structs.asdict(place), expected=failure.expected, got=failure.got)


def _step(step: ObservedStep) -> Step:
    return Step(
        user=step.user,
        agent=step.agent,
        reason=step.reason,
        answer=step.text,
        output=step.output,
        error=step.error,
        turns=step.turns,
        usage=step.usage,
        cost_usd=step.cost_usd,
        duration_s=step.duration_s,
        asked=step.asked,
        calls=[_call(one) for one in step.calls],
    )


def _call(call: ObservedCall) -> Call:
    return Call(**{name: getattr(call, name) for name in Call.__struct_fields__})


def _judged(judgement: Judgement) -> Judged:
    return Judged(
        model=judgement.model,
        line=judgement.span.line,
        column=judgement.span.column,
        passed=judgement.passed,
        votes=[Verdict(one.passed, one.reason) for one in judgement.votes],
        usage=judgement.usage,
        cost_usd=judgement.cost_usd,
    )
