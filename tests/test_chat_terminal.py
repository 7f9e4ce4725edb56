"""What is typed in `agentrun chat` at a terminal, key by key: editing, history, completion, the line of status."""

import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from agentrun.cli.prompt.completion import Completion
from agentrun.cli.prompt.history import History
from agentrun.cli.prompt.plain import lacks_cursor_control
from agentrun.cli.prompt.status import Standing, status_line
from agentrun.cli.prompt.typed import text_of
from projects import ADD, scripted_agent, write_project
from servers import ModelServer, sse
from terminals import Terminal

UP, DOWN, LEFT, ESCAPE, ALT_ENTER = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b", "\x1b\r"
CTRL_A, CTRL_C, CTRL_D, CTRL_J, CTRL_L, CTRL_O, CTRL_R = "\x01", "\x03", "\x04", "\n", "\x0c", "\x0f", "\x12"
TAB, EDITOR = "\t", "\x18\x05"


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    return folder / "agentrun"


@pytest.fixture
def service():
    with ModelServer([sse(f"Answer {number}.", usage=(120, 7)) for number in range(1, 9)]) as server:
        yield server


@pytest.fixture
def project(tmp_path, service):
    files = {"agents/a.yaml": f"model: {{name: m-1, base_url: '{service.base_url}', api_key: k}}\ncontext: 1000\n"}
    files["agents/a.yaml"] = files["agents/a.yaml"].replace("context: 1000", "context: {max_tokens: 1000000}")
    return write_project(tmp_path / "project", files)


def said(service):
    """What the model was told last."""
    return service.requests[-1].json["messages"][-1]["content"]


def at_prompt(terminal, text):
    """Until the prompt and what stands at it is this."""
    lines = text.split("\n")
    shown = [f"> {lines[0]}".rstrip(), *(f"  {line}".rstrip() for line in lines[1:])]
    terminal.wait_until(lambda lines: lines[-len(shown) :] == shown)


def answered(terminal, number):
    terminal.wait_for(f"Answer {number}.")
    terminal.wait_for_prompt()


# -- sending ------------------------------------------------------------------------------------------------


def test_enter_sends_and_alt_enter_or_ctrl_j_begins_a_line(project, service):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("one" + ALT_ENTER + "two" + CTRL_J + "three")
    at_prompt(terminal, "one\ntwo\nthree")
    terminal.type("\r")
    answered(terminal, 1)
    assert said(service) == "one\ntwo\nthree"
    assert terminal.leave() == 0


def test_what_is_pasted_is_not_sent_and_keeps_its_lines(project, service):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("see: \x1b[200~first\r\nsecond\r\tthird\n.\x1b[201~")
    at_prompt(terminal, "see: first\nsecond\n    third\n.")
    assert service.requests == []
    terminal.type("\r")
    answered(terminal, 1)
    assert said(service) == "see: first\nsecond\n\tthird\n."
    assert terminal.leave() == 0


@pytest.mark.parametrize("line", ["x" * 79, "x" * 100_000])
def test_a_very_large_paste_arrives_whole(project, service, line):
    pasted = "\n".join([line] * (200_000 // len(line)))
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    writing = threading.Thread(target=terminal.type_all, args=(f"\x1b[200~{pasted}\x1b[201~END\r",))
    writing.start()
    answered(terminal, 1)
    writing.join()
    assert said(service) == pasted + "END"
    assert terminal.leave() == 0


def test_escape_and_ctrl_c_clear_what_stands_at_the_prompt(project):
    terminal = Terminal(project, "a")
    for key in (ESCAPE, CTRL_C):
        terminal.wait_for_prompt()
        terminal.type("not this")
        at_prompt(terminal, "not this")
        terminal.type(key)
        terminal.wait_for_prompt()
        assert not any("Ctrl-C again" in row for row in terminal.rows)
    assert terminal.leave() == 0


def test_ctrl_l_clears_the_screen_and_leaves_what_is_typed(project):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("half" + CTRL_L)
    terminal.wait_until(lambda lines: lines == ["> half"])
    terminal.type(CTRL_C)
    assert terminal.leave() == 0


def test_a_window_that_is_made_narrower_while_one_types_shows_all_of_it(project, service):
    text = "a message of some length that no narrow window has on one line"
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type(text)
    at_prompt(terminal, text)
    terminal.resize(30)
    whole = f">{text}".replace(" ", "")
    terminal.wait_until(lambda lines: "".join(lines[-3:]).replace(" ", "") == whole)
    terminal.type("!\r")
    answered(terminal, 1)
    assert said(service) == text + "!"
    assert terminal.leave() == 0


def test_bytes_that_are_no_text_are_replaced(project, service):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    os.write(terminal.main, b"caf\xff\xc3\xa9\r")
    answered(terminal, 1)
    assert said(service) == "caf\ufffdé"
    assert terminal.leave() == 0


# -- history ------------------------------------------------------------------------------------------------


def test_what_was_typed_before_is_there_in_the_next_conversation(project, service, state):
    terminal = Terminal(project, "a")
    terminal.say("first")
    answered(terminal, 1)
    terminal.type("several" + ALT_ENTER + "lines\r")
    answered(terminal, 2)
    assert terminal.leave() == 0
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "history").stat().st_mode) == 0o600

    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type(UP)
    at_prompt(terminal, "several\nlines")
    terminal.type(UP + UP)
    at_prompt(terminal, "first")
    terminal.type("\r")
    answered(terminal, 3)
    assert said(service) == "first"
    assert terminal.leave() == 0


