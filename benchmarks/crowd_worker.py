"""The process of one contender's crowd: so many conversations at once, then one line of JSON that says what they cost.

    python -m benchmarks.crowd_worker CONTENDER BASE_URL CONVERSATIONS ROUNDS

A new process for each measurement, since the peak of a process's memory never falls. One conversation goes before, not
measured: imports and what is made once are there, so that what memory grows by belongs to the conversations.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
import uuid
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks import task
from benchmarks.contenders import Converse, module_of
from benchmarks.server import answer, question

MAX_OPEN_FILES = 65_536
_STATUS = Path("/proc/self/status")


def main(contender: str, base_url: str, conversations: str, rounds: str) -> None:
    raise_open_files()
    open_crowd = getattr(import_module(module_of(contender)), "open_crowd", None)
    cost = asyncio.run(measured(open_crowd(base_url), base_url, int(conversations), int(rounds))) if open_crowd else {}
    print(json.dumps(cost), flush=True)


async def measured(converse: Converse, base_url: str, conversations: int, rounds: int) -> dict[str, Any]:
    """Times in s, memory in KB where the system tells it, and how many failed, by what they failed of."""
    first = _asked(rounds)
    if kind := failed(await converse(first, _ignore), rounds):
        raise RuntimeError(f"the conversation before the crowd: {kind}")
    message_bytes = bytes_of_messages(base_url, first, rounds)
    task.marks.clear()
    gc.collect()
    before, cpu, wall = memory_kb("VmRSS"), task.cpu_s(), time.perf_counter()
    ended = await asyncio.gather(
        *(converse(_asked(rounds), _ignore) for _ in range(conversations)), return_exceptions=True
    )
    wall, cpu, peak = time.perf_counter() - wall, task.cpu_s() - cpu, memory_kb("VmHWM")
    failures = Counter(kind for one in ended if (kind := failed(one, rounds)))
    if not failures and len(task.marks) != conversations * rounds:
        failures[f"{len(task.marks)} calls made"] = conversations
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "before_kb": before,
        "peak_kb": peak,
        "message_kb": message_bytes / 1024,
        "failures": failures,
    }


def failed(ended: str | BaseException, rounds: int) -> str:
    """What a conversation failed of, in a word; empty where it ended as it should."""
    if isinstance(ended, BaseException):
        return type(ended).__name__
    return "" if ended == answer("rounds", rounds) else "wrong answer"


def bytes_of_messages(base_url: str, asked: str, rounds: int) -> int:
    """What a conversation said: its question, what its requests grew by from the first to the last, its answer."""
    name = asked.rpartition(" ")[2]
    with build_opener(ProxyHandler({})).open(f"{base_url}/sent/{name}", timeout=10) as told:
        sent = json.load(told)
    return int(sent[-1] - sent[0]) + len(asked) + len(answer("rounds", rounds))


def memory_kb(line: str) -> int | None:
    """`VmRSS` is what the process holds now, `VmHWM` the most that it ever did. None where the system isn't Linux."""
    if not _STATUS.exists():
        return None
    return next(int(one.split()[1]) for one in _STATUS.read_text().splitlines() if one.startswith(f"{line}:"))


def raise_open_files() -> None:
    """A thousand conversations may each have a connection, and shells often allow 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _asked(rounds: int) -> str:
    return question("rounds", rounds, uuid.uuid4().hex)


def _ignore(text: str) -> None:
    """Told are the pieces of the answer; what is looked at is the whole."""


if __name__ == "__main__":
    main(*sys.argv[1:])
