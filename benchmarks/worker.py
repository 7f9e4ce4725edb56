"""The process of one contender: takes jobs from stdin, one JSON object a line, and answers each with what it cost.

    python -m benchmarks.worker CONTENDER BASE_URL

Each contender lives as long as the benchmark, so that repetitions can take turns without paying for imports again.
Before the first measurement it has one conversation unmeasured: imports, connection and caches are there.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import uuid
from importlib import import_module
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks import task
from benchmarks.contenders import Ask, module_of
from benchmarks.server import answer, question


def main(contender: str, base_url: str) -> None:
    ask: Ask = import_module(module_of(contender)).open_contender(base_url)
    for kind in ("rounds", "fetches", "calls", "chunks"):
        measured(ask, base_url, kind, 1)
    print(json.dumps({"ready": contender}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(measured(ask, base_url, job["kind"], job["count"])), flush=True)


def measured(ask: Ask, base_url: str, kind: str, count: int) -> dict[str, Any]:
    """One conversation: times in s, the CPU time at each call of `get_weather`, the bytes of each request.

    Raises where it was not the one that was asked for: a fast wrong answer is no result. (What it fetched, the server
    knows: it answers no request that lacks a result.)
    """
    task.marks.clear()
    task.naps.clear()
    told: list[str] = []
    told_at: list[float] = []

    def tell(text: str) -> None:
        if not told:
            told_at.append(time.perf_counter())
        told.append(text)

    name = uuid.uuid4().hex
    asked = question(kind, count, name)
    gc.collect()
    cpu, wall = task.cpu_s(), time.perf_counter()
    text = ask(asked, tell)
    cpu, ended = task.cpu_s() - cpu, time.perf_counter()
    made = {"rounds": len(task.marks), "fetches": count, "calls": len(task.naps), "chunks": len(told)}[kind]
    if text != answer(kind, count) or "".join(told) != text or made != count:
        raise RuntimeError(f"{count} {kind} were asked for; made were {made}, and the answer is {text[:80]!r}")
    return {
        "cpu_s": cpu,
        "wall_s": ended - wall,
        "first_text_s": told_at[0] - wall,
        "marks": list(task.marks),
        "sent": _sent(base_url, name),
    }


def _sent(base_url: str, name: str) -> list[int]:
    with build_opener(ProxyHandler({})).open(f"{base_url}/sent/{name}", timeout=10) as told:
        return list(json.load(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
