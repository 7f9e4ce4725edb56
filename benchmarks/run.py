"""`python -m benchmarks.run`: every measure in turn, as Markdown on stdout.

Ratios are what counts: absolute times are those of one machine. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import cases, commands, conversations, screen, sessions, tool_search
from benchmarks.contenders import CONTENDERS
from benchmarks.peer import Peer
from benchmarks.results import Table
from benchmarks.tool_search import Columns

PARTS = ("conversations", "starts", "validate", "test", "screen", "sessions", "tool_search")
LIBRARIES = ("agentrun", "openai", "httpx2", "click", "pyyaml", "jsonschema", "rich", "sqlalchemy")


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    tables = measure(
        options.part or PARTS, options.contender or list(CONTENDERS), quick=options.quick, data=options.data
    )
    about = machine()
    print(as_markdown(about, tables))
    if options.json:
        data = {**about, "quick": options.quick, "rows": [row for table in tables for row in table.as_data()]}
        options.json.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def measure(
    parts: Sequence[str], contenders: Sequence[str], *, quick: bool, data: Path | None = None
) -> list[Table | Columns]:
    """`data` is what the tool search is measured on. Where it is not given pip fetches it, but for a quick run."""
    repeated = 1 if quick else 11
    sizes = conversations.QUICK if quick else conversations.Sizes()
    tables: list[Table | Columns] = []
    with Peer("benchmarks.server", *sizes.plays()) as server:
        base_url = server.hear()
        if "conversations" in parts:
            _tell("conversations")
            tables += conversations.measure(contenders, base_url, sizes)
        if "starts" in parts:
            _tell("cold starts")
            tables += commands.cold_starts(base_url, repeated)
    if "validate" in parts:
        _tell("validate")
        tables += commands.validations((10, 100) if quick else (10, 100, 250, 1000), 1 if quick else 5)
    if "test" in parts:
        _tell("test")
        tables += cases.scripted_cases(100 if quick else 1000, 1 if quick else 5)
    if "screen" in parts:
        _tell("screen")
        tables += screen.streamed(screen.QUICK_CHARS if quick else screen.CHARS, 1 if quick else 3)
    if "sessions" in parts:
        _tell("sessions")
        count, turns = (100, 5) if quick else (10_000, 100)
        tables += sessions.measure(count, turns, repeated)
    if "tool_search" in parts and (data is not None or not quick):
        _tell("tool search")
        try:
            tables += tool_search.measure(data)
        except subprocess.CalledProcessError:
            _tell("nothing of the tool search: its data can't be had; --data gives it")
    return tables


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {name: version(name) for name in LIBRARIES},
    }


def as_markdown(about: dict[str, Any], tables: list[Table | Columns]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    who = "\n".join(f"- {name}: {what}" for name, what in CONTENDERS.items())
    opening = f"Python {about['python']}, {about['system']}; {versions}.\n\n{who}"
    return "\n\n".join([opening, *(table.as_markdown() for table in tables)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure agentrun beside its peers.")
    parser.add_argument("--quick", action="store_true", help="a smoke run: small work, once; its numbers say little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; repeatable")
    parser.add_argument("--data", type=Path, metavar="FILE.whl", help=f"for the tool search: {tool_search.PACKAGE}")
    parser.add_argument("--contender", action="append", choices=list(CONTENDERS), help="only this one; repeatable")
    return parser


def _tell(part: str) -> None:
    print(f"measuring: {part}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
