"""The connections to model services: what is read from them, when they are used again, and that none is left."""

import asyncio
import os
import socket
import ssl
import subprocess

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.models import http1, pool
from agentrun.models.pool import Connections
from byte_server import LIMIT_S, answering, chunked, reset, send, serving, whole

BODY = b"question"


def client(**options):
    return httpx2.AsyncClient(
        transport=Connections(**options), timeout=httpx2.Timeout(None, connect=5), trust_env=False
    )


async def ask(http, server, *, method="POST", content=BODY):
    response = await http.request(method, server.url, content=content)
    return response.content


def asked(*responses, times=1, method="POST", then_close=False, **options):
    """(The responses to so many requests, how many connections they took)."""

    async def go():
        async with serving(answering(*responses, then_close=then_close)) as server, client(**options) as http:
            answers = [await http.request(method, server.url, content=BODY) for _ in range(times)]
            return answers, server.connections

    return asyncio.run(go())


def failure_of(*responses, then_close=True, url=None, connect_s=5.0, tls=None, play=None):
    """What a request fails with, and how many requests arrived."""

    async def go():
        async with serving(play or answering(*responses, then_close=then_close), tls=tls) as server:
            timeout = httpx2.Timeout(None, connect=connect_s)
            async with httpx2.AsyncClient(transport=Connections(), timeout=timeout, trust_env=False) as http:
                with pytest.raises(httpx2.HTTPError) as failed:
                    await http.post(url(server) if url else server.url, content=BODY)
            return failed.value, len(server.requests)

    return asyncio.run(go())


# -- what is read ---------------------------------------------------------------------------------------------------

