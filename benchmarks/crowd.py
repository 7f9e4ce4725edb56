"""The work of many conversations at once: each of three tool rounds, all in one process, and a model that takes 100 ms.

The contenders take turns. For each measurement there is a new process of the contender's and a new server, whose CPU
time is measured too: a server that is busy all the time would be what is measured. A slow contender takes part in the
first repetitions only; one that does not end in time, or fails to start, takes no further part.
"""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import environments
from benchmarks.contenders import FRAMEWORKS, TUNED
from benchmarks.peer import ROOT, Peer, environment
from benchmarks.results import Table, compared_with

ROUNDS = 3
LATENCY_S = 0.1
REFERENCES = ("raw", *TUNED)


@dataclass(frozen=True)
class Sizes:
    conversations: Sequence[int] = (100, 300, 1000)
    repeated: int = 5
    slow_s: float = 10.0  # a contender whose first crowd took longer
    slow_repeated: int = 2
    limit_s: float = 150.0


QUICK = Sizes(conversations=(10,), repeated=1)


@dataclass
class _Crowd:
    """The tables of one size."""

    conversations: int
    names: Sequence[str]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        compared = {**compared_with(self.names, *REFERENCES), "agentrun": [*REFERENCES, *FRAMEWORKS]}
        crowd = f"{self.conversations:,} conversations at once"
        key = f"crowd_{self.conversations}"
        self.wall = Table(f"{key}_wall", f"{crowd}, wall time", "s", compared)
        self.cpu = Table(f"{key}_cpu", f"{crowd}, CPU", "s", compared)
        self.peak = Table(f"{key}_peak", f"{crowd}, peak of the process's memory", "MB")
        self.each = Table(f"{key}_each", f"{crowd}, memory of each beyond its messages", "KB")
        self.failures = Table(f"{key}_failures", f"{crowd}, how many failed", "conversations")
        self.server = Table(f"{key}_server", f"{crowd}, CPU of the server ÷ wall time", "×")

    def add(self, name: str, cost: dict[str, Any], server_cpu_s: float) -> None:
        failed = sum(cost["failures"].values())
        self.failures.add(name, failed)
        self.wall.add(name, cost["wall_s"])
        self.cpu.add(name, cost["cpu_s"])
        self.server.add(name, server_cpu_s / cost["wall_s"])
        if cost["peak_kb"] is not None:
            self.peak.add(name, cost["peak_kb"] / 1024)
            grown = (cost["peak_kb"] - cost["before_kb"]) / self.conversations
            self.each.add(name, grown - cost["message_kb"])
        if failed:
            kinds = ", ".join(f"{kind} ({number})" for kind, number in cost["failures"].items())
            self.note(name, f"{failed:,} failed: {kinds}")

    def note(self, name: str, text: str) -> None:
        self.notes.append(f"{name}, {self.conversations:,} conversations at once: {text}")

    def tables(self) -> list[Table]:
        tables = (self.wall, self.cpu, self.peak, self.each, self.failures, self.server)
        return [table for table in tables if table.samples]


def measure(names: Sequence[str], sizes: Sizes, tell: Callable[[str], None]) -> tuple[list[Table], list[str]]:
    """The tables, and what can't be said in numbers. Tells how far it is."""
    tables: list[Table] = []
    notes: list[str] = []
    for conversations in sizes.conversations:
        crowd = _Crowd(conversations, names)
        _take_turns(crowd, sizes, tell)
        tables += crowd.tables()
        notes += crowd.notes
    return tables, notes


def _take_turns(crowd: _Crowd, sizes: Sizes, tell: Callable[[str], None]) -> None:
    taking_part = list(crowd.names)
    for repetition in range(sizes.repeated):
        tell(f"  {crowd.conversations:,} conversations at once, {repetition + 1} of {sizes.repeated}")
        for name in tuple(taking_part):
            try:
                cost, server_cpu_s = cost_of(name, crowd.conversations, sizes.limit_s)
            except subprocess.TimeoutExpired:
                crowd.note(name, f"not done after {sizes.limit_s:g} s")
                taking_part.remove(name)
            except (OSError, RuntimeError) as error:
                crowd.note(name, str(error))
                taking_part.remove(name)
            else:
                if cost:
                    crowd.add(name, cost, server_cpu_s)
                if not cost or (cost["wall_s"] > sizes.slow_s and repetition + 1 >= sizes.slow_repeated):
                    taking_part.remove(name)


def cost_of(name: str, conversations: int, limit_s: float) -> tuple[dict[str, Any], float]:
    """What a crowd cost, nothing where the contender has no way to hold one; and the server's CPU time.

    Raises RuntimeError where it did not work, TimeoutExpired where it took too long.
    """
    with Peer("benchmarks.server", "--latency", str(LATENCY_S), f"rounds:{ROUNDS}") as server:
        arguments = [name, server.hear(), str(conversations), str(ROUNDS)]
        done = subprocess.run(
            [environments.python_of(name), "-m", "benchmarks.crowd_worker", *arguments],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        before_server_s = _cpu_of_ended_s()
    if done.returncode:
        last_lines = done.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"ended with {done.returncode}: {' '.join(last_lines)}")
    return json.loads(done.stdout.splitlines()[-1]), _cpu_of_ended_s() - before_server_s


def _cpu_of_ended_s() -> float:
    """CPU time of all processes that this one waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
