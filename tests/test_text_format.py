"""What a person sees of findings in a terminal: the line, carets right under the place, and what can be done."""

from unicodedata import normalize

import click
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.cli.formats.text import as_text, findings_text
from agentrun.diagnostics import Diagnostic, Edit, Fix, Report, Span
from agentrun.markup.snippet import MIN_WIDTH, cells, snippet
from agentrun.spec.nodes import LINE_BREAK
from agentrun.visible import visible

SAFE = Fix("write `tools`", (Edit(Span("a.yaml", 1, 1, 1, 5), "tools"),))
UNSAFE = Fix("leave it out", SAFE.edits, safe=False)


def a_finding(severity="error", place=(1, 1, 1, 5), fix=None, code="AR301"):
    return Diagnostic(code, severity, "a mistake", Span("a.yaml", *place), fix=fix)


def marked_line(source, span, width):
    return snippet(LINE_BREAK.split(source), span, width)


def said(*found, source="tool: x\n", width=80):
    return click.unstyle(as_text(Report(found, {"a.yaml": source}), 1, width))


def test_a_finding_stands_with_its_line_and_a_caret():
    assert said(a_finding()) == (
        "a.yaml:1:1: error AR301 a mistake\n  1 | tool: x\n    | ^^^^\n\n1 error\nagentrun explain AR301 says more"
    )


def test_of_several_codes_none_is_named_and_infos_are_counted():
    assert said(a_finding("info"), a_finding("info"), a_finding(code="AR401")).splitlines()[-2:] == [
        "1 error, 2 infos",
        "agentrun explain CODE says more",
    ]


@pytest.mark.parametrize(
    ("fixes", "told"),
    [
        ([None], "1 error"),
        ([SAFE, None], "2 errors · 1 can be fixed with --fix"),
        ([SAFE, SAFE, UNSAFE], "3 errors · 2 can be fixed with --fix, 1 more with --unsafe-fixes"),
        ([UNSAFE, None], "2 errors · 1 can be fixed with --unsafe-fixes"),
    ],
)
def test_the_summary_says_how_many_can_be_fixed(fixes, told):
    assert said(*[a_finding(fix=fix) for fix in fixes]).splitlines()[-2] == told


def test_a_run_that_refuses_a_file_names_no_options_of_validate():
    report = Report((a_finding(fix=SAFE),), {})
    assert click.unstyle(findings_text(report, 80)) == "a.yaml:1:1: error AR301 a mistake\n\n1 error"


def test_without_findings_there_is_one_line():
    assert as_text(Report((), {}), 2) == "2 files checked, no findings"


def test_a_place_of_several_lines_is_marked_to_the_end_of_its_first():
    assert marked_line("a:\n  - b: 1  \n    c: 2\n", Span("a.yaml", 2, 5, 3, 9), 80) == [
        "  2 |   - b: 1  ",
        "    |     ^^^^",
    ]


def test_a_place_after_the_end_of_a_line_has_a_caret_there():
    assert marked_line("abc", Span("a.yaml", 1, 4, 1, 5), 80) == ["  1 | abc", "    |    ^"]
    assert marked_line("abc", Span("a.yaml", 1, 9, 1, 9), 80) == ["  1 | abc", "    |    ^"]


@pytest.mark.parametrize("line", [2, 3, 9])
def test_a_blank_line_or_none_is_not_shown(line):
    assert marked_line("abc\n   \n", Span("a.yaml", line, 1, line, 2), 80) == []


def test_a_long_line_is_cut_around_the_place():
    source = "description: " + "word " * 60 + "HERE " + "tail " * 60
    column = source.index("HERE") + 1
    shown, carets = marked_line(source, Span("a.yaml", 1, column, 1, column + 4), 60)
    assert len(shown) <= 60
    assert shown.startswith("  1 | …")
    assert shown.endswith("…")
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_long_line_whose_beginning_is_meant_keeps_it():
    shown, carets = marked_line("description: " + "x" * 300, Span("a.yaml", 1, 1, 1, 12), 60)
    assert shown.startswith("  1 | description: x")
    assert shown.endswith("x…")
    assert len(shown) == 60
    assert carets == "    | ^^^^^^^^^^^"


PIECES = st.sampled_from(["a", "b", " ", ":", "é", "漢", "字", "한", "😀", "\t", "\x1b", "\u202e", "\ufeff", "e\u0301"])


@given(
    before=st.lists(PIECES, max_size=120), marked=st.lists(PIECES, max_size=30), after=st.lists(PIECES, max_size=120)
)
def test_carets_stand_right_under_the_place_in_a_terminal_of_any_width(before, marked, after):
    line = "".join([*before, "M", *marked, "N", *after])
    column = len("".join(before)) + 1
    inside = len("".join(marked)) + 2
    for width in (40, 60, 100):
        first, second = marked_line(line, Span("a.yaml", 1, column, 1, column + inside), width)
        screen = pyte.Screen(width, 4)
        # Behind the last cell an accent makes this terminal wrap, unlike others: it is made one with its letter.
        pyte.Stream(screen).feed(normalize("NFC", f"{first}\r\n{second}\r\n"))
        assert screen.display[2].strip() == "", "no line was wrapped"
        begin, end = screen.display[1].index("^"), screen.display[1].rindex("^")
        assert screen.buffer[0][begin].data == "M"
        if "…" not in first:
            assert screen.buffer[0][end].data == "N"


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x1FAFF), max_size=20), st.integers(1, 25))
def test_no_line_is_wider_than_it_may_be(line, column):
    for text in marked_line(line, Span("a.yaml", 1, column, 1, column + 1), 1):
        assert cells(text) <= MIN_WIDTH or column > len(line)


def test_a_huge_line_is_shown_in_no_time():
    source = "x: " + "漢" * 500_000
    shown, carets = marked_line(source, Span("a.yaml", 1, 400_000, 1, 500_000), 80)
    assert cells(shown) <= 80
    assert cells(carets) <= 80


def test_a_message_and_a_name_with_ends_of_lines_stay_on_their_line():
    found = Diagnostic("AR301", "error", "unknown key `a\n::error::b`", Span("x\r\ny.yaml", 9, 1, 9, 2), help="c\nd")
    text = click.unstyle(findings_text(Report((found,), {}), 80))
    assert text == "x y.yaml:9:1: error AR301 unknown key `a ::error::b`\n  help: c d\n\n1 error"


def test_what_would_steer_a_terminal_is_made_visible():
    shown, carets = marked_line("a: \x1b[2J\u202eb", Span("a.yaml", 1, 9, 1, 10), 80)
    assert shown == "  1 | a: ␛[2J⟨U+202E⟩b"
    assert shown.index("b") == carets.index("^")
    assert visible(shown) == shown