def test_up_finds_what_begins_as_what_is_typed_and_ctrl_r_what_holds_it(project, service, state):
    history = History(state, str)
    for entry in ("ship order 1", "refund order 2", "ship order 3", "say hello"):
        history.add(entry)
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("ship" + UP)
    at_prompt(terminal, "ship order 3")
    terminal.type(UP)
    at_prompt(terminal, "ship order 1")
    terminal.type(CTRL_C)
    terminal.wait_for_prompt()
    terminal.type(CTRL_R + "fund")
    terminal.wait_for("refund order 2")
    terminal.type("\r")
    at_prompt(terminal, "refund order 2")
    terminal.type("\r")
    answered(terminal, 1)
    assert said(service) == "refund order 2"
    assert terminal.leave() == 0


def test_without_a_session_nothing_that_is_typed_is_kept(project, state):
    terminal = Terminal(project, "a", "--no-session")
    terminal.say("between us")
    answered(terminal, 1)
    terminal.type(UP)
    at_prompt(terminal, "between us")
    terminal.type(CTRL_C)
    assert terminal.leave() == 0
    assert not (state / "history").exists()


def test_secrets_are_masked_in_the_history(tmp_path, service, state, monkeypatch):
    monkeypatch.setenv("DESK_KEY", "hunter2hunter2")
    model = f"model: {{name: m-1, base_url: '{service.base_url}', api_key: '${{DESK_KEY}}'}}\n"
    terminal = Terminal(write_project(tmp_path / "project", {"agents/a.yaml": model}), "a")
    terminal.say("the key is hunter2hunter2")
    answered(terminal, 1)
    assert terminal.leave() == 0
    assert "hunter2" not in (state / "history").read_text()
    assert "the key is" in (state / "history").read_text()


def linked(state):
    elsewhere = state.parent / "elsewhere"
    elsewhere.write_text('"not yours"\n')
    (state / "history").symlink_to(elsewhere)


def a_folder(state):
    (state / "history").mkdir()


def a_pipe(state):
    os.mkfifo(state / "history")


def damaged(state):
    (state / "history").write_bytes(b'\xff\xfe{"no": "text"}\n17\n"half a li')


@pytest.mark.parametrize("spoil", [linked, a_folder, a_pipe, damaged])
def test_a_history_that_is_no_use_stops_no_conversation(project, state, spoil):
    state.mkdir(parents=True)
    spoil(state)
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type(UP + "hello\r")
    answered(terminal, 1)
    terminal.type(UP)
    at_prompt(terminal, "hello")
    terminal.type(CTRL_C)
    assert terminal.leave() == 0
    if spoil is linked:
        assert (state.parent / "elsewhere").read_text() == '"not yours"\n'
    if spoil is damaged:
        assert History(state, str).entries() == ["hello"]


def test_the_history_has_a_bound_and_keeps_the_last(state):
    history = History(state, str)
    for number in range(2600):
        history.add(f"entry {number}")
    entries = History(state, str).entries()
    assert len(entries) == 2000
    assert entries[-1] == "entry 2599"
    assert (state / "history").read_bytes().count(b"\n") <= 2500
    history.add("x" * 60_000)
    assert History(state, str).entries() == entries
    for number in range(60):
        history.add(str(number) * 25_000)
    assert (state / "history").stat().st_size < 4 * 1024 * 1024
    assert History(state, str).entries()[-1] == "59" * 25_000


