"""Schemas for what a model sends: every mistake in them with its place, and checks that can't hang or call out."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.json_schema import MAX_VIOLATIONS, Validator
from agentrun.spec.schema_problems import problems_of


def problems(schema):
    return [(one.code, one.route, one.message, one.help) for one in problems_of(schema)]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {}},
        {"type": ["object", "null"]},
        {"type": "object", "properties": {"a": True, "b": False, "$ref": {"type": "string"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
        {"$defs": {"a/b c": {}}, "properties": {"x": {"$ref": "#/$defs/a~1b%20c"}}},
        {"$defs": {"a": {"$anchor": "here"}}, "properties": {"x": {"$ref": "#here"}}},
        {"properties": {"tree": {"$ref": "#"}}},
        {"allOf": [{"type": "object"}], "properties": {"x": {"$ref": "#/allOf/0"}}},
        {"const": {"$ref": "https://example.com"}, "default": {"pattern": "("}, "enum": [{"$ref": "x"}]},
        {"properties": {"a": {"pattern": "^[a-z]+$", "format": "no-such-format"}}, "x-note": "allowed"},
    ],
)
def test_a_good_schema_has_no_problems(schema):
    assert problems(schema) == []
    Validator(schema)


@pytest.mark.parametrize(
    ("schema", "code", "route", "message"),
    [
        (
            {"type": "text"},
            "AR601",
            ("type",),
            '`type` is one of string, number, integer, boolean, object, array, null, not "text"',
        ),
        ({"properties": []}, "AR601", ("properties",), "`properties` must be a mapping, not []"),
        (
            {"properties": {"a": "string"}},
            "AR601",
            ("properties", "a"),
            '`a` must be a schema, which is a mapping, not "string"',
        ),
        (
            {"properties": {"a": {"required": True}}},
            "AR601",
            ("properties", "a", "required"),
            "`required` is a list of names",
        ),
        ({"items": {"minLength": "3"}}, "AR601", ("items", "minLength"), '`minLength` must be a whole number, not "3"'),
        ({"items": [1]}, "AR601", ("items",), "`items` must be a schema, which is a mapping, not [1]"),
        (
            {"$ref": "https://example.com/a.json"},
            "AR603",
            ("$ref",),
            "`$ref: https://example.com/a.json` leaves the document",
        ),
        (
            {"anyOf": [{"$ref": "other.json#/a"}]},
            "AR603",
            ("anyOf", 0, "$ref"),
            "`$ref: other.json#/a` leaves the document",
        ),
        ({"not": {"$ref": "#/$defs/a"}}, "AR603", ("not", "$ref"), "`$ref: #/$defs/a` leads to nothing in this schema"),
        ({"$ref": "#/allOf/1", "allOf": [{}]}, "AR603", ("$ref",), "`$ref: #/allOf/1` leads to nothing in this schema"),
        ({"$ref": "#nowhere"}, "AR603", ("$ref",), "`$ref: #nowhere` leads to nothing in this schema"),
        ({"$ref": 5}, "AR601", ("$ref",), "`$ref` must be text, not 5"),
        ({"pattern": "(?=a)"}, "AR604", ("pattern",), "the pattern `(?=a)` can't be used"),
        ({"pattern": r"(a)\1"}, "AR604", ("pattern",), r"the pattern `(a)\1` can't be used"),
        ({"pattern": "(a{1000}){1000}"}, "AR604", ("pattern",), "the pattern `(a{1000}){1000}` can't be used"),
        ({"pattern": "[a"}, "AR604", ("pattern",), "not a regular expression: unterminated character set"),
        (
            {"patternProperties": {"(": {}}},
            "AR604",
            ("patternProperties", "("),
            "not a regular expression: missing ), unterminated subpattern",
        ),
    ],
)
def test_a_bad_schema_has_one_problem_at_its_place(schema, code, route, message):
    assert [one[:3] for one in problems(schema)] == [(code, route, message)]
    with pytest.raises(ValueError, match=r"."):
        Validator(schema)


@pytest.mark.parametrize(
    ("schema", "help"),
    [
        ({"type": "str"}, "did you mean `string`?"),
        ({"type": "int"}, "did you mean `integer`?"),
        ({"type": "objct"}, "did you mean `object`?"),
        ({"items": "string"}, "write {type: string}"),
        ({"required": True}, "it stands beside `properties`: `required: [name]`"),
    ],
)
def test_common_mistakes_are_told_how_to_mend(schema, help):
    assert [one[3] for one in problems(schema)] == [help]


def test_all_problems_of_a_schema_are_found():
    schema = {
        "properties": {"a": {"type": "x"}, "b": {"$ref": "http://x"}, "c": {"pattern": "("}, "d": {"minimum": "1"}}
    }
    assert [one[0] for one in problems(schema)] == ["AR601", "AR601", "AR603", "AR604"]


SCHEMA_KEYS = ["type", "properties", "items", "required", "enum", "$ref", "$defs", "anyOf", "not", "pattern", "minimum"]
SCHEMA_KEYS += [
    "additionalProperties",
    "patternProperties",
    "$anchor",
    "$id",
    "default",
    "const",
    "$dynamicRef",
    "format",
]
ODD = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, "", "string", "object", "#", "#/$defs/a", "http://x", "(", "(?=a)", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SCHEMA_KEYS, "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(SCHEMA_KEYS), ODD, max_size=4))
def test_a_schema_has_problems_exactly_where_it_can_not_be_used(schema):
    found = problems_of(schema)
    try:
        Validator(schema)
    except ValueError:
        assert found
    else:
        assert not found


# -- what a model sends -------------------------------------------------------------------------------------

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}},
        "note": {"type": "string", "default": ""},
        "to": {"type": "object", "properties": {"city": {"default": "Oslo"}}},
    },
    "required": ["id"],
    "additionalProperties": False,
}


def test_every_violation_has_its_path():
    found = Validator(ORDER).violations({"lines": [{"n": 1}, {"n": "x"}], "note": 5, "extra": 1})
    assert {one.path for one in found} == {"", "lines[1].n", "note"}
    assert len(found) == 4


def test_violations_are_bounded_in_number_and_length():
    found = Validator({"items": {"type": "integer"}}).violations(["x" * 10_000] * 1000)
    assert len(found) == MAX_VIOLATIONS
    assert all(len(one.message) <= 300 for one in found)


def test_defaults_are_filled_in_at_every_level_and_the_value_is_not_changed():
    value = {"id": "7", "lines": [{}, {"n": 2}], "to": {}}
    assert Validator(ORDER).with_defaults(value) == {
        "id": "7",
        "lines": [{"n": 1}, {"n": 2}],
        "to": {"city": "Oslo"},
        "note": "",
    }
    assert value == {"id": "7", "lines": [{}, {"n": 2}], "to": {}}


def test_a_default_is_a_copy_each_time():
    validator = Validator({"properties": {"a": {"default": []}}})
    validator.with_defaults({})["a"].append(1)
    assert validator.with_defaults({}) == {"a": []}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(x+x+)+y", "^([a-z]+)*$"])
def test_a_pattern_can_not_hang_the_check(pattern):
    began = time.monotonic()
    Validator({"pattern": pattern}).violations("a" * 50_000 + "!")
    assert time.monotonic() - began < 2


def test_a_reference_never_leaves_the_document():
    for target in ("https://127.0.0.1:9/x", "file:///etc/passwd", "other.json", "/etc/passwd"):
        with pytest.raises(ValueError, match=r"."):
            Validator({"$ref": target})


def test_a_recursive_schema_checks_a_deep_value():
    validator = Validator(
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}}}}
    )
    deep = {}
    for _ in range(60):
        deep = {"c": deep}
    assert validator.violations(deep) == []
    assert [one.path for one in validator.violations({"c": {"c": 5}})] == ["c.c"]


def test_a_deep_value_is_refused_at_once_where_a_schema_refers_to_itself():
    branch = {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}, "required": ["child"]}
    leaf = {"type": "object", "properties": {"leaf": {"type": "integer"}}, "required": ["leaf"]}
    node = {"anyOf": [{**branch, "title": "one"}, {**branch, "title": "other"}, leaf]}
    value = {"leaf": "no number"}
    for _ in range(50):
        value = {"child": value}
    found = Validator({"type": "object", "$ref": "#/$defs/node", "$defs": {"node": node}}).violations(value)
    assert [one.message for one in found] == ["it does not fit the schema, and is nested too deeply to say where"]
