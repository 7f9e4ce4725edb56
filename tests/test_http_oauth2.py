"""Tokens of http tools: fetched when needed, kept, shared, fetched again after a refusal, never shown."""

import asyncio
import base64
import json
from urllib.parse import parse_qs

import pytest

from agentrun.errors import ToolFailure, UsageError
from agentrun.secrets import Masker
from agentrun.spec.types import AuthSpec, OAuth2Auth, PaginateSpec
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSource, TokenSources
from agentrun.tools.retry import Deadline
from http_calls import CONTEXT, Waits, call, failure, tool
from loopback_http import Loopback, reply, unused_port


def granted(token="t0ken-one", **fields):
    return reply(200, json.dumps({"access_token": token, "token_type": "Bearer", **fields}))


def refused(status, **fields):
    return reply(status, json.dumps(fields), content_type="application/json")


def client(server, **more):
    return OAuth2Auth(f"{server.url}/token", "the client", "pass:word/+é", **more)


class Service:
    """A token endpoint and an API behind it in one server; `tokens` are handed out in turn, `good` are let in."""

    def __init__(self, tokens, good=None, **fields):
        self.tokens = list(tokens)
        self.good = set(tokens) if good is None else good
        self.fields = fields

    def __call__(self, arrived):
        if arrived.target == "/token":
            token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            return granted(token, **self.fields)
        token = (arrived.header("authorization") or "").removeprefix("Bearer ")
        return reply(200, "in") if token in self.good else reply(401, f"not {token}")


def targets(server):
    return [arrived.target for arrived in server.requests]


def test_a_token_is_asked_for_as_the_standard_says_and_sent_to_the_tools_origin():
    with Loopback(Service(["t0ken-one"])) as server:
        auth = AuthSpec(oauth2=client(server, scopes=["a.read", "b"], params={"audience": "shop & co"}))
        assert call(tool(f"{server.url}/api", auth=auth)).value == "in"
        asked, sent = server.requests
    assert (asked.method, asked.target) == ("POST", "/token")
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.header("accept") == "application/json"
    encoded = base64.b64encode(b"the+client:pass%3Aword%2F%2B%C3%A9").decode()
    assert asked.header("authorization") == f"Basic {encoded}"
    form = {"grant_type": ["client_credentials"], "scope": ["a.read b"], "audience": ["shop & co"]}
    assert parse_qs(asked.body.decode()) == form
    assert sent.header("authorization") == "Bearer t0ken-one"


def test_a_service_that_takes_credentials_in_the_form_only_gets_them_there_from_then_on():
    def answer(arrived):
        if arrived.target != "/token":
            return reply(200, "in")
        return granted(expires_in=0) if b"client_secret=" in arrived.body else refused(401, error="invalid_client")

    with Loopback(answer) as server:
        made = tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server)))
        assert [call(made).value, call(made).value] == ["in", "in"]
        bodies = [parse_qs(one.body.decode()) for one in server.requests if one.target == "/token"]
        in_form = [(body.get("client_id"), body.get("client_secret")) for body in bodies]
        assert in_form == [(None, None), *[(["the client"], ["pass:word/+é"])] * 2]
        assert [one.header("authorization") is None for one in server.requests if one.target == "/token"][1:] == [
            True
        ] * 2


@pytest.mark.parametrize(
    ("expires_in", "at_s", "fetches"),
    [
        (3600, 3539, 1),
        (3600, 3540, 2),
        ("3600", 3539, 1),
        (61, 0.9, 1),
        (60, 29, 1),
        (60, 30, 2),
        (0, 0, 2),
        (-5, 0, 2),
        (None, 10**9, 1),
        ("soon", 10**9, 1),
        (10**400, 10**8, 1),
        (True, 10**9, 1),
    ],
)
def test_a_token_is_kept_until_a_minute_before_it_expires(expires_in, at_s, fetches):
    now = [1000.0]
    fields = {} if expires_in is None else {"expires_in": expires_in}
    with Loopback(Service(["t0ken-one"], **fields)) as server:

        async def twice():
            network = Network()
            source = TokenSource(client(server), network, clock=lambda: now[0])
            await source.get()
            now[0] += at_s
            await source.get()
            await network.aclose()

        asyncio.run(twice())
        assert len(server.requests) == fetches


