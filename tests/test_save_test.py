"""A conversation becomes a test: `/save-test` in a chat, and `agentrun test --from-session`.

What was written is run by `agentrun test` with the servers gone, no variable set, and a guard that lets nothing open a
socket or start a program; it has no findings, and is in the house layout.
"""

import re
import subprocess
import sys

import pytest
import yaml

from canary import leak
from projects import ADD, scripted_agent, write_project
from servers import ModelServer, delta, events, silence, sse, status
from terminals import Terminal
from test_record import MESSAGES, TOKEN, agentrun, environment, events_of, project, services  # noqa: F401

TALK = [
    "tool_calls: [{name: add, arguments: {a: 40}}]",
    "content: It is 42.",
    "content: You are welcome.",
]
SUM = ADD | {"agents/sum.yaml": scripted_agent(TALK, tools="[add]")}
FOUND = re.compile(r"^((?:\S+ and )?\S+) (?:is|are) new$", re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    """A project beside the note that the guard of `agentrun` would write."""
    return write_project(tmp_path / "project", SUM)


def chat(folder, agent, *typed, options=(), env=None):
    """A conversation from a pipe."""
    return agentrun(
        folder, "chat", agent, *options, stdin="".join(f"{line}\n" for line in typed), env=env or {"OPENAI_API_KEY": ""}
    )


def new_files(folder, done):
    said = FOUND.search(done.stderr + done.stdout)
    assert said, done.stderr + done.stdout
    return [folder / name for name in said[1].split(" and ")]


def proven(folder, *files, tools=()):
    """The cases of the new test files, which pass, have no findings and are in the house layout."""
    tests = [str(file.relative_to(folder)) for file in files if file.name.endswith(".test.yaml")]
    assert tests
    done = agentrun(folder, "test", *tests, *tools)
    assert done.returncode == 0, done.stdout + done.stderr
    validated = agentrun(folder, "validate", *tests, *tools)
    assert "no findings" in validated.stdout, validated.stdout
    laid_out = agentrun(folder, "fmt", "--diff", *tests)
    assert laid_out.returncode == 0, laid_out.stdout
    return [case for test in tests for case in yaml.safe_load((folder / test).read_text())["cases"]]


def saved(folder, agent, *typed, **more):
    done = chat(folder, agent, *typed, **more)
    files = new_files(folder, done)
    return files, proven(folder, *files), done


# -- /save-test ----------------------------------------------------------------------------------------------


def test_a_chat_is_saved_as_a_test_that_passes_with_the_servers_gone_and_no_key(project, services):  # noqa: F811
    options = ("--approve", "*", "--arg", "shop=Pots")
    done = chat(project, "desk", *MESSAGES, "/save-test the whole desk", options=options, env=services)
    files = new_files(project, done)
    assert [file.name for file in files] == ["the-whole-desk.cassette.yaml", "the-whole-desk.test.yaml"]
    (case,) = proven(project, *files)
    assert case["args"] == {"shop": "Pots"}
    assert [step["user"] for step in case["conversation"]] == MESSAGES
    first, second, third = (step["expect"] for step in case["conversation"])
    assert first == {
        "answer": "The key is [secret], I think. Order 1042 is on its way.",
        "calls": {
            "exact": [
                {"name": "find_order", "arguments": {"order_id": "1042"}},
                {"name": "stock", "arguments": {"sku": "TP-12"}},
            ]
        },
        "reason": "answered",
        "turns": 2,
    }
    assert second["calls"]["exact"] == [
        {"name": "colleague", "arguments": {"input": "What of TP-12?"}},
        {"name": "find_order", "arguments": {"order_id": "7"}, "error": "http_status"},
        {"name": "stock", "arguments": {"sku": "TP-12"}},
        {"name": "refund_order", "arguments": {"order_id": "1042", "amount": 4.5}},
        {"name": "nonsense", "error": "unknown_tool"},
    ]
    assert second["approvals"] == ["colleague", "refund_order"]
    assert third["answer"] == {"equals": {"summary": "All done."}}
    assert third["reason"] == "final_tool"
    for file in files:
        assert leak(file.read_text()) is None


def test_without_a_name_the_first_message_is_the_name_and_nothing_is_written_over(folder):
    files, (case,), done = saved(folder, "sum", "Add 40 & 2, sîl vous plaît!", "/save-test", "thanks")
    assert [file.name for file in files] == [
        "add-40-2-sîl-vous-plaît.cassette.yaml",
        "add-40-2-sîl-vous-plaît.test.yaml",
    ]
    assert case["name"] == "Add 40 & 2, sîl vous plaît!"
    assert "run it: agentrun test" in done.stderr
    assert done.stdout == "It is 42.\nYou are welcome.\n"
    before = [file.read_bytes() for file in files]
    again, (case,), _ = saved(folder, "sum", "Add 40 & 2, sîl vous plaît!", "thanks", "/save-test")
    assert again[1].name == "add-40-2-sîl-vous-plaît-2.test.yaml"
    assert len(case["conversation"]) == 2
    assert [file.read_bytes() for file in files] == before


def test_a_name_that_is_taken_is_refused_and_another_is_proposed(folder):
    write_project(folder, {"tests/mine.test.yaml": "agent: sum\n"})
    done = chat(folder, "sum", "add 40 and 2", "/save-test mine")
    assert "`tests/mine.test.yaml` is there already: another name, such as `mine-2`" in done.stderr
    assert (folder / "tests" / "mine.test.yaml").read_text() == "agent: sum\n"
    assert sorted(file.name for file in (folder / "tests").iterdir()) == ["mine.test.yaml"]


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a/b.test.yaml", "$(touch x)", "…", "x" * 300])
def test_a_name_is_a_file_in_tests_whatever_is_typed(folder, name):
    files, _, _ = saved(folder, "sum", "add 40 and 2", f"/save-test {name}")
    assert all(file.parent == folder / "tests" for file in files)
    assert all(len(file.name) < 80 for file in files)


def test_a_cassette_that_is_named_like_a_test_is_not_taken_for_one(folder):
    saved(folder, "sum", "add 40 and 2", "/save-test test_sums")
    assert (folder / "tests" / "test_sums.cassette.yaml").exists()
    validated = agentrun(folder, "validate")
    assert "no findings" in validated.stdout, validated.stdout


def test_where_nothing_was_said_yet_nothing_is_written(folder):
    assert "nothing was said yet" in chat(folder, "sum", "/save-test").stderr
    done = chat(folder, "sum", "add 40 and 2", "/reset", "/save-test x")
    assert "nothing was said yet" in done.stderr
    assert not (folder / "tests").exists()


def test_after_reset_only_the_new_conversation_is_saved(folder):
    _, (case,), _ = saved(folder, "sum", "add 40 and 2", "/reset", "thanks", "/save-test x")
    assert [step["user"] for step in case["conversation"]] == ["thanks"]
    assert case["conversation"][0]["expect"]["calls"] == []


def test_a_conversation_in_which_the_model_was_changed_is_saved_whole(folder):
    _, (case,), _ = saved(folder, "sum", "add 40 and 2", "/model offline", "hello", "/save-test x")
    assert [step["user"] for step in case["conversation"]] == ["add 40 and 2", "hello"]


def test_what_is_recorded_into_a_file_is_saved_as_a_copy_of_its_own(folder):
    (cassette, _), _, _ = saved(folder, "sum", "add 40 and 2", "/save-test x", options=("--record", "mine.yaml"))
    assert (folder / "mine.yaml").read_text() == cassette.read_text()


def test_a_replayed_conversation_can_be_saved_and_what_was_not_recorded_is_no_part_of_it(folder):
    chat(folder, "sum", "add 40 and 2", "thanks", options=("--record", "mine.yaml"))
    typed = ("add 40 and 2", "this was not said", "thanks", "/save-test x")
    done = agentrun(folder, "chat", "sum", "--replay", "mine.yaml", stdin="".join(f"{line}\n" for line in typed))
    (case,) = proven(folder, *new_files(folder, done))
    assert [step["user"] for step in case["conversation"]] == ["add 40 and 2", "thanks"]


def test_a_message_without_an_answer_is_not_in_the_case(project, services):  # noqa: F811
    with ModelServer([sse("Hello."), status(401, "no such key"), sse("Here again.")]) as model:
        env = services | {"DESK_URL": model.base_url}
        done = chat(project, "desk", "hi", "and?", "still there?", "/save-test x", env=env)
    (case,) = proven(project, *new_files(project, done))
    assert [step["user"] for step in case["conversation"]] == ["hi", "still there?"]


def test_a_variable_that_must_be_set_is_told(tmp_path):
    files = SUM | {
        "tools.d/look.yaml": """
        description: Looks around.
        shell: {command: [echo, "${MUST_BE:?set it}"]}
    """
    }
    folder = write_project(tmp_path / "project", files | {"agents/sum.yaml": scripted_agent(TALK, tools="[add, look]")})
    done = chat(folder, "sum", "add 40 and 2", "/save-test x", env={"MUST_BE": "hello"})
    assert "it needs MUST_BE to be set" in done.stderr
    test = agentrun(folder, "test", env={"MUST_BE": "hello"})
    assert test.returncode == 0, test.stdout + test.stderr


HANDING = {
    "agents/front.yaml": scripted_agent(
        ["tool_calls: [{name: transfer_to_back}]", "content: unused"], more="handoffs: [back]"
    ),
    "agents/back.yaml": scripted_agent(
        ["content: I am back.", "content: Still."], more='description: "Knows more."\nsystem_prompt: You are back.'
    ),
}


def test_a_hand_off_is_expected_of_the_message_that_brings_it_and_of_those_after_it(tmp_path):
    folder = write_project(tmp_path / "project", HANDING)
    _, (case,), _ = saved(folder, "front", "more", "and?", "/save-test x")
    first, second = (step["expect"] for step in case["conversation"])
    assert first["agent"] == second["agent"] == "back"
    assert first["calls"] == {"exact": ["transfer_to_back"]}


def test_agents_behind_tools_that_speak_at_the_same_time_are_in_the_case(tmp_path):
    calls = "tool_calls: [{name: ask, arguments: {input: one}}, {name: ask, arguments: {input: two}}]"
    files = ADD | {
        "agents/boss.yaml": scripted_agent([calls, "content: Both."], tools="[ask]"),
        "agents/worker.yaml": scripted_agent([TALK[0], TALK[0], "content: a", "content: b"], tools="[add]"),
        "tools.d/ask.yaml": "description: Asks.\nagent: worker\n",
    }
    folder = write_project(tmp_path / "project", files)
    _, (case,), _ = saved(folder, "boss", "ask both", "/save-test x", options=("--approve", "*"))
    names = [call["name"] for call in case["conversation"][0]["expect"]["calls"]["exact"]]
    assert names == ["ask", "ask", "add", "add"]


def test_an_answer_as_data_and_one_that_is_long_are_expected_as_such(tmp_path):
    long = " ".join(f"word{number}" for number in range(80))
    files = ADD | {
        "agents/data.yaml": scripted_agent(
            ["""content: '{"total": 42, "note": null}'""", f'content: \'{{"total": 1, "note": "{long}"}}\''],
            more="response_format: {type: json_schema, json_schema: {name: a, schema: {type: object}}}",
        ),
        "agents/long.yaml": scripted_agent([f"content: {long}"]),
    }
    folder = write_project(tmp_path / "project", files)
    _, (case,), _ = saved(folder, "data", "how much?", "and all of it?", "/save-test data")
    first, second = (step["expect"] for step in case["conversation"])
    assert first["answer"] == {"equals": {"total": 42, "note": None}}
    assert "answer" not in second
    (_, test), (case,), _ = saved(folder, "long", "tell me", "/save-test long")
    assert case["conversation"][0]["expect"]["answer"] == {"starts_with": long[:80].rpartition(" ")[0]}
    assert "only the beginning is compared" in test.read_text()


@pytest.mark.parametrize(
    "said",
    [
        "null",
        "yes",
        "1042",
        "- a: b",
        "{{ each.x }}",
        "${HOME}",
        "a: 'b\" #c",
        "tab\there",
        "/x",
        " padded ",
        "'",
        "ü🙂",
        "x" * 900,
    ],
)
def test_whatever_is_said_stands_in_the_test_as_it_was_said(tmp_path, said):
    answer = yaml.safe_dump({"content": said}, default_flow_style=True, width=10_000).strip()
    folder = write_project(tmp_path / "project", {"agents/a.yaml": scripted_agent([answer])})
    typed = f"say {said}"
    done = chat(folder, "a", typed, "/save-test x")
    files = new_files(folder, done)
    (case,) = yaml.safe_load(files[1].read_text())["cases"]
    assert case["conversation"][0]["user"] == typed
    run = agentrun(folder, "test")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_comment_by_which_editors_find_the_schema_is_that_of_the_other_tests(folder):
    comment = "# yaml-language-server: $schema=../../.agentrun/schemas/test.schema.json\n"
    other = "agent: sum\ncases:\n  - {name: x, args: {input: x}, skip: later}\n"
    write_project(folder, {"tests/old/other.test.yaml": comment + other})
    (_, test), _, _ = saved(folder, "sum", "add 40 and 2", "/save-test x")
    assert test.read_text().startswith("# yaml-language-server: $schema=../.agentrun/schemas/test.schema.json\n")


def test_tools_of_a_further_folder_are_named_in_how_the_test_is_run(tmp_path):
    files = {"agents/sum.yaml": SUM["agents/sum.yaml"], "calc.py": ADD["calc.py"], "more/calc.py": ADD["calc.py"]}
    folder = write_project(tmp_path / "project", files | {"more/add.yaml": ADD["tools.d/add.yaml"]})
    done = chat(folder, "sum", "add 40 and 2", "/save-test x", options=("--tools", "more"))
    assert "run it: agentrun test tests/x.test.yaml --tools more" in done.stderr
    proven(folder, *new_files(folder, done), tools=("--tools", "more"))


def test_an_agent_that_no_test_can_name_is_told(folder):
    write_project(folder, {"elsewhere/lone.yaml": scripted_agent(["content: Hi."])})
    done = chat(folder, "elsewhere/lone.yaml", "hi", "/save-test x")
    assert "the project has no agent `lone`: agents here: sum; a test is of one whose file stands in" in done.stderr
    assert not (folder / "tests").exists()


def test_an_agent_whose_file_has_changed_since_is_told_with_what_differs(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "agentrun", "chat", "sum"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder, {}),
        text=True,
    )
    process.stdin.write("add 40 and 2\n")
    process.stdin.flush()
    assert process.stdout.readline() == "It is 42.\n"
    write_project(folder, {"agents/sum.yaml": scripted_agent(TALK, tools="[add]", more="system_prompt: Be brief.")})
    _, said = process.communicate("/save-test x\n", timeout=50)
    assert "no case can be made of it: the request of turn 1 is not in the cassette" in said
    assert not (folder / "tests").exists()


