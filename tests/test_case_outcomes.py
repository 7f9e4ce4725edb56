"""Cases that fail for sure, and expectations that say nothing: what is told of them, and what must not be."""

import textwrap

import pytest

from agentrun.project import read_project
from projects import write_project

FILES = {
    "tools.d/tools.yaml": """
        name: find_order
        description: Look an order up.
        parameters:
          type: object
          properties: {order_id: {type: string}, page: {type: integer, default: 1}}
          required: [order_id]
        http: {url: "https://orders.example.com/{order_id}"}
        ---
        name: refund_order
        description: Refund an order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        http: {url: "https://orders.example.com/{order_id}", method: POST}
        ---
        name: ask_clerk
        description: Ask the clerk.
        agent: clerk
        ---
        name: record
        description: Record the answer.
        parameters: {type: object, properties: {text: {type: string}}}
        final: true
    """,
    "agents/desk.yaml": """
        description: Answers questions about orders.
        model: gpt-4.1-mini
        tools: [find_order, refund_order, ask_clerk, record]
        handoffs: [billing]
    """,
    "agents/clerk.yaml": "description: Knows it.\nmodel: gpt-4.1-mini\ntools: [find_order]\n",
    "agents/billing.yaml": """
        description: Sends bills.
        model: gpt-4.1-mini
        tools: [refund_order]
        permissions: [{deny: ask_*}]
    """,
}
CALL = "{tool_calls: [{name: find_order, arguments: {order_id: '1'}}]}"
REFUND = "{tool_calls: [{name: refund_order, arguments: {order_id: '1'}}]}"
STUB = "tools: {find_order: {json: {}}}\n"


def found(folder, turns, more="", *, top="", args="args: {input: a}\n"):
    body = textwrap.indent(f"name: one\n{args}model: [{turns}]\n{textwrap.dedent(more)}", "    ").lstrip()
    text = f"agent: desk\n{top}cases:\n  - {body}"
    project = read_project(write_project(folder, FILES | {"tests/desk.test.yaml": text}), {})
    return [one for one in project.report().diagnostics if one.span.file.endswith("test.yaml")]


def codes(*arguments, **options):
    return [(one.code, one.severity) for one in found(*arguments, **options)]


TOLD = [("AR919", "warning")]

# -- stubs


@pytest.mark.parametrize(
    ("turns", "more"),
    [
        (f"{CALL}, {{content: a}}", ""),
        (f"{REFUND}, {{content: a}}", ""),  # nothing untrusted was read before: nobody is asked
        (f"{CALL}, {REFUND}, {{content: a}}", f"{STUB}approve: ['refund_*']\n"),
        (f"{CALL}, {CALL}, {{content: a}}", "tools: {find_order: [{json: {}}]}\n"),
        (f"{CALL}, {{content: a}}", "tools: {find_order: {when: {order_id: '2'}, json: {}}}\n"),
        (f"{CALL}, {{content: a}}", "tools: {find_order: {when: {page: 2}, json: {}}}\n"),
        (f"{CALL}, {{content: a}}", "tools: {refund_order: {json: {}}}\n"),
    ],
)
def test_a_call_that_no_stub_answers_is_told(tmp_path, turns, more):
    assert codes(tmp_path, turns, more) == TOLD


