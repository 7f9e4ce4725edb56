"""Lets what was recorded happen again in its order: an exchange waits for those that finished before it.

Between two of them all that the first one set off runs until nothing moves any more. An exchange that nobody asks for
is not waited for, once nothing goes on that could ask: a person may have changed the file, or tools be really called.
Knows numbers, not exchanges.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

_QUIET = 24  # rounds of the event loop: what an exchange sets off asks for the next one, or waits, within fewer


class Turns:
    """`numbers` are the exchanges that are waited for."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._open = set(numbers)
        self._waiting: set[int] = set()
        self._going_on = 0
        self._moves = 0
        self._moved = asyncio.Event()

    @contextlib.contextmanager
    def something_real(self) -> Iterator[None]:
        """While it lasts it may lead to an exchange that others wait for."""
        self._going_on += 1
        self._move()
        try:
            yield
        finally:
            self._going_on -= 1
            self._move()

    def took_at_once(self, number: int) -> bool:
        """Whether it is this one's turn, without a look at what else may come; then it is over."""
        if number != min(self._open, default=number):
            return False
        self._open.discard(number)
        self._move()
        return True

    async def wait(self, number: int) -> None:
        """Until it is this one's turn, which is over at once."""
        self._waiting.add(number)
        self._move()
        try:
            while not await self._is_next(number):
                await self._moved.wait()
        finally:
            self._waiting.discard(number)
            self._open.discard(number)
            self._move()

    async def _is_next(self, number: int) -> bool:
        """Once all is quiet: whether nothing that may still come has to be before it."""
        moves, rounds = self._moves, 0
        while rounds < _QUIET:
            await asyncio.sleep(0)
            rounds += 1
            if moves != self._moves:
                moves, rounds = self._moves, 0
        return number == min(self._waiting) and (not self._going_on or number <= min(self._open, default=number))

    def _move(self) -> None:
        """Tells those that wait for a move, and no later ones."""
        self._moves += 1
        self._moved.set()
        self._moved = asyncio.Event()
