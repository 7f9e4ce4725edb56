"""The work of sessions: finding one among thousands, beside what a Python takes to start; and what keeping one costs.

The sessions are ten messages of sixty words each, in a file of SQLite. A common word is in a third of them; a letter
begins one word of 26.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from benchmarks.commands import AGENTRUN, cost_of
from benchmarks.peer import environment
from benchmarks.results import Compared, Table

PROJECTS = 20
_MESSAGES, _WORDS = 10, 60
_AT_ONCE = 1000
_COMMON, _RARE = "refund", "zebra"
_PASS, _SQLALCHEMY = "pass", "import sqlalchemy"
_LOOKUPS: dict[str, Callable[[Any], object]] = {
    "list": lambda store: store.sessions(limit=50),
    "list of a project": lambda store: store.sessions(root="/p1", limit=50),
    "count": lambda store: store.count(),
    "search, a rare word": lambda store: store.search(_RARE),
    "search, a common word": lambda store: store.search(_COMMON),
    "search, two words": lambda store: store.search(f"{_COMMON} m12"),
    "search, a letter": lambda store: store.search("s"),
    "search, no such word": lambda store: store.search("nowhere"),
}


def measure(count: int, turns: int, repeated: int) -> list[Table]:
    with tempfile.TemporaryDirectory() as folder:
        env = environment(XDG_STATE_HOME=folder)
        env.pop("AGENTRUN_DATABASE_URL", None)
        fill(env, count)
        return [*_commands(env, count, repeated), _lookups(env, count, repeated), *_keeping(turns, repeated)]


def _commands(env: dict[str, str], count: int, repeated: int) -> list[Table]:
    """As whole processes."""
    commands = {
        _PASS: [sys.executable, "-c", _PASS],
        _SQLALCHEMY: [sys.executable, "-c", _SQLALCHEMY],
        "sessions list": [AGENTRUN, "sessions", "list"],
        "sessions search, a rare word": [AGENTRUN, "sessions", "search", _RARE],
        "sessions search, a common word": [AGENTRUN, "sessions", "search", _COMMON],
    }
    compared: Compared = {name: [_PASS, _SQLALCHEMY] for name in commands if name.startswith("sessions")}
    cpu = Table("sessions_cpu", f"{count:,} sessions, CPU", "ms", compared)
    wall = Table("sessions_wall", f"{count:,} sessions, wall time", "ms", compared)
    for repetition in range(repeated + 1):
        for name, command in commands.items():
            cost = cost_of(command, env)
            if repetition:
                cpu.add(name, cost.cpu_s * 1000)
                wall.add(name, cost.wall_s * 1000)
    return [cpu, wall]


def _lookups(env: dict[str, str], count: int, repeated: int) -> Table:
    from agentrun.sessions.store import open_store

    table = Table("sessions_lookup", f"{count:,} sessions, in a process that runs", "ms")
    with closing(open_store(env)) as store:
        for repetition in range(repeated + 1):
            for name, look in _LOOKUPS.items():
                began = time.perf_counter()
                look(store)
                if repetition:
                    table.add(name, (time.perf_counter() - began) * 1000)
    return table


def _keeping(turns: int, repeated: int) -> list[Table]:
    """Two conversations from a pipe that differ in nothing else. Their starts are in it, shared among the turns."""
    kept, unkept = "kept", "not kept"
    compared: Compared = {kept: [unkept]}
    title = f"`chat`, a turn with a call, of {turns:,}"
    cpu = Table("keeping_cpu", f"{title}: CPU", "ms", compared)
    wall = Table("keeping_wall", f"{title}: wall time", "ms", compared)
    with tempfile.TemporaryDirectory() as folder:
        agent = Path(folder) / "agents" / "desk.yaml"
        agent.parent.mkdir()
        (Path(folder) / "orders.py").write_text(_TOOL)
        agent.write_text(_AGENT.format(script="".join(_TURN.format(number=number) for number in range(turns))))
        typed = "".join(f"Where is order {number}?\n" for number in range(turns))
        env = environment(XDG_STATE_HOME=folder)
        commands = {unkept: [AGENTRUN, "chat", str(agent), "--no-session"], kept: [AGENTRUN, "chat", str(agent)]}
        for repetition in range(repeated + 1):
            for name, command in commands.items():
                cost = cost_of(command, env, typed)
                if repetition:
                    cpu.add(name, cost.cpu_s * 1000 / turns)
                    wall.add(name, cost.wall_s * 1000 / turns)
    return [cpu, wall]


_AGENT = """\
model:
  api: scripted
  script:
{script}\
tools:
  - name: find_order
    description: Looks an order up.
    parameters: {{type: object, properties: {{order_id: {{type: string}}}}, required: [order_id]}}
    read_only: true
    python: orders:find_order
"""
_TOOL = """\
def find_order(order_id):
    return {"id": order_id, "status": "on its way", "arrives": "Tuesday"}
"""
_TURN = """\
    - tool_calls: [{{name: find_order, arguments: {{order_id: "{number}"}}}}]
    - content: Order {number} is on its way, and will be there on Tuesday.
"""


def fill(environ: dict[str, str], count: int) -> None:
    """By the shortest way: the rows that conversations would have left."""
    from sqlalchemy import insert

    from agentrun.sessions import tables
    from agentrun.sessions.address import address
    from agentrun.sessions.database import open_database

    database = open_database(address(environ))
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        with database.writing() as connection:
            connection.execute(insert(tables.sessions), [_session(number, count) for number in numbers])
            connection.execute(insert(tables.messages), [one for number in numbers for one in _messages(number, count)])
    database.close()


def _id(number: int) -> str:
    return f"{number * 7919:010x}"


def _session(number: int, count: int) -> dict[str, Any]:
    from agentrun.sessions.rows import columns_of
    from agentrun.sessions.session import Session

    changed = time.time() - 60.0 * (count - number)
    return columns_of(
        Session(
            id=_id(number),
            agent=f"agent{number % 5}",
            path="/p/agents/a.yaml",
            root=f"/p{number % PROJECTS}",
            speaker="a",
            title=f"Where is order {number}?",
            created=changed,
            changed=changed,
            turns=_MESSAGES // 2,
        )
    )


def _word(number: int) -> str:
    return f"{ascii_lowercase[number % 26]}{number % 3000}"


def _messages(number: int, count: int) -> list[dict[str, Any]]:
    from agentrun.sessions.rows import message_columns

    found = []
    for position in range(_MESSAGES):
        words = [_word(number * 31 + position * 17 + step * (position + 3)) for step in range(_WORDS)]
        if number % 3 == 0:
            words[0] = _COMMON
        if number == count // 2:
            words[1] = _RARE
        data = json.dumps({"role": "assistant" if position % 2 else "user", "content": " ".join(words)})
        found.append({"session": _id(number), "position": position, **message_columns(data)})
    return found
