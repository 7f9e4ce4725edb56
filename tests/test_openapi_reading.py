"""OpenAPI documents: what is read of them, what they are refused for, and which of their operations are chosen."""

import copy
import json
import random
import time

import pytest
import yaml

from agentrun.openapi.operation import SecurityScheme
from agentrun.openapi.problems import DocumentProblem, OperationProblem
from agentrun.openapi.reading import read_document
from openapi_crowd import crowd
from openapi_documents import answers, body, document, json_body, parameter, read


def operation(written=None, place="GET /it", **more):
    """The one operation of a document."""
    read_one = read(document({place: written or {}}, **more))
    return read_one.operation(read_one.outlines[0].name)


def problem(written=None, **more):
    with pytest.raises(OperationProblem) as raised:
        operation(written, **more)
    return raised.value


def refusal(text):
    with pytest.raises(DocumentProblem) as raised:
        read_document("shop.yaml", text if isinstance(text, bytes) else text.encode())
    return raised.value


# -- text -----------------------------------------------------------------------------------------------------


def test_a_document_is_the_same_from_json_and_from_yaml():
    written = crowd(50)
    texts = (json.dumps(written), yaml.safe_dump(written), "\ufeff" + json.dumps(written), yaml.safe_dump(written))
    first, *others = [read_document("crowd", text.encode()).operations() for text in texts]
    assert len(first) == 50
    for other in others:
        assert [(one.name, one.arguments) for one in other] == [(one.name, one.arguments) for one in first]


def test_yaml_is_read_as_json_has_it():
    text = """
    openapi: 3.1.0
    info: {title: yes, version: 1.10}
    paths:
      /it:
        get:
          operationId: on
          parameters:
            - name: day
              in: query
              schema: &day {type: string, enum: [no, 2024-01-01, 1e3, 0x10, 'a', ~, null, "12"]}
            - {name: other, in: query, schema: {<<: *day, description: Another.}}
          responses: {200: {description: fine, content: {application/json: {schema: {type: string}}}}}
    """
    [made] = read_document("shop.yaml", text.encode()).operations()
    assert made.name == "on"
    assert made.arguments["properties"]["day"]["enum"] == ["no", "2024-01-01", "1000.0", "16", "a", None, "12"]
    assert made.arguments["properties"]["other"]["description"] == "Another."
    assert made.response == {"type": "string"}  # the status is a text, though it is no quoted one


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ('{"swagger": "2.0", "paths": {}}', "it is Swagger 2.0, and agentrun reads OpenAPI 3", ""),
        ("openapi: 2.0.0\npaths: {}", "it is OpenAPI 2.0.0, and agentrun reads 3.0 and 3.1", ""),
        ("openapi: 3.2.0\npaths: {}", "it is OpenAPI 3.2.0, and agentrun reads 3.0 and 3.1", ""),
        ("title: a schema", "it is no OpenAPI document: it has no `openapi` with its version", ""),
        ("just words", "it is no OpenAPI document: a mapping with `openapi` and `paths` is wanted", ""),
        ("", "it is no OpenAPI document: a mapping with `openapi` and `paths` is wanted", ""),
        ("openapi: 3.1.0\npaths: []", "its `paths` are no mapping", "/paths"),
        ("openapi: 3.1.0\npaths: {", "it is neither JSON nor YAML: did not find expected node content", "line 3"),
        ('{"openapi": "3.1.0",\n"paths": {]}', "it is not JSON: object keys must be strings", "line 2"),
        ("a: 1\nb: *none", "the alias `*none` has no anchor before it", "line 2"),
        (b"openapi: 3.1.0\ntitle: \xff", "it is not UTF-8", "line 2"),
        ("[" * 100_000, "", ""),
        ("a:\n" + "".join(" " * deep + "- \n" for deep in range(1, 300)), "it is nested deeper than 200 levels", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_document_is_refused_in_words(text, message, where):
    found = refusal(text)
    assert found.message.startswith(message) and found.message
    assert where is None or found.where == where


def test_swagger_is_told_how_to_be_converted():
    assert "npx swagger2openapi" in refusal("swagger: '2.0'\npaths: {}").help


def test_aliases_that_stand_for_too_much_are_refused_and_soon():
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 12)]
    assert refusal("\n".join(lines)).message == "its aliases stand for more than 8,000,000 values"


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_thousands_of_operations_are_read_each_of_them_usable(kind):
    written = crowd(4000, schemas=500)
    text = json.dumps(written).encode() if kind == "json" else yaml.dump(written, Dumper=yaml.CSafeDumper).encode()
    made = read_document("crowd", text).operations()
    assert len({one.name for one in made}) == 4000
    assert all(one.server == "https://crowd.example.com/v1" and one.response for one in made)


