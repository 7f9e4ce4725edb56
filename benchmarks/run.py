"""`python -m benchmarks.run`: each part in turn, as Markdown on stdout; with `--write` the page of the docs too.

Ratios are what counts: absolute times are those of one machine. Progress goes to stderr. A part that fails is noted,
and the others go on; each is in the file of `--json` as soon as it is measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import cases, commands, conversations, crowd, environments, report, screen, sessions, tool_search
from benchmarks.contenders import CONTENDERS
from benchmarks.peer import Peer
from benchmarks.record import Record, this_machine
from benchmarks.results import Table
from benchmarks.tool_search import Columns

PARTS = ("conversations", "crowd", "starts", "validate", "test", "screen", "sessions", "tool_search")
WITH_CONTENDERS = ("conversations", "crowd", "starts")
LIBRARIES = ("agentrun", "openai", "click", "pyyaml", "jsonschema", "rich", "sqlalchemy")  # of the commands

Measured = tuple[Sequence[Table | Columns], list[str]]  # and notes: what no number says


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.contender or options.json):
        parser.error("--write is of whole measurements, and has a file of its own")
    parts = options.part or (report.PARTS if options.write else PARTS)
    file = report.DATA if options.write else options.json
    record = Record(this_machine(), options.quick)
    if file and file.exists():
        kept = Record.read(file)
        if not kept.mixes(record):
            record = kept
        elif left := kept.parts.difference(parts):
            what = "of another machine, or another kind of run"
            parser.error(f"{file} has {', '.join(sorted(left))} {what}; measure all, or name another file")
    at_hand = [name for name in CONTENDERS if environments.at_home(name) or not options.quick]
    wanted = options.contender or at_hand
    names = environments.prepare(wanted)
    left_out = [f"{name}: its environment could not be made" for name in wanted if name not in names]
    record.versions |= {name: environments.versions_of(name) for name in names}
    record.versions["commands"] = {name: version(name) for name in LIBRARIES}
    failed = False
    for part in parts:
        tables, notes = _tried(part, names, options)
        if part in WITH_CONTENDERS:
            notes += left_out
        failed = failed or not (tables or part == "tool_search")  # whose data are not to be had everywhere
        record.replace(part, (row for table in tables for row in table.as_data()), notes, PARTS)
        print("\n\n".join([f"## {part}", *(table.as_markdown() for table in tables), *notes]), flush=True)
        if file:
            record.write(file)
    if options.write:
        report.write(record)
    return int(failed)


def _tried(part: str, names: Sequence[str], options: argparse.Namespace) -> Measured:
    """A part, or the note that says why there is none of it."""
    started = time.monotonic()
    _tell(f"measuring: {part}")
    try:
        measured = measure(part, names, quick=options.quick, data=options.data)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        _tell(f"no {part}: {error}")
        return [], [f"not measured: {error}"]
    _tell(f"measured: {part}, {time.monotonic() - started:.0f} s")
    return measured


def measure(part: str, names: Sequence[str], *, quick: bool, data: Path | None = None) -> Measured:
    """One part. `data` is what the tool search is measured on; without it pip fetches it, but for a quick run."""
    repeated = 1 if quick else 11
    match part:
        case "conversations":
            sizes = conversations.QUICK if quick else conversations.Sizes()
            with Peer("benchmarks.server", *sizes.plays()) as server:
                return conversations.measure(names, server.hear(), sizes)
        case "crowd":
            return crowd.measure(names, crowd.QUICK if quick else crowd.Sizes(), _tell)
        case "starts":
            with Peer("benchmarks.server", "rounds:1") as server:
                base_url = server.hear()
                answers = commands.first_answers(base_url, names, 1 if quick else 5)
                return [*commands.cold_starts(base_url, repeated), *answers], []
        case "validate":
            return commands.validations((10, 100) if quick else (10, 100, 250, 1000), 1 if quick else 5), []
        case "test":
            return cases.scripted_cases(100 if quick else 1000, 1 if quick else 5), []
        case "screen":
            return screen.streamed(screen.QUICK_CHARS if quick else screen.CHARS, 1 if quick else 3), []
        case "sessions":
            count, turns = (100, 5) if quick else (10_000, 100)
            return sessions.measure(count, turns, repeated), []
        case "tool_search" if data is not None or not quick:
            return tool_search.measure(data), []
    return [], ["left out of quick runs"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure agentrun beside its peers.")
    parser.add_argument("--quick", action="store_true", help="a smoke run: little work, once, no frameworks")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep all samples there; parts not measured stay in it"
    )
    parser.add_argument("--write", action="store_true", help="measure for docs/performance.md, and write it")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; repeatable")
    parser.add_argument("--data", type=Path, metavar="FILE.whl", help=f"for the tool search: {tool_search.PACKAGE}")
    parser.add_argument("--contender", action="append", choices=list(CONTENDERS), help="only this one; repeatable")
    return parser


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
