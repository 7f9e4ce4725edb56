"""Test cases: what their pages and bad files don't show. Above all what is right, and must not be spoken of."""

from typing import get_args

import pytest

from agentrun.errors import FailureType
from agentrun.project import read_project
from agentrun.spec.rules.case_values import names_asked, path_problem
from projects import write_project

FILES = {
    "tools.d/tools.yaml": """
        name: find_order
        description: Look an order up.
        parameters:
          type: object
          properties:
            order_id: {type: string}
            page: {type: integer, minimum: 1, default: 1}
            filter: {type: object, properties: {year: {type: integer}}, required: [year]}
            tags: {type: array, items: {type: string}}
          required: [order_id]
        http: {url: "https://orders.example.com/{order_id}"}
        ---
        name: refund_order
        description: Refund an order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        http: {url: "https://orders.example.com/{order_id}", method: POST}
        ---
        name: disk_usage
        description: Says how full the disks are.
        shell: {command: [df, -h]}
        ---
        name: rate
        description: An exchange rate.
        python: shop.rates:rate
        ---
        name: record
        description: Record the answer.
        parameters: {type: object, properties: {text: {type: string}}}
        final: true
    """,
    "agents/desk.yaml": """
        description: Answers questions about orders.
        model: gpt-4.1-mini
        tools: [find_order, refund_order, disk_usage, rate, record]
        handoffs: [billing]
    """,
    "agents/billing.yaml": "description: Sends bills.\nmodel: gpt-4.1-mini\nhandoffs: [clerk]\ntools: [rate]\n",
    "agents/clerk.yaml": "description: Knows the archive.\nmodel: gpt-4.1-mini\n",
    "agents/other.yaml": "description: Something else.\nmodel: gpt-4.1-mini\n",
}
CODES = (*(f"AR90{digit}" for digit in range(1, 10)), *(f"AR91{digit}" for digit in range(9)))
CODES += ("AR105", "AR306", "AR307", "AR614", "AR713", "AR715")
SCRIPT = "    model: [{content: a}]\n"


def found(folder, text, files=None):
    project = read_project(write_project(folder, FILES | (files or {}) | {"tests/desk.test.yaml": text}), {})
    return [one for one in project.report().diagnostics if one.code in CODES or one.severity == "error"]


def case(more, *, model=SCRIPT, args=None, top=""):
    args = args or ("{}" if "conversation:" in more else "{input: Hello}")
    return f"agent: desk\n{top}cases:\n  - name: one\n    args: {args}\n{model}{more}"


def codes(folder, text, files=None):
    return [(one.code, one.severity) for one in found(folder, text, files)]


# -- names of tools


@pytest.mark.parametrize(
    "more",
    [
        "    expect: {calls: [find_order, transfer_to_billing, transfer_to_clerk, {name: rate}]}\n",
        "    expect: {calls: {never: ['delete_*', record], count: {'*': 1, find_order: {at_most: 2}}}}\n",
        "    expect: {calls: {exact: [find_order], in_order: [rate], any_order: [{name: record}]}}\n",
        "    expect: {calls: {same_turn: [find_order, rate]}, approvals: [refund_order]}\n",
        "    expect: {calls: [{name: find_order, before: refund_order, after: transfer_to_billing}]}\n",
        "    expect: {calls: []}\n",
        "    refuse: ['*', refund_order]\n",
        "    refuse: {refund_order: not today, 'find_*': no}\n",
    ],
)
def test_tools_that_can_be_called_may_be_named(tmp_path, more):
    assert codes(tmp_path, case(more)) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("    expect: {calls: [find_ordr]}\n", ("AR902", "error")),
        ("    expect: {calls: {exact: [find_ordr]}}\n", ("AR902", "error")),
        ("    expect: {calls: {in_order: [{name: find_ordr}]}}\n", ("AR902", "error")),
        ("    expect: {calls: {any_order: [transfer_to_other]}}\n", ("AR902", "error")),
        ("    expect: {calls: {same_turn: [find_order, find_ordr]}}\n", ("AR902", "error")),
        ("    expect: {calls: {count: {find_ordr: 0}}}\n", ("AR902", "warning")),
        ("    expect: {calls: {count: {find_ordr: {at_most: 0}}}}\n", ("AR902", "warning")),
        ("    expect: {calls: {count: {find_ordr: {at_least: 1}}}}\n", ("AR902", "error")),
        ("    expect: {calls: {never: [find_ordr]}}\n", ("AR902", "warning")),
        ("    expect: {calls: [{name: rate, after: find_ordr}]}\n", ("AR902", "error")),
        ("    expect: {approvals: [find_ordr]}\n", ("AR902", "error")),
        ("    conversation: [{user: a, expect: {calls: [find_ordr]}}]\n", ("AR902", "error")),
        ("    refuse: [find_ordr]\n", ("AR905", "error")),
        ("    refuse: {find_ordr: no}\n", ("AR905", "error")),
        ("    tools: {transfer_to_billing: {result: a}}\n", ("AR907", "warning")),
    ],
)
def test_one_name_that_no_tool_has_is_one_finding(tmp_path, more, expected):
    assert codes(tmp_path, case(more)) == [expected]


