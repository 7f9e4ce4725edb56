"""The work of contenders against the model server: tool rounds, a long conversation, a long stream, many calls at once.

The contenders take turns, repetition by repetition; each is a process of its own, in its own environment, and says what
its CPU was busy. Each is divided by the raw loop and the tuned ones, and agentrun by the frameworks too.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import FRAMEWORKS, TUNED
from benchmarks.environments import python_of
from benchmarks.peer import Peer
from benchmarks.results import Compared, Table, compared_with

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
        rounds = [f"rounds:{self.rounds}", f"rounds:{self.long_rounds}", f"fetches:{self.rounds}"]
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
    """The processes, each ready for its first job. One that fails takes no further part, and is noted."""

    def __init__(self, names: Sequence[str], base_url: str, stack: ExitStack) -> None:
        self.notes: list[str] = []
        self._peers = {
            name: stack.enter_context(Peer("benchmarks.worker", name, base_url, python=python_of(name)))
            for name in names
        }
        self._of_each(Peer.hear)

    def repeat(self, times: int, kind: str, count: int) -> list[dict[str, Any]]:
        """For each repetition what each contender's conversation cost."""
        job = json.dumps({"kind": kind, "count": count})
        told = [self._of_each(lambda peer: peer.ask(job)) for _ in range(times)]
        return [{name: json.loads(line) for name, line in lines.items()} for lines in told]

    def _of_each(self, ask: Callable[[Peer], str]) -> dict[str, str]:
        told: dict[str, str] = {}
        for name, peer in tuple(self._peers.items()):
            try:
                told[name] = ask(peer)
            except (OSError, RuntimeError) as error:  # a TimeoutError is an OSError
                self.notes.append(f"{name}: {error}")
                del self._peers[name]
        return told


def measure(names: Sequence[str], base_url: str, sizes: Sizes) -> tuple[list[Table], list[str]]:
    """The tables, and what can't be said in numbers. Each contender's environment must be there."""
    compared: Compared = {**compared_with(names, "raw", *TUNED), "agentrun": ["raw", *TUNED, *FRAMEWORKS]}
    with ExitStack() as stack:
        contenders = Contenders(names, base_url, stack)
        tables = [
            *_rounds(contenders, compared, sizes, "rounds", "round", "tool in the process"),
            *_rounds(contenders, compared, sizes, "fetches", "fetch", "tool over HTTP"),
            *_long(contenders, compared, sizes),
            _stream(contenders, compared, sizes),
            _first_text(contenders, compared, sizes),
            *_calls(contenders, sizes),
        ]
        return tables, contenders.notes


def _rounds(
    contenders: Contenders, compared: Compared, sizes: Sizes, kind: str, key: str, tool: str
) -> tuple[Table, Table]:
    cpu = Table(f"{key}_cpu", f"CPU of a tool round, {sizes.rounds} rounds, {tool}", "ms", compared)
    wall = Table(f"{key}_wall", f"Wall time of a tool round, {sizes.rounds} rounds, {tool}", "ms", compared)
    for costs in contenders.repeat(sizes.rounds_repeated, kind, sizes.rounds):
        for name, cost in costs.items():
            cpu.add(name, cost["cpu_s"] * 1000 / sizes.rounds)
            wall.add(name, cost["wall_s"] * 1000 / sizes.rounds)
    return cpu, wall


def _long(contenders: Contenders, compared: Compared, sizes: Sizes) -> list[Table]:
    """A late round beside an early one, and what each had to send."""
    last = sizes.long_rounds
    late = Table("late_round_cpu", f"CPU of a tool round at round {last}", "ms", compared)
    grown = Table("growth", f"Growth: CPU of round {last} ÷ CPU of round 10", "×", compared)
    sent = Table("late_sent", f"Bytes that the request of round {last} sends", "KB")
    sent_grown = Table("sent_growth", f"Bytes sent in round {last} ÷ bytes sent in round 10", "×")
    for costs in contenders.repeat(sizes.long_repeated, "rounds", last):
        for name, cost in costs.items():
            late.add(name, late_round_s(cost["marks"]) * 1000)
            grown.add(name, growth(cost["marks"]))
            sent.add(name, cost["sent"][last - 1] / 1000)
            sent_grown.add(name, cost["sent"][last - 1] / cost["sent"][10 - 1])
    return [late, grown, sent, sent_grown]


def growth(marks: Sequence[float]) -> float:
    """`marks` are CPU times, one a round. Single rounds vary: each end is the median of the rounds around it."""
    rounds = _rounds_between(marks)
    return late_round_s(marks) / statistics.median(rounds[10 - WINDOW // 2 : 10 + WINDOW // 2])


def late_round_s(marks: Sequence[float]) -> float:
    return statistics.median(_rounds_between(marks)[-WINDOW:])


def _rounds_between(marks: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(marks)]


def _stream(contenders: Contenders, compared: Compared, sizes: Sizes) -> Table:
    title = f"CPU of a streamed chunk, {sizes.chunks:,} chunks"
    table = Table("chunk_cpu", title, "µs", compared)
    for costs in contenders.repeat(sizes.chunks_repeated, "chunks", sizes.chunks):
        for name, cost in costs.items():
            table.add(name, cost["cpu_s"] * 1e6 / sizes.chunks)
    return table


def _first_text(contenders: Contenders, compared: Compared, sizes: Sizes) -> Table:
    title = "Time to the first text, connection open"
    table = Table("first_text", title, "ms", compared)
    for costs in contenders.repeat(sizes.first_repeated, "chunks", FIRST_OF):
        for name, cost in costs.items():
            table.add(name, cost["first_text_s"] * 1000)
    return table


def _calls(contenders: Contenders, sizes: Sizes) -> list[Table]:
    wall = Table("calls_wall", f"{CALLS_AT_ONCE} calls of 200 ms in one turn", "ms")
    ratio = Table("calls_ratio", f"Wall time of {CALLS_AT_ONCE} such calls ÷ wall time of one", "×")
    one = contenders.repeat(sizes.calls_repeated, "calls", 1)
    many = contenders.repeat(sizes.calls_repeated, "calls", CALLS_AT_ONCE)
    for alone, together in zip(one, many, strict=True):
        for name in together:
            wall.add(name, together[name]["wall_s"] * 1000)
            ratio.add(name, together[name]["wall_s"] / alone[name]["wall_s"])
    return [wall, ratio]
