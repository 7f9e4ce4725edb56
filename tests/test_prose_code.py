"""Code that is coloured line by line, as a lexer colours it that sees the whole text."""

import textwrap

import pytest

from agentrun.observers.prose.code import Code, lexer_of
from agentrun.observers.prose.markdown import Markdown
from agentrun.observers.prose.styles import DIM

STRING, KEYWORD, NUMBER = "32", "35", "36"


def lines_of(language, text):
    code = Code(language)
    return [code.line(line) for line in textwrap.dedent(text).strip("\n").split("\n")]


def style_at(runs, word):
    return next(style for text, style in runs if word in text)


COMMENTS = {
    "js": "/* it's\n one */ let a",
    "typescript": "/** it's\n one */ let a",
    "java": "/* it's\n one */ class A",
    "c": "/* it's\n one */ return",
    "cpp": "/* it's\n one */ return",
    "csharp": "/* it's\n one */ class A",
    "go": "/* it's\n one */ func f()",
    "rust": "/* it's\n one */ let a",
    "kotlin": "/* it's\n one */ fun f()",
    "swift": "/* it's\n one */ func f()",
    "css": "/* it's\n one */ a {}",
    "sql": "/* it's\n one */ SELECT x",
    "php": "<?php\n/* it's\n one */ return 1;",
    "html": "<!-- it's\n one --><b>x</b>",
    "lua": "--[[ it's\n one ]] local a",
    "haskell": "{- it's\n one -} f = 1",
    "ruby": "=begin\nit's one\n=end\ndef f",
    "perl": "=pod\nit's one\n=cut\nmy $a",
    "powershell": "<# it's\n one #> $a",
}


@pytest.mark.parametrize("language", COMMENTS)
def test_a_comment_over_lines_is_one_and_ends_where_it_ends(language):
    lines = lines_of(language, COMMENTS[language])
    begun = next(number for number, runs in enumerate(lines) if any("it" in text for text, _ in runs))
    ends = next(number for number, runs in enumerate(lines) if any("one" in text for text, _ in runs))
    assert style_at(lines[begun], "it's") == DIM
    assert style_at(lines[ends], "one") == DIM
    assert lines[-1][-1][1] != DIM


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", 'def f():\n    """It\'s\n    a text # no comment\n    """\n    return 1'),
        ("js", "let a = `it's\n a text\n`; return 1"),
        ("go", "var a = `it's\n a text\n`; return 1"),
        ("bash", "cat <<'EOF' > x\nit's\n a text\nEOF\nreturn 1"),
        ("bash", "echo 'one\n a text\n'; return 1"),
        ("sql", "SELECT 'one\n a text\n'; CREATE x"),
        ("yaml", "a: |\n  it's\n  a text\nb: true"),
        ("toml", 'a = """\n a text\n"""\nb = true'),
    ],
)
def test_a_text_over_lines_is_one_and_ends_where_it_ends(language, text):
    lines = lines_of(language, text)
    inside = next(runs for runs in lines if any("a text" in part for part, _ in runs))
    assert [style for part, style in inside if part.strip()] in ([STRING], [""])  # yaml's texts have no colour
    assert lines[-1][-1][1] != STRING


def test_a_script_in_a_page_has_the_colours_of_its_language():
    lines = lines_of("html", "<script>\nlet a = 'b';\n</script>\n<b>let</b>")
    assert style_at(lines[1], "let") == KEYWORD
    assert style_at(lines[3], "let") == ""


def test_an_apostrophe_in_a_comment_or_a_page_colours_nothing_after_it():
    assert style_at(lines_of("tsx", "const a = <b>it's</b>;\nconst b = 1")[1], "const") == KEYWORD
    assert style_at(lines_of("rust", "fn f<'a>(x: &'a str) {}\nlet b = 1;")[1], "let") == KEYWORD


def test_a_language_that_nobody_knows_is_shown_as_it_is():
    assert lexer_of("no-such-language") is None
    assert lines_of("no-such-language", "a 'b'") == [[("a 'b'", "")]]
    assert lines_of("", "a 'b'") == [[("a 'b'", "")]]
    assert style_at(lines_of("{.python}", "return")[0], "return") == ""
    assert style_at(lines_of("python title=x", "return")[0], "return") == KEYWORD


def test_each_character_of_code_is_read_once_however_long_the_code_is():
    """Counted at the lexer's patterns, which are given each line alone."""
    code = Code("python")
    given = []
    states = code._lexer._tokens

    class Counting(dict):
        def __getitem__(self, state):
            return [
                (lambda text, at, m=match: given.append(len(text)) or m(text, at), action, new)
                for match, action, new in states[state]
            ]

    code._lexer._tokens = Counting(states)
    line = "total = first + 1  # it is"
    for _ in range(50):
        code.line(line)
    few = len(given)
    for _ in range(50):
        code.line(line)
    assert len(given) == 2 * few
    assert max(given) == len(line) + 1


def test_code_that_streams_is_coloured_as_code_that_is_there():
    text = "```python\ndef f():\n    '''Doc\n    more'''\n    return 1\n```\n"
    whole, pieces = [], []
    for out, parts in ((whole, [text]), (pieces, list(text))):
        answer = Markdown(out.append, lambda: 80, styled=True)
        for part in parts:
            answer.feed(part)
        answer.end()
    assert "".join(pieces) == "".join(whole)
    assert "\x1b[35mreturn\x1b[0m" in "".join(whole)


def test_a_line_too_long_to_be_held_is_shown_as_it_comes():
    out = []
    answer = Markdown(out.append, lambda: 80, styled=True)
    answer.feed("```js\n")
    answer.feed("a" * 1001)
    assert "".join(out).endswith("a" * 1001)
    answer.feed("b\nreturn\n```\n")
    answer.end()
    assert "a" * 1001 + "b\n\x1b[35mreturn\x1b[0m\n" in "".join(out)
