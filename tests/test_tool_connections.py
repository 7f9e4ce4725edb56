"""Connections of tools are used again, and there are never more than so many."""

import asyncio
import gc
import random
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore2
import pytest

from agentrun.tools.connections import Connections
from agentrun.tools.stream import Stream
from byte_server import answering, chunked, serving, whole


class Service:
    """Answers each request of a connection when it is let, and knows how many connections there were."""

    def __init__(self):
        self.connections = 0
        self.open = set()
        self.waiting = asyncio.Queue()
        self.hold = False

    async def serve(self, reader, writer):
        self.connections += 1
        self.open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if self.hold:
                    answer = asyncio.Event()
                    self.waiting.put_nowait(answer)
                    await answer.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()


@asynccontextmanager
async def service():
    made = Service()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in [*made.open]:
            writer.close()


class Direct:
    """No guard: these tests are not about whom a connection may reach."""

    async def connect_tcp(self, host, port, **_):
        return await Stream.to(host, port, 5)


def connections(most=10, tls=None, **more):
    return Connections(tls, Direct(), most=most, **more)


async def get(ours, port, host="127.0.0.1", pool_s=None, scheme="http"):
    url = httpcore2.URL(scheme=scheme, host=host, port=port, target="/")
    waits = {"timeout": {"connect": 5.0, "pool": pool_s}}
    answer = await ours.handle_async_request(httpcore2.Request("GET", url, headers=[("Host", host)], extensions=waits))
    try:
        return await answer.aread()
    finally:
        await answer.aclose()


def run(work):
    async def bounded():
        async with asyncio.timeout(10):
            await work()

    asyncio.run(bounded())


def test_one_after_the_other_share_a_connection_and_many_at_once_have_their_own():
    async def work():
        async with service() as made:
            ours = connections()
            assert [await get(ours, made.port) for _ in range(3)] == [b"ok"] * 3
            assert (made.connections, len(ours)) == (1, 1)
            made.hold = True
            asked = [asyncio.create_task(get(ours, made.port)) for _ in range(5)]
            for _ in asked:
                (await made.waiting.get()).set()
            assert await asyncio.gather(*asked) == [b"ok"] * 5
            assert (made.connections, len(ours)) == (5, 5)
            await ours.aclose()
            assert len(ours) == 0

    run(work)


def test_who_finds_all_in_use_waits_and_is_served_in_order():
    async def work():
        async with service() as made:
            ours = connections(most=1)
            made.hold = True
            ended = []

            async def ask(number):
                assert await get(ours, made.port) == b"ok"
                ended.append(number)

            asked = [asyncio.create_task(ask(number)) for number in range(3)]
            first = await made.waiting.get()
            with pytest.raises(httpcore2.PoolTimeout):
                await get(ours, made.port, pool_s=0.01)
            asked[1].cancel()
            first.set()
            (await made.waiting.get()).set()
            await asyncio.gather(*asked, return_exceptions=True)
            assert (ended, made.connections) == ([0, 2], 1)
            await ours.aclose()

    run(work)


def test_an_idle_connection_to_elsewhere_gives_way():
    async def work():
        async with service() as made, service() as other:
            ours = connections(most=1)
            for port in (made.port, other.port, made.port):
                assert await get(ours, port) == b"ok"
            assert (made.connections, other.connections, len(ours)) == (2, 1, 1)
            await ours.aclose()

    run(work)


def test_a_connection_that_the_server_closed_is_not_used_again():
    async def work():
        async with service() as made:
            ours = connections()
            assert await get(ours, made.port) == b"ok"
            for writer in [*made.open]:
                writer.close()
                await writer.wait_closed()
            assert await get(ours, made.port) == b"ok"
            assert (made.connections, len(ours)) == (2, 1)
            await ours.aclose()

    run(work)


def test_one_that_was_idle_for_too_long_is_closed():
    async def work():
        async with service() as made, service() as other:
            ours = connections(keep_alive_s=0.0)
            for port in (made.port, made.port, other.port):
                assert await get(ours, port) == b"ok"
            assert (made.connections, len(ours)) == (2, 1)
            await ours.aclose()

    run(work)


