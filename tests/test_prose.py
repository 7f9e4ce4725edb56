"""Markdown as it streams to a terminal: what is shown of each part, and that no piece changes what is written."""

import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.observers.prose.cells import cells, cut
from agentrun.observers.prose.markdown import Markdown

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def written(pieces, *, columns=80, styled=False):
    """All that is written, in the order of the writing."""
    out = []
    answer = Markdown(out.append, lambda: columns, styled=styled)
    for piece in pieces:
        answer.feed(piece)
    answer.end()
    return out


def shown(text, *, columns=80, styled=False):
    """The lines that a person sees, without styles."""
    whole = "".join(written([textwrap.dedent(text)], columns=columns, styled=styled))
    return STYLE.sub("", whole).removesuffix("\n").split("\n")


def styles_of(text):
    """Each part that has a style, with the numbers of the style."""
    whole = "".join(written([text], styled=True))
    return re.findall(r"\x1b\[([0-9;]+)m([^\x1b]*)\x1b\[0m", whole)


# -- pieces

PARTS = [
    *[
        "**",
        "*",
        "_",
        "__",
        "***",
        "~~",
        "`",
        "``",
        "```",
        "[",
        "]",
        "(",
        ")",
        "](",
        "![",
        "https://",
        "h",
        "http://a/b_c_",
    ],
    *[
        " ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "# ",
        "## ",
        "- ",
        "* ",
        "1. ",
        "12) ",
        "> ",
        ">",
        "---",
        "***\n",
        "[ ] ",
        "[x] ",
    ],
    *[
        "| a | b |\n",
        "|---|---|\n",
        "|",
        "\\",
        "\\*",
        "\r",
        "\r\n",
        "\t",
        "=",
        "```python\n",
        "~~~\n",
        "def f():",
        '"""',
    ],
    *[
        "word",
        "longer-word",
        "中文",
        "。",
        "👍🏽",
        "❤️",
        "e\u0301",
        "\x1b[31m",
        "<b>",
        "x_y_z",
        "w" * 60,
        "v" * 310,
        "!",
        "2.",
    ],
    *[
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "• ",
        "→ ",
        "__init__",
        "a*b",
        "\u200d",
        "👩",
        "\u200c",
        "م",
        "  x",
        "<br>",
    ],
]
markdown = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
widths = st.sampled_from([2, 9, 20, 40, 80])


@settings(max_examples=150, deadline=None)
@given(markdown, widths, st.booleans(), st.integers(1, 9))
def test_what_is_written_does_not_depend_on_the_pieces(text, columns, styled, size):
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    whole = "".join(written([text], columns=columns, styled=styled))
    assert "".join(written(pieces, columns=columns, styled=styled)) == whole
    assert "".join(written(list(text), columns=columns, styled=styled)) == whole


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=30), widths, st.booleans())
def test_every_word_is_shown_once_and_in_order(parts, columns, styled):
    words = [f"Q{number}Z" for number in range(len(parts))]
    text = "".join(f"{part}{word}" for part, word in zip(parts, words, strict=True))
    seen = re.sub(r"[\s│]", "", STYLE.sub("", "".join(written([text], columns=columns, styled=styled))))
    found = re.findall(r"Q\d+Z", seen)
    assert found == words


@settings(max_examples=150, deadline=None)
@given(markdown, st.sampled_from([9, 20, 40, 80]), st.booleans())
def test_no_row_is_wider_than_the_window_but_code_and_addresses(text, columns, styled):
    for shown_as_it_is in ("```", "~~~", "://", "$$", "\\[", "\t", "    "):
        text = text.replace(shown_as_it_is, "")
    rows = STYLE.sub("", "".join(written([text], columns=columns, styled=styled))).split("\n")
    assert [row for row in rows if cells(row) > columns] == []


@settings(max_examples=150, deadline=None)
@given(markdown, widths)
def test_a_style_ends_where_its_text_ends_and_nothing_else_is_sent(text, columns):
    for piece in written(list(text), columns=columns, styled=True):
        assert re.sub(r"\x1b\[[0-9;]+m[^\x1b\n]*\x1b\[0m", "", piece).count("\x1b") == 0
        assert "\r" not in piece


