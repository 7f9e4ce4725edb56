"""The http backend against real loopback servers: what arrives, what comes back, and failures."""

import asyncio
import base64
import json
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.errors import ToolFailure
from agentrun.spec.types import ApiKeyAuth, AuthSpec, BasicAuth
from agentrun.tools.network import Network
from http_calls import CONTEXT, call, failure, tool
from loopback_http import Loopback, reply

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


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


def test_output_sees_status_headers_links_body_pages_and_more():
    link = (
        '</p?page=2>; rel="next", <https://b.example/>; rel="last alternate"; title="a, b; rel=x", <::bad>; rel=y, <z>'
    )
    headers = [("Link", link), ("X-Two", "1"), ("x-two", "2")]
    with Loopback(reply(201, '{"id": 7}', content_type="application/json", headers=headers)) as server:
        result = call(tool(f"{server.url}/p?page=1"))
        names = result.names
    assert result.value == names["body"] == {"id": 7}
    assert set(names) == {"status", "headers", "links", "body", "pages", "more"}
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


@pytest.mark.parametrize(("levels", "is_data"), [(64, True), (66, False), (700, False), (100_000, False)])
def test_json_that_is_nested_deeply_stays_text(levels, is_data):
    body = "[" * levels + "]" * levels
    with Loopback(
        [reply(200, body, content_type="application/json"), reply(404, body, content_type="text/json")]
    ) as server:
        made = tool(server.url)
        value = call(made).value
        assert isinstance(value, list) if is_data else value == body
        assert isinstance(failure(made).details["body"], list if is_data else str)


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


@pytest.mark.parametrize("content_type", ["text/html", "application/json", None])
def test_a_long_failure_is_read_in_part_and_never_half_a_character(content_type):
    with Loopback(reply(500, "x" + "é" * 1_000_000, content_type=content_type)) as server:
        failed = failure(tool(server.url))
    body = failed.details["body"]
    assert body.endswith("é… (cut off)")
    assert len(body.encode()) < 65 * 1024
    assert "\ufffd" not in body


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


def test_a_cancelled_call_leaves_nothing_open():
    async def cancel():
        entered = asyncio.Queue()
        server = await asyncio.start_server(lambda _reader, writer: entered.put_nowait(writer), "127.0.0.1", 0)
        made = tool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        running = asyncio.create_task(made.call({}, CONTEXT))
        writer = await asyncio.wait_for(entered.get(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [len(connections) for connections in made.network._pools.values()] == [0]
        await made.network.aclose()
        writer.close()
        server.close()

    asyncio.run(cancel())
