"""`each`: one case of a test file that stands for many, and what is found wrong with it."""

import time

import pytest

from agentrun.project import read_project
from agentrun.spec.each import expanded
from agentrun.spec.yaml_nodes import read_text
from agentrun.testing.plan import cases_of
from projects import write_project

AGENT = {"agents/desk.yaml": "description: Answers.\nmodel: gpt-4.1-mini\n"}


def project_of(folder, case, more=""):
    text = f"agent: desk\n{more}cases:\n{case}"
    return read_project(write_project(folder, AGENT | {"tests/desk.test.yaml": text}), {})


def cases(folder, case):
    project = project_of(folder, case)
    assert [one for one in project.report().diagnostics if one.severity == "error"] == []
    return cases_of(project.catalog.tests)


def found(folder, case, more=""):
    return [one for one in project_of(folder, case, more).report().diagnostics if one.code != "AR715"]


def plain(text):
    (node,) = read_text("a.test.yaml", text).documents
    made = expanded(node)
    assert made.found == []
    return made.node.data()["cases"]


# -- what is made


def test_a_list_makes_a_case_for_each_row_with_its_values_behind_the_name(tmp_path):
    made = cases(
        tmp_path,
        """
  - name: sells
    each: [{city: Oslo, n: 1}, {city: Rome, n: 2}]
    args: {input: "{{ each.n }} in {{ each.city }}"}
    model: [{content: "{{ each.city }}"}]
""",
    )
    assert [one.name for one in made] == ["sells [city=Oslo, n=1]", "sells [city=Rome, n=2]"]
    assert [one.args for one in made] == [{"input": "1 in Oslo"}, {"input": "2 in Rome"}]
    assert [one.script[0].content for one in made] == ["Oslo", "Rome"]


def test_a_mapping_makes_a_case_of_each_combination_in_the_order_that_is_written():
    made = plain('cases:\n  - {name: "{{ each.b }}{{ each.a }}", each: {b: [x, y], a: [1, 2]}}\n')
    assert [one["name"] for one in made] == ["x1", "x2", "y1", "y2"]


def test_exactly_one_template_keeps_its_type_and_a_mixed_text_is_a_text():
    each = "[{n: 429, b: true, x: null, l: [1, {k: v}]}]"
    case = f'{{name: a, each: {each}, v: ["{{{{ each.n }}}}", "{{{{ each.b }}}}", " {{{{ each.n }}}}!"'
    made = plain(f'cases:\n  - {case}, "{{{{ each.l }}}}", "{{{{ each.x }}}}"]}}\n')
    assert made[0]["v"] == [429, True, " 429!", [1, {"k": "v"}], None]


def test_a_name_is_a_text_whatever_the_value():
    made = plain('cases:\n  - {name: "{{ each.n }}", each: [{n: 1}, {n: a}]}\n')
    assert [one["name"] for one in made] == ["1", "a"]


def test_rows_may_be_merged_from_an_anchor():
    made = plain("x-row: &row {n: 1}\ncases:\n  - {name: a, each: [{<<: *row, m: 2}], v: '{{ each.n + each.m }}'}\n")
    assert [(one["name"], one["v"]) for one in made] == [("a [m=2, n=1]", 3)]


def test_other_templates_and_other_cases_stay_as_they_are():
    made = plain(
        """
cases:
  - {name: a, args: {x: "{{ each.n }}"}}
  - {name: b, each: [{n: 1}], args: {x: "{{ args.y }}", y: "each", z: "{{ each.n }}"}}
"""
    )
    assert made[0] == {"name": "a", "args": {"x": "{{ each.n }}"}}
    assert made[1]["args"] == {"x": "{{ args.y }}", "y": "each", "z": 1}


def test_keys_and_aliased_values_are_filled_in():
    made = plain(
        """
cases:
  - name: a
    x-shared: &shared {json: "{{ each.n }}"}
    each: [{tool: find, n: 1}, {tool: sell, n: 2}]
    tools: {"{{ each.tool }}": *shared, other: *shared}
"""
    )
    assert [one["tools"] for one in made] == [
        {"find": {"json": 1}, "other": {"json": 1}},
        {"sell": {"json": 2}, "other": {"json": 2}},
    ]


