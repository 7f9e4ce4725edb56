"""Several attempts at one case: what they come to."""

import itertools

import pytest

from agentrun.testing.observed import Observed
from agentrun.testing.repeats import pass_all_k, pass_at_k, status_of
from agentrun.testing.results import Attempt


def attempts(marks):
    names = {"p": "passed", "f": "failed", "u": "unmeasured"}
    return [Attempt(names[mark], Observed((), ()), 0.0) for mark in marks]


@pytest.mark.parametrize(
    ("marks", "rate", "status"),
    [
        ("p", 1.0, "passed"),
        ("f", 0.01, "failed"),
        ("u", 0.5, "unmeasured"),
        ("pppppppppf", 0.9, "passed"),
        ("ppppppppff", 0.9, "failed"),
        ("ppf", 2 / 3, "passed"),
        ("ppppppppuf", 0.9, "unmeasured"),  # the one that is missing decides
        ("pppppppppu", 0.9, "passed"),  # whatever it would have been
        ("ppppppuuff", 0.9, "failed"),
    ],
)
def test_the_pass_rate_decides_where_what_is_missing_does_not(marks, rate, status):
    assert status_of(attempts(marks), rate) == status


@pytest.mark.parametrize(("total", "passed"), [(5, 0), (5, 2), (5, 5), (1, 1)])
def test_the_estimates_are_those_of_all_ways_to_choose_k_attempts(total, passed):
    outcomes = [True] * passed + [False] * (total - passed)
    for k in range(1, total + 1):
        chosen = list(itertools.combinations(outcomes, k))
        assert pass_at_k(total, passed, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
        assert pass_all_k(total, passed, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))
