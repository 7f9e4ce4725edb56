"""What came of cases. A case that failed is apart from one that could not be measured: the service was down, say."""

from __future__ import annotations

from typing import Literal

import msgspec

from agentrun.diagnostics import Span
from agentrun.engine.messages import Usage
from agentrun.testing.observed import Observed
from agentrun.testing.plan import Case

AttemptStatus = Literal["passed", "failed", "unmeasured"]
Status = Literal["passed", "failed", "unmeasured", "skipped"]


class Failure(msgspec.Struct, frozen=True):
    """Something that was expected and is not so. `span` is where the test file says it.

    `expected` and `got` are texts to be shown beside each other, where that tells more than `message`; `got` may stand
    alone. `is_unknown`: nobody was told whether it is so, as of a cost without a price.
    """

    message: str
    span: Span
    expected: str | None = None
    got: str | None = None
    is_unknown: bool = False

    @property
    def has_difference(self) -> bool:
        """Whether there is more to show than the message says: both texts, or what came alone, in several lines."""
        return self.got is not None and (self.expected is not None or "\n" in self.got)


_WORDS = {True: "yes", False: "no", None: "no verdict"}


class Vote(msgspec.Struct, frozen=True):
    """A verdict of a judging model. `passed` is None where it gave none; then `reason` says why."""

    passed: bool | None
    reason: str

    @property
    def told(self) -> str:
        return f"{_WORDS[self.passed]}: {self.reason}"


class Judgement(msgspec.Struct, frozen=True):
    """What a model judged. `model` is who was asked; `usage` and `cost_usd` are the judge's, not the agent's.

    `span` is where the test file asks for it. `cost_usd` is None where the price is not known.
    """

    model: str
    span: Span
    votes: tuple[Vote, ...]
    usage: Usage = Usage()
    cost_usd: float | None = None

    def count(self, passed: bool) -> int:
        return sum(one.passed is passed for one in self.votes)

    @property
    def passed(self) -> bool | None:
        """What the majority says; a tie is a no. None: it depends on votes that are missing."""
        yes, needed = self.count(True), len(self.votes) // 2 + 1
        missing = len(self.votes) - yes - self.count(False)
        return True if yes >= needed else False if yes + missing < needed else None


class Attempt(msgspec.Struct, frozen=True):
    """A case that was run once. `error` says why nothing could be measured."""

    status: AttemptStatus
    observed: Observed
    duration_s: float
    failures: tuple[Failure, ...] = ()
    error: str | None = None
    warnings: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()


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
    """What the cases of an agent left out. `parameters` are pairs of a tool and a parameter that no call gave,
    `handoffs` the functions that hand over and were never called.

    `rules` are the `permissions` that no call met, as a person reads them; `arguments` the parameters of the agent
    that no case gave. Totals count all there are.
    """

    agent: str
    tools: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()
    tools_total: int = 0
    parameters_total: int = 0
    rules_total: int = 0
    arguments: tuple[str, ...] = ()
    arguments_total: int = 0
    handoffs: tuple[str, ...] = ()
    handoffs_total: int = 0

    @property
    def parameters_of_called(self) -> tuple[tuple[str, str], ...]:
        """Without those of tools that were not called at all."""
        return tuple(pair for pair in self.parameters if pair[0] not in self.tools)


class TestRun(msgspec.Struct, frozen=True):
    """All results, in the order of the cases in their files. `coverage` is empty where nobody asked for it, and
    `untested` too: the agents that no test file is about.
    """

    __test__ = False

    results: tuple[CaseResult, ...]
    duration_s: float
    coverage: tuple[AgentCoverage, ...] = ()
    untested: tuple[str, ...] = ()

    def count(self, status: Status) -> int:
        return sum(one.status == status for one in self.results)

    @property
    def exit_code(self) -> int:
        if self.count("failed"):
            return 1
        return 4 if self.count("unmeasured") else 0
