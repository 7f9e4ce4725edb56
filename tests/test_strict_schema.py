"""Strict mode: what is sent instead of a schema, what is refused, and the way back from what a model says."""

import copy
import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.json_schema import Validator
from agentrun.spec.schema_problems import problems_of
from agentrun.strict.nulls import NullDropper, StrictCheck
from agentrun.strict.routes import written_path
from agentrun.strict.schema import Change, make_strict

TEXT = {"type": "string"}
NULL = {"type": "null"}


def closed(properties, **more):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def one(member, *, required=True, **more):
    """A schema with one property, `x`."""
    return {"type": "object", "properties": {"x": member}, "required": ["x"] if required else [], **more}


def sent(member, **more):
    """What stands in place of a required property."""
    made = make_strict(one(member, **more))
    assert made.refusals == ()
    return made.sent["properties"]["x"]


def refused(schema):
    return [(one.route, one.message) for one in make_strict(schema).refusals]


# -- what is sent ---------------------------------------------------------------------------------------------

CASES = {
    "an object is closed and all is required": (
        {"type": "object", "properties": {"a": TEXT}},
        closed({"a": {"type": ["string", "null"]}}),
    ),
    "a bound of a length is told": (
        {"type": "string", "minLength": 2, "maxLength": 9, "description": "A name."},
        {"type": "string", "description": "A name. At least 2 characters. At most 9 characters."},
    ),
    "a bound of a number is kept": ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}),
    "a pattern is kept": ({"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^a"}),
    "a known format is kept": ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
    "another format is told": ({"type": "string", "format": "uri"}, {"type": "string", "description": "Format: uri."}),
    "a default is told": ({"type": "integer", "default": 3}, {"type": "integer", "description": "Default: 3."}),
    "a list without repeats is told": (
        {"type": "array", "items": TEXT, "uniqueItems": True, "minItems": 1},
        {"type": "array", "items": TEXT, "minItems": 1, "description": "No item twice."},
    ),
    "a condition is quoted": (
        {"type": "string", "not": {"const": "x"}},
        {"type": "string", "description": 'Must also fit this JSON Schema: {"not": {"const": "x"}}'},
    ),
    "if and then are quoted together": (
        closed({"a": TEXT}, **{"if": {"required": ["a"]}, "then": {"minProperties": 1}}),
        closed(
            {"a": TEXT},
            description='Must also fit this JSON Schema: {"if": {"required": ["a"]}, "then": {"minProperties": 1}}',
        ),
    ),
    "oneOf becomes anyOf": ({"oneOf": [TEXT, NULL]}, {"anyOf": [TEXT, NULL]}),
    "a type is read off the values": ({"enum": ["a", 1]}, {"enum": ["a", 1], "type": ["string", "integer"]}),
    "a type is read off the keywords": ({"minimum": 1}, {"minimum": 1, "type": "number"}),
    "what strict mode doesn't know is left out": ({"type": "string", "readOnly": True, "x-a": 1}, TEXT),
    "one allOf is written out": ({"allOf": [TEXT], "description": "A name."}, {"description": "A name.", **TEXT}),
    "several allOf are merged": (
        {
            "allOf": [
                {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
                {"properties": {"b": {"type": "number", "minimum": 1}}, "required": ["b"]},
            ]
        },
        closed({"a": TEXT, "b": {"type": "number", "minimum": 1}}),
    ),
    "a property of two parts of allOf fits both": (
        {"allOf": [closed({"a": {"type": "number"}}), closed({"a": {"type": "integer", "maximum": 5}})]},
        closed({"a": {"type": "integer", "maximum": 5}}),
    ),
    "what stands around alternatives goes into each": (
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "anyOf": [one(TEXT), one(NULL)]},
        {"anyOf": [closed({"a": TEXT, "x": TEXT}), closed({"a": TEXT, "x": NULL})]},
    ),
    "alternatives of what is required are told": (
        closed({"a": TEXT}, anyOf=[{"required": ["a"]}, {"maxProperties": 0}]),
        closed(
            {"a": TEXT},
            description='Must also fit this JSON Schema: {"anyOf": [{"required": ["a"]}, {"maxProperties": 0}]}',
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_sent(name):
    written, expected = CASES[name]
    assert sent(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (TEXT, {"type": ["string", "null"]}),
        ({"type": ["string", "integer"]}, {"type": ["string", "integer", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"const": "a"}, {"anyOf": [{"const": "a", "type": "string"}, NULL]}),
        ({"anyOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}, NULL]}),
        ({"anyOf": [TEXT, NULL]}, {"anyOf": [TEXT, NULL]}),
        ({"$ref": "#"}, {"anyOf": [{"$ref": "#"}, NULL]}),
        (closed({}), closed({}, type=["object", "null"])),
    ],
)
def test_an_optional_property_may_be_null(written, expected):
    assert sent(written, required=False) == expected


def test_a_schema_that_is_strict_already_is_sent_as_it_is_byte_for_byte():
    node = closed({"value": {"type": ["number", "null"], "minimum": 0}, "next": {"$ref": "#/$defs/node"}})
    kinds = {"anyOf": [closed({"k": {"type": "string", "enum": ["a"]}}), {"$ref": "#/$defs/node"}], "title": "T"}
    listed = {"description": "d", "type": "array", "items": kinds, "maxItems": 3}
    written = {"$defs": {"node": node}, "additionalProperties": False, "required": ["l", "b"]}
    written |= {"type": "object", "properties": {"b": {"type": "boolean"}, "l": listed}}
    made = make_strict(written)
    assert (made.changes, made.refusals) == ((), ())
    assert json.dumps(made.sent) == json.dumps(written)


def test_the_authors_schema_is_not_changed():
    written = one({"oneOf": [TEXT, one(TEXT, required=False)]}, required=False, **{"$defs": {"a": one(TEXT)}})
    before = copy.deepcopy(written)
    make_strict(written)
    assert written == before


def test_a_recursive_schema_stays_recursive():
    node = {"type": "object", "properties": {"v": TEXT, "next": {"$ref": "#/$defs/node"}}, "required": ["v"]}
    made = make_strict(one({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}}))
    strict_node = closed({"v": TEXT, "next": {"anyOf": [{"$ref": "#/$defs/node"}, NULL]}})
    assert made.sent == closed({"x": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": strict_node}})


def test_a_described_reference_is_written_out_once():
    node = closed({"next": {"$ref": "#/$defs/node", "description": "The next."}})
    made = make_strict(one({"$ref": "#/$defs/node", "description": "The first."}, **{"$defs": {"node": node}}))
    assert made.sent["properties"]["x"] == closed({"next": {"$ref": "#/$defs/node"}}, description="The first.")
    assert Change("left_out", "$defs.node.next", "description") in made.changes


def test_changes_name_their_places():
    item = {"type": "object", "properties": {"sku": {"type": "string", "minLength": 1}}}
    made = make_strict({"$schema": "s", "type": "object", "properties": {"lines": {"type": "array", "items": item}}})
    assert set(made.changes) == {
        Change("left_out", "", "$schema"),
        Change("closed", ""),
        Change("nullable", "lines"),
        Change("closed", "lines[]"),
        Change("nullable", "lines[].sku"),
        Change("told", "lines[].sku", "minLength"),
    }


def test_a_path_is_written_as_a_person_does():
    assert (
        written_path(("properties", "items", "items", "anyOf", 1, "properties", "properties"))
        == "items[](2).properties"
    )
    assert written_path(("$defs", "node", "properties", "a")) == "$defs.node.a"


# -- what is refused ------------------------------------------------------------------------------------------

X = ("properties", "x")
REFUSED = {
    "a reference at the top": ({"$ref": "#/$defs/a", "$defs": {"a": one(TEXT)}}, ("$ref",)),
    "alternatives at the top": ({"oneOf": [one(TEXT)]}, ("oneOf",)),
    "a list at the top": ({"type": "array", "items": TEXT}, ("type",)),
    "other keys": (one(one(TEXT, additionalProperties=True)), (*X, "additionalProperties")),
    "keys by a pattern": (one(one(TEXT, patternProperties={"^a": TEXT})), (*X, "patternProperties")),
    "unevaluated keys": (one(one(TEXT, unevaluatedProperties=TEXT)), (*X, "unevaluatedProperties")),
    "any object": (one({"type": "object"}), X),
    "any value": (one({}), X),
    "true": (one(True), X),
    "a list of anything": (one({"type": "array"}), X),
    "places in a list": (one({"type": "array", "prefixItems": [TEXT]}), (*X, "prefixItems")),
    "a required property that isn't there": (one(TEXT) | {"required": ["y"]}, ("required",)),
    "a reference by path": (
        one(closed({"y": {"$ref": "#/properties/x"}})),
        (*X, "properties", "y", "$ref"),
    ),
    "a schema with an id": (one({"$id": "a:b", "type": "string"}), (*X, "$id")),
    "parts that disagree": (one({"allOf": [TEXT, NULL]}), X),
    "parts with different patterns": (one({"type": "string", "pattern": "a", "allOf": [{"pattern": "b"}]}), X),
    "alternatives in two parts": (one({"allOf": [{"anyOf": [TEXT]}, {"anyOf": [NULL]}]}), X),
    "a circle of references": (
        one({"allOf": [{"$ref": "#/$defs/a"}], "title": "t"}, **{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
        ("$defs", "a", "allOf", 0, "$ref"),
    ),
    "a bound beside a reference that leads back": (
        one(TEXT, **{"$defs": {"a": closed({"b": {"$ref": "#/$defs/a", "minProperties": 1}})}}),
        ("$defs", "a", "properties", "b", "$ref"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_strict_form_is_refused_at_its_place(name):
    schema, route = REFUSED[name]
    assert problems_of(schema) == []
    assert [place for place, _ in refused(schema)] == [route]


def nested(levels):
    schema = closed({"x": TEXT})
    for _ in range(levels - 1):
        schema = closed({"properties": schema})
    return schema


LIMITS = {
    "levels": (nested(10), nested(11)),
    "properties": (
        closed({f"p{index}": TEXT for index in range(5_000)}),
        closed({f"p{index}": TEXT for index in range(5_001)}),
    ),
    "values": (one({"enum": list(range(1_000))}), one({"enum": list(range(1_001))})),
    "characters of an enum": (
        one({"enum": [f"{index:060}" for index in range(250)]}),
        one({"enum": [f"{index:060}" for index in range(251)]}),
    ),
    "characters in all": (closed({"a" * 120_000: TEXT}), closed({"a" * 120_001: TEXT})),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_schema_has_a_largest_size(name):
    fits, too_large = LIMITS[name]
    assert make_strict(fits).refusals == ()
    assert [one.is_limit for one in make_strict(too_large).refusals] == [True]


def test_references_that_multiply_are_refused_and_not_written_out():
    definitions = {
        f"d{index}": closed({name: {"$ref": f"#/$defs/d{index + 1}", "title": name} for name in "ab"})
        for index in range(30)
    }
    made = make_strict(one({"$ref": "#/$defs/d0", "title": "t"}, **{"$defs": {**definitions, "d30": closed({})}}))
    assert [one.is_limit for one in made.refusals] == [True]


# -- the way back ---------------------------------------------------------------------------------------------

NODE = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}, "required": ["v"]}
CARD = {"type": "object", "properties": {"card": TEXT, "name": TEXT}, "required": ["card"]}
BANK = {"type": "object", "properties": {"iban": TEXT, "name": {"type": ["string", "null"]}}, "required": ["iban"]}
SHOP = {
    "type": "object",
    "properties": {
        "text": TEXT,
        "city": {"type": "string", "default": "Oslo"},
        "until": {"type": ["string", "null"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": TEXT, "count": TEXT}}},
        "tree": {"$ref": "#/$defs/node"},
        "pay": {"oneOf": [CARD, BANK]},
        "size": {"allOf": [{"type": "object", "properties": {"w": TEXT}}, {"properties": {"h": TEXT}}]},
    },
    "required": ["text"],
    "$defs": {"node": NODE},
}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"text": "a", "city": None}, {"text": "a"}),
        ({"text": "a", "until": None}, {"text": "a", "until": None}),
        ({"text": None}, {"text": None}),
        ({"unknown": None}, {"unknown": None}),
        ({"lines": [{"sku": "a", "count": None}, {"sku": None}]}, {"lines": [{"sku": "a"}, {}]}),
        ({"tree": {"v": 1, "next": {"v": 2, "next": None}}}, {"tree": {"v": 1, "next": {"v": 2}}}),
        ({"pay": {"card": "a", "name": None}}, {"pay": {"card": "a"}}),
        ({"pay": {"iban": "a", "name": None}}, {"pay": {"iban": "a", "name": None}}),
        ({"pay": None}, {}),
        ({"size": {"w": None, "h": "a"}}, {"size": {"h": "a"}}),
        ([None], [None]),
        (None, None),
    ],
)
def test_nulls_go_where_a_property_is_optional_and_the_author_allows_no_null(said, left):
    before = copy.deepcopy(said)
    assert NullDropper(make_strict(SHOP)).drop(said) == left
    assert said == before


def test_of_alternatives_the_one_counts_that_the_model_took():
    first = {"type": "object", "properties": {"x": TEXT}}
    second = {"type": "object", "properties": {"x": {"type": ["string", "null"]}, "y": TEXT}, "required": ["x"]}
    dropper = NullDropper(make_strict(closed({"v": {"anyOf": [first, second]}})))
    assert dropper.drop({"v": {"x": None, "y": None}}) == {"v": {"x": None}}
    assert dropper.drop({"v": {"x": None}}) == {"v": {}}


def test_a_default_takes_the_place_of_a_null():
    check = StrictCheck(make_strict(SHOP))
    value = check.with_defaults({"text": "a", "city": None})
    assert value == {"text": "a", "city": "Oslo"}
    assert check.violations(value) == []


def test_what_strict_mode_only_tells_is_checked():
    check = StrictCheck(make_strict(one({"type": "string", "minLength": 2})))
    assert [one.path for one in check.violations(check.with_defaults({"x": "a"}))] == ["x"]


def test_alternatives_that_nest_deep_are_looked_at_once():
    branch = {"type": "object", "properties": {"v": {"type": "string"}, "next": {"$ref": "#/$defs/either"}}}
    other = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/either"}}}
    dropper = NullDropper(
        make_strict(one({"$ref": "#/$defs/either"}, **{"$defs": {"either": {"anyOf": [branch, other]}}}))
    )
    said, expected = {"v": "end", "next": None}, {"v": "end"}
    for _ in range(20):
        said, expected = {"v": None, "next": said}, {"next": expected}
    assert dropper.drop({"x": said}) == {"x": expected}


# -- any schema, any value ------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "properties", "type"])
ABSENT = object()


def scalars():
    """Schemas of scalars, each with a strategy for what is valid."""
    return st.sampled_from(
        [
            (TEXT, st.text(max_size=3)),
            ({"type": "string", "minLength": 1, "maxLength": 2, "format": "x"}, st.text(min_size=1, max_size=2)),
            ({"type": "integer", "minimum": 0, "default": 3}, st.integers(0, 9)),
            ({"type": ["boolean", "null"]}, st.none() | st.booleans()),
            ({"enum": ["a", 1, True]}, st.sampled_from(["a", 1, True])),
            ({"type": "string", "enum": ["a", "b"], "title": "T"}, st.sampled_from(["a", "b"])),
            ({"const": None}, st.none()),
            ({"$ref": "#/$defs/word"}, st.text(max_size=2)),
            ({"$ref": "#/$defs/word", "description": "d"}, st.text(max_size=2)),
            ({"$ref": "#/$defs/pair"}, st.sampled_from([{"w": "q"}, {"w": "q", "n": 1}])),
        ]
    )


DEFINITIONS = {"word": TEXT, "pair": {"type": "object", "properties": {"w": TEXT, "n": {"type": "integer"}}}}
DEFINITIONS["pair"]["required"] = ["w"]


@st.composite
def objects(draw, inner):
    members = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=3))
    required = [name for name in members if draw(st.booleans())]
    schema = {"type": "object", "properties": {name: member for name, (member, _) in members.items()}}
    schema["required"] = required
    if draw(st.booleans()):
        schema["additionalProperties"] = False
    if draw(st.booleans()) and len(members) > 1:
        first = next(iter(members))
        rest = {name: member for name, member in schema["properties"].items() if name != first}
        schema = {
            "allOf": [{"type": "object", "properties": {first: schema["properties"][first]}}, {"properties": rest}],
            "required": required,
        }
    values = st.fixed_dictionaries(
        {name: value for name, (_, value) in members.items() if name in required},
        optional={name: value for name, (_, value) in members.items() if name not in required},
    )
    return schema, values


@st.composite
def lists(draw, inner):
    item, values = draw(inner)
    return {"type": "array", "items": item, "maxItems": 2}, st.lists(values, max_size=2)


@st.composite
def alternatives(draw, inner):
    branches = draw(st.lists(inner, min_size=1, max_size=3))
    return {"anyOf": [schema for schema, _ in branches]}, st.one_of(*(values for _, values in branches))


SCHEMAS = objects(
    st.recursive(scalars(), lambda inner: objects(inner) | lists(inner) | alternatives(inner), max_leaves=6)
).filter(lambda drawn: "allOf" not in drawn[0])


def as_sent(schema, root, value):
    """The forms in which a model may say a value to the strict schema: what is absent is null."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].split("/")[2]]
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            yield from as_sent(branch, root, value)
        return
    if "allOf" in schema:
        properties = {name: member for part in schema["allOf"] for name, member in part["properties"].items()}
        schema = {"type": "object", "properties": properties, "required": schema["required"]}
    if isinstance(value, list) and schema.get("type") == "array":
        yield from map(list, product(*(as_sent(schema["items"], root, item) for item in value)))
    elif isinstance(value, dict) and schema.get("type") == "object":
        properties = schema["properties"]
        if value.keys() <= properties.keys() and set(schema["required"]) <= value.keys():
            forms = [
                as_sent(member, root, value[name]) if name in value else [None] for name, member in properties.items()
            ]
            yield from (dict(zip(properties, form, strict=True)) for form in product(*forms))
    elif not isinstance(value, (dict, list)):
        yield value


@settings(max_examples=150, deadline=None)
@given(data=st.data(), drawn=SCHEMAS)
def test_a_valid_value_can_be_said_and_comes_back_valid(data, drawn):
    schema, values = drawn
    schema = {**schema, "$defs": DEFINITIONS}
    value = data.draw(values)
    author = Validator(schema)
    made = make_strict(schema)
    assert made.refusals == ()
    strict = Validator(made.sent)
    for said in as_sent(schema, schema, value):
        if strict.violations(said):
            continue
        left = NullDropper(made).drop(said)
        assert author.violations(left) == []
        break
    else:
        raise AssertionError("the strict schema allows no form of the value")
