"""Matchings of expected calls with observed ones, beside what trying everything finds."""

from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from agentrun.testing.expect.order import aligned, in_any_order

# Which observed calls (columns) fit each expected place (rows).
TABLES = st.integers(0, 5).flatmap(
    lambda calls: st.tuples(
        st.just(calls), st.lists(st.lists(st.booleans(), min_size=calls, max_size=calls), max_size=5)
    )
)


def fitting(table):
    return lambda place, call: table[place][call]


def filled(found):
    return [(place, call) for place, call in enumerate(found) if call is not None]


def in_order_by_trying(table, calls):
    """The most places that can be filled in order."""
    return max(
        number
        for number in range(min(len(table), calls) + 1)
        for places in combinations(range(len(table)), number)
        for chosen in combinations(range(calls), number)
        if all(table[place][call] for place, call in zip(places, chosen, strict=True))
    )


def in_any_order_by_trying(table, calls):
    return max(
        number
        for number in range(min(len(table), calls) + 1)
        for places in combinations(range(len(table)), number)
        for chosen in permutations(range(calls), number)
        if all(table[place][call] for place, call in zip(places, chosen, strict=True))
    )


@given(TABLES)
def test_as_many_places_are_filled_in_order_as_can_be(made):
    calls, table = made
    pairs = filled(aligned([True] * len(table), calls, fitting(table)))
    assert len(pairs) == in_order_by_trying(table, calls)
    assert all(table[place][call] for place, call in pairs)
    chosen = [call for _, call in pairs]
    assert chosen == sorted(set(chosen))


@given(TABLES)
def test_as_many_places_are_filled_in_any_order_as_can_be(made):
    calls, table = made
    pairs = filled(in_any_order(len(table), calls, fitting(table)))
    assert len(pairs) == in_any_order_by_trying(table, calls)
    assert all(table[place][call] for place, call in pairs)
    assert len({call for _, call in pairs}) == len(pairs)


@given(TABLES, st.lists(st.booleans(), min_size=5, max_size=5))
def test_a_matching_without_anything_left_over_is_found_where_there_is_one(made, needed):
    calls, table = made
    required = needed[: len(table)]
    found = aligned(required, calls, fitting(table))
    whole = any(
        all(table[place][call] for call, place in enumerate(places))
        and all(place in places for place, must in enumerate(required) if must)
        for places in combinations(range(len(table)), calls)
    )
    left_over = len(filled(found)) < calls or any(
        must and call is None for must, call in zip(required, found, strict=True)
    )
    assert left_over == (not whole)


def test_a_thousand_calls_are_matched():
    assert aligned([True] * 300, 1000, lambda place, call: call % 3 == 0)[-1] is not None
    assert None not in in_any_order(300, 1000, lambda place, call: call >= place)


def test_of_two_places_of_which_one_can_be_filled_it_is_the_first():
    assert aligned([True] * 2, 2, lambda place, call: place != call) == [1, None]
