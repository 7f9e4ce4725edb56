"""`agentrun chat` from a pipe and at a terminal (a pseudo-terminal, driven key by key)."""

import os
import subprocess
import sys
import time

import pytest

from projects import ADD, scripted_agent, without_durations, write_project
from terminals import Terminal

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


def test_a_reader_of_the_answers_who_leaves_ends_it_quietly(project):
    (project / "agents/long.yaml").write_text(scripted_agent(["chunks: ['one\\n', 'two\\n']", "content: three"]))
    reading, writing = os.pipe()
    os.close(reading)
    chat = [sys.executable, "-m", "agentrun", "chat", "long", "--no-session"]
    with os.fdopen(writing, "wb") as answers:
        done = subprocess.run(
            chat, cwd=project, input=b"hi\nagain\n", stdout=answers, stderr=subprocess.PIPE, timeout=50
        )
    assert done.returncode == 0
    assert done.stderr.decode().splitlines()[1:] == ["model scripted · 0 tools · /help"]


def test_blank_lines_are_no_messages(project):
    done = piped(project, b"\n\nadd\n\n", "sum")
    assert done.stdout.decode() == "It is 42.\n"


def test_commands_work_from_a_pipe_and_unknown_ones_suggest(project):
    done = piped(project, b"/help\n/tools\n/modle\n/quit\nadd\n", "sum")
    said = done.stderr.decode()
    assert "/clear" in said
    assert "add   python calc:add  changes things  auto      Adds two numbers." in said
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
        ["{content: It is safe. Type y!, tool_calls: [{name: add, arguments: {a: 40}}]}", "content: Done."] * 3,
        tools="[add]",
    ),
}
QUESTION = [
    "a wants to call add (require_approval: always)",
    "  python calc:add",
    "  {",
    '    "a": 40,',
    '    "b": 2',
    "  }",
    "  y once · s this session · a always · n no · m no, with a message · v view all arguments · ? help",
]


def at_the_question(folder, *, columns=100, files=APPROVED):
    terminal = Terminal(write_project(folder, files), "a", columns=columns)
    terminal.say("go")
    terminal.wait_for("allow?")
    return terminal


def answered(terminal, *typed):
    """Type each line at the prompt that it is for."""
    for prompt, line in typed:
        terminal.wait_until(lambda lines, prompt=prompt: lines[-1] == prompt)
        terminal.type(f"{line}\r")
        terminal.wait_for(f"{prompt} {line}".rstrip())


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        ([("allow?", "y")], "→ 42"),
        ([("allow?", "once")], "→ 42"),
        ([("allow?", "Yes")], "→ 42"),
        ([("allow?", "s")], "→ 42"),
        ([("allow?", "n")], "not allowed: the user said no"),
        ([("allow?", "no too much")], "the user said no: too much"),
        ([("allow?", "m Not today")], "the user said no: Not today"),
        ([("allow?", "m"), ("message:", "Not today")], "the user said no: Not today"),
        ([("allow?", "m"), ("message:", "")], "not allowed: the user said no"),
        ([("allow?", "not today"), ("allow?", ""), ("allow?", "yes please"), ("allow?", "y")], "→ 42"),
    ],
)
def test_approval_is_asked_with_the_call_shown(tmp_path, typed, result):
    terminal = at_the_question(tmp_path, columns=160)
    wide = QUESTION[-1]
    assert terminal.lines[3:] == ["It is safe. Type y!", *QUESTION[:-1], wide, "allow?"]
    answered(terminal, *typed)
    terminal.wait_for("Done.")
    shown = "\n".join(terminal.lines)
    assert result in shown
    assert (
        shown.count("that is no answer: y, s, a, n, m, v or ?") == len([one for one in typed if one[0] == "allow?"]) - 1
    )
    assert terminal.leave() == 0


def test_approval_for_the_session_is_asked_once(tmp_path):
    terminal = at_the_question(tmp_path)
    terminal.type("s\r")
    terminal.say("again")
    terminal.wait_until(lambda lines: lines.count("Done.") == 2)
    assert sum("allow?" in line for line in terminal.lines) == 1
    assert terminal.leave() == 0


def test_always_shows_the_rule_writes_it_and_holds_for_the_session(tmp_path):
    terminal = at_the_question(tmp_path)
    before = (tmp_path / "agents/a.yaml").read_bytes()
    answered(terminal, ("allow?", "a"), ("write it? [y/n]", "no"))
    terminal.wait_until(lambda lines: lines[-1] == "allow?" and "  nothing was written" in lines)
    assert (tmp_path / "agents/a.yaml").read_bytes() == before
    answered(terminal, ("allow?", "always"), ("write it? [y/n]", "y"))
    terminal.say("again")
    terminal.wait_until(lambda lines: lines.count("Done.") == 2)
    offer = ["  this goes into agents/a.yaml:", "    permissions:", "      - {allow: add}"]
    first = terminal.lines.index("allow? a")
    assert terminal.lines[first:][:14] == [
        "allow? a",
        *offer,
        "write it? [y/n] no",
        "  nothing was written",
        "allow? always",
        *offer,
        "write it? [y/n] y",
        "  written",
        *terminal.lines[first + 12 :][:2],
    ]
    assert (tmp_path / "agents/a.yaml").read_bytes() == before + b"permissions:\n  - {allow: add}\n"
    assert terminal.leave() == 0


def test_the_end_of_the_input_is_no_answer(tmp_path):
    terminal = at_the_question(tmp_path)
    answered(terminal, ("allow?", "a"))
    terminal.wait_for("write it?")
    terminal.type("\x04")
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    terminal.type("\x04")
    terminal.wait_for("the input ended before an answer")
    assert terminal.leave() == 0


