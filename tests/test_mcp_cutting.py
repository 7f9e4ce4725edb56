"""What a server wrote is cut between words: half a secret is not known for one, and would be shown."""

import pytest

from agentrun.tools.mcp.cutting import beginning_of, ending_of

KEY = "k3y-9f8e7d6c5b4a+/=="


@pytest.mark.parametrize("around", [(" ", " "), ('{"token":"', '"}'), ("\n", "\r\n"), ("key:", ",")])
def test_no_cut_leaves_a_part_of_a_word(around):
    text = f"begin{around[0]}{KEY}{around[1]}end"
    for most in range(1, len(text) + 5):
        for kept in (beginning_of(text, most), ending_of(text, most)):
            assert len(kept) <= most + 1
            assert KEY in kept or (KEY[:6] not in kept and KEY[-6:] not in kept) or most < 6


def test_what_fits_stays_as_it_is():
    assert beginning_of("a b", 3) == ending_of("a b", 3) == "a b"
    assert beginning_of("one two three", 9) == "one two…"
    assert ending_of("one two three", 9) == "three"


def test_what_was_cut_before_has_no_whole_word_at_its_beginning():
    assert ending_of("ne two three", 100, whole=False) == "two three"


def test_a_text_that_is_one_word_is_cut_all_the_same():
    assert beginning_of("x" * 20, 5) == "xxxxx…"
    assert ending_of("x" * 20, 5) == "xxxxx"