@pytest.mark.parametrize(
    ("turns", "more"),
    [
        (f"{CALL}, {{content: a}}", STUB),
        (f"{CALL}, {{content: a}}", "live_tools: true\n"),
        (f"{CALL}, {{content: a}}", "skip: later\n"),
        (f"{CALL}, {{content: a}}", "tools: {find_order: {when: {page: 1}, json: {}}}\n"),  # a default is filled in
        (f"{CALL}, {CALL}, {{content: a}}", "tools: {find_order: [{json: {}, times: 2}]}\n"),
        (f"{CALL}, {CALL}, {{content: a}}", "tools: {find_order: [{json: {}}, {when: {order_id: '1'}, json: {}}]}\n"),
        (f"{CALL}, {REFUND}, {{content: a}}", STUB),  # refused: nobody is there who could be asked
        (
            f"{CALL}, {REFUND}, {{content: a}}",
            f"{STUB}approve: [refund_order]\nrefuse: ['*']\n".replace("approve", "x-a"),
        ),
        ("{tool_calls: [{name: ask_clerk, arguments: {input: a}}]}, {content: b}, {content: c}", ""),
        ("{tool_calls: [{name: transfer_to_billing}]}, {content: c}", ""),
        ("{tool_calls: [{name: record, arguments: {text: a}}]}", ""),
        ("{tool_calls: [{name: find_order, arguments: '{'}]}, {content: a}", ""),
        (f"{{error: {{status: 400}}}}, {CALL}, {{content: a}}", "expect: {reason: model_error}\n"),
    ],
)
def test_a_call_that_needs_no_stub_or_may_not_be_made_is_not_told(tmp_path, turns, more):
    assert [one for one in found(tmp_path, turns, more) if one.code == "AR919"] == []


def test_a_stub_of_the_file_and_live_tools_of_the_file_count(tmp_path):
    turns = f"{CALL}, {{content: a}}"
    assert codes(tmp_path, turns, top=STUB) == []
    assert codes(tmp_path, turns, top="live_tools: true\n") == []
    assert codes(tmp_path, turns, "live_tools: false\n", top="live_tools: true\n") == TOLD


def test_the_first_call_without_a_stub_is_told_at_its_name(tmp_path):
    (one,) = found(tmp_path, f"{CALL}, {CALL}, {{content: a}}")
    assert (one.span.line, one.span.column) == (5, 34)
    assert one.help == "write `tools: {find_order: {json: …}}`; with `live_tools: true` it is really called"


# -- expectations


@pytest.mark.parametrize(
    "expect",
    [
        "{calls: [refund_order]}",
        "{calls: {exact: [find_order, refund_order]}}",
        "{calls: {any_order: [{name: refund_order, count: {at_least: 1}}]}}",
        "{calls: {same_turn: [find_order, refund_order]}}",
        "{calls: {count: {refund_order: 1}}}",
        "{calls: {count: {find_order: 2}}}",
        "{calls: {count: {'find_*': 0}}}",
        "{calls: {never: ['find_*']}}",
        "{calls: []}",
        "{calls: {exact: []}}",
        "{calls: {in_order: [find_order], never: [find_order]}}",
        "{calls: {in_order: [find_order], count: {'*': 0}}}",
        "{turns: 3}",
        "{turns: {at_least: 3}}",
        "{turns: 1}",
        "{turns: {at_most: 1}}",
        "{tokens: {at_most: 100}}",
        "{reason: length}",
        "{reason: refused}",
        "{reason: content_filter}",
        "{reason: final_tool}",
        "{approvals: [find_order]}",
        "{approvals: [refund_order]}",
    ],
)
def test_what_the_script_can_not_give_is_one_finding(tmp_path, expect):
    assert codes(tmp_path, f"{CALL}, {{content: a}}", f"{STUB}expect: {expect}\n") == TOLD


@pytest.mark.parametrize(
    "expect",
    [
        "{calls: [find_order]}",
        "{calls: {in_order: ['find_order'], never: [refund_order, record]}}",
        "{calls: {any_order: [{name: refund_order, count: 0}]}}",
        "{calls: {count: {find_order: 1, '*': {at_most: 1}, refund_order: 0}}}",
        "{calls: {exact: [find_order]}, turns: 2}",
        "{turns: {at_least: 1, at_most: 9}}",
        "{reason: answered, approvals: []}",
        "{reason: max_turns}",
    ],
)
def test_what_the_script_can_give_is_not_told(tmp_path, expect):
    assert codes(tmp_path, f"{CALL}, {{content: a}}", f"{STUB}expect: {expect}\n") == []


