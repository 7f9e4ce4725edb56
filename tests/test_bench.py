"""The benchmark does the work that it says it measures. Its timings never fail a test."""

import json
import math
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pydantic
import pytest

ROOT = Path(__file__).parent.parent
OPENER = build_opener(ProxyHandler({}))
sys.path.insert(0, str(ROOT))  # `benchmarks` is not installed

from benchmarks import environments, server, task  # noqa: E402
from benchmarks.commands import PROJECT, write_files  # noqa: E402
from benchmarks.contenders import CONTENDERS, TUNED, module_of  # noqa: E402
from benchmarks.conversations import growth, late_round_s  # noqa: E402
from benchmarks.peer import Peer, environment  # noqa: E402
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
    numbers = [(row["measure"], number) for row in rows for number in (row["median"], *row["samples"])]
    assert all(math.isfinite(number) for _, number in numbers)
    may_be_nothing = ("_failures", "_each")
    assert [measure for measure, number in numbers if number <= 0 and not measure.endswith(may_be_nothing)] == []
    measured = {row["measure"]: {one["row"] for one in rows if one["measure"] == row["measure"]} for row in rows}
    at_home = {name for name in CONTENDERS if environments.at_home(name)}
    assert at_home == {"raw", "sdk", *TUNED, "agentrun"}
    for measure in (
        *("round_cpu", "round_wall", "fetch_cpu", "fetch_wall", "late_round_cpu", "growth", "late_sent", "sent_growth"),
        *("chunk_cpu", "first_text", "calls_wall", "calls_ratio"),
    ):
        assert measured[measure] == at_home
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


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_each_contender_that_is_installed_makes_the_calls_that_it_is_asked_for(name):
    if not environments.is_ready(name):
        pytest.skip("its environment is made by `make bench`")
    python = environments.python_of(name)
    with Peer("benchmarks.server") as service, Peer("benchmarks.worker", name, service.hear(), python=python) as worker:
        assert json.loads(worker.hear()) == {"ready": name}
        fetched = json.loads(worker.ask('{"kind": "fetches", "count": 2}'))
        called = json.loads(worker.ask('{"kind": "rounds", "count": 3}'))
    assert len(fetched["sent"]) == 3 and fetched["marks"] == []
    assert len(called["sent"]) == 4 and len(called["marks"]) == 3
    versions = environments.versions_of(name)
    assert "python" in versions and ("openai" in versions) == (name != "raw")


def test_frameworks_that_read_signatures_get_the_same_tools():
    from benchmarks.contenders.typed_tools import typed_tools

    for tool, function in zip(task.TOOLS, typed_tools("http://127.0.0.1:1/v1"), strict=True):
        said = tool["function"]
        assert (function.__name__, function.__doc__) == (said["name"], said["description"])
        schema = pydantic.TypeAdapter(function).json_schema()
        for parameter in schema["properties"].values():
            del parameter["title"]
        assert schema == said["parameters"]


@pytest.mark.parametrize("module", ["benchmarks.worker", "benchmarks.server", module_of("raw")])
def test_what_runs_in_every_environment_needs_the_standard_library_alone(module):
    alone = [sys.executable, "-S", "-c", f"import {module}"]
    subprocess.run(alone, cwd=ROOT, env=environment(), check=True, timeout=30)


@pytest.mark.slow
def test_a_contender_that_can_not_be_installed_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setitem(environments.REQUIRED, "langgraph", (str(tmp_path / "none.whl"),))
    assert environments.prepare(["raw", "langgraph", "agentrun"]) == ["raw", "agentrun"]
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("installing langgraph: ")
    assert told[1].startswith("langgraph is left out: ERROR: ") and "none.whl" in told[1]


@pytest.mark.slow
def test_an_environment_is_made_anew_only_when_something_else_is_required_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    for version, told in (("1", "installing langgraph: "), ("1", ""), ("2", "installing langgraph: ")):
        wheel = _wheel(tmp_path, version)
        monkeypatch.setitem(environments.REQUIRED, "langgraph", (str(wheel),))
        assert environments.prepare(["langgraph"]) == ["langgraph"]
        assert capsys.readouterr().err == (f"{told}{wheel}\n" if told else "")
    run = [environments.python_of("langgraph"), "-c", "import part; print(part.__file__)"]
    file = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert file.startswith(str(tmp_path / "langgraph"))


def _wheel(folder: Path, version: str) -> Path:
    """The least that pip installs."""
    info = f"part-{version}.dist-info"
    wheel = folder / f"part-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("part.py", "")
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: part\nVersion: {version}\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return wheel


def test_the_server_makes_each_call_another_one():
    first, second, last = server.turns("rounds", 2)
    assert b"call_000000000000000000000000" in first and b"call_000000000000000000000001" in second
    assert b"tool_calls" not in last


def test_the_server_answers_no_conversation_that_lacks_a_result_and_says_what_was_sent():
    with Peer("benchmarks.server") as service:
        url = service.hear()
        asked = server.question("fetches", 1, "once")
        assert _post(url, asked) == 200
        assert _post(url, asked) == 409
        assert _post(url, f"{asked} light rain") == 200
        assert _post(url, f"{asked} light rain") == 409  # it has ended
        with OPENER.open(f"{url}/weather?city=Troms%C3%B8&days=2&unit=celsius", timeout=5) as response:
            assert json.load(response) == task.weather("Tromsø", 2, "celsius")
        with OPENER.open(f"{url}/sent/once", timeout=5) as response:
            assert json.load(response) == [len(asked), len(asked) + len(" light rain")]


def test_the_server_takes_the_time_that_it_is_told_to():
    with Peer("benchmarks.server", "--latency", "0.3") as service:
        url = service.hear()
        started = time.monotonic()
        assert _post(url, server.question("rounds", 1, "slowly")) == 200
        assert time.monotonic() - started >= 0.3


def _post(url: str, body: str) -> int:
    try:
        with OPENER.open(f"{url}/chat/completions", body.encode(), timeout=5) as response:
            return response.status
    except HTTPError as refused:
        return refused.code


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
    assert late_round_s(marks) == 3
