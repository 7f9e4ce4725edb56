"""What came of cases. A case that failed is apart from one that could not be measured: the service was down, say."""

from __future__ import annotations

from typing import Literal

import msgspec

from agentrun.diagnostics import Span
from agentrun.testing.observed import Observed
from agentrun.testing.plan import Case

AttemptStatus = Literal["passed", "failed", "unmeasured"]
Status = Literal["passed", "failed", "unmeasured", "skipped"]


class Failure(msgspec.Struct, frozen=True):
    """Something that was expected and is not so. `span` is where the test file says it.

    `expected` and `got` are texts to be shown beside each other, where that tells more than `message`.
    """

    message: str
    span: Span
    expected: str | None = None
    got: str | None = None


class Attempt(msgspec.Struct, frozen=True):
    """A case that was run once. `error` says why nothing could be measured."""

    status: AttemptStatus
    observed: Observed
    duration_s: float
    failures: tuple[Failure, ...] = ()
    error: str | None = None
    warnings: tuple[str, ...] = ()


class CaseResult(msgspec.Struct, frozen=True):
    """`attempts` are several with `--repeat`. `why` is why it was skipped."""

    case: Case
    status: Status
    attempts: tuple[Attempt, ...] = ()
    why: str = ""

    @property
    def duration_s(self) -> float:
        return sum(one.duration_s for one in self.attempts)

    @property
    def shown(self) -> Attempt | None:
        """The attempt that tells most: the first that did not pass, else the first."""
        return next((one for one in self.attempts if one.status != "passed"), next(iter(self.attempts), None))


class AgentCoverage(msgspec.Struct, frozen=True):
    """What the cases of an agent left out. `parameters` are pairs of a tool and a parameter that no call gave.

    `rules` are the `permissions` that no call met, as a person reads them. Totals count all there are.
    """

    agent: str
    tools: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()
    tools_total: int = 0
    parameters_total: int = 0
    rules_total: int = 0


class TestRun(msgspec.Struct, frozen=True):
    """All results, in the order of the cases in their files."""

    __test__ = False

    results: tuple[CaseResult, ...]
    duration_s: float
    coverage: tuple[AgentCoverage, ...] = ()

    def count(self, status: Status) -> int:
        return sum(one.status == status for one in self.results)

    @property
    def exit_code(self) -> int:
        if self.count("failed"):
            return 1
        return 4 if self.count("unmeasured") else 0
