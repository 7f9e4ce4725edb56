"""`agentrun sessions`, in processes of their own, on conversations that were really held."""

import json
import os
import re
import subprocess
import sys

import pytest

from projects import ADD, scripted_agent, write_project
from terminals import Terminal

TALK = [
    "tool_calls: [{name: add, arguments: {a: 40}, id: c1}]",
    "{content: It is 42., usage: {input_tokens: 30, output_tokens: 5}}",
    "content: You are welcome.",
]


def agentrun(folder, *arguments, text=b"", **variables):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"} | variables,
    )


def sessions(folder, *arguments):
    done = agentrun(folder, "sessions", "list", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["sessions"]


def held(folder, text, *arguments):
    """The session of a conversation from a pipe."""
    done = agentrun(folder, "chat", *arguments, text=text)
    assert done.returncode == 0, done.stderr
    return sessions(folder)[0]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    files = ADD | {"agents/sum.yaml": scripted_agent(TALK, tools="[add]")}
    return write_project(tmp_path / "project", files)


# -- list


def test_list_shows_the_last_changed_first_in_aligned_columns(project):
    write_project(project, {"agents/other.yaml": scripted_agent(["content: Hello."])})
    older = held(project, b"add 40 and 2\nthanks\n", "sum")
    newer = held(project, b"good morning\n", "other")
    done = agentrun(project, "sessions", "list")
    assert done.stdout.decode().splitlines() == [
        "ID          CHANGED   AGENT  TURNS  TITLE",
        f"{newer['id']}  just now  other  1      good morning",
        f"{older['id']}  just now  sum    2      add 40 and 2",
    ]
    assert [one["id"] for one in sessions(project, "--agent", "sum")] == [older["id"]]


def test_list_says_how_many_there_are_where_it_shows_fewer(project):
    for _ in range(3):
        held(project, b"add\n", "sum")
    few = agentrun(project, "sessions", "list", "--limit", "2")
    assert len(few.stdout.splitlines()) == 3
    assert few.stderr.decode() == "2 of 3: --all lists them\n"
    every = agentrun(project, "sessions", "list", "--limit", "2", "--all")
    assert len(every.stdout.splitlines()) == 4
    assert every.stderr == b""


def test_list_of_a_project_leaves_out_those_of_others(project, tmp_path):
    held(project, b"add\n", "sum")
    other = write_project(tmp_path / "other", {"agents/a.yaml": scripted_agent(["content: Hello."])})
    there = held(other, b"hi\n", "a")
    assert [one["id"] for one in sessions(other, "--project")] == [there["id"]]
    assert len(sessions(other)) == 2


def test_where_there_is_no_session_that_is_said_and_is_no_error(project):
    done = agentrun(project, "sessions", "list", "--agent", "nobody")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"there is no session with `nobody`\n")
    assert sessions(project) == []


def test_json_tells_all_that_is_known_of_a_session(project):
    one = held(project, b"add 40 and 2\n", "sum")
    assert one["agent"] == one["speaker"] == "sum"
    assert one["path"] == str(project / "agents/sum.yaml")
    assert one["root"] == str(project)
    assert one["turns"] == 1
    assert one["total_tokens"] == 35
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", one["changed"])


# -- show and export


def test_show_tells_who_spoke_with_calls_on_a_line(project):
    one = held(project, b"add 40 and 2\n", "sum")
    done = agentrun(project, "sessions", "show", one["id"][:4])
    assert done.stdout.decode().splitlines() == [
        "add 40 and 2",
        f"{one['id']} · sum · just now · 1 turn · 35 tokens",
        "",
        "you",
        "  add 40 and 2",
        "",
        "sum",
        "  • add(a=40) → 42",
        "  It is 42.",
    ]


def test_show_folds_long_results_unless_they_are_asked_for(project):
    write_project(project, {"calc.py": "def add(a, b):\n    return 'x' * 500 + 'end'\n"})
    one = held(project, b"add\n", "sum")
    assert b"end" not in agentrun(project, "sessions", "show", one["id"]).stdout
    full = agentrun(project, "sessions", "show", one["id"], "--full").stdout.decode()
    assert "x" * 500 + "end" in full
    assert '"a": 40' in full


def test_what_a_session_holds_is_shown_with_its_control_characters_visible(project):
    write_project(project, {"agents/evil.yaml": scripted_agent([r'content: "\e[2Jgone\u202e"'])})
    one = held(project, b"hi \x1b[31mred\n", "evil")
    for arguments in (["show", one["id"]], ["list"], ["search", "gone"], ["export", one["id"]]):
        shown = agentrun(project, "sessions", *arguments).stdout.decode()
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "␛[2Jgone⟨U+202E⟩" in agentrun(project, "sessions", "show", one["id"]).stdout.decode()


def test_export_writes_markdown_json_and_every_event(project, tmp_path):
    one = held(project, b"add 40 and 2\n", "sum")
    markdown = agentrun(project, "sessions", "export", one["id"]).stdout.decode()
    assert markdown.startswith("# add 40 and 2\n")
    assert "## You\n\nadd 40 and 2\n\n## sum\n\n<details><summary><code>add(a=40)</code></summary>" in markdown
    assert markdown.endswith("\nIt is 42.\n")
    whole = json.loads(agentrun(project, "sessions", "export", one["id"], "--format", "json").stdout)
    assert whole["session"]["id"] == one["id"]
    assert [message["role"] for message in whole["messages"]][-4:] == ["user", "assistant", "tool", "assistant"]
    lines = agentrun(project, "sessions", "export", one["id"], "--format", "jsonl").stdout.splitlines()
    told = [json.loads(line)["type"] for line in lines]
    assert told[0] == "run_started"
    assert told[-1] == "run_finished"
    assert {"tool_started", "tool_finished", "turn_finished"} <= set(told)