def test_an_agent_that_is_no_hand_off_yet_is_told_to_be_listed(tmp_path):
    (one,) = found(tmp_path, case("    expect: {calls: [transfer_to_other]}\n"))
    assert one.help == "list `other` in the agent's `handoffs`"


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ("    expect: {calls: {never: [find-order]}}\n", "write `find_order`"),
        ("    expect: {calls: {count: {find-order: 1}}}\n", "write `find_order`"),
        ("    refuse: {findOrder: no}\n", "write `find_order`"),
        ("    expect: {calls: [transfer-to-billing]}\n", "write `transfer_to_billing`"),
        ("    expect: {calls: [{name: rate, error: Timeout}]}\n", "write `timeout`"),
        ("    expect: {agent: Billing}\n", "write `billing`"),
    ],
)
def test_another_spelling_can_be_mended(tmp_path, more, title):
    (one,) = found(tmp_path, case(more))
    assert (one.fix.title, one.fix.safe) == (title, True)


# -- arguments


@pytest.mark.parametrize(
    "more",
    [
        "    tools: {find_order: {when: {order_id: '7', page: 2}, json: {}}}\n",
        "    tools: {find_order: {when: {filter: {}}, json: {}}}\n",  # a subset: what is required may stand beside it
        "    tools: {find_order: {when: {tags: [a]}, json: {}}}\n",
        "    expect: {calls: [{name: find_order, arguments: {page: 0}, error: invalid_arguments}]}\n",
        "    expect: {calls: [{name: find_order, where: {order_id: '7', 'length(tags)': 1, 'filter.year': 1}}]}\n",
        "    expect: {calls: [{name: find_order, where: {'tags[?@ == ''a''] | [0]': a, '@': {length: 1}}}]}\n",
        "    expect: {calls: [{name: find_order, where: {'max_by(tags, &nothing)': 1}}]}\n",
        "    expect: {calls: [{name: transfer_to_billing, arguments: {reason: a}}]}\n",
    ],
)
def test_arguments_that_a_call_may_have_are_left_alone(tmp_path, more):
    assert codes(tmp_path, case(more)) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("    tools: {find_order: {when: {order: '7'}}}\n", "the tool `find_order` has no parameter `order`"),
        ("    tools: {find_order: [{when: {page: 0}}]}\n", "no call of `find_order` has this `page`: "),
        ("    tools: {find_order: [{when: {tags: [1]}}]}\n", "no call of `find_order` has this `tags`: "),
        ("    expect: {calls: [{name: find_order, arguments: {order_id: 7}}]}\n", "no call of `find_order` has this"),
        ("    expect: {calls: [{name: find_order, where: {pages: 1}}]}\n", "the tool `find_order` has no parameter"),
        ("    expect: {calls: [{name: find_order, where: {'pages[0]': 1}}]}\n", "the tool `find_order` has no par"),
        ("    expect: {calls: [{name: find_order, where: {'tags[0] || page2': 1}}]}\n", "the tool `find_order` has no"),
    ],
)
def test_arguments_that_no_call_has_are_one_warning(tmp_path, more, message):
    (one,) = found(tmp_path, case(more))
    assert (one.code, one.severity) == ("AR907", "warning")
    assert one.message.startswith(message)