# -- at a terminal -------------------------------------------------------------------------------------------


def test_at_a_terminal_the_command_says_what_it_wrote(folder):
    terminal = Terminal(folder, "sum")
    terminal.say("add 40 and 2")
    terminal.wait_for("It is 42.")
    terminal.say("/save-test sums")
    terminal.wait_for("run it: agentrun test tests/sums.test.yaml")
    terminal.say("thanks")
    terminal.wait_for("You are welcome.")
    assert terminal.leave() == 0
    (case,) = proven(folder, folder / "tests" / "sums.test.yaml")
    assert case["conversation"][0]["expect"]["answer"] == "It is 42."


def test_a_person_who_said_no_and_one_who_interrupted_are_in_the_case(tmp_path, monkeypatch):
    files = ADD | {
        "tools.d/add.yaml": ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n",
        "agents/a.yaml": 'model: {name: m-1, base_url: "${DESK_URL}", api_key: "${DESK_KEY}"}\ntools: [add]\n',
    }
    folder = write_project(tmp_path / "project", files)
    script = [sse(calls=[("add", {"a": 1})]), sse("Then not."), silence(events(delta(content="Let me"))), sse("Back.")]
    with ModelServer(script) as model:
        monkeypatch.setenv("DESK_URL", model.base_url)
        monkeypatch.setenv("DESK_KEY", "key-of-the-desk")
        terminal = Terminal(folder, "a")
        terminal.say("add")
        terminal.wait_until(lambda lines: lines[-1].startswith("allow?"))
        terminal.type("n\r")
        terminal.wait_for("Then not.")
        terminal.say("think of it")
        terminal.wait_for("Let")  # the last word waits for its end
        terminal.type("\x03")
        terminal.wait_for("interrupted")
        terminal.say("and now?")
        terminal.wait_for("Back.")
    terminal.say("/save-test x")
    terminal.wait_for("run it:")
    assert any("message 2 was interrupted" in line for line in terminal.lines)
    assert terminal.leave() == 0
    (case,) = proven(folder, folder / "tests" / "x.test.yaml")
    steps = [step["expect"] for step in case["conversation"]]
    assert [step["reason"] for step in steps] == ["answered", "model_error", "answered"]
    assert steps[0]["calls"] == {"exact": [{"name": "add", "arguments": {"a": 1}, "error": "denied"}]}
    assert steps[0]["approvals"] == ["add"]


