"""/commands of a conversation that change what was said: clear, undo, retry, edit and compact.

What the conversation is after them is read from `/export json`.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys

import pytest

from agentrun.engine.messages import Message
from projects import ADD, scripted_agent, write_project
from terminals import Terminal
from test_compaction import assert_valid

LONG = "All of it. " * 150
TALK = [
    "tool_calls: [{name: add, arguments: {a: 40}, id: c1}]",
    "content: It is 42.",
    "content: You are welcome.",
    "content: Once more.",
    "content: And again.",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return write_project(tmp_path / "project", ADD | {"agents/sum.yaml": scripted_agent(TALK, tools="[add]")})


def chat(folder, *typed, agent="sum", options=()):
    """A conversation from a pipe, and its messages in the end; of the system prompt only the text."""
    target = folder / "said.json"
    target.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "chat", *([agent] if agent else []), *options],
        cwd=folder,
        input="".join(f"{line}\n" for line in (*typed, "/export said.json")).encode(),
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"},
    )
    messages = json.loads(target.read_text())["messages"] if target.exists() else []
    return Done(done.stdout.decode(), done.stderr.decode(), messages, done.returncode)


class Done:
    def __init__(self, answers, told, messages, code):
        self.answers = answers.splitlines()
        self.told = told
        self.messages = messages
        self.code = code

    @property
    def said(self):
        """Who said what, without calls and results."""
        return [(one["role"], one["content"]) for one in self.messages if one.get("content") and one["role"] != "tool"]


# -- clear


def test_clear_begins_another_session_and_tells_the_id_of_the_one_before(folder):
    done = chat(folder, "add 40 and 2", "/clear", "thanks")
    assert done.said == [("user", "thanks"), ("assistant", "You are welcome.")]
    (before,) = re.findall(r"a new conversation; the one before is kept: /resume (\w+)", done.told)
    again = chat(folder, agent=None, options=("--resume", before))
    assert again.said == [("user", "add 40 and 2"), ("assistant", "It is 42.")]


def test_clear_of_what_is_not_kept_promises_nothing(folder):
    done = chat(folder, "add 40 and 2", "/reset", options=("--no-session",))
    assert "a new conversation\n" in done.told
    assert "kept" not in done.told


# -- undo


def test_undo_takes_the_last_message_out_with_all_that_followed(folder):
    done = chat(folder, "add 40 and 2", "thanks", "/undo", "bye")
    assert done.said == [
        ("user", "add 40 and 2"),
        ("assistant", "It is 42."),
        ("user", "bye"),
        ("assistant", "Once more."),
    ]
    assert "undone: “thanks”" in done.told
    assert "not undone" not in done.told


def test_undo_tells_that_what_tools_did_stays(folder):
    done = chat(folder, "add 40 and 2", "thanks", "/undo 2")
    assert done.messages == []
    assert "undone: “add 40 and 2” and the 1 message after it" in done.told
    assert "what tools did is not undone: add" in done.told


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/undo 2", "only 1 message can be undone"),
        ("/undo 0", "`0` is no number of messages"),
        ("/undo -1", "`-1` is no number of messages"),
        ("/undo ²", "`²` is no number of messages"),
        ("/undo all", "`all` is no number of messages"),
        ("/undo " + "9" * 5000, "is no number of messages"),
        ("/last " + "9" * 5000, "is not known: `/last 2` shows the last result but one"),
        ("/retry now", "nothing may follow /retry: `now`"),
        ("/clear all", "nothing may follow /clear: `all`"),
        ("/edit", "without a terminal there is no prompt to edit at"),
        ("/compact", "the conversation is too short for a summary"),
    ],
)
def test_what_is_refused_changes_nothing(folder, typed, told):
    done = chat(folder, "add 40 and 2", typed)
    assert told in done.told
    assert done.said == [("user", "add 40 and 2"), ("assistant", "It is 42.")]


@pytest.mark.parametrize("typed", ["/undo", "/retry", "/edit more", "/compact"])
def test_before_anything_was_said_there_is_nothing_to_change(folder, typed):
    assert "nothing was said yet" in chat(folder, typed).told


def test_undo_reaches_back_into_what_was_said_before_the_session_was_taken_up(folder):
    chat(folder, "add 40 and 2", "thanks")
    done = chat(folder, "/undo", "hello", agent=None, options=("--continue",))
    assert [text for role, text in done.said if role == "user"] == ["add 40 and 2", "hello"]
    again = chat(folder, "/undo 2", agent=None, options=("--continue",))
    assert again.messages == []
    assert chat(folder, agent=None, options=("--continue",)).messages == []


FRONT = {
    "agents/front.yaml": scripted_agent(
        ["content: Hello.", "tool_calls: [{name: transfer_to_billing, arguments: {}}]", "content: Front again."],
        more="handoffs: [billing]\nsystem_prompt: You are the front desk.",
    ),
    "agents/billing.yaml": scripted_agent(
        ["content: Billing here.", "content: Billed."], more="system_prompt: You do billing."
    ),
}


def test_who_had_the_conversation_before_a_hand_off_has_it_again_with_its_prompt(folder):
    write_project(folder, FRONT)
    done = chat(folder, "hi", "the bill", "/undo", "hm", agent="front")
    assert "front has the conversation again" in done.told
    assert done.said == [
        ("system", "You are the front desk."),
        ("user", "hi"),
        ("assistant", "Hello."),
        ("user", "hm"),
        ("assistant", "Front again."),
    ]


def test_so_it_is_also_where_the_hand_off_was_before_the_session_was_taken_up(folder):
    write_project(folder, FRONT)
    chat(folder, "hi", "the bill", "more", agent="front")
    kept = chat(folder, "/undo", agent=None, options=("--continue",))
    assert kept.said[0] == ("system", "You do billing.")
    done = chat(folder, "/undo", agent=None, options=("--continue",))
    assert "front has the conversation again" in done.told
    assert done.said == [("system", "You are the front desk."), ("user", "hi"), ("assistant", "Hello.")]
    assert chat(folder, agent=None, options=("--continue",)).said == done.said


# -- retry and edit


def test_retry_says_the_last_message_again(folder):
    done = chat(folder, "add 40 and 2", "thanks", "/retry")
    assert done.answers == ["It is 42.", "You are welcome.", "Once more."]
    assert done.said[2:] == [("user", "thanks"), ("assistant", "Once more.")]
    assert "again: “thanks”" in done.told


def test_a_failed_message_can_be_said_again(folder):
    script = ["error: {status: 401, message: no such key}", "content: Hello."]
    write_project(folder, {"agents/a.yaml": scripted_agent(script)})
    done = chat(folder, "hi", "/retry", agent="a")
    assert done.said == [("user", "hi"), ("assistant", "Hello.")]


def test_edit_with_a_text_says_that_instead(folder):
    done = chat(folder, "add 40 and 2", "thanks", "/edit /thank you/ very  much")
    assert done.said[2:] == [("user", "/thank you/ very  much"), ("assistant", "Once more.")]


def test_edit_at_a_terminal_brings_the_message_back_to_the_prompt(folder):
    terminal = Terminal(folder, "sum")
    terminal.say("add 40 and 2")
    terminal.wait_for("It is 42.")
    terminal.say("/edit")
    terminal.wait_until(lambda lines: lines[-1] == "> add 40 and 2")
    terminal.type(" please\r")
    terminal.wait_for("You are welcome.")
    terminal.say("/export said.json")
    terminal.wait_for("written to said.json")
    assert terminal.leave() == 0
    messages = json.loads((folder / "said.json").read_text())["messages"]
    assert [one["content"] for one in messages] == ["add 40 and 2 please", "You are welcome."]


# -- compact

SUMMED_UP = [
    f"content: {LONG}",
    "content: Short.",
    "content: They spoke.",
    "content: Once more.",
    "content: And again.",
]


@pytest.fixture
def long_one(folder):
    return write_project(folder, {"agents/long.yaml": scripted_agent(SUMMED_UP, more="system_prompt: You tell all.")})


def test_compact_sums_up_all_but_the_last_exchange(long_one):
    done = chat(long_one, "tell me", "and in short?", "/compact", "thanks", agent="long")
    assert done.said == [
        ("system", "You tell all."),
        ("user", "Summary of the conversation so far: They spoke."),
        ("user", "and in short?"),
        ("assistant", "Short."),
        ("user", "thanks"),
        ("assistant", "Once more."),
    ]
    assert re.search(r"2 messages became a summary: about \d+ tokens before, \d+ now", done.told)
    assert "They spoke." not in done.answers


def test_undo_after_a_summary_takes_back_what_is_still_there(long_one):
    done = chat(long_one, "tell me", "and in short?", "/compact", "/undo", "/undo", "thanks", agent="long")
    assert "the summary of what was said before it stays" in done.told
    assert "what was said is part of a summary: there is nothing to undo" in done.told
    assert done.said == [
        ("system", "You tell all."),
        ("user", "Summary of the conversation so far: They spoke."),
        ("user", "thanks"),
        ("assistant", "Once more."),
    ]


def test_a_summary_lasts_in_the_session(long_one):
    before = chat(long_one, "tell me", "and in short?", "/compact", agent="long")
    assert len(before.messages) == 4
    assert chat(long_one, agent=None, options=("--continue",)).messages == before.messages


def test_where_the_model_fails_the_conversation_stays_as_it_is(folder):
    script = [f"content: {LONG}", "content: Short.", "error: {status: 401, message: no such key}", "content: Right."]
    write_project(folder, {"agents/a.yaml": scripted_agent(script)})
    done = chat(folder, "tell me", "and in short?", "/compact", "go on", agent="a")
    assert "no such key" in done.told
    assert len(done.messages) == 6


def test_ctrl_c_ends_a_summary_and_the_conversation_stays_as_it_is(folder):
    script = [f"content: {LONG}", "content: Short.", "{content: They spoke., delay: 60}"]
    write_project(folder, {"agents/a.yaml": scripted_agent(script)})
    terminal = Terminal(folder, "a")
    terminal.say("tell me")
    terminal.wait_for("All of it.")
    terminal.say("and in short?")
    terminal.wait_for("Short.")
    terminal.say("/compact")
    terminal.wait_for("summing up")
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.wait_for("interrupted: the conversation stays as it is")
    terminal.say("/export said.json")
    terminal.wait_for("written to said.json")
    assert terminal.leave() == 0
    assert len(json.loads((folder / "said.json").read_text())["messages"]) == 4


@pytest.mark.parametrize("seed", range(3))
def test_after_any_sequence_of_them_the_history_is_one_that_a_service_takes(folder, seed):
    chosen = random.Random(seed)
    call = "tool_calls: [{name: add, arguments: {a: 40}}, {name: add, arguments: {a: 41}}]"
    script = [chosen.choice([call, f"content: {LONG}", "content: Short."]) for _ in range(200)]
    write_project(folder, {"agents/any.yaml": scripted_agent(script, tools="[add]")})
    commands = ["say this", "say that", "/undo", "/undo 2", "/retry", "/edit other", "/compact", "/fork", f"say {LONG}"]
    typed = ["say this", *chosen.choices(commands, k=25)]
    done = chat(folder, *[one for each in typed for one in (each, "/export json")], agent="any")
    files = list(folder.glob("say-*.json"))
    assert len(files) > 5, done.told
    for file in files:
        assert_valid([Message(one) for one in json.loads(file.read_text())["messages"]])
    assert chat(folder, agent=None, options=("--continue",)).messages == done.messages


def test_a_recording_with_undo_and_compact_plays_when_the_same_is_typed(long_one):
    typed = ("tell me", "and in short?", "/compact keep the numbers", "thanks", "/undo", "bye")
    recorded = chat(long_one, *typed, agent="long", options=("--record", "a.cassette.yaml"))
    (long_one / "agents/long.yaml").write_text("model: gpt-4.1-mini\nsystem_prompt: You tell all.\n")
    played = chat(long_one, *typed, agent="long", options=("--replay", "a.cassette.yaml"))
    assert played.messages == recorded.messages
    assert played.answers == recorded.answers
    assert played.code == 0


def test_a_secret_in_what_is_undone_is_not_shown(folder, monkeypatch):
    monkeypatch.setenv("SUM_KEY", "hunter22hunter22")
    agent = scripted_agent(TALK, tools="[add]").replace("api: scripted", "api: scripted\n  api_key: ${SUM_KEY}")
    write_project(folder, {"agents/sum.yaml": agent})
    done = chat(folder, "my key is hunter22hunter22", "/undo")
    assert "hunter22" not in done.told
