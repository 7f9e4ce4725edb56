"""The openapi backend against real loopback servers: what arrives, what comes back, and failures."""

import asyncio
import json
import re
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentrun.errors import UsageError
from agentrun.spec.types import ApiKeyAuth, AuthSpec, BasicAuth
from agentrun.tools.network import Network
from cases_in_process import calls_of, problems_of, run_project
from http_calls import CONTEXT
from loopback_http import Loopback, reply
from openapi_documents import answers, body, call, document, failure, json_body, one_tool, parameter, tools

pytestmark = pytest.mark.filterwarnings("ignore:Use of allowEmptyValue")

JSON = "application/json"
OK = reply(200, b'{"ok": true}', content_type=JSON)


# -- requests match what the document describes -----------------------------------------------------------------------

TEXT = {"type": "string", "minLength": 1}
FREE = {"type": "string"}
NUMBER = {"type": "integer"}
DESCRIBED = {
    "GET /stores/{store}/orders/{ids}": {
        "parameters": [
            parameter("store", "path", TEXT),
            parameter("ids", "path", {"type": "array", "items": NUMBER, "minItems": 1}),
            parameter("q", schema=FREE, allowEmptyValue=True),
            parameter("tags", schema={"type": "array", "items": FREE, "minItems": 1}, allowEmptyValue=True),
            parameter("sizes", schema={"type": "array", "items": NUMBER, "minItems": 1}, explode=False),
            parameter(
                "fields",
                schema={"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "minItems": 1},
                style="pipeDelimited",
                explode=False,
            ),
            parameter(
                "range",
                schema={"type": "object", "properties": {"low": NUMBER, "high": NUMBER}, "minProperties": 1},
                style="deepObject",
                explode=True,
            ),
            parameter(
                "box",
                schema={
                    "type": "object",
                    "properties": {"w": NUMBER, "h": NUMBER},
                    "required": ["w", "h"],
                    "additionalProperties": False,
                },
                explode=False,
            ),
            {"name": "where", "in": "query", "content": {JSON: {"schema": {"type": "object"}}}},
            parameter("exact", schema={"type": "boolean"}),
            parameter("X-Trace", "header", {"type": "string", "pattern": "^[!-~]+$"}),
            parameter("X-Sizes", "header", {"type": "array", "items": NUMBER, "minItems": 1}),
            parameter("session", "cookie", {"type": "string", "pattern": "^[!-~]+$"}),
        ]
    },
    "POST /orders": {
        "requestBody": json_body(
            {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "name": FREE,
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    "price": {"type": ["number", "null"]},
                },
                "required": ["name"],
                "additionalProperties": False,
            }
        )
    },
    "PUT /orders/{id}": {
        "parameters": [parameter("id", "path", {"type": "string", "enum": ["a/b", "..x", "%2e%2e", "é"]})],
        "requestBody": body(
            "application/x-www-form-urlencoded",
            {
                "type": "object",
                "properties": {"name": FREE, "amount": NUMBER, "tags": {"type": "array", "items": FREE, "minItems": 2}},
                "required": ["name"],
            },
        ),
    },
}
LINE = {
    "type": "object",
    "properties": {"sku": FREE, "count": NUMBER},
    "required": ["sku"],
    "additionalProperties": False,
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**40), 2**40)
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
words = st.text("abcxyz", min_size=1, max_size=4)
several_numbers = st.lists(numbers, min_size=1, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda below: st.lists(below, max_size=2) | st.dictionaries(texts, below, max_size=2),
    max_leaves=5,
)
READING = st.fixed_dictionaries(
    {"store": texts.filter(lambda text: text not in ("", ".", "..")), "ids": several_numbers},
    optional={
        "q": texts,
        "tags": st.lists(texts, min_size=1, max_size=3),
        "sizes": several_numbers,
        "fields": st.lists(words, min_size=1, max_size=3),
        "range": st.dictionaries(st.sampled_from(["low", "high"]), numbers, min_size=1),
        "box": st.fixed_dictionaries({"w": numbers, "h": numbers}),
        "where": st.dictionaries(texts, json_values, max_size=2),
        "exact": st.booleans(),
        "X-Trace": visible,
        "X-Sizes": several_numbers,
        "session": visible,
    },
)
LINES = st.fixed_dictionaries({"sku": texts}, optional={"count": numbers})
ORDERS = st.fixed_dictionaries(
    {"name": texts}, optional={"lines": st.lists(LINES, max_size=2), "price": st.none() | numbers | st.floats(0, 1e9)}
)
FORMS = st.fixed_dictionaries(
    {"name": texts}, optional={"amount": numbers, "tags": st.lists(texts, min_size=2, max_size=3)}
)


