"""What a run may spend: counting in values, and which limit is reached."""

import pytest

from agentrun.engine.agent import Limits, Prices
from agentrun.engine.arguments import canonical
from agentrun.engine.limits import Budget, Repetition
from agentrun.engine.messages import Usage


def test_as_many_turns_as_allowed():
    budget = Budget(Limits(max_turns=2))
    assert [budget.begin_turn() for _ in range(4)] == [None, None, "max_turns", "max_turns"]
    assert budget.turns == 2


def test_the_last_turn_is_known_once_it_began():
    budget = Budget(Limits(max_turns=2))
    budget.begin_turn()
    assert not budget.is_last_turn
    budget.begin_turn()
    assert budget.is_last_turn


def test_as_many_calls_as_allowed():
    budget = Budget(Limits(max_tool_calls=2))
    assert [budget.begin_call() for _ in range(4)] == [None, None, "max_tool_calls", "max_tool_calls"]
    assert budget.tool_calls == 2


@pytest.mark.parametrize(("tokens", "reached"), [(99, None), (100, "max_total_tokens"), (101, "max_total_tokens")])
def test_the_token_cap_is_reached_by_touching_it(tokens, reached):
    assert Budget(Limits(max_total_tokens=100)).spend(Usage(total_tokens=tokens), None) == reached


def test_tokens_add_up_over_turns():
    budget = Budget(Limits(max_total_tokens=100))
    assert budget.spend(Usage(50, 10, 60, 5), None) is None
    assert budget.spend(Usage(30, 10, 40, 20), None) == "max_total_tokens"
    assert budget.usage == Usage(80, 20, 100, 25)


def test_without_caps_nothing_is_reached():
    assert Budget(Limits()).spend(Usage(10**9, 10**9, 2 * 10**9), 2000.0) is None


def test_a_million_tokens_cost_their_price():
    prices = Prices(input=2.0, output=8.0, cached=0.5)
    assert prices.cost_usd(Usage(1_000_000, 0, 1_000_000)) == 2.0
    assert prices.cost_usd(Usage(0, 1_000_000, 1_000_000)) == 8.0
    assert prices.cost_usd(Usage(1_000_000, 0, 1_000_000, cached_tokens=1_000_000)) == 0.5
    assert prices.cost_usd(Usage(1_000_000, 500_000, 1_500_000, cached_tokens=400_000)) == pytest.approx(5.4)


def test_without_prices_there_is_no_cost():
    budget = Budget(Limits(max_cost_usd=0.01))
    assert budget.spend(Usage(10**9, 0, 10**9), None) is None
    assert budget.cost_usd is None


@pytest.mark.parametrize(("millions", "reached"), [(1, None), (2, "max_cost_usd"), (3, "max_cost_usd")])
def test_the_cost_cap_is_reached_by_touching_it(millions, reached):
    budget = Budget(Limits(max_cost_usd=2.0))
    assert budget.spend(Usage(millions * 1_000_000, 0, millions * 1_000_000), float(millions)) == reached


def test_both_caps_at_once_are_told_as_the_first():
    budget = Budget(Limits(max_total_tokens=1, max_cost_usd=1e-9))
    assert budget.spend(Usage(10, 0, 10), 1e-5) == "max_total_tokens"


def test_a_child_counts_in_all_above_it():
    root = Budget(Limits(max_turns=3, max_tool_calls=3, max_total_tokens=100))
    child = Budget(Limits(), Budget(Limits(), root))
    assert [child.begin_turn() for _ in range(4)] == [None, None, None, "max_turns"]
    assert root.turns == 3
    assert root.is_last_turn
    assert child.is_last_turn
    assert [child.begin_call() for _ in range(4)] == [None, None, None, "max_tool_calls"]
    assert child.spend(Usage(60, 40, 100), 1e-4) == "max_total_tokens"
    assert root.usage == child.usage
    assert root.cost_usd == child.cost_usd == pytest.approx(1e-4)


def test_a_childs_own_limit_leaves_its_parent_free():
    root = Budget(Limits(max_turns=10))
    child = Budget(Limits(max_turns=1), root)
    assert [child.begin_turn(), child.begin_turn()] == [None, "max_turns"]
    assert root.turns == 1
    assert root.begin_turn() is None


def test_a_refused_turn_or_call_counts_nowhere():
    root = Budget(Limits(max_turns=5, max_tool_calls=5))
    child = Budget(Limits(max_turns=1, max_tool_calls=1), root)
    for _ in range(3):
        child.begin_turn()
        child.begin_call()
    assert (root.turns, root.tool_calls) == (1, 1)


def test_the_fourth_identical_call_in_a_row_is_the_one():
    repetition = Repetition(4)
    assert [repetition.reached("f", "{}") for _ in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize("between", [("g", "{}"), ("f", '{"x": 1}')])
def test_another_call_between_begins_anew(between):
    repetition = Repetition(3)
    row = [("f", "{}"), ("f", "{}"), between, ("f", "{}"), ("f", "{}"), ("f", "{}")]
    assert [repetition.reached(*call) for call in row] == [False, False, False, False, False, True]


def test_arguments_are_the_same_whatever_their_order():
    assert canonical({"a": 1, "b": {"c": [1, 2], "d": "ü"}}) == canonical({"b": {"d": "ü", "c": [1, 2]}, "a": 1})
    assert canonical({"a": [1, 2]}) != canonical({"a": [2, 1]})
    assert canonical({"a": 1}) != canonical({"a": "1"})
    assert canonical({"a": 1}) != canonical({"a": True})
