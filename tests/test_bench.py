"""The benchmark does the work that it says it measures. Its timings never fail a test."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # `benchmarks` is not installed

from benchmarks import server, task  # noqa: E402
from benchmarks.commands import PROJECT, write_files  # noqa: E402
from benchmarks.contenders import CONTENDERS  # noqa: E402
from benchmarks.conversations import growth  # noqa: E402
from benchmarks.results import Table, compared_with  # noqa: E402

import agentrun  # noqa: E402
from agentrun.engine.ports import RunInfo  # noqa: E402


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_quick_benchmark_gives_every_row_a_number(tmp_path):
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "benchmarks.run", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=True)
    rows = json.loads(out.read_text())["rows"]
    assert all(math.isfinite(number) and number > 0 for row in rows for number in (row["median"], *row["samples"]))
    measured = {row["measure"]: {one["row"] for one in rows if one["measure"] == row["measure"]} for row in rows}
    for measure in ("round_cpu", "round_wall", "growth", "chunk_cpu", "first_text", "calls_wall", "calls_ratio"):
        assert measured[measure] == set(CONTENDERS)
    assert len(measured["start_cpu"]) == 7
    assert len(measured["validate_100_cpu"]) == 2
    assert len(measured["sessions_cpu"]) == 5
    assert len(measured["sessions_lookup"]) == 8
    assert measured["keeping_cpu"] == {"kept", "not kept"}
    assert len(measured["screen_cpu"]) == 3
    assert all(f"| {row['row']} |" in done.stdout for row in rows)


def test_the_agent_of_the_benchmark_is_the_task_that_the_others_get():
    environ = {"BENCH_URL": "http://127.0.0.1:1/v1", "BENCH_KEY": task.API_KEY, "BENCH_MODEL": task.MODEL}
    agent = agentrun.load(PROJECT / "weather.yaml", environ=environ)
    assert [tool.chat_form() for tool in agent.tool_list.tools] == task.TOOLS
    assert agent.prompt({}, RunInfo("r", "2026-01-01", agent.name, "")) == task.SYSTEM_PROMPT


def test_the_files_to_validate_are_as_many_as_asked_for_and_without_findings(tmp_path):
    write_files(tmp_path, 10)
    assert len(list(tmp_path.rglob("*.yaml"))) == 10
    agent = agentrun.load(tmp_path / "agents" / "desk_9.yaml", environ={})
    assert list(agent.tools) == ["look_up_5", "look_up_6", "look_up_7", "look_up_8"]


def test_the_server_makes_each_call_another_one():
    first, second, last = server.turns("rounds", 2)
    assert b"call_000000000000000000000000" in first and b"call_000000000000000000000001" in second
    assert b"tool_calls" not in last


def test_a_ratio_is_of_samples_that_were_taken_together():
    table = Table("m", "M", "ms", compared_with(["a", "b"], "b"))
    for mine, its in ((2, 1), (20, 10), (300, 100)):  # the machine became slower, for both
        table.add("a", mine)
        table.add("b", its)
    assert table.ratios("a") == {"b": 2}
    assert table.ratios("b") == {}
    assert "| a | 20.0 | 2.00 – 300 | 2.00 × b |" in table.as_markdown()


def test_growth_compares_the_last_rounds_with_those_around_the_tenth():
    marks = [0.0]
    for number in range(1, 201):
        marks.append(marks[-1] + (1.0 if number <= 100 else 3.0))
    assert growth(marks) == 3
