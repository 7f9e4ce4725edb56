"""One document against the schema: environment, types, and that the quick check and the explaining one agree."""

from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.discovery import guess_kind
from agentrun.spec.check import check
from agentrun.spec.schema import SPECS, schema_of
from agentrun.spec.shape import shape
from agentrun.spec.yaml_nodes import read_bytes, read_text
from agentrun.templates import compile_template, parse_url


def shaped(kind, text, environ=None):
    return shape(kind, read_text("f.yaml", text).documents[0], environ or {})


def found(kind, text, environ=None, *, partial=False):
    one = shaped(kind, text, environ)
    return [*one.diagnostics, *check(kind, one, partial=partial)[1]]


def codes(kind, text, environ=None, *, partial=False):
    return [one.code for one in found(kind, text, environ, partial=partial)]


# -- shape --------------------------------------------------------------------------------------------------


def test_notes_and_empty_values_are_taken_out_of_what_the_language_defines():
    one = shaped("agent", "x-a: 1\nmodel: {name: m, x-b: 2, proxy: null}\ndescription: ~\n")
    assert one.node.data() == {"model": {"name": "m"}}


def test_what_the_user_defines_keeps_notes_and_empty_values():
    text = "model: {name: m, settings: {x-a: 1, stop: null}}\nparameters: {type: object, x-order: [a], default: null}\n"
    assert shaped("agent", text).node.data() == {
        "model": {"name": "m", "settings": {"x-a": 1, "stop": None}},
        "parameters": {"type": "object", "x-order": ["a"], "default": None},
    }


def test_the_environment_is_read_in_the_wiring_only():
    text = "model: ${A}\nsystem_prompt: ${A}\ninput: ${A}\ndescription: ${A}\nparameters: {type: '${A}'}\n"
    one = shaped("agent", text, {"A": "m"})
    assert one.node.data() == {
        "model": "m",
        "system_prompt": "${A}",
        "input": "${A}",
        "description": "${A}",
        "parameters": {"type": "${A}"},
    }
    tool = "description: ${A}\noutput: ${A}\nshell: {script: '${A}', cwd: '${A}', env: {X: '${A}'}}\n"
    assert shaped("tool", tool, {"A": "m"}).node.data() == {
        "description": "${A}",
        "output": "${A}",
        "shell": {"script": "${A}", "cwd": "m", "env": {"X": "m"}},
    }


@pytest.mark.parametrize(
    ("text", "value", "data"),
    [
        ("max_retries: ${A}", "3", 3),
        ("timeout: ${A}", "2.5", 2.5),
        ("timeout: ${A}", "3", 3),
        ("base_url: ${A}", "3", "3"),
        ("name: ${A}", "true", "true"),
        ("settings: {temperature: '${A}'}", "0.2", "0.2"),
    ],
)
def test_text_of_the_environment_becomes_a_number_where_one_is_wanted(text, value, data):
    key = text.partition(":")[0]
    one = shaped(
        "agent",
        f"model:\n  name: m\n  {text}\n".replace("  name: m\n", "" if key == "name" else "  name: m\n"),
        {"A": value},
    )
    result = one.node.data()["model"][key]
    assert (result if key != "settings" else result["temperature"]) == data


def test_a_value_of_the_environment_can_not_add_structure():
    one = shaped("agent", "model: {name: m, headers: {A: '${A}'}}", {"A": "x}\nB: {y: 1, *z"})
    assert one.node.data()["model"]["headers"] == {"A": "x}\nB: {y: 1, *z"}
    assert check("agent", one, partial=False)[1] == []


def test_secrets_are_what_lands_where_credentials_stand():
    tool = "http: {url: 'https://${HOST}/', headers: {A: 'Bearer ${KEY}'}, auth: {bearer: '${TOKEN}'}}\n"
    one = shaped("tool", tool, {"HOST": "example.com", "KEY": "key-123456", "TOKEN": "tok-123456"})
    assert one.secrets == {"key-123456", "tok-123456"}
    assert one.variables == {"HOST", "KEY", "TOKEN"}


def test_a_default_that_the_file_gives_is_no_secret():
    assert shaped("agent", "model: {name: m, api_key: '${KEY:-not-so-secret}'}").secrets == frozenset()