def test_the_same_entry_twice_in_a_row_is_kept_once(state):
    history = History(state, str)
    for entry in ("a", "a", "b", "a"):
        history.add(entry)
    assert History(state, str).entries() == ["a", "b", "a"]


def test_conversations_that_go_on_at_the_same_time_lose_none_of_each_others_lines(state):
    program = (
        "import sys; from pathlib import Path; from agentrun.cli.prompt.history import History\n"
        "history = History(Path(sys.argv[1]), str)\n"
        "for number in range(700): history.add(f'{sys.argv[2]} {number}')"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(state), name]) for name in "abcd"]
    assert [one.wait(50) for one in others] == [0, 0, 0, 0]
    lines = [json.loads(line) for line in (state / "history").read_text().splitlines()]
    for name in "abcd":  # what is gone went for the bound, from the oldest on
        kept = [int(line.split()[1]) for line in lines if line.startswith(name)]
        assert kept == list(range(700 - len(kept), 700))


# -- completion ---------------------------------------------------------------------------------------------

FILES = ("notes.txt", "notes 2.txt", "docs/plan.md", "docs/old plans/a.md", ".hidden", "no\x1b[31mtes")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in FILES:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(before, commands=(), words=()):
    return [offer.text for offer in Completion(commands, lambda _: words).offers(before)]


def test_files_are_offered_after_an_at_sign(folder):
    assert offered("see @no") == ['"notes 2.txt"', "notes.txt"]
    assert offered("see (@notes.") == offered("@docs/plan.md,@notes.") == ["notes.txt"]
    assert offered('see @"notes 2') == ['"notes 2.txt"']
    assert offered("@do") == ["docs/"]
    assert offered("@docs/") == ['"docs/old plans/', "docs/plan.md"]
    assert offered('@"docs/old plans/') == ['"docs/old plans/a.md"']
    assert offered("@.h") == [".hidden"]
    assert offered(f"@{folder}/docs/pl") == [f"{folder}/docs/plan.md"]
    for none in ("ann@no", "no", "@nowhere/x", '@"docs" ', "@\0", "@~nobody/"):
        assert offered(none) == []


def test_commands_their_aliases_and_what_may_follow_them_are_offered(folder):
    from agentrun.cli.slash.command import Command

    async def run(talk, rest):
        return None

    commands = [
        Command("tool", "NAME", "all of one tool", run, words=lambda _: ()),
        Command("tools", "", "what the agent can call", run, aliases=("tls",)),
        Command("attach", "FILE", "send files", run, reads_files=True),
    ]
    found = list(Completion(commands, lambda _: ["add", "add_all", "Sub", "bad\x1b"]).offers("/to"))
    assert [(one.text, one.replaces, one.shown, one.about) for one in found] == [
        ("/tool ", 3, "/tool NAME", "all of one tool"),
        ("/tools", 3, "/tools", "what the agent can call"),
    ]
    assert [one.about for one in Completion(commands, lambda _: ()).offers("/tl")] == [
        "/tools: what the agent can call"
    ]
    assert offered("/tool a", commands, ["add", "add_all", "Sub", "bad\x1b"]) == ["add", "add_all"]
    assert offered("/tool s", commands, ["add", "Sub"]) == ["Sub"]
    assert offered("/tool x a", commands, ["add"]) == ["add"]
    assert offered("/tools a", commands, ["add"]) == []
    assert offered("/attach notes.", commands) == ["notes.txt"]
    assert offered("/attach docs/plan.md no", commands) == ['"notes 2.txt"', "notes.txt"]
    assert offered('/attach "notes', commands) == ['"notes 2.txt"', '"notes.txt"']
    assert offered("/none a", commands, ["add"]) == offered("say /to", commands) == []


def test_tab_completes_commands_and_tells_what_they_are_for(project):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("/too" + TAB)
    terminal.wait_until(lambda _: any("what the agent can call" in row for row in terminal.below))
    assert any("/tool NAME" in row for row in terminal.below)
    terminal.type(ESCAPE)
    terminal.wait_until(lambda _: len(terminal.below) == 1)
    terminal.type(CTRL_C)
    assert terminal.leave() == 0