def test_export_never_writes_over_a_file(project):
    one = held(project, b"add\n", "sum")
    first = agentrun(project, "sessions", "export", one["id"], "--output", "s.md")
    assert (first.returncode, first.stdout) == (0, b"")
    before = (project / "s.md").read_text()
    assert before.startswith("# add")
    again = agentrun(project, "sessions", "export", one["id"], "--format", "json", "--output", "s.md")
    assert again.returncode == 2
    assert b"`s.md` is there already" in again.stderr
    assert (project / "s.md").read_text() == before


@pytest.mark.parametrize("command", [["show"], ["export"], ["delete", "--yes"]])
def test_an_unknown_id_is_bad_usage(project, command):
    held(project, b"add\n", "sum")
    done = agentrun(project, "sessions", *command, "ffff0000ff")
    assert done.returncode == 2
    assert b"there is no session `ffff0000ff`" in done.stderr


# -- search


def test_search_shows_where_the_words_stand(project):
    write_project(project, {"agents/other.yaml": scripted_agent(["content: The zebra was shipped."])})
    held(project, b"add\n", "sum")
    one = held(project, b"where is order 7?\n", "other")
    done = agentrun(project, "sessions", "search", "zebra")
    head, snippet = done.stdout.decode().splitlines()
    assert head == f"{one['id']} · just now · other · where is order 7?"
    assert "The zebra was shipped." in snippet
    coloured = agentrun(project, "sessions", "search", "zebra", FORCE_COLOR="1", NO_COLOR="").stdout
    assert b"The \x1b[1mzebra\x1b[0m was shipped." in coloured
    found = json.loads(agentrun(project, "sessions", "search", "zebra", "--format", "json").stdout)["sessions"]
    (begin, end) = found[0]["marks"][0]
    assert found[0]["snippet"][begin:end] == "zebra"
    assert found[0]["id"] == one["id"]


def test_a_search_that_finds_nothing_says_so_and_is_no_error(project):
    held(project, b"add\n", "sum")
    done = agentrun(project, "sessions", "search", "zebra")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"no session was found for `zebra`\n")


# -- delete


def test_delete_needs_a_yes_from_a_pipe_and_tells_how_many(project):
    one, two = held(project, b"add\n", "sum"), held(project, b"add\n", "sum")
    refused = agentrun(project, "sessions", "delete", one["id"])
    assert refused.returncode == 2
    assert b"`--yes`" in refused.stderr
    done = agentrun(project, "sessions", "delete", one["id"], "--yes")
    assert (done.returncode, done.stdout) == (0, b"1 session deleted\n")
    assert [left["id"] for left in sessions(project)] == [two["id"]]


class Sessions(Terminal):
    command = "sessions"


def test_delete_asks_at_a_terminal(project):
    one = held(project, b"add 40 and 2\n", "sum")
    for answer, left in (("n", 1), ("y", 0)):
        terminal = Sessions(project, "delete", one["id"][:5])
        terminal.wait_for("delete 1 session for good?")
        assert any("add 40 and 2" in line for line in terminal.lines)
        terminal.type(f"{answer}\r")
        assert terminal.end() == (1 if left else 0)
        assert len(sessions(project)) == left


def test_delete_of_old_ones_leaves_what_is_new(project):
    held(project, b"add\n", "sum")
    done = agentrun(project, "sessions", "delete", "--older-than", "1", "--yes")
    assert done.stdout == b"0 sessions deleted\n"
    assert len(sessions(project)) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which sessions are to be deleted?"),
        (["3f2a", "--older-than", "3"], "ids and `--older-than` exclude one another"),
        (["3f2a", "--project"], "`--project` goes with `--older-than`"),
    ],
)
def test_delete_wants_to_know_which(project, arguments, told):
    done = agentrun(project, "sessions", "delete", *arguments, "--yes")
    assert done.returncode == 2
    assert told in done.stderr.decode()


# -- completion


def test_the_shell_completes_ids_with_their_titles(project):
    one = held(project, b"add 40 and 2\n", "sum")
    variables = {"_AGENTRUN_COMPLETE": "zsh_complete", "COMP_WORDS": f"agentrun sessions show {one['id'][:3]}"}
    done = agentrun(project, COMP_CWORD="3", **variables)
    assert done.stdout.decode().splitlines()[:3] == ["plain", one["id"], "sum: add 40 and 2"]


def test_a_reader_that_leaves_early_is_no_error(project):
    held(project, b"add 40 and 2\n", "sum")
    command = f"{sys.executable} -m agentrun sessions list --format json | head -1"
    done = subprocess.run(command, cwd=project, shell=True, capture_output=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{\n", b"")


def test_at_a_terminal_long_lines_are_broken_inside_their_indent(project):
    write_project(project, {"agents/long.yaml": scripted_agent([f"content: '{'many words ' * 20}you'"])})
    one = held(project, b"hi\n", "long")
    terminal = Sessions(project, "show", one["id"], columns=40)
    terminal.wait_for("words you")
    assert [line for line in terminal.rows[2:] if not line.startswith("  ")] == ["you", "long"]
    assert terminal.end() == 0
