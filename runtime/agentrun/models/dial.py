"""From the name of a host to a socket that is connected to it.

Those who ask at the same time share one lookup; nothing is remembered after it. The addresses are tried in turns of
their families, each a moment after the one before (happy eyeballs, RFC 8305). Knows no HTTP and no TLS.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable, Sequence
from typing import Any

NEXT_ADDRESS_S = 0.25

# What `getaddrinfo` says of an address: its family, and what `connect` takes.
Address = tuple[int, Any]


class Dialer:
    """One host and port, in one event loop."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lookup: asyncio.Task[list[Address]] | None = None

    async def connected(self) -> socket.socket:
        """Raises OSError: `socket.gaierror` where nobody knows the host."""
        if self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())
            self._lookup.add_done_callback(self._forget)
        return await first_connected(await asyncio.shield(self._lookup))

    async def _look_up(self) -> list[Address]:
        loop = asyncio.get_running_loop()
        name = self._host.encode("ascii")  # text would be taken for one that is still to be encoded
        try:
            found = await loop.getaddrinfo(name, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure = error
        else:
            return in_turns((family, address) for family, _, _, _, address in found)
        socket.socket().close()  # where no file can be opened no host is known: then this raises what is wrong
        raise failure

    def _forget(self, lookup: asyncio.Task[list[Address]]) -> None:
        self._lookup = None
        if not lookup.cancelled():
            lookup.exception()  # has been looked at, also where nobody waits any more


def in_turns(addresses: Iterable[Address]) -> list[Address]:
    """One address of each family, then the next of each."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [one for turn in itertools.zip_longest(*families.values()) for one in turn if one is not None]


async def first_connected(addresses: Sequence[Address]) -> socket.socket:
    """A socket to the first address that answers. One is given `NEXT_ADDRESS_S` before the next is tried beside it."""
    failures: list[OSError] = []
    trying: set[asyncio.Task[socket.socket]] = set()
    untried = list(reversed(addresses))
    try:
        while untried or trying:
            if untried:
                trying.add(asyncio.create_task(_connected_to(*untried.pop())))
            wait_s = NEXT_ADDRESS_S if untried else None
            done, trying = await asyncio.wait(trying, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            won = []
            for task in done:
                try:
                    won.append(task.result())
                except OSError as error:
                    failures.append(error)
            for late in won[1:]:
                late.close()
            if won:
                return won[0]
    finally:
        for task in trying:
            task.add_done_callback(_close_late)
            task.cancel()
    if len(failures) > 1:
        raise failures[-1] from ExceptionGroup("other addresses of the host", failures[:-1])
    raise failures[0]


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """A task that was cancelled may have been done before it heard of it."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connected_to(family: int, address: Any) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
