"""From a name to a socket: one lookup for many, and the address that answers first."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentrun.models import dial
from agentrun.models.dial import Dialer, first_connected, in_turns

V4, V6 = socket.AF_INET, socket.AF_INET6


class Counting(ThreadPoolExecutor):
    """The threads in which names are looked up."""

    submitted = 0

    def submit(self, *arguments, **named):
        self.submitted += 1
        return super().submit(*arguments, **named)


def listening(*, backlog=100):
    return socket.create_server(("127.0.0.1", 0), backlog=backlog)


def test_those_who_ask_at_once_share_a_lookup_and_the_next_one_looks_again():
    async def go(port):
        threads = Counting(2)
        asyncio.get_running_loop().set_default_executor(threads)
        dialer = Dialer("localhost", port)
        sockets = await asyncio.gather(*(dialer.connected() for _ in range(20)))
        together = threads.submitted
        sockets.append(await dialer.connected())
        for one in sockets:
            one.close()
        return together, threads.submitted

    with listening() as server:
        assert asyncio.run(go(server.getsockname()[1])) == (1, 2)


@pytest.mark.parametrize("host", ["::1%no-such-interface", "a" * 70 + ".example"])
def test_a_host_that_nobody_knows_is_told_to_each_who_asked(host):
    async def go():
        dialer = Dialer(host, 80)
        return await asyncio.gather(*(dialer.connected() for _ in range(3)), return_exceptions=True)

    assert [type(one) for one in asyncio.run(go())] == [socket.gaierror] * 3


def test_where_no_file_can_be_opened_that_is_said_and_not_that_nobody_knows_the_host():
    async def go():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        opened = []
        dialer = Dialer("localhost", 80)
        await asyncio.get_running_loop().run_in_executor(None, int)  # a thread is there
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            with contextlib.suppress(OSError):
                while True:
                    opened.append(os.open(os.devnull, os.O_RDONLY))
            with pytest.raises(OSError) as failed:
                await dialer.connected()
            return failed.value.errno
        finally:
            for one in opened:
                os.close(one)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert asyncio.run(go()) == errno.EMFILE


def test_who_stops_waiting_for_a_lookup_stops_it_for_nobody_else():
    async def go(port):
        dialer = Dialer("localhost", port)
        leaving, staying = (asyncio.create_task(dialer.connected()) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        (await staying).close()
        with pytest.raises(asyncio.CancelledError):
            await leaving

    with listening() as server:
        asyncio.run(go(server.getsockname()[1]))


def test_families_take_turns():
    addresses = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d")]
    assert in_turns(addresses) == [(V6, "a"), (V4, "d"), (V6, "b"), (V6, "c")]


def test_an_address_that_refuses_is_followed_by_the_next_at_once(monkeypatch):
    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 60)

    async def go(refusing, answering):
        async with asyncio.timeout(5):
            won = await first_connected([(V4, refusing), (V4, answering)])
        with won:
            return won.getpeername()

    with listening() as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert asyncio.run(go(unused.getsockname(), server.getsockname())) == server.getsockname()


def test_an_address_that_stays_silent_is_overtaken_and_nothing_of_it_is_left(monkeypatch):
    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 0.01)

    async def go(silent, answering):
        async with asyncio.timeout(5):
            won = await first_connected([(V4, silent), (V4, answering)])
            with won:
                others = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.gather(*others, return_exceptions=True)
                return won.getpeername()

    with listening(backlog=0) as full, listening() as server:
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:  # who is not accepted fills the queue, and the next gets no answer
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            assert asyncio.run(go(full.getsockname(), server.getsockname())) == server.getsockname()
        finally:
            for one in waiting:
                one.close()


def test_where_no_address_answers_each_refusal_is_told():
    async def go(*addresses):
        with pytest.raises(ConnectionRefusedError) as failed:
            await first_connected([(V4, address) for address in addresses])
        return failed.value

    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        failure = asyncio.run(go(one.getsockname(), other.getsockname()))
    assert [type(cause) for cause in failure.__cause__.exceptions] == [ConnectionRefusedError]