def test_what_holds_of_an_argument_is_sent_to_where(tmp_path):
    (one,) = found(tmp_path, case("    expect: {calls: [{name: find_order, arguments: {page: {at_least: 1}}}]}\n"))
    assert (one.code, one.help) == ("AR907", "what holds of an argument stands in `where: {page: …}`")
    assert codes(tmp_path, case("    expect: {calls: [{name: find_order, where: {page: {at_least: 1}}}]}\n")) == []


def test_a_value_that_script_and_expectation_share_is_told_in_the_script_alone(tmp_path):
    turns = "    model: [{tool_calls: [{name: find_order, arguments: {page: x}}]}, {content: a}]\n"
    expect = "    expect: {calls: [{name: find_order, arguments: {page: x}}]}\n"
    (one,) = found(tmp_path, case(expect, model=turns))
    assert (one.code, one.span.line) == ("AR907", 5)
    failing = expect.replace("page: x}", "page: x}, error: invalid_arguments")
    assert codes(tmp_path, case(failing, model=turns)) == []
    assert codes(tmp_path, case(expect)) == [("AR907", "warning")]


PROMPTED = {
    "agents/desk.yaml": """
        description: Answers.
        model: gpt-4.1-mini
        parameters:
          type: object
          properties: {question: {type: string}, locale: {type: string}}
          required: [question, locale]
        system_prompt: Reply in {{ args.locale }}.
        input: "{{ args.question }}"
    """
}


@pytest.mark.parametrize(
    ("args", "more", "expected"),
    [
        ("{locale: en}", "    conversation: [{user: Hello}]\n", []),
        ("{}", "    conversation: [{user: Hello}]\n", [("AR903", "error")]),
        ("{locale: en, question: a}", "    conversation: [{user: Hello}]\n", []),
        ("{locale: en}", "", [("AR903", "error")]),
    ],
)
def test_a_conversation_needs_the_arguments_of_the_prompt_only(tmp_path, args, more, expected):
    assert codes(tmp_path, case(more, args=args), PROMPTED) == expected


# -- stubs and requests


@pytest.mark.parametrize(
    "stub",
    [
        "[{when: {order_id: '7'}, json: {}}, {when: {order_id: '8'}, json: {}}, {json: {}}]",
        "[{when: {order_id: '7', page: 1}, json: {}}, {when: {order_id: '7'}, json: {}}]",
        "[{when: {order_id: '7'}, times: 2, json: {}}, {when: {order_id: '7'}, json: {}}]",
        "[{json: {}}, {when: {order_id: '7'}, json: {}}]",
        "{error: {type: http_status}, status: 503, delay: 1}",
    ],
)
def test_stubs_that_answer_are_left_alone(tmp_path, stub):
    assert codes(tmp_path, case(f"    tools: {{find_order: {stub}}}\n")) == []


@pytest.mark.parametrize(
    "stub",
    [
        "[{when: {filter: {year: 1}}, json: {}}, {when: {filter: {year: 1, month: 2}}, json: {}}]",
        "{error: {type: timeout}, text: a}",
        "{json: {}, text: a}",
    ],
)
def test_what_a_stub_says_for_nothing_is_a_warning(tmp_path, stub):
    assert codes(tmp_path, case(f"    tools: {{find_order: {stub}}}\n")) == [("AR918", "warning")]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("{name: find_order, request: {url: a, method: GET, query: {a: 1}}}", []),
        ("{name: disk_usage, request: {argv: [df, -h], env: {A: b}}}", []),
        ("{name: disk_usage, request: {method: GET, argv: [df]}}", [("AR907", "warning")]),
        ("{name: rate, request: {argv: [df]}}", [("AR907", "warning")]),
        ("{name: record, request: {body: a}}", [("AR907", "warning")]),
    ],
)
def test_a_request_is_that_of_the_tools_backend(tmp_path, call, expected):
    assert codes(tmp_path, case(f"    expect: {{calls: [{call}]}}\n")) == expected


