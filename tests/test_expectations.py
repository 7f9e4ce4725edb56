"""What holds of answers, numbers and the rest of a run: each key of `expect`, and where its failure stands."""

import threading
import time

import pytest

from agentrun.engine.messages import Usage
from agentrun.testing.expect.patterns import PatternError, is_found
from agentrun.testing.expect.similarity import similarity
from expected import call, failures, messages, one, places, run

JSON = '{"total": 7, "items": [{"name": "pen", "price": 2.0}, {"name": "ink", "price": 5}], "note": null}'


@pytest.mark.parametrize(
    "expect",
    [
        "answer: It is done.",
        "answer: {equals: It is done.}",
        "answer: {one_of: [It is over., It is done.]}",
        "answer: {contains: done}",
        "answer: {contains: [It, done]}",
        "answer: {contains_any: [over, done]}",
        "answer: {icontains: DONE}",
        "answer: {icontains: [it, DONE]}",
        "answer: {starts_with: It is}",
        "answer: {ends_with: done.}",
        r"answer: {matches: '^It\s+is'}",
        "answer: {similar_to: {text: It was done., ratio: 0.8}}",
        "answer: {length: 11}",
        "answer: {length: {at_least: 11, at_most: 11}}",
        "answer: {not: {contains: sorry, matches: 'error|fail', equals: 3}}",
        "answer: {}",
        "reason: answered",
        "agent: main",
        "turns: 1",
        "turns: {at_least: 1, at_most: 2}",
        "tokens: 15",
        "tokens: {at_most: 15}",
        "system_prompt: {starts_with: You add}",
        "approvals: []",
        "no_secrets: true",
    ],
)
def test_what_is_so_is_no_failure(expect):
    assert failures(expect, run("It is done.")) == []


@pytest.mark.parametrize(
    "expect",
    [
        "answer: {equals: {note: null, total: 7.0, items: [{price: 2, name: pen}, {name: ink, price: 5}]}}",
        "answer: {includes: {total: 7, items: [{name: pen}, {price: 5}]}}",
        "answer: {schema: {type: object, required: [total], properties: {total: {type: integer}}}}",
        "answer: {where: {total: 7, 'items[0].name': pen, 'length(items)': {at_least: 2, at_most: 2}}}",
        "answer: {where: {items: {length: 2}, 'items[].name': {contains: [pen, ink], icontains: PEN}}}",
        "answer: {where: {'items[1].name': {starts_with: i, not: {equals: pen}}}}",
        "answer: {where: {'sum(items[].price)': {one_of: [7, 8]}}}",
        "answer: {where: {absent: {not: {equals: x}}, 'absent == null': true}}",
        "answer: {where: {'@': {length: 3, where: {total: 7}}}}",
        'answer: {contains: "\\"total\\": 7"}',
    ],
)
def test_an_answer_that_is_json_is_looked_at_as_data(expect):
    assert failures(expect, run(JSON)) == []


def test_the_output_of_a_run_is_the_data_of_its_answer():
    ended = run("Here it is.", output={"total": 7})
    assert failures("answer: {where: {total: 7}, contains: Here, equals: {total: 7}}", ended) == []


def test_a_number_can_be_the_whole_answer():
    assert failures("answer: {equals: 42, at_least: 40, at_most: 42.0}", run("42")) == []
    assert failures("answer: '42'", run("42")) == []
    assert messages("answer: {equals: 42}", run("42 apples")) == [
        'the answer is "42 apples", which is no JSON: Extra data'
    ]
    assert messages("answer: {at_most: 3}", run("few")) == ['the answer is "few", text, and `at_most` is for numbers']


