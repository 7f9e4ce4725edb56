"""One case, run once: its user messages through the engine's own loop, then what it expects.

The case is a failure where something is not as expected, and could not be measured where that is nobody's fault who
changed an agent: a service that is down, a key that is not there.
"""

from __future__ import annotations

import asyncio
import time
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from agentrun.engine import loop
from agentrun.engine.agent import Agent, Mask
from agentrun.engine.messages import Message
from agentrun.engine.outcome import Outcome
from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, Approver, Journal
from agentrun.errors import AgentrunError, ToolFailure, UsageError
from agentrun.testing.expectations import failures_of
from agentrun.testing.observed import Observed, ObservedStep, StepObserver, ToolRequest
from agentrun.testing.plan import Case
from agentrun.testing.results import Attempt, AttemptStatus, Failure
from agentrun.testing.stage import Scene, enter
from agentrun.testing.stubs import StubBook


class Tape(Journal, Protocol):
    """The cassette of a case, played or recorded. `date` is that of the recording."""

    date: str | None

    def approver(self, otherwise: Approver) -> Approver: ...


async def attempt(case: Case, agent: Agent, tape: Tape | None = None) -> Attempt:
    """Run a case once. It runs in a task of its own, so that what it sets is its own."""
    return await asyncio.create_task(_attempt(case, agent, tape))


async def _attempt(case: Case, agent: Agent, tape: Tape | None) -> Attempt:
    started = time.monotonic()
    scene = Scene(case.script if case.source == "script" else None, StubBook(case.stubs), live_tools=case.live_tools)
    enter(scene)
    played = _Played(case, agent, scene, tape)
    failures: list[Failure] = []
    unmeasured: str | None = None
    try:
        async with asyncio.timeout(case.timeout_s):
            await played.play()
    except TimeoutError:
        failures.append(Failure(f"the case took longer than {case.timeout_s:g} s", case.span))
    except AgentrunError as error:
        failures.append(Failure(error.message, case.span))
    observed = played.observed()
    failures += [Failure(problem, case.span) for problem in scene.problems]
    if not failures:
        failures += failures_of(case, observed)
    if failures and case.is_live and any(step.reason == "model_error" for step in observed.steps):
        unmeasured = next(str((step.error or {}).get("message")) for step in observed.steps if step.error)
    status: AttemptStatus = "unmeasured" if unmeasured else "failed" if failures else "passed"
    return Attempt(status, observed, time.monotonic() - started, tuple(failures), unmeasured, ())


class _Played:
    """The user messages of a case, one after the other, and what is seen of them."""

    def __init__(self, case: Case, agent: Agent, scene: Scene, tape: Tape | None) -> None:
        self._case = case
        self._agent = agent
        self._scene = scene
        self._tape = tape
        nobody_else: Approver = _CaseApprover(case)
        self._approver = nobody_else if tape is None else tape.approver(nobody_else)
        self._steps: list[ObservedStep] = []
        self._messages: list[Message] = []

    async def play(self) -> None:
        for step in self._case.steps:
            observer = StepObserver(step.user, self._agent.name)
            self._steps.append(observer.step)
            started = time.monotonic()
            try:
                outcome = await self._run(step.user, observer)
            finally:
                observer.step.duration_s = time.monotonic() - started
            self._agent = outcome.agent
            if self._scene.problems:
                return

    def observed(self) -> Observed:
        mask = self._agent.mask
        for step in self._steps:
            for call in step.calls:
                sent = self._scene.requests.get(call.key, ())
                call.requests = tuple(_masked(request, mask) for request in sent)
        return Observed(tuple(self._steps), tuple(mask.data(dict(message.data)) for message in self._messages))

    async def _run(self, user: str | None, observer: StepObserver) -> Outcome:
        try:
            return await loop.run(
                self._agent,
                text=user,
                arguments=self._case.args,
                messages=self._messages,
                emit=observer,
                approver=self._approver,
                journal=self._tape,
                date=self._case.date or (self._tape.date if self._tape else None),
            )
        except ToolFailure as failure:
            raise UsageError(f"the case's `args` don't fit the agent: {failure.message}") from None


class _CaseApprover:
    """The person in the case: says yes to what `approve` names, no to what `refuse` does; else nobody is there."""

    def __init__(self, case: Case) -> None:
        self._case = case

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        for pattern, message in self._case.refuse.items():
            if fnmatchcase(question.tool, pattern):
                return ApprovalAnswer(False, "user", message or "the user said no")
        if any(fnmatchcase(question.tool, pattern) for pattern in self._case.approve):
            return ApprovalAnswer(True, "user")
        return ApprovalAnswer(False, "nobody", "nobody could be asked")


def _masked(request: ToolRequest, mask: Mask) -> ToolRequest:
    hidden: ToolRequest = msgspec.convert(mask.data(msgspec.to_builtins(request)), ToolRequest)
    return hidden
