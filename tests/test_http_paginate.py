"""Pages of a list: which are read, what comes of them, and where they may lead."""

import json

import pytest

from agentrun.spec.types import ApiKeyAuth, AuthSpec, PaginateSpec
from agentrun.tools.http_outcome import MAX_BODY_BYTES
from agentrun.tools.network import Network
from http_calls import Waits, call, failure, tool
from loopback_http import Loopback, reply

CURSOR = PaginateSpec("{{ body.cursor }}", "cursor")
LINK = PaginateSpec("{{ links.next }}")


def page(items, cursor=None, **more):
    body = {"items": items} if cursor is None else {"items": items, "cursor": cursor}
    return reply(200, json.dumps(body), content_type="application/json", **more)


def linked(items, url):
    return page(items, headers=[("Link", f'<{url}>; rel="next"')] if url else ())


def targets(server):
    return [arrived.target for arrived in server.requests]


def test_pages_are_read_to_the_end_and_all_of_them_are_the_result():
    with Loopback([page([1], "a&b"), page([2], 7), page([3])]) as server:
        made = tool(f"{server.url}/list?size=1", query={"q": "x"}, paginate=CURSOR, auth=AuthSpec(bearer="s3cret"))
        result = call(made)
        bodies = [{"items": [1], "cursor": "a&b"}, {"items": [2], "cursor": 7}, {"items": [3]}]
        assert result.value == {"pages": bodies, "more": False}
        assert (result.names["pages"], result.names["more"], result.names["body"]) == (bodies, False, bodies[-1])
        assert targets(server) == [
            "/list?size=1&q=x",
            "/list?size=1&q=x&cursor=a%26b",
            "/list?size=1&q=x&cursor=7",
        ]
        assert {arrived.header("authorization") for arrived in server.requests} == {"Bearer s3cret"}


@pytest.mark.parametrize("end", [None, "", False])
def test_null_empty_and_false_end_the_list(end):
    body = json.dumps({"items": [], "cursor": end})
    with Loopback(reply(200, body, content_type="application/json")) as server:
        assert call(tool(server.url, paginate=CURSOR)).value["more"] is False
        assert len(server.requests) == 1


def test_a_list_that_goes_on_after_the_last_page_that_may_be_read_says_so():
    with Loopback([page([number], f"c{number}") for number in range(9)]) as server:
        paginate = PaginateSpec("{{ body.cursor }}", "cursor", max_pages=3)
        result = call(tool(server.url, paginate=paginate))
        assert (len(server.requests), len(result.value["pages"]), result.value["more"]) == (3, 3, True)


def test_a_service_that_repeats_itself_is_not_asked_again_and_again():
    with Loopback([page([1], "a"), page([2], "b"), page([3], "a"), page([4], "b")]) as server:
        paginate = PaginateSpec("{{ body.cursor }}", "cursor", max_pages=50)
        assert call(tool(server.url, paginate=paginate)).value["more"] is True  # there was a next that was not followed
        assert len(server.requests) == 3


def test_a_page_that_leads_to_itself_is_read_once():
    with Loopback(linked([1], "/list?page=1")) as server:
        result = call(tool(f"{server.url}/list?page=1", paginate=LINK))
        assert result.value == {"pages": [{"items": [1]}], "more": True}
        assert len(server.requests) == 1


def test_where_the_last_page_that_may_be_read_leads_is_not_looked_at():
    with Loopback(linked([1], "https://elsewhere.example/")) as server:
        result = call(tool(server.url, paginate=PaginateSpec("{{ links.next }}", max_pages=1)))
        assert result.value["more"] is True


def test_a_cursor_that_the_url_has_already_is_replaced():
    with Loopback([page([1], "b"), page([2])]) as server:
        call(tool(f"{server.url}/?cursor=a&x=1&cursor=z", paginate=CURSOR))
        assert targets(server) == ["/?cursor=a&x=1&cursor=z", "/?x=1&cursor=b"]


def test_a_link_is_followed_on_the_same_origin_with_everything():
    key = AuthSpec(api_key=ApiKeyAuth("query", "key", "s3cret"))
    with Loopback([linked([1], "/list?page=2"), linked([2], "?page=3"), linked([3], None)]) as server:
        result = call(tool(f"{server.url}/list", headers={"X-Team": "shop"}, auth=key, paginate=LINK))
        assert [one["items"] for one in result.value["pages"]] == [[1], [2], [3]]
        assert targets(server) == ["/list?key=s3cret", "/list?page=2&key=s3cret", "/list?page=3&key=s3cret"]
        assert server.last.header("x-team") == "shop"


def test_a_post_is_repeated_with_its_body():
    with Loopback([page([1], "b"), page([2])]) as server:
        call(tool(f"{server.url}/search", json={"q": "x"}, paginate=CURSOR))
        assert [(one.method, one.target, one.body) for one in server.requests] == [
            ("POST", "/search", b'{"q":"x"}'),
            ("POST", "/search?cursor=b", b'{"q":"x"}'),
        ]


