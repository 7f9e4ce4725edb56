"""/commands of a conversation about what is kept of it: sessions, files, the clipboard, tests."""

import base64
import json
import os
import re
import stat
import subprocess
import sys

import pytest
import yaml

from agentrun.cli.slash.answers import answers
from agentrun.cli.slash.clipboard import MAX_OSC_BYTES, copy, osc52, programs
from agentrun.engine.conversation import cut_off
from agentrun.engine.messages import assistant, user
from agentrun.errors import UsageError
from projects import scripted_agent, write_project
from terminals import Terminal
from test_chat_past import FRONT, LONG, SUMMED_UP, chat, folder  # noqa: F401

SECRET = "hunter22hunter22"


def sessions(folder):  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "sessions", "list", "--format", "json"],
        cwd=folder,
        capture_output=True,
        timeout=50,
        check=True,
    )
    return json.loads(done.stdout)["sessions"]


@pytest.fixture
def with_secret(folder, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SUM_KEY", SECRET)
    text = scripted_agent([f"content: The key is {SECRET}."]).replace(
        "api: scripted", "api: scripted\n  api_key: ${SUM_KEY}"
    )
    return write_project(folder, {"agents/leaky.yaml": text})


# -- sessions


def test_sessions_lists_those_with_this_agent_and_marks_the_one_that_goes_on(folder):  # noqa: F811
    write_project(folder, {"agents/other.yaml": scripted_agent(["content: Hello."])})
    chat(folder, "good morning", agent="other")
    chat(folder, "thanks a lot")
    done = chat(folder, "add 40 and 2", "/sessions")
    head, current, before = [line for line in done.told.splitlines() if "sum  " in line or "TITLE" in line]
    assert head.split() == ["ID", "CHANGED", "AGENT", "TURNS", "TITLE"]
    assert current.startswith("* ") and current.endswith("add 40 and 2")
    assert before.startswith("  ") and before.endswith("thanks a lot")
    assert "good morning" not in done.told


def test_sessions_with_words_finds_those_in_which_they_were_said(folder):  # noqa: F811
    chat(folder, "add 40 and 2", "thanks for the pelican")
    chat(folder, "thanks")
    done = chat(folder, "/sessions pelican", "/sessions walrus")
    (row,) = [line for line in done.told.splitlines() if "  sum  " in line]
    assert row.endswith("add 40 and 2")
    assert "thanks for the pelican" in done.told
    assert "there is no session with sum in which “walrus” was said yet" in done.told


def test_resume_goes_on_with_another_session_and_tells_how_to_come_back(folder):  # noqa: F811
    chat(folder, "add 40 and 2", "/title sums")
    (first,) = sessions(folder)
    done = chat(folder, "hello", f"/resume {first['id'][:6]}", "bye")
    assert [text for role, text in done.said if role == "user"] == ["add 40 and 2", "bye"]
    (before,) = re.findall(r"the one before is kept: /resume (\w+)", done.told)
    assert chat(folder, agent=None, options=("--resume", before)).said == [
        ("user", "hello"),
        ("assistant", "It is 42."),
    ]
    assert sorted((one["title"], one["turns"]) for one in sessions(folder)) == [("hello", 1), ("sums", 2)]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/resume", "which session?"),
        ("/resume ffffffff", "ffffffff"),
        ("/save it", "nothing may follow /save: `it`"),
        ("/copy", "without a terminal there is no clipboard"),
        ("/export json no/such/folder.json", "can't be written"),
        ("/export said.md", "`said.md` is there already"),
    ],
)
def test_what_is_refused_changes_nothing(folder, typed, told):  # noqa: F811
    (folder / "said.md").write_text("mine")
    done = chat(folder, "add 40 and 2", typed)
    assert told in done.told
    assert done.said == [("user", "add 40 and 2"), ("assistant", "It is 42.")]
    assert (folder / "said.md").read_text() == "mine"


def test_fork_goes_on_in_a_copy_and_leaves_the_session_as_it_is(folder):  # noqa: F811
    done = chat(folder, "add 40 and 2", "/fork another way", "thanks")
    copy, before = re.search(r"goes on in a copy, session (\w+); (\w+) stays as it is", done.told).groups()
    kept = {one["id"]: one for one in sessions(folder)}
    assert (kept[copy]["title"], kept[copy]["turns"], kept[copy]["forked_from"]) == ("another way", 2, before)
    assert (kept[before]["title"], kept[before]["turns"]) == ("add 40 and 2", 1)
    assert "nothing was said yet" in chat(folder, "/fork").told