def test_a_value_that_looks_like_a_template_is_not_filled_in_again():
    made = plain('cases:\n  - {name: a, each: [{n: "{{ each.n }}"}], x: "<{{ each.n }}>"}\n')
    assert made[0]["x"] == "<{{ each.n }}>"


def test_long_values_are_cut_in_the_name_and_names_that_become_alike_are_counted():
    made = plain(
        f"cases:\n  - {{name: a, each: [{{t: {'x' * 80}}}, {{t: {'x' * 90}}}, {{t: [1]}}], v: '{{{{ each.t }}}}'}}\n"
    )
    assert [one["name"] for one in made] == [f"a [t={'x' * 23}…]", f"a [t={'x' * 23}…] #2", "a [t=[1]]"]


def test_what_is_the_same_in_all_cases_is_not_copied():
    text = 'cases:\n  - {name: a, each: {n: [1, 2]}, x: {y: [z]}, v: "{{ each.n }}"}\n'
    (node,) = read_text("a.test.yaml", text).documents
    first, second = expanded(node).node.content["cases"].content
    assert first.content["x"] is second.content["x"]


def test_a_row_may_lack_a_value_that_the_case_has_a_default_for():
    made = plain('cases:\n  - {name: a, each: [{n: 1}, {}], v: "{{ each.n | default(7) }}"}\n')
    assert [one["v"] for one in made] == [1, 7]


def test_a_document_without_each_is_given_back_as_it_is():
    (node,) = read_text("a.test.yaml", "cases: [{name: a}]\n").documents
    assert expanded(node).node is node


@pytest.mark.parametrize("each", ["3", "text", "[1, 2]", "{a: 1}", "[[a]]"])
def test_an_each_of_another_form_is_left_to_the_schema(tmp_path, each):
    errors = found(tmp_path, f"  - {{name: a, args: {{input: b}}, model: [{{content: c}}], each: {each}}}\n")
    assert {one.code for one in errors} == {"AR303"}


# -- what is found

SCRIPT = "    model: [{content: a}]\n"


def case(each, text, name="a"):
    return f"  - name: {name}\n    each: {each}\n    args: {{input: '{text}'}}\n{SCRIPT}"


@pytest.mark.parametrize(
    ("each", "text", "message"),
    [
        ("[{town: Oslo}]", "{{ each.twon }}", "`each` has no value `twon`"),
        ("[{town: Oslo}]", '{{ each["twon"] }}', "`each` has no value `twon`"),
        ("[]", "{{ each.town }}", "`each` has no values, so that no case is made of it"),
        ("{}", "{{ each.town }}", "`each` has no values, so that no case is made of it"),
        ("{town: [a], n: []}", "{{ each.town }}", "`each` has no values, so that no case is made of it"),
        ("[{town: a}, {n: 1}]", "{{ each.town }}", "this row of `each` gives no `town`, which the case uses"),
        ("[{town: a}]", "{{ each.town + run.date }}", "`run` is not known here: a case is filled in from `each` alone"),
        ("[{town: a}]", "{{ each.town + args.x }}", "`args` is not known here: a case is filled in from `each` alone"),
        ("[{town: a}]", "{{ each.town", "the template can't be read: "),
        ("[{town: a}]", "{{ each.town | nofilter }}", "the template can't be read: there is no filter `nofilter`"),
        ("[{town: a}]", "{{ each.town / 2 }}", "the template fails with [town=a]: "),
    ],
)
def test_a_mistake_is_one_finding(tmp_path, each, text, message):
    (one,) = found(tmp_path, case(each, text))
    assert (one.code, one.severity) == ("AR910", "error")
    assert one.message.startswith(message)


def test_an_unknown_value_is_found_at_its_name_with_a_fix(tmp_path):
    (one,) = found(tmp_path, case("{n: [1, 2], m: [3, 4]}", "x {{ each.N }} {{ each.m }}"))
    assert (one.span.line, one.span.end_column - one.span.column) == (5, 1)
    assert one.help == "did you mean `n`?"
    assert (one.fix.title, one.fix.safe) == ("write `n`", True)