def test_a_link_to_another_origin_is_not_followed():
    with Loopback() as other, Loopback(linked([1], f"{other.url}/2")) as server:
        failed = failure(tool(f"{server.url}/1", paginate=LINK, auth=AuthSpec(bearer="s3cret")))
        assert other.requests == []
    assert failed.type == "http_status"
    assert failed.message == (
        f"GET {server.url}/1: the next page is {other.url}/2: that is another origin, and `hosts` "
        f"doesn't list `127.0.0.1:{other.port}`"
    )


def test_a_link_to_a_listed_host_is_followed_without_credentials_and_does_not_bring_them_back():
    dialled = []
    with Loopback() as other, Loopback() as server:
        names = {"pages.example": other.port, "127.0.0.1": server.port}
        server._answer = lambda one: linked(["own"], f"http://pages.example:{other.port}/2")
        other._answer = lambda one: linked(["other"], f"{server.url}/3" if one.target == "/2" else None)

        async def resolve(host, port):
            return ["93.184.215.14"]

        async def dial(address, port, timeout_s):
            import httpcore2

            dialled.append(address)
            return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", port)

        hosts = [f"pages.example:{names['pages.example']}"]
        made = tool(
            f"{server.url}/1",
            hosts=hosts,
            headers={"X-Api-Key": "s3cret"},
            auth=AuthSpec(bearer="s3cret"),
            network=Network(resolve=resolve, dial=dial),
            paginate=LINK,
        )
        failed = failure(made)
        assert "another origin" in failed.message  # its own host, but a stranger chose what is asked of it
        assert dialled == ["127.0.0.1", "93.184.215.14"]
        assert [other.last.header(name) for name in ("authorization", "x-api-key")] == [None, None]
        assert targets(server) == ["/1"]


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "http://127.0.0.1:1/", "http://[::1]/"])
def test_a_link_to_a_private_address_is_not_followed_even_where_it_is_listed(url):
    with Loopback(linked([1], url)) as server:
        hosts = ["169.254.169.254", "127.0.0.1:1", "[::1]"]
        failed = failure(tool(server.url, hosts=hosts, paginate=LINK))
    assert failed.type == "connection"
    assert "no connection is made" in failed.message


def test_a_post_does_not_go_on_at_another_host():
    with Loopback(linked([1], "https://pages.example/2")) as server:
        failed = failure(tool(server.url, json={}, hosts=["pages.example"], paginate=LINK))
    assert failed.message.endswith("the next page is https://pages.example/2: other origins are for GET and HEAD only")


def test_a_page_that_fails_fails_the_call():
    with Loopback([page([1], "b"), reply(500, "down")]) as server:
        failed = failure(tool(server.url, paginate=CURSOR))
        assert (failed.type, failed.details["status"]) == ("http_status", 500)
        assert failed.message.startswith(f"page 2: GET {server.url}/?cursor=b answered 500")


def test_a_page_is_asked_for_again_where_a_request_would_be():
    waits = Waits()
    with Loopback([page([1], "b"), reply(503), page([2])]) as server:
        assert len(call(tool(server.url, paginate=CURSOR, sleep=waits)).value["pages"]) == 2
    assert len(waits) == 1


def test_the_bound_on_bytes_holds_for_all_pages_together():
    half = "x" * (MAX_BODY_BYTES // 2)
    with Loopback([page([half], "b"), page([half])]) as server:
        failed = failure(tool(server.url, paginate=CURSOR))
    assert (failed.type, failed.details) == ("output_too_large", {"status": 200})


@pytest.mark.parametrize(
    ("next_page", "words"),
    [
        ("{{ body.items }}", "`paginate.next` gives no text or number"),
        ("{{ 1 // 0 }}", "`paginate.next` can't be rendered"),
    ],
)
def test_a_next_that_can_be_none_is_a_failure(next_page, words):
    with Loopback(page([1])) as server:
        failed = failure(tool(server.url, paginate=PaginateSpec(next_page, "cursor")))
    assert failed.type == "internal"
    assert words in failed.message


@pytest.mark.parametrize("link", ["ftp://x/", "http://u:p@x/", "http://[::1"])
def test_a_link_that_is_no_url_is_a_failure(link):
    body = json.dumps({"next": link})
    with Loopback(reply(200, body, content_type="application/json")) as server:
        failed = failure(tool(server.url, paginate=PaginateSpec("{{ body.next }}")))
    assert failed.type == "http_status"
    assert "the next page has no usable URL" in failed.message


def test_next_sees_arguments_and_the_page_before():
    with Loopback([page([1]), page([2]), page([3])]) as server:
        paginate = PaginateSpec("{{ args.start + body['items'][0] if body['items'][0] < 3 }}", "offset")
        call(tool(server.url, parameters=["start"], paginate=paginate), {"start": 10})
        assert targets(server) == ["/?start=10", "/?start=10&offset=11", "/?start=10&offset=12"]
