"""Cassettes that test files name are checked with these: by `validate`, and before cases are run."""

import json
import os

import pytest

from agentrun.cli import run_cli
from agentrun.taped import MAX_BYTES
from projects import write_project

AGENT = "description: Greets.\nmodel: gpt-x\n"
PLAYED = """
cassette: 1
conversations:
  - name: greets
    agent: desk
    date: "2026-03-10"
    exchanges:
      - user: Hello
      - {model: 1, messages: [user], reply: {content: Good morning.}}
"""
TEST = """
agent: desk
cassette: desk.cassette.yaml
cases:
  - {name: greets, args: {input: Hello}, expect: {answer: Good morning.}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes a project: a test file and its cassette."""

    def write(cassette=PLAYED, test=TEST):
        files = {"agents/desk.yaml": AGENT, "tests/desk.test.yaml": test}
        return write_project(tmp_path, files | ({} if cassette is None else {"tests/desk.cassette.yaml": cassette}))

    monkeypatch.chdir(tmp_path)
    return write


def found(capsys, *arguments):
    """Places, codes and helps of what `validate` finds."""
    run_cli(["validate", "--format", "json", *arguments])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return [(one["file"], one["line"], one["code"], one.get("help")) for one in findings]


def test_a_mistake_in_a_cassette_is_found_at_its_line_before_any_case_is_run(project, capsys):
    project(PLAYED.replace("exchanges:", "exchange:"))
    assert ("tests/desk.cassette.yaml", 6, "AR301", "did you mean `exchanges`?") in found(capsys)
    assert run_cli(["test"]) == 3
    told = capsys.readouterr()
    assert "tests/desk.cassette.yaml:6:5: error AR301" in told.out + told.err
    assert "exchange:" in told.out + told.err


def test_a_sound_cassette_is_found_to_be_so_and_is_played(project, capsys):
    project()
    assert found(capsys) == []
    assert run_cli(["test"]) == 0


def test_cases_that_a_cassette_does_not_have_are_found_unless_they_are_left_out_or_play_no_cassette(project, capsys):
    more = """
  - {name: great, args: {input: Hello}}
  - {name: asks, args: {input: Hello}}
  - {name: waits, args: {input: Hello}, skip: for later}
  - {name: plays a script, args: {input: Hello}, model: [{content: Hi}]}
  - {name: asks a model, args: {input: Hello}, live: true}
"""
    project(test=TEST.rstrip() + more)
    assert found(capsys) == [
        ("tests/desk.test.yaml", 5, "AR920", "did you mean `greets`?"),
        ("tests/desk.test.yaml", 6, "AR920", "it has `greets`; `agentrun test --cassettes record` records it"),
    ]


def test_a_conversation_without_a_name_is_played_by_any_case(project, capsys):
    project(PLAYED.replace("  - name: greets\n    agent", "  - agent"), TEST.replace("name: greets", "name: another"))
    assert found(capsys) == []
    assert run_cli(["test"]) == 0


def test_a_cassette_that_is_not_there_is_told_once(project, capsys):
    project(None)
    assert [code for _, _, code, _ in found(capsys)] == ["AR614"]


def test_a_very_large_cassette_is_not_read_before_its_cases_are_run(project, capsys):
    project("cassette: [\n" + "#" * MAX_BYTES)
    assert found(capsys) == []
    assert run_cli(["test"]) == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_folder_and_a_pipe_are_no_cassettes(project, capsys, tmp_path, make):
    project(None)
    make(tmp_path / "tests/desk.cassette.yaml")
    ((file, line, code, _),) = found(capsys)
    assert (file, line, code) == ("tests/desk.test.yaml", 2, "AR921")


def test_a_cassette_that_is_mended_is_read_again(project, capsys):
    project(PLAYED.replace("exchanges:", "exchange:"))
    assert found(capsys) != []
    project()
    assert found(capsys) == []


def test_a_run_of_an_agent_reads_no_cassette(project, capsys):
    project(PLAYED.replace("exchanges:", "exchange:"))
    assert run_cli(["run", "desk", "Hello", "--model", "offline"]) == 0
    capsys.readouterr()
    assert found(capsys, "agents") == []