def test_tab_completes_tools_files_and_folders_step_by_step(tmp_path):
    files = ADD | {"agents/a.yaml": scripted_agent(["content: Read."], tools="[add]"), "docs/old plans/a.md": "x\n"}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.wait_for_prompt()
    terminal.type("/tool ad" + TAB)
    at_prompt(terminal, "/tool add")
    terminal.type("\r")
    terminal.wait_for("Adds two numbers.")
    terminal.wait_for_prompt()
    terminal.type("look at @do" + TAB)
    at_prompt(terminal, "look at @docs/")
    terminal.type(TAB)
    at_prompt(terminal, 'look at @"docs/old plans/')
    terminal.type(TAB)
    at_prompt(terminal, 'look at @"docs/old plans/a.md"')
    terminal.type("\r")
    terminal.wait_for("attached: docs/old plans/a.md")
    terminal.wait_for("Read.")
    assert terminal.leave() == 0


def test_enter_takes_the_file_that_is_chosen_and_does_not_send(tmp_path):
    files = {"agents/a.yaml": scripted_agent(["content: Read."]), "note1": "x\n", "note2": "x\n"}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.wait_for_prompt()
    terminal.type("@not" + TAB)
    terminal.wait_until(lambda lines: lines[-1] == "> @note" and any("note2" in row for row in terminal.below))
    terminal.type(TAB + TAB + "\r")
    at_prompt(terminal, "@note2")
    terminal.wait_until(lambda _: len(terminal.below) == 1)
    terminal.type(" please\r")
    terminal.wait_for("Read.")
    assert terminal.leave() == 0


# -- the editor ---------------------------------------------------------------------------------------------


def editor(folder, script):
    file = folder / "my editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return f"'{file}' --wait"


def test_the_editor_gets_what_is_typed_and_its_text_stands_at_the_prompt(project, service, tmp_path):
    command = editor(
        tmp_path, f'[ "$1" = --wait ] && cp "$2" {tmp_path}/got && printf "%s\\nmore\\n" "$(cat "$2")" > "$2"'
    )
    terminal = Terminal(project, "a", environ={"VISUAL": command})
    terminal.wait_for_prompt()
    terminal.type("draft é" + EDITOR)
    at_prompt(terminal, "draft é\nmore")
    assert (tmp_path / "got").read_text() == "draft é"
    terminal.type("!\r")
    answered(terminal, 1)
    assert said(service) == "draft é\nmore!"
    assert terminal.leave() == 0


@pytest.mark.parametrize(
    ("visual", "told"),
    [
        ("false", "the editor `false` ended with code 1: the text stays as it was"),
        ("/nowhere/vim", "the editor `/nowhere/vim` could not be started"),
        ("vim '", "VISUAL is no command"),
    ],
)
def test_an_editor_that_fails_is_told_and_the_text_stays(project, visual, told):
    terminal = Terminal(project, "a", environ={"VISUAL": visual}, columns=150)
    terminal.wait_for_prompt()
    terminal.type("draft" + EDITOR)
    terminal.wait_for(told)
    at_prompt(terminal, "draft")
    terminal.type(CTRL_C)
    assert terminal.leave() == 0


# -- the line below the prompt ------------------------------------------------------------------------------


def test_the_line_below_the_prompt_tells_model_context_and_session(project):
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.wait_until(lambda _: terminal.below and terminal.below[0].startswith("m-1 · "))
    session = terminal.below[0].removeprefix("m-1 · ")
    assert len(session) == 10
    terminal.say("hi")
    terminal.wait_until(lambda _: terminal.below and " of 1M) · " in terminal.below[0])
    assert terminal.below[0].endswith(f" · {session}")
    terminal.resize(16)
    terminal.wait_until(lambda _: terminal.below and session not in terminal.below[-1] and "%" in terminal.below[-1])
    assert terminal.leave() == 0
    assert not any("of 1M" in row for row in terminal.rows)


def test_the_line_below_the_prompt_says_that_nothing_is_saved_and_names_waiting_files(project):
    (project / "notes.txt").write_text("x")
    terminal = Terminal(project, "a", "--no-session")
    terminal.say("/attach notes.txt")
    terminal.wait_until(lambda _: terminal.below == ["m-1 · not saved · + notes.txt"])
    assert terminal.leave() == 0


