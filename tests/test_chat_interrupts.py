"""Ctrl-C, Ctrl-D, Ctrl-Z and signals in each state of `agentrun chat`: nothing stays behind.

The modes of the terminal are compared with those before the conversation, after each way to leave it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from projects import ADD, scripted_agent, write_project
from servers import ModelServer, delta, events, silence, sse
from terminals import Terminal

CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"
WAIT = "description: Waits.\ntimeout: 50\nshell: {command: [sh, -c, 'echo $$ > begun; exec sleep 50'], cwd: ..}\n"
HANGING = {
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: wait}]", "content: Still here."], tools="[wait]"),
    "tools.d/wait.yaml": WAIT,
}


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def begun(folder):
    """The process of the tool, once it runs."""
    file = folder / "begun"
    until(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def is_gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def in_a_tool(folder, **options):
    terminal = Terminal(write_project(folder, HANGING), "a", **options)
    terminal.say("go")
    terminal.wait_for("wait()")
    return terminal, begun(folder)


def ended(terminal):
    """The exit code, of a conversation that left the terminal as it found it."""
    terminal.read_to_the_end()
    terminal.process.wait(timeout=20)
    assert terminal.modes_now() == terminal.modes
    return terminal.end()


def impatient(terminal):
    """Ctrl-C again and again, less than two seconds apart."""

    def presses():
        terminal.type(CTRL_C)
        with contextlib.suppress(subprocess.TimeoutExpired):
            terminal.process.wait(0.2)
        return terminal.process.poll() is not None

    until(presses)


# -- Ctrl-C during a turn -----------------------------------------------------------------------------------


def test_ctrl_c_while_the_model_answers_keeps_what_it_said(tmp_path):
    with ModelServer([silence(events(delta(content="It was a dark and stormy"))), sse("Back.")]) as model:
        agent = f"model: {{name: m-1, base_url: '{model.base_url}', api_key: k}}\n"
        terminal = Terminal(write_project(tmp_path, {"agents/a.yaml": agent}), "a")
        terminal.say("tell me")
        terminal.wait_for("It was a dark")
        terminal.type(CTRL_C)
        terminal.wait_for("interrupted")
        terminal.wait_for_prompt()
        assert any("It was a dark and stormy" in row for row in terminal.rows)
        terminal.say("go on")
        terminal.wait_for("Back.")
        terminal.wait_for_prompt()
        terminal.type(CTRL_D)
        assert ended(terminal) == 0
        told = [(one["role"], one["content"]) for one in model.requests[1].json["messages"]]
    assert told == [
        ("user", "tell me"),
        ("assistant", "It was a dark and stormy\n\n[interrupted]"),
        ("user", "go on"),
    ]


def test_ctrl_c_during_a_tool_ends_its_processes_and_keeps_what_finished(tmp_path):
    with ModelServer([sse(calls=[("add", {"a": 40}), ("wait", {})]), sse("Back.")]) as model:
        agent = f"model: {{name: m-1, base_url: '{model.base_url}', api_key: k}}\ntools: [add, wait]\n"
        files = ADD | {"agents/a.yaml": agent, "tools.d/wait.yaml": WAIT}
        terminal = Terminal(write_project(tmp_path, files), "a")
        terminal.say("go")
        terminal.wait_for("add(a=40, b=2)")
        process = begun(tmp_path)
        terminal.type(CTRL_C)
        terminal.wait_for("interrupted")
        terminal.wait_for_prompt()
        assert is_gone(process)
        terminal.say("and now?")
        terminal.wait_for("Back.")
        terminal.wait_for_prompt()
        terminal.type(CTRL_D)
        assert ended(terminal) == 0
        results = [one["content"] for one in model.requests[1].json["messages"] if one["role"] == "tool"]
    assert results[0] == "42"
    assert len(results) == 2


def test_what_was_typed_before_ctrl_c_stands_at_the_prompt(tmp_path):
    terminal, process = in_a_tool(tmp_path)
    terminal.type("another way")
    terminal.type(CTRL_C)
    terminal.wait_until(lambda lines: lines[-2:] == ["interrupted", "> another way"])
    assert is_gone(process)
    terminal.type(CTRL_C)
    terminal.wait_for_prompt()
    terminal.type(CTRL_D)
    assert ended(terminal) == 0


STUCK = {
    "stuck.py": """
        import time

        async def stuck():
            open("begun", "w").write("1")
            while True:
                time.sleep(0.01)
    """,
    "tools.d/stuck.yaml": "description: Is stuck.\npython: stuck:stuck\ntimeout: 50\n",
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: stuck}]"], tools="[stuck]"),
}


def test_ctrl_c_twice_leaves_a_turn_that_the_first_one_did_not_end(tmp_path):
    terminal = Terminal(write_project(tmp_path, STUCK), "a")
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] != ">")
    begun(tmp_path)
    impatient(terminal)
    assert ended(terminal) == 130


def test_ctrl_c_twice_during_a_tool_leaves_no_process(tmp_path):
    stubborn = WAIT.replace("exec sleep 50", 'trap "" TERM; while :; do sleep 1; done')
    terminal = Terminal(write_project(tmp_path, HANGING | {"tools.d/wait.yaml": stubborn}), "a")
    terminal.say("go")
    terminal.wait_for("wait()")
    process = begun(tmp_path)
    impatient(terminal)
    assert ended(terminal) == 130
    until(lambda: is_gone(process))


# -- at the prompt and at questions -------------------------------------------------------------------------

ASKING = ADD | {
    "tools.d/add.yaml": ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n",
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: add, arguments: {a: 40}}]", "content: Done."], tools="[add]"),
}


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_ctrl_c_at_a_question_ends_the_turn(tmp_path, term):
    terminal = Terminal(write_project(tmp_path, ASKING), "a", environ={"TERM": term})
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    terminal.type("y")
    terminal.wait_until(lambda lines: lines[-1] == "allow? y")
    terminal.type(CTRL_C)
    terminal.wait_for("interrupted")
    assert not any("42" in row for row in terminal.rows)
    terminal.wait_for_prompt()
    terminal.type(CTRL_D)
    assert ended(terminal) == 0


def test_ctrl_d_leaves_only_where_nothing_is_typed(tmp_path):
    terminal = Terminal(write_project(tmp_path, HANGING), "a")
    terminal.wait_for_prompt()
    terminal.type("half" + "\x01" + CTRL_D)
    terminal.wait_until(lambda lines: lines[-1] == "> alf")
    terminal.type(CTRL_D * 5)
    terminal.wait_for_prompt()
    terminal.type(CTRL_D)
    assert ended(terminal) == 0


def test_ctrl_c_at_an_empty_prompt_says_how_to_leave_and_the_second_one_does(tmp_path):
    terminal = Terminal(write_project(tmp_path, HANGING), "a")
    terminal.wait_for_prompt()
    terminal.type(CTRL_C)
    terminal.wait_until(lambda _: terminal.below == ["Ctrl-C again or Ctrl-D leaves"])
    terminal.type(CTRL_C)
    assert ended(terminal) == 130


def test_the_hint_goes_again(tmp_path):
    terminal = Terminal(write_project(tmp_path, HANGING), "a")
    terminal.wait_for_prompt()
    terminal.type(CTRL_C)
    terminal.wait_until(lambda _: terminal.below == ["Ctrl-C again or Ctrl-D leaves"])
    terminal.wait_until(lambda _: terminal.below and terminal.below[0].startswith("scripted · "))
    terminal.type(CTRL_C)
    terminal.wait_until(lambda _: terminal.below == ["Ctrl-C again or Ctrl-D leaves"])
    terminal.type(CTRL_D)
    assert ended(terminal) == 0


def test_a_signal_at_the_prompt_is_as_good_as_ctrl_c(tmp_path):
    terminal = Terminal(write_project(tmp_path, HANGING), "a")
    terminal.wait_for_prompt()
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_until(lambda _: terminal.below == ["Ctrl-C again or Ctrl-D leaves"])
    terminal.process.send_signal(signal.SIGINT)
    assert ended(terminal) == 130


# -- being ended --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_sigterm_at_the_prompt_ends_with_143(tmp_path, term):
    terminal = Terminal(write_project(tmp_path, HANGING), "a", environ={"TERM": term})
    terminal.wait_for_prompt()
    terminal.type("half")
    terminal.wait_until(lambda lines: lines[-1] == "> half")
    terminal.process.terminate()
    assert ended(terminal) == 143


def test_sigterm_during_a_tool_ends_it_and_then_the_conversation(tmp_path):
    terminal, process = in_a_tool(tmp_path)
    terminal.process.terminate()
    assert ended(terminal) == 143
    assert is_gone(process)


def test_sigterm_at_a_question_ends_with_143(tmp_path):
    terminal = Terminal(write_project(tmp_path, ASKING), "a")
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    terminal.process.terminate()
    assert ended(terminal) == 143


def test_ctrl_backslash_during_a_turn_ends_it_as_ever_with_the_terminal_as_it_was(tmp_path):
    terminal, process = in_a_tool(tmp_path)
    terminal.type(CTRL_BACKSLASH)
    assert ended(terminal) == -signal.SIGQUIT
    until(lambda: is_gone(process))


@pytest.mark.parametrize("state_of_talk", ["prompt", "tool"])
def test_a_terminal_that_goes_ends_the_conversation(tmp_path, state_of_talk):
    if state_of_talk == "tool":
        terminal, process = in_a_tool(tmp_path)
    else:
        terminal, process = Terminal(write_project(tmp_path, HANGING), "a"), None
        terminal.wait_for_prompt()
    os.close(terminal.main)
    assert terminal.process.wait(timeout=20) == 129
    assert process is None or is_gone(process)


@pytest.mark.slow
def test_a_terminal_that_goes_ends_also_what_does_not_listen(tmp_path):
    terminal = Terminal(write_project(tmp_path, STUCK), "a")
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] != ">")
    begun(tmp_path)
    os.close(terminal.main)
    assert terminal.process.wait(timeout=20) == 129


# -- Ctrl-Z -------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path):
    """A shell with job control, in which a conversation begins."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash, for jobs")
    write_project(tmp_path, HANGING)
    terminal = Terminal(tmp_path, argv=[bash, "--norc", "--noprofile", "-i"], environ={"PS1": "shell: "})
    terminal.wait_until(lambda lines: bool(lines) and lines[-1] == "shell:")
    terminal.type(f"'{sys.executable}' -m agentrun chat a\r")
    terminal.wait_for_prompt()
    yield terminal
    os.close(terminal.main)  # the shell's jobs are told
    terminal.process.kill()