def test_a_copy_that_is_taken_up_says_that_it_does_not_know_what_was_before(folder):  # noqa: F811
    chat(folder, "add 40 and 2")
    (before,) = sessions(folder)
    done = chat(folder, "/last", "/trace", options=("--resume", before["id"], "--fork"))
    assert "since" not in done.told  # the conversation that makes the copy knows all
    (copy,) = (one["id"] for one in sessions(folder) if one["id"] != before["id"])
    done = chat(folder, "/last", "/trace", options=("--resume", copy))
    since = f"since this was copied from {before['id']}"
    assert f"no tool was called {since}\nnothing was asked {since}\n" in done.told


def test_a_session_has_its_first_message_for_a_title_until_it_is_given_another(folder):  # noqa: F811
    done = chat(folder, "/title", "add 40 and 2", "/title", "/title my  sums", "/title")
    told = [line for line in done.told.splitlines() if "title" in line]
    assert told == [
        "no title yet: it will be the first message",
        "the title is “add 40 and 2”",
        "the title is “my sums”",
        "the title is “my sums”",
    ]
    assert [one["title"] for one in sessions(folder)] == ["my sums"]


def test_save_keeps_a_conversation_that_was_not_kept_from_its_beginning(folder):  # noqa: F811
    done = chat(folder, "add 40 and 2", "/save", "thanks", "/save", options=("--no-session",))
    (id,) = re.findall(r"kept from now on, with all that was said: session (\w+)", done.told)
    assert f"it is kept already, as session {id}" in done.told
    assert [(one["id"], one["turns"], one["title"]) for one in sessions(folder)] == [(id, 2, "add 40 and 2")]
    assert chat(folder, agent=None, options=("--resume", id)).messages == done.messages


def test_what_is_recorded_is_no_session(folder):  # noqa: F811
    done = chat(folder, "add 40 and 2", "/save", "/fork", "/sessions", "/resume abcd", options=("--record", "a.yaml"))
    assert done.told.count("with `--record` nothing is kept in the database") >= 3
    assert sessions(folder) == []


# -- export


def test_export_writes_a_file_called_after_title_and_id_and_never_over_another(folder):  # noqa: F811
    done = chat(folder, "add 40 and 2", "/export", "/export md", "/export json")
    (id,) = (one["id"] for one in sessions(folder))
    names = [f"add-40-and-2-{id}.md", f"add-40-and-2-{id}-2.md", f"add-40-and-2-{id}.json"]
    assert re.findall(r"written to (\S+)", done.told)[:3] == names
    text = (folder / names[0]).read_text()
    assert text.startswith("# add 40 and 2\n")
    assert "It is 42." in text
    assert json.loads((folder / names[2]).read_text())["session"]["id"] == id


def test_export_takes_a_file_a_folder_and_the_format_from_the_ending(folder):  # noqa: F811
    (folder / "out").mkdir()
    chat(folder, "add 40 and 2", "/export a b.json", "/export md c.txt", "/export out", options=("--no-session",))
    assert json.loads((folder / "a b.json").read_text())["messages"][0]["content"] == "add 40 and 2"
    assert (folder / "c.txt").read_text().startswith("# add 40 and 2\n")
    (file,) = (folder / "out").iterdir()
    assert file.name.startswith("add-40-and-2-") and file.suffix == ".md"


def test_export_follows_no_link_to_a_file_that_is_not_there(folder):  # noqa: F811
    (folder / "link.md").symlink_to(folder / "elsewhere.md")
    assert "`link.md` is there already" in chat(folder, "add 40 and 2", "/export link.md").told
    assert not (folder / "elsewhere.md").exists()


def test_what_is_exported_holds_no_secret(with_secret):
    typed = (f"is it {SECRET}?", f"/title about {SECRET}", "/export out.md", "/title")
    done = chat(with_secret, *typed, agent="leaky", options=("--no-session",))
    assert SECRET not in (with_secret / "out.md").read_text()
    assert SECRET not in json.dumps(done.messages)
    assert SECRET not in done.told
    assert done.said[0] == ("user", "is it [secret]?")


# -- the clipboard