def test_a_call_that_only_may_be_made_forbids_nothing(tmp_path):
    turns = f"{{content: a, error: cut}}, {CALL}, {{content: a}}"
    assert codes(tmp_path, turns, f"{STUB}expect: {{calls: []}}\n") == []
    assert codes(tmp_path, turns, f"{STUB}expect: {{calls: [refund_order]}}\n") == TOLD


def test_each_step_is_asked_for_its_own_calls(tmp_path):
    steps = "conversation: [{user: a, expect: {calls: [find_order]}}, {user: b, expect: {calls: [refund_order]}}]\n"
    (one,) = found(tmp_path, f"{CALL}, {{content: a}}, {{content: b}}", f"{steps}{STUB}", args="")
    assert one.message == "a call of `refund_order` is expected, and the script makes none"


def test_a_case_with_an_error_has_no_further_findings_of_this_kind(tmp_path):
    assert [code for code, _ in codes(tmp_path, f"{CALL}, {{content: a}}", "stubs: {find_order: {json: {}}}\n")] == [
        "AR301"
    ]


def test_a_limit_ends_a_run_before_its_script(tmp_path):
    limited = {"agents/desk.yaml": FILES["agents/desk.yaml"] + "        limits: {max_turns: 2}\n"}
    text = f"name: a\n    args: {{input: a}}\n    model: [{CALL}, {CALL}]\n    {STUB}"
    text += "    expect: {turns: 2, reason: max_turns}"
    files = FILES | limited | {"tests/desk.test.yaml": f"agent: desk\ncases:\n  - {text}\n"}
    project = read_project(write_project(tmp_path, files), {})
    assert [one for one in project.report().diagnostics if one.span.file.endswith("test.yaml")] == []


def test_a_script_that_fails_can_not_end_well(tmp_path):
    turns = f"{CALL}, {{error: {{status: 500}}}}"
    assert codes(tmp_path, turns, STUB) == TOLD
    assert codes(tmp_path, turns, f"{STUB}expect: {{reason: model_error}}\n") == []
    assert codes(tmp_path, "{error: {status: 500}}, {content: a}") == []


# -- arguments in the script


@pytest.mark.parametrize(
    ("arguments", "line", "title"),
    [("{order_id: 1}", "1", "put it in quotes"), ("{orderId: '1'}", "orderId", "write `order_id`"), ("{}", "{}", None)],
)
def test_a_call_of_the_script_that_its_tool_refuses_is_told_where_it_is_wrong(tmp_path, arguments, line, title):
    turns = f"{{tool_calls: [{{name: find_order, arguments: {arguments}}}]}}, {{content: a}}"
    (one,) = found(tmp_path, turns, STUB)
    assert (one.code, one.severity, one.fix and one.fix.title) == ("AR907", "warning", title)
    text = (tmp_path / "tests/desk.test.yaml").read_text().splitlines()[one.span.line - 1]
    assert text[one.span.column - 1 : one.span.end_column - 1] == line


@pytest.mark.parametrize("error", ["invalid_arguments", "true"])
def test_a_call_that_is_refused_on_purpose_is_not_told(tmp_path, error):
    wrong = "{tool_calls: [{name: find_order, arguments: {order_id: 1}}]}"
    expect = f"expect: {{calls: [{{name: find_order, error: {error}}}]}}\n"
    assert codes(tmp_path, f"{wrong}, {{content: a}}", f"{STUB}{expect}") == []
    assert codes(tmp_path, f"{wrong}, {CALL}, {{content: a}}", STUB) == []  # the model mends it


def test_a_tool_that_is_unknown_on_purpose_is_not_told(tmp_path):
    turns = "{tool_calls: [{name: find_ordr}]}, {content: a}"
    assert codes(tmp_path, turns, "expect: {calls: [{name: find_ordr, error: unknown_tool}]}\n") == []


# -- what says nothing

