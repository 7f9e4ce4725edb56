"""Attached files on the command line: `run --attach`, and `/attach` and `@FILE` in a chat."""

import json
import os
import subprocess
import sys

import pytest

from media_files import pdf, png
from projects import write_project
from servers import ModelServer, sse, status
from terminals import Terminal

OFFLINE = {"agents/a.yaml": "model: {api: offline}\nsystem_prompt: You help.\n"}
REFUSED = status(400, "Invalid content type. image_url is only supported by certain models.")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shot.png").write_bytes(png(800, 600, noise=2000))
    (tmp_path / "invoice.pdf").write_bytes(pdf())
    (tmp_path / "my notes.txt").write_text("Pay order 1042.\n")
    return write_project(tmp_path, OFFLINE)


def agent_at(folder, server):
    model = f"{{name: x, base_url: '{server.base_url}', api_key: none, max_retries: 0}}"
    write_project(folder, {"agents/a.yaml": f"model: {model}\nsystem_prompt: You help.\n"})


def agentrun(folder, *arguments, text=b""):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"},
    )


def run(folder, *arguments):
    return agentrun(folder, "run", "a", "What is it?", *arguments)


def parts_sent(server, number=0):
    """The content of the last message of a request: names of files by their parts, and texts."""
    content = server.requests[number].json["messages"][-1]["content"]
    return content if isinstance(content, str) else [part.get("text") or part["type"] for part in content]


IMAGE = ['Attached image: "shot.png"', "image_url"]


# -- run


def test_run_sends_files_and_names_them_in_a_line_on_stderr(project):
    with ModelServer([sse(text="An invoice.")]) as server:
        agent_at(project, server)
        done = run(project, "--attach", "shot.png", "--attach", "invoice.pdf")
        assert parts_sent(server) == [*IMAGE, "file", "What is it?"]
    assert done.stdout == b"An invoice.\n"
    told = f"attached: shot.png (PNG 800 × 600, 2 KB), invoice.pdf (PDF, {len(pdf())} bytes)\n"
    assert done.stderr.decode() == told


def test_quiet_says_nothing_and_json_is_as_ever(project):
    done = run(project, "--attach", "shot.png", "--quiet", "--output", "jsonl")
    assert done.stderr == b""
    assert json.loads(done.stdout.splitlines()[0])["input"] == "What is it?"
    assert b"base64" not in done.stdout


def test_the_offline_model_names_what_is_attached_and_takes_no_file_for_the_users_words(project):
    done = run(project, "--attach", "my notes.txt", "--attach", "shot.png")
    assert done.stdout.decode().startswith("I can't read what is attached: my notes.txt, shot.png. ")
    assert b"1042" not in done.stdout


def test_a_file_that_is_not_there_ends_the_run_before_it_begins(project):
    with ModelServer([]) as server:
        agent_at(project, server)
        done = run(project, "--attach", "shot.pgn")
        assert server.requests == []
    assert done.returncode == 2
    assert done.stderr.decode() == "error: there is no file `shot.pgn`\nhelp: did you mean `shot.png`?\n"


def test_a_pipe_is_refused_and_not_waited_for(project):
    os.mkfifo(project / "pipe")
    done = run(project, "--attach", "pipe")
    assert done.returncode == 2
    assert b"`pipe` is a pipe, not a file" in done.stderr


def test_escape_sequences_in_a_name_are_shown_and_it_stays_on_its_line(project):
    name = "a\x1b[2J\u202e\nb.txt"
    (project / name).write_text("x")
    told = "a␛[2J⟨U+202E⟩ b.txt (text, 1 byte)"
    assert run(project, "--attach", name).stderr.decode() == f"attached: {told}\n"


def test_verbose_shows_the_beginning_and_the_end_of_a_file(project):
    (project / "shot.png").write_bytes(png(noise=200_000))
    with ModelServer([sse(text="Fine.")]) as server:
        agent_at(project, server)
        done = run(project, "--attach", "shot.png", "--verbose")
    assert "data:image/png;base64,iVBOR" in done.stderr.decode()
    assert len(done.stderr) < 3000