# -- names, paths, servers ------------------------------------------------------------------------------------


def test_an_operation_without_an_id_of_its_own_is_called_after_method_and_path():
    found = read(
        document(
            {
                "GET /orders/{id}": {},
                "GET /orders/{id}/lines.csv": {"operationId": " "},
                "POST /": {},
                "GET /a": {"operationId": "twice"},
                "GET /b": {"operationId": "twice"},
                "GET /c": {"operationId": "get_b"},
                "GET /orders-{from}-{to}": {},
            }
        )
    )
    assert [one.name for one in found.outlines] == [
        *("get_orders_by_id", "get_orders_by_id_lines_csv", "post", "get_a", "get_b_2", "get_b"),
        "get_orders_by_from_by_to",
    ]


def test_parameters_of_the_path_hold_for_its_operations_and_theirs_win():
    written = document({"GET /shops/{shop}/orders": {"parameters": [parameter("limit", description="Mine.")]}})
    written["paths"]["/shops/{shop}/orders"]["parameters"] = [
        parameter("limit", schema={"type": "integer"}, description="The path's."),
        parameter("shop", "path", {"type": "string"}),
        parameter("gone", "path"),
    ]
    made = read(written).operation("get_shops_by_shop_orders")
    assert [(one.name, one.place, one.required) for one in made.parameters] == [
        ("shop", "path", True),
        ("limit", "query", False),
    ]
    assert made.arguments["properties"]["limit"] == {"description": "Mine."}


def test_a_piece_of_the_path_that_no_parameter_tells_of_is_one_all_the_same():
    made = operation(place="GET /orders/{id}")
    assert made.arguments["properties"] == {"id": {"type": "string"}}
    assert made.arguments["required"] == ["id"]


@pytest.mark.parametrize(
    ("servers", "address", "expected"),
    [
        ([{"url": "https://shop.example.com/v1/"}, {"url": "https://other"}], "", "https://shop.example.com/v1"),
        ([{"url": "/v1"}], "", ""),
        ([{"url": "/v1"}], "https://shop.example.com/api/openapi.json", "https://shop.example.com/v1"),
        ([{"url": "v1"}], "https://shop.example.com/api/openapi.json", "https://shop.example.com/api/v1"),
        (None, "https://shop.example.com/api/openapi.json", "https://shop.example.com"),
        (None, "", ""),
        ([{"url": "wss://shop.example.com"}], "", ""),
        ([{"url": "https://{host}/{v}", "variables": {"host": {"default": "a.example"}}}], "", ""),
        (
            [{"url": "https://{r}.example.com/{v}", "variables": {"r": {"default": "eu"}, "v": {"default": 2}}}],
            "",
            "https://eu.example.com/2",
        ),
        ([{"url": 7}], "", ""),
    ],
)
def test_the_first_server_counts_with_its_defaults(servers, address, expected):
    written = {**document({"GET /it": {}}), "servers": servers}
    [made] = read_document(address, json.dumps(written).encode()).operations()
    assert made.server == expected


def test_an_operations_server_wins_over_its_paths_and_that_over_the_documents():
    written = document({"GET /it": {"servers": [{"url": "https://own"}]}, "PUT /it": {}, "GET /else": {}})
    written["paths"]["/it"]["servers"] = [{"url": "https://path"}]
    assert [one.server for one in read(written).operations()] == ["https://own", "https://path", "http://localhost"]


