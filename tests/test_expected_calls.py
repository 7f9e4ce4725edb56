"""The calls that a case expects: each key of `calls`, and what is told of those that are not as expected."""

import pytest

from agentrun.testing.expect.made import Made, is_known
from expected import call, failures, http, messages, one, places, process, run


def calls(*names):
    """A run with a call in each turn; a tuple has those of one turn."""
    made = []
    for turn, group in enumerate(names, start=1):
        for index, name in enumerate(group if isinstance(group, tuple) else (group,)):
            made.append(call(name, turn=turn, index=index))
    return run("done", *made)


@pytest.mark.parametrize(
    "expect",
    [
        "[a, b, a]",
        "[a, a]",
        "[b]",
        "{exact: [a, b, a]}",
        "{exact: [{name: a, count: {at_least: 1}}, b, {name: a, count: {at_most: 3}}]}",
        "{in_order: [b, a]}",
        "{any_order: [b, a, a]}",
        "{any_order: [{name: a, count: 2}]}",
        "{never: [c, 'x*']}",
        "{count: {a: 2, b: {at_most: 1}, '*': 3, c: 0}}",
        "[{name: a, count: 2}]",
        "[{name: c, count: 0}, b]",
        "[{name: c, count: {at_most: 2}}, b]",
        "[{name: a, before: b}, {name: a, after: b}]",
        "[{name: b, after: a, error: false}]",
    ],
)
def test_what_is_so_is_no_failure(expect):
    assert failures(f"calls: {expect}", calls("a", "b", "a")) == []


@pytest.mark.parametrize(
    ("expect", "place", "message"),
    [
        ("[b, b]", "b", "`b` was called 1 time, and the list has more of them"),
        ("[b, a, b]", "b", "`b` was called 1 time, and the list has more of them"),
        ("[a, a, b]", "b", "`b` was called 1 time, but not in this place"),
        ("[c]", "c", "`c` was not called"),
        ("{exact: [a, b]}", "exact", "1 call is not expected: `a`"),
        ("{exact: []}", "exact", "3 calls are not expected: `a`, `b`, `a`"),
        ("[]", "calls", "3 calls are not expected: `a`, `b`, `a`"),
        ("{exact: [a, b, a, c]}", "c", "`c` was not called"),
        ("{in_order: [c]}", "c", "`c` was not called"),
        ("{any_order: [b, a, b]}", "b", "`b` was called 1 time, and the list has more of them"),
        ("{never: [c, 'a*']}", "'a*'", "`a` was called 2 times, and must never be"),
        ("{never: ['*']}", "'*'", "`a`, `b` were called 3 times, and must never be"),
        ("{count: {a: 1}}", "a", "`a` was called 2 times, not 1"),
        ("{count: {'*': {at_least: 4}}}", "at_least", "`*` was called 3 times, not 4 or more"),
        ("[{name: a, count: 1}]", "count", "`a` was called 2 times, not 1"),
        ("[{name: a, count: {at_most: 1}}]", "at_most", "`a` was called 2 times, not 1 or less"),
        ("[{name: a, count: 2}, b]", "b", "`b` was called 1 time, but not in this place"),
        ("[{name: a, count: 0}]", "count", "`a` was called 2 times, not 0"),
        ("[{name: a, after: b, count: 2}]", "count", "`a` was called as expected 1 time, not 2"),
        ("[{name: b, before: a}]", "before", "`a` was called before its result was known"),
        ("[{name: b, before: c}]", "before", "`c` was not called"),
        ("[{name: b, after: c}]", "after", "`c` was not called"),
        ("{same_turn: [a, b]}", "same_turn", "`a`, `b` were not called in one turn"),
    ],
)
def test_a_failure_stands_at_what_is_not_so(expect, place, message):
    seen = calls("a", "b", "a")
    assert message in one(f"calls: {expect}", seen).message
    assert places(f"calls: {expect}", seen) == [place]


def test_no_calls_are_an_empty_list():
    assert failures("calls: []", run()) == []
    assert failures("calls: {exact: []}", run()) == []


def test_each_entry_that_is_not_so_has_its_failure():
    assert places("calls: [x, a, y]", calls("a", "b")) == ["x", "y"]
    expect = "calls: {any_order: [x, a], never: [a, b], count: {a: 3}, exact: [a]}"
    assert places(expect, calls("a", "b")) == ["exact", "x", "a", "b", "a"]