STANDING = Standing("claude-opus-5", 12_345, 200_000, "$0.0123", "ab12cd34ef", ("invoice.pdf", "shot.png"))


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (120, "claude-opus-5 · 12k tokens (6% of 200k) · $0.0123 · ab12cd34ef · + invoice.pdf, shot.png"),
        (80, "claude-opus-5 · 6% · $0.0123 · ab12cd34ef · + invoice.pdf, shot.png"),
        (60, "claude-opus-5 · 6% · $0.0123 · ab12cd34ef · + 2 files"),
        (45, "claude-opus-5 · 6% · $0.0123 · + 2 files"),
        (34, "claude-opus-5 · 6% · + 2 files"),
        (20, "claude-opus-5 · 6%"),
        (14, "claude-opus-5"),
        (8, "claude-…"),
        (1, "…"),
        (0, ""),
    ],
)
def test_a_narrow_window_loses_what_is_missed_least_first(columns, line):
    assert status_line(STANDING, columns) == line


def test_what_is_not_known_is_left_out_of_the_line_and_names_are_harmless():
    assert status_line(Standing("m"), 80) == "m"
    assert status_line(Standing("m", 950), 80) == "m · 950 tokens"
    assert status_line(Standing("m", 1_250_000), 80) == "m · 1.2M tokens"
    assert status_line(Standing("m\x1b[31m\n", waiting=("a\x1b]0;x\x07.txt",)), 80) == "m␛[31m · + a␛]0;x␇.txt"
    assert status_line(Standing("m", waiting=("a", "b", "c", "d")), 80) == "m · + 4 files"
    assert status_line(Standing("模型" * 20), 11) == "模型模型模…"


def test_colours_are_used_unless_they_are_not_wanted(project):
    for environ, coloured in (({"NO_COLOR": None}, True), ({"NO_COLOR": "1"}, False)):
        terminal = Terminal(project, "a", environ=environ)
        terminal.wait_for_prompt()
        terminal.wait_until(lambda _, terminal=terminal: bool(terminal.below))
        row = terminal.screen.cursor.y + 1
        assert (terminal.screen.buffer[row][0].fg != "default") is coloured
        assert terminal.leave() == 0


# -- results and drafts -------------------------------------------------------------------------------------


def test_ctrl_o_unfolds_the_last_result_and_then_the_ones_before(tmp_path):
    shell = "shell: {command: [sh, -c, 'seq 1 30; echo %s'], cwd: ..}\n"
    files = {
        "tools.d/one.yaml": "description: One.\n" + shell % "end-of-one",
        "tools.d/two.yaml": "description: Two.\n" + shell % "end-of-two",
        "agents/a.yaml": scripted_agent(
            ["tool_calls: [{name: one}]", "tool_calls: [{name: two}]", "content: Done."], tools="[one, two]"
        ),
    }
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.wait_for_prompt()
    terminal.type(CTRL_O)
    terminal.wait_for("no tool was called yet")
    terminal.say("go")
    terminal.wait_for("Done.")
    terminal.wait_for_prompt()
    assert not any("end-of" in row for row in terminal.rows)
    terminal.type("half a message" + CTRL_O)
    terminal.wait_for("end-of-two")
    at_prompt(terminal, "half a message")
    terminal.type(CTRL_O)
    terminal.wait_for("end-of-one")
    terminal.type(CTRL_O)
    terminal.wait_for("there are no more results")
    at_prompt(terminal, "half a message")
    terminal.type(CTRL_C)
    assert terminal.leave() == 0


def test_ctrl_o_unfolds_what_a_tool_gave_and_no_hand_off(tmp_path):
    one = "description: One.\nshell: {command: [sh, -c, 'seq 1 30; echo end-of-one'], cwd: ..}\n"
    replies = ["tool_calls: [{name: one}]", "tool_calls: [{name: transfer_to_b}]"]
    files = {
        "tools.d/one.yaml": one,
        "agents/a.yaml": scripted_agent(replies, tools="[one]", more="handoffs: [b]"),
        "agents/b.yaml": scripted_agent(["content: Done."]),
    }
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.wait_for_prompt()
    terminal.say("go")
    terminal.wait_for("Done.")
    terminal.wait_for("b>")
    terminal.type(CTRL_O)
    terminal.wait_for("end-of-one")
    terminal.type(CTRL_O)
    terminal.wait_for("there are no more results")
    terminal.type(CTRL_D)
    assert terminal.end() == 0


def test_a_draft_stands_at_the_prompt_to_be_edited(project, service):
    terminal = Terminal(project, "a")
    terminal.say("one" + ALT_ENTER + "two")
    answered(terminal, 1)
    terminal.type("/edit\r")
    at_prompt(terminal, "one\ntwo")
    terminal.type(" and three\r")
    answered(terminal, 2)
    assert said(service) == "one\ntwo and three"
    assert [message["role"] for message in service.requests[-1].json["messages"]] == ["user"]
    assert terminal.leave() == 0