def test_what_can_not_be_played_again_is_left_out_with_a_word(tmp_path):
    files = ADD | {
        "tools.d/add.yaml": ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n",
        "agents/a.yaml": scripted_agent(
            ["content: Hello.", "tool_calls: [{name: add, arguments: {a: 1}}]", "content: Back."], tools="[add]"
        ),
    }
    folder = write_project(tmp_path / "project", files)
    terminal = Terminal(folder, "a")
    terminal.say("hi")
    terminal.wait_for("Hello.")
    terminal.say("add")
    terminal.wait_until(lambda lines: lines[-1].startswith("allow?"))
    terminal.type("\x03")
    terminal.wait_for("interrupted")
    terminal.say("and now?")
    terminal.wait_for("Back.")
    terminal.say("/save-test x")
    terminal.wait_for("run it:")
    assert any("message 2 and all after it are left out" in line for line in terminal.lines)
    assert terminal.leave() == 0
    (case,) = proven(folder, folder / "tests" / "x.test.yaml")
    assert [step["user"] for step in case["conversation"]] == ["hi"]
    assert "and now?" not in (folder / "tests" / "x.cassette.yaml").read_text()


# -- --from-session ------------------------------------------------------------------------------------------


def from_session(folder, *arguments, env=None):
    return agentrun(folder, "test", "--from-session", *arguments, env=env)


