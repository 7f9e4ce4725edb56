"""A tool's result as text for the model: bounded, the gap stated, always something that can be sent."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.engine.output import as_text, brief, cut, shortened

ANY_TEXT = st.text(st.characters(), max_size=50)  # half surrogate pairs too
GAP = re.compile(r"\n\[… ([\d,]+) of ([\d,]+) characters left out …\]\n")


@given(st.text(max_size=300), st.integers(min_value=100, max_value=400))
def test_a_text_that_fits_stays_as_it_is(text, max_chars):
    if len(text) <= max_chars:
        assert cut(text, max_chars) == text


@given(st.integers(min_value=0, max_value=3000), st.integers(min_value=100, max_value=1000))
def test_a_long_text_keeps_head_and_tail_and_states_the_gap(length, max_chars):
    text = "".join(chr(ord("a") + index % 26) for index in range(length))
    shown = cut(text, max_chars)
    assert len(shown) <= max_chars
    if length <= max_chars:
        return
    head, left_out, whole, tail = GAP.split(shown)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert int(whole.replace(",", "")) == length
    assert len(head) + int(left_out.replace(",", "")) + len(tail) == length
    assert len(head) > len(tail) > 0


def test_a_megabyte_is_cut_to_the_character():
    shown = cut("x" * 1_000_000, 16_000)
    assert 15_990 <= len(shown) <= 16_000
    assert "of 1,000,000 characters left out" in shown


@given(ANY_TEXT)
@example("a\ud83d\udc00b\udfff")
def test_text_can_always_be_sent(text):
    sent = as_text(text)
    sent.encode()
    assert len(sent) == len(text)
    assert all(there in (here, "?") for here, there in zip(text, sent, strict=True))


@given(st.dictionaries(st.text(max_size=5), ANY_TEXT | st.integers() | st.none(), max_size=4))
def test_data_can_always_be_sent(value):
    as_text(value).encode()


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers() | st.text(max_size=5), max_size=3), max_size=4))
def test_data_is_compact_json_that_reads_back(value):
    assert json.loads(as_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (0, "0"),
        ([], "[]"),
        ({"ä": [1, {"b": "ü"}]}, '{"ä":[1,{"b":"ü"}]}'),
    ],
)
def test_text_is_sent_as_it_is_and_data_as_json(value, text):
    assert as_text(value) == text


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
PEOPLE = [
    "e\u0301",
    "n\u0303\u0323",
    "\r\n",
    FAMILY,
    "\U0001f44d\U0001f3fd",
    "\u2764\ufe0f",
    "\U0001f1e9\U0001f1ea",
    "\u0915\u093f",
]


@given(st.lists(st.sampled_from(PEOPLE), min_size=100, max_size=200), st.integers(min_value=100, max_value=150))
def test_a_cut_falls_between_characters_as_people_see_them(characters, max_chars):
    text = "".join(characters)
    shown = cut(text, max_chars)
    assert len(shown) <= max_chars
    head, _, _, tail = GAP.split(shown)
    ends, at = {0}, 0
    for character in characters:
        at += len(character)
        ends.add(at)
    assert len(head) in ends
    assert len(text) - len(tail) in ends


def test_a_text_of_nothing_but_accents_is_cut_all_the_same():
    assert 100 <= len(cut("\u0301" * 5000, 200)) <= 200


def test_a_failure_that_fits_stays_as_it_is():
    failure = {"error": {"type": "exit_code", "stdout": "x" * 4000, "violations": [{"path": "a"}]}}
    assert shortened(failure, 16_000) == failure


@given(st.integers(min_value=500, max_value=20_000), st.integers(min_value=0, max_value=200_000))
def test_a_long_failure_stays_json_with_each_member_cut_by_itself(max_chars, length):
    output = "".join(f"line {number}\n" for number in range(length // 10))
    told = {"type": "exit_code", "message": "m", "exit_code": 1, "stdout": output, "stderr": "short", "body": [output]}
    short = shortened({"error": told}, max_chars)["error"]
    assert len(as_text({"error": short})) <= max(max_chars, 600)
    assert {name: short[name] for name in ("type", "message", "exit_code", "stderr")} == {
        name: told[name] for name in ("type", "message", "exit_code", "stderr")
    }
    if short["stdout"] != output:
        head, _, whole, tail = GAP.split(short["stdout"])
        assert output.startswith(head)
        assert output.endswith(tail)
        assert int(whole.replace(",", "")) == len(output)
        assert len(tail) > len(head)


def test_what_a_service_said_is_told_in_brief():
    assert brief("x" * 1_000) == "x" * 1_000
    assert brief("x" * 998 + "e\u0301" * 5) == "x" * 998 + "…"