def test_the_answers_are_the_last_text_of_each_exchange():
    messages = [user("a"), assistant("let me see"), assistant("A"), user("b"), user("c"), cut_off("half of C")]
    assert answers(messages) == ["A", "half of C"]
    assert answers([]) == []


def test_copy_sends_the_last_answer_to_the_terminal_or_the_one_that_is_asked_for(folder):  # noqa: F811
    terminal = Terminal(folder, "sum")
    terminal.say("/copy")
    terminal.wait_for("there is no answer yet")
    terminal.say("add 40 and 2")
    terminal.wait_for("It is 42.")
    terminal.say("thanks")
    terminal.wait_for("You are welcome.")
    terminal.say("/copy")
    terminal.wait_for("16 characters")
    terminal.say("/copy 2")
    terminal.wait_for("9 characters")
    terminal.say("/copy 3")
    terminal.wait_for("there are only 2 answers")
    terminal.say("/copy x")
    terminal.wait_for("`x` is no number")
    assert terminal.leave() == 0
    sent = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.raw)
    assert [base64.b64decode(one).decode() for one in sent] == ["You are welcome.", "It is 42."]


def test_copied_answers_hold_no_secret(with_secret):
    terminal = Terminal(with_secret, "leaky")
    terminal.say("what is it?")
    terminal.wait_for("The key is [secret].")
    terminal.say("/copy")
    terminal.wait_for("characters")
    assert terminal.leave() == 0
    (sent,) = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.raw)
    assert base64.b64decode(sent) == b"The key is [secret]."


@pytest.fixture
def desktop(tmp_path):
    """A folder with programs of these names; each writes down what it is given, or fails."""

    def make(*names, code=0):
        for name in names:
            file = tmp_path / name
            file.write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/ran\nexec 1>{tmp_path}/taken; cat; exit {code}\n')
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return tmp_path

    return make


class Screen:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        """It is there."""


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, ["pbcopy"]),
        ({"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, ["pbcopy", "wl-copy", "xclip", "xsel"]),
        ({"DISPLAY": ":0"}, ["pbcopy", "xclip", "xsel"]),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, []),
        ({"SSH_TTY": "x", "TMUX": "t"}, ["tmux"]),
    ],
)
def test_programs_of_the_desktop_are_used_where_the_desktop_is_the_persons(desktop, environ, found):
    path = desktop("pbcopy", "wl-copy", "xclip", "xsel", "tmux")
    assert [one[0] for one in programs(environ | {"PATH": str(path)})] == found


def test_a_program_gets_the_text_and_the_terminal_nothing(desktop, monkeypatch):
    path = desktop("xclip")
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    screen = Screen()
    copied = copy("grüße\n", {"DISPLAY": ":0", "PATH": str(path)}, screen)
    assert (copied.by, copied.certain) == ("xclip", True)
    assert (path / "taken").read_text() == "grüße\n"
    assert (path / "ran").read_text().endswith("xclip -selection clipboard -in\n")
    assert screen.text == ""


def test_where_the_program_fails_the_terminal_is_asked(desktop, monkeypatch):
    path = desktop("xclip", code=1)
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    screen = Screen()
    assert copy("hi", {"DISPLAY": ":0", "PATH": str(path)}, screen).certain is False
    assert screen.text == "\x1b]52;c;aGk=\x07"


def test_in_tmux_the_sequence_goes_through_it_too():
    assert osc52("hi", in_tmux=True) == "\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"


def test_what_no_terminal_takes_is_refused_with_another_way():
    with pytest.raises(UsageError, match="too long for the clipboard"):
        copy("x" * MAX_OSC_BYTES, {"PATH": ""}, Screen())
    with pytest.raises(UsageError, match="there is no clipboard here"):
        copy("x", {"PATH": ""}, None)


# -- /save-test after what was said was changed


def saved_case(folder, *typed, agent="sum"):  # noqa: F811
    """The case of a test that passes, and what was told when it was saved."""
    done = chat(folder, *typed, "/save-test x", agent=agent)
    file = folder / "tests/x.test.yaml"
    assert file.exists(), done.told
    run = subprocess.run(
        [sys.executable, "-m", "agentrun", "test", str(file)], cwd=folder, capture_output=True, timeout=50
    )
    assert run.returncode == 0, run.stdout.decode()
    (case,) = yaml.safe_load(file.read_text())["cases"]
    return case, done


def users(case):
    return [one["user"] for one in case["conversation"]]