def test_a_recorded_run_becomes_a_case_with_its_arguments(project, services):  # noqa: F811
    words = ("--arg", "shop=Pots", "--arg", "input=Where is 1042?")
    recorded = agentrun(project, "run", "desk", *words, "--record", "desk.cassette.yaml", env=services)
    assert recorded.returncode == 0, recorded.stderr
    done = from_session(project, "desk.cassette.yaml")
    assert done.stdout == "tests/desk.test.yaml is new\nrun it: agentrun test tests/desk.test.yaml\n"
    (case,) = proven(project, project / "tests" / "desk.test.yaml")
    assert case["args"] == {"shop": "Pots", "input": "Where is 1042?"}
    assert case["cassette"] == "../desk.cassette.yaml"
    assert case["expect"]["turns"] == 2
    assert "conversation" not in case


def test_a_recorded_chat_becomes_a_case_with_its_messages_where_it_shall_be(folder):
    chat(folder, "sum", "add 40 and 2", "thanks", options=("--record", "kept.yaml"))
    done = from_session(folder, "kept.yaml", "--into", "tests/sums/first.test.yaml")
    assert done.returncode == 0, done.stderr
    (case,) = proven(folder, folder / "tests" / "sums" / "first.test.yaml")
    assert case["cassette"] == "../../kept.yaml"
    assert [step["user"] for step in case["conversation"]] == ["add 40 and 2", "thanks"]


