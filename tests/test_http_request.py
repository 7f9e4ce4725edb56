"""What an http tool would send, looked at without a network."""

import json
from urllib.parse import unquote

import pytest

from agentrun.errors import ToolFailure, UsageError
from agentrun.spec.types import ApiKeyAuth, AuthSpec, BasicAuth
from http_calls import header, sent, tool


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
    assert tool("https://a.example/", **spec)._template.method == method


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


def test_what_the_author_writes_wins_over_defaults():
    headers = {"content-type": "application/vnd.x+json", "USER-AGENT": "me"}
    request = sent(tool("https://a.example/", json={}, headers=headers, auth=AuthSpec(bearer="right")))
    names = [name.lower() for name, _ in request.headers]
    assert len(names) == len(set(names))
    assert header(request, "content-type") == "application/vnd.x+json"
    assert (header(request, "user-agent"), header(request, "authorization")) == ("me", "Bearer right")


@pytest.mark.parametrize(
    ("auth", "name"),
    [
        (AuthSpec(bearer="s"), "authorization"),
        (AuthSpec(basic=BasicAuth("a", "b")), "AUTHORIZATION"),
        (AuthSpec(api_key=ApiKeyAuth("header", "X-Key", "s")), "x-key"),
    ],
)
def test_one_header_has_one_source(auth, name):
    with pytest.raises(UsageError, match="is set by `auth`"):
        tool("https://a.example/", headers={name: "x"}, auth=auth)


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


@pytest.mark.parametrize(
    "spec",
    [
        {"query": {"a": "{{ args.v }}"}},
        {"json": "{{ args.v }}"},
        {"form": {"a": "{{ args.v }}"}},
        {"body": "{{ args.v }}"},
        {"url": "https://a.example/{v}"},
        {"url": "https://a.example/?q={v}"},
        {},
    ],
)
def test_half_a_surrogate_pair_is_refused(spec):
    with pytest.raises(ToolFailure, match="surrogate") as refused:
        sent(tool(**{"url": "https://a.example/", "parameters": ["v"], **spec}), {"v": "\ud800"})
    assert refused.value.type == "invalid_arguments"


def test_an_empty_credential_sends_nothing():
    for auth in (AuthSpec(bearer=""), AuthSpec(basic=BasicAuth("")), AuthSpec(api_key=ApiKeyAuth("query", "key", ""))):
        request = sent(tool("https://a.example/", auth=auth))
        assert (header(request, "authorization"), request.url.query) == (None, "")