RESPONSES = {
    "a length": (whole(b"hello"), b"hello"),
    "an empty body": (whole(b""), b""),
    "chunks": (chunked(b"hel", b"lo"), b"hello"),
    "chunks with extensions": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;c\r\n\r\n",
        b"hello",
    ),
    "trailers": (chunked(b"hello", trailers=b"X-Late: yes\r\n"), b"hello"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"hello"), b"hello"),
    "hints before it": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + whole(b"hello"), b"hello"),
    "line feeds alone": (b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", b"hello"),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
}
LAST_RESPONSES = {
    "the end of the connection": (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
    "an announced close": (whole(b"hello", headers=[b"Connection: close"]), b"hello"),
}


@pytest.mark.parametrize(("response", "body"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_read_to_its_end_and_its_connection_is_used_again(response, body):
    answers, connections = asked(response, whole(b"next"), times=2)
    assert [answer.content for answer in answers] == [body, b"next"]
    assert connections == 1


@pytest.mark.parametrize(("response", "body"), LAST_RESPONSES.values(), ids=LAST_RESPONSES)
def test_a_response_that_is_the_last_of_its_connection_is_followed_by_a_new_connection(response, body):
    answers, connections = asked(response, times=2, then_close=True)
    assert [answer.content for answer in answers] == [body, body]
    assert connections == 2


def test_a_response_to_head_has_no_body_whatever_length_it_names():
    answers, connections = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", whole(b""), times=2, method="HEAD")
    assert [answer.content for answer in answers] == [b"", b""]
    assert connections == 1


def test_status_and_headers_come_as_they_were_sent():
    (answer,), _ = asked(whole(status="418 I'm a teapot", headers=[b"X-Two: a", b"x-two: b"]))
    assert (answer.status_code, answer.reason_phrase, answer.http_version) == (418, "I'm a teapot", "HTTP/1.1")
    assert answer.headers.get_list("x-two") == ["a", "b"]


def test_a_response_that_comes_before_the_request_is_sent_is_read_and_ends_the_connection():
    async def refusing(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await send(writer, whole(b"too large", status="413 Content Too Large"))
        await server.left.wait()

    async def go():
        async with serving(refusing) as server, client() as http:
            large = b"x" * 32 * 1024 * 1024
            answers = [await http.post(server.url, content=large) for _ in range(2)]
            server.left.set()
            return [answer.content for answer in answers], server.connections

    assert asyncio.run(go()) == ([b"too large"] * 2, 2)


def test_a_request_larger_than_any_buffer_arrives_whole():
    async def go():
        async with serving(answering(whole())) as server, client() as http:
            large = os.urandom(16 * 1024 * 1024)
            await ask(http, server, content=large)
            return server.requests[0].endswith(large)

    assert asyncio.run(go())


def test_what_is_not_taken_is_not_read_ahead_without_a_bound():
    size = 64 * 1024 * 1024

    async def flood(server, reader, writer):
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            try:
                await asyncio.wait_for(writer.drain(), 0.5)
            except TimeoutError:
                server.left.set()  # nobody takes more
                await writer.drain()

    async def go():
        async with serving(flood) as server, client() as http, http.stream("POST", server.url) as response:
            await server.left.wait()
            return sum([len(piece) async for piece in response.aiter_raw()])

    assert asyncio.run(go()) == size


def test_the_first_piece_of_a_body_is_there_before_the_last_was_sent():
    async def go():
        taken = asyncio.Event()

        async def slow(server, reader, writer):
            await server.request(reader)
            response = chunked(b"first", b"last")
            await send(writer, response[: response.index(b"first") + 7])
            await taken.wait()
            await send(writer, response[response.index(b"first") + 7 :])

        async with serving(slow) as server, client() as http, http.stream("POST", server.url) as response:
            pieces = []
            async for piece in response.aiter_raw():
                pieces.append(piece)
                taken.set()
            return pieces

    assert asyncio.run(go()) == [b"first", b"last"]


# -- what breaks ----------------------------------------------------------------------------------------------------

BROKEN = {
    "no response": (b"", httpx2.RemoteProtocolError),
    "half a head": (b"HTTP/1.1 200 OK\r\nconte", httpx2.RemoteProtocolError),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", httpx2.RemoteProtocolError),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, httpx2.RemoteProtocolError),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", httpx2.RemoteProtocolError),
    "a cut body": (whole(b"hello")[:-1], httpx2.RemoteProtocolError),
    "a cut chunk": (chunked(b"hello")[:-8], httpx2.RemoteProtocolError),
    "chunks without their end": (chunked(b"hello")[:-5], httpx2.RemoteProtocolError),
    "a chunk without a size": (chunked(b"hello").replace(b"5\r\n", b"five\r\n"), httpx2.RemoteProtocolError),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: tea\r\n\r\n", httpx2.RemoteProtocolError),
}


@pytest.mark.parametrize(("response", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_broken_response_is_a_failure_and_its_request_is_not_sent_again(response, kind):
    failure, requests = failure_of(response)
    assert type(failure) is kind
    assert failure.request.method == "POST"
    assert requests == 1


@pytest.mark.parametrize("sent", [b"", whole(b"hello")[:-1]], ids=["before the head", "in the body"])
def test_a_reset_is_a_read_error_whose_cause_says_so(sent):
    async def resetting(server, reader, writer):
        await server.request(reader)
        if sent:
            await send(writer, sent)
        reset(writer)

    failure, requests = failure_of(play=resetting)
    assert type(failure) is httpx2.ReadError
    assert isinstance(failure.__cause__, ConnectionResetError)
    assert requests == 1


def test_what_came_before_the_break_is_told_first():
    async def go():
        broken = chunked(b"hello")[:-5] + b"junk\r\n"
        async with serving(answering(broken, then_close=True)) as server, client() as http:
            pieces = []
            with pytest.raises(httpx2.RemoteProtocolError):
                async with http.stream("POST", server.url) as response:
                    async for piece in response.aiter_raw():
                        pieces.append(piece)
            return pieces

    assert asyncio.run(go()) == [b"hello"]


def test_a_header_that_cannot_be_sent_is_refused_before_anything_is_sent():
    async def go():
        async with serving(answering(whole())) as server, client() as http:
            with pytest.raises(httpx2.LocalProtocolError):
                await http.post(server.url, headers={b"x": b"a\r\nb: c"})
            return server.requests

    assert asyncio.run(go()) == []


def test_port_0_is_not_taken_for_the_usual_one():
    failure, _ = failure_of(url=lambda _: "http://127.0.0.1:0/")
    assert "0)" in str(failure)
    assert "80)" not in str(failure)


def test_only_http_is_spoken():
    failure, _ = failure_of(url=lambda _: "ftp://localhost/")
    assert type(failure) is httpx2.UnsupportedProtocol


def test_a_port_where_nobody_listens_is_a_connect_error_with_its_cause():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failure, _ = failure_of(url=lambda _: f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert type(failure) is httpx2.ConnectError
    assert isinstance(failure.__cause__, ConnectionRefusedError)


# -- any split of any response --------------------------------------------------------------------------------------

_LINES = st.sampled_from([b"x-a: 1", b"X-B:  two words ", b"set-cookie: c=d", b"content-type: text/event-stream"])
_BODIES = st.binary(max_size=60)


@st.composite
def _responses(draw):
    """The bytes of a response, good or broken, cut into pieces."""
    lines = draw(st.lists(_LINES, max_size=3))
    before = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n"]))
    version, status = (
        draw(st.sampled_from([b"1.1", b"1.0"])),
        draw(st.sampled_from([b"200 OK", b"500 No", b"204 ", b"2x"])),
    )
    framing = draw(st.sampled_from(["length", "chunks", "end"]))
    chunks = draw(st.lists(_BODIES, max_size=4))
    if framing == "length":
        lines, body = [*lines, b"content-length: %d" % len(b"".join(chunks))], b"".join(chunks)
    elif framing == "chunks":
        lines, body = [*lines, b"transfer-encoding: chunked"], chunked(*filter(None, chunks)).partition(b"\r\n\r\n")[2]
    else:
        body = b"".join(chunks)
    whole_bytes = before + b"\r\n".join([b"HTTP/" + version + b" " + status, *lines]) + b"\r\n\r\n" + body
    whole_bytes = whole_bytes[: draw(st.one_of(st.none(), st.integers(0, len(whole_bytes))))]
    cuts = sorted(draw(st.sets(st.integers(0, len(whole_bytes)), max_size=8)))
    return [whole_bytes[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole_bytes)], strict=True)]


async def _outcome(transport, server):
    """All that a reader can tell of a response."""
    body = b""
    try:
        async with (
            httpx2.AsyncClient(transport=transport, trust_env=False) as http,
            http.stream("POST", server.url) as got,
        ):
            try:
                async for piece in got.aiter_raw():
                    body += piece
            except httpx2.HTTPError as error:
                return got.status_code, got.headers.raw, body, type(error), str(error)
            return got.status_code, got.headers.raw, got.extensions["reason_phrase"], got.http_version, body
    except httpx2.HTTPError as error:
        return type(error), str(error)


@settings(max_examples=60)
@given(pieces=_responses(), piece_bytes=st.sampled_from([1, 30, http1.PIECE_BYTES]))
def test_any_split_of_any_bytes_is_read_as_the_stock_transport_reads_it(pieces, piece_bytes):
    async def go():
        async with serving(answering(pieces, then_close=True)) as server:
            ours = await _outcome(Connections(), server)
            assert ours == await _outcome(httpx2.AsyncHTTPTransport(verify=False), server)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http1, "PIECE_BYTES", piece_bytes)
        asyncio.run(go())


# -- when a connection is used again --------------------------------------------------------------------------------


def test_a_response_that_is_given_up_takes_its_connection_with_it():
    async def go():
        async with serving(answering(chunked(b"hello")[:-5], whole())) as server, client() as http:
            async with http.stream("POST", server.url) as response:
                await anext(response.aiter_raw())
            await server.left.wait()
            return server.connections

    assert asyncio.run(go()) == 1


def test_bytes_behind_a_response_end_its_connection():
    answers, connections = asked(whole(b"mine") + whole(b"not asked for"), times=2)
    assert [answer.content for answer in answers] == [b"mine", b"mine"]
    assert connections == 2


def test_an_idle_connection_on_which_the_server_speaks_is_closed():
    async def go():
        async with serving(answering(whole())) as server, client() as http:
            await ask(http, server)
            server.writers[0].write(whole(status="408 Request Timeout"))
            await server.left.wait()
            return await ask(http, server), server.connections

    assert asyncio.run(go()) == (b"ok", 2)


def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used_again():
    async def go():
        async with serving(answering(whole(), then_close=True)) as server, client() as http:
            return [await ask(http, server) for _ in range(5)], len(server.requests)

    assert asyncio.run(go()) == ([b"ok"] * 5, 5)


def test_a_close_that_the_event_loop_has_not_heard_of_is_seen_before_a_request_is_sent():
    async def go():
        async with serving(answering(whole(), whole())) as server, client() as http:
            await ask(http, server)
            with socket.socket(fileno=os.dup(server.writers[0].get_extra_info("socket").fileno())) as theirs:
                theirs.shutdown(socket.SHUT_RDWR)
            return await ask(http, server), server.connections, len(server.requests)

    assert asyncio.run(go()) == (b"ok", 2, 2)


def test_a_connection_that_was_idle_for_too_long_is_closed_and_so_are_the_older_ones():
    async def go():
        async with serving(answering(*[whole()] * 3)) as server, client(keep_alive_s=0) as http:
            await asyncio.gather(*(ask(http, server) for _ in range(3)))
            first = server.connections
            await ask(http, server)
            while sum(not writer.is_closing() for writer in server.writers) > 1:
                await asyncio.sleep(0)
            return first, server.connections

    assert asyncio.run(go()) == (3, 4)


# -- many at once ---------------------------------------------------------------------------------------------------


def test_so_many_connections_are_opened_at_most_and_who_waits_is_served_in_order():
    async def go():
        async with serving(answering(*[whole()] * 12)) as server, client(most=2) as http:
            served = []

            async def one(number):
                await ask(http, server)
                served.append(number)

            await asyncio.gather(*(one(number) for number in range(12)))
            return served, server.connections

    assert asyncio.run(go()) == (list(range(12)), 2)


def test_who_stops_waiting_holds_up_nobody():
    async def go():
        async with serving(answering(*[whole()] * 9)) as server, client(most=1) as http:
            tasks = [asyncio.create_task(ask(http, server)) for _ in range(9)]
            for task in tasks[1::2]:
                asyncio.get_running_loop().call_soon(task.cancel)
            return await asyncio.gather(*tasks, return_exceptions=True), server.connections

    answers, connections = asyncio.run(go())
    assert answers[::2] == [b"ok"] * 5
    assert all(isinstance(one, asyncio.CancelledError) for one in answers[1::2])
    assert connections <= 2


def test_a_connection_handed_to_one_who_just_left_goes_to_the_next():
    async def go():
        async with serving(answering(*[whole()] * 9)) as server:
            origin = pool.Pool("localhost", server.port, None, 1, 30)
            first = await origin.take(5)
            leaving, next_one = (asyncio.create_task(origin.take(5)) for _ in range(2))
            await asyncio.sleep(0)
            first.close()  # its place is given to the first who waits
            while not leaving.done() and len(origin._waiting) == 2:
                await asyncio.sleep(0)
            leaving.cancel()
            got = await next_one
            with pytest.raises(asyncio.CancelledError):
                await leaving
            await origin.aclose()
            return got.is_new

    assert asyncio.run(go()) is False


def test_a_connection_that_cannot_be_made_takes_nobodys_place():
    async def go():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with client(most=1) as http, asyncio.timeout(LIMIT_S):
                url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
                return await asyncio.gather(*(http.post(url) for _ in range(4)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(go())] == [httpx2.ConnectError] * 4


def test_a_server_that_closes_every_connection_keeps_nobody_waiting():
    async def go():
        async with serving(answering(whole(), then_close=True)) as server, client(most=2) as http:
            return await asyncio.gather(*(ask(http, server) for _ in range(20))), server.connections

    assert asyncio.run(go()) == ([b"ok"] * 20, 20)


def test_the_cap_leaves_files_for_others(monkeypatch):
    for allowed, most in ((1024, 768), (256, 192), (20_000, 1000), (1, 1)):
        monkeypatch.setattr(pool.resource, "getrlimit", lambda _, allowed=allowed: (allowed, allowed))
        assert pool.max_connections() == most


# -- the end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", chunked(b"hello")[:-5]], ids=["before the head", "in the body"])
def test_a_request_that_is_cancelled_closes_its_connection(sent):
    async def go():
        reached = asyncio.Event()

        async def silent(server, reader, writer):
            await server.request(reader)
            if sent:
                await send(writer, sent)
            reached.set()
            await server.request(reader)

        async with serving(silent) as server, client() as http:
            task = asyncio.create_task(ask(http, server))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.left.wait()

    asyncio.run(go())


def test_closing_leaves_no_connection_and_no_task():
    async def go():
        async with serving(answering(whole(), whole())) as server, client() as http:
            await asyncio.gather(*(ask(http, server) for _ in range(5)))
            (origin,) = http._transport._pools.values()
            sockets = [one.transport.get_extra_info("socket") for one in origin._idle]
            tasks = asyncio.all_tasks()
            await http.aclose()
            return len(sockets), {one.fileno() for one in sockets}, asyncio.all_tasks() - tasks

    assert asyncio.run(go()) == (5, {-1}, set())


def test_closing_ends_requests_on_their_way_and_those_that_wait():
    async def go():
        async with serving(answering()) as server, client(most=1) as http:
            tasks = [asyncio.create_task(ask(http, server)) for _ in range(3)]
            while not server.requests:
                await asyncio.sleep(0)
            await http.aclose()
            return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in asyncio.run(go())] == [httpx2.RemoteProtocolError, *[httpx2.ConnectError] * 2]


def test_a_connection_that_is_made_after_closing_is_closed():
    async def go():
        async with serving(answering()) as server:
            origin = pool.Pool("localhost", server.port, None, 1, 30)
            dialing = asyncio.create_task(origin.take(5))
            await asyncio.sleep(0)
            await origin.aclose()
            with pytest.raises(httpx2.ConnectError):
                await dialing
            await server.left.wait()

    asyncio.run(go())


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(the server's TLS context, the file that a client must trust)."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run([*command, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    return context, str(made[0])


def test_https_to_a_trusted_server_is_read_and_used_again(certificate, monkeypatch):
    tls, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", trusted)

    async def go():
        large = os.urandom(1024 * 1024)
        async with serving(answering(chunked(b"hello"), whole(large)), tls=tls) as server, client() as http:
            answers = [await ask(http, server, content=large) for _ in range(2)]
            assert server.requests[1].endswith(large)
            left = server.connections
            await http.aclose()
            return answers == [b"hello", large], left

    assert asyncio.run(go()) == (True, 1)


def test_https_to_a_server_that_answered_without_reading_is_not_used_again(certificate, monkeypatch):
    tls, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", trusted)

    async def refusing(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await send(writer, whole(b"too large"))
        await server.left.wait()

    async def go():
        async with serving(refusing, tls=tls) as server, client() as http:
            large = b"x" * 32 * 1024 * 1024
            answers = [await ask(http, server, content=large) for _ in range(2)]
            server.left.set()
            return answers, server.connections

    assert asyncio.run(go()) == ([b"too large"] * 2, 2)


def test_https_ends_where_the_server_closes_without_a_farewell(certificate, monkeypatch):
    tls, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", trusted)

    async def abrupt(server, reader, writer):
        await server.request(reader)
        await send(writer, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        writer.get_extra_info("socket")._sock.shutdown(socket.SHUT_RDWR)

    failure, _ = failure_of(play=abrupt, tls=tls)
    assert isinstance(failure, httpx2.RemoteProtocolError | httpx2.ReadError)


def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(certificate):
    failure, requests = failure_of(whole(), tls=certificate[0])
    assert type(failure) is httpx2.ConnectError
    assert isinstance(failure.__cause__, ssl.SSLCertVerificationError)
    assert requests == 0


def test_a_certificate_of_another_name_is_not_accepted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[1])
    failure, _ = failure_of(whole(), tls=certificate[0], url=lambda server: f"https://127.0.0.1:{server.port}/")
    assert isinstance(failure.__cause__, ssl.SSLCertVerificationError)


def test_https_where_http_is_spoken_is_a_connect_error():
    async def plain(server, reader, writer):
        await reader.read(1)
        await send(writer, whole(status="400 Bad Request"))

    failure, _ = failure_of(play=plain, url=lambda server: server.url.replace("http:", "https:"))
    assert type(failure) is httpx2.ConnectError
    assert isinstance(failure.__cause__, ssl.SSLError)


def test_a_handshake_that_does_not_come_is_a_connect_timeout():
    async def silent(server, reader, writer):
        await reader.read()

    url = lambda server: server.url.replace("http:", "https:")  # noqa: E731
    failure, _ = failure_of(play=silent, url=url, connect_s=0.2)
    assert type(failure) is httpx2.ConnectTimeout


def test_certificates_are_loaded_once_and_at_the_first_https_address(certificate):
    tls, trusted = certificate
    loaded = []

    def trust():
        loaded.append(trusted)
        return ssl.create_default_context(cafile=trusted)

    async def go():
        async with (
            serving(answering(whole())) as plain,
            serving(answering(whole()), tls=tls) as one,
            serving(answering(whole()), tls=tls) as other,
            client(trust=trust) as http,
        ):
            counts = []
            for server in (plain, one, other):
                await ask(http, server)
                counts.append(len(loaded))
            return counts

    assert asyncio.run(go()) == [0, 1, 1]