@pytest.mark.parametrize(
    ("expect", "text", "place", "message"),
    [
        ("answer: yes", "no", "answer", 'the answer is "no", not "yes"'),
        ("answer: {equals: yes}", "no", "equals", 'the answer is "no", not "yes"'),
        ("answer: {one_of: [a, 1]}", "b", "one_of", 'the answer is "b", none of "a", 1'),
        ("answer: {contains: x}", "y", "contains", 'the answer does not contain "x": "y"'),
        ("answer: {contains: [y, x]}", "y", "x", 'the answer does not contain "x": "y"'),
        ("answer: {contains_any: [a, b]}", "y", "contains_any", 'the answer contains none of "a", "b": "y"'),
        ("answer: {icontains: [Y, x]}", "y", "x", 'the answer does not contain "x": "y"'),
        ("answer: {starts_with: x}", "y", "starts_with", 'the answer does not begin with "x": "y"'),
        ("answer: {ends_with: x}", "y", "ends_with", 'the answer does not end with "x": "y"'),
        ("answer: {matches: x+}", "y", "matches", 'the answer does not match `x+`: "y"'),
        ("answer: {length: 2}", "y", "length", "the answer has 1 character, not 2"),
        ("answer: {length: {at_least: 2}}", "y", "at_least", "the answer has 1 character, not 2 or more"),
        ("answer: {length: {at_most: 1}}", "yes", "at_most", "the answer has 3 characters, not 1 or less"),
        ("answer: {not: {contains: y}}", "y", "contains", 'the answer contains "y", which must not be'),
        ("answer: {not: {contains: [x, y]}}", "y", "y", 'the answer contains "y", which must not be'),
        ("answer: {at_least: 3}", "2", "at_least", "the answer is 2, not 3 or more"),
        ("answer: {where: {a: 2}}", '{"a": 1}', "a", "`a` of the answer is 1, not 2"),
        ("answer: {where: {a: '1'}}", '{"a": 1}', "a", '`a` of the answer is 1, a number, not "1"'),
        ("answer: {where: {a: {contains: x}}}", '{"a": 1}', "contains", "looks at text"),
        ("answer: {where: {a: {length: 1}}}", '{"a": 1}', "length", "has no length"),
        ("answer: {where: {a.b: 1}}", '{"a": []}', "a.b", "`a.b` of the answer is null, not 1"),
        ("answer: {includes: {a: {b: 1}}}", '{"a": {"b": 2}}', "b", "`a.b` of the answer is 2, not 1"),
        ("answer: {includes: {a: 1, b: 2}}", '{"c": 0}', "includes", "`a` of the answer is not there; `b` of"),
        ("answer: {schema: {required: [a]}}", '{"b": 1}', "schema", 'breaks the schema: "a" is a required property'),
        ("answer: {includes: {a: 1}}", "hello", "includes", "which is no JSON"),
        ("answer: {schema: {type: object}}", "hello", "schema", "which is no JSON"),
        ("answer: {where: {a: 1}}", "hello", "where", "which is no JSON"),
        ("answer: {not: {where: {a: 1}}}", "hello", "where", "which is no JSON"),
    ],
)
def test_a_failure_stands_at_the_key_that_is_not_so(expect, text, place, message):
    assert message in one(expect, run(text)).message
    assert places(expect, run(text)) == [place]


def test_all_that_is_not_so_is_told():
    expect = """
        answer: {contains: [a, b], length: 3, not: {matches: x}}
        turns: 5
        reason: refused
    """
    assert places(expect, run("x")) == ["reason", "a", "b", "length", "matches", "turns"]


def test_the_violations_of_a_schema_are_all_told_with_their_paths():
    expect = "answer: {schema: {properties: {a: {type: string}, b: {items: {type: integer}}}}}"
    message = one(expect, run('{"a": 1, "b": [1, "x"]}')).message
    assert "`a`: " in message
    assert "`b[1]`: " in message


def test_text_that_differs_is_shown_beside_what_is_expected():
    failure = one('answer: {equals: "One.\\nTwo."}', run("One.\nThree."))
    assert (failure.expected, failure.got) == ("One.\nTwo.", "One.\nThree.")
    assert failure.message == "the answer is not the text that is expected"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("one\ntwo\n", ": only white space around it differs"),
        ("one  two", ": only white space differs"),
        ("One\nTwo", ": only large and small letters differ"),
        ("one\n2", ""),
    ],
)
def test_a_small_difference_is_named(text, hint):
    assert messages('answer: "one\\ntwo"', run(text)) == [f"the answer is not the text that is expected{hint}"]


def test_data_that_differs_is_shown_in_one_form_whatever_the_order_of_its_keys():
    failure = one("answer: {equals: {b: 1.0, a: [1, 2]}}", run('{"a": [1, 3], "b": 1}'))
    assert failure.expected == '{\n  "a": [\n    1,\n    2\n  ],\n  "b": 1\n}'
    assert failure.got == failure.expected.replace("2\n", "3\n")


def test_members_that_nothing_is_expected_of_are_not_shown():
    failure = one("answer: {includes: {a: {b: 1}}}", run('{"a": {"b": 2, "c": 3}, "d": 4}'))
    assert failure.got == '{\n  "a": {\n    "b": 2\n  }\n}'


def test_icontains_is_named_where_only_the_case_differs():
    assert "`icontains`" in one("answer: {contains: REFUND}", run("a refund")).message
    assert "`icontains`" not in one("answer: {contains: return}", run("a refund")).message