def at_shell(terminal):
    terminal.wait_until(lambda lines: lines[-1] == "shell:")


def echo_is_on(terminal):
    terminal.type("echo is-on\r")
    terminal.wait_until(lambda lines: lines[-3:] == ["shell: echo is-on", "is-on", "shell:"])


def test_ctrl_z_at_the_prompt_goes_to_the_shell_and_fg_comes_back_to_what_was_typed(shell):
    shell.type("half")
    shell.wait_until(lambda lines: lines[-1] == "> half")
    shell.type(CTRL_Z)
    at_shell(shell)
    echo_is_on(shell)
    shell.type("fg\r")
    shell.wait_until(lambda lines: lines[-1] == "> half")
    shell.type("!")
    shell.wait_until(lambda lines: lines[-1] == "> half!")
    shell.type(CTRL_C)
    shell.wait_for_prompt()
    shell.type(CTRL_D)
    at_shell(shell)
    echo_is_on(shell)


def test_ctrl_z_during_a_turn_goes_to_the_shell_and_fg_goes_on_with_it(shell, tmp_path):
    shell.type("go\r")
    shell.wait_for("wait()")
    process = begun(tmp_path)
    shell.type(CTRL_Z)
    at_shell(shell)
    echo_is_on(shell)
    shell.type("fg\r")
    shell.wait_until(lambda lines: "agentrun chat a" in "".join(lines[-3:]) and lines[-1] != "shell:")
    shell.type("unseen")
    os.kill(process, signal.SIGTERM)
    shell.wait_for("Still here.")
    shell.wait_until(lambda lines: lines[-1] == "> unseen")
    assert sum("unseen" in row for row in shell.rows) == 1
    shell.type(CTRL_C)
    shell.wait_for_prompt()
    shell.type(CTRL_D)
    at_shell(shell)
    echo_is_on(shell)


