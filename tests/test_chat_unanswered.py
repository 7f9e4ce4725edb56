"""Messages of a chat that got no answer: they leave the conversation, and stand at the prompt again.

What is told of a failure, and what a recording holds of it.
"""

import json

import pytest

from projects import scripted_agent, write_project
from servers import ModelServer, hang_up, sse, status
from terminals import Terminal
from test_chat_keeping import sessions
from test_chat_past import ADD, chat, folder  # noqa: F401

SECRET = "hunter22hunter22"


def at_server(folder, server, more="system_prompt: You help."):  # noqa: F811
    model = f"{{name: x, base_url: '{server.base_url}', api_key: '${{SUM_KEY}}', max_retries: 0}}"
    write_project(folder, {"agents/sum.yaml": f"model: {model}\n{more}\n"})


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("SUM_KEY", SECRET)


def users(server, number):
    return [one["content"] for one in server.requests[number].json["messages"] if one["role"] == "user"]


@pytest.mark.parametrize(
    "failure",
    [
        status(400, "I take no such thing"),
        status(401, "no such key"),
        status(413, "too large"),
        status(400, "maximum context length is 10 tokens"),
        status(429, "slow down"),
        status(500, "broke"),
        hang_up(),
    ],
    ids=["400", "401", "413", "too long", "429", "500", "lost"],
)
def test_a_message_without_an_answer_makes_no_later_one_fail(folder, failure):  # noqa: F811
    with ModelServer([failure, sse(text="Hello."), failure, sse(text="Fine.")]) as server:
        at_server(folder, server)
        done = chat(folder, "one", "two", "three", "four")
        assert users(server, 1) == ["two"]
        assert users(server, 3) == ["two", "four"]
    assert done.said[1:] == [("user", "two"), ("assistant", "Hello."), ("user", "four"), ("assistant", "Fine.")]
    assert done.told.count("no answer came: the message is taken back") == 2
    assert done.code == 4


def test_what_tools_did_before_the_model_failed_stays_said(folder):  # noqa: F811
    with ModelServer([sse(calls=[("add", {"a": 40})]), status(400, "no"), sse(text="Fine.")]) as server:
        write_project(folder, ADD)
        at_server(folder, server, "tools: [add]")
        done = chat(folder, "one", "two")
    assert [one["role"] for one in done.messages] == ["user", "assistant", "tool", "user", "assistant"]


def test_it_is_no_turn_of_the_session(folder):  # noqa: F811
    with ModelServer([status(500, "broke"), sse(text="Hello.")]) as server:
        at_server(folder, server)
        done = chat(folder, "one", "two", "/sessions")
    (row,) = [line for line in done.told.splitlines() if line.startswith("* ")]
    assert row.split()[-2:] == ["1", "one"]


def test_at_a_terminal_it_stands_at_the_prompt_and_enter_says_it_again(folder):  # noqa: F811
    with ModelServer([status(500, "broke"), sse(text="Hello.")]) as server:
        at_server(folder, server)
        terminal = Terminal(folder, "sum")
        terminal.say("//one of them")
        terminal.wait_until(lambda lines: lines[-1] == "> //one of them" and "to the prompt" in lines[-2])
        terminal.type("\r")
        terminal.wait_for("Hello.")
        assert users(server, 1) == ["/one of them"]
        assert terminal.leave() == 0


@pytest.mark.parametrize("typed", ["/retry", "/edit what is this"])
def test_it_can_be_said_again_with_its_files_though_it_left_the_conversation(folder, typed):  # noqa: F811
    (folder / "note.txt").write_text("Pay order 1042.\n")
    with ModelServer([sse(text="Hello."), status(500, "broke"), sse(text="A note.")]) as server:
        at_server(folder, server)
        chat(folder, "hi", "/attach note.txt", "what is it", typed)
        first, again = users(server, 2)
        assert first == "hi"
        assert [part["text"] for part in again][1:] == ["what is it" if typed == "/retry" else "what is this"]