def test_a_row_out_of_order_is_shown_beside_the_observed_one():
    failure = one("calls: [b, {name: a, arguments: {x: 1}}]", run("", call("a", {"x": 1, "y": 2}), call("b", turn=2)))
    assert failure.expected == 'b\na {"x": 1}'
    assert failure.got == 'a {"x": 1}\nb'


def test_a_call_that_no_entry_means_is_shown_with_all_its_arguments():
    failure = one("calls: [b]", run("", call("a", {"x": 1, "y": 2})))
    assert (failure.expected, failure.got) == ("b", 'a {"x": 1, "y": 2}')


def test_a_call_that_stands_in_its_place_looks_alike_on_both_sides():
    seen = run("", call("a", {"x": 1, "y": 2}), call("b", turn=2))
    failure = one("calls: {exact: [{name: a, arguments: {x: 1}}]}", seen)
    assert (failure.expected, failure.got) == ('a {"x": 1}', 'a {"x": 1}\nb')


# -- one call -----------------------------------------------------------------------------------------------

ORDER = {"order_id": "7", "amount": 5, "notes": {"by": "me", "at": 1}}


@pytest.mark.parametrize(
    "expect",
    [
        "{name: refund}",
        '{name: refund, arguments: {order_id: "7", notes: {by: me}}}',
        "{name: refund, arguments: {amount: 5.0}}",
        '{name: refund, where: {order_id: "7", amount: {at_least: 5}, notes.by: {contains: m}}}',
        "{name: refund, error: false, result: ok}",
        "{name: refund, result: {matches: o}}",
    ],
)
def test_a_call_is_as_expected(expect):
    assert failures(f"calls: [{expect}]", run("", call("refund", ORDER))) == []


@pytest.mark.parametrize(
    ("expect", "place", "message"),
    [
        ("arguments: {order_id: 7}", "order_id", '`order_id` of the arguments is "7", text, not 7'),
        ("arguments: {notes: {by: you}}", "by", '`notes.by` of the arguments is "me", not "you"'),
        ("arguments: {currency: EUR}", "currency", "`currency` of the arguments is not there"),
        ("where: {amount: {at_least: 6}}", "at_least", "`amount` of the arguments is 5, not 6 or more"),
        ("where: {'notes.by': you}", "'notes.by'", '`notes.by` of the arguments is "me", not "you"'),
        ("where: {'a[': 1}", "'a['", "it is no JMESPath expression"),
        ("error: true", "error", "it did not fail"),
        ("error: denied", "error", "it did not fail with `denied`"),
        ("result: no", "result", 'the result is "ok", not "no"'),
        ("result: {contains: [o, x]}", "x", 'the result does not contain "x": "ok"'),
    ],
)
def test_a_call_that_is_not_as_expected_has_its_failure_at_the_key(expect, place, message):
    seen = run("", call("refund", ORDER))
    failure = one(f"calls: [{{name: refund, {expect}}}]", seen)
    assert failure.message.startswith("the call of `refund` is not as expected: ")
    assert message in failure.message
    assert places(f"calls: [{{name: refund, {expect}}}]", seen) == [place]


def test_several_mistakes_of_a_call_stand_at_its_entry():
    expect = "calls: [{name: refund, arguments: {amount: 6}, result: no}]"
    failure = one(expect, run("", call("refund", ORDER)))
    assert "`amount` of the arguments is 5, not 6; the result is" in failure.message
    assert places(expect, run("", call("refund", ORDER))) == ["{name: refund, arguments: {amount: 6}, result: no}"]
    assert failure.expected == 'arguments:\n{\n  "amount": 6\n}\nresult:\nno'
    assert failure.got == 'arguments:\n{\n  "amount": 5\n}\nresult:\nok'


def test_the_closest_call_is_the_one_that_is_told():
    seen = run(
        "",
        call("refund", {"order_id": "1", "amount": 5, "currency": "USD"}),
        call("refund", {"order_id": "7", "amount": 5, "currency": "USD"}, turn=2),
        call("refund", {"order_id": "7", "amount": 6, "currency": "USD"}, turn=3),
    )
    failure = one('calls: [{name: refund, arguments: {order_id: "7", amount: 5, currency: EUR}}]', seen)
    expected = 'of the closest, `currency` of the arguments is "USD", not "EUR"'
    assert failure.message == f"none of the 3 calls of `refund` is as expected; {expected}"
    assert '"EUR"' in failure.expected
    assert '"USD"' in failure.got


