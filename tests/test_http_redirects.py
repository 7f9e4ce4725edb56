"""Where an http tool goes when a server or the model says where, and what stays behind."""

import httpcore2
import pytest

from agentrun.errors import ToolFailure
from agentrun.spec.types import ApiKeyAuth, AuthSpec
from agentrun.tools.network import Network
from http_calls import call, failure, sent, tool
from loopback_http import Loopback, reply


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


@pytest.mark.parametrize(
    ("sent_as", "asked"), [("/café?q=ü", "/caf%C3%A9?q=%C3%BC"), ("/caf\xe9".encode("latin-1"), "/caf%C3%A9")]
)
def test_a_location_that_is_not_ascii_is_read_as_it_is_meant(sent_as, asked):
    raw = sent_as if isinstance(sent_as, bytes) else sent_as.encode()
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + raw + b"\r\n\r\n"
    with Loopback([moved, reply(200)]) as server:
        call(tool(server.url))
        assert server.last.target == asked


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