def test_rows_without_a_mistake_are_checked_all_the_same(tmp_path):
    text = case("[{n: 1}, {m: 1}]", "{{ each.n }}', more: '1")
    assert sorted({one.code for one in found(tmp_path, text)}) == ["AR903", "AR910"]


def test_a_mistake_in_what_is_the_same_in_all_cases_is_told_once(tmp_path):
    (one,) = found(tmp_path, case("{n: [1, 2, 3]}", "#{{ each.n }}") + "    turns: 7\n")
    assert one.message == "unknown key `turns` in `cases[0]`"


def test_places_in_messages_count_cases_as_the_file_does(tmp_path):
    second = "  - {name: b, args: {input: x}, model: [{content: a}], timeout: no}\n"
    (one,) = found(tmp_path, case("{n: [1, 2, 3]}", "#{{ each.n }}") + second)
    assert one.message.startswith("`cases[1].timeout` must be a number")


def test_a_value_is_judged_and_mended_where_its_row_has_it(tmp_path):
    more = "    expect: {reason: '{{ each.r }}'}\n    tools: {find_order: {status: '{{ each.s }}'}}\n"
    errors = found(tmp_path, case("[{r: answered, s: 200}, {r: Answered, s: '404'}]", "x") + more)
    assert [(one.code, one.span.line, one.fix and one.fix.title) for one in errors if one.severity == "error"] == [
        ("AR303", 4, "write `404`"),
        ("AR901", 7, None),
        ("AR906", 4, "write `answered`"),
    ] or [one.code for one in errors]


def test_no_fix_writes_a_value_over_a_template(tmp_path):
    more = "    timeout: '{{ each.t + each.t }}'\n    tools: {'{{ each.n }}': {json: 1}}\n"
    errors = found(tmp_path, case("[{t: a, n: find_ordr}]", "x") + more)
    assert {(one.code, one.fix) for one in errors} >= {("AR303", None), ("AR901", None)}


def test_a_number_becomes_a_text_where_only_a_text_may_stand(tmp_path):
    (made,) = cases(
        tmp_path,
        """
  - name: a
    each: [{n: 7, yes: true}]
    args: {input: "#{{ each.n }}"}
    model: [{content: "{{ each.n * 2 }}"}]
    expect: {answer: {contains: "{{ each.yes }}", equals: "{{ each.n }}"}, turns: {at_most: "{{ each.n }}"}}
""",
    )
    assert made.script[0].content == "14"
    assert (made.expect.answer.contains, made.expect.answer.equals, made.expect.turns.at_most) == ("true", 7, 7)


def test_a_large_value_is_not_filled_in_without_end(tmp_path):
    row = "{v: [" + "1, " * 2000 + "1]}"
    places = ", ".join(f"x{index}: '{{{{ each.v }}}}'" for index in range(100))
    text = f"  - name: a\n    each: [{row}]\n    args: {{input: a, {places}}}\n{SCRIPT}"
    assert "`each` makes more than 100,000 values of this file" in {one.message for one in found(tmp_path, text)}


@pytest.mark.parametrize(
    "text", ["{{ town }}", "{{ row.town }}", "{{ matrix.town }}", "{town}", "${town}", "${each.town}", "{{Each.town}}"]
)
def test_a_name_in_another_form_of_template_is_told_to_stay_as_it_is(tmp_path, text):
    (one,) = found(tmp_path, case("[{town: Oslo}]", f"In {text}?"))
    assert (one.code, one.severity, one.message) == ("AR911", "warning", f"`{text}` is not filled in")
    assert (one.span.column, one.fix.title) == (23, "write `{{ each.town }}`")


@pytest.mark.parametrize("text", ["{{ args.town }}", "{{ run.town }}", "{{ country }}", "{country}", "{{ each.town }}"])
def test_texts_that_only_look_alike_are_not(tmp_path, text):
    content = SCRIPT.replace("a}", f"'{text}'}}")
    assert found(tmp_path, case("[{town: Oslo}]", "In {{ each.town }}").replace(SCRIPT, content)) == []