def test_text_is_written_word_by_word_and_never_more_than_once_for_a_piece():
    pieces = ["Hel", "lo wor", "ld, it", " is **bo", "ld** no", "w\n"]
    assert written(pieces) == ["Hello", " world,", " it is", " **bold**", " now\n"]


@pytest.mark.parametrize("opening", ["**", "*", "_", "`", "[", "~~", "![", "[a](", "***"])
def test_a_mark_that_nothing_closes_holds_back_no_more_than_a_bound(opening):
    out = []
    answer = Markdown(out.append, lambda: 80, styled=True)
    fed = f"{opening}word"
    answer.feed(fed)
    while not out:
        answer.feed(" word")
        fed += " word"
        assert len(fed) < 1100
    answer.end()
    assert STYLE.sub("", "".join(out)).split() == fed.split()


# -- words


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("a **b** c", [("1", "b")]),
        ("a __b__ *c* _d_", [("1", "b"), ("3", "c"), ("3", "d")]),
        ("***a***", [("3;1", "a")]),
        ("**a *b* c**", [("1", "a"), ("1;3", "b"), ("1", "c")]),
        ("snake_case_name and 2 * 3 * 4 and a*", []),
        ("`a*b*c`", [("36", "a*b*c")]),
        ("`` a`b ``", [("36", "a`b")]),
        ("**a `b**` c**", [("1", "a"), ("1;36", "b**"), ("1", "c")]),
        (r"\*a\* \`b\`", []),
        ("https://a.b/__init__/x_y_z", []),
        ("これは**「強調」**です", [("1", "「強調」")]),
        ("# Title", [("1;4", "Title")]),
        ("### a *b*", [("1;3", "a"), ("1;3", "b")]),
        ("~~old~~", [("9", "~~old~~")]),
    ],
)
def test_marks_give_styles(text, styles):
    found = []
    for numbers, part in styles_of(text):
        if found and found[-1][0] == numbers and cells(part) > len(part):  # wide characters are written one by one
            found[-1] = (numbers, found[-1][1] + part)
        elif part.strip():
            found.append((numbers, part))
    if "強調" in text:
        found = [("1", "".join(part for _, part in found))]
    assert found == styles


@pytest.mark.parametrize(
    "text",
    [
        "a **b** *c* `d` ~~e~~ ***f***",
        "# Title",
        "###### deep",
        "[not a link] and [neither][this], [1]",
        "a <b>html</b> &amp; <!-- comment -->",
        "**open and `open",
        "2 * 3 * 4 = 24, snake_case",
        "a formula: \\( x^2 \\) and \\[ y \\]",
    ],
)
def test_without_styles_the_text_keeps_its_marks(text):
    assert shown(text) == [text]


def test_links_and_images_show_their_address():
    assert shown('see [the *policy*](https://a.b/c_d_e "Title") now') == [
        'see the *policy* (https://a.b/c_d_e "Title") now'
    ]
    assert shown("![a cat](cat.png) ![](dog.png)") == ["a cat (cat.png) image (dog.png)"]
    assert shown("[https://a.b](https://a.b) [x](<a b>) [w](https://a/b_(c))") == [
        "https://a.b x (a b) w (https://a/b_(c))"
    ]
    assert shown("[click](javascript:alert\x1b]8;;x)") == ["click (javascript:alert␛]8;;x)"]


def test_no_terminal_link_is_ever_sent():
    assert "\x1b]" not in "".join(written(["[a](https://b.c) <https://d.e> https://f.g"], styled=True))


def test_strong_text_may_end_at_a_colon_that_a_word_follows_at_once():
    assert styles_of("**Safety:**It is") == [("1", "Safety:")]


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 and x**2 + y**2 and a**n + b**n",
        "width*height*depth",
        "**kwargs and *args, f(*args, **kwargs)",
        "__init__ and __init__.py and a.__class__.__name__",
        "*.py and *.txt",
        "rows[0](x) and f[T](a)",
        r"\(a_1 * b_2 * c\) and $x_1*y$ and \[ a \\\\ b \] and $$f*g*h$$",
        "it costs $5 or $10 *and* no more"[:18],
    ],
)
def test_products_names_calls_and_formulas_keep_their_letters(text):
    assert styles_of(text) == []
    assert shown(text, styled=True) == [text]


