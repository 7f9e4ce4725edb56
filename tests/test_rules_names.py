"""Names, permissions, scripts, test files and misplaced files: what the examples of the pages don't show.

Above all what is not found: a rule that speaks of what is right is worse than none.
"""

from fnmatch import fnmatchcase
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.events import Reason
from agentrun.project import read_project
from agentrun.spec.case_types import StubSpec
from agentrun.spec.rules.case_stubs import STUB_KEYS
from agentrun.spec.rules.cases import REASONS
from agentrun.spec.rules.permissions import covers
from projects import write_project

TOOLS = {
    "tools.d/tools.yaml": """
        name: find_order
        description: Look an order up.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        http: {url: "https://orders.example.com/{order_id}"}
        ---
        name: refund_order
        description: Refund an order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        http: {url: "https://orders.example.com/{order_id}", method: POST}
        ---
        name: record
        description: Record the answer.
        parameters: {type: object, properties: {text: {type: string}}}
        final: true
    """
}
DESK = "model: gpt-4.1-mini\ntools: [find_order, refund_order]\n"
MINE = ("AR105", "AR411", "AR412", "AR414", "AR415", "AR715", *(f"AR90{digit}" for digit in range(1, 10)))


def found(folder, files, **options):
    """The findings that are the subject here, as code, severity and message."""
    report = read_project(write_project(folder, TOOLS | files), {}, **options).report()
    return [one for one in report.diagnostics if one.code in MINE]


def codes(folder, files, **options):
    return [one.code for one in found(folder, files, **options)]


def agent(more, tools="[find_order, refund_order]"):
    return {"agents/desk.yaml": f"model: gpt-4.1-mini\ntools: {tools}\n{more}\n"}


def case(more, top="", agents=DESK):
    text = f"agent: desk\n{top}cases:\n  - name: one\n    args: {{input: Hello}}\n{more}"
    return {"agents/desk.yaml": agents, "tests/desk.test.yaml": text}


# -- permissions

GLOBS = st.lists(st.sampled_from(["a", "b", "_", "*", "?", "[ab]", "[!a]"]), max_size=5).map("".join)


@given(GLOBS, GLOBS, st.lists(st.text("ab_c", max_size=6), max_size=20))
def test_a_glob_that_covers_another_matches_all_that_it_matches(wide, narrow, names):
    if covers(wide, narrow):
        assert all(fnmatchcase(name, wide) for name in names if fnmatchcase(name, narrow))


@given(GLOBS)
def test_every_glob_is_covered_by_itself_and_by_a_star(pattern):
    assert covers(pattern, pattern)
    assert covers("*", pattern)


@given(GLOBS, GLOBS)
def test_a_glob_covers_what_is_put_between_its_stars(inside, around):
    assert covers(f"*{inside}*", f"{around}{inside}{around}")


@pytest.mark.parametrize(
    ("wide", "narrow"), [("find_*", "*"), ("?", "*"), ("a*b", "a*"), ("[ab]", "?"), ("[ab]", "[abc]"), ("", "*")]
)
def test_a_narrow_glob_does_not_cover_a_wide_one(wide, narrow):
    assert not covers(wide, narrow)


@pytest.mark.parametrize(
    "rules",
    [
        '[{allow: find_*}, {deny: "*"}]',
        '[{allow: "find_order"}, {ask: "*"}]',
        '[{deny: "*", when: "{{ args.order_id == \'1\' }}"}, {allow: find_*}]',
        # Where the condition can't be evaluated the first rule does not match, and the second one asks.
        '[{allow: find_*, when: "{{ args.order_id > 1 }}"}, {ask: find_order, when: "{{ args.order_id > 1 }}"}]',
        '[{deny: "nothing_*"}]',
        '[{allow: "*_order"}, {deny: "find_*", allow: x}]',
    ],
)
def test_rules_that_may_decide_are_left_alone(tmp_path, rules):
    assert "AR414" not in codes(tmp_path, agent(f"permissions: {rules}"))