def test_a_file_that_is_there_is_not_written_over_and_another_is_proposed(folder):
    chat(folder, "sum", "add 40 and 2", options=("--record", "sums.cassette.yaml"))
    write_project(folder, {"tests/sums.test.yaml": "mine: true\n"})
    done = from_session(folder, "sums.cassette.yaml")
    assert done.returncode == 2
    assert "`tests/sums.test.yaml` is there already\nhelp: another one: `--into tests/sums-2.test.yaml`" in done.stderr
    assert (folder / "tests" / "sums.test.yaml").read_text() == "mine: true\n"


MANY = """
agent: sum
cassette: many.cassette.yaml
cases:
  - {name: adds, args: {input: add 40 and 2}}
  - {name: thanks, conversation: [{user: add 40 and 2}, {user: thanks}]}
"""


@pytest.fixture
def many(folder):
    """A cassette with the conversations of two cases, by their names."""
    write_project(folder, {"tests/many.test.yaml": MANY})
    done = agentrun(folder, "test", "--cassettes", "record", env={"OPENAI_API_KEY": ""})
    assert done.returncode == 0, done.stdout
    (folder / "tests" / "many.test.yaml").unlink()
    return folder


def test_all_conversations_of_a_cassette_become_cases_of_their_names(many):
    done = from_session(many, "tests/many.cassette.yaml")
    assert done.returncode == 0, done.stderr
    first, second = proven(many, many / "tests" / "many.test.yaml")
    assert [first["name"], second["name"]] == ["adds", "thanks"]
    assert len(second["conversation"]) == 2


