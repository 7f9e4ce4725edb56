"""Which cases a command line is for."""

import pytest

from agentrun.diagnostics import Span
from agentrun.errors import UsageError
from agentrun.spec.nodes import Node
from agentrun.testing.plan import Case, Step
from agentrun.testing.selection import Wish, chosen, expression, of_name, only

_NODE = Node({}, Span("t.test.yaml", 1, 1, 1, 1))


def case(name, *, file="tests/support.test.yaml", **more):
    return Case(f"{file}::{name}", file, name, _NODE, "support", None, (Step(None),), **more)


REFUND = case("refunds a Paid order", tags=("smoke", "money"))
LOOKUP = case("looks an order up")
ÉTÉ = case("répond en français", file="tests/french.test.yaml", tags=("slow",))
CASES = [REFUND, LOOKUP, ÉTÉ]


def names(found):
    return [one.name for one in found]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("refund", [REFUND]),
        ("PAID", [REFUND]),
        ("order and not refund", [LOOKUP]),
        ("not order", [ÉTÉ]),
        ("not not order", [REFUND, LOOKUP]),
        ("refund or looks", [REFUND, LOOKUP]),
        ("looks or refund and money", [REFUND, LOOKUP]),
        ("(looks or refund) and money", [REFUND]),
        ("smoke", [REFUND]),
        ("french", [ÉTÉ]),
        ("FRANÇAIS", [ÉTÉ]),
        ("'paid order'", [REFUND]),
        ('"looks an"', [LOOKUP]),
        ("not(refund or slow)", [LOOKUP]),
    ],
)
def test_words_are_looked_for_in_name_file_and_tags(words, found):
    assert names(chosen(CASES, Wish(words))) == names(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("refund and", "a word is missing at its end"),
        ("and refund", "a word is missing before `and`"),
        ("(refund", "a bracket is not closed"),
        ("refund)", "a bracket is closed that was not opened"),
        ("refund looks", "`and` or `or` is missing before `looks`; words that belong together stand in quotes"),
        ("refund (looks)", "`and` or `or` is missing before `(`"),
        ("refund OR looks", "`or` is written in small letters"),
        ("", "there is no word in it"),
        ("  ", "there is no word in it"),
        ("()", "a word is missing before `)`"),
        ("'refund", "a quote is not closed"),
        ("''", "a word is empty"),
        ("(" * 5000, "it is nested too deeply"),
    ],
)
def test_what_is_no_expression_is_bad_usage(words, said):
    with pytest.raises(UsageError, match="can't be read") as told:
        expression(words)
    assert said in told.value.message


def test_words_that_fit_nothing_are_told_with_what_is_near():
    with pytest.raises(UsageError, match="`-k refnd` fits none of 3 cases") as told:
        chosen(CASES, Wish("refnd"))
    assert told.value.help == "did you mean `refunds`?"
    with pytest.raises(UsageError) as told:
        chosen(CASES, Wish("order and slow"))
    assert told.value.help == "cases here: `refunds a Paid order`, `looks an order up`, `répond en français`"


def test_one_of_several_tags_is_enough():
    assert names(chosen(CASES, Wish(tags=("slow", "money")))) == names([REFUND, ÉTÉ])
    with pytest.raises(UsageError, match="no case has the tag smok") as told:
        chosen(CASES, Wish(tags=("smok",)))
    assert told.value.help == "did you mean `smoke`?"


def test_no_cases_at_all_are_told_as_such():
    with pytest.raises(UsageError, match="there are no test cases"):
        chosen([], Wish())


def test_ids_may_leave_none():
    assert chosen(CASES, Wish(ids=frozenset({LOOKUP.id}))) == [LOOKUP]
    assert chosen(CASES, Wish("refund", ids=frozenset({LOOKUP.id}))) == []


def test_while_a_case_has_only_the_others_are_left_out():
    focused = case("now", only=True)
    assert only([*CASES, focused]) == ([focused], 3)
    assert only(CASES) == (CASES, 0)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("two\nlines", "two lines"),
        ("two\nlines", "two\nlines"),
        ("GET /a//b/", "GET /a/b"),
        ("./x", "./x"),
        ("é ü", "é ü"),
    ],
)
def test_a_case_is_found_as_a_command_line_has_its_name(name, typed):
    made = [case("other"), case(name)]
    assert of_name(made, "t", typed) == [made[1]]


def test_names_that_are_told_stand_on_one_line():
    with pytest.raises(UsageError) as told:
        of_name([case("two\nlines"), case("long " * 50)], "t", "nothing like it")
    assert told.value.help == f"its cases: `two lines`, `{('long ' * 12)[:59]}…`"


def test_a_case_is_found_by_its_name_or_by_that_of_which_each_made_it():
    made = [case("sells [city=Oslo]"), case("sells [city=Rome]"), case("sells nothing")]
    assert of_name(made, "t", "sells [city=Rome]") == [made[1]]
    assert of_name(made, "t", "sells") == made[:2]
    with pytest.raises(UsageError, match="there is no case `sels nothing` in `t`") as told:
        of_name(made, "t", "sels nothing")
    assert told.value.help == "did you mean `sells nothing`?"
