"""Many cases, some at once; results in the order of the cases, whatever ended first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from agentrun.errors import AgentrunError
from agentrun.testing.bench import Bench
from agentrun.testing.observed import Observed
from agentrun.testing.one_case import attempt
from agentrun.testing.plan import Case
from agentrun.testing.results import Attempt, CaseResult, TestRun

AT_ONCE = 8


async def run_cases(
    cases: Sequence[Case],
    bench: Bench,
    *,
    at_once: int = AT_ONCE,
    tell: Callable[[CaseResult], None] = lambda result: None,
) -> TestRun:
    """`tell` hears each result as it comes, in the order of the cases."""
    started = time.monotonic()
    gate = asyncio.Semaphore(at_once)

    async def one(case: Case) -> CaseResult:
        async with gate:
            return await _result(case, bench)

    try:
        tasks = [asyncio.create_task(one(case)) for case in cases]
        results = []
        for task in tasks:
            results.append(await task)
            tell(results[-1])
    finally:
        await bench.close()
    return TestRun(tuple(results), time.monotonic() - started)


async def _result(case: Case, bench: Bench) -> CaseResult:
    if case.skip is not None:
        return CaseResult(case, "skipped", why=case.skip)
    try:
        agent = bench.agent(case)
    except AgentrunError as error:
        done = Attempt("unmeasured", Observed((), ()), 0.0, error=error.message)
    else:
        done = await attempt(case, agent)
    return CaseResult(case, done.status, (done,))
