"""Compressed bodies, undone piece by piece and never beyond what was asked for."""

import gzip

import pytest

from agentrun.tools.inflate import CorruptBody, Inflater


def test_an_inflater_gives_the_same_at_every_split():
    data = b"some text " * 100
    packed = gzip.compress(data) + gzip.compress(b"more")
    for size in (1, 2, 3, 7, 50, len(packed)):
        inflater = Inflater.of("gzip")
        out = b"".join(inflater.feed(packed[at : at + size], 10_000) for at in range(0, len(packed), size))
        inflater.finish()
        assert out == data + b"more"


def test_an_inflater_never_makes_more_than_asked_for():
    assert len(Inflater.of("gzip").feed(gzip.compress(bytes(10_000_000)), 10)) == 10


def test_a_member_that_ends_too_early_is_noticed():
    inflater = Inflater.of("gzip")
    inflater.feed(gzip.compress(b"whole") + gzip.compress(b"cut")[:-3], 1000)
    with pytest.raises(CorruptBody):
        inflater.finish()
