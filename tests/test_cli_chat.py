"""`agentrun chat` from a pipe and at a terminal (a pseudo-terminal, driven key by key)."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte
import pytest

from projects import ADD, scripted_agent, without_durations, write_project

TALK = [
    "tool_calls: [{name: add, arguments: {a: 40}, id: c1}]",
    "content: It is 42.",
    "content: You are welcome.",
]


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path, ADD | {"agents/sum.yaml": scripted_agent(TALK, tools="[add]")})


def piped(folder, text, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", "chat", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"},
    )


def test_from_a_pipe_each_line_is_a_message_and_stdout_has_the_answers(project):
    done = piped(project, b"add 40 and 2\nthanks\n", "sum")
    assert done.returncode == 0
    assert done.stdout.decode() == "It is 42.\nYou are welcome.\n"
    assert "add(a=40, b=2) → 42" in without_durations(done.stderr.decode())


def test_windows_line_ends_a_bom_and_a_last_line_without_end_are_read(project):
    done = piped(project, b"\xef\xbb\xbfadd 40 and 2\r\nthanks", "sum")
    assert done.stdout.decode() == "It is 42.\nYou are welcome.\n"


def test_blank_lines_are_no_messages(project):
    done = piped(project, b"\n\nadd\n\n", "sum")
    assert done.stdout.decode() == "It is 42.\n"


def test_commands_work_from_a_pipe_and_unknown_ones_suggest(project):
    done = piped(project, b"/help\n/tools\n/modle\n/quit\nadd\n", "sum")
    said = done.stderr.decode()
    assert "/reset" in said
    assert "add (changes things): Adds two numbers." in said
    assert "did you mean `/model`?" in said
    assert done.stdout == b""


def test_a_failed_turn_gives_its_exit_code_and_the_conversation_goes_on(tmp_path):
    script = ["error: {status: 401, message: no such key}", "content: Hello."]
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(script)})
    done = piped(tmp_path, b"hi\nhi again\n", "a")
    assert done.returncode == 4
    assert done.stdout == b"Hello.\n"
    assert "no such key" in done.stderr.decode()


def test_the_model_can_be_changed_in_the_conversation(project):
    done = piped(project, b"/model offline\n/model\n", "sum")
    assert "the model is offline now" in done.stderr.decode()


def test_arguments_of_the_system_prompt_must_be_given_from_a_pipe(tmp_path):
    more = (
        "parameters: {type: object, properties: {who: {type: string}, input: {type: string}}, required: [who]}\n"
        "system_prompt: You help {{ args.who }}."
    )
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: Hello."], more=more)})
    missing = piped(tmp_path, b"hi\n", "a")
    assert missing.returncode == 2
    assert b"--arg who=" in missing.stderr
    assert piped(tmp_path, b"hi\n", "a", "--arg", "who=Ann").stdout == b"Hello.\n"


class Terminal:
    """A program at a terminal of 60 lines: type, and wait for what the screen shows."""

    def __init__(self, folder, *arguments):
        self.main, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 100, 0, 0))
        self.screen = pyte.Screen(100, 60)
        self.stream = pyte.ByteStream(self.screen)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentrun", "chat", *arguments],
            cwd=folder,
            stdin=child,
            stdout=child,
            stderr=child,
            env=os.environ | {"TERM": "xterm", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def type(self, text):
        os.write(self.main, text.encode())

    def wait_until(self, shown, seconds=20):
        """Until `shown(lines)` holds for what the screen shows."""
        end = time.monotonic() + seconds
        while not shown(self.lines):
            ready, _, _ = select.select([self.main], [], [], max(0, end - time.monotonic()))
            try:
                chunk = os.read(self.main, 65536) if ready else b""
            except OSError:  # the other end was closed
                chunk = b""
            assert chunk, "waited in vain; the screen shows:\n" + "\n".join(self.lines)
            self.stream.feed(chunk)

    def wait_for(self, text):
        self.wait_until(lambda lines: any(text in line for line in lines))

    def wait_for_prompt(self):
        self.wait_until(lambda lines: bool(lines) and lines[-1] == ">")

    def say(self, text):
        self.wait_for_prompt()
        self.type(text + "\r")

    def leave(self):
        self.wait_for_prompt()
        self.type("\x04")
        return self.end()

    def end(self, seconds=20):
        try:
            return self.process.wait(timeout=seconds)
        finally:
            self.process.kill()
            os.close(self.main)


def test_at_a_terminal_the_answer_and_the_calls_stand_in_one_column(project):
    terminal = Terminal(project, "sum")
    terminal.say("add 40 and 2")
    terminal.wait_for("It is 42.")
    terminal.wait_for_prompt()
    assert [without_durations(line) for line in terminal.lines] == [
        "sum",
        "model scripted · 1 tool · /help",
        "> add 40 and 2",
        "• add(a=40, b=2) → 42",
        "It is 42.",
        ">",
    ]
    assert terminal.leave() == 0


APPROVED = ADD | {
    "tools.d/add.yaml": ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n",
    "agents/a.yaml": scripted_agent(
        ["tool_calls: [{name: add, arguments: {a: 40}}]", "content: Done."] * 3, tools="[add]"
    ),
}


@pytest.mark.parametrize(
    ("key", "result"),
    [("y", "→ 42"), ("n", "the user said no"), ("not today", "the user said no: not today")],
)
def test_approval_is_asked_with_the_call_shown(tmp_path, key, result):
    terminal = Terminal(write_project(tmp_path, APPROVED), "a")
    terminal.say("go")
    terminal.wait_for("allow? [y/s/n/a]")
    assert terminal.lines[3:-1] == [
        "a wants to call add (require_approval: always)",
        "  {",
        '    "a": 40,',
        '    "b": 2',
        "  }",
    ]
    terminal.type(f"{key}\r")
    terminal.wait_for("Done.")
    assert result in "\n".join(terminal.lines)
    assert terminal.leave() == 0


def test_approval_for_the_session_is_asked_once(tmp_path):
    terminal = Terminal(write_project(tmp_path, APPROVED), "a")
    terminal.say("go")
    terminal.wait_for("allow? [y/s/n/a]")
    terminal.type("s\r")
    terminal.say("again")
    terminal.wait_until(lambda lines: lines.count("Done.") == 2)
    assert sum("allow?" in line for line in terminal.lines) == 1
    assert terminal.leave() == 0


def test_ctrl_c_at_the_question_ends_the_turn(tmp_path):
    terminal = Terminal(write_project(tmp_path, APPROVED), "a")
    terminal.say("go")
    terminal.wait_for("allow? [y/s/n/a]")
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    assert terminal.leave() == 0


def test_ctrl_c_ends_the_turn_and_not_the_program(tmp_path):
    files = {
        "agents/a.yaml": scripted_agent(["tool_calls: [{name: wait}]", "content: still here"], tools="[wait]"),
        "tools.d/wait.yaml": """
            description: Waits.
            shell: {command: [sh, -c, "echo > begun; exec sleep 50"]}
            timeout: 50
        """,
    }
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("go")
    end = time.monotonic() + 20
    while not (tmp_path / "tools.d" / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.say("and now?")
    terminal.wait_for("still here")
    assert terminal.leave() == 0


def test_ctrl_c_twice_at_an_empty_prompt_leaves_with_130(project):
    terminal = Terminal(project, "sum")
    terminal.wait_for_prompt()
    terminal.type("\x03")
    terminal.wait_for("Ctrl-C again or Ctrl-D leaves")
    terminal.wait_for_prompt()
    terminal.type("\x03")
    assert terminal.end() == 130
