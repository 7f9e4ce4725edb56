"""One case, run once: its user messages through the engine's own loop, then what it expects.

The case is a failure where something is not as expected, and could not be measured where that is nobody's fault who
changed an agent: a service that is down, a key that is not there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from agentrun.attachments import Attachment, check_together, described, read_attachment
from agentrun.diagnostics import Span, counted
from agentrun.engine import loop
from agentrun.engine.agent import Agent, Mask
from agentrun.engine.attached import without_bytes
from agentrun.engine.events import Emit, Event, Retried, RunFinished, ToolFinished, TurnFinished
from agentrun.engine.messages import Message
from agentrun.engine.outcome import Outcome
from agentrun.engine.overflow import TOO_LONG
from agentrun.engine.ports import (
    ApprovalAnswer,
    ApprovalQuestion,
    Approver,
    ElicitationAnswer,
    ElicitationQuestion,
    Journal,
)
from agentrun.errors import ToolFailure, ToolsError, UsageError
from agentrun.spec.case_types import CallExpect, CallsExpect
from agentrun.spec.nodes import Route
from agentrun.testing.expectations import failures_of
from agentrun.testing.observed import Observed, ObservedStep, StepObserver, ToolRequest
from agentrun.testing.plan import AttachedFile, Case
from agentrun.testing.reached import agents_reached, defaults_of
from agentrun.testing.results import Attempt, AttemptStatus, Failure
from agentrun.testing.scene import Scene, enter
from agentrun.testing.staged_sets import set_of
from agentrun.testing.stubs import StubBook


class Tape(Journal, Protocol):
    """The cassette of a case, played or recorded. `date` is that of the recording."""

    date: str | None

    def approver(self, otherwise: Approver) -> Approver: ...


async def attempt(case: Case, agent: Agent, tape: Tape | None = None, *, is_real: bool | None = None) -> Attempt:
    """Run a case once. It runs in a task of its own, so that what it sets is its own.

    `is_real`: a model service is asked, and may fail; default: where the case says `live`. Where a tape is recorded so,
    tools without a stub are called too.
    """
    is_real = case.is_live if is_real is None else is_real
    return await asyncio.create_task(_attempt(case, agent, tape, is_real))


async def _attempt(case: Case, agent: Agent, tape: Tape | None, is_real: bool) -> Attempt:
    started = time.monotonic()
    script = case.script if case.source == "script" else None
    scene = Scene(script, StubBook(case.stubs), live_tools=case.live_tools or (tape is not None and is_real))
    enter(scene)
    played = _Played(case, agent, scene, tape)
    failures: list[Failure] = []
    deadline = asyncio.timeout(case.timeout_s)
    try:
        async with deadline:
            await played.play()
    except TimeoutError:
        if not deadline.expired():
            raise
        late = f"the case took longer than {case.timeout_s:g} s{played.unfinished()}"
        if is_real and played.retried is not None:
            scene.missing.append(f"{late}, and a request that failed was tried again: {played.retried}")
        else:
            failures.append(Failure(late, case.span))
    except (UsageError, ToolsError) as error:
        failures += () if scene.missing else (Failure(agent.mask.text(error.message), case.span),)
    observed = played.observed()
    failures += [Failure(agent.mask.text(problem), _place(case, route)) for problem, route in scene.problems.items()]
    if not failures:
        failures += (_hidden(one, agent.mask) for one in failures_of(case, observed, scene.requests))
        is_down = is_real and failures and not case.expects_a_failure
        missing = scene.missing or (played.service_failures if is_down else [])
        if not missing and case.is_live and all(one.is_unknown for one in failures):
            missing = [one.message for one in failures]
        if missing:
            why = agent.mask.text(missing[0])
            return Attempt("unmeasured", observed, time.monotonic() - started, error=why)
    status: AttemptStatus = "failed" if failures else "passed"
    warnings = () if failures else tuple(_left_over(case, scene))
    return Attempt(status, observed, time.monotonic() - started, tuple(failures), warnings=warnings)


def _hidden(failure: Failure, mask: Mask) -> Failure:
    """What is expected may hold a secret: the author wrote it, and the report goes elsewhere."""
    expected, got = (None if text is None else mask.text(text) for text in (failure.expected, failure.got))
    return msgspec.structs.replace(failure, message=mask.text(failure.message), expected=expected, got=got)


def _place(case: Case, route: Route) -> Span:
    """Where the case says what a problem is about; what its file says for all cases, the case does not."""
    is_its_own = bool(route) and case.node.get(*route) is not None
    return case.node.key_place(route) if is_its_own else case.span


def _left_over(case: Case, scene: Scene) -> Iterator[str]:
    """What was written for this case alone, and took no part in it."""
    if case.node.get("model") is not None and scene.unplayed:
        was = "was" if scene.unplayed == 1 else "were"
        yield f"{counted(scene.unplayed, 'turn')} of the script {was} never played"
    own = case.node.get("tools")
    for tool, number, many in scene.stubs.idle():
        if own is not None and own.get(tool) is not None:
            which = f"stub {number} of `{tool}`" if many > 1 else f"the stub of `{tool}`"
            yield f"{which} answered no call"


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
        self.service_failures: list[str] = []
        self.retried: str | None = None  # why the request that is made now failed before

    async def play(self) -> None:
        for step in self._case.steps:
            files = _read(step.attach)
            observer = StepObserver(step.user, self._agent.name, defaults_of(self._agent))
            observer.step.attached = [described(one) for one in files]
            self._steps.append(observer.step)
            started = time.monotonic()

            def hear(event: Event, observe: Emit = observer) -> None:
                observe(event)
                self._hear_failure(event)
                self._hear_stranger(event)

            try:
                outcome = await self._run(step.user, files, hear)
            finally:
                observer.step.duration_s = time.monotonic() - started
            self._agent = outcome.agent
            if self._scene.problems or self._scene.missing:
                return

    def unfinished(self) -> str:
        """The calls that a case was waiting for when it was ended."""
        names = dict.fromkeys(
            call.name for step in self._steps[-1:] for call in step.calls if call.error == "interrupted"
        )
        return f" while waiting for {', '.join(f'`{name}`' for name in names)}" if names else ""

    def observed(self) -> Observed:
        mask = self._agent.mask
        for step in self._steps:
            for call in step.calls:
                sent = self._scene.requests.get(call.key, ())
                call.requests = tuple(_masked(request, mask) for request in sent)
        seen = (dict(without_bytes(message.data)) for message in self._messages)
        return Observed(tuple(self._steps), tuple(map(mask.data, seen)))

    def _hear_failure(self, event: Event) -> None:
        """Also of an agent behind a tool. An answer in a wrong format, and a conversation that has grown too long, are
        no failures of a service.
        """
        if isinstance(event, Retried | TurnFinished):
            self.retried = event.cause if isinstance(event, Retried) else None
        if isinstance(event, RunFinished) and event.reason == "model_error":
            error = event.error or {}
            message = str(error.get("message"))
            if error.get("type") == "cassette_miss":
                self._scene.fail(f"{message}; {error['help']}")
            elif error.get("type") not in ("response_format", TOO_LONG):
                self.service_failures.append(message)

    def _hear_stranger(self, event: Event) -> None:
        """A call of what may be a member of a set, and is not stubbed: nobody knows whether its server has it."""
        is_known = self._tape is not None or self._scene.live_tools
        if is_known or not isinstance(event, ToolFinished) or not event.result.startswith(_UNKNOWN):
            return
        tool_set = set_of(agents_reached(self._agent), event.name)
        if tool_set is not None and event.name not in _expected_unknown(self._case):
            how = f"stub it in `tools`, or ask the server of `{tool_set}` with `live_tools: true`"
            self._scene.fail(f"`{event.name}` was called, and has no stub: {how}")

    async def _run(self, user: str | None, files: Sequence[Attachment], emit: Emit) -> Outcome:
        try:
            return await loop.run(
                self._agent,
                text=user,
                attachments=[part for one in files for part in one.parts],
                arguments=self._case.args,
                messages=self._messages,
                emit=emit,
                approver=self._approver,
                journal=self._tape,
                date=self._case.date or (self._tape.date if self._tape else None),
            )
        except ToolFailure as failure:
            raise UsageError(f"the case's `args` don't fit the agent: {failure.message}") from None


_UNKNOWN = '{"error":{"type":"unknown_tool"'


def _expected_unknown(case: Case) -> set[str]:
    """The tools of which a case expects that they are not there."""
    found: set[str] = set()
    for expect in (case.expect, *(step.expect for step in case.steps)):
        calls = expect.calls
        listed = (calls.exact, calls.in_order, calls.any_order) if isinstance(calls, CallsExpect) else (calls,)
        for one in (one for calls in listed for one in calls or ()):
            if isinstance(one, CallExpect) and one.error in ("unknown_tool", True):
                found.add(one.name)
    return found


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

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        return ElicitationAnswer("cancel")


def _read(files: Sequence[AttachedFile]) -> list[Attachment]:
    """Raises `UsageError` where one can't be attached, or not all of them together."""
    read = [read_attachment(one.path, one.name) for one in files]
    check_together(read)
    return read


def _masked(request: ToolRequest, mask: Mask) -> ToolRequest:
    hidden: ToolRequest = msgspec.convert(mask.data(msgspec.to_builtins(request)), ToolRequest)
    return hidden