def test_parts_of_words_can_be_strong():
    assert styles_of("**H**yper**T**ext **API key**s") == [("1", "H"), ("1", "T"), ("1", "API"), ("1", "key")]


def test_a_style_may_end_in_the_next_line():
    assert styles_of("a **b\nc** d") == [("1", "b"), ("1", "c")]
    assert shown("a **b\nc** d", styled=True) == ["a b", "c d"]
    for end in ("", "\n- c**", "\n\nc**", "\n# c**", "\n```\nc**\n```", "\n| c** | d |\n|---|---|\n"):
        assert "a **b" in shown("a **b" + end, styled=True)


# -- rows


def test_words_go_to_the_next_row_whole():
    assert shown("one two three four", columns=9) == ["one two", "three", "four"]
    assert shown("exact fit now", columns=9) == ["exact fit", "now"]


def test_the_lines_of_a_text_stay_lines():
    assert shown("one\ntwo  \nthree\n\n\n\nfour\n\n") == ["one", "two", "three", "", "four"]


def test_a_word_wider_than_the_window_fills_rows():
    assert shown("a " + "b" * 25, columns=10) == ["a bbbbbbbb", "bbbbbbbbbb", "bbbbbbb"]


def test_a_long_address_is_left_to_the_terminal_so_that_it_can_be_copied():
    address = "https://example.com/" + "long/" * 10
    assert shown(f"see {address} for more", columns=20) == ["see", f"{address} for more"]


def test_wide_characters_are_broken_anywhere_but_before_a_full_stop():
    assert shown("日本語の文章。続き", columns=9) == ["日本語の", "文章。続", "き"]
    assert shown("日本語の。続き", columns=8) == ["日本語", "の。続き"]


def test_emoji_and_combining_characters_stay_whole():
    assert shown("aa e\u0301e\u0301e\u0301 👍🏽👍🏽", columns=6) == ["aa e\u0301e\u0301e\u0301", "👍🏽👍🏽"]


def test_the_window_is_asked_anew_for_each_row():
    out, columns = [], [20]
    answer = Markdown(out.append, lambda: columns[0], styled=False)
    answer.feed("one two three ")
    columns[0] = 10
    answer.feed("four five six seven eight nine")
    answer.end()
    assert "".join(out) == "one two three four\nfive six\nseven\neight nine\n"


# -- blocks


def test_lists_hang_from_their_marks():
    text = """\
        1. a first item that is long
           - nested and long as well
             - deeper
        10. tenth
        - [ ] open, a long one too
        - [x] done
        """
    assert shown(text, columns=20) == [
        "1. a first item that",
        "   is long",
        "   - nested and long",
        "     as well",
        "     - deeper",
        "10. tenth",
        "[ ] open, a long one",
        "    too",
        "[x] done",
    ]


@pytest.mark.parametrize("bullet", "•●◦‣▪·")
def test_bullets_are_marks_of_lists(bullet):
    assert shown(f"{bullet} one thing and more\n  {bullet} two", columns=12) == ["- one thing", "  and more", "  - two"]


def test_badly_counted_spaces_end_no_list():
    assert shown("10. a\n   - b\n\n  more\n") == ["10. a", "    - b", "", "    more"]


def test_quotes_have_a_bar_before_each_row():
    text = "> a quote that is long\n> - item\n>\n> > deeper\n\nafter"
    assert shown(text, columns=16) == ["│ a quote that", "│ is long", "│ - item", "│", "│ │ deeper", "", "after"]


def test_a_rule_is_a_line_and_never_wider_than_the_window():
    assert shown("a\n\n---\n***\n_ _ _\n", columns=10) == ["a", "", *["─" * 10] * 3]


def test_code_is_shown_as_it_is():
    text = "```python\nif x:\n    return **y**  # [a](b)\n\n\n```\nafter **b**"
    assert shown(text) == text.split("\n")
    assert shown(text, styled=True) == [
        "─── python",
        "if x:",
        "    return **y**  # [a](b)",
        "",
        "",
        "───",
        "after b",
    ]


