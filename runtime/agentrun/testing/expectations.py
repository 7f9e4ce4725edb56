"""What a case expects against what was observed: failures, each at the place in the file that says so. Pure.

What a model judges (`judge`) is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentrun.engine.events import ENDED_WELL
from agentrun.spec.case_types import ExpectSpec
from agentrun.spec.nodes import Node, name_place
from agentrun.testing.expect.call_lists import calls_claims
from agentrun.testing.expect.claims import Claim, under
from agentrun.testing.expect.credentials import secret_claims
from agentrun.testing.expect.made import NOTHING_SENT, Made, Sent, made_in
from agentrun.testing.expect.numbers import bounds_claims
from agentrun.testing.expect.shown import tools
from agentrun.testing.expect.value import answer_value, text_value
from agentrun.testing.expect.values import value_claims
from agentrun.testing.observed import Observed, ObservedStep
from agentrun.testing.plan import Case
from agentrun.testing.results import Failure


def failures_of(case: Case, observed: Observed, sent: Sent = NOTHING_SENT) -> Iterator[Failure]:
    """All that is not as the case expects: of each step, then of all together. `sent` is not masked."""
    made = made_in(observed.steps, sent)
    for number, (step, seen) in enumerate(zip(case.steps, observed.steps, strict=False)):
        yield from _ending(case, number, seen)
        calls = [one for one in made if one.step == number]
        yield from _failures(step.node, _claims(step.expect, [seen], calls, made, observed))
    together = _claims(case.expect, observed.steps, made, made, observed)
    yield from _failures(case.node.get("expect"), together)


def _ending(case: Case, number: int, seen: ObservedStep) -> Iterator[Failure]:
    """A run that ended badly fails its case, unless the case says how it ends."""
    told = case.steps[number].expect.reason or (case.expect.reason if number == len(case.steps) - 1 else None)
    if told is None and seen.reason not in ENDED_WELL:
        route = ("conversation", number, "user")
        place = case.node.key_place(route) if case.node.get(*route) is not None else name_place(case.node)
        yield Failure(f"the run ended with `{seen.reason}`{_explained(seen)}", place)


def _explained(seen: ObservedStep) -> str:
    message = (seen.error or {}).get("message", "")
    return f": {message}" if message else ""


def _failures(node: Node | None, claims: Iterator[Claim]) -> Iterator[Failure]:
    if node is None:
        return
    for claim in claims:
        if not claim.holds:
            place = node.key_place(claim.route)
            yield Failure(claim.wrong, place, claim.expected, claim.got, claim.is_unknown)


def _claims(
    expect: ExpectSpec,
    steps: Sequence[ObservedStep],
    calls: Sequence[Made],
    everything: Sequence[Made],
    observed: Observed,
) -> Iterator[Claim]:
    """`calls` are those of the steps, `everything` those of the whole case."""
    if not steps:
        return
    last = steps[-1]
    if expect.reason is not None:
        wrong = f"the run ended with `{last.reason}`, not `{expect.reason}`{_explained(last)}"
        said = f"the run ended with `{expect.reason}`"
        yield Claim(("reason",), last.reason == expect.reason, said, wrong, expect.reason, last.reason)
    if expect.agent is not None:
        said, wrong = f"`{expect.agent}` answered", f"`{last.agent}` answered, not `{expect.agent}`"
        yield Claim(("agent",), last.agent == expect.agent, said, wrong, expect.agent, last.agent)
    if expect.answer is not None:
        yield from under(("answer",), value_claims(expect.answer, answer_value(last.text, last.output)))
    if expect.calls is not None:
        yield from under(("calls",), calls_claims(expect.calls, calls, everything))
    if expect.approvals is not None:
        yield _approvals(expect.approvals, [name for step in steps for name in step.asked])
    yield from _numbers(expect, steps)
    if expect.system_prompt is not None:
        prompt = text_value("the system prompt", observed.system_prompt)
        yield from under(("system_prompt",), value_claims(expect.system_prompt, prompt))
    if expect.no_secrets:
        yield from under(("no_secrets",), secret_claims(steps))


def _approvals(expected: list[str], asked: list[str]) -> Claim:
    said = f"approval was asked for {tools(expected) or 'nothing'}"
    wrong = f"approval was asked for {tools(asked) or 'nothing'}, not for {tools(expected) or 'nothing'}"
    return Claim(("approvals",), asked == expected, said, wrong, "\n".join(expected), "\n".join(asked))


def _numbers(expect: ExpectSpec, steps: Sequence[ObservedStep]) -> Iterator[Claim]:
    """Of several runs, their sums."""
    took = "the run took" if len(steps) == 1 else "the runs took"
    if expect.turns is not None:
        turns = sum(step.turns for step in steps)
        yield from under(("turns",), bounds_claims(took, expect.turns, turns, "turn"))
    unknown = _unknown_usage(steps)
    if expect.tokens is not None and unknown:
        yield _unknown("tokens", "the tokens are", unknown)
    elif expect.tokens is not None:
        tokens = sum(step.usage.total_tokens for step in steps)
        yield from under(("tokens",), bounds_claims(took, expect.tokens, tokens, "token"))
    if expect.cost_usd is not None and unknown:
        yield _unknown("cost_usd", "the cost is", unknown)
    elif expect.cost_usd is not None:
        costs = [step.cost_usd for step in steps if step.cost_usd is not None or step.usage.total_tokens]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            yield _unknown("cost_usd", "the cost is", "the model has no known price")
        else:
            cost = took.replace("took", "cost")
            yield from under(("cost_usd",), bounds_claims(cost, expect.cost_usd, sum(known), "USD"))
    if expect.latency is not None:
        seconds = sum(step.duration_s for step in steps)
        yield from under(("latency",), bounds_claims(took, expect.latency, seconds, "s"))


def _unknown(key: str, what: str, why: str) -> Claim:
    return Claim((key,), None, f"{what} known", f"{what} not known: {why}", is_unknown=True)


def _unknown_usage(steps: Sequence[ObservedStep]) -> str:
    """Why nothing can be said of tokens, where that is so: none would hold of any bound."""
    if any(step.turns for step in steps) and not any(step.usage.total_tokens for step in steps):
        return "no reply of the model has `usage`"
    return ""