# -- arguments ------------------------------------------------------------------------------------------------


def test_arguments_have_names_that_services_take_each_its_own():
    names = ["$filter", "page[size]", "page_size", "a.b-c", "id", "", "é" * 3, "x" * 70]
    written = [parameter(name) for name in names if name]
    made = operation({"parameters": [*written, parameter("id", "header"), parameter("id", "path")]}, "GET /it/{id}")
    found = {one.name: one.argument for one in made.parameters if one.place == "query"}
    assert found["$filter"] == "filter"
    assert (found["page[size]"], found["page_size"]) == ("page_size", "page_size_query")
    assert found["a.b-c"] == "a.b-c"
    assert found["é" * 3] == "value"
    assert len(found["x" * 70]) == 64
    assert [(one.place, one.argument) for one in made.parameters if one.name == "id"] == [
        ("path", "id"),
        ("query", "id_query"),
        ("header", "id_header"),
    ]


def test_the_body_is_one_argument_whose_name_gives_way():
    made = operation({"parameters": [parameter("body")], "requestBody": json_body({"type": "object"})}, "POST /it")
    assert made.arguments["properties"].keys() == {"body", "request_body"}
    assert made.arguments["required"] == ["request_body"]
    assert made.arguments["additionalProperties"] is False


def test_what_the_connection_and_credentials_carry_is_never_an_argument():
    schemes = {
        "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "key"},
    }
    named = ["Accept", "content-type", "Authorization", "Host", "Cookie", "x-KEY", "X-Trace"]
    listed = [parameter(name, "header") for name in named] + [parameter("key"), parameter("Key")]
    made = operation({"parameters": listed}, components={"securitySchemes": schemes})
    assert [one.name for one in made.parameters] == ["Key", "X-Trace"]


def test_defaults_are_said_and_not_filled_in():
    """Sent with each call they would change what an update leaves alone."""
    made = operation({"parameters": [parameter("limit", schema={"type": "integer", "default": 20})]})
    assert made.arguments["properties"]["limit"] == {"type": "integer", "description": "Default: 20."}


def test_a_parameter_takes_no_null_and_may_be_written_as_in_version_two():
    listed = [
        parameter("a", schema={"type": ["string", "null"], "enum": ["x", None]}),
        parameter("b", schema={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        {"name": "c", "in": "query", "type": "integer", "enum": [1, 2]},
    ]
    assert operation({"parameters": listed}).arguments["properties"] == {
        "a": {"type": "string", "enum": ["x"]},
        "b": {"type": "string"},
        "c": {"type": "integer", "enum": [1, 2]},
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"parameters": [{"in": "query"}]}, "a parameter has no `name`"),
        ({"parameters": ["limit"]}, "a parameter is no mapping"),
        ({"parameters": [{"name": "it", "in": "body"}]}, "its parameter `it` is in `body`, which is no place"),
        ({"requestBody": body("application/xml", {})}, "its body is `application/xml`, which agentrun does not write"),
        ({"requestBody": body("text/csv", {"type": "object"})}, "its body is `text/csv`, and no text"),
        ({"requestBody": []}, "its `requestBody` is no mapping"),
        (
            {"parameters": [{"$ref": "#/components/parameters/none"}]},
            "`#/components/parameters/none` points to nothing",
        ),
        ({"parameters": [{"$ref": "more.yaml#/limit"}]}, "`more.yaml#/limit` points to another file"),
        ({"parameters": [{"$ref": "https://a.example/b"}]}, "`https://a.example/b` points to another address"),
    ],
)
def test_what_cant_be_expressed_says_why_and_where(written, message):
    found = problem(written, place="POST /it")
    assert found.reason.startswith(message)
    assert found.where.startswith("/paths/~1it/post")


