"""Whether data holds what is expected of it: laws that hold for any data."""

from hypothesis import given
from hypothesis import strategies as st

from agentrun.spec.subset import at, differing, includes, narrowed, same
from agentrun.testing.expect.shown import canonical, pretty

DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def data_and_part(draw):
    """Data, and some of what it holds."""
    data = draw(DATA)

    def part(value):
        if isinstance(value, dict):
            return {key: part(child) for key, child in value.items() if draw(st.booleans())}
        return [part(child) for child in value] if isinstance(value, list) else value

    return data, part(data)


@given(data_and_part())
def test_data_includes_each_part_of_it(made):
    data, part = made
    assert includes(data, part)
    assert includes(data, data)
    assert same(narrowed(data, part), part)


@given(DATA, DATA)
def test_what_is_the_same_is_included_either_way(one, other):
    assert same(one, other) == same(other, one)
    if same(one, other):
        assert includes(one, other)
        assert pretty(one) == pretty(other)
    if includes(one, other) and includes(other, one):
        assert same(one, other)


@given(DATA, DATA)
def test_places_that_differ_are_those_that_must_be_mended(data, expected):
    places = list(differing(data, expected))
    assert (places == []) == includes(data, expected)
    assert includes(narrowed(data, expected), expected) == (places == [])
    for place in places:
        assert not same(at(data, place), at(expected, place)) or at(data, place) is None


@given(DATA)
def test_the_form_that_is_shown_is_the_same_data(data):
    assert same(canonical(data), data)


def test_true_is_not_one_and_one_is_one_point_zero():
    assert not includes({"a": True}, {"a": 1})
    assert not includes({"a": 0}, {"a": False})
    assert includes({"a": 1}, {"a": 1.0})


def test_lists_are_as_long_as_expected():
    assert includes([{"a": 1, "b": 2}], [{"a": 1}])
    assert list(differing([1, 2], [1])) == [()]
    assert list(differing({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]})) == [("a", 0, "b"), ("a", 0, "c")]
