"""What stays of an answer, by its schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.openapi.pruning import pruned

ID = {"type": "object", "properties": {"id": {}}}
NAME = {"type": "object", "properties": {"name": {}}}
BODY = {"id": 1, "name": "n", "x": 2}


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        (None, BODY),
        ({}, BODY),
        ({"type": "object"}, BODY),
        (ID, {"id": 1}),
        ({**ID, "additionalProperties": False}, {"id": 1}),
        ({**ID, "additionalProperties": True}, BODY),
        ({**ID, "additionalProperties": {"type": "string"}}, BODY),
        ({**ID, "patternProperties": {"^x": {}}}, BODY),
        ({"allOf": [ID, NAME]}, {"id": 1, "name": "n"}),
        ({"allOf": [ID, {"required": ["id"]}]}, {"id": 1}),
        ({"oneOf": [ID, NAME]}, {"id": 1, "name": "n"}),
        ({"anyOf": [ID, {"type": "null"}, {"type": "string"}]}, {"id": 1}),
        ({"anyOf": [ID, {"type": "object"}]}, BODY),
        ({"anyOf": [ID, {}]}, BODY),
        ({"if": {}, "then": ID, "else": NAME}, {"id": 1, "name": "n"}),
        ({"$ref": "#/$defs/a", "$defs": {"a": ID}}, {"id": 1}),
        ({"$ref": "#/$defs/gone"}, BODY),
        ({"type": "object", "properties": {"other": {}}}, BODY),  # it looks like nothing that was told
        ({"type": "array", "items": ID}, BODY),
    ],
)
def test_members_that_are_told_stay_and_others_where_they_are_allowed(schema, kept):
    assert pruned(BODY, schema) == kept


def test_items_and_what_refers_to_itself_are_pruned_at_any_depth():
    tree = {"type": "object", "properties": {"v": {}, "below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
    answer = {"v": 1, "x": 1, "below": [{"v": None, "x": 1, "below": [{"v": [], "x": 1}]}, None, "text"]}
    expected = {"v": 1, "below": [{"v": None, "below": [{"v": []}]}, None, "text"]}
    assert pruned(answer, {**tree, "$defs": {"tree": tree}}) == expected


def test_a_map_of_things_is_pruned_thing_by_thing():
    schema = {"type": "object", "additionalProperties": ID}
    assert pruned({"a": {"id": 1, "x": 1}, "b": None}, schema) == {"a": {"id": 1}, "b": None}


def test_references_in_a_circle_end():
    assert pruned(
        {"a": 1}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    ) == {"a": 1}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
)
words = st.sampled_from(
    ["properties", "items", "allOf", "anyOf", "additionalProperties", "$ref", "type", "patternProperties", "then"]
)
schemas = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["object", "array", "#/$defs/a", "#/$defs/%"]) | st.just({}),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words | st.sampled_from("abc"), below, max_size=3),
)


def is_within(kept, whole):
    if isinstance(whole, dict):
        return isinstance(kept, dict) and all(name in whole and is_within(kept[name], whole[name]) for name in kept)
    if isinstance(whole, list):
        return len(kept) == len(whole) and all(map(is_within, kept, whole))
    return kept == whole


@given(values, st.dictionaries(words, schemas, max_size=4), schemas)
def test_no_schema_and_no_answer_breaks_it_and_nothing_is_changed(value, schema, definition):
    assert is_within(pruned(value, {**schema, "$defs": {"a": definition}}), value)
