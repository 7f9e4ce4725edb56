"""Two texts beside each other: nothing is lost of short ones, and of long ones what differs is shown."""

import json
import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.testing.differences import differences

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "long line", "\t"]), max_size=12).map("\n".join) | st.text(
    max_size=30
)


def side(lines, mark):
    return "\n".join(line[2:] for line in lines if line[:2] in (mark, "  "))


@given(TEXTS, TEXTS)
@example("a\n", "a")
@example("", "\n")
def test_both_sides_are_whole_where_nothing_is_cut(expected, got):
    lines = differences(expected, got)
    assert (side(lines, "- "), side(lines, "+ ")) == (expected, got)
    assert any(line[:2] != "  " for line in lines) == (expected != got)


@given(TEXTS, TEXTS, st.integers(4, 20), st.integers(1, 20))
def test_the_result_is_as_small_as_it_is_asked_to_be(expected, got, max_lines, max_chars):
    lines = differences(expected, got, max_lines=max_lines, max_chars=max_chars)
    assert len(lines) <= max_lines + 1
    assert all(line[:2] in ("- ", "+ ", "  ") and len(line) <= max(max_chars, 20) + 8 for line in lines)


def test_lines_are_marked_by_the_side_that_has_them():
    assert differences("one\ntwo\nthree", "one\n2\nthree\nfour") == ["  one", "- two", "+ 2", "  three", "+ four"]


def test_the_end_of_the_last_line_is_a_difference():
    assert differences("one\n", "one") == ["  one", "- "]


def test_of_long_texts_only_what_differs_is_shown_with_what_is_around_it():
    old = [f"line {number}" for number in range(1000)]
    new = [*old[:500], "new", *old[501:]]
    assert differences("\n".join(old), "\n".join(new)) == [
        "  … 497 lines alike",
        "  line 497",
        "  line 498",
        "  line 499",
        "- line 500",
        "+ new",
        "  line 501",
        "  line 502",
        "  line 503",
        "  … 496 lines alike",
    ]


def test_long_lines_are_cut_around_the_place_where_they_differ():
    removed, added = differences("x" * 500 + "A" + "y" * 500, "x" * 500 + "B" + "y" * 500)
    assert removed == "- …" + "x" * 40 + "A" + "y" * 119 + "…"
    assert added == "+ …" + "x" * 40 + "B" + "y" * 119 + "…"


def test_a_long_line_that_goes_on_where_the_other_ends_shows_both_ends():
    removed, added = differences("x" * 500, "x" * 500 + "more")
    assert removed == "- …" + "x" * 40
    assert added == "+ …" + "x" * 40 + "more"


def test_both_sides_are_seen_where_both_are_long():
    lines = differences("\n".join(f"a{n}" for n in range(500)), "\n".join(f"b{n}" for n in range(500)))
    assert lines[0] == "- a0"
    assert "- … 440 more lines" in lines
    assert "+ b0" in lines


def a_million_characters(kind):
    chosen = random.Random(7)
    data = [{"id": number, "v": {"x": number * 2, "ok": True}, "tags": ["a", "b"]} for number in range(9000)]
    changed = [{"id": -1, "v": {}} if number % 10 == 0 else one for number, one in enumerate(data)]
    numbers = [str(number) for number in range(150_000)]
    shuffled = chosen.sample(numbers, len(numbers))
    letters = [[chosen.choice("abcdef") for _ in range(200_000)] for _ in range(2)]
    return {
        "json": (json.dumps(data, indent=2), json.dumps(changed, indent=2)),
        "one line": ("a" * 10**6, "a" * (5 * 10**5) + "b" * (5 * 10**5)),
        "few words": ("a\n" * 5 * 10**5, "a\nb\n" * 25 * 10**4),
        "nothing alike": ("\n".join(numbers), "\n".join(f"x{one}" for one in numbers)),
        "shuffled": ("\n".join(numbers), "\n".join(shuffled)),
        "random": ("\n".join(letters[0]), "\n".join(letters[1])),
        "every third": (
            "\n".join(numbers),
            "\n".join(f"x{one}" if number % 3 == 0 else one for number, one in enumerate(numbers)),
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["json", "one line", "few words", "nothing alike", "shuffled", "random", "every third"]
)
def test_a_million_characters_are_compared_in_a_moment(kind):
    expected, got = a_million_characters(kind)
    started = time.monotonic()
    lines = differences(expected, got)
    assert time.monotonic() - started < 10
    assert any(line.startswith("- ") for line in lines)
    assert any(line.startswith("+ ") for line in lines)
    assert len(lines) <= 121


def test_a_line_between_many_that_repeat_is_found():
    old = [line for number in range(3000) for line in ("{", f"  id: {number}", "}")]
    new = [*old[:4501], "  id: other", *old[4502:]]
    lines = differences("\n".join(old), "\n".join([*new, "end"]))
    assert [line for line in lines if line[:2] != "  "] == ["- " + old[4501], "+   id: other", "+ end"]
