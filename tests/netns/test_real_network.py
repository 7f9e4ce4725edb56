"""Whole http tools on a real kernel and resolver: what answers at 169.254.169.254 here is never asked."""

import http.client
import socket
import subprocess
import sys
from urllib.parse import quote

import pytest

from agentrun.spec.types import AuthSpec
from http_calls import Waits, call, failure, tool
from projects import write_project
from world import CREDENTIAL, METADATA, NAMES, OTHER, PRIVATE, SITE, SITE_6

AWAY = ["169.254.169.254", "10.0.0.5", "localhost", "127.0.0.1", "[::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
AWAY += ["2852039166", "0xa9.254.43518", "[::ffff:10.0.0.5]", "0.0.0.0", "[::]", "[fd12:3456::7]", "192.168.7.7"]
# Names whose addresses, or some of them, are not public.
INSIDE = [
    name for name in NAMES if name not in ("plain.example", "six.example", "other.example") and "rebind" not in name
]
MEAN = ["metadata.example", "mixed.example", "mixed-six.example", "alias.example", "mapped.example"]


@pytest.fixture(autouse=True)
def fresh(world):
    world.forget()


def in_url(address):
    return f"[{address}]" if ":" in address else address


def to(location):
    return f"/to?url={quote(location, safe='')}"


def chosen(url, hosts):
    """A tool whose URL the model chooses, and the arguments of the call."""
    return tool("{url}", hosts=hosts, sleep=Waits()), {"url": url}


# -- that the tests can fail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [*METADATA, *PRIVATE, "127.0.0.1", "localhost", *INSIDE])
def test_whoever_does_not_look_is_given_the_credential(host, world):
    connection = http.client.HTTPConnection(host, 80, timeout=5)
    connection.request("GET", "/")
    said = connection.getresponse().read().decode()
    connection.close()
    assert world.reached
    assert said == CREDENTIAL or host.startswith("mixed")


def test_the_kernel_takes_other_spellings_too(world):
    for family, spelling in ((socket.AF_INET6, "::ffff:169.254.169.254"), (socket.AF_INET, "0xa9fea9fe")):
        with socket.socket(family) as raw:
            raw.settimeout(5)
            raw.connect((spelling, 80))
            assert "169.254.169.254" in raw.getpeername()[0]


@pytest.mark.parametrize(
    ("host", "address"), [("plain.example", SITE), ("six.example", SITE_6), (SITE, SITE), (SITE_6, SITE_6)]
)
def test_a_public_site_is_reached_by_author_model_and_redirect(host, address, world):
    url = f"http://{in_url(host)}/"
    assert call(tool(url)).value == "a public page"
    made, arguments = chosen(url, [in_url(host)])
    assert call(made, arguments).value == "a public page"
    assert call(tool(f"http://other.example{to(url)}", hosts=[in_url(host)])).value == "a public page"
    assert world.reached == {address, OTHER}
    assert len(world.sites[address].requests) == 3


@pytest.mark.parametrize("host", ["10.0.0.5", "[fd12:3456::7]", "127.0.0.1", "localhost", "intranet.example"])
def test_a_private_host_that_the_author_wrote_is_reached(host):
    assert call(tool(f"http://{host}/")).value == CREDENTIAL


# -- metadata, whoever wrote it -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [*map(in_url, METADATA), "2852039166", "0xa9.254.43518", "[::ffff:a9fe:a9fe]", *MEAN])
def test_a_metadata_service_that_the_author_wrote_is_never_asked(host, world):
    failed = failure(tool(f"http://{host}/latest/meta-data/"))
    assert (failed.type, "cloud metadata" in failed.message) == ("connection", True)
    assert world.reached == set()


# -- the model, a server and a resolver say where ---------------------------------------------------------------------


@pytest.mark.parametrize("host", [*AWAY, *INSIDE])
def test_a_chosen_host_that_is_listed_but_not_public_is_never_asked(host, world):
    made, arguments = chosen(f"http://{host}/", [host])
    assert failure(made, arguments).type == "connection"
    assert world.reached == set()


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("host", [*AWAY, *INSIDE])
def test_a_redirect_from_a_public_site_to_such_a_host_reaches_nothing(host, listed, world):
    failed = failure(tool(f"http://plain.example{to(f'http://{host}/')}", hosts=[host] if listed else []))
    assert failed.type == ("connection" if listed else "http_status")
    assert CREDENTIAL not in str((failed.message, failed.details))
    assert world.reached == {SITE}


def test_credentials_do_not_follow_to_another_host(world):
    made = tool(
        f"http://plain.example{to('http://other.example/x')}",
        hosts=["other.example"],
        auth=AuthSpec(bearer="s3cret"),
        headers={"X-Api-Key": "s3cret"},
    )
    assert call(made).value == "a public page"
    assert "s3cret" in str(world.sites[SITE].requests)
    assert len(world.sites[OTHER].requests) == 1
    assert "s3cret" not in str(world.sites[OTHER].requests)


# -- rebinding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rebind-0.example", "rebind-private-0.example"])
def test_a_name_that_moves_inside_between_calls_is_refused_then(name, world):
    made, arguments = chosen(f"http://{name}/", [name])
    assert call(made, arguments).value == "a public page"
    assert failure(made, arguments).type == "connection"
    assert (world.names.asked[name], world.reached) == (2, {SITE})


@pytest.mark.parametrize("name", ["rebind-1.example", "rebind-private-1.example"])
def test_a_name_that_moves_inside_between_redirects_is_refused_then(name, world):
    made, arguments = chosen(f"http://{name}{to('/latest/meta-data/')}", [name])
    assert failure(made, arguments).type == "connection"
    assert (world.names.asked[name], world.reached) == (2, {SITE})


@pytest.mark.parametrize("name", ["rebind-2.example", "rebind-private-2.example"])
def test_a_name_that_moves_inside_between_retries_is_refused_then(name, world):
    made, arguments = chosen(f"http://{name}/busy", [name])
    assert failure(made, arguments).type == "connection"
    assert (world.names.asked[name], world.reached) == (2, {SITE})
    assert len(world.sites[SITE].requests) == 1


def test_the_authors_own_name_can_not_move_to_a_metadata_service(world):
    made = tool(f"http://rebind-3.example{to('/latest/meta-data/')}")
    assert "cloud metadata" in failure(made).message
    assert (world.names.asked["rebind-3.example"], world.reached) == (2, {SITE})


def test_one_connection_takes_one_look_at_the_name(world):
    made, arguments = chosen("http://rebind-4.example/", ["rebind-4.example"])
    call(made, arguments)
    assert (world.names.asked["rebind-4.example"], world.reached) == (1, {SITE})


# -- the command line -------------------------------------------------------------------------------------------------

TOOLS = {
    "tools.d/fetch.yaml": """
        name: fetch
        description: Fetches a page.
        read_only: true
        parameters:
          type: object
          properties: {url: {type: string}}
          required: [url]
        http:
          url: "{url}"
          hosts: ["*.example", 169.254.169.254, localhost]
        ---
        name: own_metadata
        description: Asks a metadata service.
        read_only: true
        http: {url: "http://169.254.169.254/latest/meta-data/"}
    """
}


def tools_call(folder, *arguments):
    command = [sys.executable, "-m", "agentrun", "tools", "call", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)


def test_the_command_line_reaches_public_sites_and_nothing_else(world, tmp_path):
    write_project(tmp_path, TOOLS)
    done = tools_call(tmp_path, "fetch", "--arg", "url=http://plain.example/")
    assert (done.returncode, done.stdout) == (0, "a public page\n")
    world.forget()
    for url in ("http://metadata.example/", "http://mixed.example/", "http://169.254.169.254/", "http://localhost/"):
        done = tools_call(tmp_path, "fetch", "--arg", f"url={url}")
        assert (done.returncode != 0, "no connection is made to" in done.stdout + done.stderr) == (True, True)
        assert CREDENTIAL not in done.stdout + done.stderr
    done = tools_call(tmp_path, "own_metadata")
    assert "cloud metadata" in done.stdout + done.stderr
    assert world.reached == set()
    done = tools_call(tmp_path, "fetch", "--arg", f"url=http://plain.example{to('http://169.254.169.254/')}")
    assert (done.returncode != 0, CREDENTIAL in done.stdout + done.stderr) == (True, False)
    assert world.reached == {SITE}
