"""Schemas of OpenAPI documents as JSON Schema for a function's arguments: closed, whole in themselves, and usable."""

import json

import pytest

from agentrun.json_schema import Validator
from agentrun.openapi.pruning import pruned
from openapi_documents import answers, document, json_body, read


def made(schema, *, version="3.1.0", response=False, **schemas):
    """The schema of a body, or of an answer."""
    operation = {"requestBody": json_body(schema), "responses": answers(schema)}
    written = document({"POST /it": operation}, openapi=version, components={"schemas": schemas})
    found = read(written).operation("post_it")
    return found.response if response else found.body.schema


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def takes(schema, value):
    return Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True, "anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"nullable": True}, {}),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
            {"type": "number", "exclusiveMinimum": 0, "maximum": 9},
        ),
        ({"type": "integer", "exclusiveMaximum": 5}, {"type": "integer", "exclusiveMaximum": 5}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"type": "string", "examples": ["x", "y", "z"]}, {"type": "string", "examples": ["x", "y"]}),
        ({"type": "string", "deprecated": True}, {"type": "string", "description": "Deprecated."}),
        (
            {"type": "string", "xml": {"name": "x"}, "x-own": 1, "externalDocs": {}, "title": "It"},
            {"type": "string"},
        ),
        ({"type": "string", "title": "What it is"}, {"type": "string", "description": "What it is"}),
        ({"type": "string", "description": "Its name", "default": "a b"}, "Its name. Default: a b."),
        ({"type": "file"}, {"type": "string"}),
        ({"type": "any"}, {}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "Int"}, {"type": "integer"}),
        ({"type": "string", "minLength": "3", "maxLength": -1}, {"type": "string", "minLength": 3}),
        ({"type": "number", "multipleOf": 0, "minimum": "x"}, {"type": "number"}),
        ({"type": "string", "enum": [1, True, "1"]}, {"type": "string", "enum": ["1", "true"]}),
        ({"type": "integer", "enum": ["1", "2"]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "string", "enum": []}, {"type": "string"}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": [{"type": "string"}]}, None),
        ({"type": "string", "pattern": "^(?!x)a"}, {"type": "string", "description": "Pattern: ^(?!x)a"}),
        ({"type": "string", "pattern": "/^[a-z]+$/i"}, {"type": "string", "pattern": "^[a-z]+$"}),
        ({"type": "string", "pattern": r"^\d+\/\w$"}, {"type": "string", "pattern": r"^\d+\/\w$"}),
        ({"$id": "https://a.example/x", "$schema": "http://json-schema.org/draft-04/schema#"}, {}),
        ({"const": {"$ref": "no reference"}}, {"const": {"$ref": "no reference"}}),
        (True, {}),
        (False, {"not": {}}),
        ("nonsense", {}),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_what_documents_write_becomes_what_a_validator_takes(written, expected):
    found = made(written, version="3.0.3" if "nullable" in str(written) else "3.1.0")
    Validator(found)
    if isinstance(expected, str):
        assert found["description"] == expected
    elif expected is not None:
        assert found == expected


def test_a_request_takes_no_members_that_are_not_named_at_any_depth():
    found = made({"properties": {"lines": {"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}}})
    assert takes(found, {"lines": [{"id": 1}]})
    assert not takes(found, {"lines": [], "more": 1})
    assert not takes(found, {"lines": [{"id": 1, "more": 1}]})


@pytest.mark.parametrize(
    "written",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"properties": {"a": {}}, "additionalProperties": True},
        {"properties": {"a": {}}, "patternProperties": {"^x-": {}}},
    ],
)
def test_what_the_document_leaves_open_stays_open(written):
    assert takes(made(written), {"x-more": 1})


def test_members_that_are_read_only_are_not_sent_and_those_that_are_write_only_do_not_come_back():
    schemas = {
        "Id": {"type": "integer", "readOnly": True},
        "Open": {"type": "object"},
        "Order": {
            "required": ["id", "other", "secret", "name"],
            "properties": {
                "id": {"type": "string", "readOnly": True},
                "other": ref("Id"),
                "beside": {**ref("Open"), "readOnly": True},
                "wrapped": {"allOf": [ref("Id"), {"description": "x"}]},
                "secret": {"type": "string", "writeOnly": True},
                "name": {"type": "string"},
            },
        },
    }
    sent = made(ref("Order"), **schemas)
    assert sent["properties"].keys() == {"secret", "name"}
    assert sent["required"] == ["secret", "name"]
    back = made(ref("Order"), response=True, **schemas)
    assert "secret" not in back["properties"] and "id" in back["properties"]


def test_a_member_that_is_required_and_not_told_of_can_be_sent():
    found = made({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}}})
    assert takes(found, {"a": "x", "b": [1]})
    assert not takes(found, {"a": "x"})


def test_parts_become_one_object_that_is_closed():
    schemas = {
        "Base": {
            "type": "object",
            "required": ["id", "kind"],
            "properties": {"id": {"type": "integer", "readOnly": True}, "kind": {"type": "string"}},
            "additionalProperties": False,
        },
        "Order": {"allOf": [ref("Base"), {"required": ["id", "name"], "properties": {"name": {"type": "string"}}}]},
    }
    found = made({"allOf": [ref("Order"), {"description": "An order."}], "properties": {"n": {}}}, **schemas)
    assert found == {
        "type": "object",
        "properties": {"kind": {"type": "string"}, "name": {"type": "string"}, "n": {}},
        "required": ["kind", "name"],
        "description": "An order.",
        "additionalProperties": False,
    }


def test_a_member_in_two_parts_must_fit_both():
    found = made(
        {
            "allOf": [
                {"properties": {"a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "string", "maxLength": 3}}},
                {"properties": {"a": {"type": "string", "enum": ["x"]}, "b": {"type": "string", "minLength": 2}}},
            ]
        }
    )
    assert found["properties"]["a"] == {"type": "string", "enum": ["x"]}
    assert [takes(found, {"b": text}) for text in ("a", "ab", "abcd")] == [False, True, False]


def test_alternatives_beside_members_share_one_fence():
    found = made({"properties": {"a": {}}, "oneOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]})
    assert takes(found, {"a": 1, "b": 1, "c": 1}) and not takes(found, {"a": 1, "d": 1})
    found = made({"oneOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]})
    assert takes(found, {"b": 1}) and not takes(found, {"b": 1, "c": 1})


def test_alternatives_that_overlap_exclude_nothing():
    found = made({"oneOf": [{"type": "integer"}, {"type": "number"}]})
    assert takes(found, 1)


def test_what_stands_beside_a_reference_holds_too():
    schemas = {"Name": {"type": "string", "description": "A name.", "maxLength": 5}, "Open": {"type": "object"}}
    found = made({"properties": {"a": {**ref("Name"), "description": "Its name."}}}, **schemas)
    assert found["properties"]["a"] == {"type": "string", "description": "Its name.", "maxLength": 5}
    found = made({"properties": {"a": {**ref("Name"), "minLength": 2, "nullable": True}}}, **schemas)
    assert [takes(found, {"a": one}) for one in ("a", "ab", "abcdef", None)] == [False, True, False, True]
    found = made({**ref("Open"), "properties": {"a": {"type": "string"}}, "required": ["a"]}, **schemas)
    assert takes(found, {"a": "x"}) and not takes(found, {}) and not takes(found, {"a": "x", "b": 1})


def test_only_definitions_that_are_needed_are_there_and_small_ones_stand_in_their_place():
    wide = {"properties": {f"member_{at}": {"type": "string", "description": "One of many."} for at in range(20)}}
    schemas = {"Wide": wide, "Small": {"type": "string", "maxLength": 5}, "Unused": wide}
    one = made({"properties": {"a": ref("Wide"), "b": ref("Small"), "c": ref("Small")}}, **schemas)
    assert "$defs" not in one
    two = made({"properties": {"a": ref("Wide"), "b": ref("Wide"), "c": ref("Small")}}, **schemas)
    assert two["$defs"].keys() == {"Wide"}
    assert two["properties"]["a"] == {"$ref": "#/$defs/Wide"}


def test_what_refers_to_itself_stays_a_definition_and_works():
    schemas = {
        "Tree": {"required": ["name"], "properties": {"name": {"type": "string"}, "sons": {"$ref": "#/x/trees"}}}
    }
    written = document(
        {"POST /it": {"requestBody": json_body(ref("Tree"))}},
        components={"schemas": schemas},
        x={"trees": {"type": "array", "items": ref("Tree")}},
    )
    found = read(written).operation("post_it").arguments
    tree = {"name": "a", "sons": [{"name": "b", "sons": []}]}
    assert takes(found, {"body": tree})
    assert not takes(found, {"body": {**tree, "sons": [{"sons": []}]}})
    assert not takes(found, {"body": {**tree, "sons": [{"name": "b", "more": 1}]}})
    assert "$ref" not in found["properties"]["body"]


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [ref("A")], "properties": {"a": {}}},
        {"properties": {"a": {"allOf": [ref("A"), {"description": "x"}]}}},
        {"properties": {"a": {"allOf": [ref("A"), {"properties": {"b": {"type": "string"}}}]}}},
        {"anyOf": [ref("A"), {"type": "null"}]},
        {"properties": {"a": {"not": ref("A")}}},
        {"type": "array", "items": {"allOf": [ref("A"), ref("A")]}},
    ],
)
def test_a_schema_made_of_itself_comes_to_an_end(schema):
    Validator(made(ref("A"), A=schema))
    Validator(made(ref("A"), A=schema, response=True) | {"$defs": {}} if "$ref" not in str(schema) else {})


def test_a_member_called_like_a_keyword_is_a_member():
    found = made({"properties": {"$ref": {"type": "string"}, "properties": {"type": "object"}, "enum": {}}})
    assert found["properties"].keys() == {"$ref", "properties", "enum"}
    assert takes(found, {"$ref": "x", "properties": {}, "enum": 1})


def test_names_of_definitions_are_legal_and_each_its_own():
    wide = {"properties": {f"m{at}": {"type": "string", "description": "One of many."} for at in range(20)}}
    schemas = {"a b": wide, "a/b": {**wide, "maxProperties": 1}, "x" * 90: wide}
    names = ("a b", "a~1b", "x" * 90)
    listed = {f"p{at}{twin}": ref(name) for at, name in enumerate(names) for twin in "ab"}
    found = made({"properties": listed}, **schemas)
    assert len(found["$defs"]) == 3
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in found["$defs"])
    assert found["properties"]["p0a"] != found["properties"]["p1a"]


# -- discriminators -------------------------------------------------------------------------------------------

PETS = {
    "Pet": {
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind", "mapping": {"dog": "#/components/schemas/Dog", "cat": "Cat"}},
    },
    "Dog": {"allOf": [ref("Pet"), {"properties": {"bark": {"type": "string"}}}]},
    "Cat": {"allOf": [ref("Pet"), {"properties": {"lives": {"type": "integer"}}}]},
}


def test_a_base_stands_for_those_that_derive_from_it():
    found = made(ref("Pet"), **PETS)
    assert takes(found, {"kind": "dog", "bark": "loud"})
    assert takes(found, {"kind": "cat", "lives": 9})
    assert not takes(found, {"kind": "dog", "lives": 9})
    assert not takes(found, {"kind": "dog", "wings": 2})


def test_alternatives_with_a_discriminator_are_told_apart_by_it():
    shapes = {
        "Round": {"required": ["kind", "r"], "properties": {"kind": {"type": "string"}, "r": {"type": "number"}}},
        "Flat": {"required": ["kind"], "properties": {"kind": {"type": "string"}, "w": {"type": "number"}}},
    }
    written = {"oneOf": [ref("Round"), ref("Flat")], "discriminator": {"propertyName": "kind"}}
    found = made(written, **shapes)
    assert takes(found, {"kind": "Round", "r": 1}) and takes(found, {"kind": "Flat", "w": 1})
    assert not takes(found, {"kind": "Round", "w": 1})
    written["discriminator"]["mapping"] = {"o": "#/components/schemas/Round"}
    assert takes(made(written, **shapes), {"kind": "o", "r": 1})


def test_an_answer_may_be_any_of_a_large_family_and_a_function_names_none_of_it():
    kinds = {
        f"Event{at}": {"allOf": [ref("Event"), {"properties": {f"own{at}": {"type": "integer"}}}]} for at in range(60)
    }
    base = {"properties": {"kind": {"type": "string"}}, "discriminator": {"propertyName": "kind"}}
    answer = {"kind": "Event42", "own42": 1, "x": 2}
    assert pruned(answer, made(ref("Event"), response=True, Event=base, **kinds)) == {"kind": "Event42", "own42": 1}
    assert made(ref("Event"), Event=base, **kinds)["properties"].keys() == {"kind"}


def test_a_derived_schema_alone_is_itself():
    found = made(ref("Dog"), **PETS)
    assert found["properties"].keys() == {"kind", "bark"}


# -- what is too large ----------------------------------------------------------------------------------------


def test_of_a_schema_that_is_too_large_the_deepest_members_are_left_out_and_that_is_said():
    schemas = {
        f"N{at}": {
            "required": ["name"],
            "properties": {"name": {"type": "string"}}
            | {f"own_{at}_{number}": {"type": "string", "description": "Text. " * 20} for number in range(60)}
            | {"next": ref(f"N{at + 1}")},
        }
        for at in range(30)
    }
    found = made(ref("N0"), **schemas, N30={"type": "object"})
    assert len(json.dumps(found)) < 80_000
    assert found["description"].startswith("Members left out, as the whole is too large: next")
    assert takes(found, {"name": "a", "next": {"name": "b"}})
    Validator(found)
    assert made(ref("N0"), response=True, **schemas, N30={})["$defs"]["N1"]["properties"].keys() >= {"name", "next"}


def test_what_is_deeper_than_any_api_is_refused():
    schema = {"type": "string"}
    for _ in range(90):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(ValueError, match="nested deeper than 60 levels"):
        made(schema)
