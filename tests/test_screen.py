"""What a conversation looks like at a terminal while a turn is under way, and from a pipe."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from projects import ADD, scripted_agent, write_project
from terminals import Terminal

SPINNER = re.compile("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]")
UPWARD = re.compile(rb"\x1b\[\d*[AFHf]|\x1b\[[23]?J|\x1bM")
SENT = re.compile(rb"\x1b(?:\[([0-?]*[ -/]*[@-~])|(.))|([\x00-\x08\x0b-\x1a\x1c-\x1f\x7f])", re.DOTALL)
STYLE = re.compile(rb"[0-9;]*m")
ERASED = (b"K", b"0K", b"J", b"0J")  # from where the cursor stands to the end
PROMPT_BEGINS, PROMPT_ENDS = b"\x1b[?2004h", b"\x1b[?2004l"
ANSWER = """\
# Order 1042

It is **on its way** to you, with `DHL`:

| Item | Amount |
|---|---:|
| Teapot | 49.00 |

- one thing
- another one

```python
return 1
```
"""


def waits(name):
    """A tool that ends when there is a file of its name."""
    command = f"until [ -e {name}.go ]; do sleep 0.02; done; echo {name} is done"
    parameters = "parameters: {type: object, properties: {order: {type: string}}}\n"
    return f"description: Waits.\n{parameters}shell: {{command: [sh, -c, '{command}'], cwd: ..}}\n"


def streamed(text):
    pieces = ", ".join(repr_yaml(text[at : at + 5]) for at in range(0, len(text), 5))
    return f"chunks: [{pieces}]"


def repr_yaml(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\x1b", "\\e")
    return f'"{escaped}"'


def project(folder, script, tools=()):
    files = {f"tools.d/{name}.yaml": waits(name) for name in tools}
    agent = scripted_agent(script, tools=f"[{', '.join(tools)}]")
    return write_project(folder, files | {"agents/a.yaml": agent})


def spinner_rows(terminal):
    return [row for row in terminal.rows if SPINNER.search(row)]


def say(terminal, text):
    """Like a person: the text, and when it stands there Enter."""
    terminal.wait_for_prompt()
    terminal.type(text)
    terminal.wait_for(f"> {text}")
    terminal.type("\r")


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_an_answer_is_laid_out_while_it_streams_and_nothing_is_written_again(tmp_path, columns):
    terminal = Terminal(project(tmp_path, [streamed(ANSWER)]), "a", columns=columns)
    say(terminal, "hi")
    begin = len(terminal.raw)
    terminal.wait_for("return 1")
    terminal.wait_for_prompt()
    first = terminal.rows.index("# Order 1042")
    shown = terminal.rows[first:]
    answer = " ".join(" ".join(shown).split())
    assert "It is **on its way** to you, with `DHL`:" in answer
    row = next(number for number, line in enumerate(shown) if line.startswith("Teapot"))
    assert [" ".join(line.split()) for line in shown[row:][:6]] == [
        "Teapot 49.00",
        "- one thing",
        "- another one",
        "```python",
        "return 1",
        "```",
    ]
    of_the_answer = terminal.raw[terminal.raw.index(b"# Order", begin) : terminal.raw.rindex(b"return 1")]
    assert UPWARD.findall(of_the_answer) == []
    assert terminal.leave() == 0


def test_while_a_long_answer_streams_the_cursor_never_goes_up_and_nothing_above_is_written_again(tmp_path):
    texts = [file.read_bytes().decode() for file in sorted((Path(__file__).parent / "answers").glob("*.md"))]
    text = "\n\n".join(one for one in texts if len(one) < 4000).replace("${", "$ {")
    call = "tool_calls: [{name: first}]"
    script = [f"{{{streamed(text)}, {call}}}", call, streamed(text + "\n\nthe end")]
    (tmp_path / "first.go").touch()
    terminal = Terminal(project(tmp_path, script, ["first"]), "a", environ={"NO_COLOR": None})
    say(terminal, "go")
    terminal.wait_until(lambda _: any("the end" in row for row in terminal.rows), seconds=60)
    terminal.wait_for_prompt()
    begin = terminal.raw.rindex(PROMPT_ENDS, 0, terminal.raw.index(b"Pros:")) + len(PROMPT_ENDS)
    turn = terminal.raw[begin : terminal.raw.index(PROMPT_BEGINS, begin)]
    sent = [found for found in SENT.finditer(turn) if not (found.group(1) and STYLE.fullmatch(found.group(1)))]
    assert len(turn) > len(text)
    assert {found.group(1) for found in sent if found.group(1)} <= set(ERASED)
    assert {found.group(2) for found in sent} <= {None}
    assert {found.group(3) for found in sent} <= {None, b"\r"}
    assert terminal.leave() == 0


def test_a_line_tells_what_runs_and_leaves_no_trace(tmp_path):
    script = ['tool_calls: [{name: first, arguments: {order: "1042"}}]', "content: All done."]
    terminal = Terminal(project(tmp_path, script, ["first"]), "a")
    say(terminal, "go")
    terminal.wait_until(lambda _: any('first(order="1042")' in row for row in spinner_rows(terminal)))
    (row,) = spinner_rows(terminal)
    assert re.fullmatch(r'. first\(order="1042"\) \d+ s', row)
    assert terminal.rows[-1] == row
    (tmp_path / "first.go").touch()
    terminal.wait_for("All done.")
    terminal.wait_for_prompt()
    assert spinner_rows(terminal) == []
    assert any(row.startswith('• first(order="1042")') and row.endswith("→ first is done") for row in terminal.rows)
    assert terminal.leave() == 0


def test_calls_at_once_are_counted_and_each_is_told_when_it_ends(tmp_path):
    script = ["tool_calls: [{name: first}, {name: second}]", "content: All done."]
    terminal = Terminal(project(tmp_path, script, ["first", "second"]), "a")
    say(terminal, "go")
    terminal.wait_until(lambda _: any("2 tools" in row for row in spinner_rows(terminal)))
    (tmp_path / "second.go").touch()
    terminal.wait_for("→ second is done")
    terminal.wait_until(lambda _: any("first()" in row for row in spinner_rows(terminal)))
    (tmp_path / "first.go").touch()
    terminal.wait_for("All done.")
    terminal.wait_for_prompt()
    calls = [row.split()[1] for row in terminal.rows if row.startswith("•")]
    assert calls == ["second()", "first()"]
    assert terminal.leave() == 0


def test_ctrl_c_leaves_no_trace_of_the_line(tmp_path):
    terminal = Terminal(project(tmp_path, ["tool_calls: [{name: first}]"], ["first"]), "a")
    say(terminal, "go")
    terminal.wait_until(lambda _: bool(spinner_rows(terminal)))
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.wait_for_prompt()
    assert spinner_rows(terminal) == []
    assert terminal.leave() == 0


def test_the_line_is_not_drawn_while_a_question_waits(tmp_path):
    script = ["tool_calls: [{name: first}, {name: second}]", "content: All done."]
    folder = project(tmp_path, script, ["first", "second"])
    tool = folder / "tools.d" / "second.yaml"
    tool.write_text(tool.read_text() + "require_approval: always\n")
    terminal = Terminal(folder, "a")
    say(terminal, "go")
    terminal.wait_for("allow?")
    asked = len(terminal.raw)
    (tmp_path / "first.go").touch()
    (tmp_path / "second.go").touch()
    terminal.type("v\r")
    terminal.wait_until(lambda _: b"allow?" in terminal.raw[asked:] and terminal.lines[-1] == "allow?")
    assert not SPINNER.search(terminal.raw[asked:].decode("utf-8", "ignore"))
    terminal.type("y\r")
    terminal.wait_for("All done.")
    terminal.wait_for_prompt()
    assert spinner_rows(terminal) == []
    assert terminal.leave() == 0


def test_a_dumb_terminal_gets_text_and_ends_of_lines_alone(tmp_path):
    script = ["tool_calls: [{name: first}]", streamed(ANSWER)]
    folder = project(tmp_path, script, ["first"])
    (tmp_path / "first.go").touch()
    terminal = Terminal(folder, "a", environ={"TERM": "dumb", "NO_COLOR": None})
    say(terminal, "go")
    begin = len(terminal.raw)
    terminal.wait_for("return 1")
    written = terminal.raw[begin : terminal.raw.rindex(b"return 1")].decode()
    assert "It is **on its way** to you, with `DHL`:" in written
    assert not SPINNER.search(written)
    assert "\x1b[1m" not in terminal.raw.decode("utf-8", "ignore")
    terminal.wait_for_prompt()
    assert terminal.leave() == 0


def test_with_colours_the_marks_become_styles(tmp_path):
    terminal = Terminal(project(tmp_path, [streamed(ANSWER)]), "a", environ={"NO_COLOR": None})
    say(terminal, "hi")
    terminal.wait_for("return 1")
    terminal.wait_for_prompt()
    assert b"\x1b[1mway\x1b[0m" in terminal.raw
    assert b"\x1b[36mDHL\x1b[0m" in terminal.raw
    assert b"\x1b[35mreturn\x1b[0m" in terminal.raw
    assert "Order 1042" in terminal.rows
    assert terminal.leave() == 0


def test_a_window_that_is_made_narrower_gets_narrower_rows(tmp_path):
    text = "content: " + "word " * 40
    terminal = Terminal(project(tmp_path, [text, text]), "a", columns=100)
    say(terminal, "hi")
    terminal.wait_until(lambda lines: lines.count("word " * 19 + "word") == 2)
    terminal.wait_for_prompt()
    terminal.resize(52)
    say(terminal, "hi again")
    terminal.wait_until(lambda lines: lines.count("word " * 9 + "word") == 4)
    assert terminal.leave() == 0


class Run(Terminal):
    command = "run"


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}])
def test_the_answer_of_a_run_is_laid_out_at_a_terminal(tmp_path, environ):
    terminal = Run(project(tmp_path, [streamed(ANSWER)]), "a", "hi", environ=environ)
    terminal.wait_for("return 1")
    terminal.read_to_the_end()
    assert [row.split() for row in terminal.rows if row.startswith(("Item", "Teapot"))] == [
        ["Item", "Amount"],
        ["Teapot", "49.00"],
    ]
    assert b"\x1b[1m" not in terminal.raw
    assert terminal.end() == 0


def test_the_answer_of_a_run_has_styles_at_a_terminal_and_hides_no_control(tmp_path):
    answer = ANSWER + "\x1b[2J"
    terminal = Run(project(tmp_path, [streamed(answer)]), "a", "hi", environ={"NO_COLOR": None})
    terminal.wait_for("return 1")
    terminal.read_to_the_end()
    assert b"\x1b[36mDHL\x1b[0m" in terminal.raw
    assert b"\x1b[2J" not in terminal.raw
    assert terminal.end() == 0


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
def test_from_a_pipe_the_answer_is_the_text_as_it_came(tmp_path, environ):
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    script = ["tool_calls: [{name: add, arguments: {a: 40}}]", streamed(ANSWER)]
    write_project(tmp_path, ADD | {"agents/a.yaml": scripted_agent(script, tools="[add]")})
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "chat", "a"],
        cwd=tmp_path,
        input=b"add\n",
        capture_output=True,
        timeout=50,
        env=clean | environ,
    )
    assert done.stdout.decode() == ANSWER
    assert ("\x1b[36m" in done.stderr.decode()) == ("FORCE_COLOR" in environ)
    assert not SPINNER.search(done.stderr.decode())
