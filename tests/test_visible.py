"""The sink between untrusted text and a terminal: nothing steers it, hides in it or reorders it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.visible import one_line, visible


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_ordinary_text_of_any_script_stays_as_it_is(text):
    ordinary = "".join(
        c
        for c in text
        if c not in "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
        and not "\ufe00" <= c <= "\ufe0e"
    )
    ordinary = "".join(c for c in ordinary if not 0xE0000 <= ord(c) <= 0xE0FFF)
    assert visible(ordinary) == ordinary


@pytest.mark.parametrize("category", ["Cc", "Zl", "Zp", "Cs"])
def test_no_control_character_passes(category):
    passed = [
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) == category and visible(chr(code)) == chr(code)
    ]
    assert passed == ([0x09, 0x0A] if category == "Cc" else [])


@pytest.mark.parametrize(
    "code",
    [
        0x1B,
        0x9B,
        0xAD,
        0x34F,
        0x61C,
        0x115F,
        0x17B4,
        0x180B,
        0x200B,
        0x200D,
        0x2028,
        0x202E,
        0x2066,
        0x2800,
        0x3164,
        0xFEFF,
        0xFFA0,
        0xFFF9,
        0x1D173,
        0xE0001,
        0xE0041,
        0xE0100,
    ],
)
def test_what_hides_or_reorders_text_is_shown(code):
    shown = visible(f"a{chr(code)}b")
    assert chr(code) not in shown
    assert shown in (f"a⟨U+{code:04X}⟩b", f"a{chr(0x2400 + code) if code < 0x20 else ''}b")


def test_lines_and_emoji_stay():
    assert visible("a\tb\r\nc\n\u2764\ufe0f") == "a\tb\nc\n\u2764\ufe0f"
    assert one_line("a\n  b\tc", 4) == "a b…"
