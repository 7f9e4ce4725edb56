"""`agentrun chat` keeps what is said and takes it up again, from pipes and at a terminal, in processes of their own."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from projects import scripted_agent, write_project
from servers import ModelServer, silence, sse
from terminals import Terminal

HELLO = scripted_agent(["content: Hello.", "content: Hello again."])


def agentrun(folder, *arguments, text=b"", **variables):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"} | variables,
    )


def chat(folder, text, *arguments, **variables):
    return agentrun(folder, "chat", *arguments, text=text, **variables)


def sessions(folder):
    return json.loads(agentrun(folder, "sessions", "list", "--format", "json").stdout)["sessions"]


def held(folder, text, *arguments):
    """The session of a conversation from a pipe."""
    done = chat(folder, text, *arguments)
    assert done.returncode == 0, done.stderr
    return sessions(folder)[0]


def said(folder, id):
    whole = json.loads(agentrun(folder, "sessions", "export", id, "--format", "json").stdout)
    return [(one["role"], one["content"]) for one in whole["messages"]]


def database(folder):
    return folder.parent / "state" / "agentrun" / "sessions.db"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return write_project(tmp_path / "project", {"agents/a.yaml": HELLO})


# -- kept


def test_a_conversation_from_a_pipe_is_kept_and_says_nothing_of_it(project):
    done = chat(project, b"hi\n", "a")
    (one,) = sessions(project)
    assert said(project, one["id"]) == [("user", "hi"), ("assistant", "Hello.")]
    assert one["id"] not in done.stderr.decode()
    assert one["id"] not in done.stdout.decode()


def test_with_verbose_a_pipe_is_told_how_to_go_on(project):
    done = chat(project, b"hi\n", "a", "--verbose")
    (one,) = sessions(project)
    assert f"to go on: agentrun chat --resume {one['id']}\n" in done.stderr.decode()


def test_a_terminal_is_told_how_to_go_on(project):
    terminal = Terminal(project, "a")
    terminal.say("hi")
    terminal.wait_for("Hello.")
    (one,) = sessions(project)
    terminal.wait_for_prompt()
    terminal.type("\x04")
    terminal.wait_for(f"to go on: agentrun chat --resume {one['id']}")
    assert terminal.end() == 0


def test_where_nothing_was_said_nothing_is_kept(project):
    done = chat(project, b"/tools\n", "a", "--verbose")
    assert done.returncode == 0
    assert sessions(project) == []
    assert b"to go on" not in done.stderr


@pytest.mark.parametrize("option", [["--no-session"], ["--record", "new.cassette.yaml"]])
def test_nothing_is_kept_where_that_is_asked_or_it_is_recorded(project, option):
    assert chat(project, b"hi\n", "a", *option).stdout == b"Hello.\n"
    assert sessions(project) == []


def test_a_replay_keeps_nothing_and_needs_no_database(project):
    chat(project, b"hi\n", "a", "--record", "one.cassette.yaml")
    done = chat(project, b"hi\n", "a", "--replay", "one.cassette.yaml", AGENTRUN_DATABASE_URL="nonsense")
    assert (done.returncode, done.stdout) == (0, b"Hello.\n")


def test_a_conversation_that_begins_anew_is_another_session(project):
    chat(project, b"one\n/clear\ntwo\n", "a")
    assert sorted(one["title"] for one in sessions(project)) == ["one", "two"]


def test_templates_see_the_id_of_the_session_from_its_first_message_on(project):
    agent = scripted_agent(["content: Hi.", "content: Ho."], more="system_prompt: 'In {{ run.session }}.'")
    write_project(project, {"agents/b.yaml": agent})
    one = held(project, b"hi\n", "b")
    assert said(project, one["id"])[0] == ("system", f"In {one['id']}.")


def test_secrets_are_masked_in_what_is_kept(project):
    agent = """
        model: {api: scripted, script: [{content: "I know hunter22secret."}]}
        tools: [{name: t, description: T., http: {url: "http://127.0.0.1:1", headers: {x-key: "${THE_KEY}"}}}]
    """
    write_project(project, {"agents/s.yaml": agent})
    done = chat(project, b"my key is hunter22secret\n", "s", THE_KEY="hunter22secret")
    assert done.returncode == 0
    (one,) = sessions(project)
    assert "hunter22secret" not in json.dumps(said(project, one["id"])) + one["title"]
    everything = b"".join(file.read_bytes() for file in database(project).parent.iterdir() if file.is_file())
    assert b"hunter22secret" not in everything


# -- taken up again


def served(project, server):
    agent = f"""
        model: {{name: m, base_url: "{server.base_url}", api_key: none}}
        system_prompt: Be brief.
    """
    write_project(project, {"agents/served.yaml": agent})


def test_the_model_gets_what_was_said_before_and_the_new_message(project):
    with ModelServer([sse("One.", usage=(10, 1)), sse("Two.", usage=(20, 2))]) as server:
        served(project, server)
        one = held(project, b"first\n", "served")
        done = chat(project, b"second\n", "--resume", one["id"][:5])
        assert done.stdout == b"Two.\n"
        assert [(m["role"], m["content"]) for m in server.requests[1].json["messages"]] == [
            ("system", "Be brief."),
            ("user", "first"),
            ("assistant", "One."),
            ("user", "second"),
        ]
    (two,) = sessions(project)
    assert two["id"] == one["id"]
    assert (two["turns"], two["total_tokens"]) == (2, 33)


def test_a_session_is_taken_up_from_any_folder_without_its_agent(project, tmp_path):
    one = held(project, b"first\n", "a")
    done = chat(tmp_path, b"second\n", "--resume", one["id"])
    assert done.stdout == b"Hello.\n"
    assert [text for role, text in said(project, one["id"]) if role == "user"] == ["first", "second"]


def test_an_agent_that_is_named_must_be_that_of_the_session(project):
    write_project(project, {"agents/b.yaml": HELLO})
    one = held(project, b"first\n", "a")
    assert chat(project, b"second\n", "a", "--resume", one["id"]).stdout == b"Hello.\n"
    wrong = chat(project, b"third\n", "b", "--resume", one["id"])
    assert wrong.returncode == 2
    assert f"the session `{one['id']}` is with `a`, not with `b`" in wrong.stderr.decode()
    assert f"agentrun chat --resume {one['id']}" in wrong.stderr.decode()


def test_continue_takes_up_what_was_changed_last_of_the_agent_or_the_project(project, tmp_path):
    write_project(project, {"agents/b.yaml": HELLO})
    first, second = held(project, b"with a\n", "a"), held(project, b"with b\n", "b")
    elsewhere = write_project(tmp_path / "other", {"agents/c.yaml": HELLO})
    held(elsewhere, b"with c\n", "c")
    chat(project, b"more\n", "--continue")
    chat(project, b"more\n", "a", "--continue")
    assert [text for role, text in said(project, second["id"]) if role == "user"] == ["with b", "more"]
    assert [text for role, text in said(project, first["id"]) if role == "user"] == ["with a", "more"]
    assert len(sessions(project)) == 3


def test_continue_without_a_session_is_bad_usage(project):
    for arguments, of in ((["--continue"], "of this project"), (["a", "--continue"], "with `a`")):
        done = chat(project, b"hi\n", *arguments)
        assert done.returncode == 2
        assert f"there is no session {of} yet" in done.stderr.decode()


def test_resume_without_an_id_is_bad_usage_from_a_pipe(project):
    held(project, b"first\n", "a")
    for arguments in (["--resume"], ["a", "--resume"], ["--resume", "a"], ["--resume", "--model", "offline"]):
        done = chat(project, b"", *arguments)
        assert done.returncode == 2
        assert "name it: `--resume ID`" in done.stderr.decode()


def test_at_a_terminal_one_of_the_last_sessions_is_chosen(project):
    write_project(project, {"agents/b.yaml": HELLO})
    older = held(project, b"the older one\n", "a")
    held(project, b"the newer one\n", "a")
    held(project, b"another agent\n", "b")
    terminal = Terminal(project, "a", "--resume")
    terminal.wait_for("which one")
    assert [line.split("  ")[-1].strip() for line in terminal.lines] == [
        "TITLE",
        "the newer one",
        "the older one",
        "which one [1]:",
    ]
    terminal.type("7\r")
    terminal.wait_for("7 is not in the range")
    terminal.type("2\r")
    terminal.wait_for(f"session {older['id']} · the older one · just now · 1 turn")
    terminal.say("more")
    terminal.wait_until(lambda lines: lines.count("Hello.") == 1)
    assert terminal.leave() == 0
    assert len(said(project, older["id"])) == 4


def test_the_last_exchanges_are_shown_so_that_one_sees_where_one_is(project):
    long = scripted_agent(["content: One.", "content: Two.", r'content: "Three.\nb\nc\nd\ne\n"'])
    write_project(project, {"agents/a.yaml": long})
    one = held(project, b"first\nsecond\nthird\n", "a")
    terminal = Terminal(project, "--resume", one["id"])
    terminal.wait_for_prompt()
    at = terminal.lines.index(f"session {one['id']} · first · just now · 3 turns")
    assert terminal.lines[at + 1 : at + 8] == [
        "│ …",
        "│ > second",
        "│ Two.",
        "│ > third",
        "│ Three.",
        "│ b",
        "│ c",
    ]
    assert terminal.lines[at + 8] == "│ … 2 more lines"
    assert terminal.leave() == 0


def test_the_model_and_the_arguments_are_kept_and_may_be_given_anew(project):
    more = "parameters: {type: object, properties: {who: {type: string}, input: {type: string}}, required: [who]}\n"
    prompt = "system_prompt: You help {{ args.who }}."
    write_project(project, {"agents/p.yaml": scripted_agent(["content: Hello."], more=more + prompt)})
    one = held(project, b"hi\n", "p", "--arg", "who=Ann", "--model", "offline")
    assert (one["model"], one["arguments"]) == ("offline", {"who": "Ann"})
    again = chat(project, b"hi\n", "--resume", one["id"])
    assert again.returncode == 0
    assert "model offline" in again.stderr.decode()
    assert said(project, one["id"])[0] == ("system", "You help Ann.")
    chat(project, b"hi\n", "--resume", one["id"], "--arg", "who=Bob")
    assert said(project, one["id"])[0] == ("system", "You help Bob.")
    assert sessions(project)[0]["arguments"] == {"who": "Bob"}


def test_a_fork_goes_on_with_a_copy(project):
    one = held(project, b"first\n", "a")
    chat(project, b"second\n", "--resume", one["id"], "--fork")
    copy = sessions(project)[0]
    assert copy["id"] != one["id"]
    assert copy["forked_from"] == one["id"]
    assert len(said(project, copy["id"])) == 4
    assert len(said(project, one["id"])) == 2


HANDOFF = {
    "agents/front.yaml": scripted_agent(["tool_calls: [{name: transfer_to_billing}]"], more="handoffs: [billing]"),
    "agents/billing.yaml": scripted_agent(["content: Billing here."], more="description: Bills.\nsystem_prompt: Bill."),
}


def test_who_took_the_conversation_over_has_it_again(project):
    write_project(project, HANDOFF)
    one = held(project, b"a bill\n", "front")
    assert (one["agent"], one["speaker"]) == ("front", "billing")
    terminal = Terminal(project, "--resume", one["id"])
    terminal.wait_until(lambda lines: bool(lines) and lines[-1] == "billing>")
    terminal.type("and?\r")
    terminal.wait_until(lambda lines: lines.count("Billing here.") == 1 and lines[-1] == "billing>")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert said(project, one["id"])[0] == ("system", "Bill.")


def test_where_the_agent_of_the_session_is_gone_that_is_said(project):
    one = held(project, b"hi\n", "a")
    (project / "agents/a.yaml").unlink()
    done = chat(project, b"hi\n", "--resume", one["id"])
    assert done.returncode == 2
    assert "there is no file `agents/a.yaml`" in done.stderr.decode()
    assert f"agentrun sessions show {one['id']}" in done.stderr.decode()


def test_a_session_goes_on_where_its_project_was_moved_and_its_agent_renamed(project, tmp_path):
    one = held(project, b"first\n", "a")
    moved = project.rename(tmp_path / "moved")
    (moved / "agents/a.yaml").rename(moved / "agents/b.yaml")
    lost = chat(moved, b"second\n", "--resume", one["id"])
    assert f"`agentrun chat AGENT --resume {one['id']}`" in lost.stderr.decode()
    copy = chat(moved, b"aside\n", "b", "--resume", one["id"], "--fork")
    assert copy.stdout == b"Hello.\n", copy.stderr
    assert chat(moved, b"second\n", "b", "--resume", one["id"]).stdout == b"Hello.\n"
    assert {(found["agent"], found["speaker"], found["root"]) for found in sessions(moved)} == {("b", "b", str(moved))}
    chat(moved, b"third\n", "--continue")
    asked = [text for role, text in said(moved, one["id"]) if role == "user"]
    assert asked == ["first", "second", "third"]


def test_where_the_agent_of_the_session_is_broken_its_findings_are_told(project):
    one = held(project, b"hi\n", "a")
    write_project(project, {"agents/a.yaml": "modle: gpt-5\n"})
    done = chat(project, b"hi\n", "--resume", one["id"])
    assert done.returncode == 3
    assert "agents/a.yaml:1:1" in done.stderr.decode()


def test_where_the_agent_that_took_over_is_gone_the_first_one_has_it(project):
    write_project(project, HANDOFF)
    one = held(project, b"a bill\n", "front")
    (project / "agents/billing.yaml").unlink()
    write_project(project, {"agents/front.yaml": scripted_agent(["content: Front here."])})
    done = chat(project, b"and?\n", "--resume", one["id"])
    assert done.stdout == b"Front here.\n"
    assert "there is no agent `billing` any more" in done.stderr.decode()


def test_a_conversation_that_was_killed_goes_on_with_all_that_was_finished(project):
    with ModelServer([sse("One."), silence(sse("half", finish=None)), sse("Three.")]) as server:
        served(project, server)
        terminal = Terminal(project, "served")
        terminal.say("first")
        terminal.wait_for("One.")
        terminal.say("second")
        terminal.wait_for("half")
        os.killpg(terminal.process.pid, signal.SIGKILL)
        terminal.end()
        done = chat(project, b"third\n", "--continue")
        assert done.stdout == b"Three.\n"
        asked = [(m["role"], m["content"]) for m in server.requests[2].json["messages"]]
    assert asked[:4] == [("system", "Be brief."), ("user", "first"), ("assistant", "One."), ("user", "second")]
    assert asked[-1] == ("user", "third")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--resume", "ab12", "--continue"], "`--resume` and `--continue` exclude one another"),
        (["a", "--fork"], "add `--resume ID` or `--continue`"),
        (["--continue", "--no-session"], "`--continue --fork` leaves the session as it is"),
        (["--resume", "ab12", "--record", "x.yaml"], "`--resume` and `--record` exclude one another"),
        (["--continue", "--replay", "x.yaml"], "`--continue` and `--replay` exclude one another"),
        ([], "`agentrun chat AGENT`, or `--continue`"),
        (["--resume", "ffff0000ff"], "there is no session `ffff0000ff`"),
    ],
)
def test_what_does_not_go_together_is_bad_usage(project, arguments, told):
    done = chat(project, b"hi\n", *arguments)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert not (project / "x.yaml").exists()


def test_a_session_that_is_open_elsewhere_can_only_be_copied(project):
    one = held(project, b"first\n", "a")
    terminal = Terminal(project, "--resume", one["id"])
    terminal.wait_for_prompt()
    done = chat(project, b"second\n", "--resume", one["id"])
    assert done.returncode == 2
    assert "--fork" in done.stderr.decode()
    assert chat(project, b"second\n", "--resume", one["id"], "--fork").returncode == 0
    assert terminal.leave() == 0
    assert chat(project, b"second\n", "--resume", one["id"]).returncode == 0


# -- trouble with the database


def damage(project):
    database(project).parent.mkdir(parents=True, mode=0o700)
    database(project).write_bytes(b"no database" * 1000)


def test_a_database_that_can_not_be_opened_ends_a_pipe_and_names_the_way_around(project):
    damage(project)
    done = chat(project, b"hi\n", "a")
    assert done.returncode == 1
    assert done.stdout == b""
    assert "is damaged" in done.stderr.decode()
    assert "`--no-session` keeps nothing" in done.stderr.decode()
    assert chat(project, b"hi\n", "a", "--no-session").stdout == b"Hello.\n"


def unwrapped(lines):
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_at_a_terminal_the_person_decides_whether_to_go_on_without_saving(project, answer, code):
    damage(project)
    terminal = Terminal(project, "a")
    terminal.wait_for("go on without saving? [y/n]:")
    assert "is damaged" in unwrapped(terminal.lines)
    terminal.type(f"{answer}\r")
    if code:
        assert terminal.end() == code
        return
    terminal.say("hi")
    terminal.wait_for("Hello.")
    terminal.say("/save")
    terminal.wait_until(lambda lines: unwrapped(lines).count("is damaged") == 2)
    database(project).unlink()
    terminal.say("/save")
    terminal.wait_for("session ")
    assert terminal.leave() == 0
    (one,) = sessions(project)
    assert said(project, one["id"]) == [("user", "hi"), ("assistant", "Hello.")]


@contextlib.contextmanager
def locked(project):
    """Another program writes, and takes its time."""
    other = sqlite3.connect(database(project), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


def test_where_writing_fails_in_the_middle_the_person_is_asked_once_and_save_tries_again(project):
    terminal = Terminal(project, "a")
    terminal.say("one")
    terminal.wait_for("Hello.")
    terminal.wait_for_prompt()
    with locked(project):
        terminal.type("two\r")
        terminal.wait_for("go on without saving? [y/n]")
        assert any("locked" in line for line in terminal.lines)
        terminal.type("perhaps\r")
        terminal.wait_until(lambda lines: sum("go on without saving?" in line for line in lines) == 2)
        terminal.type("y\r")
        terminal.wait_for("/save tries again")
        terminal.wait_for_prompt()
    terminal.say("/save")
    terminal.wait_for("session ")
    assert terminal.leave() == 0
    (one,) = sessions(project)
    assert [text for _, text in said(project, one["id"])] == ["one", "Hello.", "two", "Hello again."]


def test_who_would_rather_not_go_on_unsaved_leaves(project):
    terminal = Terminal(project, "a")
    terminal.say("one")
    terminal.wait_for("Hello.")
    terminal.wait_for_prompt()
    with locked(project):
        terminal.type("two\r")
        terminal.wait_for("go on without saving? [y/n]")
        terminal.type("n\r")
        assert terminal.end() == 0


def test_from_a_pipe_a_warning_is_told_once_and_the_conversation_goes_on(project):
    held(project, b"hi\n", "a")
    process = subprocess.Popen(
        [sys.executable, "-m", "agentrun", "chat", "a"],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"NO_COLOR": "1"},
    )
    process.stdin.write(b"/tools\n")
    process.stdin.flush()
    while b"no tools" not in process.stderr.readline():
        pass
    with locked(project):
        out, told = process.communicate(b"one\ntwo\n", timeout=50)
    assert out == b"Hello.\nHello again.\n"
    assert told.count(b"the conversation goes on and is not saved") == 1
    assert process.returncode == 0


# -- retention


def age(project, days):
    with contextlib.closing(sqlite3.connect(database(project))) as connection, connection:
        connection.execute("UPDATE agentrun_sessions SET changed = changed - ?", (days * 86400,))


def test_sessions_older_than_the_project_keeps_them_are_deleted_when_a_chat_begins(project, tmp_path):
    elsewhere = write_project(tmp_path / "other", {"agents/c.yaml": HELLO})
    held(elsewhere, b"elsewhere\n", "c")
    held(project, b"old\n", "a")
    age(project, 91)
    (project / "agentrun.toml").write_text("[sessions]\nkeep-days = 90\n")
    done = chat(project, b"new\n", "a")
    told = done.stderr.decode().splitlines()
    assert told[-1] == "1 session deleted: not changed for 90 days (`keep-days`)"  # what began did not wait for it
    assert {one["title"] for one in sessions(project)} == {"elsewhere", "new"}


def test_a_single_day_is_told_as_one(project):
    held(project, b"old\n", "a")
    age(project, 2)
    (project / "agentrun.toml").write_text("[sessions]\nkeep-days = 1\n")
    assert "1 session deleted: not changed for 1 day (`keep-days`)" in chat(project, b"new\n", "a").stderr.decode()


def test_a_session_that_is_taken_up_is_not_too_old(project):
    one = held(project, b"old\n", "a")
    age(project, 91)
    (project / "agentrun.toml").write_text("[sessions]\nkeep-days = 90\n")
    done = chat(project, b"more\n", "--resume", one["id"])
    assert done.returncode == 0
    assert b"deleted" not in done.stderr
    assert len(said(project, one["id"])) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sessions]\nkeep-day = 9", "unknown key: `sessions.keep-day`"),
        ("[sessions]\nkeep-days = 0", "`sessions.keep-days` must be a number of days, at least 1, not `0`"),
        ("sessions = 3", "`sessions` must be a table with `keep-days`, not `3`"),
    ],
)
def test_settings_that_are_wrong_are_bad_usage(project, text, told):
    (project / "agentrun.toml").write_text(text)
    done = chat(project, b"hi\n", "a")
    assert done.returncode == 2
    assert told in done.stderr.decode()