def test_an_unset_variable_is_a_warning_and_its_value_is_not_judged():
    text = "model: {name: '${A}', api: '${B}', max_retries: '${C}', timeout: '${D}', headers: '${E}'}"
    result = found("agent", text)
    assert [(one.code, one.severity) for one in result] == [("AR510", "warning")] * 5


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_value_of_the_environment_never_becomes_a_template(value):
    text = "http: {url: 'https://h/a${A}b', query: {q: 'a${A}b'}}\nshell: {env: {E: '${A}'}}\n"
    data = shaped("tool", text, {"A": value}).node.data()
    assert compile_template(data["http"]["query"]["q"]).value({}) == f"a{value}b"
    assert compile_template(data["shell"]["env"]["E"]).value({}) == value
    assert all(isinstance(piece, str) for piece in parse_url(data["http"]["url"]))


# -- check --------------------------------------------------------------------------------------------------


def test_a_base_may_lack_what_is_required_and_nothing_else():
    assert codes("agent", "description: x\n", partial=True) == []
    assert codes("agent", "limits: {max_turns: 0}\n", partial=True) == ["AR305"]
    assert codes("tool", "http: {method: GET}\n", partial=True) == []


def test_findings_of_an_alternative_are_those_of_the_one_that_was_meant():
    result = found("agent", "model: {name: 5}\nsystem_prompt: {fiel: a}\n")
    assert [(one.code, one.span.line, one.span.column) for one in result] == [("AR303", 1, 15), ("AR301", 2, 17)]


def test_all_violations_are_found_at_once():
    text = "agentrun: 2\nname: a b\nmodel: {name: '', api: x, max_retries: 99, foo: 1}\nlimits: {timeout: 0}\n"
    assert sorted(codes("agent", text)) == ["AR301", "AR304", "AR304", "AR305", "AR305", "AR306", "AR306"]


def test_a_switch_that_is_off_asks_for_nothing():
    assert codes("tool", "strict: false\nshell: {command: [a], sandbox: false}\n") == []
    assert codes("agent", "model: m\nhandoffs: []\n") == []


def test_a_whole_number_may_be_written_with_a_point():
    one = shaped("agent", "model: m\nlimits: {max_turns: 5.0}\n")
    spec, violations = check("agent", one, partial=False)
    assert violations == []
    assert spec.limits.max_turns == 5


VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1, 5, 2.0, 2.5, 600, "", "a", "a b", "stop", "GET", "always", "m:f"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "name", "type", "file"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def keys(schema):
    return sorted(schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]]["properties"])


@st.composite
def documents(draw):
    kind = draw(st.sampled_from(sorted(SPECS)))
    good = {"agent": {"model": "m"}, "tool": {"http": {"url": "u"}}, "test": {"agent": "a", "cases": [{"name": "n"}]}}
    changed = draw(st.dictionaries(st.sampled_from(keys(schema_of(kind))), VALUES, max_size=3))
    nested = {
        "agent": {"model": "ModelSpec", "limits": "LimitsSpec", "response_format": "ResponseFormatSpec"},
        "tool": {"http": "HttpSpec", "shell": "ShellSpec", "mcp": "McpSpec"},
        "test": {},
    }[kind]
    for key, name in nested.items():
        if draw(st.booleans()):
            properties = sorted(schema_of(kind)["$defs"][name]["properties"])
            changed[key] = {"url": "u"} if key == "http" else {}
            changed[key] |= draw(st.dictionaries(st.sampled_from(properties), VALUES, max_size=3))
    return kind, good[kind] | changed


def agrees(kind, one):
    """`check` asks the schema only about what does not convert: both come from the same types, and must agree."""
    try:
        msgspec.convert(one.node.data(), SPECS[kind])
        converts = True
    except msgspec.ValidationError:
        converts = False
    valid = jsonschema.Draft202012Validator(schema_of(kind)).is_valid(one.node.data())
    is_told = valid or one.unknown or check(kind, one, partial=False)[1]
    return converts == valid and bool(is_told)


@settings(deadline=None)
@given(documents())
def test_what_converts_is_exactly_what_the_schema_takes(drawn):
    kind, data = drawn
    one = shape(kind, read_text("f.json", msgspec.json.encode(data).decode()).documents[0], {})
    assert agrees(kind, one)


def test_the_quick_check_and_the_explaining_one_agree_on_every_file_that_we_have():
    files = [path for path in (Path(__file__).parent / "specs").rglob("*.yaml") if path.is_file()]
    read = [(path, node) for path in files for node in read_bytes(str(path), path.read_bytes()).documents]
    assert len(read) > 100
    for path, node in read:
        kind = guess_kind(path)
        assert agrees(kind, shape(kind, node, {})), path