def test_a_recorded_run_with_a_file_replays_with_the_same_file_alone(project):
    assert run(project, "--attach", "shot.png", "--record", "a.yaml").returncode == 0
    assert run(project, "--attach", "shot.png", "--replay", "a.yaml").returncode == 0
    other = run(project, "--attach", "invoice.pdf", "--replay", "a.yaml")
    assert other.returncode == 4
    assert b"another file is attached: recorded shot.png (PNG, " in other.stderr
    assert b"base64" not in (project / "a.yaml").read_bytes()


# -- chat, from a pipe


def chat(folder, text):
    return agentrun(folder, "chat", "a", text=text.encode())


def test_attach_shows_what_waits_and_sends_it_with_the_next_message_alone(project):
    with ModelServer([sse(text="An invoice."), sse(text="Yes.")]) as server:
        agent_at(project, server)
        done = chat(project, "/attach shot.png 'my notes.txt'\n/attach ./shot.png\nWhat is it?\nSure?\n")
        sent = parts_sent(server)
        assert (sent[:2], sent[3:]) == (IMAGE, ["What is it?"])
        assert "Pay order 1042." in sent[2]
        assert parts_sent(server, 1) == "Sure?"
    assert done.stdout == b"An invoice.\nYes.\n"
    told = done.stderr.decode()
    assert "with the next message:\n+ shot.png (PNG 800 × 600, " in told
    assert "+ my notes.txt (text, 16 bytes)\n" in told


def test_attach_takes_a_name_with_blanks_without_quotes(project):
    assert "+ my notes.txt (text, 16 bytes)\n" in chat(project, "/attach my notes.txt\n").stderr.decode()


def test_attach_lists_and_drops(project):
    told = chat(project, "/attach\n/attach clear\n/attach shot.png\n/attach clear\n/attach\n").stderr.decode()
    assert told.count("nothing is attached") == 2
    assert "nothing was attached" in told
    assert "1 file dropped" in told


def test_of_several_files_none_is_attached_where_one_can_not_be(project):
    told = chat(project, "/attach shot.png gone.pdf\n/attach\n").stderr.decode()
    assert "there is no file `gone.pdf`" in told
    assert "nothing is attached" in told
    assert "a quote is not closed" in chat(project, "/attach 'shot.png\n").stderr.decode()


def test_piped_text_attaches_nothing_by_itself(project):
    with ModelServer([sse(text="Fine.")]) as server:
        agent_at(project, server)
        chat(project, "What is in @shot.png and @/etc/passwd?\n")
        assert parts_sent(server) == "What is in @shot.png and @/etc/passwd?"


def test_a_message_whose_file_the_service_refuses_is_taken_back_so_that_the_next_one_is_answered(project):
    with ModelServer([REFUSED, sse(text="Hello.")]) as server:
        agent_at(project, server)
        done = chat(project, "/attach shot.png\nWhat is it?\nHello\n")
        assert [one["role"] for one in server.requests[1].json["messages"]] == ["system", "user"]
        assert parts_sent(server, 1) == "Hello"
    assert done.stdout == b"Hello.\n"
    assert done.returncode == 4
    assert "image_url is only supported by certain models" in done.stderr.decode()
    assert "no answer came: the message is taken back, with 1 file" in done.stderr.decode()


def test_a_conversation_with_files_is_taken_up_again_with_them_and_shown_without_their_bytes(project):
    with ModelServer([sse(text="An invoice."), sse(text="Yes.")]) as server:
        agent_at(project, server)
        chat(project, "/attach shot.png\nWhat is it?\n")
        agentrun(project, "chat", "a", "--continue", text=b"Sure?\n")
        first, *others = server.requests[1].json["messages"][1:]
        assert first == server.requests[0].json["messages"][1]
        assert [one["role"] for one in others] == ["assistant", "user"]
    session = json.loads(agentrun(project, "sessions", "list", "--format", "json").stdout)["sessions"][0]["id"]
    shown = agentrun(project, "sessions", "show", session).stdout.decode()
    assert "[shot.png (PNG 800 × 600, 2 KB)]\n  What is it?\n" in shown
    assert "base64" not in agentrun(project, "sessions", "export", session).stdout.decode()