def test_one_conversation_of_a_cassette_is_named_with_its_file(many):
    done = from_session(many, "tests/many.cassette.yaml::thanks", "--into", "tests/one.test.yaml")
    assert done.returncode == 0, done.stderr
    (case,) = proven(many, many / "tests" / "one.test.yaml")
    assert case["name"] == "thanks"
    done = from_session(many, "tests/many.cassette.yaml::thank")
    assert done.returncode == 2
    assert "has no conversation `thank`\nhelp: did you mean `thanks`?" in done.stderr


def test_conversations_that_no_case_could_choose_are_refused(many):
    file = many / "tests" / "many.cassette.yaml"
    file.write_text(file.read_text().replace("  - name: adds\n    agent", "  - agent"))
    done = from_session(many, "tests/many.cassette.yaml")
    assert done.returncode == 2
    assert "each needs a name of its own" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.yaml"], "there is no cassette `none.yaml`"),
        (
            ["kept.yaml", "--into", "x.test.yaml"],
            "`x.test.yaml` is no place for a test\nhelp: name it `tests/NAME.test.yaml`",
        ),
        (["kept.yaml", "--into", "tests/x.yaml"], "`tests/x.yaml` is no place for a test"),
        (["kept.yaml", "-k", "x"], "`--from-session` writes a test, and runs nothing else"),
        (["kept.yaml", "--cassettes", "record"], "writes a test, and runs nothing else"),
        (["kept.yaml", "tests"], "writes a test, and runs nothing else"),
        (["agents/sum.yaml"], "is no cassette: it has no key `cassette`"),
        (["strange.yaml"], "the project has no agent `summ`\nhelp: did you mean `sum`?"),
    ],
)
def test_bad_usage_writes_nothing(folder, arguments, said):
    chat(folder, "sum", "add 40 and 2", options=("--record", "kept.yaml"))
    (folder / "strange.yaml").write_text((folder / "kept.yaml").read_text().replace("agent: sum", "agent: summ"))
    done = from_session(folder, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not (folder / "tests").exists()


def test_into_alone_says_what_it_is_for(folder):
    done = agentrun(folder, "test", "--into", "tests/x.test.yaml")
    assert done.returncode == 2
    assert "`--into` says where `--from-session` writes" in done.stderr


def test_a_recording_of_another_folder_is_played_from_where_it_is(folder, tmp_path):
    chat(folder, "sum", "add 40 and 2", options=("--record", str(tmp_path / "kept.cassette.yaml")))
    done = from_session(folder, str(tmp_path / "kept.cassette.yaml"))
    assert done.returncode == 0, done.stderr
    (case,) = proven(folder, folder / "tests" / "kept.test.yaml")
    assert case["cassette"] == "../../kept.cassette.yaml"


# -- what is recorded for it ---------------------------------------------------------------------------------


def test_the_arguments_of_a_run_are_in_its_cassette_without_secrets(project, services):  # noqa: F811
    words = ("Where is 1042?", "--arg", f"shop=Pots {TOKEN}")
    agentrun(project, "run", "desk", *words, "--record", "desk.yaml", env=services)
    (conversation,) = yaml.safe_load((project / "desk.yaml").read_text())["conversations"]
    assert conversation["args"] == {"input": "Where is 1042?", "shop": "Pots [secret]"}
    replayed = agentrun(
        project, "run", "desk", *words[:1], "--arg", "shop=Pots [secret]", "--replay", "desk.yaml", "--output", "jsonl"
    )
    assert replayed.returncode == 0, replayed.stderr
    assert events_of(replayed.stdout)[-1]["reason"] == "answered"