def test_calls_that_need_a_token_at_once_fetch_one_and_a_client_of_several_tools_too():
    with Loopback(Service(["t0ken-one", "t0ken-two"], expires_in=30)) as server:

        async def eight():
            network = Network()
            tokens = TokenSources(network)
            spec = AuthSpec(oauth2=client(server))
            made = [tool(f"{server.url}/api", auth=spec, network=network, tokens=tokens) for _ in range(4)]
            results = await asyncio.gather(*(one.call({}, CONTEXT) for one in made * 2))
            await network.aclose()
            return [result.value for result in results]

        assert asyncio.run(eight()) == ["in"] * 8
        assert targets(server).count("/token") == 1


def test_a_failure_is_shared_by_the_calls_that_waited_and_tried_again_by_the_next():
    with Loopback([refused(400, error="invalid_scope"), granted(), reply(200, "in")]) as server:

        async def calls():
            network = Network()
            made = tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server)), network=network)
            first = await asyncio.gather(*(made.call({}, CONTEXT) for _ in range(5)), return_exceptions=True)
            later = await made.call({}, CONTEXT)
            await network.aclose()
            return first, later

        first, later = asyncio.run(calls())
        assert {(one.type, one.message) for one in first} == {
            ("http_status", f"no access token from {server.url}/token: it answered 400 (invalid_scope)")
        }
        assert later.value == "in"
        assert len(server.requests) == 3


def test_a_call_that_is_cancelled_while_it_fetches_leaves_the_fetch_to_the_next():
    begun = []

    def answer(arrived):
        begun.append(arrived.target)
        return granted() if arrived.target == "/token" else reply(200, "in")

    with Loopback(answer) as server:

        async def calls():
            network = Network()
            made = tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server)), network=network)
            first = asyncio.create_task(made.call({}, CONTEXT))
            second = asyncio.create_task(made.call({}, CONTEXT))
            await asyncio.sleep(0)
            first.cancel()
            result = await second
            await network.aclose()
            return first.cancelled(), result.value

        assert asyncio.run(calls()) == (True, "in")


def test_a_refused_token_is_fetched_again_once():
    with Loopback(Service(["t0ken-old", "t0ken-new"], good={"t0ken-new"})) as server:
        made = tool(f"{server.url}/api", method="POST", idempotent=False, auth=AuthSpec(oauth2=client(server)))
        assert call(made).value == "in"
        assert targets(server) == ["/token", "/api", "/token", "/api"]


def test_a_second_refusal_is_the_result_and_its_body_stays_here():
    with Loopback(Service(["t0ken-one"], good=set())) as server:
        failed = failure(tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server))))
        assert (failed.type, failed.details) == ("http_status", {"status": 401})
        assert targets(server) == ["/token", "/api"] * 2


def test_an_expected_refusal_is_a_result():
    with Loopback(Service(["t0ken-one"], good=set())) as server:
        made = tool(f"{server.url}/api", expect=[200, 401], auth=AuthSpec(oauth2=client(server)))
        assert call(made).names["status"] == 401
        assert targets(server) == ["/token", "/api"]


def test_calls_that_are_refused_together_fetch_one_new_token():
    with Loopback(Service(["t0ken-old", "t0ken-new"], good={"t0ken-new"})) as server:

        async def calls():
            network = Network()
            made = tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server)), network=network)
            results = await asyncio.gather(*(made.call({}, CONTEXT) for _ in range(6)))
            await network.aclose()
            return [result.value for result in results]

        assert asyncio.run(calls()) == ["in"] * 6
        assert targets(server).count("/token") == 2


def elsewhere():
    """A network where every name leads to this machine, by an address that looks public."""

    async def resolve(host, port):
        return ["93.184.215.14"]

    async def dial(address, port, timeout_s):
        import httpcore2

        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", port)

    return Network(resolve=resolve, dial=dial)


