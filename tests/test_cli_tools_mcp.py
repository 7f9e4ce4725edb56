"""`agentrun tools` with the tools of an MCP server that runs as a process: listed, shown, called, imported."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentrun.cli import run_cli
from agentrun.layout import lay_out
from agentrun.spec.yaml_nodes import read_text
from mcp_calls import http_workshop
from projects import write_project

SERVER = [sys.executable, str(Path(__file__).parent / "mcp_notes.py")]
KEY = "k3y-9f8e7d6c5b4a"


def tool(*more, **keys):
    return json.dumps({"description": "Notes.", "mcp": {"command": [*SERVER, *more], **keys}})


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    files = {
        "tools.d/notes.yaml": tool(str(tmp_path / "pid"), env={"NOTES_KEY": "${NOTES_KEY}"}, bind={"limit": 7}),
        "tools.d/now.yaml": "description: Tells the time.\nshell: {command: [date]}\n",
        "agents/desk.yaml": "model: {api: offline}\ntools: [notes_se*, now]\npermissions: [{allow: notes_*}]\n",
    }
    monkeypatch.chdir(write_project(tmp_path, files))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NOTES_KEY", KEY)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


def agentrun(capsys, *arguments):
    code = run_cli(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def listed(out):
    return [re.split("  +", line)[:4] for line in out.splitlines()[1:]]


def wait_until_ended(project):
    """Until the server that wrote its process id is gone."""
    pid = int((project / "pid").read_text())
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- list -----------------------------------------------------------------------------------------------------


def test_a_server_is_one_row_and_is_not_started(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "list")
    assert code == 0
    assert listed(out) == [
        ["notes", "mcp mcp_notes.py", "each its own", "auto"],
        ["now", "command date", "changes", "auto"],
    ]
    assert "--connect lists them" in out
    assert not (project / "pid").exists()


def test_connect_lists_the_tools_of_servers_and_ends_them(project, capsys):
    code, out, err = agentrun(capsys, "tools", "list", "--connect")
    assert (code, err) == (0, "")
    assert [row[0] for row in listed(out)] == ["notes_search", "notes_add", "notes_drop_all", "notes_greet", "now"]
    assert [row[2] for row in listed(out)][:2] == ["read-only, untrusted", "changes, untrusted"]
    assert "\x1b" not in out
    wait_until_ended(project)


def test_connect_tells_which_server_failed_and_lists_the_others(project, capsys):
    write_project(project, {"tools.d/gone.yaml": 'mcp: {command: ["./no-such-server"]}\n'})
    code, out, err = agentrun(capsys, "tools", "list", "--connect", "--format", "json")
    assert code == 1
    assert "gone: " in err
    names = [one["name"] for one in json.loads(out)["tools"]]
    assert names == ["gone", "notes_search", "notes_add", "notes_drop_all", "notes_greet", "now"]


def test_a_variable_that_a_server_misses_is_told_of_its_set(project, capsys, monkeypatch):
    monkeypatch.delenv("NOTES_KEY")
    code, out, err = agentrun(capsys, "tools", "list", "--connect")
    assert code == 1
    assert "error: notes: the environment variable NOTES_KEY is not set" in err
    assert [row[0] for row in listed(out)] == ["notes", "now"]


def test_connect_lists_of_a_server_what_an_agent_takes(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "list", "--agent", "desk", "--connect")
    assert code == 0
    assert [(row[0], row[3]) for row in listed(out)] == [("notes_search", "allow (rule 1)"), ("now", "auto")]


# -- show and call --------------------------------------------------------------------------------------------


def test_show_asks_the_server_for_the_function(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "show", "notes_search", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert told["function"]["function"]["name"] == "notes_search"
    assert list(told["function"]["function"]["parameters"]["properties"]) == ["query"]
    assert told["tool"]["read_only"] is True
    assert (told["tool"]["backend"]["set"], told["tool"]["backend"]["tool"]) == ("notes", "search")
    out = agentrun(capsys, "tools", "show", "notes_search")[1]
    assert "\nmcp           search of the server notes\n" in out
    wait_until_ended(project)


def test_an_unknown_tool_of_a_server_is_bad_usage_with_a_suggestion(project, capsys):
    for command in ("show", "call"):
        code, _, err = agentrun(capsys, "tools", command, "notes_serch")
        assert code == 2
        assert "the set `notes` has no tool `notes_serch`" in err
        assert "did you mean `notes_search`?" in err
    assert agentrun(capsys, "tools", "call", "notes")[0] == 2


def test_a_tool_of_a_server_is_called_with_typed_arguments_and_the_bound_ones(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "call", "notes_search", "--arg", "query=12")
    assert code == 0
    assert "7 notes about 12, with [secret]" in out
    assert KEY not in out
    wait_until_ended(project)


def test_a_tool_of_a_server_that_fails_exits_with_1(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "call", "notes_drop_all")
    assert code == 1
    assert json.loads(out)["error"]["type"] == "tool_error"
    code, out, _ = agentrun(capsys, "tools", "call", "notes_search")
    assert code == 1
    assert json.loads(out)["error"]["type"] == "invalid_arguments"


def test_who_calls_a_tool_by_hand_is_asked_nothing_though_it_has_changed_since_an_agent_called_it(project, capsys):
    agent = {
        "model": {"api": "scripted", "script": [{"tool_calls": [{"name": "notes_add", "arguments": {"text": "x"}}]}]}
    }
    agent |= {"tools": ["notes_add"], "permissions": [{"allow": "notes_add"}]}
    (project / "agents" / "adder.yaml").write_text(json.dumps(agent))
    assert "added x" in agentrun(capsys, "run", "adder", "hi")[2]
    for kept in (project / "state" / "agentrun" / "approved").iterdir():
        kept.write_text("another")
    assert agentrun(capsys, "tools", "call", "notes_add", "--arg", "text=y")[:2] == (0, "added y\n")
    assert "notes_add → denied" in agentrun(capsys, "run", "adder", "hi")[2]


def test_what_a_server_asks_is_answered_by_nobody_where_there_is_no_terminal(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "call", "notes_greet")
    assert code == 0
    assert "hello nobody" in out


# -- import ---------------------------------------------------------------------------------------------------


def data(path):
    (document,) = read_text(str(path), path.read_text()).documents
    return document.data()


def test_a_command_line_becomes_a_set_that_names_the_tools_of_its_server(project, capsys):
    command = [*SERVER, str(project / "other-pid"), "--token", KEY]
    code, out, err = agentrun(capsys, "tools", "import", "mcp", "--name", "memo", "--", *command)
    assert (code, err) == (0, "")
    file = project / "tools.d/memo.yaml"
    assert data(file)["mcp"]["allowed_tools"] == ["search", "add", "drop.all", "greet"]
    assert data(file)["mcp"]["command"][-2:] == ["--token", "${MEMO_TOKEN}"]
    text = file.read_text()
    assert "- search  # reads: Finds notes. A second paragraph.\n" in text
    assert "- add  # changes things: Adds a note.\n" in text
    assert "may destroy: Removes ␛[2J all notes.\n" in text
    assert lay_out("tool", str(file), file.read_bytes()).content == file.read_bytes()
    assert KEY not in text + out
    assert "  MEMO_TOKEN: the option --token" in out


def test_a_server_that_does_not_start_is_not_written(project, capsys):
    code, _, err = agentrun(capsys, "tools", "import", "mcp", "--", "./no-such-server")
    assert code == 1
    assert "no-such-server" in err
    assert sorted(one.name for one in (project / "tools.d").iterdir()) == ["notes.yaml", "now.yaml"]


def test_the_servers_of_a_file_are_asked_only_where_that_is_wanted(project, capsys):
    entry = {"command": SERVER[0], "args": [*SERVER[1:], str(project / "other-pid")]}
    (project / "mcp.json").write_text(json.dumps({"mcpServers": {"memo": entry}}))
    assert agentrun(capsys, "tools", "import", "mcp", "mcp.json")[0] == 0
    assert not (project / "other-pid").exists()
    assert "allowed_tools" not in data(project / "tools.d/memo.yaml")["mcp"]
    assert agentrun(capsys, "tools", "import", "mcp", "mcp.json", "--connect", "--force")[0] == 0
    assert (project / "other-pid").exists()
    assert data(project / "tools.d/memo.yaml")["mcp"]["allowed_tools"][0] == "search"


def test_verbose_shows_what_goes_to_a_server_at_an_address_with_secrets_hidden(project, capsys):
    with http_workshop("--json") as launch:
        mcp = {"server_url": launch.url, "headers": {"X-Key": "${NOTES_KEY}"}}
        (project / "tools.d/far.yaml").write_text(json.dumps({"description": "Far.", "mcp": mcp}))
        code, out, err = agentrun(capsys, "tools", "call", "far_echo", "--arg", f"text={KEY}", "--verbose")
    assert (code, out) == (0, "[secret]\n")
    assert f"→ POST {launch.url} (Host, User-Agent, Accept-Encoding, " in err
    assert '"arguments": {"text": "[secret]"}' in err
    assert "← 200 (application/json, " in err
    assert KEY not in err


# -- chat -----------------------------------------------------------------------------------------------------


def test_chat_starts_the_server_for_tools_and_tells_of_its_tools(project):
    typed = "/tools\n/tool notes_add\n/tool notes_ad\n"
    agent = "model: {api: offline}\ntools: [notes]\npermissions: [{ask: notes_add}]\n"
    write_project(project, {"agents/desk.yaml": agent})
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "chat", "desk"], input=typed, capture_output=True, text=True, timeout=60
    )
    said = done.stderr
    assert "asking notes for the tools" in said
    rows = [re.split("  +", line) for line in said.splitlines()]
    assert ["notes_add", "mcp mcp_notes.py", "changes things, untrusted", "ask (rule 1)", "Adds a note."] in rows
    assert ["", "mcp", "add of the server notes"] in rows
    assert ["", "rules", "1. ask: notes_add"] in rows
    assert "desk has no tool `notes_ad`: did you mean `notes_add`?" in said
    assert "\x1b" not in said
    assert KEY not in said
    wait_until_ended(project)