def test_code_in_a_list_and_code_that_is_not_closed():
    assert shown("- a:\n  ```sh\n  ls\n no indent\n  ```\n- b") == [
        "- a:",
        "  ```sh",
        "  ls",
        "  no indent",
        "  ```",
        "- b",
    ]
    assert shown("> ```\n> a\nb") == ["│ ```", "│ a", "│ ```", "b"]
    assert shown("````\n```\n````") == ["````", "```", "````"]


def test_code_that_is_indented_is_moved_as_its_fence_is():
    assert shown("1. a\n\n    ```py\n    if x:\n        y\n\n    ```\n") == [
        "1. a",
        "",
        "   ```py",
        "   if x:",
        "       y",
        "",
        "   ```",
    ]


def test_a_fence_in_a_quote_is_closed_there():
    assert shown("> ```\n> a\n> ```\n> b") == ["│ ```", "│ a", "│ ```", "│ b"]


def test_a_fence_that_is_indented_far_more_closes_nothing():
    assert shown("```\n    ```\n    x\n```") == ["```", "    ```", "    x", "```"]


def test_code_without_fences_keeps_its_spaces():
    assert shown("a:\n\n    def f():\n        return *x*\n\nb") == [
        "a:",
        "",
        "    def f():",
        "        return *x*",
        "",
        "b",
    ]


def test_the_spaces_that_lines_of_text_begin_with_stay():
    assert shown("{\n  a: [\n    1\n  ]\n}") == ["{", "  a: [", "    1", "  ]", "}"]
    assert shown("a\n  a long line of text", columns=12) == ["a", "  a long", "  line of", "  text"]


def test_a_formula_on_lines_of_its_own_is_shown_as_it_is():
    for opening, closing in (("$$", "$$"), ("\\[", "\\]")):
        text = f"a\n{opening}\nx_1 *y* \\\\\n- z_2\n{closing}\nb"
        assert shown(text, styled=True) == text.split("\n")
    assert shown("$$ is\n\n- *a*", styled=True) == ["$$ is", "", "- a"]


def test_each_line_of_code_is_written_when_it_ends():
    out = []
    answer = Markdown(out.append, lambda: 80, styled=False)
    for piece in ["``", "`\na", "b\nc", "d\n"]:
        answer.feed(piece)
    assert out == ["```\n", "ab\n", "cd\n"]
    answer.end()


TABLE = "| Name | Amount |\n|:---|---:|\n| **Widget** | 12.50 |\n| 日本 | 3 |\n"


def test_a_table_is_drawn_when_it_ends():
    out = []
    answer = Markdown(out.append, lambda: 80, styled=False)
    answer.feed(TABLE)
    assert out == []
    answer.feed("\nafter")
    answer.end()
    rows = "".join(out).split("\n")
    assert [row.split() for row in rows[:1] + rows[2:4]] == [["Name", "Amount"], ["**Widget**", "12.50"], ["日本", "3"]]
    assert [cells(row) for row in rows[2:4]] == [cells(rows[0])] * 2  # the amounts end in one column
    assert rows[4:] == ["", "after", ""]


def test_a_table_that_does_not_fit_is_a_list_of_its_rows():
    wide = "| aaaa bbbb | cccc dddd | eeee ffff |\n|---|---|---|\n| 1 | 2 | |\n| 4 | is a long text | 6 |\nafter"
    assert shown(wide, columns=20) == [
        "aaaa bbbb: 1",
        "  cccc dddd: 2",
        "aaaa bbbb: 4",
        "  cccc dddd: is a",
        "    long text",
        "  eeee ffff: 6",
        "after",
    ]


def test_a_table_that_is_a_little_too_wide_breaks_its_cells_at_words():
    text = "| Name | What it is |\n|---|---|\n| tea | a pot for two |\n| cup | 日本語の文章 |\n"
    assert shown(text, columns=16) == [
        "Name  What it is",
        "────────────────",
        "tea   a pot for",
        "      two",
        "",
        "cup   日本語の文",
        "      章",
    ]