# -- what could hang or crash -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("a[", "{}"),
        ("''b", "{}"),
        ("nothing(@)", "{}"),
        ("length(a)", '{"a": null}'),
        ("length(a)", '{"a": 1}'),
        ("contains(a, `1`)", '{"a": "text"}'),
        ("ceil(to_number(a))", '{"a": "1e999"}'),
        ("sort(a)", '{"a": [1, "x"]}'),
        ("max_by(a, &b)", '{"a": [{"b": 1}, {"b": "x"}]}'),
        ("a[::0]", '{"a": [1]}'),
        ("&a", "{}"),
        ("[&a]", "{}"),
        ("join(',', a)", '{"a": [1]}'),
        ("avg(a)", '{"a": "x"}'),
    ],
)
def test_an_expression_that_fails_is_a_failure_also_inside_not(expression, text):
    quoted = expression.replace("'", "''")
    for expect in (f"answer: {{where: {{'{quoted}': 1}}}}", f"answer: {{not: {{where: {{'{quoted}': 1}}}}}}"):
        assert "can't be looked at" in one(expect, run(text)).message


def test_a_key_of_the_answer_can_not_pose_as_an_expression():
    assert messages("answer: {where: {'length(@)': 0}}", run('{"length(@)": 0}')) == [
        "`length(@)` of the answer is 1, not 0"
    ]


def test_a_name_is_a_name_whatever_signs_it_has():
    assert failures("answer: {where: {order-id: 7, 2fa: true}}", run('{"order-id": 7, "2fa": true}')) == []


def test_a_schema_that_is_none_is_a_failure():
    assert "`schema` can't be used" in one("answer: {schema: {type: 7}}", run("{}")).message
    assert "`schema` can't be used" in one("answer: {not: {schema: {$ref: 'http://x.test/a'}}}", run("{}")).message


def test_a_pattern_that_is_none_is_a_failure_also_inside_not():
    assert "no regular expression" in one("answer: {matches: '('}", run("x")).message
    assert "no regular expression" in one("answer: {not: {matches: '('}}", run("x")).message


def test_a_pattern_that_would_take_for_ever_is_given_up():
    started = time.monotonic()
    with pytest.raises(PatternError, match=r"not done after 0.2 s on a text of 41 characters"):
        is_found(r"^(a+)+$", "a" * 40 + "!", limit_s=0.2)
    assert time.monotonic() - started < 10
    assert is_found("b$", "ab")  # the timer is off again


def test_a_pattern_that_was_given_up_takes_no_case_long_again():
    pattern = r"^(a+)+b$"
    with pytest.raises(PatternError):
        is_found(pattern, "a" * 40 + "!", limit_s=0.2)
    started = time.process_time()
    for number in range(30):
        with pytest.raises(PatternError):
            is_found(pattern, "a" * (40 + number) + "!")
    assert time.process_time() - started < 10  # and not 60
    assert is_found(pattern, "aab")


def test_a_pattern_is_looked_for_outside_of_the_main_thread_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(is_found("b$", "ab")))
    thread.start()
    thread.join(10)
    assert found == [True]


@pytest.mark.parametrize(
    "expect",
    [
        "{text: {at_least: 100}}",
        "{absent: {at_most: 100}}",
        "{number: {matches: '^-'}}",
        "{number: {contains: '5'}}",
        "{number: {contains_any: ['5']}}",
        "{number: {starts_with: '-'}}",
        "{number: {length: 2}}",
        "{absent: {icontains: x}}",
        "{map: {similar_to: {text: x}}}",
        "{numbers: {contains: '5'}}",
        "{numbers: {contains_any: ['5']}}",
    ],
)
def test_what_cant_look_at_such_a_value_holds_neither_so_nor_under_not(expect):
    seen = run('{"text": "150", "number": -5, "map": {}, "numbers": [5]}')
    (inside,) = expect[1:-1].split(": ", 1)[1:]
    assert len(failures(f"answer: {{where: {expect}}}", seen)) == 1
    assert len(failures(f"answer: {{where: {expect.replace(inside, f'{{not: {inside}}}')}}}", seen)) == 1


def test_data_with_further_members_says_what_allows_them():
    message = one("answer: {equals: {a: 1}}", run('{"a": 1, "b": 2}')).message
    assert message.endswith(": it has further members, which `includes` allows")
    assert "includes" not in one("answer: {equals: {a: 1}}", run('{"a": 2, "b": 2}')).message