class Describer:
    """Reads what arrived by the document, with a library that is not ours."""

    def __init__(self, written):
        from openapi_core import OpenAPI

        self._api = OpenAPI.from_dict(written)
        self._templates = list(written["paths"])

    def read(self, arrived):
        from openapi_core.testing import MockRequest
        from werkzeug.datastructures import ImmutableMultiDict

        path, _, query = arrived.target.partition("?")
        template, held = next(found for one in self._templates if (found := self._matched(one, path)))
        cookies = dict(one.split("=", 1) for one in (arrived.header("cookie") or "").split("; ") if one)
        request = MockRequest(
            "http://localhost",
            arrived.method,
            path,
            path_pattern=template,
            view_args=held,
            args=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True, errors="strict")),
            headers=dict(arrived.headers),
            cookies={name: unquote(value) for name, value in cookies.items()},
            data=arrived.body,
            content_type=(arrived.header("content-type") or "").partition(";")[0],
        )
        found = self._api.unmarshal_request(request)
        assert found.errors == []
        given = {}
        for place in (found.parameters.path, found.parameters.query, found.parameters.header, found.parameters.cookie):
            given |= place
        return given, found.body

    @staticmethod
    def _matched(template, path):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        return found and (template, {name: unquote(value) for name, value in found.groupdict().items()})


@pytest.fixture(scope="module")
def described():
    """A server, a way to call its operations, and what the document's reader makes of what arrived."""
    with Loopback(OK) as server, asyncio.Runner() as runner:
        written = document(DESCRIBED, server=server.url, components={"schemas": {"Line": LINE}})
        reader = Describer({**written, "servers": [{"url": "http://localhost"}]})
        network = Network()
        reading, posting, putting = tools(written, network=network).values()

        def ask(tool, arguments):
            assert tool.check.violations(arguments) == []
            runner.run(tool.backend.call(arguments, CONTEXT))
            return reader.read(server.requests.pop())

        yield {
            "read": lambda it: ask(reading, it),
            "post": lambda it: ask(posting, it),
            "put": lambda it: ask(putting, it),
        }
        runner.run(network.aclose())


bounded = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@bounded
@given(READING)
def test_parameters_arrive_as_another_reader_of_the_document_has_them(described, arguments):
    assert described["read"](arguments) == (arguments, None)


@bounded
@given(ORDERS)
def test_a_json_body_arrives_as_another_reader_of_the_document_has_it(described, order):
    assert described["post"]({"body": order}) == ({}, order)


@bounded
@given(st.sampled_from(["a/b", "..x", "%2e%2e", "é"]), FORMS)
def test_a_form_arrives_as_another_reader_of_the_document_has_it(described, order_id, form):
    assert described["put"]({"id": order_id, "body": form}) == ({"id": order_id}, form)


# -- where to, and as whom --------------------------------------------------------------------------------------------


def test_the_document_says_where_and_base_url_wins():
    with Loopback(OK) as server:
        call(one_tool({}, server=f"{server.url}/v2/"))
        assert (server.last.method, server.last.target) == ("GET", "/v2/it")
        call(one_tool({}, server="http://nowhere.invalid", spec={"base_url": f"{server.url}/v3"}))
        assert server.last.target == "/v3/it"


@pytest.mark.parametrize(
    ("spec", "server", "message"),
    [
        ({}, "/v2", "the document names no whole address of a server"),
        ({"base_url": "ftp://x"}, "http://h", "`base_url` can't be used: it must be a whole URL that starts with"),
        ({"base_url": "http://h/a/../b"}, "http://h", "the path of `base_url` has a `.` or `..` piece"),
        ({"base_url": "http://h/?a=b"}, "http://h", "`base_url` has a query or a fragment"),
        ({"headers": {"X y": "1"}}, "http://h", "`X y` is no name of an HTTP header"),
        ({"headers": {"Authorization": "x"}, "auth": AuthSpec(bearer="s3cret")}, "http://h", "is set by `auth`"),
        ({"hosts": ["a b"]}, "http://h", "`hosts` has `a b`"),
    ],
)
def test_what_can_never_be_sent_is_told_before_any_call(spec, server, message):
    with pytest.raises(UsageError) as error:
        one_tool({}, server=server, spec=spec)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (AuthSpec(bearer="s3cret"), ("Authorization", "Bearer s3cret")),
        (AuthSpec(basic=BasicAuth("me", "s3cret")), ("Authorization", "Basic bWU6czNjcmV0")),
        (AuthSpec(api_key=ApiKeyAuth("header", "X-Key", "s3cret")), ("X-Key", "s3cret")),
    ],
)
def test_credentials_go_along_and_never_to_another_origin(auth, sent):
    with Loopback(OK) as other:
        moved = reply(302, headers=[("Location", f"{other.url}/x")])
        with Loopback([OK, moved]) as server:
            made = one_tool({}, server=server.url, spec={"auth": auth})
            call(made)
            assert sent in server.last.headers
            failed = failure(made)
        assert other.requests == []
    assert (failed.type, failed.details["status"]) == ("http_status", 302)