def test_bars_in_cells_and_lines_in_cells():
    text = "| a | b |\n|---|---|\n| `x || y` | p \\| q |\n| `f \\| g` | one<br>two<br/>three |\n"
    assert shown(text, styled=True)[2:] == ["x || y  p | q", "", "f | g   one", "        two", "        three"]


def test_a_table_whose_header_has_too_few_cells_is_text_and_a_row_that_has_is_filled():
    assert shown("| a |\n|---|---|\n") == ["| a |", "|---|---|"]
    assert shown("| a | b | c |\n|---|---|---|\n| 1 |\n")[2:] == ["1"]


def test_a_table_in_a_list_hangs_too_and_a_cell_too_many_is_not_lost():
    rows = shown("- x\n\n  | a | b |\n  |---|---|\n  | 1 | 2 | 3 |\n- y")
    assert rows[2].startswith("  a")
    assert "2 | 3" in rows[4]
    assert rows[-1] == "- y"


def test_bars_without_a_line_below_are_text():
    assert shown("| a | b |\nnext") == ["| a | b |", "next"]
    assert shown("| a | b |") == ["| a | b |"]


def test_control_characters_are_shown_and_windows_line_ends_are_line_ends():
    assert "".join(written(["a\r", "\nb\x1b[2J\r", "c"])) == "a\nb␛[2J␍c\n"


def test_an_answer_of_nothing_writes_nothing():
    assert written([]) == []
    assert written(["\n\n", " ", "\n"]) == []


def test_the_work_grows_with_the_text_alone():
    """A line of many marks that open and never close is looked at from each of them only so far."""
    import agentrun.observers.prose.spans as spans

    looked_at = []
    scan = spans._scan

    def counting(within, *, until_closed):
        looked_at.append(within.stop - within.start)
        return scan(within, until_closed=until_closed)

    def work(times):
        looked_at.clear()
        written(list("*a _b **c " * times))
        return sum(looked_at)

    spans._scan = counting
    try:
        assert work(200) < 2.5 * work(100)
    finally:
        spans._scan = scan


def test_joiners_are_kept_where_they_join_and_shown_elsewhere():
    family, persian = "👨\u200d👩\u200d👧", "می\u200cخواهم"
    for pieces in ([f"{family} {persian}"], list(f"{family} {persian}")):
        assert "".join(written(pieces)) == f"{family} {persian}\n"
    assert shown("a\u200db pay\u200cpal \u200d\u200d 👩\u200d\u200d👩 👩\u200d") == [
        "a⟨U+200D⟩b pay⟨U+200C⟩pal ⟨U+200D⟩⟨U+200D⟩ 👩⟨U+200D⟩⟨U+200D⟩👩 👩⟨U+200D⟩"
    ]
    assert shown(f"aaaa {family}", columns=8) == ["aaaa", family]


# -- imitations

MARKS = {row[0] for row in ("• f()", "✗ f()", "→ billing", "┊ I think", "> yes", "❯ yes", "⠋ thinking 3 s")}
HIDING = [
    "{}",
    "`{}`",
    "**{}**",
    "\\{}",
    "{}".rjust(7),
    "- a\n\n  {}",
    "# {}",
    "[{}](x)",
    "aaaaaaaaaa bbbbb {}",
    "1. a\n`{}`",
]


@pytest.mark.parametrize("hidden", HIDING)
@pytest.mark.parametrize("mark", sorted(MARKS))
@pytest.mark.parametrize("styled", [True, False])
def test_no_row_of_an_answer_begins_as_a_call_a_thought_or_a_prompt_does(mark, hidden, styled):
    for row in shown(hidden.format(f"{mark} refund(order=7) (12 ms) → done"), columns=18, styled=styled):
        assert row.strip()[:1] not in MARKS


def test_no_row_of_an_answer_begins_as_the_question_does():
    assert shown("  allow? y\n**allow? y**", styled=True) == ["  │ allow? y", "│ allow? y"]


# -- cells


def test_a_text_is_cut_by_cells():
    assert (cut("abc", 3), cut("abcd", 3), cut("日本語", 5), cut("日本語", 6), cut("abc", 0)) == (
        "abc",
        "ab…",
        "日本…",
        "日本語",
        "",
    )
    assert cells("❤️") == 2
