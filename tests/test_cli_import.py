"""`agentrun import` as a person meets it: what is written, what is told, how it exits; and that what it wrote runs."""

import json
import subprocess
import sys

import pytest

from agentrun.cli import run_cli
from foreign_samples import AGENT_SPEC, CAGENT
from loopback_http import Loopback, reply

SMALL = "agents: {root: {model: openai/gpt-4o, instruction: Help., description: Helps.}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MODEL_RUNNER_URL", "OPENAI_API_KEY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_files_are_written_and_exit_is_zero_where_all_was_expressed(here, capsys):
    (here / "team.yaml").write_text(SMALL)
    assert run_cli(["import", "team.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out == "agents/root.yaml is written\nnext: agentrun validate && agentrun chat root\n"
    assert err == ""
    assert (here / "agents/root.yaml").read_text() == (
        "# From team.yaml.\ndescription: Helps.\nmodel: gpt-4o\nsystem_prompt: Help.\n"
    )
    assert run_cli(["validate"]) == 0


def test_what_is_left_is_told_with_file_and_line_and_the_exit_is_one(here, capsys):
    (here / "team.yaml").write_text(CAGENT)
    assert run_cli(["import", "team.yaml", "--output", "made"]) == 1
    out, err = capsys.readouterr()
    assert "made/tools.d/tracker.yaml is written\n" in out
    assert "to be set:\n  EXAMPLE_API_KEY: the value of the header X-Api-Key for example\n" in out
    assert err.splitlines()[0] == "warning: 21 things could not be expressed:"
    assert "team.yaml:12: agent root: sub-agent `catalog/pirate`: an agent of elsewhere" in err
    assert "team.yaml:25: agent root: toolset `think`: agentrun has none; models that reason do without it\n" in err


def test_a_file_that_is_there_is_not_written_over(here, capsys):
    (here / "team.yaml").write_text(CAGENT)
    (here / "tools.d").mkdir()
    (here / "tools.d/tracker.yaml").write_text("mine\n")
    assert run_cli(["import", "team.yaml"]) == 2
    assert "the current folder already holds tools.d/tracker.yaml" in capsys.readouterr().err
    assert not (here / "agents").exists()
    assert run_cli(["import", "team.yaml", "--force"]) == 1
    assert (here / "tools.d/tracker.yaml").read_text() != "mine\n"


def test_stdout_gets_the_yaml_alone_and_no_file_is_written(here, capsys):
    (here / "spec.yaml").write_text(AGENT_SPEC)
    assert run_cli(["import", "spec.yaml", "--stdout"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("# agents/Order_desk.yaml\n# From spec.yaml.\ndescription: Answers about orders.\n")
    assert "\n---\n# tools.d/find_order.yaml\n" in out
    assert "written" not in out
    assert "to be set:" in err
    assert [one.name for one in here.iterdir()] == ["spec.yaml"]


def test_standard_input_is_read(here):
    command = [sys.executable, "-m", "agentrun", "import", "-", "--stdout"]
    done = subprocess.run(command, input=SMALL, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "# agents/root.yaml")


@pytest.mark.parametrize(
    ("text", "arguments", "code", "told"),
    [
        ("services: {}\n", [], 2, "is not a Docker cagent file or an Oracle Agent Spec file"),
        (SMALL, ["--from", "agent-spec"], 2, "it looks like a Docker cagent file"),
        ("", [], 2, "is empty"),
        (f"{SMALL}---\n{SMALL}", [], 2, "holds 2 YAML documents"),
        ("agents: {a: [}\n", [], 3, "team.yaml:1:"),
        ("agents: {}\n", [], 2, "has no agent that can be expressed"),
        ('{"agents": {"a": 1, "a": 2}}', [], 3, "the key `a` stands twice"),
    ],
)
def test_a_file_that_is_none_is_told(here, capsys, text, arguments, code, told):
    (here / "team.yaml").write_text(text)
    assert run_cli(["import", "team.yaml", *arguments]) == code
    assert told in capsys.readouterr().err
    assert [one.name for one in here.iterdir()] == ["team.yaml"]


def test_a_file_that_is_not_there_and_one_in_hcl_are_told(here, capsys):
    assert run_cli(["import", "nowhere.yaml"]) == 2
    assert "`nowhere.yaml` can't be read: no such file or directory" in capsys.readouterr().err
    (here / "team.hcl").write_text("agent {}\n")
    assert run_cli(["import", "team.hcl"]) == 2
    assert "is HCL" in capsys.readouterr().err


def test_control_characters_of_a_file_do_not_reach_the_terminal(here, capsys):
    text = 'agents: {"a\\e[31m": {model: openai/x, instruction: A., "k\\e[0m": 1}}\n'
    (here / "team.yaml").write_text(text)
    assert run_cli(["import", "team.yaml"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err.removeprefix("\x1b")


# -- what was written runs ----------------------------------------------------------------------------------


def test_a_script_that_was_imported_runs_with_its_arguments(here, capsys):
    script = 'cmd: "echo got $what and [$more]"\n            required: [what]\n            args: {what: {}, more: {}}\n'
    toolset = f"    toolsets:\n      - type: script\n        shell:\n          say:\n            {script}"
    (here / "team.yaml").write_text(f"agents:\n  root:\n    model: openai/x\n    instruction: A.\n{toolset}")
    assert run_cli(["import", "team.yaml"]) == 0
    capsys.readouterr()
    assert run_cli(["tools", "call", "say", "--args", '{"what": "a b"}', "--approve", "say"]) == 0
    assert "got a b and []" in capsys.readouterr().out


def test_an_api_call_that_was_imported_sends_what_it_said(here, capsys, monkeypatch):
    monkeypatch.setenv("TASKS_KEY", "t0psecret-key")
    with Loopback(reply(body='{"ok": true}', content_type="application/json")) as server:
        config = {
            "name": "create",
            "method": "POST",
            "endpoint": f"{server.url}/lists/${{list}}/tasks?kind=${{kind}}&v=1",
            "args": {"list": {"type": "string"}, "kind": {"type": "string"}},
            "headers": {"Authorization": "Bearer ${env.TASKS_KEY}"},
        }
        team = {"agents": {"root": {"model": "openai/x", "toolsets": [{"type": "api", "api_config": config}]}}}
        (here / "team.json").write_text(json.dumps(team))
        assert run_cli(["import", "team.json"]) == 0
        arguments = '{"list": "a/b", "kind": "x y"}'
        assert run_cli(["tools", "call", "create", "--args", arguments, "--approve", "create"]) == 0
        (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/lists/a%2Fb/tasks?kind=x%20y&v=1")
    assert request.header("Authorization") == "Bearer t0psecret-key"
    assert json.loads(request.body) == {"list": "a/b", "kind": "x y"}


def test_a_remote_tool_that_was_imported_sends_what_it_said(here, capsys, monkeypatch):
    with Loopback(reply(body="fine")) as server:
        tool = {
            "component_type": "RemoteTool",
            "id": "t",
            "name": "note",
            "description": "Notes.",
            "url": f"{server.url}/orders/{{{{id}}}}",
            "http_method": "PUT",
            "data": {"text": "{{text}}", "nested": [{"same": "say {{ text }}!"}], "brace": "{{"},
            "query_params": {"who": "{{who}}"},
            "sensitive_headers": {"X-Key": "abcdef1234567890"},
        }
        model = {"component_type": "OpenAiConfig", "id": "m", "name": "m", "model_id": "x"}
        agent = {"component_type": "Agent", "id": "a", "name": "a", "llm_config": model, "system_prompt": "A."}
        (here / "spec.json").write_text(json.dumps(agent | {"tools": [tool]}))
        assert run_cli(["import", "spec.json"]) == 0
        (variable,) = [word for word in (here / "tools.d/note.yaml").read_text().split('"') if word.startswith("${")]
        monkeypatch.setenv(variable.strip("${}"), "s3cret-value")
        arguments = '{"id": "1/2", "text": "hi", "who": "me"}'
        assert run_cli(["tools", "call", "note", "--args", arguments, "--approve", "note"]) == 0
        (request,) = server.requests
    assert (request.method, request.target) == ("PUT", "/orders/1%2F2?who=me")
    assert request.header("X-Key") == "s3cret-value"
    assert json.loads(request.body) == {"text": "hi", "nested": [{"same": "say hi!"}], "brace": "{{"}


def test_help_starts_without_the_importers():
    check = "import sys; from agentrun.cli import run_cli; run_cli(['import', '--help']); "
    check += "sys.exit(any(one.startswith('agentrun.foreign.cagent') or one == 'mcp' for one in sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "agentrun import cagent.yaml" in done.stdout
