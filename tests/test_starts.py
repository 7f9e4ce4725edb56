"""What a start loads, and how little it looks for garbage. How long it takes, `benchmarks/` measures."""

import json
import os
import subprocess
import sys

import pytest

from projects import ADD, scripted_agent, write_project
from servers import ModelServer, sse

# Prints at the very end which modules were loaded, of packages beside the standard library and of agentrun, how often
# garbage was searched for since the command began, and how much is left out of the last search.
TOLD_AT_THE_END = """
import atexit, gc, json, sys

def searches():
    return sum(one["collections"] for one in gc.get_stats())

def tell():
    new = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name not in there}
    own = [name.removeprefix("agentrun.") for name in new if name.startswith("agentrun.")]
    packages = {name.partition(".")[0] for name, file in new.items() if "site-packages" in file}
    told = {"packages": sorted(packages), "own": own, "all": list(new)}
    print("TOLD", json.dumps({**told, "searches": searches() - before, "frozen": gc.get_freeze_count()}))

there = set(sys.modules)
atexit.register(tell)
from agentrun.cli import main
before = searches()
main()
"""
SMALL = {"agents/desk.yaml": scripted_agent(["{content: Hello}"], tools="[add]"), **ADD}


@pytest.fixture
def folder(tmp_path):
    return write_project(tmp_path, SMALL)


def start(folder, *arguments, **variables):
    """What the process of a command line tells of itself."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD_AT_THE_END, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout.rpartition("TOLD ")[2])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_needs_nothing_but_click(folder, option):
    told = start(folder, option)
    assert told["packages"] == ["click"]
    assert set(told["own"]) == {"cli", "errors"}


@pytest.mark.parametrize("command", ["run", "chat"])
def test_the_help_of_a_command_that_runs_agents_needs_nothing_that_runs_them(folder, command):
    told = start(folder, command, "--help")
    assert set(told["packages"]) <= {"click", "msgspec", "typing_extensions"}
    assert "asyncio" not in told["all"]
    assert not [name for name in told["own"] if name.startswith(("engine", "spec", "models", "tools", "observers"))]


def test_completion_needs_nothing_that_runs_agents(folder):
    words = {"COMP_WORDS": "agentrun run ", "COMP_CWORD": "2", "_AGENTRUN_COMPLETE": "bash_complete"}
    told = start(folder, "-c", **words)
    assert set(told["packages"]) <= {"click", "msgspec", "typing_extensions"}
    assert "asyncio" not in told["all"]


def test_to_find_nothing_wrong_needs_the_parser_and_the_schemas_of_tools(folder):
    told = start(folder, "validate")
    assert set(told["packages"]) <= {"click", "jsonschema_rs", "msgspec", "typing_extensions", "yaml"}
    assert "asyncio" not in told["all"]


RUNS = {"click", "jinja2", "jsonschema_rs", "markupsafe", "msgspec", "typing_extensions", "yaml"}


def test_a_run_without_a_service_needs_no_client_no_store_and_no_terminal_library(folder):
    told = start(folder, "run", "desk", "Hi")
    assert set(told["packages"]) <= RUNS
    assert not [name for name in told["own"] if name.startswith(("cassettes", "sessions", "testing"))]


def test_a_run_with_a_model_service_needs_the_client_of_its_api_and_what_that_brings(tmp_path):
    with ModelServer([sse("Hello")]) as server:
        model = f"model: {{name: m, base_url: '{server.base_url}', api_key: key-of-nobody}}"
        folder = write_project(tmp_path, {"agents/desk.yaml": model})
        told = start(folder, "run", "desk", "Hi")
    assert "openai" in told["packages"]
    assert {"anthropic", "jsonschema", "mcp", "prompt_toolkit", "rich", "sqlalchemy"}.isdisjoint(told["packages"])
    assert [name for name in told["own"] if name.startswith(("models.anthropic", "models.openai_responses"))] == []
    assert told["searches"] == 0


def test_what_a_start_makes_is_not_searched_for_garbage_and_not_at_the_exit_either(folder):
    told = start(folder, "run", "desk", "Hi")
    assert told["searches"] == 0
    assert told["frozen"] > 1000