def test_a_listed_tool_that_no_rule_lets_pass_before_all_are_denied_is_told(tmp_path):
    (one,) = found(tmp_path, agent('permissions: [{allow: find_*}, {deny: "*"}]'))
    assert one.message == "every call of `refund_order` is refused by `deny: *`"


def test_a_rule_of_the_same_condition_never_decides(tmp_path):
    when = "when: \"{{ args.order_id == '1' }}\""
    assert codes(tmp_path, agent(f"permissions: [{{deny: '*', {when}}}, {{allow: find_*, {when}}}]")) == ["AR414"]


def test_a_rule_that_matches_no_tool_is_not_said_to_be_shadowed_as_well(tmp_path):
    assert codes(tmp_path, agent('permissions: [{deny: "*"}, {allow: git_*}]')) == []


def test_tools_of_a_base_may_be_taken_away(tmp_path):
    base = {"agents/_base.yaml": DESK}
    own = {"agents/desk.yaml": "extends: _base\npermissions: [{deny: refund_*}]\n"}
    assert codes(tmp_path, base | own) == []


def test_tools_of_a_glob_may_be_taken_away(tmp_path):
    assert codes(tmp_path, agent("permissions: [{deny: refund_*}]", '["*_order"]')) == []


def test_a_tool_that_is_asked_for_before_it_is_denied_is_not_refused_always(tmp_path):
    rules = "[{ask: find_order, when: \"{{ args.order_id == '1' }}\"}, {deny: find_order}]"
    assert codes(tmp_path, agent(f"permissions: {rules}")) == []


# -- names and agents as tools


def test_three_agents_that_are_alike_are_two_findings_that_lead_to_the_first(tmp_path):
    files = {f"agents/{name}.yaml": "model: gpt-4.1-mini\n" for name in ("order-desk", "order_desk", "orderDesk")}
    alike = found(tmp_path, files)
    assert [one.code for one in alike] == ["AR411", "AR411"]
    assert {one.related[0].message for one in alike} == {"`order-desk` is defined here"}


def test_names_that_differ_in_a_letter_are_left_alone(tmp_path):
    files = {f"agents/{name}.yaml": "model: gpt-4.1-mini\n" for name in ("order1", "order2", "orders")}
    assert codes(tmp_path, files) == []


CLERK = """
    model: gpt-4.1-mini
    parameters:
      type: object
      properties: {question: {type: string}, locale: {type: string, default: en}}
      required: [question, locale]
      additionalProperties: MORE
    input: "{{ args.question }}"
"""


@pytest.mark.parametrize(
    ("parameters", "more", "expected"),
    [
        ("{question: {type: string}}, required: [question]", "false", []),
        ("{question: {type: string}, pages: {type: integer}}, required: [question]", "true", []),
        ("{question: {type: string}, pages: {type: integer}}, required: [question]", "false", ["error"]),
        ("{question: {type: string, default: Hello}}", "false", []),
        ("{question: {type: string}}", "false", ["warning"]),
        ("{questions: {type: string}}, required: [questions]", "false", ["error"]),
        ("{locale: {type: string}}", "false", ["error"]),
        ('{}, allOf: [{"$ref": "#/$defs/x"}], $defs: {x: {}}', "false", []),
    ],
)
def test_a_tool_gives_an_agent_what_it_requires(tmp_path, parameters, more, expected):
    tool = f"[{{agent: clerk, parameters: {{type: object, properties: {parameters}}}}}]"
    files = {"agents/clerk.yaml": CLERK.replace("MORE", more)} | agent("", tool)
    assert [(one.code, one.severity) for one in found(tmp_path, files)] == [("AR412", one) for one in expected]


# -- scripts

CALL = '{tool_calls: [{name: find_order, arguments: {order_id: "1"}}]}'


def scripted(script, more="", model="", tools="[find_order, record]"):
    return {"agents/desk.yaml": f"model: {{api: scripted, script: {script}{model}}}\ntools: {tools}\n{more}\n"}