# -- values


@pytest.mark.parametrize(
    "expect",
    [
        "answer: {not: {not: {PATTERN}}}",
        "answer: {where: {a: {PATTERN}}}",
        "system_prompt: {PATTERN}",
        "calls: [{name: find_order, where: {page: {PATTERN}}}]",
        "calls: [{name: find_order, result: {PATTERN}}]",
        "calls: {any_order: [{name: find_order, request: {url: {PATTERN}}}]}",
        "calls: {exact: [{name: find_order, request: {headers: {X-A: {not: {PATTERN}}}}}]}",
        "calls: [{name: disk_usage, request: {env: {A: {PATTERN}}}}]",
    ],
)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("matches: '('", "AR908"),
        ("schema: {type: txt}", "AR601"),
        ("where: {'a[': 1}", "AR914"),
        ("at_least: 2, at_most: 1", "AR915"),
        ("length: {at_least: 2, at_most: 1}", "AR915"),
    ],
)
def test_wherever_a_value_is_expected_what_is_wrong_is_one_error(tmp_path, expect, wrong, code):
    text = expect.replace("PATTERN", wrong)
    step = f"    conversation: [{{user: a, expect: {{{text}}}}}]\n"
    for more in (f"    expect: {{{text}}}\n", step):
        assert codes(tmp_path, case(more)) == [(code, "error")]


@pytest.mark.parametrize(
    "expect",
    [
        "answer: {equals: {matches: '(', where: {'a[': 1}, at_least: 2, at_most: 1}}",
        "answer: {includes: {matches: '('}}",
        "calls: [{name: find_order, arguments: {filter: {matches: '(', at_least: 2, at_most: 1}}}]",
        "calls: [{name: find_order, request: {json: {matches: '('}}}]",
    ],
)
def test_data_is_not_taken_for_an_expectation(tmp_path, expect):
    assert codes(tmp_path, case(f"    expect: {{{expect}}}\n")) == []


@pytest.mark.parametrize(
    "expect",
    [
        "turns: {at_least: 2, at_most: 1}",
        "tokens: {at_least: 2, at_most: 1}",
        "cost_usd: {at_least: 0.2, at_most: 0.1}",
        "latency: {at_least: 2, at_most: 1}",
        "calls: {count: {find_order: {at_least: 2, at_most: 1}}}",
        "calls: [{name: find_order, count: {at_least: 2, at_most: 1}}]",
    ],
)
def test_bounds_are_looked_at_wherever_a_number_is_expected(tmp_path, expect):
    assert codes(tmp_path, case(f"    expect: {{{expect}}}\n")) == [("AR915", "error")]
    assert codes(tmp_path, case(f"    expect: {{{expect.replace('2', '1')}}}\n")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", {"a"}),
        ("a.b.c", {"a"}),
        ("a-b", {"a-b"}),
        ('"a-b".c', {"a-b"}),
        ("a[0].b | c", {"a"}),
        ("a[?b > `1`].c", {"a"}),
        ("length(a) > `1` && !b", {"a", "b"}),
        ("[a, b.c]", {"a", "b"}),
        ("{x: a, y: b}", {"a", "b"}),
        ("sort_by(a, &b)[0]", {"a"}),
        ("@.a", set()),
        ("`1`", set()),
        ("*.a", set()),
        ("a[", set()),
    ],
)
def test_the_members_that_an_expression_asks_for(text, names):
    assert names_asked(text) == names


@pytest.mark.parametrize("text", ["", "a[", "a b", "a-b.c", "'", "nothing(a)", "(" * 3000, "a" * 5000 + "[0]"])
def test_what_is_no_expression_has_a_reason(text):
    assert path_problem(text)