EMPTY = [
    *("calls: {}", "calls: {in_order: []}", "calls: {any_order: []}", "calls: {never: []}", "calls: {count: {}}"),
    *("calls: {same_turn: []}", "calls: {same_turn: [find_order]}", "calls: {count: {find_order: {at_least: 0}}}"),
    *(
        "answer: {}",
        "answer: {contains: ''}",
        "answer: {contains: []}",
        "answer: {icontains: ['']}",
        "answer: {not: {}}",
    ),
    *("answer: {matches: ''}", "answer: {starts_with: ''}", "answer: {length: {at_least: 0}}", "answer: {where: {}}"),
    *("answer: {equals: null}", "answer: {contains: }", "turns: {}", "turns: {at_least: 0}", "latency: {at_least: 0}"),
    *("calls: [{name: find_order, where: {}}]", "calls: [{name: find_order, result: {contains: ''}}]"),
]


@pytest.mark.parametrize("expect", EMPTY)
def test_an_expectation_that_always_holds_is_one_finding(tmp_path, expect):
    assert codes(tmp_path, f"{CALL}, {{content: a}}", f"{STUB}expect: {{{expect}}}\n") == [("AR918", "warning")]


@pytest.mark.parametrize(
    "expect",
    [
        *("approvals: []", "answer: a", "answer: {equals: ''}", "answer: {not: {contains: b}}", "turns: {at_least: 1}"),
        *("answer: {schema: {}}", "answer: {includes: {}}", "answer: {at_least: 0}", "calls: {count: {'*': 1}}"),
        *("calls: [{name: find_order, arguments: {}}]", "calls: [{name: find_order, request: {}}]"),
    ],
)
def test_an_expectation_that_may_fail_is_not_told(tmp_path, expect):
    assert codes(tmp_path, f"{CALL}, {{content: a}}", f"{STUB}expect: {{{expect}}}\n") == []


def test_an_expectation_without_content_says_that_an_answer_is_enough(tmp_path):
    assert codes(tmp_path, "{content: a}", "expect: {}\n") == [("AR918", "info")]
    assert codes(tmp_path, "{content: a}", "expect:\n") == []


@pytest.mark.parametrize(
    ("more", "top", "told"),
    [
        ("approve: [refund_order]\nrefuse: ['refund_*']\n", "", 1),
        ("approve: [refund_order]\n", "refuse: {refund_order: no}\n", 1),
        ("refuse: [refund_order]\n", "approve: ['*']\n", 0),
        ("approve: ['*']\nrefuse: [refund_order]\n", "", 0),
    ],
)
def test_what_is_approved_and_refused_is_told_where_it_is_approved(tmp_path, more, top, told):
    assert codes(tmp_path, "{content: a}", more, top=top) == [("AR918", "warning")] * told


def test_the_input_of_a_conversation_is_told_to_be_unused(tmp_path):
    (one,) = found(tmp_path, "{content: a}", "conversation: [{user: a}]\n")
    assert (one.code, one.message) == ("AR918", "`input` is not used: the `conversation` has what the user says")


def test_a_count_of_tokens_under_another_name_is_mended(tmp_path):
    turns = "{content: a, usage: {prompt_tokens: 1, output_tokens: 2, cached_tokens: 0}}"
    (one,) = found(tmp_path, turns)
    assert (one.code, one.fix.title) == ("AR918", "write `input_tokens`")


def test_a_variable_that_is_misspelt_is_told_and_another_is_not(tmp_path):
    files = {"agents/desk.yaml": "description: A.\nmodel: {name: gpt-4.1-mini, base_url: '${DESK_URL:-}'}\n"}
    text = "agent: desk\nenv: {DESK_ULR: a, OTHER: b}\ncases: [{name: a, args: {input: a}, model: [{content: a}]}]\n"
    project = read_project(write_project(tmp_path, files | {"tests/a.test.yaml": text}), {})
    (one,) = project.report().diagnostics
    assert (one.code, one.help, one.fix.title) == ("AR918", "did you mean `DESK_URL`?", "write `DESK_URL`")
