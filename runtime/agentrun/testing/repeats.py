"""Several attempts at one case: what they come to, and what they say of further ones. Pure.

Attempts that could not be measured say nothing: they are in no rate, and a verdict is given only where it is the same
whatever they would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from agentrun.testing.results import Attempt, Status

_ROUNDING = 1e-9


def status_of(attempts: Sequence[Attempt], pass_rate: float) -> Status:
    """Passed where at least this share of the attempts did."""
    passed = sum(one.status == "passed" for one in attempts)
    unmeasured = sum(one.status == "unmeasured" for one in attempts)
    needed = pass_rate * len(attempts) - _ROUNDING
    if passed >= needed:
        return "passed"
    return "failed" if passed + unmeasured < needed else "unmeasured"


def pass_at_k(attempts: int, passed: int, k: int) -> float:
    """pass@k: the chance that at least one of k attempts passes, estimated without bias. `k` is `attempts` at most."""
    return 1.0 - comb(attempts - passed, k) / comb(attempts, k)


def pass_all_k(attempts: int, passed: int, k: int) -> float:
    """pass^k: the chance that all of k attempts pass, estimated likewise."""
    return comb(passed, k) / comb(attempts, k)