# -- ends


@pytest.mark.parametrize("failure", [*get_args(FailureType), "true", "false"])
def test_every_failure_of_a_call_may_be_expected(tmp_path, failure):
    assert codes(tmp_path, case(f"    expect: {{calls: [{{name: rate, error: {failure}}}]}}\n")) == []


@pytest.mark.parametrize(("agent", "expected"), [("desk", []), ("billing", []), ("clerk", []), ("other", ["AR913"])])
def test_who_answers_is_the_agent_or_one_that_hand_offs_lead_to(tmp_path, agent, expected):
    assert [code for code, _ in codes(tmp_path, case(f"    expect: {{agent: {agent}}}\n"))] == expected


def test_where_hand_offs_cannot_be_read_nobody_is_missed(tmp_path):
    desk = {"agents/desk.yaml": "model: gpt-4.1-mini\ndescription: A.\nhandoff: [billing]\n"}
    text = case("    expect: {agent: billing, calls: [transfer_to_billing]}\n")
    assert codes(tmp_path, text, desk) == [("AR301", "error")]


@pytest.mark.parametrize(("date", "code"), [("2026-02-29", "AR306"), ("2024-02-29", None), ("today", "AR306")])
def test_a_date_is_a_day(tmp_path, date, code):
    assert [one for one, _ in codes(tmp_path, case(f"    date: {date}\n"))] == ([code] if code else [])


# -- models


@pytest.mark.parametrize(
    ("top", "model", "expected"),
    [
        ("live: true\n", "    model: [{content: a}]\n", []),
        ("model: [{content: a}]\n", "    live: true\n", []),
        ("", "    model: [{content: a}]\n    live: false\n", []),
        ("", "    model: [{content: a}]\n    live: true\n", [("AR307", "error")]),
        ("", "    model: [{content: a}]\n    cassette: a.yaml\n", [("AR307", "error")]),
        ("model: [{content: a}]\nlive: true\n", "", [("AR307", "error")]),
    ],
)
def test_in_one_place_there_is_one_model(tmp_path, top, model, expected):
    assert codes(tmp_path, case("", model=model, top=top)) == expected


def test_a_cassette_that_is_there_is_not_missed(tmp_path):
    text = case("", model="    cassette: tapes/one.yaml\n")
    assert codes(tmp_path, text) == [("AR614", "warning")]
    recorded = "cassette: 1\nconversations:\n- {agent: desk, date: '2026-01-01', exchanges: [{user: hi}]}\n"
    assert codes(tmp_path, text, {"tests/tapes/one.yaml": recorded}) == []


@pytest.mark.parametrize("name", ["x" * 300, "/nowhere/one.yaml"])
def test_a_cassette_with_a_path_that_cannot_be_is_no_crash(tmp_path, name):
    assert codes(tmp_path, case("", model=f"    cassette: {name}\n")) == [("AR614", "warning")] * (name[0] == "x")


JUDGED = "    expect: {judge: {criteria: It is short., model: MODEL}}\n"


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.1-2025-04-14",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "gpt-4-0613",
        "gemini-1.5-pro-002",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "{name: llama3.2, base_url: 'http://localhost:11434/v1'}",
        "{api: scripted, name: a, script: [{content: a}]}",
        "'${JUDGE:-gpt-4.1-2025-04-14}'",
        "'${JUDGE:-gpt-4.1}'",
    ],
)
def test_a_judge_that_stays_the_same_is_left_alone(tmp_path, model):
    assert codes(tmp_path, case(JUDGED.replace("MODEL", model), model="    live: true\n")) == []


@pytest.mark.parametrize("model", ["gpt-4.1", "claude-sonnet-4-5", "{name: gpt-5}", "gpt-4o"])
def test_a_judge_without_a_date_is_a_warning(tmp_path, model):
    text = case(JUDGED.replace("MODEL", model), model="    live: true\n")
    assert codes(tmp_path, text) == [("AR916", "warning")]


