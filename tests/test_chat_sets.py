"""A conversation whose tools a server has: very many of them, or a server that isn't there yet."""

import json
import re
import sys

import pytest

from agentrun.cli.talk.live import Live
from agentrun.engine import events
from mcp_calls import WORKSHOP
from projects import scripted_agent, write_project
from terminals import Terminal
from test_chat_looking import chat, told

ECHO = "{tool_calls: [{name: many_echo, arguments: {text: hi}}]}"
MANY = 1100


def server(*options, script=WORKSHOP):
    return json.dumps({"mcp": {"command": [sys.executable, str(script), *options]}, "require_approval": "never"})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    agent = scripted_agent(["{content: Yes.}"] * 4, tools="[many]", more="tool_search: {max_tools: 20}")
    files = {"agents/many.yaml": agent, "tools.d/many.yaml": server("--tools", str(MANY))}
    return write_project(tmp_path / "project", files)


def rows(said):
    return [re.split("  +", line.strip()) for line in said.splitlines()]


def tokens(said):
    """What each /context tells of the whole and of its parts."""
    wholes = [int(found.replace(",", "")) for found in re.findall(r"holds (?:about )?([\d,]+) tokens", said)]
    parts = [int(found.replace(",", "")) for found in re.findall(r"^  \S.*  ([\d,]+) \(\d+%\)$", said, re.MULTILINE)]
    return wholes, [parts[at : at + 4] for at in range(0, len(parts), 4)]


def test_context_tells_how_many_of_very_many_functions_are_carried_and_counts_these(project):
    said = told(project, "/context", "Echo something", "/context", "Once more", "/undo", "/context", agent="many")
    assert [row[0] for row in rows(said) if row[0].endswith("functions")] == ["20 of 1,117 functions"] * 3
    wholes, parts = tokens(said)
    assert 200 < parts[0][1] == parts[1][1] == parts[2][1] < 2000
    assert wholes[0] == sum(parts[0])
    assert wholes[-1] == sum(parts[-1])  # after /undo the functions count, too


def test_what_a_server_has_is_counted_where_all_of_it_is_sent(project):
    write_project(project, {"agents/all.yaml": scripted_agent(["{content: Yes.}"], tools="[many]")})
    said = told(project, "Hello", "/context", agent="all")
    assert "1116 tools" in said
    assert tokens(said)[1][0][1] > 10_000


def test_of_many_tools_those_with_a_text_are_found(project):
    said = told(project, "/tools MORE-107", "/tools says it", "/tools none such", agent="many")
    found = [row[0] for row in rows(said)]
    assert [one for one in found if one.startswith("many_")] == [
        *(f"many_more-107{digit}" for digit in ("", *range(10))),
        "many_echo",
    ]
    assert "a request carries at most 20 of all 1,117" in said
    assert "many has no tool with `none such` in its name or description: there are 1,117" in said


def test_where_a_server_can_not_be_asked_context_says_so_and_tells_the_rest(project):
    (project / "tools.d/many.yaml").write_text(server(script=project / "gone.py"))
    said = told(project, "/context", agent="many")
    assert "the MCP server `gone.py` ended with exit code 2 before it was ready" in said
    assert ["the tools of many", "0 (0%)"] in rows(said)


def test_cost_tells_the_limits_of_agents_behind_tools_where_there_are_some(project):
    files = {
        "agents/boss.yaml": scripted_agent(["{content: Yes.}"], tools="[worker]"),
        "tools.d/worker.yaml": "agent: many\n",
    }
    write_project(project, files)
    assert "50 runs of agents as tools, 5 deep" in told(project, "/cost", agent="boss")
    assert "deep" not in told(project, "/cost", agent="many")


def test_a_played_conversation_has_the_tools_that_were_recorded(project):
    (project / "agents/many.yaml").write_text(scripted_agent([ECHO, "{content: Yes.}"], tools="[many]"))
    (project / "tools.d/many.yaml").write_text(server())
    assert chat(project, "Hello", agent="many", options=("--record", "said.yaml")).returncode == 0
    (project / "tools.d/many.yaml").write_text(server(script=project / "gone.py"))
    said = told(project, "/tools echo", "/context", agent="many", options=("--replay", "said.yaml"))
    assert "many_echo" in [row[0] for row in rows(said)]
    assert "16 tools" in said
    assert "asking" not in said


# -- a server that isn't there --------------------------------------------------------------------------------


def test_from_a_pipe_each_message_is_tried_and_the_exit_code_tells_that_the_server_was_not_there(project):
    (project / "tools.d/many.yaml").write_text(server(script=project / "gone.py"))
    done = chat(project, "Hello", "Again", agent="many")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("the MCP server `gone.py` ended with exit code 2 before it was ready") == 2
    assert done.stderr.count("no answer came: the message is taken back") == 2


def test_the_chat_goes_on_where_a_server_does_not_start_and_the_message_can_be_said_again(project):
    (project / "agents/many.yaml").write_text(scripted_agent([ECHO, "{content: Yes.}"], tools="[many]"))
    script = project / "late.py"
    (project / "tools.d/many.yaml").write_text(server(script=script))
    terminal = Terminal(project, "many")
    terminal.say("Hello")
    terminal.wait_for("the MCP server `late.py` ended with exit code 2 before it was ready")
    terminal.wait_for("no answer came: the message is taken back, to the prompt")
    terminal.wait_until(lambda lines: any(line == "> Hello" for line in lines[-2:]))
    script.write_text(WORKSHOP.read_text())
    terminal.type("\r")
    terminal.wait_for("→ hi")
    terminal.wait_for("Yes.")
    assert terminal.leave() == 0


def test_a_run_that_waits_long_for_its_tools_says_so():
    shown, now = [], [0.0]
    live = Live(shown.append, lambda: 60, lambda text, name: text, lambda: True, clock=lambda: now[0])

    def line(at):
        now[0] = at
        shown.clear()
        live._step()
        return shown[-1].removeprefix("\r\x1b[J").rstrip("\r")[2:]

    live.begin("waiting for the tools of many")
    assert line(0.5) == "thinking 0 s"
    assert line(2.0) == "waiting for the tools of many 2 s"
    started = events.RunStarted(run_id="r", seq=1, time=0.0, agent="main", model="m", args={}, input="x")
    live(started)
    assert line(2.5) == "thinking 0 s"
    assert line(9.0) == "thinking 7 s"