def test_a_name_that_is_misspelt_in_one_row_is_mended_there(tmp_path):
    (one,) = found(tmp_path, case("[{town: Oslo}, {Town: Rome}]", "{{ each.town }}"))
    assert (one.span.line, one.span.column) == (4, 27)
    assert (one.fix.title, one.fix.safe) == ("write `town`", True)


@pytest.mark.parametrize("key", ["eachs", "matrix", "for_each", "scenarios"])
def test_an_each_of_another_name_is_one_finding(tmp_path, key):
    text = case("[{n: 1}]", "{{ each.n }}{{ each.n }}").replace("each:", f"{key}:")
    assert [one.code for one in found(tmp_path, text)] == ["AR301"]


def test_more_than_a_thousand_cases_are_too_many(tmp_path):
    numbers = list(range(40))
    (one,) = found(tmp_path, case(f"{{a: {numbers}, b: {numbers}}}", "{{ each.a }} {{ each.b }}"))
    assert one.message == "`each` makes 1,600 cases out of one: 1,000 are the most"


def test_combinations_without_end_are_counted_and_not_made(tmp_path):
    lists = ", ".join(f"n{index}: [1, 2, 3, 4, 5, 6, 7, 8]" for index in range(60))
    started = time.monotonic()
    assert [one.code for one in found(tmp_path, case(f"{{{lists}}}", "x"))] == ["AR910"]
    assert time.monotonic() - started < 5


def test_a_large_case_is_not_made_a_thousand_times(tmp_path):
    turns = "    model:\n" + "      - {content: a, delay: 0, usage: {input_tokens: 1}}\n" * 50
    text = case(f"{{n: {list(range(1000))}}}", "#{{ each.n }}").replace(SCRIPT, turns)
    (one,) = found(tmp_path, text)
    assert one.message == "`each` makes more than 100,000 values of this file"


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ each.n }}",
        '{{ each.n }}{{ "a" * 900000 }}',
    ],
)
def test_templates_that_take_time_or_room_end_soon(tmp_path, monkeypatch, text):
    monkeypatch.setattr("agentrun.spec.each.MAX_SECONDS", 0.5)
    started = time.monotonic()
    errors = found(tmp_path, case(f"{{n: {list(range(500))}}}", text))
    assert "the values of `each` take too long to fill in, or are too long" in {one.message for one in errors}
    assert time.monotonic() - started < 20


def test_two_keys_that_become_one_are_found(tmp_path):
    (one,) = found(tmp_path, case("[{n: input}]", "x', '{{ each.n }}': 'y"))
    assert one.message == "two keys become `input`"


def test_a_name_that_leaves_out_what_differs_is_told_apart_from_a_copy(tmp_path):
    (one,) = found(tmp_path, case("{n: [1], m: [2, 3]}", "#{{ each.m }}", name="a {{ each.n }}"))
    assert one.code == "AR904"
    assert one.related == ()
    assert "each" in one.help


# -- what nothing uses


@pytest.mark.parametrize(
    "text",
    [
        "{{ each.n }}{{ each.m }}",
        "{{ each }}",
        "{{ each | tojson }}",
        '{{ each["n"] }}{{ each.m }}',
        "{{ each[1 and 'n'] }}",
    ],
)
def test_values_that_are_used_are_not_said_to_be_unused(tmp_path, text):
    assert found(tmp_path, case("[{n: 1, m: 2}]", "x" + text.replace("'", "''"))) == []


def test_a_case_that_uses_no_value_has_one_finding(tmp_path):
    (one,) = found(tmp_path, case("[{n: 1, m: 2}]", "x"))
    assert (one.code, one.message) == ("AR911", "the case uses no value of `each`: all that it makes are alike")


def test_each_at_the_top_of_a_file_is_not_filled_in_and_told(tmp_path):
    text = case("[{n: 1}]", "#{{ each.n }}").replace(SCRIPT, "")
    (one,) = found(tmp_path, text, more='model: [{content: "{{ each.n }}"}]\n')
    assert (one.code, one.span.line) == ("AR911", 2)