def test_one_broken_operation_leaves_the_others_alone():
    found = read(document({"GET /a": {"parameters": [7]}, "GET /b": {}, "TRACE /c": {}}))
    chosen = found.chosen(["*"])
    assert [one.name for one in chosen.operations] == ["get_b"]
    assert [(one.outline.name, one.why) for one in chosen.unusable] == [
        ("get_a", "a parameter is no mapping"),
        ("trace_c", "TRACE is not sent"),
    ]


# -- bodies and answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["application/xml", "application/json"], "application/json"),
        (["application/merge-patch+json", "application/json; charset=utf-8"], "application/json; charset=utf-8"),
        (["text/plain", "application/vnd.shop+json"], "application/vnd.shop+json"),
        (["*/*"], "application/json"),
        (["multipart/form-data", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
        (["application/octet-stream", "text/plain"], "text/plain"),
        (["image/png", "application/octet-stream"], "application/octet-stream"),
    ],
)
def test_json_is_sent_where_it_can_be_then_forms_then_text(types, expected):
    content = {one: {"schema": {}} for one in types}
    assert operation({"requestBody": {"content": content}}, "POST /it").body.media_type == expected


def test_members_of_a_form_stand_in_their_place_with_what_is_said_of_their_encoding():
    form = {"type": "object", "properties": {"tags": {"$ref": "#/components/schemas/Tags"}}}
    more = {"components": {"schemas": {"Tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tags"}}}}}
    encoding = {"tags": {"style": "pipeDelimited", "contentType": "application/json, text/plain"}}
    made = operation({"requestBody": body("multipart/form-data", form, encoding=encoding)}, "POST /it", **more)
    assert made.body.schema["properties"]["tags"] == {"type": "array", "items": {"$ref": "#/$defs/Tags"}}
    found = made.body.encoding["tags"]
    assert (found.style, found.explode, found.content_type) == ("pipeDelimited", False, "application/json")


def test_the_answer_is_that_of_each_success():
    responses = {
        "200": answers({"type": "string"})["200"],
        "201": answers({"type": "integer"}, "application/vnd.shop+json")["200"],
        "204": {"description": "nothing"},
        "404": answers({"type": "null"})["200"],
        "default": answers({"type": "null"})["200"],
    }
    made = operation({"responses": responses})
    assert made.response == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert made.accepts == ("application/json", "application/vnd.shop+json")
    assert operation({"responses": {"404": responses["404"]}}).response is None


# -- references -----------------------------------------------------------------------------------------------


def test_references_lead_to_parameters_bodies_answers_and_paths():
    written = document({"GET /a": {}}, components={})
    written["components"] = {
        "parameters": {"limit": parameter("limit", schema={"$ref": "#/components/schemas/a~1b%20c~0"})},
        "requestBodies": {"it": {"$ref": "#/components/requestBodies/other"}, "other": json_body({"type": "object"})},
        "responses": {"it": answers({"type": "string"})["200"]},
        "schemas": {"a/b c~": {"type": "integer"}},
        "pathItems": {
            "it": {
                "post": {
                    "operationId": "make",
                    "parameters": [
                        {"$ref": "#/components/parameters/limit"},
                        {"$ref": "#/paths/~1b/get/parameters/0"},
                    ],
                    "requestBody": {"$ref": "#/components/requestBodies/it"},
                    "responses": {"200": {"$ref": "#/components/responses/it"}},
                }
            }
        },
    }
    written["paths"]["/a"] = {"$ref": "#/components/pathItems/it"}
    written["paths"]["/b"] = {"get": {"parameters": [parameter("other")]}}
    made = read(written).operation("make")
    assert made.path == "/a"
    assert made.arguments["properties"] == {"limit": {"type": "integer"}, "other": {}, "body": {"type": "object"}}
    assert made.response == {"type": "string"}


