"""The work of whole commands: cold starts beside plain imports, and `validate` beside PyYAML with jsonschema.

Also a process of each contender for one question, in its own environment.

Each command is a process; its CPU is what the kernel says of it when it ends. The first run of each is not counted:
it fills the caches of compiled modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import module_of
from benchmarks.environments import python_of
from benchmarks.peer import ROOT, environment
from benchmarks.results import Compared, Table
from benchmarks.server import question
from benchmarks.task import API_KEY, MODEL

PROJECT = ROOT / "benchmarks" / "project" / "agents"
AGENTRUN = str(Path(sys.executable).with_name("agentrun"))  # the script that a user starts
PLAIN = "PyYAML + jsonschema"
TOOLS_AN_AGENT = 4

_CLICK, _CHECKS, _SDK = "import click", "import click, yaml, jsonschema", "import openai"


class Cost(NamedTuple):
    cpu_s: float
    wall_s: float


def cost_of(command: Sequence[str], env: Mapping[str, str], typed: str = "") -> Cost:
    """Runs a command that reads what was typed. Raises where it fails: a fast failure is no result."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as stdin:
        stdin.write(typed.encode())
        stdin.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=told, stderr=told, cwd=ROOT, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}): {told.read().decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s)


def cold_starts(base_url: str, repeated: int) -> list[Table]:
    env = environment(BENCH_URL=base_url, BENCH_KEY=API_KEY, BENCH_MODEL=MODEL, PYTHONPATH=str(ROOT))  # for the tool
    compared = {
        "agentrun --help": [_CLICK],
        "agentrun validate": [_CHECKS],
        "agentrun run, scripted": [_SDK],
        "agentrun run, model server": [_SDK],
    }
    cpu = Table("start_cpu", "Cold start, CPU", "ms", compared)
    wall = Table("start_wall", "Cold start, wall time", "ms", compared)
    for repetition in range(repeated + 1):
        commands = {
            **{line: [sys.executable, "-c", line] for line in (_CLICK, _CHECKS, _SDK)},
            "agentrun --help": [AGENTRUN, "--help"],
            "agentrun validate": [AGENTRUN, "validate", str(PROJECT / "weather.yaml")],
            "agentrun run, scripted": [AGENTRUN, "run", str(PROJECT / "scripted.yaml"), "Hi"],
            "agentrun run, model server": [
                AGENTRUN, "run", str(PROJECT / "weather.yaml"), question("rounds", 1, uuid.uuid4().hex),
            ],
        }  # fmt: skip
        _take_turns(commands, env, cpu, wall, counts=repetition > 0)
    return [cpu, wall]


def first_answers(base_url: str, contenders: Sequence[str], repeated: int) -> list[Table]:
    """A process that has one conversation with one call, from its start to its end: most of it are imports."""
    cpu = Table("first_answer_cpu", "A process for one question with one call, CPU", "ms")
    wall = Table("first_answer_wall", "A process for one question with one call, wall time", "ms")
    for repetition in range(repeated + 1):
        commands = {name: [python_of(name), "-c", _program(name, base_url)] for name in contenders}
        _take_turns(commands, environment(), cpu, wall, counts=repetition > 0)
    return [cpu, wall]


def _program(contender: str, base_url: str) -> str:
    asked = question("rounds", 1, uuid.uuid4().hex)
    return f"from {module_of(contender)} import open_contender; open_contender({base_url!r})({asked!r}, print)"


def validations(file_counts: Sequence[int], repeated: int) -> list[Table]:
    tables: list[Table] = []
    plain_check = [sys.executable, "-m", "benchmarks.plain_check"]
    for count in file_counts:
        compared: Compared = {"agentrun validate": [PLAIN]}
        cpu = Table(f"validate_{count}_cpu", f"`validate` on {count:,} files, CPU", "ms", compared)
        wall = Table(f"validate_{count}_wall", f"`validate` on {count:,} files, wall time", "ms", compared)
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), count)
            commands = {PLAIN: [*plain_check, folder], "agentrun validate": [AGENTRUN, "validate", folder]}
            for repetition in range(repeated + 1):
                _take_turns(commands, environment(), cpu, wall, counts=repetition > 0)
        tables += [cpu, wall]
    return tables


def _take_turns(
    commands: Mapping[str, Sequence[str]], env: Mapping[str, str], cpu: Table, wall: Table, *, counts: bool
) -> None:
    for name, command in commands.items():
        cost = cost_of(command, env)
        if counts:
            cpu.add(name, cost.cpu_s * 1000)
            wall.add(name, cost.wall_s * 1000)


def write_files(folder: Path, count: int) -> None:
    """Small files of a project: of five, one is an agent with four tools, and the others are those tools."""
    for kind in ("agents", "tools.d"):
        (folder / kind).mkdir()
    tools: list[str] = []
    for number in range(count):
        if number % (TOOLS_AN_AGENT + 1) < TOOLS_AN_AGENT:
            tools.append(f"look_up_{number}")
            (folder / "tools.d" / f"{tools[-1]}.yaml").write_text(_TOOL.format(number=number))
        else:
            used = ", ".join(tools[-TOOLS_AN_AGENT:])
            (folder / "agents" / f"desk_{number}.yaml").write_text(_AGENT.format(number=number, tools=used))


_TOOL = """\
description: Looks up a record of register {number}.
parameters:
  type: object
  properties:
    record_id: {{type: string, pattern: "^[0-9]+$", description: The record's number}}
    fields: {{type: array, items: {{type: string}}, description: What to show of it}}
  required: [record_id]
http:
  url: https://records.example.com/{number}/{{record_id}}
  query: {{fields: "{{{{ args.fields }}}}"}}
"""
_AGENT = """\
description: Desk {number}.
model: gpt-4.1-mini
system_prompt: |
  You are the desk of register {number}. Today is {{{{ run.date }}}}.
  Look a record up before you speak about it.
tools: [{tools}]
limits: {{max_turns: 10, timeout: 60}}
"""