@pytest.mark.parametrize(
    ("typed", "said", "last"),
    [
        (["add 40 and 2", "thanks", "/undo", "bye"], ["add 40 and 2", "bye"], "Once more."),
        (["add 40 and 2", "/undo", "thanks"], ["thanks"], "You are welcome."),
        (["add 40 and 2", "thanks", "/retry"], ["add 40 and 2", "thanks"], "Once more."),
        (["add 40 and 2", "thanks", "/edit bye"], ["add 40 and 2", "bye"], "Once more."),
        (["add 40 and 2", "thanks", "bye", "/undo 2", "so"], ["add 40 and 2", "so"], "And again."),
        (["add 40 and 2", "/clear", "thanks"], ["thanks"], "You are welcome."),
        (["add 40 and 2", "/fork", "thanks"], ["add 40 and 2", "thanks"], "You are welcome."),
    ],
)
def test_a_test_plays_what_the_conversation_is_in_the_end(folder, typed, said, last):  # noqa: F811
    case, done = saved_case(folder, *typed)
    assert users(case) == said
    assert case["conversation"][-1]["expect"]["answer"] == last
    assert "not in it" not in done.told


def test_a_hand_off_that_was_undone_is_not_in_the_test(folder):  # noqa: F811
    case, _ = saved_case(write_project(folder, FRONT), "hi", "the bill", "/undo", "hm", agent="front")
    assert users(case) == ["hi", "hm"]
    assert "agent" not in case["conversation"][-1]["expect"]


@pytest.fixture
def long_one(folder):  # noqa: F811
    return write_project(folder, {"agents/long.yaml": scripted_agent(SUMMED_UP)})


def test_what_was_said_after_a_summary_is_left_out_and_told(long_one):
    case, done = saved_case(long_one, "tell me", "and in short?", "/compact", "thanks", agent="long")
    assert users(case) == ["tell me", "and in short?"]
    assert "what was said last is not in it: the conversation was shortened by /compact" in done.told


def test_a_summary_that_took_nothing_from_what_is_left_to_say_changes_no_test(long_one):
    case, done = saved_case(long_one, "tell me", "and in short?", "/compact", "thanks", "/undo 2", agent="long")
    assert users(case) == ["tell me"]
    assert "not in it" not in done.told


def test_an_overflow_that_was_undone_ends_what_can_be_played(folder):  # noqa: F811
    script = [f"content: {LONG}", "content: They spoke.", "content: Short.", "content: Once more."]
    more = "context: {max_tokens: 480}"
    write_project(folder, {"agents/small.yaml": scripted_agent(script, more=more)})
    case, done = saved_case(folder, "tell me", f"and in short? {LONG[:300]}", "/undo", "thanks", agent="small")
    assert users(case) == ["tell me"]
    assert "not in it: the conversation was shortened in what was taken back" in done.told


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["/save-test"], "nothing was said since the conversation was taken up here"),
        (["thanks", "/save-test"], "what was said before it was taken up here was not recorded"),
    ],
)
def test_a_session_that_was_taken_up_makes_no_test_and_it_is_told_why(folder, typed, told):  # noqa: F811
    chat(folder, "add 40 and 2")
    done = chat(folder, *typed, agent=None, options=("--continue",))
    assert f"no test can be made of it: {told}" in done.told
    assert not (folder / "tests").exists()


def test_a_message_with_a_file_is_saved_as_it_was_said_last(folder):  # noqa: F811
    (folder / "notes.txt").write_text("Buy milk.")
    chat(folder, "/attach notes.txt", "what is it?", "/retry", "/undo", "hello", "/save-test x")
    assert "attach" not in (folder / "tests/x.test.yaml").read_text()
    chat(folder, "/attach notes.txt", "what is it?", "/retry", "/save-test y")
    assert (folder / "tests/y.test.yaml").read_text().count('attach: ["../notes.txt"]') == 1


def test_a_file_goes_again_with_a_message_that_is_said_again_or_changed(folder):  # noqa: F811
    (folder / "notes.txt").write_text("Buy milk.")
    done = chat(folder, "/attach notes.txt", "what is it?", "/retry", "/edit what was it?")
    (content,) = (one["content"] for one in done.messages if one["role"] == "user")
    assert content[-1]["text"] == "what was it?"
    assert "Buy milk." in content[0]["text"]
    assert "with notes.txt (text, 9 bytes)" in done.told
