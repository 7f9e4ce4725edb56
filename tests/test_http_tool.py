"""The http backend against real loopback servers: what is sent, what comes back, redirects, retries, failures."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

import httpcore2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentrun.engine.ports import CallContext, CallInfo, RunInfo
from agentrun.errors import ToolFailure, UsageError
from agentrun.spec.types import ApiKeyAuth, AuthSpec, BasicAuth, HttpSpec, OAuth2Auth
from agentrun.tools.http import HttpTool
from agentrun.tools.network import Network
from agentrun.tools.retry import backoff_s, retry_after_s
from loopback_http import Loopback, reply, unused_port

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PUBLIC = "93.184.216.34"


async def no_child(_name, _arguments):
    raise AssertionError("an http tool runs no agent")


CONTEXT = CallContext(
    RunInfo(id="run-1", date="2026-01-31", agent="desk", session="s-1"),
    CallInfo(id="call-1", name="the_tool", turn=2),
    no_child,
)


class Waits(list):
    """Stands in for sleeping, and remembers for how long."""

    async def __call__(self, seconds):
        self.append(seconds)


def tool(url="", *, parameters=(), idempotent=True, network=None, sleep=None, **spec):
    schema = {"type": "object", "properties": {name: {} for name in parameters}}
    return HttpTool(
        HttpSpec(url=url, **spec), parameters=schema, idempotent=idempotent, network=network, sleep=sleep or Waits()
    )


def call(made, arguments=None):
    async def once():
        try:
            return await made.call(arguments or {}, CONTEXT)
        finally:
            await made.network.aclose()

    return asyncio.run(once())


def failure(made, arguments=None):
    with pytest.raises(ToolFailure) as failed:
        call(made, arguments)
    return failed.value


def sent(made, arguments=None):
    """What would be sent, without a network."""
    from agentrun.templates import call_variables

    return made._template.build(arguments or {}, call_variables(arguments or {}, CONTEXT))


def header(request, name):
    return next((value for given, value in request.headers if given.lower() == name.lower()), None)


@pytest.fixture(scope="module")
def echo():
    """A server, and a way to call tools on it many times over one loop and its connections."""
    with Loopback() as server, asyncio.Runner() as runner:
        network = Network()

        def ask(arguments, url="/", **spec):
            made = tool(server.url + url, network=network, parameters=arguments, **spec)
            runner.run(made.call(arguments, CONTEXT))
            return server.requests.pop()

        yield ask
        runner.run(network.aclose())


# -- values arrive as they are ----------------------------------------------------------------------------------------


@given(TEXT)
@example("a&b=c#d+e%20")
@example("\0\r\n")
def test_any_text_arrives_unchanged_in_the_query(echo, value):
    arrived = echo({"v": value}, "/x?format=j1", query={"q": "{{ args.v }}", "mixed": "<{{ args.v }}>"})
    expected = [("format", "j1"), ("q", value), ("mixed", f"<{value}>")]
    assert parse_qsl(arrived.target.partition("?")[2], keep_blank_values=True, errors="strict") == expected


@given(TEXT)
def test_any_text_arrives_unchanged_in_json(echo, value):
    arrived = echo({"v": value}, json={"deep": [{"v": "{{ args.v }}"}], "mixed": "<{{ args.v }}>"})
    assert json.loads(arrived.body) == {"deep": [{"v": value}], "mixed": f"<{value}>"}
    assert arrived.header("content-type") == "application/json"


@given(TEXT)
def test_any_text_arrives_unchanged_in_a_form(echo, value):
    arrived = echo({"v": value}, form={"a": "{{ args.v }}", "b": "x"})
    pairs = parse_qsl(arrived.body.decode("ascii"), keep_blank_values=True, errors="strict")
    assert pairs == [("a", value), ("b", "x")]
    assert arrived.header("content-type") == "application/x-www-form-urlencoded"


@given(TEXT)
def test_any_text_arrives_unchanged_in_a_text_body(echo, value):
    arrived = echo({"v": value}, body="<{{ args.v }}>")
    assert arrived.body.decode() == f"<{value}>"


@given(TEXT.filter(lambda text: text not in ("", ".", "..")))
@example("%2e%2e")
@example("a/../b?c#d")
def test_any_text_arrives_as_one_segment_of_the_path(echo, value):
    arrived = echo({"v": value}, "/a/{v}/b")
    _, a, segment, b = arrived.target.split("/")
    assert (a, unquote(segment, errors="strict"), b) == ("a", value, "b")


@given(TEXT | st.text(st.characters(max_codepoint=127)))
@example("")
@example(" x")
@example("x\t")
@example("x\x7f")
@example("a\r\nX-Evil: 1")
def test_a_text_in_a_header_arrives_unchanged_or_is_refused(echo, value):
    clean = value.isascii() and value.strip(" \t") == value and all(c == "\t" or " " <= c < "\x7f" for c in value)
    if clean:
        assert echo({"v": value}, headers={"X-Value": "{{ args.v }}"}).header("x-value") == value
    else:
        with pytest.raises(ToolFailure) as refused:
            echo({"v": value}, headers={"X-Value": "{{ args.v }}"})
        assert refused.value.type == "invalid_arguments"
        assert "X-Value" in refused.value.message


@pytest.mark.parametrize(
    "spec",
    [
        {"query": {"a": "{{ args.v }}"}},
        {"json": "{{ args.v }}"},
        {"form": {"a": "{{ args.v }}"}},
        {"body": "{{ args.v }}"},
    ]
    + [{"url": "https://a.example/{v}"}, {"url": "https://a.example/?q={v}"}, {}],
)
def test_half_a_surrogate_pair_is_refused(spec):
    with pytest.raises(ToolFailure, match="surrogate") as refused:
        sent(tool(**{"url": "https://a.example/", "parameters": ["v"], **spec}), {"v": "\ud800"})
    assert refused.value.type == "invalid_arguments"


# -- building ---------------------------------------------------------------------------------------------------------


def test_a_lone_expression_keeps_its_json_type_and_a_mixed_one_is_text():
    made = tool(
        "https://a.example/",
        json={
            "n": "{{ args.n }}",
            "l": "{{ args.l }}",
            "m": "n={{ args.n }} l={{ args.l }}",
            "raw": 5,
            "o": [True, None],
        },
    )
    body = json.loads(sent(made, {"n": 1.5, "l": [1, {"a": None}]}).content)
    assert body == {"n": 1.5, "l": [1, {"a": None}], "m": 'n=1.5 l=[1, {"a": null}]', "raw": 5, "o": [True, None]}


def test_an_absent_argument_drops_the_smallest_entry_around_it():
    made = tool(
        "https://a.example/?u={gone}&kept=1",
        query={"a": "{{ args.gone }}", "b": ["{{ args.gone }}", "x"], "c": "{{ args.v }}"},
        headers={"X-Gone": "is {{ args.gone }}", "X-Kept": "{{ args.v }}"},
        json={"a": {"b": "{{ args.gone }}", "c": 1}, "d": ["{{ args.gone }}", 2], "e": "{{ args.gone }}!"},
    )
    request = sent(made, {"v": "v"})
    assert request.url.query == "kept=1&b=x&c=v"
    assert json.loads(request.content) == {"a": {"c": 1}, "d": [2]}
    assert (header(request, "x-gone"), header(request, "x-kept")) == (None, "v")


def test_a_form_drops_absent_members_and_an_absent_body_is_empty():
    assert sent(tool("https://a.example/", form={"a": "{{ args.gone }}", "b": "1"})).content == b"b=1"
    for written in ({"body": "{{ args.gone }}"}, {"json": "{{ args.gone }}"}):
        request = sent(tool("https://a.example/", **written))
        assert (request.method, request.content, header(request, "content-type")) == ("POST", b"", None)


def test_a_list_repeats_its_key_and_an_object_is_json_text():
    made = tool(
        "https://a.example/", query={"t": "{{ args.t }}", "o": {"k": "{{ args.n }}"}, "b": True, "n": "{{ args.no }}"}
    )
    assert sent(made, {"t": ["a", 1, None], "n": 2, "no": None}).url.query == "t=a&t=1&o=%7B%22k%22%3A%202%7D&b=true"
    assert sent(made, {"t": [], "n": 2, "no": None}).url.query == "o=%7B%22k%22%3A%202%7D&b=true"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_arguments_that_nothing_places_go_to_the_query(method):
    made = tool(
        "https://a.example/{id}?f=1", method=method, parameters=["id", "a", "b"], headers={"X-A": "{{ args.a }}"}
    )
    request = sent(made, {"id": "7", "a": "x", "b": [1, "z"]})
    assert (request.url.target, request.content) == ("/7?f=1&b=1&b=z", None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_arguments_that_nothing_places_go_to_the_json_body(method):
    made = tool("https://a.example/{id}", method=method, parameters=["id", "a"])
    request = sent(made, {"id": "7", "a": {"b": [1]}})
    assert (request.url.target, request.content) == ("/7", b'{"a":{"b":[1]}}')
    assert sent(made, {"id": "7"}).content == b"{}"


def test_a_post_without_anything_to_place_has_no_body():
    request = sent(tool("https://a.example/{id}", method="POST", parameters=["id"]), {"id": "7"})
    assert (request.content, header(request, "content-type")) == (b"", None)


@pytest.mark.parametrize("written", [{"query": {}}, {"json": {}}, {"form": {}}, {"body": ""}])
def test_writing_any_place_turns_the_default_off(written):
    for method in ("GET", "POST"):
        request = sent(tool("https://a.example/", method=method, parameters=["a"], **written), {"a": "zzz"})
        assert "zzz" not in str(request.url)
        assert b"zzz" not in (request.content or b"")


def test_a_template_that_takes_all_arguments_places_all():
    request = sent(tool("https://a.example/", headers={"X-All": "{{ args }}"}, parameters=["a"]), {"a": 1})
    assert (request.url.query, header(request, "x-all")) == ("", '{"a": 1}')


@pytest.mark.parametrize(
    ("spec", "method"),
    [
        ({}, "GET"),
        ({"json": {}}, "POST"),
        ({"form": {}}, "POST"),
        ({"body": ""}, "POST"),
        ({"json": {}, "method": "PUT"}, "PUT"),
    ],
)
def test_the_method_follows_from_what_is_written(spec, method):
    assert tool("https://a.example/", **spec).reach.method == method


def test_templates_see_the_call_and_the_run():
    made = tool(
        "https://a.example/",
        headers={"Idempotency-Key": "{{ call.id }}"},
        query={"d": "{{ run.date }}", "t": "{{ call.turn }}"},
    )
    request = sent(made)
    assert (header(request, "idempotency-key"), request.url.query) == ("call-1", "d=2026-01-31&t=2")


def test_a_value_that_looks_like_a_template_stays_text():
    made = tool("https://a.example/{v}", query={"q": "{{ args.v }}"})
    assert unquote(sent(made, {"v": "{{ 7 * 7 }}{v}"}).url.target) == "/{{ 7 * 7 }}{v}?q={{ 7 * 7 }}{v}"


def test_a_template_that_fails_names_its_place():
    for place, spec in {
        "query.a": {"query": {"a": "{{ args.v.b.c }}"}},
        "json": {"json": {"x": "{{ args.v.b.c }}"}},
    }.items():
        with pytest.raises(ToolFailure, match=f"^{place}: ") as failed:
            sent(tool("https://a.example/", **spec), {"v": {}})
        assert failed.value.type == "invalid_arguments"


def test_what_the_author_writes_wins_over_defaults_and_credentials_over_both():
    auth = AuthSpec(bearer="right")
    headers = {"content-type": "application/vnd.x+json", "USER-AGENT": "me", "authorization": "Bearer wrong"}
    request = sent(tool("https://a.example/", json={}, headers=headers, auth=auth))
    names = [name.lower() for name, _ in request.headers]
    assert len(names) == len(set(names))
    assert header(request, "content-type") == "application/vnd.x+json"
    assert (header(request, "user-agent"), header(request, "authorization")) == ("me", "Bearer right")


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "HOST",
        "cookie",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Proxy-Authorization",
        "proxy-x",
    ],
)
def test_a_header_that_decides_who_we_are_is_never_the_models(name):
    for template in ("{{ args.v }}", "x {{ args['v'] }}", "{{ args }}"):
        try:
            made = tool("https://a.example/", headers={name: template})
        except UsageError:
            assert name in ("Content-Length", "Transfer-Encoding", "Connection")  # not the author's either
            continue
        with pytest.raises(ToolFailure, match=name) as refused:
            sent(made, {"v": "x"})
        assert refused.value.type == "invalid_arguments"


@pytest.mark.parametrize("value", ["a\nb", " a", "a ", "ä", "a\x7f", "a\0b"])
def test_a_credential_that_can_not_be_sent_is_refused_before_any_call_and_never_shown(value):
    specs = [{"headers": {"X-Key": value}}, {"auth": AuthSpec(api_key=ApiKeyAuth("header", "X-Key", value))}]
    for spec in [*specs, {"auth": AuthSpec(bearer=value + " ")}]:
        with pytest.raises(UsageError) as refused:
            tool("https://a.example/", **spec)
        assert value not in refused.value.message
        assert "header" in refused.value.message


def test_what_can_not_be_right_is_refused_before_any_call():
    chosen = {"url": "{url}", "hosts": ["a.example"], "auth": AuthSpec(bearer="t")}
    for spec in [
        {"headers": {"X Y": "1"}},
        {"hosts": ["https://a.example/"]},
        {"auth": AuthSpec(basic=BasicAuth("a:b"))},
        chosen,
    ]:
        with pytest.raises(UsageError):
            tool(**{"url": "https://a.example/", **spec})
    with pytest.raises(UsageError, match="oauth2"):
        tool("https://a.example/", auth=AuthSpec(oauth2=OAuth2Auth("u", "i", "s")))


def test_reach_tells_what_the_author_wrote():
    made = tool("/orders/{id}", base_url="https://a.example/v2/", method="PUT", hosts=["*.b.example"])
    reach = made.reach
    assert (reach.method, reach.url, reach.hosts) == ("PUT", "https://a.example/v2/orders/{id}", ("*.b.example",))


# -- credentials ------------------------------------------------------------------------------------------------------


def test_credentials_are_sent_where_the_author_says():
    with Loopback() as server:
        call(tool(server.url, auth=AuthSpec(bearer="s3cret")))
        assert server.last.header("authorization") == "Bearer s3cret"
        call(tool(server.url, auth=AuthSpec(basic=BasicAuth("ü", "p:w"))))
        assert base64.b64decode(server.last.header("authorization").removeprefix("Basic ")).decode() == "ü:p:w"
        call(tool(server.url, auth=AuthSpec(api_key=ApiKeyAuth("header", "X-Key", "s3cret"))))
        assert server.last.header("x-key") == "s3cret"
        call(tool(f"{server.url}/a?b=1", auth=AuthSpec(api_key=ApiKeyAuth("query", "key", "s3&cret"))))
        assert server.last.target == "/a?b=1&key=s3%26cret"


def test_an_empty_credential_sends_nothing():
    for auth in (AuthSpec(bearer=""), AuthSpec(basic=BasicAuth("")), AuthSpec(api_key=ApiKeyAuth("query", "key", ""))):
        request = sent(tool("https://a.example/", auth=auth))
        assert (header(request, "authorization"), request.url.query) == (None, "")


# -- results ----------------------------------------------------------------------------------------------------------


def value_of(body, content_type, *, headers=()):
    with Loopback(reply(200, body, content_type=content_type, headers=headers)) as server:
        return call(tool(server.url)).value


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": [1, null]}', "application/json", {"a": [1, None]}),
        (b'\xef\xbb\xbf{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b"12345678901234567890123", "application/json", 12345678901234567890123),
        (b"{oops", "application/json", "{oops"),
        (b'{"a": NaN}', "application/json", '{"a": NaN}'),
        (rb'"\ud800"', "application/json", r'"\ud800"'),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        ('{"a": "ü"}'.encode("utf-16"), "application/json; charset=utf-16", '{"a": "ü"}'),
        ("grüß".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grüß"),
        ("привет".encode("cp1251"), 'text/html; charset="windows-1251"', "привет"),
        ("日本".encode("shift_jis"), "text/plain;charset=Shift_JIS", "日本"),
        ("grüß".encode(), "text/plain", "grüß"),
        (b"\xef\xbb\xbfx", "text/plain; charset=utf-8", "x"),
        (b"a\xffb", "text/plain", "a\ufffdb"),
        (b"a\xffb", "text/plain; charset=nonsense", "a\ufffdb"),
        (b"xn--tda", "text/plain; charset=punycode", "xn--tda"),
        (b"uryyb", "text/plain; charset=rot13", "uryyb"),
        ("<a>ü</a>".encode(), "image/svg+xml", "<a>ü</a>"),
        ("ü".encode(), "application/octet-stream", "ü"),
        ("ü".encode(), None, "ü"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", "<image/png, 10 bytes>"),
        (b"%PDF-1.4\xff", "application/pdf", "<application/pdf, 9 bytes>"),
        (b"\x89PNG\0", "text/plain", "<text/plain, 5 bytes>"),
        (b"\xff\xfe\xfd", None, "<unknown type, 3 bytes>"),
        (b"\xff\xfe\xfd", "<script>/evil", "<unknown type, 3 bytes>"),
        (b"", "application/json", ""),
    ],
)
def test_a_body_is_data_text_or_named(body, content_type, value):
    got = value_of(body, content_type)
    assert got == value
    assert type(got) is type(value)


def test_a_body_in_an_unasked_encoding_is_named():
    got = value_of(b"\x0b\x02", "text/plain", headers=[("Content-Encoding", "br")])
    assert got == "<text/plain, 2 bytes in an encoding that was not asked for>"


def test_output_sees_status_headers_links_body_and_pages():
    link = (
        '</p?page=2>; rel="next", <https://b.example/>; rel="last alternate"; title="a, b; rel=x", <::bad>; rel=y, <z>'
    )
    headers = [("Link", link), ("X-Two", "1"), ("x-two", "2")]
    with Loopback(reply(201, '{"id": 7}', content_type="application/json", headers=headers)) as server:
        result = call(tool(f"{server.url}/p?page=1"))
        names = result.names
    assert result.value == names["body"] == {"id": 7}
    assert set(names) == {"status", "headers", "links", "body", "pages"}
    assert names["status"] == 201
    assert names["headers"]["x-two"] == "1, 2"
    assert names["headers"]["content-type"] == "application/json"
    assert names["links"]["next"] == f"{server.url}/p?page=2"
    assert names["links"]["last"] == names["links"]["alternate"] == "https://b.example/"
    assert names["pages"] == [{"id": 7}]


def test_a_link_header_full_of_marks_takes_no_time():
    for filling in ("; " * 40_000, "<" * 80_000, '"' * 80_000, "<a>" * 20_000, ';rel="' * 13_000):
        with Loopback(reply(200, "x", headers=[("Link", f"<a>{filling}")])) as server:
            assert call(tool(server.url)).value == "x"


def test_a_body_over_ten_mebibytes_is_too_large():
    with Loopback(reply(200, b"x" * (10 * 1024 * 1024))) as server:
        assert len(call(tool(server.url)).value) == 10 * 1024 * 1024
    with Loopback(reply(200, b"x" * (10 * 1024 * 1024 + 1))) as server:
        failed = failure(tool(f"{server.url}/big"))
    assert (failed.type, failed.message) == ("output_too_large", f"GET {server.url}/big answered more than 10 MiB")


# -- statuses ---------------------------------------------------------------------------------------------------------


def test_a_status_that_is_no_success_is_a_failure_with_status_and_body():
    with Loopback(reply(404, '{"error": "no such order"}', content_type="application/json")) as server:
        failed = failure(tool(f"{server.url}/orders/7?x=1"))
    assert failed.as_result()["error"] == {
        "type": "http_status",
        "message": f"GET {server.url}/orders/7?x=1 answered 404 Not Found",
        "status": 404,
        "body": {"error": "no such order"},
    }


def test_an_expected_status_is_a_success_and_others_are_not():
    with Loopback([reply(409, "taken"), reply(200, "ok")]) as server:
        made = tool(server.url, expect=[201, 409])
        assert call(made).value == "taken"
        assert failure(made).details["status"] == 200


def test_a_long_failure_is_cut():
    for body, content_type in (("x" * 5_000_000, "text/html"), (json.dumps(["x" * 5000]), "application/json")):
        with Loopback(reply(500, body, content_type=content_type)) as server:
            failed = failure(tool(server.url))
        assert failed.details["body"].endswith("… (cut)")
        assert len(failed.details["body"]) < 2100


@pytest.mark.parametrize("status", [401, 403])
def test_the_body_of_a_refused_login_never_reaches_the_model(status):
    with Loopback(reply(status, "your key s3cret is wrong")) as server:
        failed = failure(tool(server.url, max_retries=0))
        assert "s3cret" not in json.dumps(failed.as_result())
        assert failed.details == {"status": status}
        result = call(tool(server.url, expect=[status]))
        assert "s3cret" not in json.dumps([result.value, result.names])


def test_a_key_in_the_query_is_never_shown():
    key = AuthSpec(api_key=ApiKeyAuth("query", "key", "s3cret"))
    headers = [("Location", "http://elsewhere.example/?key=s3cret")]
    with Loopback([reply(500, "broken"), reply(302, headers=headers)]) as server:
        made = tool(f"{server.url}/a?b=1", auth=key)
        first, second = failure(made), failure(made)
        assert first.message == f"GET {server.url}/a?b=1&key=*** answered 500 Internal Server Error"
        assert "s3cret" not in json.dumps([first.as_result(), second.as_result()])


# -- redirects --------------------------------------------------------------------------------------------------------


def moves_to(location, status=302):
    return reply(status, headers=[("Location", location)])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_same_origin_is_followed_with_everything(status):
    with Loopback([moves_to("/b?c=1", status), reply(200, "there")]) as server:
        made = tool(f"{server.url}/a", headers={"X-Team": "shop"}, auth=AuthSpec(bearer="s3cret"))
        assert call(made).value == "there"
        assert [arrived.target for arrived in server.requests] == ["/a", "/b?c=1"]
        assert (server.last.header("x-team"), server.last.header("authorization")) == ("shop", "Bearer s3cret")


def test_a_key_in_the_query_goes_along_to_the_same_origin_once():
    key = AuthSpec(api_key=ApiKeyAuth("query", "key", "s3cret"))
    with Loopback([moves_to("/b"), moves_to("/c?key=s3cret"), reply(200)]) as server:
        call(tool(f"{server.url}/a", auth=key))
        assert [arrived.target for arrived in server.requests] == ["/a?key=s3cret", "/b?key=s3cret", "/c?key=s3cret"]


def test_head_is_redirected_as_head():
    with Loopback([moves_to("/b"), reply(200)]) as server:
        call(tool(server.url, method="HEAD"))
        assert [arrived.method for arrived in server.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1:{port}/", "https://127.0.0.1/", "//localhost/", "http://127.0.0.1.evil.example/"]
)
def test_a_redirect_to_another_origin_is_not_followed(elsewhere):
    with Loopback() as other:
        location = elsewhere.format(port=other.port)
        with Loopback(moves_to(location)) as server:
            failed = failure(tool(server.url, auth=AuthSpec(bearer="s3cret")))
        assert other.requests == []
    assert failed.type == "http_status"
    assert failed.details["status"] == 302
    assert "another origin" in failed.message


class Names:
    """Public-looking names that lead to loopback ports: {name: port}."""

    def __init__(self, ports):
        self.ports = ports
        self.addresses = {name: f"93.184.216.{number}" for number, name in enumerate(ports, 1)}
        self.dialled = []

    async def resolve(self, host, port):
        return [self.addresses[host]]

    async def dial(self, address, port, timeout_s):
        self.dialled.append(address)
        name = next(name for name, known in self.addresses.items() if known == address)
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.ports[name], timeout=timeout_s)

    def network(self):
        return Network(resolve=self.resolve, dial=self.dial)


def test_a_redirect_to_a_listed_host_loses_every_credential():
    with Loopback(reply(200, "file")) as cdn, Loopback(moves_to("http://cdn.example/f?x=1")) as api:
        made = tool(
            "http://api.example/f",
            hosts=["cdn.example"],
            headers={"X-Api-Key": "s3cret"},
            auth=AuthSpec(bearer="s3cret"),
            network=Names({"api.example": api.port, "cdn.example": cdn.port}).network(),
        )
        assert call(made).value == "file"
        assert api.last.header("authorization") == "Bearer s3cret"
        assert (cdn.last.target, cdn.last.header("host")) == ("/f?x=1", "cdn.example")
        assert "s3cret" not in str(cdn.last)


def test_a_key_in_the_query_and_a_body_stay_behind_too():
    with Loopback() as cdn, Loopback(moves_to("http://cdn.example/f", 307)) as api:
        made = tool(
            "http://api.example/f",
            method="GET",
            json={"q": "s3cret"},
            hosts=["cdn.example"],
            auth=AuthSpec(api_key=ApiKeyAuth("query", "key", "s3cret")),
            network=Names({"api.example": api.port, "cdn.example": cdn.port}).network(),
        )
        call(made)
        assert "s3cret" in str(api.last)
        assert "s3cret" not in str(cdn.last)


def test_credentials_do_not_come_back_with_a_redirect_back():
    with (
        Loopback([moves_to("http://b.example/"), reply(200, "home")]) as a,
        Loopback(moves_to("http://a.example/x")) as b,
    ):
        made = tool(
            "http://a.example/",
            hosts=["a.example", "b.example"],
            auth=AuthSpec(bearer="s3cret"),
            network=Names({"a.example": a.port, "b.example": b.port}).network(),
        )
        assert call(made).value == "home"
        assert [arrived.header("authorization") for arrived in a.requests] == ["Bearer s3cret", None]


def test_a_listed_host_that_is_private_is_not_redirected_to():
    with Loopback() as inside:
        with Loopback(moves_to(f"http://localhost:{inside.port}/")) as server:
            failed = failure(tool(server.url, hosts=[f"localhost:{inside.port}"]))
        assert inside.requests == []
    assert (failed.type, failed.message) == (
        "connection",
        "no connection is made to localhost: it has an address that is not a public one",
    )


def test_five_redirects_are_followed_and_a_sixth_is_not():
    with Loopback([*(moves_to(f"/{number}") for number in range(5)), reply(200, "there")]) as server:
        assert call(tool(server.url)).value == "there"
    with Loopback(moves_to("/again")) as server:
        failed = failure(tool(server.url))
        assert len(server.requests) == 6
    assert (failed.type, failed.details) == ("http_status", {"status": 302})
    assert "more than 5 redirects" in failed.message


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_redirected(method):
    with Loopback(moves_to("/b", 303)) as server:
        failed = failure(tool(f"{server.url}/a", method=method))
        assert len(server.requests) == 1
    assert failed.details == {"status": 303, "location": f"{server.url}/b"}
    assert failed.message.startswith(f"{method} {server.url}/a answered 303 See Other, a redirect to {server.url}/b: ")


def test_an_expected_redirect_is_a_result():
    with Loopback(moves_to("/b")) as server:
        result = call(tool(server.url, expect=[302]))
    assert result.names["headers"]["location"] == "/b"


@pytest.mark.parametrize(
    "location", ["ftp://x.example/", "http://u:s3cret@x.example/", "http://[", "javascript:alert(1)"]
)
def test_a_location_that_is_no_url_is_a_failure(location):
    with Loopback(moves_to(location)) as server:
        failed = failure(tool(server.url))
    assert (failed.type, failed.details["status"]) == ("http_status", 302)
    assert "s3cret" not in failed.message


# -- the model chooses the URL ----------------------------------------------------------------------------------------


def test_a_chosen_url_of_a_listed_host_is_fetched():
    with Loopback(reply(200, "page")) as server:
        made = tool("{url}", hosts=["*.docs.example"], network=Names({"a.docs.example": server.port}).network())
        assert call(made, {"url": "http://a.docs.example/x?y=1#z"}).value == "page"
        assert server.last.target == "/x?y=1"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://evil.example/", "evil.example is not allowed; allowed: docs.example, \\*.docs.example"),
        ("http://docs.example:8080/", "not allowed"),
        ("http://docs.example@evil.example/", "credentials"),
        ("http://evil.example#docs.example", "not allowed"),
        ("http://evil.example\\.docs.example/", "host"),
        ("http://docs.example.evil.example/", "not allowed"),
        ("file:///etc/passwd", "http"),
        ("//docs.example/", "http"),
        (" http://docs.example/", "http"),
        ("", "http"),
        ("http://127.0.0.1/", "not allowed"),
        ("http://169.254.169.254/latest/meta-data/", "not allowed"),
    ],
)
def test_a_chosen_url_elsewhere_is_refused_without_a_connection(url, word):
    names = Names({})
    failed = failure(tool("{url}", hosts=["docs.example", "*.docs.example"], network=names.network()), {"url": url})
    assert failed.type == "invalid_arguments"
    with pytest.raises(ToolFailure, match=word):
        raise failed
    assert names.dialled == []


def test_a_chosen_host_with_a_private_address_is_refused():
    async def resolve(host, port):
        return ["10.0.0.1"]

    failed = failure(
        tool("{url}", hosts=["docs.example"], network=Network(resolve=resolve)), {"url": "http://docs.example/"}
    )
    assert failed.type == "connection"
    assert "not a public one" in failed.message


def test_with_a_base_url_a_lone_hole_is_a_path():
    request = sent(tool("{url}", base_url="https://a.example/v2"), {"url": "http://evil.example/"})
    assert str(request.url) == "https://a.example/v2/http%3A%2F%2Fevil.example%2F"


# -- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_failure_that_may_pass_is_asked_again(status):
    waits = Waits()
    with Loopback([reply(status), reply(status), reply(200, "at last")]) as server:
        assert call(tool(server.url, sleep=waits)).value == "at last"
        assert len(server.requests) == 3
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.2
    assert 0 <= waits[1] <= 0.4


@pytest.mark.parametrize(("max_retries", "count"), [(0, 1), (1, 2), (4, 5)])
def test_retries_are_counted(max_retries, count):
    with Loopback(reply(503)) as server:
        failed = failure(tool(server.url, max_retries=max_retries))
        assert len(server.requests) == count
    assert failed.details["status"] == 503


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_a_failure_that_will_not_pass_is_not_asked_again(status):
    with Loopback(reply(status)) as server:
        failure(tool(server.url))
        assert len(server.requests) == 1


def test_an_expected_status_is_not_asked_again():
    with Loopback(reply(503, "down")) as server:
        assert call(tool(server.url, expect=[503])).value == "down"
        assert len(server.requests) == 1


def test_a_call_that_must_not_happen_twice_is_made_once():
    for answer in (reply(503), None):
        with Loopback(lambda _, answer=answer: answer) as server:
            failure(tool(server.url, json={}, idempotent=False))
            assert len(server.requests) == 1


def test_an_idempotency_key_makes_a_call_repeatable_under_the_same_key():
    with Loopback([reply(503), reply(200, "ok")]) as server:
        made = tool(server.url, json={}, idempotent=False, headers={"idempotency-key": "{{ call.id }}"})
        assert call(made).value == "ok"
        assert [arrived.header("Idempotency-Key") for arrived in server.requests] == ["call-1", "call-1"]


def test_an_absent_idempotency_key_makes_nothing_repeatable():
    with Loopback(reply(503)) as server:
        failure(tool(server.url, json={}, idempotent=False, headers={"Idempotency-Key": "{{ args.gone }}"}))
        assert len(server.requests) == 1


def test_a_broken_connection_is_asked_again():
    answers = [None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut", reply(200, "ok")]
    with Loopback(lambda _: answers.pop(0), idle_s=0.2) as server:
        assert call(tool(server.url)).value == "ok"
        assert len(server.requests) == 3


def test_a_dead_endpoint_is_told_after_the_retries():
    waits = Waits()
    url = f"http://127.0.0.1:{unused_port()}"
    failed = failure(tool(f"{url}/x?key=1", sleep=waits, auth=AuthSpec(bearer="s3cret")))
    assert failed.as_result() == {
        "error": {"type": "connection", "message": f"could not connect to {url} (connection refused)"}
    }
    assert len(waits) == 2


def test_a_refused_address_is_not_asked_again():
    waits = Waits()
    failure(tool("http://169.254.169.254/", sleep=waits))
    assert waits == []


def test_retry_after_is_kept_up_to_half_a_minute():
    waits = Waits()
    with Loopback([reply(429, headers=[("Retry-After", "7")]), reply(200, "ok")]) as server:
        assert call(tool(server.url, sleep=waits)).value == "ok"
    assert waits == [7]
    with Loopback(reply(429, "slow down", headers=[("Retry-After", "31")])) as server:
        failed = failure(tool(server.url, sleep=waits))
        assert len(server.requests) == 1
    assert failed.details == {"status": 429, "body": "slow down", "retry_after": 31}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        ("Sat, 31 Jan 2026 12:00:10 GMT", 10.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 999999999.0),
        *[(text, None) for text in (None, "", "-1", "soon", "1.5", "Sat, 99 Jan 2026 12:00:10 GMT", "٣")],
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value, seconds):
    assert retry_after_s(value, datetime(2026, 1, 31, 12, tzinfo=UTC)) == seconds


@settings(max_examples=30)
@given(st.integers(0, 10))
def test_backoff_is_jittered_under_an_exponential_ceiling(attempt):
    assert 0 <= backoff_s(attempt) <= 0.2 * 2**attempt


def test_a_cancelled_call_leaves_nothing_open():
    async def cancel():
        entered = asyncio.Event()
        server = await asyncio.start_server(lambda _reader, _writer: entered.set(), "127.0.0.1", 0)
        made = tool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        running = asyncio.create_task(made.call({}, CONTEXT))
        await asyncio.wait_for(entered.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        pools = made.network._pools.values()
        assert [connection for pool in pools for connection in pool.connections] == []
        await made.network.aclose()
        server.close()

    asyncio.run(cancel())
