"""`agentrun test` at a terminal: the line of progress, and `--watch` with its keys."""

import os
import pty
import select
import signal
import subprocess

import pytest

from projects import write_project
from terminals import Terminal
from test_cli_test import FAILING, FILES, HANGING, command, environment


class Tests(Terminal):
    __test__ = False

    command = "test"

    def wait_to_be_told(self, text, times=1):
        """Until a text has been printed so often, on the screen or above it."""
        self.wait_until(lambda lines: self.raw.decode(errors="replace").count(text) >= times)

    def wait_for_change(self, times):
        self.wait_to_be_told("waiting for changes", times)


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path, FILES)


@pytest.mark.parametrize("columns", [100, 20])
def test_progress_is_one_line_that_names_what_runs_and_is_gone_afterwards(project, columns):
    write_project(project, {"tests/x.test.yaml": HANGING, "tests/y.test.yaml": FAILING})
    terminal = Tests(project, columns=columns)
    line = "3/4 | 1 failed | running: hangs"
    shown = line if columns == 100 else line[: columns - 2] + "…"
    terminal.wait_until(lambda lines: bool(lines) and lines[-1] == shown)
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("interrupted: 3 of 4")
    assert not any("running" in line for line in terminal.lines)
    assert terminal.end() == 130


def test_no_progress_stands_between_the_lines_of_a_pipe_to_the_same_terminal(project):
    write_project(project, {"tests/x.test.yaml": HANGING.replace("50", "0.5")})
    main, child = pty.openpty()
    done = subprocess.run(
        command(), cwd=project, stdout=subprocess.PIPE, stderr=child, env=environment(project), timeout=50, text=True
    )
    written, _, _ = select.select([main], [], [], 0)
    os.close(main)
    os.close(child)
    assert written == []
    assert "3 passed" in done.stdout


def test_a_change_runs_what_it_concerns_and_keys_run_the_rest(project):
    write_project(
        project,
        {"agents/other.yaml": "model: gpt-x\n", "tests/y.test.yaml": FAILING.replace("agent: desk", "agent: other")},
    )
    terminal = Tests(project, "--watch")
    terminal.wait_for_change(1)
    terminal.wait_to_be_told("2 passed, 1 failed")

    write_project(project, {"tools.d/get.yaml": FILES["tools.d/get.yaml"].replace("Gets an", "Fetches an")})
    terminal.wait_for("changed: tools.d/get.yaml")
    terminal.wait_for_change(2)
    terminal.wait_for("2 passed in")

    write_project(project, {"tests/y.test.yaml": FAILING.replace("agent: desk", "agent: other") + "# more\n"})
    terminal.wait_for_change(3)
    terminal.wait_to_be_told("\n1 failed in")

    terminal.type("f")
    terminal.wait_for_change(4)
    terminal.wait_to_be_told("\n1 failed in", 2)

    terminal.type("\r")
    terminal.wait_for_change(5)
    terminal.wait_to_be_told("2 passed, 1 failed", 2)
    assert b"\x1b[2J" not in terminal.raw

    terminal.type("q")
    assert terminal.end() == 0


def test_files_with_errors_are_shown_and_it_goes_on(project):
    write_project(project, {"tests/desk.test.yaml": "agent: desk\ncases: []\n"})
    terminal = Tests(project, "--watch", "tests/desk.test.yaml")
    terminal.wait_for("1 error")
    terminal.wait_for_change(1)
    write_project(project, {"tests/desk.test.yaml": FILES["tests/desk.test.yaml"]})
    terminal.wait_for_change(2)
    terminal.wait_to_be_told("2 passed")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


def test_a_prompt_in_a_file_of_its_own_and_a_new_test_file_are_changes(project):
    write_project(
        project,
        {
            "agents/desk.yaml": "model: gpt-x\ntools: [get]\nsystem_prompt: {file: ../prompts/desk.md}\n",
            "prompts/desk.md": "Be brief.\n",
        },
    )
    terminal = Tests(project, "--watch")
    terminal.wait_for_change(1)
    write_project(project, {"prompts/desk.md": "Be very brief.\n"})
    terminal.wait_for("changed: prompts/desk.md")
    terminal.wait_for_change(2)
    terminal.wait_to_be_told("2 passed", 2)
    write_project(project, {"tests/new.test.yaml": FAILING})
    terminal.wait_for("changed: tests/new.test.yaml")
    terminal.wait_for_change(3)
    terminal.type("q")
    assert terminal.end() == 0


def test_a_module_behind_a_tool_is_imported_anew_once_it_changes(project):
    write_project(
        project,
        {
            "fx.py": "from rates import RATE\ndef rate(): return RATE\n",
            "rates.py": "RATE = 1\n",
            "tools.d/rate.yaml": "description: A rate.\nread_only: true\npython: fx:rate\n",
            "agents/rates.yaml": "model: gpt-x\ntools: [rate]\n",
            "tests/rates.test.yaml": """
                agent: rates
                live_tools: true
                cases:
                  - name: rates
                    args: {input: hi}
                    model: [{tool_calls: [{name: rate}]}, {content: done}]
                    expect: {calls: [{name: rate, result: "1"}]}
            """,
        },
    )
    terminal = Tests(project, "--watch")
    terminal.wait_for_change(1)
    terminal.wait_to_be_told("3 passed in")

    write_project(project, {"fx.py": "from rates import RATE\ndef rate(): return RATE + 10\n"})
    terminal.wait_for("changed: fx.py")
    terminal.wait_for_change(2)
    terminal.wait_to_be_told("\n1 failed in")

    good = (project / "tests/rates.test.yaml").read_text()
    write_project(project, {"tests/rates.test.yaml": "agent: [\n"})
    terminal.wait_for_change(3)
    write_project(project, {"rates.py": "RATE = 1 - 10\n"})
    terminal.wait_for_change(4)
    write_project(project, {"tests/rates.test.yaml": good})
    terminal.wait_for_change(5)
    terminal.wait_to_be_told("3 passed in", 2)
    assert b"changed: fx.py, " not in terminal.raw
    terminal.type("q")
    assert terminal.end() == 0


@pytest.mark.parametrize(("key", "sent", "code"), [("q", None, 0), (None, signal.SIGINT, 130)])
def test_a_run_that_hangs_can_be_left(project, key, sent, code):
    write_project(project, {"tests/x.test.yaml": HANGING})
    terminal = Tests(project, "--watch")
    terminal.wait_for("running: hangs")
    if key:
        terminal.type(key)
    else:
        os.kill(terminal.process.pid, sent)
    terminal.wait_for("2 passed")
    assert terminal.end() == code