def test_json_in_a_code_fence_is_told():
    assert messages("answer: {equals: {}}", run("```json\n{}\n```")) == [
        "the answer is no JSON: it stands in a code fence"
    ]


def test_similar_texts_are_told_by_how_much():
    text = "the quick brown fox"
    assert failures("answer: {similar_to: {text: the quick brown fix, ratio: 0.9}}", run(text)) == []
    assert failures("answer: {similar_to: the quick brown fix}", run(text)) == []
    assert one("answer: {similar_to: a slow brown dog}", run(text)).expected == "a slow brown dog"
    message = one("answer: {similar_to: {text: a slow brown dog}}", run(text)).message
    assert message.startswith("the answer is similar to the text by ")
    assert message.endswith(", which is less than 0.8")


def test_what_is_similar_must_not_be_where_it_is_said_so():
    assert "which must not be" in one("answer: {not: {similar_to: {text: abcd, ratio: 0.5}}}", run("abcx")).message
    assert failures("answer: {not: {similar_to: {text: wxyz}}}", run("abcd")) == []


def test_letters_of_longer_texts_are_no_junk():
    words = [f"word{number}" for number in range(100)]
    assert similarity(" ".join(words), " ".join([*words[1:], "more"]), 0.9).ratio > 0.95


@pytest.mark.parametrize("part", ["word {} ", "word\n", "{}\n", "the same words in each of many lines\n"])
def test_long_texts_are_compared_in_a_bounded_time(part):
    one_text = "".join(part.format(number) for number in range(40_000))
    other = "".join(part.format(number * 3 % 40_000) for number in range(40_001))
    started = time.monotonic()
    found = similarity(one_text, other, 0.1)
    assert found is None or 0 <= found.ratio <= 1
    assert time.monotonic() - started < 20


def test_texts_that_are_too_long_to_be_compared_are_a_failure():
    same_lines = "a b\n" * 20_000
    for expect in ("answer: {{similar_to: {{text: {}}}}}", "answer: {{not: {{similar_to: {{text: {}}}}}}}"):
        assert "too many for `similar_to`" in one(expect.format('"' + "a b\\n" * 19_000 + '"'), run(same_lines)).message


# -- numbers and the rest -----------------------------------------------------------------------------------


def test_numbers_of_several_runs_are_added_up():
    first = run("a", "add", usage=Usage(10, 2, 12), cost_usd=0.25, duration_s=1.5)
    second = run("b", usage=Usage(20, 3, 23), cost_usd=0.5, duration_s=2)
    conversation = ["turns: 2\ncost_usd: {at_most: 0.25}", "turns: 1\ntokens: 23"]
    expect = "turns: 3\ntokens: 35\ncost_usd: {at_least: 0.75, at_most: 0.75}\nlatency: {at_most: 3.5}"
    assert failures(expect, first, second, conversation=conversation) == []
    wrong = "turns: 4\ntokens: {at_most: 30}\ncost_usd: {at_most: 0.5}\nlatency: {at_least: 4}"
    assert messages(wrong, first, second, conversation=["", ""]) == [
        "the runs took 3 turns, not 4",
        "the runs took 35 tokens, not 30 or less",
        "the runs cost 0.75 USD, not 0.5 or less",
        "the runs took 3.5 s, not 4 or more",
    ]
    assert places(wrong, first, second, conversation=["", ""]) == ["turns", "at_most", "at_most", "at_least"]


def test_numbers_that_look_alike_are_told_apart():
    message = one("cost_usd: {at_most: 0.001}", run(cost_usd=0.0010000001)).message
    assert "0.0010000001" in message


@pytest.mark.parametrize("key", ["tokens", "cost_usd"])
def test_no_bound_holds_of_tokens_that_nobody_counted(key):
    silent = run(usage=Usage())
    assert "no reply of the model has `usage`" in one(f"{key}: {{at_most: 1}}", silent).message
    assert places(f"{key}: {{at_most: 1}}", silent) == [key]
    assert failures("tokens: 15", silent, run(), conversation=["", ""]) == []


def test_small_sums_are_written_as_people_write_them():
    cheap = run(cost_usd=0.000012)
    assert messages("cost_usd: {at_most: 0.000001}", cheap) == ["the run cost 0.000012 USD, not 0.000001 or less"]


def test_a_cost_that_is_not_known_is_a_failure():
    assert messages("cost_usd: {at_most: 1}", run()) == ["the cost is not known: the model has no known price"]
    assert failures("cost_usd: {at_most: 1}", run(usage=Usage(), turns=0)) == []  # nothing was spent