def test_arguments_that_are_no_object_are_shown_as_they_came():
    seen = run("", call("refund", None, raw_arguments='{"order_id"', error="invalid_arguments"))
    failure = one("calls: [{name: refund, arguments: {order_id: '7'}}]", seen)
    assert "the arguments are no JSON object" in failure.message
    assert failure.got == '{"order_id"'
    assert failures("calls: [{name: refund, error: invalid_arguments}]", seen) == []


def test_nothing_is_known_of_parts_of_arguments_that_are_no_object():
    seen = run("", call("refund", None, raw_arguments="["))
    for expect in ("{id: 7}", "{id: {not: {equals: 7}}}"):
        assert "no JSON object" in one(f"calls: [{{name: refund, where: {expect}}}]", seen).message


def test_a_call_that_an_entry_means_is_told_once():
    seen = run("", call("refund", {"x": 1}), call("refund", {"x": 2}, turn=2), call("add", turn=3))
    expect = "calls: {exact: [{name: refund, arguments: {x: 2}}, {name: refund, arguments: {x: 3}}]}"
    assert messages(expect, seen)[1] == "1 call is not expected: `add`"
    expect = "calls: {exact: [{name: refund, arguments: {x: 1}}, {name: refund, arguments: {x: 3}}, add]}"
    assert messages(expect, seen) == [
        "none of the 2 calls of `refund` is as expected; of the closest, `x` of the arguments is 2, not 3"
    ]


def test_failures_of_calls_are_known_by_their_type():
    refused = call("refund", ORDER, error="denied", result='{"error":{"type":"denied","message":"no"}}')
    assert failures("calls: [{name: refund, error: denied, result: {contains: no}}]", run("", refused)) == []
    assert failures("calls: [{name: refund, error: true}]", run("", refused)) == []
    assert "it failed with `denied`" in one("calls: [{name: refund, error: false}]", run("", refused)).message
    assert ", not with `timeout`" in one("calls: [{name: refund, error: timeout}]", run("", refused)).message


def test_a_call_without_a_result_neither_failed_nor_succeeded():
    for error in ("true", "false", "denied"):
        message = one(f"calls: [{{name: a, error: {error}}}]", run("", call("a", result=None))).message
        assert "it has no result" in message


# -- several that could be the one --------------------------------------------------------------------------


def test_an_entry_leaves_a_call_to_the_one_that_needs_it():
    seen = run("", call("a", {"x": 1}), call("a", {"x": 2}, turn=2), call("b", turn=3))
    assert failures("calls: {any_order: [a, {name: a, arguments: {x: 1}}]}", seen) == []
    assert failures("calls: [{name: a, where: {x: {at_least: 1}}}, {name: a, arguments: {x: 2}}, b]", seen) == []
    assert failures("calls: {exact: [{name: a, count: {at_most: 5}}, {name: a, arguments: {x: 2}}, b]}", seen) == []


def test_errors_and_results_take_part_in_matching():
    failed = call("a", error="timeout", result="late")
    seen = run("", failed, call("a", turn=2), call("b", turn=3))
    assert failures("calls: [{name: a, error: false}, b]", seen) == []
    assert failures("calls: [{name: a, result: late}, {name: a, result: ok}, b]", seen) == []
    assert places("calls: [{name: a, error: false}, {name: a, error: timeout}, b]", seen) != []


def test_calls_of_a_huge_count_are_not_looked_for_one_by_one():
    expect = "calls: {exact: [{name: a, count: 1000000000}], in_order: [{name: a, count: {at_least: 1000000000}}]}"
    assert len(failures(expect, calls("a"))) == 2


# -- turns --------------------------------------------------------------------------------------------------


def test_calls_of_one_turn_do_not_know_of_each_other():
    together = calls(("a", "b"))
    assert messages("calls: [{name: b, after: a}]", together) == [
        "the call of `b` is not as expected: the result of `a` was not known before it"
    ]
    assert places("calls: [{name: a, before: b}]", together) == ["before"]
    assert failures("calls: {same_turn: [b, a]}", together) == []


