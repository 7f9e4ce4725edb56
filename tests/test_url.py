"""URLs: reading, joining, `hosts`, and values in the holes of a template."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.errors import ToolFailure, UsageError
from agentrun.tools.url import BadUrl, join_url, parse_host_pattern, parse_whole_url
from agentrun.tools.url_template import compile_url

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A", "https://example.com/A"),
        ("http://example.com:8080/a?b=1#c", "http://example.com:8080/a?b=1"),
        ("http://example.com.", "http://example.com/"),
        ("http://example.com?x", "http://example.com/?x"),
        ("http://[2001:DB8::1]:81/", "http://[2001:db8::1]:81/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://bücher.example/ü?ö=%C3%A4", "http://xn--bcher-kva.example/%C3%BC?%C3%B6=%C3%A4"),
        ("http://127。0。0。1/", "http://127.0.0.1/"),
        ("http://example.com/a b%zz", "http://example.com/a%20b%25zz"),
        ("http://example.com/a\\..\\b", "http://example.com/a%5C..%5Cb"),
        ("http://my_host-1/", "http://my_host-1/"),
    ],
)
def test_a_whole_url_has_one_spelling(text, expected):
    assert str(parse_whole_url(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.com", "//example.com", "/path", "ftp://example.com", "file:///etc/passwd", "javascript:1"),
        *("http:example.com", "http:/example.com", "http://", "http:///x", "http://:80/", " http://example.com"),
        *("http://user@example.com", "http://user:pw@example.com/", "http://good.example\\@evil.example/"),
        *(
            "http://a b/",
            "http://a\n.example/",
            "http://a\t/",
            "http://a%2eb/",
            "http://[::1",
            "http://::1/",
            "http://[x]/",
        ),
        *(
            "http://[127.0.0.1]/",
            "http://a:b/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:123456/",
            "http://-a/",
            "http://a..b/",
        ),
        *("http://１２７.0.0.1/", "http://①②⑦.0.0.1/", "http://" + "a.b" * 100, "http://" + "a" * 64, "http://*/"),
    ],
)
def test_what_is_no_url_for_a_tool_is_refused(text):
    with pytest.raises(BadUrl) as refused:
        parse_whole_url(text)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b", "https://a.example/b"),
        ("c?d=1", "https://a.example/x/c?d=1"),
        ("../c", "https://a.example/c"),
        ("?z", "https://a.example/x/y?z"),
        ("//b.example/c", "https://b.example/c"),
        ("http://a.example/", "http://a.example/"),
        ("https://a.example:8443/", "https://a.example:8443/"),
        ("/ü b", "https://a.example/%C3%BC%20b"),
    ],
)
def test_a_location_is_read_as_a_browser_does(location, expected):
    assert str(join_url(parse_whole_url("https://a.example/x/y?q=1"), location)) == expected


@pytest.mark.parametrize(
    "location", ["ftp://b.example/", "https://u:p@b.example/", "http://[::1", "https://b.example:x/"]
)
def test_a_location_that_is_no_http_url_is_refused(location):
    with pytest.raises(BadUrl):
        join_url(parse_whole_url("https://a.example/"), location)


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [
        ("api.example.com", "https://api.example.com/", True),
        ("API.example.com.", "https://api.EXAMPLE.com./", True),
        ("api.example.com", "http://api.example.com/", True),
        ("api.example.com", "https://api.example.com:8443/", False),
        ("api.example.com:8443", "https://api.example.com:8443/", True),
        ("api.example.com:8443", "https://api.example.com/", False),
        ("api.example.com:80", "https://api.example.com/", False),
        ("api.example.com", "https://xapi.example.com/", False),
        ("api.example.com", "https://api.example.com.evil.example/", False),
        ("*.example.com", "https://a.example.com/", True),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("*.example.com:8080", "http://a.example.com:8080/", True),
        ("bücher.example", "https://xn--bcher-kva.example/", True),
        ("127.0.0.1:8080", "http://2130706433:8080/", True),
        ("[::1]:8080", "http://[0:0::1]:8080/", True),
    ],
)
def test_hosts_let_through_what_they_name_and_nothing_else(pattern, url, fits):
    assert parse_host_pattern(pattern).matches(parse_whole_url(url).origin) is fits


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", "a.*.example", "https://a.example", "a.example/x", "a:99999", "a b"]
)
def test_what_is_no_host_is_refused_as_one(pattern):
    with pytest.raises(BadUrl):
        parse_host_pattern(pattern)


# -- templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://a.example/x", None, "https://a.example/x"),
        ("/orders/{id}", "https://a.example/v2", "https://a.example/v2/orders/7"),
        ("orders/{id}", "https://a.example/v2/", "https://a.example/v2/orders/7"),
        ("/orders/{id}", "https://a.example", "https://a.example/orders/7"),
        ("{id}", "https://a.example", "https://a.example/7"),
        ("", "https://a.example/v2/", "https://a.example/v2/"),
        ("/", "https://a.example/v2", "https://a.example/v2/"),
        ("?id={id}", "https://a.example/v2", "https://a.example/v2?id=7"),
        ("//evil.example/{id}", "https://a.example/v2", "https://a.example/v2//evil.example/7"),
        ("https://b.example/{id}", "https://a.example/v2", "https://b.example/7"),
        ("https://a.example?x={id}", None, "https://a.example/?x=7"),
        (
            "https://a.example/a b/{id}.json?x=[1]&y=a=b&{id}#{id}",
            None,
            "https://a.example/a%20b/7.json?x=%5B1%5D&y=a=b&7",
        ),
        ("https://a.example/%2Fx/{id}?f=j1&c={gone}&d=x{gone}&e", None, "https://a.example/%2Fx/7?f=j1&e"),
    ],
)
def test_base_and_url_are_put_together_as_written(url, base, expected):
    assert str(compile_url(url, base).render({"id": 7})) == expected


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("/orders", None),
        ("{host}/x", None),
        ("https://{host}/x", None),
        ("https://a.example{rest}", None),
        ("https://a.{host}.example/x", None),
        ("https://user:pw@a.example/", None),
        ("ftp://a.example/", None),
        ("https:///x", None),
        ("/x", "https://a.example/?k=v"),
        ("/x", "a.example"),
        ("/x/../{id}", "https://a.example"),
        ("/x/%2e%2E/y", "https://a.example"),
    ],
)
def test_a_url_whose_host_is_not_the_authors_is_refused_before_any_call(url, base):
    with pytest.raises(UsageError) as refused:
        compile_url(url, base)
    assert "pw" not in refused.value.message


@given(TEXT)
@example("a/b?c#d&e=f")
@example("%2e%2e")
@example("..\\..")
@example("...")
def test_a_value_is_one_segment_of_the_path_or_refused(value):
    template = compile_url("https://a.example/x/{v}/y", None)
    if value in ("", ".", ".."):
        with pytest.raises(ToolFailure) as refused:
            template.render({"v": value})
        assert refused.value.type == "invalid_arguments"
        assert "`v`" in refused.value.message
        return
    url = template.render({"v": value})
    _, x, segment, y = url.path.split("/")
    assert (x, unquote(segment, errors="strict"), y, url.query) == ("x", value, "y", "")


@given(TEXT)
@example("a/../b")
@example("/a")
@example("a//b")
@example("a/%2e%2e/b")
def test_a_hole_that_keeps_slashes_refuses_empty_and_dotted_pieces(value):
    template = compile_url("https://a.example/files/{+path}", None)
    if any(piece in ("", ".", "..") for piece in value.split("/")):
        with pytest.raises(ToolFailure):
            template.render({"path": value})
        return
    path = template.render({"path": value}).path
    assert [unquote(segment) for segment in path.split("/")] == ["", "files", *value.split("/")]


@given(TEXT)
def test_a_value_in_the_urls_query_stays_one_value(value):
    url = compile_url("https://a.example/x?format=j1&q={v}", None).render({"v": value})
    first, second = url.query.split("&")
    assert (first, unquote(second.removeprefix("q="))) == ("format=j1", value)


@pytest.mark.parametrize("arguments", [{"a": ".", "b": "."}, {"a": ".", "b": ".."[:1]}])
def test_two_values_can_not_make_a_dotted_piece_together(arguments):
    with pytest.raises(ToolFailure):
        compile_url("https://a.example/{a}{b}/x", None).render(arguments)


def test_half_an_encoded_dot_of_the_author_and_half_of_the_model_is_refused():
    with pytest.raises(ToolFailure):
        compile_url("https://a.example/%2e{a}/x", None).render({"a": "."})


@pytest.mark.parametrize("value", [["a"], {"a": 1}, None])
def test_a_path_takes_scalars_only(value):
    with pytest.raises(ToolFailure) as refused:
        compile_url("https://a.example/{v}", None).render({"v": value})
    assert "`v`" in refused.value.message


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (1.5, "1.5"), (True, "true"), (-0.0, "-0.0")])
def test_numbers_and_booleans_are_written_as_in_json(value, text):
    assert compile_url("https://a.example/{v}", None).render({"v": value}).path == f"/{text}"


def test_a_message_shows_no_hidden_query_value():
    url = parse_whole_url("https://a.example/x?a=1&api%5Fkey=s3cret&api_key=s3cret")
    assert url.shown("api_key") == "https://a.example/x?a=1&api%5Fkey=***&api_key=***"
