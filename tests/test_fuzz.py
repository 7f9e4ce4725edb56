"""The fuzz target itself works: some seeds of it in every run of the tests. `fuzz_assembly.py` says how to run more."""

import random

import pytest

from fuzz_assembly import check, damaged


@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_a_damaged_stream_is_a_reply_or_a_failure_in_words(first):
    for seed in range(first, first + 500):
        chance = random.Random(seed)
        check(chance, damaged(chance))


def test_damage_leaves_some_streams_whole_and_breaks_others():
    bodies = [damaged(random.Random(seed)) for seed in range(200)]
    assert len(set(bodies)) > 150
    assert any(body.endswith(b"data: [DONE]\n\n") for body in bodies)
