"""What a case expects against what was observed: failures, each at the place in the file that says so. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentrun.engine.outcome import ENDED_WELL
from agentrun.spec.case_types import ExpectSpec
from agentrun.spec.nodes import Node, name_place
from agentrun.testing.observed import Observed, ObservedStep
from agentrun.testing.plan import Case
from agentrun.testing.results import Failure


def failures_of(case: Case, observed: Observed) -> Iterator[Failure]:
    """All that is not as the case expects: of each step, then of all together."""
    for step, seen in zip(case.steps, observed.steps, strict=False):
        yield from _failures(step.expect, step.node, [seen], observed)
    yield from _failures(case.expect, case.node.get("expect"), observed.steps, observed)
    yield from _endings(case, observed)


def _failures(
    expect: ExpectSpec, node: Node | None, steps: Sequence[ObservedStep], observed: Observed
) -> Iterator[Failure]:
    if node is not None and expect.reason is not None and steps and steps[-1].reason != expect.reason:
        message = f"the run ended with `{steps[-1].reason}`, not `{expect.reason}`"
        yield Failure(message, node.key_place(("reason",)), expect.reason, steps[-1].reason)


def _endings(case: Case, observed: Observed) -> Iterator[Failure]:
    """A run that ended badly fails its case, unless the case says how it ends."""
    for index, seen in enumerate(observed.steps):
        step = case.steps[index]
        told = step.expect.reason or (case.expect.reason if index == len(case.steps) - 1 else None)
        if told is None and seen.reason not in ENDED_WELL:
            explained = (seen.error or {}).get("message", "")
            place = step.node.span if step.node is not None else name_place(case.node)
            yield Failure(f"the run ended with `{seen.reason}`: {explained}", place)
