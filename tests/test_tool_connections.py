"""Connections of tools are used again, and there are never more than so many."""

import asyncio
from contextlib import asynccontextmanager

import httpcore2
import pytest

from agentrun.tools.connections import Connections


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


def connections(most=10, **more):
    return Connections(None, httpcore2.AnyIOBackend(), most=most, **more)


async def get(ours, port, host="127.0.0.1", pool_s=None):
    url = httpcore2.URL(scheme="http", host=host, port=port, target="/")
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
