"""From templates and values to argument lists, environments and input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.errors import ToolFailure
from agentrun.spec.guarded import is_guarded_env
from agentrun.templates import Arguments, compile_template
from agentrun.tools.argv import (
    MAX_ELEMENT_BYTES,
    build_env,
    build_stdin,
    compile_command,
    compile_env,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
GIT_LOG = ["git", "log", "--since={{ args.since }}", "-n{{ args.count }}", "--", "{{ args.paths }}"]


def build(command, **arguments):
    return compile_command(command).build({"args": Arguments(arguments)})


def env_of(env, environ=(), **arguments):
    return build_env(dict(environ), compile_env(env), {"args": Arguments(arguments)})


def refusal(command, **arguments):
    with pytest.raises(ToolFailure) as caught:
        build(command, **arguments)
    assert caught.value.type == "invalid_arguments"
    return caught.value.message


def test_values_stand_where_the_author_put_them():
    built = build(GIT_LOG, since="2024-01-01", count=5, paths=["a b", "c"])
    assert built == ["git", "log", "--since=2024-01-01", "-n5", "--", "a b", "c"]


def test_an_element_whose_argument_was_left_out_vanishes():
    assert build(GIT_LOG, count=5) == ["git", "log", "-n5", "--"]


def test_a_group_vanishes_whole_when_one_of_its_arguments_was_left_out():
    command = ["ls", ["--sort", "{{ args.key }}", "{{ args.order }}"], "end"]
    assert build(command, key="size") == ["ls", "end"]
    assert build(command, key="size", order="up") == ["ls", "--sort", "size", "up", "end"]


def test_a_list_spreads_and_an_empty_one_leaves_nothing():
    assert build(["cat", "{{ args.files }}"], files=["a", "", "b c"]) == ["cat", "a", "", "b c"]
    assert build(["cat", "{{ args.files }}"], files=[]) == ["cat"]


def test_a_list_inside_a_longer_text_is_json():
    assert build(["echo", "files={{ args.files }}"], files=["a", 1]) == ["echo", 'files=["a", 1]']


def test_an_empty_value_stays_an_argument():
    assert build(["grep", "{{ args.pattern }}", "x"], pattern="") == ["grep", "", "x"]


def test_scalars_are_written_as_json():
    assert build(["x", 1, 2.5, True, "{{ args.flag }}"], flag=False) == ["x", "1", "2.5", "true", "false"]


def test_a_value_never_becomes_a_template():
    assert build(["echo", "{{ args.x }}"], x="{{ args.y }}${HOME}") == ["echo", "{{ args.y }}${HOME}"]


@pytest.mark.parametrize("value", ["-rf", "--output=/etc/x", "-", "--", ["fine", "--exec=sh"], -5])
@pytest.mark.parametrize("element", ["{{ args.x }}", " {{- args.x }}", "{% if true %}{{ args.x }}{% endif %}"])
def test_a_value_may_not_become_an_option(element, value):
    if isinstance(value, list) and "if" in element:
        value = value[1]
    message = refusal(["find", element], x=value)
    assert "the value of `x` may not begin with `-`: `find` would take it for an option" in message


def test_after_a_literal_double_dash_a_value_may_begin_with_a_dash():
    assert build(["rm", "--", "{{ args.x }}"], x=["-rf", "--"]) == ["rm", "--", "-rf", "--"]
    assert build(["rm", ["--", "{{ args.x }}"]], x="-rf") == ["rm", "--", "-rf"]


def test_a_double_dash_that_vanished_or_came_from_a_value_protects_nothing():
    refusal(["rm", ["--", "{{ args.gone }}"], "{{ args.x }}"], x="-rf")
    refusal(["rm", "{{ args.y }}", "{{ args.x }}"], y="--", x="-rf")


def test_a_dash_that_the_author_wrote_is_an_option():
    assert build(["head", "-n{{ args.n }}"], n=-1) == ["head", "-n-1"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * (MAX_ELEMENT_BYTES + 1), "ä" * (MAX_ELEMENT_BYTES // 2 + 1)])
def test_what_the_system_cannot_pass_is_refused(value):
    assert "the value of `x`" in refusal(["echo", "{{ args.x }}"], x=value)
    assert "the value of `x`" in refusal(["echo", "a={{ args.x }}"], x=value)
    with pytest.raises(ToolFailure):
        env_of({"X": "{{ args.x }}"}, x=value)


def test_the_longest_element_that_fits_is_taken():
    assert build(["echo", "{{ args.x }}"], x="x" * MAX_ELEMENT_BYTES)[1] == "x" * MAX_ELEMENT_BYTES


@given(TEXT.filter(lambda text: not text.startswith("-")))
def test_any_text_is_one_argument_as_it_is(text):
    assert build(["echo", "{{ args.x }}", "a{{ args.x }}b"], x=text) == ["echo", text, f"a{text}b"]


@given(st.lists(TEXT))
def test_any_list_is_its_elements_behind_a_double_dash(items):
    assert build(["echo", "--", "{{ args.x }}", "end"], x=items) == ["echo", "--", *items, "end"]


@pytest.mark.parametrize("first", ["{{ args.x }}", ["ls"], ""])
def test_the_program_is_the_authors(first):
    with pytest.raises(ValueError, match="must be plain text"):
        compile_command([first, "x"])


def test_the_environment_is_the_base_and_what_is_named():
    environ = {"PATH": "/bin", "HOME": "/h", "SECRET": "s", "PYTHONPATH": "/p", "LC_ALL": "C"}
    env = env_of({"PAGER": "cat", "CITY": "{{ args.city }}", "GONE": "{{ args.gone }}", "N": 3}, environ, city="Köln")
    assert env == {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "PAGER": "cat", "CITY": "Köln", "N": "3"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "ld_audit", "PYTHONPATH", "GIT_SSH_COMMAND", "BASH_ENV", "PATH", "ENV"])
def test_a_variable_that_changes_what_runs_takes_no_model_value(name):
    assert is_guarded_env(name)
    for value in ("{{ args.x }}", "a{{ args['x'] }}", "{{ args }}"):
        with pytest.raises(ValueError, match="must not come from the model"):
            compile_env({name: value})
    assert env_of({name: "fixed"}) == {name: "fixed"}


def test_ordinary_variables_take_model_values():
    assert not any(is_guarded_env(name) for name in ("CITY", "QUERY", "MY_LD_X", "LANG"))


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_a_name_that_can_be_no_variable_is_refused(name):
    with pytest.raises(ValueError, match="environment variable"):
        compile_env({name: "x"})


def test_input_is_text_of_any_size_and_empty_when_left_out():
    template = compile_template("{{ args.text }}")
    assert build_stdin(template, {"args": Arguments(text="a\0ä" * 100_000)}) == "a\0ä".encode() * 100_000
    assert build_stdin(template, {"args": Arguments()}) == b""
    assert build_stdin(None, {"args": Arguments()}) == b""
    with pytest.raises(ToolFailure, match="surrogate"):
        build_stdin(template, {"args": Arguments(text="\udcff")})


def test_a_template_that_fails_says_where():
    with pytest.raises(ToolFailure, match="`command` can't be rendered") as caught:
        build(["echo", "{{ args.x + 1 }}"], x="text")
    assert caught.value.type == "internal"