@pytest.mark.parametrize(
    "files",
    [
        scripted("[{tool_calls: [{name: record, arguments: {text: a}}]}]"),
        scripted(f"[{CALL}]", "limits: {max_turns: 1}"),
        scripted(f"[{CALL}, {CALL}]", "limits: {max_tool_calls: 1}"),
        scripted(f"[{CALL}, {CALL}, {CALL}, {CALL}]"),
        scripted(f"[{CALL}]", "limits: {timeout: 1}"),
        scripted(f"[{CALL}]", model=", fallback: [gpt-4.1-mini]"),
        scripted(f"[{CALL}, {{error: reset}}]"),
        scripted("[{tool_calls: [{name: find_order}], finish_reason: content_filter}]"),
        scripted('[{content: ""}, {finish_reason: length}, {chunks: [a]}, {content: b}]'),
        scripted("[]"),
        scripted("{file: nothing.yaml}"),
    ],
)
def test_a_script_that_is_meant_to_stop_or_goes_on_is_left_alone(tmp_path, files):
    assert codes(tmp_path, files) == []


def test_a_script_in_a_file_is_told_where_it_stands(tmp_path):
    (one,) = found(tmp_path, scripted("{file: ../scripts/turns.yaml}") | {"scripts/turns.yaml": f"- {CALL}\n"})
    assert (one.code, one.span.file.rsplit("/", 1)[-1], one.span.line) == ("AR715", "turns.yaml", 1)


def test_a_script_whose_last_call_is_misspelt_has_one_finding(tmp_path):
    assert codes(tmp_path, scripted("[{tool_calls: [{name: recrod}]}]")) == ["AR902"]


def test_a_case_that_expects_to_be_stopped_may_end_with_a_call(tmp_path):
    assert codes(tmp_path, case(f"    model: [{CALL}]\n    expect: {{reason: model_error}}\n")) == []
    assert codes(tmp_path, case(f"    model: [{CALL}]\n    expect: {{reason: answered}}\n")) == ["AR715"]


def test_the_script_of_all_cases_may_end_early_where_one_of_them_expects_it(tmp_path):
    assert codes(tmp_path, case("    expect: {reason: model_error}\n", f"model: [{CALL}]\n")) == []


def test_turns_behind_an_answer_may_be_for_an_answer_that_breaks_its_format(tmp_path):
    turns = '    model: [{content: "no"}, {content: "{}"}]\n'
    assert codes(tmp_path, case(turns)) == ["AR715"]
    assert codes(tmp_path, case(turns, agents=f"{DESK}response_format: {{type: json_object}}\n")) == []


# -- tests


def test_the_reasons_are_those_of_a_run():
    assert get_args(Reason) == REASONS


def test_a_stub_has_no_key_that_no_backend_has():
    everywhere = {"error", "delay", "when", "times"}
    fields = {field.encode_name for field in msgspec.structs.fields(StubSpec)}
    assert {key for keys in STUB_KEYS.values() for key in keys} == fields - everywhere


SUBAGENT = "model: gpt-4.1-mini\ntools: [find_order, {agent: clerk}]\n"


def test_a_tool_of_an_agent_that_the_agent_runs_counts_as_its_own(tmp_path):
    stub = "    model: [{content: a}]\n    tools: {record: {error: {type: timeout}}, refund_order: {json: {}}}\n"
    clerk = {"agents/clerk.yaml": "model: gpt-4.1-mini\ntools: [refund_order]\n"}
    assert codes(tmp_path, case(stub, agents=SUBAGENT) | clerk) == ["AR901"]


@pytest.mark.parametrize(
    "agents",
    [
        "model: gpt-4.1-mini\ntools: [find_ordr]\n",
        "model: gpt-4.1-mini\ntool: [find_order]\n",
        "extends: _nothing\nmodel: gpt-4.1-mini\n",
        "model: gpt-4.1-mini\ntools: {find_order: 1}\n",
        "- model: gpt-4.1-mini\n",
    ],
)
def test_where_the_agent_has_a_mistake_its_tools_are_not_missed_in_tests(tmp_path, agents):
    stub = "    model: [{content: a}]\n    tools: {find_order: {json: {}}}\n    approve: [find_order]\n"
    assert set(codes(tmp_path, case(stub, agents=agents))) <= ({"AR901", "AR905"} if "{find" in agents else set())