def test_a_way_may_lead_through_a_reference_and_a_circle_is_told():
    schemas = {
        "A": {"$ref": "#/components/schemas/B"},
        "B": {"properties": {"id": {"type": "integer"}}},
        "C": {"$ref": "#/components/schemas/D"},
        "D": {"$ref": "#/components/schemas/C"},
        "E": {"$ref": "#/components/schemas/E/x"},
    }

    def at(place):
        listed = [parameter("it", schema={"$ref": f"#/components/schemas/{place}"})]
        return operation({"parameters": listed}, components={"schemas": schemas})

    assert at("A/properties/id").arguments["properties"]["it"] == {"type": "integer"}
    for circle in ("C", "E", "E/y"):
        with pytest.raises(OperationProblem, match="in a circle"):
            at(circle)


def test_anchors_and_identifiers_of_schemas_are_found():
    schemas = {
        "Id": {"$anchor": "id", "type": "integer"},
        "Shop": {"$id": "https://shop.example.com/shop", "type": "object", "$defs": {"Name": {"type": "string"}}},
        "Alone": {"type": "array", "items": {"$ref": "#/$defs/Item"}, "$defs": {"Item": {"type": "boolean"}}},
        "Tree": {"$dynamicAnchor": "node", "type": "array", "items": {"$dynamicRef": "#node"}},
    }
    names = ("#id", "https://shop.example.com/shop#/$defs/Name", "#/components/schemas/Alone", "#node")
    listed = [parameter(f"p{at}", schema={"$ref": name}) for at, name in enumerate(names)]
    made = operation({"parameters": listed}, components={"schemas": schemas}).arguments
    assert made["properties"]["p0"] == {"type": "integer"}
    assert made["properties"]["p1"] == {"type": "string"}
    assert made["properties"]["p2"]["items"] == {"type": "boolean"}
    assert made["properties"]["p3"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}


# -- credentials ----------------------------------------------------------------------------------------------


def test_security_is_told_as_alternatives_of_what_is_needed_together():
    flow = {"clientCredentials": {"tokenUrl": "https://a.example/token", "scopes": {}}}
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "basic": {"type": "http", "scheme": "Basic"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "oauth": {"type": "oauth2", "flows": flow},
        "person": {"type": "oauth2", "flows": {"authorizationCode": {}}},
        "tls": {"type": "mutualTLS"},
    }
    security = [{"key": [], "basic": []}, {"oauth": ["read"]}, {"person": []}, {"tls": []}, {"none": []}, {}]
    made = operation({"security": security}, components={"securitySchemes": schemes})
    assert made.security == (
        (SecurityScheme("key", "api_key", "header", "X-Key"), SecurityScheme("basic", "basic")),
        (SecurityScheme("oauth", "oauth2", token_url="https://a.example/token", scopes=("read",)),),
        (SecurityScheme("person", "bearer"),),
        (SecurityScheme("tls", None),),
        (SecurityScheme("none", None),),
        (),
    )


def test_an_operation_that_says_nothing_has_the_documents_security_and_one_that_says_none_has_none():
    more = {"security": [{"b": []}], "components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}}
    assert operation({}, **more).security == ((SecurityScheme("b", "bearer"),),)
    assert operation({"security": []}, **more).security == ()


# -- choosing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (["*"], ["listOrders", "orders/get", "listShops"]),
        (["list*"], ["listOrders", "listShops"]),
        (["List*"], []),
        (["listShops", "listOrders"], ["listOrders", "listShops"]),
        (["tag:orders"], ["listOrders", "orders/get"]),
        (["tag:*s"], ["listOrders", "orders/get"]),
        (["/orders/*"], ["orders/get"]),
        (["/orders/{id}"], ["orders/get"]),
        (["get /orders*"], ["listOrders", "orders/get"]),
        (["DELETE /orders/{id}"], ["drop"]),
        (["DELETE /orders/*"], []),
        (["drop"], ["drop"]),
        (["drop*"], []),
        (["orders/*"], ["orders/get"]),
    ],
)
def test_operations_are_chosen_by_name_tag_and_path_and_deprecated_ones_only_by_themselves(entries, names):
    found = read(
        document(
            {
                "GET /orders": {"operationId": "listOrders", "tags": ["orders"]},
                "GET /orders/{id}": {"operationId": "orders/get", "tags": ["orders", "one"]},
                "DELETE /orders/{id}": {"operationId": "drop", "tags": ["orders"], "deprecated": True},
                "GET /shops": {"operationId": "listShops"},
            }
        )
    )
    chosen = found.chosen(entries)
    assert [one.name for one in chosen.operations] == names
    assert list(chosen.unmatched) == (entries if not names else [])