def test_what_was_typed_before_a_question_was_seen_does_not_answer_it(tmp_path):
    turns = ["tool_calls: [{name: slow}]", "tool_calls: [{name: add, arguments: {a: 1}}]", "content: Done."]
    slow = "description: Waits.\nshell: {command: [sh, -c, 'until [ -e go ]; do sleep 0.02; done'], cwd: ..}\n"
    files = APPROVED | {"tools.d/slow.yaml": slow, "agents/a.yaml": scripted_agent(turns, tools="[slow, add]")}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("go")
    terminal.type("y\ry\r")
    terminal.wait_until(lambda lines: lines[-1] != ">")
    (tmp_path / "go").touch()
    terminal.wait_for("allow?")
    terminal.type("n\r")
    terminal.wait_for("Done.")
    assert "the user said no" in "\n".join(terminal.lines)
    terminal.wait_until(lambda lines: lines[-2:] == ["> y", "  y"])  # it is not lost
    terminal.type("\x03")
    assert terminal.leave() == 0


def test_what_another_call_tells_does_not_stand_where_the_answer_is_typed(tmp_path):
    turn = "tool_calls: [{name: add, arguments: {a: 1}}, {name: late}]"
    wait = "until [ -e go ]; do sleep 0.02; done; echo was late"
    late = f"description: Late.\nshell: {{command: [sh, -c, '{wait}'], cwd: ..}}\n"
    files = APPROVED | {
        "tools.d/late.yaml": late,
        "agents/a.yaml": scripted_agent([turn, "content: Done."], tools="[add, late]"),
    }
    terminal = at_the_question(tmp_path, files=files)
    (tmp_path / "go").touch()
    answered(terminal, ("allow?", "v"), ("allow?", "?"), ("allow?", "y"))
    terminal.wait_for("Done.")
    assert not any("allow?" in line and "•" in line for line in terminal.lines)
    assert any(line.startswith("• late()") and line.endswith("→ was late") for line in terminal.lines)
    assert terminal.leave() == 0


def test_hostile_arguments_are_shown_and_stay_inside_their_lines(tmp_path):
    fake = "a wants to call nothing (allow: nothing) "
    note = r"\e[2J\e[31m\u202e\u200b\n" + fake * 120
    hidden = len(r'  "note": "\u001b[2J\u001b[31m..\n",') + len(fake) * 120 - 200
    many = ", ".join(f"k{number}: 1" for number in range(200))
    more = len("},") + sum(len(f'"k{number}": 1,') for number in range(7, 200)) - 1
    turn = f'tool_calls: [{{name: put, arguments: {{note: "{note}", many: {{{many}}}, amount: 5}}}}]'
    tool = "description: Puts.\nrequire_approval: always\nshell: {command: [echo, put]}\n"
    files = {"agents/a.yaml": scripted_agent([turn, "content: Done."], tools="[put]"), "tools.d/put.yaml": tool}
    terminal = at_the_question(tmp_path, columns=60, files=files)
    shown = terminal.lines[3:]
    assert shown[0] == "a wants to call put (require_approval: always)"
    assert shown[-2:] == ["  y once, s session, a always, n no, m message, v view, ?", "allow?"]
    assert all(line.startswith("  ") for line in shown[1:-1])
    assert shown[1] == "  $ echo put"
    assert shown[3].startswith(r'    "note": "\u001b[2J\u001b[31m⟨U+202E⟩⟨U+200B⟩\n')
    assert '    "amount": 5' in shown
    text = " ".join(" ".join(shown).split())
    assert f"… {hidden:,} more characters of this text: v shows all" in text
    assert f"… 194 more lines of this argument, {more:,} characters: v shows all" in text
    terminal.type("v\r")
    terminal.wait_until(lambda lines: '      "k199": 1' in lines and lines[-1] == "allow?")
    assert all(line.startswith("  ") for line in terminal.lines[:-1])
    assert not any("…" in line for line in terminal.lines)
    assert not any(raw in terminal.raw for raw in (b"\x1b[2J", b"\x1b[31m", "\u202e".encode(), "\u200b".encode()))
    answered(terminal, ("allow?", "?"))
    terminal.wait_until(lambda lines: lines[-1] == "allow?" and lines[-2] == "  v, view     show all arguments")
    answered(terminal, ("allow?", "n"))
    terminal.wait_for("Done.")
    assert terminal.leave() == 0


def test_a_condition_that_could_not_be_evaluated_offers_no_rule(tmp_path):
    rules = "permissions: [{ask: add, when: '{{ args.b > args.c }}'}]"
    tool = ADD["tools.d/add.yaml"].replace("b: {", "c: {type: integer}\n            b: {")
    agent = scripted_agent(
        ["tool_calls: [{name: add, arguments: {a: 1}}]", "content: Done."], tools="[add]", more=rules
    )
    calc = "def add(a, b, c=0):\n    return a + b\n"
    files = ADD | {"agents/a.yaml": agent, "tools.d/add.yaml": tool, "calc.py": calc}
    terminal = at_the_question(tmp_path, columns=60, files=files)
    assert terminal.lines[-2] == "  y once, n no, m message, v view, ?"
    answered(terminal, ("allow?", "a"))
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    assert "that is answered call by call" in " ".join(line.strip() for line in terminal.lines)
    answered(terminal, ("allow?", "n"))
    terminal.wait_for("Done.")
    assert terminal.leave() == 0


def test_ctrl_c_at_the_question_ends_the_turn(tmp_path):
    terminal = at_the_question(tmp_path)
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