def test_a_tool_that_could_not_be_read_is_not_missed(tmp_path):
    broken = {"tools.d/git.yaml": "name: git_log\ndescription: [\n"}
    stub = "    model: [{content: a}]\n    tools: {git_log: {stdout: a}}\n    approve: [git_*]\n"
    assert codes(tmp_path, case(stub) | broken) == []


def test_members_of_a_set_are_taken_on_trust(tmp_path):
    github = {"tools.d/github.yaml": "description: GitHub.\nmcp: {command: [github]}\n"}
    stub = "    model: [{content: a}]\n    tools: {github_search: {result: a}}\n    approve: [github_*]\n"
    assert codes(tmp_path, case(stub, agents="model: gpt-4.1-mini\ntools: [github]\n") | github) == []


@pytest.mark.parametrize("api", ["scripted, script: [{content: a}]", "offline"])
def test_an_agent_that_needs_no_service_brings_its_model_along(tmp_path, api):
    assert codes(tmp_path, case("", agents=f"model: {{api: {api}}}\n")) == []


@pytest.mark.parametrize("key", ["modell: [{content: a}]", "script: [{content: a}]", "Live: true"])
def test_a_case_whose_model_is_misspelt_has_one_finding(tmp_path, key):
    assert codes(tmp_path, case(f"    {key}\n")) == []


@pytest.mark.parametrize("key", ["model: [{content: a}]", "cassette: desk.cassette.yaml", "live: true"])
def test_a_model_at_the_top_is_for_all_cases(tmp_path, key):
    assert codes(tmp_path, case("", f"{key}\n")) == []


def test_a_case_with_an_empty_script_has_no_model(tmp_path):
    text = "agent: desk\ncases: [{name: a, args: {input: x}, model: []}]\n"
    agents = {"agents/desk.yaml": "description: Answers.\nmodel: gpt-4.1-mini\n"}
    assert codes(tmp_path, {"tests/desk.test.yaml": text} | agents) == ["AR909"]


def test_arguments_may_be_left_to_their_defaults_and_further_ones_passed_where_the_agent_says_so(tmp_path):
    clerk = CLERK.replace("MORE", "{type: string}").replace("\n    ", "\n").strip() + "\n"
    text = "agent: desk\nlive: true\ncases:\n  - {name: a, args: {question: Who?, color: red}}\n"
    assert codes(tmp_path, {"agents/desk.yaml": clerk, "tests/desk.test.yaml": text}) == []


def test_defaults_inside_an_argument_are_filled_in_before_it_is_judged(tmp_path):
    agents = """
        model: gpt-4.1-mini
        parameters:
          type: object
          properties:
            page: {"$ref": "#/$defs/page", properties: {size: {type: integer, default: 5}}}
          required: [page]
          $defs: {page: {type: object, required: [size]}}
        input: "{{ args.page }}"
    """
    text = "agent: desk\nlive: true\ncases:\n  - {name: a, args: {page: {}}}\n  - {name: b, args: {page: {size: x}}}\n"
    (one,) = found(tmp_path, {"agents/desk.yaml": agents, "tests/desk.test.yaml": text})
    assert (one.code, one.span.line) == ("AR903", 5)
    assert "`page.size`" in one.message


@pytest.mark.parametrize(
    ("more", "fixed"),
    [
        ("    tools: {findOrder: {json: {}}}\n", "find_order"),
        ("    approve: [refund-order]\n", "refund_order"),
        ("    expect: {calls: [{name: 'find-order'}]}\n", "find_order"),
        ("    expect: {reason: Answered}\n", "answered"),
        ("    expect: {calls: [{name: find_order, arguments: {order-id: '1'}}]}\n", "order_id"),
    ],
)
def test_another_spelling_is_mended_and_then_clean(tmp_path, more, fixed):
    files = case(f"    model: [{{content: a}}]\n{more}")
    (one,) = found(tmp_path, files)
    assert one.fix is not None
    assert one.fix.safe
    (edit,) = one.fix.edits
    path = tmp_path / "tests/desk.test.yaml"
    lines = path.read_text().splitlines(keepends=True)
    line = lines[edit.span.line - 1]
    lines[edit.span.line - 1] = line[: edit.span.column - 1] + edit.text + line[edit.span.end_column - 1 :]
    assert fixed in edit.text
    assert codes(tmp_path, files | {"tests/desk.test.yaml": "".join(lines)}) == []


