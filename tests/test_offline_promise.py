"""Checking opens no socket, runs no command, imports no module of the project and writes nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentrun.cli.formats import FORMATS
from golden_specs import ENVIRON, SPECS, cases
from projects import write_project

ROOT = Path(__file__).parent.parent
MODULE = """
    import os, socket, subprocess
    open("was_imported", "w").close()
    subprocess.run(["true"])
    socket.create_connection(("127.0.0.1", 9))

    def note(text: str) -> str:
        return text
"""
LIVELY = {
    "notes.py": MODULE,
    "lib/__init__.py": MODULE,
    "lib/deep.py": MODULE,
    "agents/prompt.md": "You are the desk. Today is {{ run.date }}.\n",
    "agents/desk.yaml": """
        description: Answers questions about orders.
        model: {name: gpt-4.1-mini, base_url: "http://127.0.0.1:9/v1", api_key: "${KEY:-none-needed}"}
        system_prompt: {file: prompt.md}
        tools: [note, deep, gone, run, look_up, "files_*", "shop_*"]
    """,
    "tools.d/note.yaml": """
        description: Notes a text.
        parameters: {type: object, properties: {text: {type: string}}, required: [text]}
        python: notes:note
    """,
    "tools.d/deep.yaml": """
        description: Notes a text elsewhere.
        parameters: {type: object, properties: {text: {type: string}}, required: [text]}
        python: lib.deep:note
    """,
    "tools.d/gone.yaml": """
        description: Notes a text nowhere.
        parameters: {type: object, properties: {text: {type: string}}, required: [text]}
        python: nowhere.at_all:note
    """,
    "tools.d/run.yaml": """
        description: Creates a file.
        shell: {command: [touch, was_run]}
    """,
    "tools.d/look_up.yaml": """
        description: Looks up a thing.
        http: {url: "http://127.0.0.1:9/things"}
    """,
    "tools.d/files.yaml": """
        description: Files of a server.
        mcp: {command: [touch, was_run]}
    """,
    "tools.d/shop.yaml": """
        description: The shop's API.
        openapi: {spec: "http://127.0.0.1:9/openapi.json", base_url: "http://127.0.0.1:9"}
    """,
    "tests/desk.test.yaml": """
        agent: desk
        cases:
        - {name: it greets, input: Hi, model: {api: scripted, script: [{text: Hello}]}}
    """,
}


def seen(jobs):
    """What happened while command lines ran, each in its folder."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "audited.py"],
        input=json.dumps([[str(folder), arguments] for folder, arguments in jobs]),
        env={**ENVIRON, "PYTHONPATH": str(ROOT / "runtime")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def lively(tmp_path):
    return write_project(tmp_path, LIVELY)


def test_no_command_that_checks_does_anything_but_read(lively):
    commands = [["validate", "--format", name] for name in FORMATS]
    commands += [["validate", *more] for more in (["--preset", "strict"], ["--fix", "--diff"], ["agents/desk.yaml"])]
    commands += [
        ["validate", "--fix", "--unsafe-fixes", "--diff"],
        ["fmt", "--check"],
        ["explain", "AR802"],
        ["explain"],
    ]
    before = sorted(lively.rglob("*"))
    assert seen([(lively, one) for one in commands]) == []
    assert sorted(lively.rglob("*")) == before


def test_the_hook_sees_what_it_should(lively):
    ran = seen([(lively, ["tools", "call", "note", "--args", '{"text": "a"}'])])
    assert {"open", "exec", "subprocess.Popen"} <= {one[2] for one in ran}


def test_online_asks_the_model_service_and_nobody_else(lively):
    told = [
        one
        for one in seen([(lively, ["validate", "--online"])])
        if one[2] in ("socket.connect", "subprocess.Popen", "exec")
    ]
    assert told
    assert all(one[2] == "socket.connect" and "('127.0.0.1', 9)" in one[3] for one in told), told


def test_no_file_of_these_tests_makes_it_do_more(tmp_path):
    jobs = []
    for number, case in enumerate([*cases("bad"), *cases("ok")]):
        root = tmp_path / str(number)
        shutil.copytree(case if case.is_dir() else SPECS / "ground", root)
        if not case.is_dir():
            (root / case.parent.name).mkdir(exist_ok=True)
            shutil.copy(case, root / case.parent.name)
        jobs.append((root, ["validate", "--format", "concise"]))
    assert [one for one in seen(jobs) if one[2] != "exit"] == []


def test_the_files_that_come_with_agentrun_are_only_read(tmp_path):
    for folder in ("agents", "tools.d", "benchmarks/project"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert seen([(folder, ["validate"]) for folder in (tmp_path, tmp_path / "benchmarks" / "project")]) == []
