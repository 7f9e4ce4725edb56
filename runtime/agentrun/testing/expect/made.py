"""Calls in the order in which they could know of each other: by turns, not by the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from agentrun.testing.observed import ObservedCall, ObservedStep, ToolRequest

Sent = Mapping[str, Sequence[ToolRequest]]  # what calls sent, by their keys
NOTHING_SENT: Sent = MappingProxyType({})


class Made(msgspec.Struct, frozen=True, eq=False):
    """A call, with the number of the run that it belongs to. `sent` are its requests with their secrets."""

    call: ObservedCall
    step: int
    sent: Sequence[ToolRequest] = ()


def made_in(steps: Sequence[ObservedStep], sent: Sent) -> list[Made]:
    return [
        Made(call, number, sent.get(call.key, call.requests))
        for number, step in enumerate(steps)
        for call in step.calls
    ]


def is_known(earlier: Made, later: Made) -> bool:
    """Whether the result of a call was known before the other was made: in an earlier turn, or an earlier run.

    What an agent behind a tool calls belongs to the turn of the call that it answers: where two calls have no run in
    common, those turns decide in which they have one. Calls of one turn know nothing of each other.
    """
    if earlier.step != later.step:
        return earlier.step < later.step
    for (turn, index), (other_turn, other_index) in zip(earlier.call.path, later.call.path, strict=False):
        if turn != other_turn:
            return turn < other_turn
        if index != other_index:
            return False
    return False