@pytest.mark.parametrize(
    ("top", "model", "expected"),
    [
        ("pass_rate: 0.5\nlive: true\n", "", []),
        ("pass_rate: 0.5\n", "    live: true\n", []),
        ("pass_rate: 0.5\n", SCRIPT, [("AR918", "warning")]),
        ("", f"{SCRIPT}    pass_rate: 0.5\n", [("AR918", "warning")]),
        ("", "    cassette: a.yaml\n    pass_rate: 0.5\n", [("AR614", "warning"), ("AR918", "warning")]),
    ],
)
def test_a_rate_is_for_real_models(tmp_path, top, model, expected):
    assert sorted(codes(tmp_path, case("", model=model, top=top))) == expected


# -- scripts

CALL = '{tool_calls: [{name: find_order, arguments: {order_id: "1"}}]}'
HANDS_OVER = "{tool_calls: [{name: transfer_to_billing}]}"
TALK = "    conversation: [{user: a}, {user: b}]\n"


@pytest.mark.parametrize(
    ("script", "more"),
    [
        ("[{content: a}, {content: b}]", TALK),
        (f"[{CALL}, {{content: a}}, {HANDS_OVER}, {{content: b}}]", TALK),
        ("[{content: a}, {tool_calls: [{name: record, arguments: {text: a}}]}]", TALK),
        ("[{content: a}, {error: {status: 400}}]", f"{TALK}    expect: {{reason: model_error}}\n"),
        ("[{content: a}]", "    conversation: [{user: a}, {user: b, expect: {reason: model_error}}]\n"),
        (f"[{HANDS_OVER}, {{content: a}}]", ""),
    ],
)
def test_a_script_has_an_answer_for_each_message(tmp_path, script, more):
    assert codes(tmp_path, case(more, model=f"    model: {script}\n")) == []


@pytest.mark.parametrize(
    ("script", "more", "severity"),
    [
        (f"[{CALL}, {{content: a}}]", TALK, "warning"),
        ("[{content: a}, {content: b}, {content: c}]", TALK, "info"),
        (f"[{HANDS_OVER}]", "", "warning"),
        (f"[{{content: a}}, {HANDS_OVER}]", TALK, "warning"),
        (f"[{HANDS_OVER}, {{content: a}}, {{content: b}}]", "", "info"),
    ],
)
def test_a_script_of_too_few_or_too_many_turns_is_told(tmp_path, script, more, severity):
    assert set(codes(tmp_path, case(more, model=f"    model: {script}\n"))) == {("AR715", severity)}


def test_the_script_of_all_cases_must_do_for_the_longest_conversation(tmp_path):
    text = "agent: desk\nmodel: [{content: a}, {content: b}]\ncases:\n"
    text += "  - {name: one, args: {input: a}}\n  - {name: two, conversation: [{user: a}, {user: b}]}\n"
    assert codes(tmp_path, text) == []


def test_two_cases_that_are_left_alone_by_only_are_two_warnings(tmp_path):
    cases = "".join(f"  - {{name: {name}, only: true, args: {{input: a}}}}\n" for name in "ab")
    assert codes(tmp_path, f"agent: desk\nmodel: [{{content: a}}]\ncases:\n{cases}") == [("AR917", "warning")] * 2


@pytest.mark.parametrize(
    ("narrow", "wide", "is_covered"),
    [
        ("{order_id: '7', page: 1}", "{order_id: '7'}", True),
        ("{order_id: '7'}", "{order_id: '8'}", False),
        ("{page: 1}", "{page: 1.0}", True),
        ("{page: true}", "{page: 1}", False),
        ("{tags: [a, b]}", "{tags: [a]}", False),
    ],
)
def test_a_stub_is_said_to_be_unused_where_the_one_before_answers_its_calls(tmp_path, narrow, wide, is_covered):
    stubs = f"    tools: {{find_order: [{{when: {wide}, json: {{}}}}, {{when: {narrow}, json: {{}}}}]}}\n"
    assert (("AR918", "warning") in codes(tmp_path, case(stubs))) == is_covered