def test_a_token_does_not_follow_a_redirect_to_another_host():
    with Loopback() as other:
        location = reply(302, headers=[("Location", f"http://elsewhere.example:{other.port}/")])
        with Loopback(lambda one: granted() if one.target == "/token" else location) as server:
            hosts = [f"elsewhere.example:{other.port}"]
            call(tool(f"{server.url}/api", hosts=hosts, network=elsewhere(), auth=AuthSpec(oauth2=client(server))))
        assert other.last.header("authorization") is None


def test_a_token_does_not_go_to_a_host_of_a_next_page():
    with Loopback(reply(200, "{}", content_type="application/json")) as other:
        body = json.dumps({"next": f"http://pages.example:{other.port}/2"})
        first = reply(200, body, content_type="application/json")
        with Loopback(lambda one: granted() if one.target == "/token" else first) as server:
            auth = AuthSpec(oauth2=client(server))
            hosts = [f"pages.example:{other.port}"]
            paginate = PaginateSpec("{{ body.next }}")
            call(tool(f"{server.url}/1", hosts=hosts, network=elsewhere(), auth=auth, paginate=paginate))
            assert server.last.header("authorization") == "Bearer t0ken-one"
        assert other.last.target == "/2"
        assert other.last.header("authorization") is None


def test_a_token_can_not_be_asked_for_an_address_that_the_model_chooses():
    with pytest.raises(UsageError, match="can't be used with `url: "):
        tool("{url}", hosts=["a.example"], auth=AuthSpec(oauth2=OAuth2Auth("https://a.example/token", "i", "s")))


def test_a_wait_of_the_token_service_that_the_call_has_no_time_for_is_not_begun():
    waits = Waits()
    with Loopback(reply(503, headers=[("Retry-After", "20")])) as server:

        async def get():
            network = Network()
            source = TokenSource(client(server), network, sleep=waits)
            with pytest.raises(ToolFailure, match="it answered 503"):
                await source.get(Deadline(10))
            await network.aclose()

        asyncio.run(get())
    assert waits == []


def test_a_call_that_has_more_time_does_not_share_the_failure_of_one_that_had_less():
    waits = Waits()
    with Loopback([reply(503, headers=[("Retry-After", "20")]), granted()]) as server:

        async def two():
            network = Network()
            source = TokenSource(client(server), network, sleep=waits)
            tokens = await asyncio.gather(source.get(Deadline(10)), source.get(Deadline(60)), return_exceptions=True)
            await network.aclose()
            return tokens

        short, long = asyncio.run(two())
    assert "answered 503" in short.message
    assert long.value == "t0ken-one"
    assert waits == []


def test_a_passing_failure_of_the_token_service_is_asked_again():
    waits = Waits()
    with Loopback([reply(503), None, granted()]) as server:

        async def get():
            network = Network()
            token = await TokenSource(client(server), network, sleep=waits).get()
            await network.aclose()
            return token.value

        assert asyncio.run(get()) == "t0ken-one"
        assert len(waits) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused(401, error="invalid_client", error_description="pass:word/+é"), "answered 401 (invalid_client)"),
        (refused(400, error="<b>pass:word</b>"), "answered 400"),
        (reply(500, "oops pass:word"), "answered 500"),
        (reply(302, headers=[("Location", "http://elsewhere.example/")]), "answered 302"),
        (reply(200, "<html>"), "its answer holds none"),
        (reply(200, "[]"), "its answer holds none"),
        (reply(200, '{"access_token": 7}'), "its answer holds none"),
        (granted("t" * 20_000), "it has more than 16,384 characters"),
        (granted("t0ken-é"), "it has a character outside ASCII"),
        (granted("t0ken\r\nX-Evil: 1"), "it has a line break or another control character"),
        (reply(200, '{"access_token": "t0ken-one", "token_type": "mac"}'), "it is no bearer token"),
    ],
)
def test_what_gives_no_token_is_told_without_what_the_service_wrote(answer, words):
    with Loopback(answer) as server:
        failed = failure(tool(f"{server.url}/api", auth=AuthSpec(oauth2=client(server))))
        assert (
            failed.message
            == f"no access token from {server.url}/token: {words if words[:2] == 'it' else 'it ' + words}"
        )
        assert "pass" not in json.dumps(failed.as_result())