def test_a_key_in_the_query_is_sent_and_never_shown():
    with Loopback(reply(404)) as server:
        key = AuthSpec(api_key=ApiKeyAuth("query", "key", "s3cret"))
        operation = {"parameters": [parameter("key"), parameter("a")]}
        made = one_tool(operation, server=server.url, spec={"auth": key})
        assert list(made.function.parameters["properties"]) == ["a"]
        failed = failure(made, {"a": 1})
        assert server.last.target == "/it?a=1&key=s3cret"
    assert "s3cret" not in failed.message
    assert "key=***" in failed.message


def test_a_redirect_within_the_origin_is_followed_and_a_changing_one_is_not():
    with Loopback([reply(301, headers=[("Location", "/new")]), OK]) as server:
        assert call(one_tool({}, server=server.url)).value == {"ok": True}
        assert [one.target for one in server.requests] == ["/it", "/new"]
    with Loopback(reply(307, headers=[("Location", "/new")])) as server:
        assert "GET and HEAD only" in failure(one_tool({}, place="DELETE /it", server=server.url)).message


# -- failures and attempts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "attempts"), [("GET", 3), ("HEAD", 3), ("PUT", 3), ("DELETE", 3), ("POST", 1), ("PATCH", 1)]
)
def test_only_what_may_happen_twice_is_tried_again(method, attempts):
    with Loopback(reply(503, "later")) as server:
        failed = failure(one_tool({}, place=f"{method} /it", server=server.url))
        assert len(server.requests) == attempts
    assert (failed.type, failed.details["status"]) == ("http_status", 503)


def test_the_author_says_how_often_and_whether():
    with Loopback(reply(503)) as server:
        failure(one_tool({}, server=server.url, spec={"max_retries": 0}))
        assert len(server.requests) == 1
        failure(one_tool({}, place="POST /it", server=server.url, spec={"max_retries": 1}, idempotent=True))
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_keeps_its_body(status):
    with Loopback(reply(status, "your token was s3cret")) as server:
        failed = failure(one_tool({}, server=server.url))
    assert failed.details == {"status": status}


def test_another_failure_tells_its_body():
    with Loopback(reply(422, b'{"why": "no"}', content_type=JSON)) as server:
        assert failure(one_tool({}, server=server.url)).details == {"status": 422, "body": {"why": "no"}}


# -- members ----------------------------------------------------------------------------------------------------------


def test_effects_follow_from_the_method_and_the_author_knows_better():
    written = document({f"{method} /it": {"operationId": method} for method in ("GET", "HEAD", "PUT", "POST")})
    made = tools(written)
    assert {name: one.read_only for name, one in made.items()} == {
        **dict.fromkeys(("GET", "HEAD"), True),
        **dict.fromkeys(("PUT", "POST"), False),
    }
    assert all(one.untrusted_output for one in made.values())
    assert {one.tool_set for one in made.values()} == {"shop"}
    assert not any(one.untrusted_output for one in tools(written, untrusted_output=False).values())
    assert all(one.read_only for one in tools(written, read_only=True).values())


def test_what_the_author_fixed_is_sent_and_is_no_argument():
    with Loopback(OK) as server:
        operation = {"parameters": [parameter("owner", "path"), parameter("q", required=True)]}
        made = one_tool(operation, place="GET /{owner}/it", server=server.url, bind={"owner": "acme", "absent": 1})
        assert made.function.parameters["required"] == ["q"]
        assert list(made.function.parameters["properties"]) == ["q"]
        call(made, {"owner": "evil", "q": 1})
        assert server.last.target == "/acme/it?q=1"