# -- typing while the model answers -------------------------------------------------------------------------

UNTIL = "[sh, -c, 'until [ -e go ]; do sleep 0.02; done']"
WAITING = {
    "tools.d/wait.yaml": f"description: Waits.\nshell: {{command: {UNTIL}, cwd: ..}}\n",
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: wait}]", "content: Done.", "content: Next."], tools="[wait]"),
}


def test_what_is_typed_during_a_turn_is_not_shown_and_stands_at_the_next_prompt(tmp_path):
    terminal = Terminal(write_project(tmp_path, WAITING), "a")
    terminal.say("go")
    terminal.wait_for("wait()")
    terminal.type("never" + CTRL_D + UP + "\x15nexd\x7ft mess" + LEFT + "age\r")
    terminal.resize(90)
    (tmp_path / "go").touch()
    terminal.wait_for("Done.")
    at_prompt(terminal, "next message")
    assert sum("mess" in row for row in terminal.rows) == 1
    assert not any("Next." in row for row in terminal.rows)
    terminal.type("\r")
    terminal.wait_for("Next.")
    assert terminal.leave() == 0


def test_keys_that_were_typed_blind_amount_to_the_text_they_would_write():
    for keys, text in (
        ("one\rtwo\r\r", "one\ntwo"),
        ("abc\x7f\x7fd", "ad"),
        ("one two\x17three", "one three"),
        ("one\rtwo\x15three", "one\nthree"),
        ("\x1b[A\x1b[1;5Cx\x1bby\x1b\rz", "xy\nz"),
        ("\x1b[200~pasted\r\nlines\x1b[201~!", "pasted\nlines!"),
        ("\x03\x04\x1a\t\x1b[39;1R", ""),
        ("héé 模", "héé 模"),
    ):
        assert text_of(keys) == text


# -- terminals without cursor control -----------------------------------------------------------------------


def test_a_dumb_terminal_has_a_plain_prompt_that_works(project, service, state):
    terminal = Terminal(project, "a", environ={"TERM": "dumb"})
    terminal.say("helo\x7flo")
    answered(terminal, 1)
    assert said(service) == "hello"
    terminal.type("half" + CTRL_D)
    terminal.wait_until(lambda lines: lines[-1] == "> half")
    terminal.type(" a line\r")
    answered(terminal, 2)
    assert said(service) == "half a line"
    terminal.type("/edit\r")
    terminal.wait_for("(Enter sends this; type something else to send that)")
    terminal.wait_for_prompt()
    terminal.type("\r")
    answered(terminal, 3)
    assert said(service) == "half a line"
    assert b"\x1b" not in terminal.raw
    modes = terminal.modes_now
    terminal.type(CTRL_D)
    terminal.wait_for("agentrun chat --resume")
    assert modes() == terminal.modes
    assert terminal.end() == 0
    assert History(state, str).entries() == ["hello", "half a line", "/edit", "half a line"]


def test_ctrl_c_twice_leaves_a_dumb_terminal(project):
    terminal = Terminal(project, "a", environ={"TERM": "dumb"})
    terminal.wait_for_prompt()
    terminal.type(CTRL_C)
    terminal.wait_for("Ctrl-C again or Ctrl-D leaves")
    terminal.wait_for_prompt()
    terminal.type(CTRL_C)
    assert terminal.end() == 130


@pytest.mark.parametrize(
    ("terminal", "lacks"),
    [("dumb", True), ("", True), ("unknown", True), ("xterm", False), ("linux", False), ("xterm-of-tomorrow", False)],
)
def test_terminals_without_cursor_control_are_known(terminal, lacks):
    program = f"from agentrun.cli.prompt.plain import lacks_cursor_control as lacks; print(lacks({terminal!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.strip() == str(lacks)
    assert lacks_cursor_control("dumb")


def test_the_prompt_is_seen_where_only_the_answers_go_elsewhere(project, service, tmp_path):
    command = f"exec '{sys.executable}' -m agentrun chat a > '{tmp_path}/answers'"
    terminal = Terminal(project, argv=["sh", "-c", command])
    terminal.say("hi")
    terminal.wait_until(lambda lines: lines[-1] == ">" and lines.count("> hi") == 1)
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert (tmp_path / "answers").read_text() == "Answer 1.\n"