def test_a_token_service_that_is_down_is_named():
    auth = OAuth2Auth(f"http://127.0.0.1:{unused_port()}/token?tenant=s3cret", "id", "secret")

    async def get():
        network = Network()
        try:
            await TokenSource(auth, network, sleep=Waits()).get()
        finally:
            await network.aclose()

    with pytest.raises(ToolFailure) as failed:
        asyncio.run(get())
    assert failed.value.type == "connection"
    assert failed.value.message.startswith("no access token: could not connect to http://127.0.0.1:")
    assert "s3cret" not in failed.value.message


def test_the_source_works_in_one_event_loop_after_another():
    with Loopback(Service(["t0ken-one", "t0ken-two"], expires_in=0)) as server:
        network = Network()
        source = TokenSource(client(server), network)

        async def get():
            tokens = await asyncio.gather(source.get(), source.get())
            await network.aclose()
            return {token.value for token in tokens}

        assert [asyncio.run(get()), asyncio.run(get())] == [{"t0ken-one"}, {"t0ken-two"}]


def test_a_fetched_token_is_a_secret():
    masker = Masker(["s3cret-one"])
    stream = masker.stream()
    with Loopback(Service(["t0ken-one"])) as server:

        async def get():
            network = Network()
            await TokenSources(network, masker).of(client(server)).get()
            await network.aclose()

        asyncio.run(get())
    encoded = base64.b64encode(b"Bearer t0ken-one").decode()
    assert masker.text("s3cret-one t0ken-one") == "[secret] [secret]"
    assert "t0ken" not in base64.b64decode(masker.text(encoded).replace("[secret]", "") + "====").decode("latin-1")
    assert stream.feed("a t0ken") + stream.feed("-one b") + stream.flush() == "a [secret] b"


def test_without_a_client_nothing_is_sent():
    with Loopback() as server:
        call(tool(server.url, auth=AuthSpec(oauth2=OAuth2Auth(f"{server.url}/token", "", ""))))
        assert targets(server) == ["/"]
        assert server.last.header("authorization") is None


def test_only_the_last_tokens_of_a_client_are_masked():
    masker = Masker()
    names = [f"t0ken-{number}-x" for number in range(6)]
    with Loopback(Service(names, expires_in=0)) as server:

        async def get():
            network = Network()
            source = TokenSource(client(server), network, secrets=masker)
            for _ in names:
                await source.get()
            await network.aclose()

        asyncio.run(get())
    assert masker.text(" ".join(names)) == " ".join([*names[:3], *["[secret]"] * 3])


def test_a_way_that_fails_once_is_not_kept():
    """The service takes basic authentication only, and is out of sorts for a moment."""
    answers = [refused(401, error="invalid_client"), reply(500), granted(), granted()]
    with Loopback(answers) as server:

        async def get():
            network = Network()
            source = TokenSource(client(server), network, sleep=Waits())
            with pytest.raises(ToolFailure):
                await source.get()
            await source.get()
            await network.aclose()

        asyncio.run(get())
        ways = [one.header("authorization") is not None for one in server.requests]
    assert ways == [True, False, True]


def test_a_token_url_that_is_none_is_refused_before_any_call():
    with pytest.raises(UsageError, match="token_url"):
        tool("https://a.example/", auth=AuthSpec(oauth2=OAuth2Auth("u", "i", "s")))


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "client_secret"])
def test_what_the_grant_is_made_of_can_not_be_set_beside_it(name):
    auth = AuthSpec(oauth2=OAuth2Auth("https://a.example/token", "i", "s", params={name: "x"}))
    with pytest.raises(UsageError, match=f"can't set `{name}`"):
        tool("https://a.example/", auth=auth)