def test_only_what_an_agent_lists_is_made():
    written = document({f"GET /{name}": {"operationId": name} for name in ("listOrders", "getOrder", "listStores")})
    assert list(tools(written, wanted=("shop_list*",))) == ["listOrders", "listStores"]


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_loses_what_its_schema_does_not_name_and_output_sees_it_whole():
    schema = {"type": "object", "properties": {"id": {}, "owner": {"type": "object", "properties": {"name": {}}}}}
    sent = {"id": 7, "debug": "x", "owner": {"name": "a", "internal": 1}}
    with Loopback(reply(200, json.dumps(sent), content_type=JSON)) as server:
        result = call(one_tool({"responses": answers(schema)}, server=server.url))
    assert result.value == {"id": 7, "owner": {"name": "a"}}
    assert result.names["body"] == sent


@pytest.mark.parametrize("sent", [reply(200, "plain"), reply(204), reply(200, "{", content_type=JSON)])
def test_an_answer_that_is_no_json_stays_as_it_is(sent):
    schema = {"type": "object", "properties": {"id": {}}}
    with Loopback(sent) as server:
        assert isinstance(call(one_tool({"responses": answers(schema)}, server=server.url)).value, str)


def test_an_endless_answer_is_cut_off():
    with Loopback(reply(200, b"x" * (10 * 1024 * 1024 + 1))) as server:
        assert failure(one_tool({}, server=server.url)).type == "output_too_large"


# -- in a project -----------------------------------------------------------------------------------------------------

SHOP = document(
    {
        "GET /orders/{id}": {
            "operationId": "getOrder",
            "summary": "Finds an order.",
            "parameters": [parameter("id", "path", TEXT), parameter("full", schema={"type": "boolean"})],
            "responses": answers({"type": "object", "properties": {"id": {}, "lines": {}}}),
        },
        "POST /orders": {"operationId": "createOrder", "requestBody": json_body({"type": "object"})},
    },
    server="https://shop.example.com/v2",
)
CASE = """
    agent: desk
    cases:
      - name: it
        args: {{input: hi}}
        approve: ["*"]
        model: [{{tool_calls: [{{name: {name}, arguments: {arguments}}}]}}, {{content: done}}]
        tools: {{{name}: {stub}}}
        expect: {expect}
"""


def run_case(folder, name, arguments, stub, expect="{answer: done}", **more):
    files = {
        "agents/desk.yaml": "model: {name: gpt-x}\ntools: [shop]\n",
        "shop.json": json.dumps(SHOP),
        "tools.d/shop.yaml": (
            "openapi:\n  spec: ../shop.json\n  allowed_tools: ['*']\n"
            "  base_url: ${SHOP_URL}\n  auth: {bearer: '${SHOP_TOKEN}'}\n"
        ),
        "tests/desk.test.yaml": CASE.format(name=name, arguments=arguments, stub=stub, expect=expect),
    }
    it = run_project(folder, files, **more)["it"]
    [called] = calls_of(it)
    return it, called


def test_a_stub_stands_where_the_network_would_and_its_answer_is_pruned(tmp_path):
    it, called = run_case(tmp_path, "shop_getOrder", "{id: a/b, full: true}", "{json: {id: 1, debug: x}}")
    assert (it.status, json.loads(called.result)) == ("passed", {"id": 1})
    [sent] = called.requests
    assert (sent.method, sent.url, sent.query) == ("GET", "http://shop-url.test/orders/a%2Fb", (("full", "true"),))


def test_a_stub_may_fail_and_is_tried_again_as_the_service_would_be(tmp_path):
    _, called = run_case(tmp_path, "shop_getOrder", "{id: '7'}", "[{status: 503}, {json: {id: 7}}]")
    assert (json.loads(called.result), len(called.requests)) == ({"id": 7}, 2)


def test_the_request_can_be_expected(tmp_path):
    expect = "{calls: [{name: shop_createOrder, request: {method: POST, json: {a: 1}}}]}"
    it, called = run_case(tmp_path, "shop_createOrder", "{body: {a: 1}}", "{status: 201}", expect)
    assert problems_of(it) == []
    assert called.requests[0].body == '{"a":1}'


def test_what_the_document_does_not_name_is_not_sent(tmp_path):
    _, called = run_case(tmp_path, "shop_getOrder", "{id: '7', debug: true}", "{json: {}}")
    assert called.requests == ()
    assert "debug" in called.result
