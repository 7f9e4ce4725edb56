"""Many cases, some at once; results in the order of the cases, whatever ended first.

A case that is no live one gives the same every time: it is run once however often live ones are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from agentrun.engine.agent import Agent
from agentrun.errors import AgentrunError, SpecError
from agentrun.resolve import BoundModel
from agentrun.spec.nodes import Node
from agentrun.spec.types import ModelSpec
from agentrun.testing.bugs import ended_by_a_bug
from agentrun.testing.judge import judged
from agentrun.testing.observed import Observed
from agentrun.testing.one_case import attempt
from agentrun.testing.plan import Case
from agentrun.testing.repeats import status_of
from agentrun.testing.results import Attempt, CaseResult, Failure, TestRun

if TYPE_CHECKING:
    from agentrun.testing.tapes import Tapes

NO_LIVE = "it asks a real model, and `--no-live` is given"


class Agents(Protocol):
    """Where agents and judges come from: a `Bench`, or several."""

    def agent(self, case: Case, *, is_real: bool | None = None) -> Agent: ...
    def judge(self, case: Case, written: str | ModelSpec, node: Node | None) -> BoundModel: ...
    def hidden(self, text: str) -> str: ...
    async def close(self) -> None: ...


class Manner(msgspec.Struct, frozen=True):
    """How cases are run. `repeat` is for live ones. `tapes` plays and records cassettes; None: a case can't have one.

    With `fail_fast` what is reported ends with the first case, in their order, that failed.
    """

    at_once: int = 8
    repeat: int = 1
    fail_fast: bool = False
    no_live: bool = False
    tapes: Tapes | None = None


class Hearer(Protocol):
    """Hears of cases while they run. `ended` comes as they end, `result` in the order of the cases."""

    def began(self, case: Case) -> None: ...
    def ended(self, result: CaseResult) -> None: ...
    def result(self, result: CaseResult) -> None: ...


class _Nobody:
    def began(self, case: Case) -> None: ...
    def ended(self, result: CaseResult) -> None: ...
    def result(self, result: CaseResult) -> None: ...


class Runner:
    """One run of some cases. What is done is known at any time, also after it was cancelled."""

    def __init__(
        self, cases: Sequence[Case], bench: Agents, manner: Manner | None = None, hearer: Hearer | None = None
    ) -> None:
        self._cases = cases
        self._bench = bench
        self._manner = manner or Manner()
        self._hearer = hearer or _Nobody()
        self._gate = asyncio.Semaphore(self._manner.at_once)
        self._started = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._results: dict[int, CaseResult] = {}
        self._told = 0
        self._end = len(cases)

    async def run(self) -> TestRun:
        """Ends all that it began, and closes the connections of the agents."""
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = [group.create_task(self._one(index)) for index in range(len(self._cases))]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:  # what was recorded is paid for: also after Ctrl-C
            await self._bench.close()
            if self._manner.tapes is not None:
                self._manner.tapes.save()
        return self.so_far()

    def so_far(self) -> TestRun:
        done = tuple(self._results[index] for index in sorted(self._results) if index < self._end)
        return TestRun(done, time.monotonic() - self._started)

    async def _one(self, index: int) -> None:
        result = await self._result(self._cases[index])
        self._results[index] = result
        self._hearer.ended(result)
        if self._manner.fail_fast and result.status == "failed":
            self._end_after(index)
        while self._told < self._end and self._told in self._results:
            self._told += 1
            self._hearer.result(self._results[self._told - 1])

    def _end_after(self, index: int) -> None:
        """Those before it go on: one of them may fail too, and then it is the first."""
        self._end = min(self._end, index + 1)
        for task in self._tasks[self._end :]:
            task.cancel()

    async def _result(self, case: Case) -> CaseResult:
        if case.skip is not None:
            return CaseResult(case, "skipped", why=case.skip)
        if case.is_live and self._manner.no_live:
            return CaseResult(case, "skipped", why=NO_LIVE)
        times = self._manner.repeat if case.is_live else 1
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._attempt(case)) for _ in range(times)]
        attempts = tuple(task.result() for task in tasks)
        return CaseResult(case, status_of(attempts, case.pass_rate), attempts)

    async def _attempt(self, case: Case) -> Attempt:
        async with self._gate:
            self._hearer.began(case)
            (ended,) = await asyncio.gather(self._measured(case), return_exceptions=True)
        if isinstance(ended, Attempt):
            return ended
        if isinstance(ended, Exception) and not isinstance(ended, AgentrunError):
            return ended_by_a_bug(case, ended, self._bench.hidden)
        raise ended

    async def _measured(self, case: Case) -> Attempt:
        tapes = self._manner.tapes if case.source == "cassette" else None
        is_real = case.is_live or (tapes is not None and tapes.records(case))
        try:
            agent = self._bench.agent(case, is_real=is_real)
        except SpecError:
            raise
        except AgentrunError as error:
            return Attempt("unmeasured", Observed((), ()), 0.0, error=error.message)
        try:
            tape = None if tapes is None else tapes.open(case, agent)
        except AgentrunError as error:
            return Attempt("failed", Observed((), ()), 0.0, (Failure(error.message, case.span),))
        done = await attempt(case, agent, tape, is_real=is_real)
        if tapes is not None and (why := tapes.ended(case)) is not None:
            done = msgspec.structs.replace(done, warnings=(*done.warnings, why))
        return await judged(case, done, self._bench.judge)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