# -- from a pipe --------------------------------------------------------------------------------------------


def piping(folder, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "agentrun", "chat", "a"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_a_turn_of_a_pipe_ends_all_of_it(tmp_path, number, code):
    with piping(write_project(tmp_path, HANGING)) as chat:
        chat.stdin.write(b"go\nand now?\n")
        chat.stdin.flush()
        process = begun(tmp_path)
        chat.send_signal(number)
        assert chat.wait(timeout=20) == code
        assert is_gone(process)
        assert chat.stdout.read() == b""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_conversation_that_waits_for_a_silent_pipe(tmp_path, number, code):
    with piping(write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: Hello."])})) as chat:
        chat.stdin.write(b"hi\n")
        chat.stdin.flush()
        assert chat.stdout.readline() == b"Hello.\n"
        chat.send_signal(number)
        assert chat.wait(timeout=20) == code


def test_under_nohup_a_terminal_that_goes_ends_nothing(tmp_path):
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with piping(write_project(tmp_path, HANGING), **ignoring) as chat:
        chat.stdin.write(b"go\n")
        chat.stdin.close()
        process = begun(tmp_path)
        chat.send_signal(signal.SIGHUP)
        os.kill(process, signal.SIGTERM)
        assert chat.wait(timeout=20) == 0
        assert chat.stdout.read() == b"Still here.\n"


@pytest.mark.parametrize("typed", [b"/nope\n", b"/tool nope\n", b"/help\n/nope\nhi\n"])
def test_a_command_that_fails_from_a_pipe_makes_the_exit_code_2(tmp_path, typed):
    with piping(write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: Hello."])})) as chat:
        chat.communicate(typed, timeout=50)
        assert chat.returncode == 2
