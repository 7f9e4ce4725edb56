"""Where a tool can't be made to go: whole http tools against hostile URLs, redirects and resolvers.

Every name leads to 127.0.0.1 unless a test says otherwise, and every address that is dialled is answered. So whatever
slips past the guard succeeds, and is seen.
"""

import asyncio
import ipaddress
import json
import re
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode

import httpcore2
import pytest

from agentrun.errors import UsageError
from agentrun.spec.types import PaginateSpec
from agentrun.tools.addresses import is_public, parse_address
from agentrun.tools.network import Network
from agentrun.tools.url import BadUrl, parse_host_pattern
from hostile_urls import ADDRESSES, CHOSEN, EVERYWHERE, HOSTS, LEAVES, NOT_HTTP, STAYS, in_url
from http_calls import CONTEXT, call, failure, tool
from loopback_http import Loopback, reply
from spelled_addresses import METADATA, PUBLIC

SITE = "93.184.216.34"
NEXT = PaginateSpec(next="{{ body.next }}")
LISTED = ["docs.example", "*.docs.example"]
ROWS = [pytest.param(host, id=f"{kind}: {host!a}") for kind, hosts in HOSTS.items() for host in hosts]


class Outside:
    """A resolver and a dialer that remember. `answers`: a name's addresses, one list a question, the last again."""

    def __init__(self, port, answers):
        self._port = port
        self._answers = {name: list(lists) for name, lists in answers.items()}
        self.resolved = []
        self.dialled = []

    async def resolve(self, host, port):
        self.resolved.append(host)
        lists = self._answers.get(host, [["127.0.0.1"]])
        return lists.pop(0) if len(lists) > 1 else lists[0]

    async def dial(self, address, port, timeout_s):
        self.dialled.append(address)
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self._port, timeout=timeout_s)

    @property
    def network(self):
        return Network(resolve=self.resolve, dial=self.dial, tls=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def go(location):
    """The path that redirects to `location`."""
    return f"/go/{urlsafe_b64encode(location.encode()).decode()}"


def page(following):
    """The path of a page that names the next one in its body, where no rule of headers holds back a character."""
    return f"/page/{urlsafe_b64encode(following.encode()).decode()}"


def asked(arrived):
    """`/503` answers that status. Every answer closes the connection, so that the next one is a new one."""
    closing = [("Connection", "close")]
    if found := re.fullmatch(r"/go/([\w=-]+)", arrived.target):
        location = urlsafe_b64decode(found[1]).decode("latin-1")
        return reply(302, headers=[("Location", location), *closing])
    if found := re.fullmatch(r"/page/([\w=-]+)", arrived.target):
        body = json.dumps({"next": urlsafe_b64decode(found[1]).decode()})
        return reply(200, body, content_type="application/json", headers=closing)
    return reply(503 if arrived.target == "/503" else 200, "reached", headers=closing)


@pytest.fixture(scope="module")
def site():
    with Loopback(asked) as running:
        yield running


@pytest.fixture
def outside(site):
    return lambda **answers: Outside(site.port, {name.replace("_", "."): given for name, given in answers.items()})


def can_be_listed(host):
    try:
        return bool(parse_host_pattern(host))
    except BadUrl:
        return False


def assert_plain(failed):
    assert failed.message.isprintable()
    assert len(failed.message) < 500
    assert "pw" not in failed.message
    assert not re.search(r"Traceback|Error\b|<.* object", failed.message)


def redirected(location, hosts, world):
    return tool(f"http://start.example{go(location)}", hosts=hosts, network=world.network)


def test_there_are_two_hundred_spellings_and_twenty_public_addresses():
    assert len({host for hosts in HOSTS.values() for host in hosts}) >= 200
    assert len({parse_address(address) for address in PUBLIC}) >= 20


@pytest.mark.parametrize("host", HOSTS["IPv4 mixture"] + HOSTS["IPv6 form"])
def test_what_is_meant_as_an_address_is_read_as_one(host):
    address = parse_address(host.strip("[]").removesuffix("."))
    assert address is not None
    assert not is_public(address)


# -- the model chooses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ROWS)
def test_a_chosen_host_that_is_listed_is_still_not_reached(host, outside):
    world = outside()
    listed = can_be_listed(host)
    made = tool("{url}", hosts=[*LISTED, host] if listed else LISTED, network=world.network)
    failed = failure(made, {"url": f"http://{host}/latest/meta-data/"})
    assert world.dialled == []
    assert failed.type == ("connection" if listed else "invalid_arguments")
    assert_plain(failed)


@pytest.mark.parametrize("host", ROWS)
def test_a_chosen_host_that_is_not_listed_is_not_even_looked_up(host, outside):
    world = outside()
    failed = failure(
        tool("{url}", hosts=["other.test", "*.other.test"], network=world.network), {"url": f"http://{host}/"}
    )
    assert (world.dialled, world.resolved) == ([], [])
    assert failed.type == "invalid_arguments"
    assert_plain(failed)


@pytest.mark.parametrize("hosts", [LISTED, [*LISTED, *EVERYWHERE]], ids=["unlisted", "listed"])
@pytest.mark.parametrize("url", CHOSEN, ids=ascii)
def test_a_chosen_url_with_a_trick_reaches_nothing(url, hosts, outside):
    world = outside()
    failed = failure(tool("{url}", hosts=hosts, network=world.network), {"url": url})
    assert world.dialled == []
    assert failed.type in ("invalid_arguments", "connection")
    assert_plain(failed)


# -- a server says where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ROWS)
@pytest.mark.parametrize("listing", ["unlisted", "listed"])
def test_a_redirect_to_such_a_host_is_not_followed(host, listing, outside):
    world = outside(start_example=[[SITE]])
    hosts = [host] if listing == "listed" and can_be_listed(host) else []
    failed = failure(redirected(f"http://{host}/latest/meta-data/", hosts, world))
    assert set(world.dialled) == {SITE}
    assert failed.type in ("connection", "http_status")
    assert_plain(failed)


@pytest.mark.parametrize("location", [*NOT_HTTP, *LEAVES], ids=ascii)
@pytest.mark.parametrize("hosts", [[], EVERYWHERE], ids=["unlisted", "listed"])
def test_a_location_that_leads_elsewhere_is_not_followed(location, hosts, outside):
    world = outside(start_example=[[SITE]])
    failed = failure(redirected(location, hosts, world))
    assert set(world.dialled) == {SITE}
    assert failed.type in ("connection", "http_status")
    assert_plain(failed)


@pytest.mark.parametrize("location", STAYS, ids=ascii)
def test_a_location_without_a_host_of_its_own_stays_at_home(location, outside):
    world = outside(start_example=[[SITE]])
    call(redirected(location, EVERYWHERE, world))
    assert set(world.dialled) == {SITE}


@pytest.mark.parametrize("location", [*(f"http://{row.values[0]}/2" for row in ROWS), *NOT_HTTP, *LEAVES], ids=ascii)
def test_a_next_page_that_is_elsewhere_is_not_asked_for(location, outside):
    world = outside(start_example=[[SITE]])
    hosts = [row.values[0] for row in ROWS if can_be_listed(row.values[0])]
    failed = failure(tool(f"http://start.example{page(location)}", paginate=NEXT, hosts=hosts, network=world.network))
    assert set(world.dialled) == {SITE}
    assert failed.type in ("connection", "http_status")
    assert_plain(failed)


def test_a_chain_is_judged_at_every_hop(outside):
    world = outside(start_example=[[SITE]], a_example=[["1.1.1.1"]], b_example=[["8.8.8.8"]])
    chain = f"http://a.example{go('http://b.example' + go('http://169.254.169.254/latest/'))}"
    failed = failure(redirected(chain, ["*.example", *EVERYWHERE], world))
    assert world.dialled == [SITE, "1.1.1.1", "8.8.8.8"]
    assert (failed.type, "metadata" in failed.message) == ("connection", True)


# -- a resolver says where ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_listed_name_with_such_an_address_is_not_reached(address, outside):
    for answer in ([address], [SITE, address], [address, SITE]):
        world = outside(docs_example=[answer])
        failed = failure(tool("{url}", hosts=LISTED, network=world.network), {"url": "http://docs.example/"})
        assert (world.dialled, world.resolved) == ([], ["docs.example"])
        assert failed.type == "connection"
        assert_plain(failed)


@pytest.mark.parametrize("address", METADATA)
def test_not_even_the_author_can_send_a_tool_to_a_metadata_service(address, outside):
    world = outside(own_example=[[address]])
    for host in ("own.example", in_url(address)):
        try:
            failed = failure(tool(f"http://{host}/", network=world.network))
        except UsageError:
            assert "%" in host
        else:
            assert (failed.type, "metadata" in failed.message) == ("connection", True)
    assert world.dialled == []


@pytest.mark.parametrize("spelling", PUBLIC)
def test_a_public_address_is_dialled_as_it_was_checked(spelling, outside):
    direct, named, led = (outside(docs_example=[[spelling]]) for _ in range(3))
    call(tool("{url}", hosts=[in_url(spelling)], network=direct.network), {"url": f"http://{in_url(spelling)}/"})
    call(tool("{url}", hosts=LISTED, network=named.network), {"url": "http://docs.example/"})
    call(tool(f"http://docs.example{go(f'http://{in_url(spelling)}/')}", hosts=[in_url(spelling)], network=led.network))
    assert named.resolved == led.resolved == ["docs.example"]
    (written,), (answered,), (_, redirected) = direct.dialled, named.dialled, led.dialled
    meant = {"134744072": "8.8.8.8", "0x08080808": "8.8.8.8"}.get(spelling, spelling)
    assert {ipaddress.ip_address(dialled) for dialled in (written, redirected)} == {ipaddress.ip_address(meant)}
    assert answered == spelling


# -- rebinding ------------------------------------------------------------------------------------------------------

INSIDE = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe"]
FLIPS = [pytest.param([[SITE], then], id=",".join(then)) for then in [*([one] for one in INSIDE), [SITE, "10.0.0.1"]]]


@pytest.mark.parametrize("answers", FLIPS)
def test_a_name_that_changes_between_calls_is_refused_then(answers, outside):
    world = outside(docs_example=answers)
    made = tool("{url}", hosts=LISTED, network=world.network)
    assert call(made, {"url": "http://docs.example/"}).value == "reached"
    assert failure(made, {"url": "http://docs.example/"}).type == "connection"
    assert (world.dialled, world.resolved) == ([SITE], ["docs.example"] * 2)


@pytest.mark.parametrize("answers", FLIPS)
def test_a_name_that_changes_between_redirects_is_refused_then(answers, outside):
    world = outside(docs_example=answers)
    made = tool("{url}", hosts=LISTED, network=world.network)
    failed = failure(made, {"url": f"http://docs.example{go('/x')}"})
    assert failed.type == "connection"
    assert (world.dialled, world.resolved) == ([SITE], ["docs.example"] * 2)


@pytest.mark.parametrize("answers", FLIPS)
def test_a_name_that_changes_between_retries_is_refused_then_and_not_asked_again(answers, outside):
    world = outside(docs_example=answers)
    made = tool("{url}", hosts=LISTED, max_retries=5, network=world.network)
    assert failure(made, {"url": "http://docs.example/503"}).type == "connection"
    assert (world.dialled, world.resolved) == ([SITE], ["docs.example"] * 2)


def test_a_name_is_looked_up_once_for_each_connection(outside):
    world = outside(docs_example=[[SITE], ["1.1.1.1"], ["8.8.8.8"]])
    made = tool("{url}", hosts=LISTED, network=world.network)
    call(made, {"url": f"http://docs.example{go(go('/x'))}"})
    assert (world.dialled, world.resolved) == ([SITE, "1.1.1.1", "8.8.8.8"], ["docs.example"] * 3)


def test_a_connection_that_stays_open_is_not_looked_up_again():
    with Loopback(reply(200)) as server:
        world = Outside(server.port, {"docs.example": [[SITE], ["127.0.0.1"]]})
        made = tool("{url}", hosts=LISTED, network=world.network)

        async def calls():
            for _ in range(3):
                await made.call({"url": "http://docs.example/"}, CONTEXT)
            await made.network.aclose()

        asyncio.run(calls())
        assert (world.dialled, world.resolved, server.connections) == ([SITE], ["docs.example"], 1)


def test_the_authors_own_name_may_move_inside_but_never_to_a_metadata_service(outside):
    world = outside(own_example=[[SITE], ["10.0.0.1"], ["169.254.169.254"]])
    failed = failure(tool(f"http://own.example{go(go('/x'))}", network=world.network))
    assert (failed.type, "metadata" in failed.message) == ("connection", True)
    assert world.dialled == [SITE, "10.0.0.1"]