# -- descriptions ---------------------------------------------------------------------------------------------


def test_descriptions_are_plain_text_and_said_once():
    long = """
    <p>Lists <b>all</b> orders&nbsp;of a [shop](https://shop.example.com/docs), with their `lines`.</p>
    <!-- internal -->

    ## Notes
    > [!NOTE]
    > **Slow** where 1 < 2.

    ```
    curl x
    ```
    ![a picture](x.png)
    """
    made = operation({"summary": "Lists all orders", "description": long})
    assert made.description == (
        "Lists all orders of a shop, with their `lines`.\nNotes\nSlow where 1 < 2.\ncurl x\na picture"
    )
    assert operation({"summary": "List orders", "description": "All of them."}).description == (
        "List orders.\nAll of them."
    )
    assert operation({}).description == "GET /it"
    assert operation({"summary": "Old.", "deprecated": True}).description == "Deprecated. Old."


def test_long_descriptions_end_with_a_sentence_and_say_so():
    made = operation(
        {"description": "One sentence of them. " * 200, "parameters": [parameter("a", description="word " * 200)]}
    )
    assert len(made.description) <= 1000 and made.description.endswith("of them. … (cut)")
    said = made.parameters[0].schema["description"]
    assert len(said) <= 300 and said.endswith("word … (cut)")


def test_hostile_descriptions_take_no_time():
    started = time.process_time()
    for text in (
        "<" * 20_000,
        "[" * 20_000,
        "**" * 10_000,
        "<!--" * 5_000,
        "[a](" * 5_000,
        "<p " * 6_000,
        "![" * 9_000,
    ):
        operation({"description": text})
    assert time.process_time() - started < 5


# -- broken documents -----------------------------------------------------------------------------------------

JUNK = (
    *(
        None,
        True,
        -1,
        "",
        "x",
        [],
        {},
        [None],
        {"$ref": "#"},
        {"$ref": "#/paths"},
        {"$ref": 7},
        {"type": []},
        ["a", "a"],
    ),
    *({"$ref": "#/components/schemas/Thing0"}, {"allOf": [{"$ref": "#/components/schemas/Thing1"}]}),
    *({"propertyName": "name", "mapping": 7}, {"default": {"url": 7}}),
)
KEYS = (
    *(
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "content",
        "discriminator",
        "encoding",
        "enum",
        "examples",
        "in",
    ),
    *("items", "name", "nullable", "oneOf", "operationId", "parameters", "patternProperties", "properties", "readOnly"),
    *("required", "requestBody", "responses", "schema", "security", "servers", "style", "tags", "type", "$ref", "$id"),
)


def places(value):
    """Every place of a document that can hold something else."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("seed", range(200))
def test_a_broken_document_is_refused_in_words_or_read_as_far_as_it_goes(seed):
    chance = random.Random(seed)
    written = crowd(10, schemas=4)
    for _ in range(chance.randint(1, 6)):
        holder, key = chance.choice(list(places(written)))
        if isinstance(holder[key], dict) and chance.random() < 0.5:
            holder[key][chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))
        else:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
    try:
        chosen = read(written).chosen(["*", "tag:*", "/*", "GET /*"])
    except DocumentProblem as found:
        assert found.message
        return
    assert all(one.why for one in chosen.unusable)
    for one in chosen.operations:
        json.dumps(one.arguments)
        assert one.arguments["additionalProperties"] is False
        if one.response is not None:
            assert all(one.response["$defs"][name] is not None for name in list(one.response.get("$defs", ())))
