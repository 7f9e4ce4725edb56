"""The three template languages: what they give, what they refuse, and that no value ever becomes a template."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, meta

from agentrun.templates import (
    MAX_OUTPUT_CHARS,
    Absent,
    Arguments,
    Hole,
    TemplateFailure,
    TemplateSyntax,
    compile_template,
    interpolate,
    parse_url,
    quote_jinja,
    quote_url,
)

ANY_TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def value(source, args=None, **names):
    return compile_template(source).value({"args": Arguments(args or {}), **names})


# -- ${VAR} -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("${NO:-d}", "d"),
        ("${A:-d}", "a"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${NO:-}", ""),
        ("${NO:-${A}}", "a"),
        ("${NO:-${NO2:-${A}}b}", "ab"),
        ("${A:?must be}", "a"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("$A $ $(A) $1", "$A $ $(A) $1"),
        ("${NO:-a:b}", "a:b"),
    ],
)
def test_variables_are_filled_in(text, expected):
    filled = interpolate(text, {"A": "a", "EMPTY": ""})
    assert (filled.text, filled.problems) == (expected, [])


@pytest.mark.parametrize(
    ("text", "kind", "name", "message"),
    [
        ("${NO}", "unset", "NO", ""),
        ("${NO:?ask ops}", "required", "NO", "ask ops"),
        ("${EMPTY:?ask ops}", "required", "EMPTY", "ask ops"),
        ("${A-x}", "syntax", "A", "`${A-x}`: write `${A:-x}`"),
        ("${A?x}", "syntax", "A", "`${A?x}`: write `${A:?x}`"),
        ("${A", "syntax", "", "`${A` has no closing brace"),
        ("${}", "syntax", "", "is no reference to a variable"),
        ("${a b}", "syntax", "a", "is no reference to a variable"),
        ("${A:=x}", "syntax", "A", "is no reference to a variable"),
        ("${" + "A:-${" * 30 + "A" + "}" * 31, "syntax", "A", ""),
    ],
)
def test_a_variable_that_can_not_be_filled_in_is_a_problem(text, kind, name, message):
    problem = interpolate(text, {"EMPTY": ""}).problems[0]
    assert problem.kind == kind
    assert message in problem.message


def test_a_tower_of_defaults_ends():
    text = "${A:-" * 50_000 + "}" * 50_000
    began = time.monotonic()
    assert [one.kind for one in interpolate(text, {}).problems] == ["syntax"]
    assert time.monotonic() - began < 2


def test_what_came_out_of_the_environment_is_told_by_variable():
    assert interpolate("${A}${NO:-x}", {"A": "a", "B": "b"}).values == {"A": "a"}


@settings(deadline=None)
@given(ANY_TEXT.filter(lambda text: "$" not in text))
def test_text_without_a_dollar_sign_is_returned_as_it_is(text):
    assert interpolate(text, {}) == interpolate(text, {"A": "b"})
    assert interpolate(text, {}).text == text


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_value_is_never_read_as_a_reference(text):
    assert interpolate("${A}", {"A": text, "B": "no"}).text == text


# -- {name} -------------------------------------------------------------------------------------------------


def test_a_url_is_literals_and_holes():
    assert parse_url("https://h/{a}/b{+c}?d={e_1}") == (
        "https://h/",
        Hole("a"),
        "/b",
        Hole("c", keep_slashes=True),
        "?d=",
        Hole("e_1"),
    )
    assert parse_url("{url}") == (Hole("url"),)
    assert parse_url("") == ()


@pytest.mark.parametrize(
    "text", ["{", "}", "a{b", "{a b}", "{1a}", "{}", "{a.b}", "{a}}", "{{ a }}", "{% a %}", "{*a}"]
)
def test_a_brace_that_is_no_hole_is_refused(text):
    with pytest.raises(TemplateSyntax):
        parse_url(text)


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_value_in_a_url_makes_no_hole(text):
    assert all(isinstance(piece, str) for piece in parse_url(quote_url(text)))


# -- {{ }}: values ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(ANY_TEXT.filter(lambda text: not any(mark in text for mark in ("{{", "{%", "{#"))))
def test_text_without_template_marks_is_returned_as_it_is(text):
    template = compile_template(text)
    assert template.literal
    assert template.value({}) == text


@settings(deadline=None)
@given(JSON)
def test_a_text_that_is_one_expression_keeps_its_json_type(data):
    found = value("{{ args.x }}", {"x": data})
    assert json.dumps(found) == json.dumps(data)
    assert value(" \n{{ args.x }}\n ", {"x": data}) == data


@settings(deadline=None)
@given(JSON.filter(lambda data: not isinstance(data, str)))
def test_in_a_longer_text_data_is_json(data):
    assert json.loads(value("={{ args.x }}", {"x": data})[1:]) == data


@settings(deadline=None)
@given(ANY_TEXT)
def test_a_value_of_an_argument_is_never_a_template(text):
    assert value("{{ args.x }}", {"x": text}) == text
    assert value("a{{ args.x }}b", {"x": text}) == f"a{text}b"
    assert value("{{ args.x ~ args.x }}", {"x": text}) == text + text


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_a_quoted_value_is_inert_beside_a_template(text, other):
    source = f"a{quote_jinja(text)}{{{{ args.x }}}}{quote_jinja('{' + text)}b"
    assert value(source, {"x": other}) == f"a{text}{other}{{{text}b"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ args.n + 1 }}", 4),
        ("{{ args.n > 2 and args.s == 'x' }}", True),
        ("{{ args.list | length }}", 2),
        ("{{ args.list | map('upper') }}", ["A", "B"]),
        ("{{ args.list | join(', ') }}", "a, b"),
        ("{{ args.list | join(', ', attribute=0) }}", "a, b"),
        ("{{ args['first-name'] }}", "F"),
        ("{{ args.none }}", None),
        ("-{{ args.none }}-{{ true }}", "-null-true"),
        ("{{ args.missing | default('d') }}", "d"),
        ("{{ args.missing is defined }}", False),
        ("{{ args | tojson }}", None),
        ("{{ '<' | tojson }}", '"<"'),
        ("{% for i in range(3) %}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}", "1,2,3"),
        ("{% set a = 1 %}{{ a }}", "1"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a{# comment #}b", "ab"),
        ("{{ args.s.upper() }}", "X"),
        ("{{ args.map.items }}", "a key"),
        ("{{ args.s | replace('x', 'yy') | indent(2, true) }}", "  yy"),
    ],
)
def test_expressions(source, expected):
    args = {"n": 3, "s": "x", "list": ["a", "b"], "first-name": "F", "none": None, "map": {"items": "a key"}}
    found = value(source, args)
    assert found == expected if "args | tojson" not in source else json.loads(found) == args


def test_a_trailing_newline_is_kept():
    assert value("a {{ args.x }}\n", {"x": 1}) == "a 1\n"


def test_an_argument_that_was_left_out_is_told_by_name():
    with pytest.raises(Absent) as caught:
        value("{{ args.since }}")
    assert caught.value.name == "since"
    with pytest.raises(Absent):
        value("x{{ args.items }}")  # a key, never a method of dict


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ args.x.y }}", "has no attribute 'y'"),
        ("{{ args.x + 1 }}", "can only concatenate str"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ args.x.upper }}", "not data"),
        ("{{ range }}", "not data"),
    ],
)
def test_a_template_that_fails_says_why(source, message):
    with pytest.raises(TemplateFailure, match=message):
        value(source, {"x": "a"})


# -- {{ }}: what is known before ----------------------------------------------------------------------------


def test_what_a_template_uses_is_known_before_it_runs():
    template = compile_template(
        "Hi {{ args.a }} {{ args['b-c'] }} {{ run.date }} {% if stdout %}{{ body.x }}{% endif %}"
    )
    assert template.args == {"a", "b-c"}
    assert template.names == {"run", "stdout", "body"}
    assert ("run", "date") in template.attributes
    assert not (template.uses_all_args or template.expression or template.leads or template.literal)


PLAIN = st.recursive(
    st.sampled_from(["args", "args.a", "run.id", "self.b", "range", "x", "y['k']", "z[0]", "'t'", "1", "none"]),
    lambda inner: st.one_of(
        *(
            st.builds(form.format, inner, inner)
            for form in ("({} and {})", "(not {} or {})", "({} > {})", "{}|default({})", "({} in {})")
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(PLAIN, st.sampled_from(["{{{{ {} }}}}", "a {{{{ {} }}}} b", "{{% if {} %}}c{{% endif %}}"]))
def test_the_names_that_a_template_uses_are_those_that_jinja_finds(expression, form):
    source = form.format(expression)
    names = meta.find_undeclared_variables(Environment().parse(source)) - {"args", "range"}
    assert compile_template(source).names == names


@settings(deadline=None)
@given(PLAIN, st.integers(0, 70), st.sampled_from(["({} and a)", "not ({})", "({})|upper", "({}).b", "({} < 1)"]))
def test_what_is_taken_for_a_template_can_be_rendered(expression, depth, form):
    for _ in range(depth):
        expression = form.format(expression)
    with contextlib.suppress(TemplateFailure, Absent):
        value(f"{{{{ {expression} }}}}", x=1, y={}, z=[1])


def test_a_template_that_takes_all_arguments_is_known():
    assert compile_template("{{ args | tojson }}").uses_all_args
    assert compile_template("{{ args[run.id] }}").uses_all_args
    assert not compile_template("{{ args.x }}").uses_all_args


@pytest.mark.parametrize(
    ("source", "leads"), [("{{ x }}y", True), ("y{{ x }}", False), ("{% if x %}-{% endif %}", True), (" {{ x }}", True)]
)
def test_whether_a_value_may_come_first_is_known(source, leads):
    assert compile_template(source).leads is leads


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ("{{ x }}", True),
        ("{{ x }} ", True),
        ("{{ x }}{{ y }}", False),
        ("{{ x }}.", False),
        ("{% if x %}{% endif %}", False),
    ],
)
def test_whether_a_text_is_one_expression_is_known(source, expression):
    assert compile_template(source).expression is expression


@pytest.mark.parametrize(
    ("source", "name", "help"),
    [
        ("{{ x | uper }}", "uper", "did you mean `upper`?"),
        ("{{ 1 if x else y | nope }}", "nope", "see Jinja's list of built-in filters"),
        ("{{ x is devined }}", "devined", "did you mean `defined`?"),
        ("{% filter uper %}{% endfilter %}", "uper", "did you mean `upper`?"),
    ],
)
def test_an_unknown_filter_or_test_is_found_before_the_run(source, name, help):
    with pytest.raises(TemplateSyntax) as caught:
        compile_template(source)
    assert (caught.value.name, caught.value.help) == (name, help)


def test_a_mistake_has_its_line():
    with pytest.raises(TemplateSyntax) as caught:
        compile_template("a\nb {{ x }\nc")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "source",
    [
        *("{{", "{{ }}", "{{ x }", "{{ 'a }}", "{# open", "{% if x %}", "{% endif %}", "{% nope %}"),
        *("{% for x %}{% endfor %}", "{% block a %}{% endblock %}{% block a %}{% endblock %}"),
        *("{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}"),
    ],
)
def test_what_is_no_template_is_refused(source):
    with pytest.raises(TemplateSyntax):
        compile_template(source)


# -- {{ }}: the sandbox -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ args.x.__class__.__mro__ }}",
        "{{ args.__init__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_names_with_two_underscores_are_refused_before_the_run(source):
    with pytest.raises(TemplateSyntax, match="is not available"):
        compile_template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''['__cl' ~ 'ass__'] }}",
        "{{ ''['__cl' + 'ass__'].mro() }}",
        "{{ '' | attr('__class__') }}",
        "{{ args.list | map(attribute='__class__') | list }}",
        "{{ args.list | groupby('__class__') }}",
        "{{ args.list | join(attribute='__class__') }}",
        "{{ args.list | sum(attribute='__class__') }}",
        "{{ args.list | selectattr('__class__') | list }}",
        "{{ args.s.format(args.s) }}",
        "{{ '{0.__class__}'.format(args.s) }}",
        "{{ '%s' % args.s }}",
        "{{ args.list.append(1) }}",
        "{{ args.map.clear() }}",
        "{{ args.map.update({'a': 1}) }}",
        "{{ args.list.sort() }}",
        "{{ (args.list | map('attr', '__class__') | list)[0] }}",
    ],
)
def test_the_sandbox_is_not_left(source):
    args = {"list": ["a"], "map": {"k": 1}, "s": "{0.__class__}"}
    with pytest.raises((TemplateFailure, Absent)):
        value(source, args)
    assert args == {"list": ["a"], "map": {"k": 1}, "s": "{0.__class__}"}


def test_a_method_of_an_object_given_by_the_program_is_not_reached():
    class Thing:
        def __init__(self):
            self._hidden = 1

    with pytest.raises(TemplateFailure):
        value("{{ thing._hidden }}", thing=Thing())


# -- {{ }}: caps --------------------------------------------------------------------------------------------

BIG = "x" * 200_000


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ args.big * 1000 }}",
        "{{ 1000 * args.big }}",
        "{{ [0] * 10**9 }}",
        "{{ 2 ** (10**9) }}",
        "{{ 1000000 ** (10**6) }}",
        "{{ args.big ~ args.big ~ args.big ~ args.big ~ args.big ~ args.big }}",
        "{{ args.big + args.big + args.big + args.big + args.big + args.big }}",
        "{% for _ in range(10) %}{{ args.big }}{% endfor %}",
        "{{ args.big | replace('x', args.big) }}",
        "{{ args.big.replace('x', args.big) }}",
        "{{ range(90000) | join(args.big) }}",
        "{{ 'a\\nb' | indent(10**9) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ 'a\\t'.expandtabs(10**9) }}",
        "{{ range(10**9) | list }}",
        "{% set n = namespace(a=args.big) %}{% for _ in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}{{ n.a }}",
        "{% set n = namespace(a='x') %}{% for _ in range(99) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a }}",
        "{% set n = namespace(a=[1]) %}{% for _ in range(99) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a }}",
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ],
)
def test_a_template_can_not_take_all_memory_or_time(source):
    began = time.monotonic()
    with pytest.raises(TemplateFailure):
        value(source, {"big": BIG})
    assert time.monotonic() - began < 3


def test_a_text_may_be_as_long_as_the_cap():
    assert len(value("{{ args.x }}", {"x": "x" * MAX_OUTPUT_CHARS})) == MAX_OUTPUT_CHARS
    with pytest.raises(TemplateFailure, match="longer than"):
        value("{{ args.x }}", {"x": "x" * (MAX_OUTPUT_CHARS + 1)})


def test_a_value_that_holds_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(TemplateFailure, match="nested too deeply"):
        value("{{ loop_ }}", loop_=loop)


MARKS = ["{{", "}}", "{%", "%}", "{#", "#}", "|", "(", ")", "[", "]", "'", "-", "~", "*", "{", "}", "\n"]
WORDS = [
    " args",
    ".x",
    "['y']",
    "upper",
    "default(1)",
    " if ",
    " else ",
    " for ",
    "a in args.x ",
    "endfor",
    "set a = 1",
    "9",
]
PIECES = st.sampled_from([*MARKS, *WORDS])


@settings(deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_no_text_makes_the_compiler_or_the_renderer_fail_otherwise(source):
    with contextlib.suppress(TemplateSyntax, TemplateFailure, Absent):
        compile_template(source).text({"args": Arguments({"x": ["a"]})})


def test_a_number_of_thousands_of_digits_is_a_failure():
    digits = 9 * 10**3_000
    assert compile_template("{{ args.a + 1 }}").value({"args": Arguments(a=digits)}) == digits + 1
    with pytest.raises(TemplateFailure, match="too many digits"):
        compile_template("{{ args.a * args.a }}").value({"args": Arguments(a=digits)})