def test_undo_of_it_leaves_what_was_answered_before(folder):  # noqa: F811
    with ModelServer([sse(text="Hello."), status(500, "broke")]) as server:
        at_server(folder, server)
        done = chat(folder, "hi", "what is it", "/undo")
    assert "“what is it” was taken back already" in done.told
    assert done.said[1:] == [("user", "hi"), ("assistant", "Hello.")]


def test_a_recording_of_it_makes_a_case_that_passes(folder):  # noqa: F811
    script = ["error: {status: 400, message: no}", "content: Hello.", "content: Bye."]
    write_project(folder, {"agents/sum.yaml": scripted_agent(script)})
    done = chat(folder, "one", "two", "three", "/save-test x", options=("--record", "x.cassette.yaml"))
    assert "tests/x.test.yaml are new" in done.told
    assert "ended with" not in done.told
    played = chat(folder, "one", "two", "three", options=("--replay", "x.cassette.yaml"))
    assert played.answers == ["Hello.", "Bye."]


def test_a_refused_summary_tells_no_key(folder):  # noqa: F811
    long = sse(text="All of it. " * 150)
    with ModelServer([long, long, status(401, f"no such key: {SECRET}")]) as server:
        at_server(folder, server)
        done = chat(folder, "one", "two", "/compact")
    assert "no such key: [secret]" in done.told
    assert SECRET not in done.told


def test_after_a_miss_of_a_replay_the_files_wait_again(folder):  # noqa: F811
    (folder / "note.txt").write_text("Pay order 1042.\n")
    write_project(folder, {"agents/sum.yaml": scripted_agent(["content: Hello."])})
    chat(folder, "/attach note.txt", "what is it", options=("--record", "x.cassette.yaml"))
    played = chat(folder, "/attach note.txt", "what", "what is it", options=("--replay", "x.cassette.yaml"))
    assert played.answers == ["Hello."]


def test_a_recording_may_begin_with_another_agent_and_model(folder):  # noqa: F811
    other = scripted_agent(["content: Other here."], more="system_prompt: You are another.")
    write_project(folder, {"agents/other.yaml": other})
    done = chat(folder, "/agent other", "hi", "/save-test x", options=("--record", "x.cassette.yaml"))
    assert "tests/x.test.yaml are new" in done.told
    assert "agent: other" in (folder / "tests/x.test.yaml").read_text()
    played = chat(folder, "hi", agent="other", options=("--replay", "x.cassette.yaml"))
    assert played.answers == ["Other here."]
    chat(folder, "/model offline", "hi", options=("--record", "y.cassette.yaml"))
    assert "model: offline" in (folder / "y.cassette.yaml").read_text()


@pytest.mark.parametrize("model", ['{name: "${MODEL_NAME}", base_url: "${MODEL_URL}"}', '"${MODEL_NAME}"'])
def test_a_replay_needs_no_variable_of_the_model(folder, model):  # noqa: F811
    write_project(folder, {"agents/sum.yaml": scripted_agent(["content: Hello."])})
    chat(folder, "hi", options=("--record", "x.cassette.yaml"))
    write_project(folder, {"agents/sum.yaml": f"model: {model}\n"})
    assert chat(folder, "hi", options=("--replay", "x.cassette.yaml")).answers == ["Hello."]
    assert "offline model" in chat(folder, "hi", options=("--model", "offline")).answers[0]
    unset = chat(folder, "hi")
    assert (unset.code, "the environment variable MODEL_NAME is not set" in unset.told) == (3, True)


def test_save_tells_who_speaks_now_and_counts_what_stands(folder):  # noqa: F811
    write_project(folder, {"agents/other.yaml": scripted_agent(["content: Other here."])})
    typed = ("add 40 and 2", "/undo", "thanks", "/agent other", "/save", "/sessions")
    done = chat(folder, *typed, options=("--no-session",))
    (row,) = [line for line in done.told.splitlines() if line.startswith("* ")]
    assert " 1      add 40 and 2" in row
    stored = chat(folder, agent=None, options=("--continue",))
    assert [text for role, text in stored.said if role == "user"] == ["thanks"]
    again = chat(folder, "/agent", agent=None, options=("--continue",))
    assert "other has the conversation" in again.told


