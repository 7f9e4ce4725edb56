"""Texts that look alike: what keeps them apart is told."""

import pytest

from expected import messages, run


@pytest.mark.parametrize(
    ("written", "answer", "told"),
    [
        ("5 EUR", "5 EUR\n", "only white space around it differs"),
        ("one two", "one\ntwo", "only white space differs"),
        ("one two", "one\u00a0two", "only white space differs"),
        ("Done", "done", "only large and small letters differ"),
        ("caf\u00e9", "cafe\u0301", "only the form of accented letters differs"),
        ("it's - so", "it\u2019s \u2013 so", "only signs differ that look alike"),
        ("done", "do\u200bne", "only signs differ that look alike"),
    ],
)
def test_what_differs_between_two_texts_is_told(written, answer, told):
    for key in ("", "equals: "):
        (message,) = messages(
            f"answer: {{{key}{quoted(written)}}}" if key else f"answer: {quoted(written)}", run(answer)
        )
        assert told in message


def test_texts_that_differ_in_more_have_no_hint():
    assert messages("answer: yes", run("no")) == ['the answer is "no", not "yes"']


@pytest.mark.parametrize(
    ("written", "answer", "hint"),
    [
        ("DONE", "It is done.", "`icontains`"),
        ("is done", "It is\ndone.", "with other white space it does"),
        ("caf\u00e9", "a cafe\u0301 there", "with accented letters in Unicode's other form (NFC, NFD) it does"),
        ("it's", "and it\u2019s so", "with other quotes, dashes or spaces it does"),
    ],
)
def test_what_would_let_a_text_be_found_is_told(written, answer, hint):
    (message,) = messages(f"answer: {{contains: {quoted(written)}}}", run(answer))
    assert f'does not contain "{written}" (' in message
    assert hint in message


def test_long_texts_are_not_searched_for_hints():
    (message,) = messages("answer: {contains: DONE}", run("done " * 100_000))
    assert "icontains" not in message


def quoted(text):
    return '"' + text.encode("unicode_escape").decode().replace("\\x", "\\x") + '"'