# -- chat, at a terminal


def test_a_file_named_in_a_message_goes_with_it_once(project):
    with ModelServer([sse(text="An invoice.")]) as server:
        agent_at(project, server)
        terminal = Terminal(project, "a")
        terminal.say('compare @shot.png, (@invoice.pdf) and @"my notes.txt" with @shot.png.')
        terminal.wait_for("An invoice.")
        sent = parts_sent(server)
        assert terminal.leave() == 0
    assert (sent[:3], sent[4:]) == (
        [*IMAGE, "file"],
        ['compare @shot.png, (@invoice.pdf) and @"my notes.txt" with @shot.png.'],
    )
    assert "Pay order 1042." in sent[3]
    (line,) = [line for line in terminal.lines if line.startswith("attached: ")]
    assert "shot.png (PNG 800 × 600, " in line


def test_what_looks_like_a_path_is_told_and_an_address_is_left_alone(project):
    with ModelServer([sse(text="Fine.")]) as server:
        agent_at(project, server)
        terminal = Terminal(project, "a")
        text = "ask ann@shot.png, @bob and @gone.pdf, not @agents or @nowhere/x"
        terminal.say(text)
        terminal.wait_for("Fine.")
        assert parts_sent(server) == text
        assert terminal.leave() == 0
    told = [line for line in terminal.lines if line.endswith("it stays text")]
    assert told == [
        "there is no file `gone.pdf`: it stays text",
        "`agents` is no file: it stays text",
        "there is no file `nowhere/x`: it stays text",
    ]


def test_where_a_named_file_can_not_be_attached_nothing_is_sent_and_the_message_comes_back(project):
    (project / "empty.txt").touch()
    with ModelServer([sse(text="Fine.")]) as server:
        agent_at(project, server)
        terminal = Terminal(project, "a")
        terminal.say("see @empty.txt")
        terminal.wait_for("`empty.txt` is empty")
        terminal.wait_until(lambda lines: lines[-1] == "> see @empty.txt")
        assert server.requests == []
        (project / "empty.txt").write_text("words")
        terminal.type("\r")
        terminal.wait_for("Fine.")
        assert '<attached_file id="' in parts_sent(server)[0]
        assert terminal.leave() == 0


def test_a_refused_message_comes_back_with_its_files_and_can_be_sent_without_them(project):
    with ModelServer([REFUSED, REFUSED, sse(text="Fine.")]) as server:
        agent_at(project, server)
        terminal = Terminal(project, "a")
        terminal.say("/attach invoice.pdf")
        terminal.wait_for("+ invoice.pdf (PDF, ")
        terminal.say("see @shot.png")
        terminal.wait_for("taken back, to the prompt; /attach clear drops its files")
        terminal.wait_until(lambda lines: lines[-1] == "> see @shot.png")
        terminal.type("\r")
        terminal.wait_until(lambda lines: len([line for line in lines if "/attach clear drops" in line]) == 2)
        assert [parts_sent(server, number) for number in (0, 1)] == [["file", *IMAGE, "see @shot.png"]] * 2
        terminal.wait_until(lambda lines: lines[-1] == "> see @shot.png")
        terminal.type("\x15/attach clear\r")
        terminal.wait_for("1 file dropped")
        terminal.say("hello")
        terminal.wait_for("Fine.")
        assert parts_sent(server, 2) == "hello"
        assert len(server.requests[2].json["messages"]) == 2
        assert terminal.leave() == 0


def test_the_title_is_what_was_said_and_not_what_a_file_holds(project):
    typed = b'/attach "my notes.txt"\nWhat is to be done?\n/title\n'
    done = agentrun(project, "chat", "a", "--no-session", text=typed)
    assert "the title is “What is to be done?”" in done.stderr.decode()
