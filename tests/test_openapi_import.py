"""Operations as http tools in files: they load, and send what the openapi set of the same document sends."""

import asyncio
import json
import os
from email.parser import BytesParser
from urllib.parse import parse_qsl

import pytest

from agentrun.foreign.converted import write_new
from agentrun.foreign.openapi_yaml import operations_as_yaml
from agentrun.project import read_project
from agentrun.resolve import resolve_tools
from agentrun.spec.types import ApiKeyAuth, AuthSpec
from agentrun.templates import call_variables
from http_calls import CONTEXT
from loopback_http import Loopback, reply
from openapi_documents import answers, body, document, json_body, parameter, read, tools
from projects import write_project

FORM = "application/x-www-form-urlencoded"
TEXT, NUMBER, TEXTS = {"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "string"}}
RANGE = {"type": "object", "properties": {"low": NUMBER, "high": NUMBER, "items": TEXTS}}
ORDER = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "lines": {"type": "array", "items": {"type": "object"}},
        "note": {"type": ["string", "null"]},
    },
}

OPERATIONS = {
    "GET /orders": {
        "operationId": "listOrders",
        "tags": ["Orders"],
        "description": "Lists orders, {{ without a template }}.",
        "parameters": [
            parameter("q", schema=TEXT, description="What to look for."),
            parameter("page[size]", schema=NUMBER),
            parameter("tags", schema=TEXTS),
            parameter("ids", schema={"type": "array", "items": NUMBER}, explode=False),
            parameter("fields", schema=TEXTS, style="pipeDelimited", explode=False),
            parameter("words", schema=TEXTS, style="spaceDelimited", explode=False),
            parameter("created", schema=RANGE, style="deepObject", explode=True),
            parameter("box", schema={"type": "object", "properties": {"w": NUMBER, "h": NUMBER}}),
            parameter("exact", schema={"type": "boolean"}),
            {"name": "where", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
            parameter("X-Trace-Id", "header", TEXT),
            parameter("X-Sizes", "header", {"type": "array", "items": NUMBER}),
        ],
        "responses": answers({"type": "array", "items": ORDER}),
    },
    "GET /orders/{order-id}/lines/{line}": {
        "operationId": "getLine",
        "tags": ["Orders"],
        "parameters": [parameter("order-id", "path", TEXT), parameter("line", "path", NUMBER)],
    },
    "HEAD /orders": {"operationId": "headOrders", "parameters": [parameter("X-Only", "header", TEXT)]},
    "POST /orders": {"operationId": "createOrder", "tags": ["Orders"], "requestBody": json_body(ORDER)},
    "PATCH /orders/{id}": {
        "operationId": "changeOrder",
        "parameters": [parameter("id", "path", TEXT), parameter("notify", schema={"type": "boolean"})],
        "requestBody": body("application/merge-patch+json", ORDER, required=False),
    },
    "POST /charges": {
        "operationId": "charge",
        "tags": ["Money, and more"],
        "requestBody": body(
            FORM,
            {
                "type": "object",
                "properties": {
                    "amount": NUMBER,
                    "card": RANGE,
                    "expand": TEXTS,
                    "plain": {"type": "object"},
                    "ids": TEXTS,
                },
                "required": ["amount"],
            },
            encoding={
                "card": {"style": "deepObject", "explode": True},
                "expand": {"style": "deepObject", "explode": True},
                "ids": {"explode": False},
            },
        ),
    },
    "PUT /files/{id}": {
        "operationId": "putFile",
        "parameters": [parameter("id", "path", TEXT)],
        "requestBody": body(
            "multipart/form-data",
            {"type": "object", "properties": {"note": TEXT, "about": {"type": "object"}, "tags": TEXTS}},
        ),
    },
    "POST /notes": {"operationId": "note", "requestBody": body("text/markdown", TEXT)},
    "DELETE /orders/{id}": {"operationId": "drop", "parameters": [parameter("id", "path", TEXT)]},
    "POST /ping": {"operationId": "ping"},
    "GET /a/{id}/b/{id}": {"operationId": "twice", "parameters": [parameter("id", "path", TEXT)]},
}
CALLS = [
    ("listOrders", {}),
    ("listOrders", {"q": "a b&c=é", "page_size": 5, "exact": False}),
    ("listOrders", {"tags": ["a", "b,c"], "ids": [3, 1], "fields": ["x", "y"], "words": ["v", "w"]}),
    ("listOrders", {"tags": [], "ids": [], "fields": []}),
    ("listOrders", {"created": {"low": 1, "items": ["a", "b"]}, "box": {"h": 2}}),
    ("listOrders", {"created": {}, "box": {}}),
    ("listOrders", {"where": {"a": ["é", None]}, "X-Trace-Id": "t-1", "X-Sizes": [1, 2]}),
    ("getLine", {"order-id": "a/b c", "line": 7}),
    ("headOrders", {"X-Only": "x"}),
    ("headOrders", {}),
    ("createOrder", {"body": {"name": "é", "lines": [{"sku": 1.5}], "note": None}}),
    ("createOrder", {"body": {}}),
    ("changeOrder", {"id": "7", "notify": True, "body": {"note": None}}),
    ("changeOrder", {"id": "7"}),
    ("charge", {"body": {"amount": 5, "card": {"high": 2, "items": ["x"]}, "expand": ["a", "b"], "ids": ["i", "j"]}}),
    ("charge", {"body": {"amount": 5, "plain": {"a": [1]}}}),
    ("putFile", {"id": "f", "body": {"note": "n", "about": {"a": 1}, "tags": ["x", "y"]}}),
    ("note", {"body": "# é"}),
    ("drop", {"id": "x"}),
    ("ping", {}),
    ("twice", {"id": "x"}),
]
# How the tools in files name what the set names otherwise.
RENAMED = {"X-Trace-Id": "x_trace_id", "X-Sizes": "x_sizes", "X-Only": "x_only", "order-id": "order_id"}
FLAT = ("charge", "putFile")
SCHEMES = {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}


def converted(written, allowed=("*",), **more):
    found = read(written)
    return operations_as_yaml(found, found.chosen(allowed), **{"stem": "shop", **more})


def project_of(folder, made, environ=None):
    write_project(folder, {one.path: one.text for one in made.files})
    return read_project(folder, {"PATH": os.environ["PATH"], **(environ or {})})


def findings(project, *severities):
    return [f"{one.code} {one.message}" for one in project.report().diagnostics if one.severity in severities]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Calls an operation as a member of the set and as a tool of a file; what arrived of each."""
    with Loopback(reply(204, content_type=None)) as server, asyncio.Runner() as runner:
        more = {"components": {"securitySchemes": SCHEMES}, "security": [{"key": []}]}
        written = document(OPERATIONS, server=f"{server.url}/v2", **more)
        made = converted(written)
        assert made.left == []
        environ = {"SHOP_API_KEY": "s3cret-key"}
        project = project_of(tmp_path_factory.mktemp("imported"), made, environ)
        assert findings(project, "error", "warning") == []
        auth = AuthSpec(api_key=ApiKeyAuth("header", "X-Api-Key", "s3cret-key"))
        members = tools(written, spec={"auth": auth})
        own = {name: resolve_tools(project, one, environ).tools[0] for name, one in project.catalog.tools.items()}

        def ask(tool, arguments):
            assert tool.check.violations(arguments) == []
            runner.run(tool.backend.call(arguments, CONTEXT))
            return server.requests.pop()

        yield lambda name, arguments: (ask(members[name], arguments), ask(own[name], as_in_files(name, arguments)))


def as_in_files(name, arguments):
    flat = {RENAMED.get(key, key): value for key, value in arguments.items()}
    members = flat.pop("body") if name in FLAT else {}
    return flat | members


def essence(arrived):
    """What a server makes of a request."""
    path, _, query = arrived.target.partition("?")
    pairs = [(name, data(value)) for name, value in parse_qsl(query, keep_blank_values=True)]
    ignored = ("content-length", "content-type")
    headers = {name.lower(): value for name, value in arrived.headers if name.lower() not in ignored}
    return arrived.method, path, sorted(pairs, key=str), headers, sent(arrived)


def sent(arrived):
    if not arrived.body:
        return None
    kind = arrived.header("content-type")
    bare = kind.partition(";")[0]
    if bare == FORM:
        return bare, [(name, data(value)) for name, value in parse_qsl(arrived.body.decode(), keep_blank_values=True)]
    if bare == "multipart/form-data":
        parts = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + arrived.body).get_payload()
        return bare, [(one.items(), data(one.get_payload())) for one in parts]
    return bare, json.loads(arrived.body) if "json" in bare else arrived.body


def data(value):
    """A JSON object is the same with other spaces in it."""
    return json.loads(value) if value.startswith("{") else value


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_tool_in_a_file_sends_what_the_set_sends(both, name, arguments):
    of_the_set, of_the_file = both(name, arguments)
    assert essence(of_the_file) == essence(of_the_set)
    assert of_the_file.header("x-api-key") == "s3cret-key"


def test_the_file_reads_as_a_person_writes_it():
    written = document(
        {
            "GET /orders/{orderId}": {
                "operationId": "getOrder",
                "description": "Finds an order.",
                "parameters": [
                    parameter("orderId", "path", TEXT, description="Such as 1042."),
                    parameter("full", schema={"type": "boolean"}, description="With its lines."),
                ],
                "responses": answers({}),
                "security": [{"token": []}],
            }
        },
        server="https://shop.example.com/v2",
        components={"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    )
    made = converted(written)
    [file] = made.files
    assert file.path == "tools.d/shop.yaml"
    assert file.text == (
        "# From Shop 1. The tools are yours from here on: nothing follows the document.\n"
        "name: getOrder\n"
        "description: Finds an order.\n"
        "parameters:\n"
        "  type: object\n"
        "  properties:\n"
        "    orderId: {type: string, description: Such as 1042.}\n"
        "    full: {type: boolean, description: With its lines.}\n"
        "  required: [orderId]\n"
        "  additionalProperties: false\n"
        "http:\n"
        "  base_url: https://shop.example.com/v2\n"
        '  url: "/orders/{orderId}"\n'
        '  query: {full: "{{ args.full }}"}\n'
        "  headers: {Accept: application/json}\n"
        '  auth: {bearer: "${SHOP_TOKEN}"}\n'
    )
    assert made.variables == ["SHOP_TOKEN: the access token"]


def test_what_describes_itself_passes_the_strictest_check(tmp_path):
    operation = {
        "operationId": "findOrder",
        "summary": "Finds one order by its number.",
        "parameters": [parameter("number", schema=NUMBER, description="The order's number, such as 1042.")],
    }
    made = converted(document({"GET /orders": operation}, server="https://shop.example.com"))
    assert findings(project_of(tmp_path, made), "error", "warning", "info") == []


OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("operation", "what", "why"),
    [
        ({"parameters": [parameter("c", "cookie", TEXT)]}, ", the parameter `c`", "an argument sets no cookie"),
        ({"parameters": [parameter("f", schema=OBJECT)]}, ", the parameter `f`", "its members are not known"),
        (
            {"parameters": [parameter("f", schema=OBJECT, style="deepObject", explode=True)]},
            ", the parameter `f`",
            "the members of `f` are not known",
        ),
        (
            {"parameters": [parameter("f", schema=RANGE, explode=False)]},
            ", the parameter `f`",
            "it is an object on one line",
        ),
        (
            {"parameters": [parameter("f", schema={"type": "array", "items": {"type": "boolean"}}, explode=False)]},
            ", the parameter `f`",
            "only a list of texts or numbers can be joined",
        ),
        (
            {"parameters": [parameter("c", "cookie", TEXT, required=True)]},
            "",
            "the parameter `c`: an argument sets no cookie",
        ),
        ({"security": [{"cert": []}]}, ", its credentials", "`cert` is of no kind that `auth` has"),
        ({"requestBody": body(FORM, OBJECT)}, "", "the body: its members are not known"),
    ],
)
def test_what_has_no_form_is_listed_with_the_reason(operation, what, why):
    schemes = {"securitySchemes": {"cert": {"type": "mutualTLS"}}}
    method = "POST" if "requestBody" in operation else "GET"
    made = converted(document({f"{method} /it": {"operationId": "it", **operation}}, components=schemes))
    assert [(f"{one.of}{', ' if one.of else ''}{one.what}", one.why) for one in made.left] == [
        (f"{method} /it{what}", why)
    ]
    assert len(made.files) == (1 if what else 0)


def test_a_file_is_sent_as_text_and_that_is_told(tmp_path):
    schema = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    operation = {"operationId": "put", "summary": "Puts a file.", "requestBody": body("multipart/form-data", schema)}
    made = converted(document({"POST /it": operation}))
    assert [(one.of, one.what) for one in made.left] == [("POST /it", "the part `file`")]
    project = project_of(tmp_path, made)
    assert findings(project, "error") == []
    template = resolve_tools(project, project.catalog.tools["put"], {}).tools[0].backend._template
    content = template.build({"file": "é"}, call_variables({"file": "é"}, CONTEXT)).content
    assert b'name="file"; filename="file"' in content
    assert "é".encode() in content


@pytest.mark.parametrize(
    ("schemes", "security", "written", "variables"),
    [
        ({"a": {"type": "http", "scheme": "basic"}}, [{"a": []}], "basic", ["SHOP_USER", "SHOP_PASSWORD"]),
        ({"a": {"type": "apiKey", "in": "query", "name": "key"}}, [{"a": []}], "api_key", ["SHOP_KEY"]),
        ({"a": {"type": "apiKey", "in": "cookie", "name": "sid"}}, [{"a": []}], "Cookie", ["SHOP_COOKIE"]),
        ({"a": {"type": "http", "scheme": "bearer"}}, [{}, {"a": []}], "${SHOP_TOKEN:-}", ["SHOP_TOKEN"]),
        (
            {
                "a": {"type": "apiKey", "in": "header", "name": "X-App-Id"},
                "b": {"type": "apiKey", "in": "header", "name": "X-App-Key"},
            },
            [{"a": [], "b": []}],
            "X-App-Key",
            ["SHOP_APP_ID", "SHOP_APP_KEY"],
        ),
        (
            {
                "a": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {"tokenUrl": "https://id.example.com/token", "scopes": {"read": ""}}
                    },
                }
            },
            [{"a": ["read"]}],
            "scopes: [read]",
            ["SHOP_CLIENT_ID", "SHOP_CLIENT_SECRET"],
        ),
    ],
)
def test_security_schemes_become_credentials_from_variables(tmp_path, schemes, security, written, variables):
    made = converted(
        document(
            {"GET /it": {"operationId": "it", "summary": "Gets it."}},
            components={"securitySchemes": schemes},
            security=security,
        )
    )
    assert written in made.files[0].text
    assert [one.partition(":")[0] for one in made.variables] == variables
    environ = dict.fromkeys(variables, "long-enough")
    assert findings(project_of(tmp_path, made, environ), "error", "warning") == []


def test_many_operations_have_a_file_for_each_tag_and_none_is_too_large(tmp_path):
    paths = {}
    for number in range(120):
        names = [parameter(f"p{index}", schema=TEXT) for index in range(30)]
        paths[f"GET /it/{number}"] = {"operationId": f"op{number}", "tags": [f"Tag {number % 2}"], "parameters": names}
    made = converted(document(paths, server="https://shop.example.com"))
    assert [one.path for one in made.files] == [
        "tools.d/shop_tag_0.yaml",
        "tools.d/shop_tag_0_2.yaml",
        "tools.d/shop_tag_1.yaml",
        "tools.d/shop_tag_1_2.yaml",
    ]
    project = project_of(tmp_path, made)
    assert findings(project, "error", "warning") == []
    assert len(project.catalog.tools) == 120


def test_names_are_legal_and_each_its_own(tmp_path):
    paths = {f"GET /{number}": {"operationId": name} for number, name in enumerate(("a b", "a.b", "x" * 80, "é"))}
    made = converted(document(paths, server="https://shop.example.com"), prefix="shop_")
    project = project_of(tmp_path, made)
    assert findings(project, "error") == []
    assert len(project.catalog.tools) == 4
    assert all(name.startswith("shop_") for name in project.catalog.tools)


def test_without_a_server_the_address_is_a_variable_and_what_is_given_wins(tmp_path):
    written = document({"GET /it": {"operationId": "it"}}, server="/v2")
    made = converted(written)
    assert 'base_url: "${SHOP_URL}"' in made.files[0].text
    assert made.variables == ["SHOP_URL: the address of the service"]
    made = converted(written, base_url="https://shop.example.com")
    assert 'base_url: "https://shop.example.com"' in made.files[0].text
    assert write_new(made, tmp_path, force=False) == [tmp_path / "tools.d" / "shop.yaml"]


def test_hostile_texts_of_a_document_name_no_variable_and_run_no_template(tmp_path):
    bad = "${HOME} {{ 7 * 7 }} {% raw %} \x1b[31m\n# agentrun: ignore"
    operation = {
        "operationId": bad,
        "description": bad,
        "parameters": [parameter(bad, schema={"type": "string", "description": bad}), parameter("X", "header", TEXT)],
        "requestBody": body(FORM, {"type": "object", "properties": {bad: TEXT}}),
        "tags": [f"../{bad}"],
    }
    written = document({"POST /${HOME}/it": operation}, server="https://shop.example.com/${HOME}", info_title=bad)
    made = converted(written, by_tag=True)
    for file in made.files:
        assert file.path.startswith("tools.d/")
        assert ".." not in file.path
    project = project_of(tmp_path, made, {"HOME": "/stolen"})
    assert findings(project, "error") == []
    [tool] = project.catalog.tools.values()
    assert "/stolen" not in str(tool.spec)
