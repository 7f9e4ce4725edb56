"""The work of contenders against the model server: tool rounds, a long conversation, a long stream, many calls at once.

The contenders take turns, repetition by repetition; each is a process of its own, and says what its CPU was busy.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.peer import Peer
from benchmarks.results import Table, compared_with

REFERENCES = ("raw", "sdk-post")
CALLS_AT_ONCE = 16
FIRST_OF = 20  # chunks of the streams whose first text is timed
WINDOW = 10  # rounds that a point of the growth is the median of


@dataclass(frozen=True)
class Sizes:
    """How much of each work, and how often."""

    rounds: int = 20
    rounds_repeated: int = 15
    long_rounds: int = 200
    long_repeated: int = 3
    chunks: int = 5000
    chunks_repeated: int = 7
    first_repeated: int = 25
    calls_repeated: int = 3

    def plays(self) -> list[str]:
        """What the server will be asked to play."""
        rounds = [f"rounds:{count}" for count in (self.rounds, self.long_rounds)]
        chunks = [f"chunks:{count}" for count in (self.chunks, FIRST_OF)]
        return [*rounds, *chunks, "calls:1", f"calls:{CALLS_AT_ONCE}"]


QUICK = Sizes(
    rounds=5,
    rounds_repeated=1,
    long_rounds=30,
    long_repeated=1,
    chunks=300,
    chunks_repeated=1,
    first_repeated=1,
    calls_repeated=1,
)


class Contenders:
    """The processes, each ready for its first job."""

    def __init__(self, names: Sequence[str], base_url: str, stack: ExitStack) -> None:
        self._peers = {name: stack.enter_context(Peer("benchmarks.worker", name, base_url)) for name in names}
        for peer in self._peers.values():
            peer.hear()

    def repeat(self, times: int, kind: str, count: int) -> list[dict[str, Any]]:
        """For each repetition what each contender's conversation cost."""
        job = json.dumps({"kind": kind, "count": count})
        return [{name: json.loads(peer.ask(job)) for name, peer in self._peers.items()} for _ in range(times)]


def measure(names: Sequence[str], base_url: str, sizes: Sizes) -> list[Table]:
    with ExitStack() as stack:
        contenders = Contenders(names, base_url, stack)
        return [
            *_rounds(contenders, names, sizes),
            _growth(contenders, sizes),
            _stream(contenders, names, sizes),
            _first_text(contenders, names, sizes),
            *_calls(contenders, names, sizes),
        ]


def _rounds(contenders: Contenders, names: Sequence[str], sizes: Sizes) -> list[Table]:
    compared = compared_with(names, *REFERENCES)
    cpu = Table("round_cpu", f"CPU of a tool round, {sizes.rounds} rounds", "ms", compared)
    wall = Table("round_wall", f"Wall time of a tool round, {sizes.rounds} rounds", "ms", compared)
    for costs in contenders.repeat(sizes.rounds_repeated, "rounds", sizes.rounds):
        for name, cost in costs.items():
            cpu.add(name, cost["cpu_s"] * 1000 / sizes.rounds)
            wall.add(name, cost["wall_s"] * 1000 / sizes.rounds)
    return [cpu, wall]


def _growth(contenders: Contenders, sizes: Sizes) -> Table:
    title = f"Growth: CPU of round {sizes.long_rounds} ÷ CPU of round 10"
    table = Table("growth", title, "×")
    for costs in contenders.repeat(sizes.long_repeated, "rounds", sizes.long_rounds):
        for name, cost in costs.items():
            table.add(name, growth(cost["marks"]))
    return table


def growth(marks: Sequence[float]) -> float:
    """`marks` are CPU times, one a round. Single rounds vary: each end is the median of the rounds around it."""
    rounds = [after - before for before, after in itertools.pairwise(marks)]
    early = rounds[10 - WINDOW // 2 : 10 + WINDOW // 2]
    return statistics.median(rounds[-WINDOW:]) / statistics.median(early)


def _stream(contenders: Contenders, names: Sequence[str], sizes: Sizes) -> Table:
    title = f"CPU of a streamed chunk, {sizes.chunks:,} chunks"
    table = Table("chunk_cpu", title, "µs", compared_with(names, *REFERENCES))
    for costs in contenders.repeat(sizes.chunks_repeated, "chunks", sizes.chunks):
        for name, cost in costs.items():
            table.add(name, cost["cpu_s"] * 1e6 / sizes.chunks)
    return table


def _first_text(contenders: Contenders, names: Sequence[str], sizes: Sizes) -> Table:
    title = "Time to the first text, connection open"
    table = Table("first_text", title, "ms", compared_with(names, *REFERENCES))
    for costs in contenders.repeat(sizes.first_repeated, "chunks", FIRST_OF):
        for name, cost in costs.items():
            table.add(name, cost["first_text_s"] * 1000)
    return table


def _calls(contenders: Contenders, names: Sequence[str], sizes: Sizes) -> list[Table]:
    wall = Table("calls_wall", f"{CALLS_AT_ONCE} calls of 200 ms in one turn", "ms")
    ratio = Table("calls_ratio", f"Wall time of {CALLS_AT_ONCE} such calls ÷ wall time of one", "×")
    one = contenders.repeat(sizes.calls_repeated, "calls", 1)
    many = contenders.repeat(sizes.calls_repeated, "calls", CALLS_AT_ONCE)
    for alone, together in zip(one, many, strict=True):
        for name in names:
            wall.add(name, together[name]["wall_s"] * 1000)
            ratio.add(name, together[name]["wall_s"] / alone[name]["wall_s"])
    return [wall, ratio]