def test_a_name_that_stands_twice_in_same_turn_is_called_twice():
    assert failures("calls: {same_turn: [a, a]}", calls("b", ("a", "b", "a"))) == []
    failure = one("calls: {same_turn: [a, a]}", calls("a", ("a", "b")))
    assert (failure.expected, failure.got) == ("a, a", "a\na, b")
    assert len(failures("calls: {same_turn: [a]}", run())) == 1


def test_calls_of_an_earlier_run_were_before():
    first, second = calls("check"), calls("refund")
    expect = "calls: [{name: refund, after: check}]"
    assert failures("", first, second, conversation=["calls: [{name: check, before: refund}]", expect]) == []
    assert len(failures("", second, first, conversation=[expect, ""])) == 1


def test_a_step_has_only_its_own_calls():
    first, second = calls("a"), calls("b")
    assert failures("calls: [a, b]", first, second, conversation=["calls: {exact: [a]}", "calls: {exact: [b]}"]) == []
    assert len(failures("", first, second, conversation=["calls: [b]", "calls: [a]"])) == 2
    assert len(failures("calls: {same_turn: [a, b]}", first, second, conversation=["", ""])) == 1


def test_what_an_agent_behind_a_tool_calls_belongs_to_the_turn_of_its_call():
    def known(earlier, later):
        return is_known(Made(earlier, 0), Made(later, 0))

    asked, beside = call("ask", turn=2), call("look", turn=2, index=1)
    inner, next_inner = call("x", turn=1, above=((2, 0),)), call("y", turn=2, above=((2, 0),))
    before, after = call("a", turn=1), call("b", turn=3)
    assert known(before, inner)
    assert known(inner, next_inner)
    assert known(inner, after)
    assert known(next_inner, after)
    for one_call, other in [(asked, inner), (beside, inner), (asked, beside), (inner, inner)]:
        assert not known(one_call, other)
        assert not known(other, one_call)
    assert not known(after, inner)
    assert not known(next_inner, inner)
    assert not known(call("z", turn=1, above=((2, 1),)), next_inner)  # of an agent that was called beside


# -- requests -----------------------------------------------------------------------------------------------

SENT = http(
    url="http://shop.test/orders/7",
    query=[("page", "2"), ("tag", "a"), ("tag", "b"), ("all", "true")],
    headers=[("content-type", "application/json"), ("x-key", "k1")],
    body='{"amount": 5, "items": [{"id": 1, "n": 2}]}',
)
RAN = process("git", "log", "-n", "3", cwd="/work", env={"LANG": "C", "HOME": "/root"}, stdin="a\nb")


@pytest.mark.parametrize(
    ("sent", "expect"),
    [
        (SENT, "{method: post, url: 'http://shop.test/orders/7'}"),
        (SENT, "{url: {ends_with: /7}, query: {page: 2, tag: [a, b], all: true}}"),
        (SENT, "{headers: {X-Key: k1, Content-Type: {contains: json}}}"),
        (SENT, "{json: {amount: 5, items: [{id: 1}]}}"),
        (SENT, "{body: {contains: amount}}"),
        (http(body="a=1&b=x+y&b=z&c="), "{form: {a: 1, b: [x y, z], c: ''}}"),
        (RAN, "{argv: [git, log, -n, '3'], cwd: {ends_with: work}, env: {LANG: C}, stdin: {contains: b}}"),
    ],
)
def test_a_request_is_as_expected(sent, expect):
    assert failures(f"calls: [{{name: a, request: {expect}}}]", run("", call("a", requests=(sent,)))) == []


