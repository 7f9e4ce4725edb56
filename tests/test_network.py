"""The transport of tool traffic: whom it connects to, what it reads, and how it words a failure."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import zlib

import httpcore2
import pytest

from agentrun.tools.network import Network, NetworkFailure
from agentrun.tools.url import parse_whole_url
from loopback_http import Loopback, reply, unused_port

PUBLIC = "93.184.216.34"


async def get(network, url, *, checked=False, method="GET", headers=(), content=None, max_bytes=1_000_000):
    return await network.exchange(
        method, parse_whole_url(url), headers, content, checked=checked, max_bytes=lambda _: max_bytes
    )


def get_once(url, *, network=None, **options):
    async def once():
        ours = network or Network()
        try:
            return await get(ours, url, **options)
        finally:
            await ours.aclose()

    return asyncio.run(once())


class World:
    """A resolver with a fixed answer for each name, and a way to real loopback ports from public-looking addresses."""

    def __init__(self, names, ports=None):
        self.names = names
        self.ports = ports or {}
        self.resolved = []
        self.dialled = []

    async def resolve(self, host, port):
        self.resolved.append(host)
        return self.names[host]

    async def dial(self, address, port, timeout_s):
        self.dialled.append(address)
        if address not in self.ports:
            raise ConnectionRefusedError(111, "refused")
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.ports[address], timeout=timeout_s)

    def network(self, **more):
        return Network(resolve=self.resolve, dial=self.dial, **more)


# -- whom it connects to --------------------------------------------------------------------------------------------


def test_the_authors_loopback_host_is_connected_to():
    with Loopback() as server:
        for host in ("127.0.0.1", "localhost"):
            assert get_once(f"http://{host}:{server.port}/x").status == 200
        assert server.last.header("host") == f"localhost:{server.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"])
def test_a_checked_host_that_is_a_private_address_gets_no_connection(host):
    world = World({})
    with pytest.raises(NetworkFailure, match="not a public one") as refused:
        get_once(f"http://{host}/", network=world.network(), checked=True)
    assert (refused.value.type, refused.value.retryable) == ("connection", False)
    assert world.dialled == []


@pytest.mark.parametrize("answers", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], [PUBLIC, "::1"], ["fe80::1%eth0"], ["what?"]])
def test_one_private_answer_of_the_resolver_condemns_the_host(answers):
    world = World({"two.example": answers}, {PUBLIC: 1})
    with pytest.raises(NetworkFailure, match=r"two\.example"):
        get_once("http://two.example/", network=world.network(), checked=True)
    assert world.dialled == []


def test_a_checked_connection_goes_to_the_address_that_was_looked_at():
    with Loopback() as server:
        world = World({"site.example": [PUBLIC]}, {PUBLIC: server.port})
        assert get_once("http://site.example/x?y=1", network=world.network(), checked=True).status == 200
        assert world.resolved == ["site.example"]
        assert world.dialled == [PUBLIC]
        assert server.last.header("host") == "site.example"
        assert server.last.target == "/x?y=1"


def test_the_next_address_is_tried_when_one_does_not_answer():
    with Loopback() as server:
        world = World({"site.example": ["1.1.1.1", "2606:4700::1111", PUBLIC]}, {PUBLIC: server.port})
        assert get_once("http://site.example/", network=world.network(), checked=True).status == 200
        assert world.dialled == ["1.1.1.1", "2606:4700::1111", PUBLIC]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"])
def test_a_metadata_service_is_never_connected_to(address, checked):
    world = World({"innocent.example": [address]})
    with pytest.raises(NetworkFailure, match="metadata"):
        get_once("http://innocent.example/", network=world.network(), checked=checked)
    assert world.dialled == []


def test_a_checked_request_never_borrows_an_unchecked_connection():
    with Loopback() as server:
        world = World({"intranet.example": ["10.0.0.7"]}, {"10.0.0.7": server.port})

        async def both():
            network = world.network()
            await get(network, "http://intranet.example/")
            with pytest.raises(NetworkFailure, match="not a public one"):
                await get(network, "http://intranet.example/", checked=True)
            await network.aclose()

        asyncio.run(both())
        assert len(server.requests) == 1


def test_a_connection_is_used_again_and_each_loop_has_its_own():
    with Loopback() as server:
        network = Network()

        async def twice():
            for _ in range(3):
                await get(network, server.url)
            await network.aclose()

        asyncio.run(twice())
        assert server.connections == 1
        asyncio.run(twice())
        assert server.connections == 2
        assert len(server.requests) == 6


def test_no_cookie_is_kept_and_no_proxy_or_netrc_is_read(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    with Loopback(reply(headers=[("Set-Cookie", "a=b")])) as server:

        async def twice():
            network = Network()
            await get(network, server.url)
            await get(network, server.url)
            await network.aclose()

        asyncio.run(twice())
        assert server.last.header("cookie") is None
        assert server.last.header("authorization") is None


def test_tls_is_made_with_the_name_and_not_the_address(tmp_path):
    server_tls, trusted = certificate(tmp_path, "secure.example")
    names = []
    server_tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with Loopback(tls=server_tls) as server:
        world = World({"secure.example": [PUBLIC], "other.example": [PUBLIC]}, {PUBLIC: server.port})

        def tls():
            return ssl.create_default_context(cafile=trusted)

        assert get_once("https://secure.example/", network=world.network(tls=tls), checked=True).status == 200
        assert names == ["secure.example"]
        with pytest.raises(NetworkFailure, match=r"certificate of https://other\.example .*[Hh]ostname") as refused:
            get_once("https://other.example/", network=world.network(tls=tls), checked=True)
        assert not refused.value.retryable
        with pytest.raises(NetworkFailure, match="self-signed"):
            get_once("https://secure.example/", network=world.network(), checked=True)
        assert world.dialled == [PUBLIC] * 3


def certificate(folder, name):
    """(the server's TLS context, the file that a client must trust)."""
    made = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    try:
        subprocess.run([*command, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    return context, str(made[0])


# -- failures in words ------------------------------------------------------------------------------------------------


def failure_of(url, **options):
    with pytest.raises(NetworkFailure) as failed:
        get_once(url, **options)
    return failed.value


def test_an_endpoint_that_is_down_is_named_with_the_reason():
    url = f"http://127.0.0.1:{unused_port()}"
    failure = failure_of(f"{url}/path?key=s3cret")
    assert failure.message == f"could not connect to {url} (connection refused)"
    assert (failure.type, failure.retryable) == ("connection", True)


def test_a_host_that_does_not_exist_is_said_to_be_missing():
    async def resolve(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    failure = failure_of("http://nowhere.example/x", network=Network(resolve=resolve))
    assert failure.message == "could not find the host nowhere.example"


def test_a_name_without_addresses_is_a_missing_host():
    assert (
        "could not find" in failure_of("http://empty.example/", network=World({"empty.example": []}).network()).message
    )


def test_a_connect_that_takes_too_long_is_a_timeout():
    async def dial(address, port, timeout_s):
        raise httpcore2.ConnectTimeout

    failure = failure_of("http://127.0.0.1:1/x", network=Network(dial=dial))
    assert (failure.type, failure.message) == ("timeout", "could not connect to http://127.0.0.1:1 within 10 s")


def test_a_name_that_is_never_resolved_is_a_timeout(monkeypatch):
    async def resolve(host, port):
        await asyncio.Event().wait()

    monkeypatch.setattr("agentrun.tools.network.CONNECT_TIMEOUT_S", 0.05)
    assert failure_of("http://slow.example/", network=Network(resolve=resolve)).type == "timeout"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (None, "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "closed the connection in the middle of its answer"),
        (b"220 smtp.example ESMTP\r\n\r\n", "sent what is no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "sent what is no HTTP answer"),
    ],
)
def test_an_answer_that_is_no_whole_http_answer_is_a_failure(sent, words):
    with Loopback(lambda _: sent, idle_s=0.2) as server:
        failure = failure_of(f"{server.url}/x?k=s3cret")
    assert failure.message == f"{server.url} {words}"
    assert failure.retryable


def test_plain_http_on_a_tls_url_is_worded_as_a_tls_failure():
    with Loopback(idle_s=0.2) as server:
        failure = failure_of(f"https://127.0.0.1:{server.port}/")
    assert f"https://127.0.0.1:{server.port}" in failure.message
    assert failure.type == "connection"


# -- bodies -----------------------------------------------------------------------------------------------------------


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + b"\0\0"),
        ("identity", bytes),
    ],
)
def test_a_compressed_body_arrives_as_it_was(encoding, pack):
    data = bytes(range(256)) * 50
    with Loopback(reply(200, pack(data), headers=[("Content-Encoding", encoding)])) as server:
        answer = get_once(server.url)
    assert (answer.content, answer.complete, answer.encoding) == (data, True, None)


def test_an_encoding_that_nobody_asked_for_is_named_and_left_alone():
    with Loopback(reply(200, b"\x0b\x02\x80", headers=[("Content-Encoding", "br")])) as server:
        assert get_once(server.url).encoding == "br"


def test_a_gzip_bomb_is_cut_at_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    with Loopback(reply(200, bomb, headers=[("Content-Encoding", "gzip")])) as server:
        answer = get_once(server.url, max_bytes=100_000)
    assert (len(answer.content), answer.complete) == (100_000, False)


def test_a_body_of_just_the_limit_is_whole():
    with Loopback(reply(200, b"x" * 1000)) as server:
        assert get_once(server.url, max_bytes=1000).complete
        assert not get_once(server.url, max_bytes=999).complete


def test_damaged_and_cut_compressed_bodies_are_failures():
    packed = gzip.compress(b"hello " * 1000)
    for body in (packed[:-12], packed[:20] + b"\xff" * 20 + packed[40:], b"plain text"):
        with Loopback(reply(200, body, headers=[("Content-Encoding", "gzip")])) as server:
            assert "compressed body" in failure_of(server.url).message


def test_an_empty_body_is_no_cut_one():
    with Loopback(reply(200, b"", headers=[("Content-Encoding", "gzip")])) as server:
        assert get_once(server.url, method="HEAD").content == b""
