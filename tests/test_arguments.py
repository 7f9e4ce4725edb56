"""What a model writes as arguments: one checked JSON object, or a failure that it can mend."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.arguments import MAX_CHARS, MAX_DEPTH, check_arguments, parse_arguments, parse_json
from agentrun.engine.output import shortened
from agentrun.errors import ToolFailure
from agentrun.json_schema import Validator

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def failure_of(text):
    with pytest.raises(ToolFailure) as failure:
        parse_arguments(text)
    assert failure.value.type == "invalid_arguments"
    return failure.value


@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans())
def test_every_json_object_is_read_as_it_is(value, ascii_only):
    assert parse_arguments(json.dumps(value, ensure_ascii=ascii_only)) == value


@given(JSON)
def test_an_answer_may_be_any_json(value):
    assert parse_json(json.dumps(value)) == value


@given(st.text(max_size=200) | st.text(alphabet='{}[]",:\\ud8e19.-nulltrue', max_size=40))
def test_any_other_text_is_an_object_or_a_failure_that_quotes_it(text):
    try:
        assert isinstance(parse_arguments(text), dict)
    except ToolFailure as failure:
        assert failure.type == "invalid_arguments"
        assert failure.details == {"arguments": text}


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_text_is_no_arguments(text):
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1', "Expecting"),
        ('{"a": 1}{"b": 2}', "Extra data"),
        ("{'a': 1}", "property name"),
        ("[1]", "this is a list"),
        ('"a"', "this is text"),
        ("true", "this is a boolean"),
        ("7", "this is a number"),
        ("7.5", "this is a number"),
        ("null", "this is null"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' stands twice"),
        ('{"a": "\\ud83d"}', "half a surrogate pair"),
        ('{"\\uDE00": 1}', "half a surrogate pair"),
        ('{"a": ' + "9" * 5000 + "}", "the number 99999999999999999999… has more than 4,300 digits"),
        ('{"a": ' + "9" * 5000 + ".5}", "the number 99999999999999999999… is too large"),
    ],
)
def test_what_is_no_json_object_is_said(text, said):
    failure = failure_of(text)
    assert "not one JSON object" in failure.message
    assert said in failure.message
    assert failure.details["arguments"] == text


def test_a_whole_surrogate_pair_is_a_character():
    assert parse_arguments('{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


def nested(levels, opening="[", closing="]"):
    return '{"a": ' + opening * (levels - 1) + closing * (levels - 1) + "}"


def test_nesting_is_bounded():
    assert parse_arguments(nested(MAX_DEPTH))
    assert "deeper than 64 levels" in failure_of(nested(MAX_DEPTH + 1)).message


def test_nesting_that_would_overflow_the_stack_is_refused_before_it_is_parsed():
    text = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert "deeper than 64 levels" in failure_of(text).message
    with pytest.raises(ValueError, match="deeper than 64 levels"):
        parse_json("[" * 100_000)


def test_brackets_in_texts_are_no_nesting():
    value = {"code": "[{" * 500, "quoted": '"' + "[" * 500, "back\\": "[" * 500}
    assert parse_arguments(json.dumps(value)) == value


def test_length_is_bounded():
    longest = '{"a": "' + "x" * (MAX_CHARS - 9) + '"}'
    assert len(longest) == MAX_CHARS
    assert len(parse_arguments(longest)["a"]) == MAX_CHARS - 9
    failure = failure_of(longest.replace('"}', 'x"}'))
    assert "longer than 1,048,576 characters" in failure.message
    assert len(json.dumps(shortened(failure.as_result(), 16_000))) < 5_000


# -- against a schema -----------------------------------------------------------------------------------------

ORDER = Validator(
    {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "default": 1}},
                    "required": ["sku"],
                },
            },
            "express": {"type": "boolean", "default": False},
            "tags": {"type": "array", "default": []},
        },
        "required": ["lines"],
        "additionalProperties": False,
    }
)


def test_defaults_are_filled_in_at_every_depth_and_nothing_given_is_changed():
    given_arguments = {"lines": [{"sku": "a"}, {"sku": "b", "count": 3}], "express": True}
    before = json.dumps(given_arguments)
    assert check_arguments(ORDER, given_arguments) == {
        "lines": [{"sku": "a", "count": 1}, {"sku": "b", "count": 3}],
        "express": True,
        "tags": [],
    }
    assert json.dumps(given_arguments) == before


def test_a_default_is_made_anew_for_each_call():
    check_arguments(ORDER, {"lines": []})["tags"].append("mine")
    assert check_arguments(ORDER, {"lines": []})["tags"] == []


def test_every_violation_is_listed_with_its_path():
    with pytest.raises(ToolFailure) as failure:
        check_arguments(ORDER, {"lines": [{"sku": 1}, {"count": "x"}], "express": "no", "colour": "red"})
    assert failure.value.type == "invalid_arguments"
    listed = failure.value.details["violations"]
    assert sorted(one["path"] for one in listed) == ["", "express", "lines[0].sku", "lines[1]", "lines[1].count"]
    for one in listed:
        assert one["message"] in failure.value.message
        assert f"{one['path']}: " in failure.value.message or not one["path"]


def test_a_failure_is_one_json_object_for_the_model():
    with pytest.raises(ToolFailure) as failure:
        check_arguments(ORDER, {})
    told = failure.value.as_result()["error"]
    assert told.keys() == {"type", "message", "violations"}
    assert '"lines" is a required property' in told["message"]
