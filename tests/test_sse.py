"""Events come out of bytes the same way however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.errors import ModelError
from agentrun.models.sse import EventReader, ServerEvent


def read(*pieces, **limits):
    reader = EventReader(**limits)
    return [event for piece in pieces for event in reader.feed(piece)]


def data(*pieces, **limits):
    return [event.data for event in read(*pieces, **limits)]


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="LF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data: a\r\n\ndata: b\r\r\n", [b"a", b"b"], id="mixed line ends"),
        pytest.param(b"data:a\n\n", [b"a"], id="no space after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one space is dropped"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="several data lines"),
        pytest.param(b": hello\n\ndata: a\n: hello\n\n", [b"a"], id="comments"),
        pytest.param(b"id: 7\nretry: 10\nx: y\nz\ndata: a\n\n", [b"a"], id="unknown fields"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="a byte order mark"),
        pytest.param(b"data:\n\ndata: \n\ndata\n\n", [], id="empty data"),
        pytest.param(b"\n\n\n\ndata: a\n\n\n\n", [b"a"], id="blank lines"),
        pytest.param(b"data: a\n\ndata: b\n", [b"a"], id="a last event without its blank line"),
        pytest.param(b"data: a:b: c\n\n", [b"a:b: c"], id="colons in data"),
        pytest.param("data: \u2028 \x0b \x85\n\n".encode(), ["\u2028 \x0b \x85".encode()], id="no other line ends"),
    ],
)
def test_events_are_read_in_every_form(stream, payloads):
    assert data(stream) == payloads
    assert data(*(stream[i : i + 1] for i in range(len(stream)))) == payloads


def test_an_event_has_its_name_and_the_next_one_does_not():
    assert read(b"event: error\ndata: a\n\ndata: b\n\n") == [ServerEvent(b"error", b"a"), ServerEvent(b"", b"b")]


def test_an_event_comes_out_with_its_blank_line_not_later():
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r") == [ServerEvent(b"", b"a")]
    assert reader.feed(b"\ndata: b\r\n\r\n") == [ServerEvent(b"", b"b")]


@given(st.lists(st.sampled_from([b"data: x\xc3\xa9", b"data:", b":c", b"event: e", b"\n", b"\r", b"\r\n"])), st.data())
def test_any_cut_gives_the_same_events(lines, draw):
    stream = b"".join(lines)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(stream)


@pytest.mark.parametrize(
    ("pieces", "what"),
    [
        pytest.param([b"data: " + b"x" * 100 + b"\n\n"], "a line", id="a long line"),
        pytest.param([b"x" * 30] * 4, "a line", id="a line without an end"),
        pytest.param([b": c\n"] * 100, "the reply", id="many small lines"),
    ],
)
def test_lines_and_replies_are_bounded(pieces, what):
    with pytest.raises(ModelError, match=what) as failure:
        read(*pieces, max_line_bytes=64, max_reply_bytes=256)
    assert failure.value.code == "reply_too_large"
    assert not failure.value.retryable


def test_a_megabyte_in_tiny_pieces_takes_linear_time():
    payload = b"x" * 1_000_000
    stream = b"data: " + payload + b"\n\n"
    assert data(*(stream[i : i + 7] for i in range(0, len(stream), 7))) == [payload]