def test_the_last_run_of_a_conversation_gives_its_answer():
    runs = run("first"), run("second")
    assert failures("answer: second", *runs, conversation=["answer: first", "answer: second"]) == []
    assert places("answer: first", *runs, conversation=["answer: second", ""]) == ["answer", "answer"]


def test_the_step_that_is_not_as_expected_has_its_failure():
    (failure,) = failures("", run("a"), run("b"), conversation=["answer: a", "answer: a"])
    assert (failure.span.line, failure.message) == (9, 'the answer is "b", not "a"')


def test_a_run_that_ends_badly_fails_unless_the_case_says_so():
    ended = run("", reason="max_turns", error={"type": "max_turns", "message": "the limit is reached"})
    assert messages("", ended) == ["the run ended with `max_turns`: the limit is reached"]
    assert places("", ended) == ["a case"]
    assert failures("reason: max_turns", ended) == []
    assert messages("reason: answered", ended) == [
        "the run ended with `max_turns`, not `answered`: the limit is reached"
    ]


def test_only_the_last_run_of_a_conversation_may_end_as_the_case_says():
    ended = run("", reason="refused")
    assert len(failures("reason: refused", ended, ended, conversation=["", ""])) == 1
    assert failures("reason: refused", ended, ended, conversation=["reason: refused", ""]) == []


def test_the_message_whose_run_ended_badly_has_its_failure():
    (failure,) = failures("", run(), run("", reason="refused"), run(), conversation=["", "", ""])
    assert failure.span.line == 6
    assert places("", run("", reason="refused"), conversation=[""]) == ["user"]


def test_steps_that_were_not_reached_are_not_judged():
    assert failures("", run("a"), conversation=["answer: a", "answer: b"]) == []
    assert failures("answer: x") == []


def test_the_agent_that_answered_is_compared():
    failure = one("agent: other", run())
    assert failure.message == "`main` answered, not `other`"


def test_approvals_are_compared_as_a_whole_and_in_order():
    asked = run(asked=["refund", "delete"])
    assert failures("approvals: [refund, delete]", asked) == []
    failure = one("approvals: [delete, refund]", asked)
    assert failure.message == "approval was asked for `refund`, `delete`, not for `delete`, `refund`"
    assert (failure.expected, failure.got) == ("delete\nrefund", "refund\ndelete")
    assert messages("approvals: []", asked) == ["approval was asked for `refund`, `delete`, not for nothing"]


def test_the_system_prompt_is_compared():
    assert messages("system_prompt: {contains: never}", run(), prompt="Be kind.") == [
        'the system prompt does not contain "never": "Be kind."'
    ]
    assert failures("system_prompt: {not: {contains: never}}", run(), prompt="Be kind.") == []


# -- secrets ------------------------------------------------------------------------------------------------

KEY = "sk-proj-4fJq8Zb1Lw9Xc2Vn7Md3Tg6H"


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (run("The key is [secret]."), "a secret stands in the answer"),
        (run(f"The key is {KEY}."), "what looks like a credential stands in the answer"),
        (run("", output={"a": [{"b": KEY}]}), "what looks like a credential stands in `a[0].b` of the answer"),
        (run("ok", call("send", {"to": "[secret]"})), "a secret stands in `to` of the arguments of `send`"),
        (run("ok", call("send", {"a": {"b": KEY}})), "what looks like a credential stands in `a.b` of the arguments"),
        (run("ok", call("send", {"password": "hunter22"})), "what looks like a credential stands in `password`"),
        (run("ok", call("send", {KEY: 1})), "what looks like a credential stands in a name in the arguments"),
        (
            run("ok", call("send", None, raw_arguments=f'{{"to": "{KEY}')),
            "what looks like a credential stands in the arguments of `send`",
        ),
    ],
)
def test_a_secret_is_told_by_its_place_and_never_by_its_value(seen, message):
    failure = one("no_secrets: true", seen)
    assert message in failure.message
    assert KEY not in failure.message
    assert (failure.expected, failure.got) == (None, None)
    assert places("no_secrets: true", seen) == ["no_secrets"]
    assert failures("no_secrets: false", seen) == []


def test_words_about_secrets_are_none():
    fine = run("Your password was reset, and the token expired.", call("send", {"next_page_token": "abc123def"}))
    assert failures("no_secrets: true", fine) == []


def test_each_place_of_a_secret_is_told():
    seen = run("[secret]", call("send", {"a": "[secret]", "b": "[secret]"}))
    assert len(failures("no_secrets: true", seen, run("[secret]"), conversation=["no_secrets: true", ""])) == 7