def test_what_fails_or_is_given_up_leaves_no_connection_and_its_place_to_others():
    async def work():
        async with service() as made:
            ours = connections(most=1)
            with pytest.raises(httpcore2.ConnectError):
                await get(ours, 1)
            made.hold = True
            given_up = asyncio.create_task(get(ours, made.port))
            await made.waiting.get()
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            assert len(ours) == 0
            made.hold = False
            assert await get(ours, made.port) == b"ok"
            await ours.aclose()

    run(work)


NOT_ASKED_FOR = whole(b"not asked for")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (whole(b"mine"), b"mine"),
        (chunked(b"mine"), b"mine"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b""),
        *((whole(b"m" * size), b"m" * size) for size in (64 * 1024 - 43, 100 * 1024, 256 * 1024, 600 * 1024)),
    ],
    ids=["a length", "chunks", "204", "304", "one read", "two reads", "256 KB", "600 KB"],
)
def test_bytes_behind_an_answer_are_never_taken_for_the_next_answer(answer, body):
    async def work():
        async with serving(answering(answer + NOT_ASKED_FOR, then_close=False)) as server:
            ours = connections()
            assert [await get(ours, server.port) for _ in range(3)] == [body] * 3
            assert server.connections == 3
            await ours.aclose()

    run(work)


def test_what_a_server_says_between_two_requests_is_never_taken_for_an_answer():
    async def work():
        async with serving(answering(whole(), whole())) as server:
            ours = connections()
            assert await get(ours, server.port) == b"ok"
            server.writers[0].write(NOT_ASKED_FOR)
            assert await get(ours, server.port) == b"ok"
            assert server.connections == 2
            await ours.aclose()

    run(work)


OPEN = Path("/proc/self/fd")


def sockets():
    """How many sockets this process has open."""
    found = 0
    for one in OPEN.iterdir():
        try:
            found += str(one.readlink()).startswith("socket:")
        except OSError:
            continue
    return found


@pytest.mark.skipif(not OPEN.exists(), reason="counts its sockets in /proc")
def test_a_handshake_that_is_given_up_leaves_no_socket():
    async def silent(server, reader, writer):
        await reader.read(1)
        greeted.set()
        await reader.read()

    async def work():
        before = sockets()
        async with serving(silent) as server:
            ours = connections(tls=ssl.create_default_context())
            asked = asyncio.create_task(get(ours, server.port, scheme="https"))
            await greeted.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert len(ours) == 0
        while sockets() > before:
            await asyncio.sleep(0)

    greeted = asyncio.Event()
    gc.disable()  # it would close what nobody closed
    try:
        run(work)
    finally:
        gc.enable()


@pytest.mark.skipif(not OPEN.exists(), reason="counts its sockets in /proc")
def test_requests_cancelled_anywhere_leave_neither_a_place_nor_a_socket():
    async def work():
        before = sockets()
        async with service() as made:
            ours = connections(most=5)

            async def give_up(steps):
                asked = asyncio.create_task(get(ours, made.port))
                for _ in range(steps):
                    await asyncio.sleep(0)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

            steps = random.Random(1)
            for _ in range(40):
                await asyncio.gather(*(give_up(steps.randrange(30)) for _ in range(10)))
            assert await asyncio.gather(*(get(ours, made.port) for _ in range(5))) == [b"ok"] * 5
            assert len(ours) == 5
            await ours.aclose()
        while sockets() > before:
            await asyncio.sleep(0)

    run(work)


def test_closing_ends_what_is_asked_and_nothing_is_opened_after_it():
    async def work():
        async with service() as made:
            ours = connections(most=1)
            made.hold = True
            asked = [asyncio.create_task(get(ours, made.port)) for _ in range(3)]
            await made.waiting.get()
            await ours.aclose()
            failures = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(one) for one in failures] == [httpcore2.ReadError, *[httpcore2.ConnectError] * 2]
            assert (made.connections, len(ours)) == (1, 0)

    run(work)


def test_a_connection_that_was_dialled_while_all_were_closed_is_not_kept():
    async def work():
        async with service() as made:
            ours = connections()
            asked = asyncio.create_task(get(ours, made.port))
            await asyncio.sleep(0)
            await ours.aclose()
            assert await asked == b"ok"
            assert len(ours) == 0
            while made.open:
                await asyncio.sleep(0)

    run(work)