@pytest.mark.parametrize(
    ("sent", "expect", "place", "message"),
    [
        (SENT, "{method: GET}", "method", "the method is POST, not GET"),
        (SENT, "{url: {contains: /8}}", "contains", 'the url does not contain "/8"'),
        (SENT, "{query: {page: 3}}", "page", '`page` of the query is "2", not "3"'),
        (SENT, "{query: {tag: a}}", "tag", '`tag` of the query is ["a", "b"], not "a"'),
        (SENT, "{query: {size: 3}}", "size", "`size` of the query is not there"),
        (SENT, "{headers: {x-key: k2}}", "x-key", 'the header `x-key` is "k1", not "k2"'),
        (SENT, "{headers: {accept: x}}", "accept", "the header `accept` was not sent"),
        (SENT, "{json: {amount: 6}}", "amount", "`amount` of the JSON body is 5, not 6"),
        (SENT, "{json: {items: [{n: 3}]}}", "n", "`items[0].n` of the JSON body is 2, not 3"),
        (SENT, "{json: {items: []}}", "items", "`items` of the JSON body is a list of 1, not of 0"),
        (http(body="hi"), "{json: {a: 1}}", "json", "the body is no JSON"),
        (http(body="[" * 100_000), "{json: {a: 1}}", "json", "the body is no JSON"),
        (SENT, "{form: {a: 1}}", "form", "the body is no form, but application/json"),
        (SENT, "{body: x}", "body", "the body is "),
        (SENT, "{argv: [a]}", "argv", "an HTTP request was sent, and no program run"),
        (RAN, "{url: x}", "url", "a program was run, and no HTTP request sent"),
        (RAN, "{argv: [git]}", "argv", 'the command is ["git", "log", "-n", "3"], not ["git"]'),
        (RAN, "{cwd: /tmp}", "cwd", 'the working directory is "/work", not "/tmp"'),
        (RAN, "{env: {LANG: de}}", "LANG", 'the variable `LANG` is "C", not "de"'),
        (RAN, "{env: {X: '1'}}", "X", "the variable `X` is not set"),
        (RAN, "{stdin: x}", "stdin", "standard input is not the text that is expected"),
    ],
)
def test_a_request_that_is_not_as_expected_has_its_failure_at_the_key(sent, expect, place, message):
    seen = run("", call("a", requests=(sent,)))
    assert message in one(f"calls: [{{name: a, request: {expect}}}]", seen).message
    assert places(f"calls: [{{name: a, request: {expect}}}]", seen) == [place]


def test_a_request_is_shown_beside_what_is_expected_of_it():
    expect = "{method: PUT, url: {contains: orders}, query: {page: 3}, headers: {X-Key: k2}, json: {amount: 6}}"
    failure = one(f"calls: [{{name: a, request: {expect}}}]", run("", call("a", requests=(SENT,))))
    assert failure.expected == ('PUT http://shop.test/orders/7\nquery page=3\nX-Key: k2\n{\n  "amount": 6\n}')
    assert failure.got == 'POST http://shop.test/orders/7\nquery page=2\nX-Key: k1\n{\n  "amount": 5\n}'


def test_one_request_of_a_call_must_fulfil_all():
    first, second = http("GET", query=[("page", "1")]), http("POST", query=[("page", "2")])
    seen = run("", call("a", requests=(first, second)))
    assert failures("calls: [{name: a, request: {method: POST, query: {page: 2}}}]", seen) == []
    expect = "calls: [{name: a, request: {method: POST, query: {page: 1}, url: {contains: shop}}}]"
    assert "none of the 2 requests of `a` is as expected" in one(expect, seen).message


def test_a_form_in_parts_is_a_form():
    body = (
        '--xx\r\nContent-Disposition: form-data; name="title"\r\n\r\nOne\r\n'
        '--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--xx--\r\n'
    )
    sent = http(headers=[("Content-Type", "multipart/form-data; boundary=xx")], body=body)
    seen = run("", call("a", requests=(sent,)))
    assert failures("calls: [{name: a, request: {form: {title: One, file: hello}}}]", seen) == []
    assert 'is "One", not "Two"' in one("calls: [{name: a, request: {form: {title: Two}}}]", seen).message


def test_a_header_that_was_sent_twice_has_both_values():
    sent = http(headers=[("Accept", "a"), ("accept", "b")])
    assert failures("calls: [{name: a, request: {headers: {accept: b}}}]", run("", call("a", requests=(sent,)))) == []


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (call("a", error="denied", result="{}"), "`a` sent nothing: the call was not made (`denied`)"),
        (call("a"), "what `a` sent is not known: only requests of http and shell tools are seen"),
    ],
)
def test_why_a_request_is_not_known_is_told(seen, why):
    failure = one("calls: [{name: a, request: {method: GET}}]", run("", seen))
    assert why in failure.message
    assert places("calls: [{name: a, request: {method: GET}}]", run("", seen)) == ["request"]


def test_requests_take_part_in_matching():
    first, second = call("a", requests=(http("GET"),)), call("a", turn=2, requests=(http("PUT"),))
    expect = "calls: {any_order: [{name: a, request: {method: PUT}}, {name: a, request: {method: GET}}]}"
    assert failures(expect, run("", first, second)) == []
    assert failures("calls: [{name: a, request: {method: PUT}, count: 1}]", run("", first, second)) == []