def test_a_name_that_is_written_beside_is_not_offered_as_a_fix(tmp_path):
    more = "    model: [{content: a}]\n    tools: {find_order: {json: {}}, find-order: {json: {}}}\n"
    (one,) = found(tmp_path, case(more))
    assert one.fix is None


@pytest.mark.parametrize("pattern", ["a{99999999999999}", "[[a]", "(?P<x"])
def test_any_pattern_that_python_refuses_is_a_finding(tmp_path, pattern):
    more = f"    model: [{{content: a}}]\n    expect: {{answer: {{not: {{matches: '{pattern}'}}}}}}\n"
    assert codes(tmp_path, case(more)) == (["AR908"] if pattern != "[[a]" else [])


# -- misplaced files


@pytest.mark.parametrize(
    "path",
    [
        "agents/prompts/support.yaml",
        "agents/scripts/turns.yaml",
        "agents/_old/support.yaml",
        "agents/.idea/support.yaml",
        "agents/nested/agents/support.yaml",
        "tools.d/specs/petstore.yaml",
        "tests/fixtures/test_orders.yaml",
        "tests/orders.yaml",
        "test/orders.yaml",
        ".agents/support.yaml",
        "agent/readme.md",
        "tools/release.sh",
        "support.yaml",
    ],
)
def test_what_may_be_there_for_something_else_is_left_alone(tmp_path, path):
    assert codes(tmp_path, agent("") | {path: "a: 1\n"}) == []


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("Agents/a.yaml", "warning"),
        ("agent.d/a.yaml", "warning"),
        ("Tools.d/a.yml", "warning"),
        ("tools_d/a.yaml", "warning"),
        ("Tests/a.test.yaml", "warning"),
        ("tools.d/find.test.yaml", "error"),
        ("tests/deep/down/find-test.yaml", "warning"),
        ("tests/find.tests.yml", "warning"),
    ],
)
def test_other_names_are_found(tmp_path, path, severity):
    if (tmp_path / path).parent.exists():
        pytest.skip("this file system does not tell upper case from lower")
    assert [(one.code, one.severity) for one in found(tmp_path, agent("") | {path: "a: 1\n"})] == [("AR105", severity)]


def test_a_folder_has_one_finding(tmp_path):
    strays = {f"{folder}/test_{name}.yaml": "a: 1\n" for folder in ("tests/a", "agents/a", "tools") for name in "xyz"}
    assert codes(tmp_path, agent("") | strays) == ["AR105"] * 3


def test_a_folder_that_is_given_is_read_and_not_misplaced(tmp_path):
    files = agent("", "[today]") | {"tools/today.yaml": "description: Today.\nshell: {command: [date]}\n"}
    assert codes(tmp_path, files, tools=[tmp_path / "tools"]) == []
    assert codes(tmp_path, files) == ["AR105"]


def test_tests_of_a_project_inside_are_not_looked_at(tmp_path):
    inside = {
        "tests/shop/agents/a.yaml": "model: gpt-4.1-mini\n",
        "tests/shop/tests/test_a.yaml": "a: 1\n",
        "tests/shop/tests/a.test.yaml": "a: 1\n",
    }
    project = read_project(write_project(tmp_path, agent("") | TOOLS | inside), {})
    assert project.catalog.tests == []
    assert not any("shop" in one.span.file for one in project.report().diagnostics)


def test_a_test_that_stands_among_agents_is_no_agent(tmp_path):
    project = read_project(write_project(tmp_path, agent("") | TOOLS | {"agents/desk.test.yaml": "agent: desk\n"}), {})
    assert list(project.catalog.agents) == ["desk"]
    errors = [one.span.file for one in project.report().diagnostics if one.severity == "error"]
    assert [file.rsplit("/", 1)[-1] for file in errors] == ["desk.test.yaml"]