def test_undo_of_a_hand_off_brings_the_prompt_back_with_the_arguments_of_today(folder):  # noqa: F811
    more = (
        "handoffs: [back]\nparameters: {type: object, properties: {who: {type: string, default: Ann}}}\n"
        "system_prompt: You help {{ args.who }}."
    )
    script = ["content: Hello.", "tool_calls: [{name: transfer_to_back, arguments: {}}]"]
    write_project(
        folder,
        {
            "agents/sum.yaml": scripted_agent(script, more=more),
            "agents/back.yaml": scripted_agent(["content: Back."], more="system_prompt: You are the back office."),
        },
    )
    done = chat(folder, "hi", "go", "/args who=Bob", "/undo", "/sessions")
    assert done.messages[0]["content"] == "You help Bob."
    (row,) = [line for line in done.told.splitlines() if line.startswith("* ")]
    assert row.split()[-2:] == ["1", "hi"]


# -- what is typed


@pytest.mark.parametrize("typed", ["/quit now", "/system all", "/cost x", "/reload it", "/trace 3"])
def test_a_command_that_takes_nothing_refuses_what_follows(folder, typed):  # noqa: F811
    name, rest = typed.split()
    done = chat(folder, typed, "thanks")
    assert f"nothing may follow {name}: `{rest}`" in done.told
    assert [text for role, text in done.said if role == "user"] == ["thanks"]
    assert done.code == 2


@pytest.mark.parametrize("typed", ["/Help", "  /help", "\t/HELP  "])
def test_blanks_and_capitals_make_no_other_command(folder, typed):  # noqa: F811
    done = chat(folder, typed)
    assert "The conversation" in done.told
    assert done.messages == []


@pytest.mark.parametrize("typed", ["/", "/ ", "/ help"])
def test_a_slash_alone_is_no_command(folder, typed):  # noqa: F811
    done = chat(folder, typed)
    assert "no command follows the `/`: /help lists them" in done.told
    assert (done.messages, done.code) == ([], 2)


def test_resuming_a_session_whose_agent_has_errors_shows_them_and_goes_on(folder):  # noqa: F811
    text = scripted_agent(["content: Hello."])
    write_project(folder, {"agents/other.yaml": text})
    chat(folder, "hi", agent="other")
    write_project(folder, {"agents/other.yaml": text + "bogus: 1\n"})
    (id,) = {one["id"] for one in sessions(folder)}
    done = chat(folder, f"/resume {id}", "add 40 and 2")
    assert "AR301 unknown key `bogus`" in done.told
    assert "nothing changed" in done.told
    assert done.said[-1] == ("assistant", "It is 42.")


def test_a_file_name_of_an_export_may_stand_in_quotes(folder):  # noqa: F811
    chat(folder, "add 40 and 2", '/export "my notes.md"', "/export json 'and more.txt'")
    assert "add 40 and 2" in (folder / "my notes.md").read_text()
    assert json.loads((folder / "and more.txt").read_text())["messages"]


def test_an_edited_message_whose_prompt_is_left_keeps_its_files_waiting(folder):  # noqa: F811
    (folder / "note.txt").write_text("Pay order 1042.\n")
    write_project(folder, {"agents/sum.yaml": scripted_agent(["content: Hello."])})
    terminal = Terminal(folder, "sum")
    terminal.say("/attach note.txt")
    terminal.wait_for("+ note.txt")
    terminal.say("what is it")
    terminal.wait_for("Hello.")
    terminal.say("/edit")
    terminal.wait_until(lambda lines: lines[-1] == "> what is it")
    terminal.type("\x15/attach\r")
    terminal.wait_until(lambda lines: lines[-1] == ">" and lines[-2].startswith("+ note.txt"))
    assert terminal.leave() == 0
