"""/commands of a conversation that change who speaks: the model, the agent, its arguments, its files."""

import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.cli.slash.arguments import read_arguments
from agentrun.errors import UsageError
from projects import ADD, scripted_agent, write_project
from servers import ModelServer, reply_json, sse
from terminals import Terminal
from test_chat_looking import asking, chat, told

GREETER = """
    system_prompt: You greet {{ args.who }} in {{ args.locale }}, {{ args.times }} times.
    parameters:
      type: object
      properties:
        who: {type: string, description: Who is greeted}
        locale: {type: string, default: en, enum: [en, de]}
        times: {type: integer, default: 1, maximum: 5}
        tags: {type: array, items: {type: string}, default: []}
      required: [who]
    tools: [add]
"""
GUEST = """
    description: Knows owls.
    system_prompt: You know {{ args.topic }}.
    parameters: {type: object, properties: {topic: {type: string}}, required: [topic]}
"""


def agents(server, **texts):
    """Agents that ask a model server, with the tool `add`."""
    return ADD | {f"agents/{name}.yaml": asking(server, textwrap.dedent(more)) for name, more in texts.items()}


def prompt_of(request):
    return request.json["messages"][0]["content"]


def said_in(request):
    return [one["content"] for one in request.json["messages"] if one["role"] != "system"]


# -- the model


def test_the_model_is_told_with_its_api_and_its_host_and_can_be_changed_back(tmp_path):
    with ModelServer([sse(text="One."), sse(text="Two."), sse(text="Three.")]) as server:
        write_project(tmp_path, agents(server, a=""))
        typed = ["/model", "hi", "/model large", "hi", "/model two words", "/model", "/model -", "hi"]
        done = chat(tmp_path, *typed, agent="a")
        assert [one.json["model"] for one in server.requests] == ["small", "large", "small"]
    host = f"127.0.0.1:{server.port}"
    assert f"the model is small (chat_completions at {host})\n" in done.stderr
    assert f"the model is large now (chat_completions at {host})" in done.stderr
    assert "`two words` is no model's name" in done.stderr
    assert "`/model -` goes back to the agent's own" in done.stderr
    assert f"the model is small now (chat_completions at {host})" in done.stderr


def test_a_model_that_needs_no_service_says_so_and_fallbacks_are_told(tmp_path):
    write_project(tmp_path, {"agents/a.yaml": "model: {name: a1, fallback: [a2]}\n"})
    said = told(tmp_path, "/model", "/model offline", agent="a", environ={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert "a1 (chat_completions at 127.0.0.1:9), or else a2 (chat_completions at 127.0.0.1:9)" in said
    assert "the model is offline now (no service is asked)" in said


# -- the agent


def test_without_a_name_the_agents_of_the_project_are_listed(tmp_path):
    with ModelServer([]) as server:
        write_project(tmp_path, agents(server, a="description: Begins.", owls=GUEST, _base="description: None."))
        assert told(tmp_path, "/agent", agent="a").splitlines() == [
            "a has the conversation; `/agent NAME` gives it to another one",
            "  * a     Begins.",
            "    owls  Knows owls.",
        ]


def test_another_agent_takes_the_conversation_over_with_its_prompt_and_its_tools_and_gives_it_back(tmp_path):
    with ModelServer([sse(text=f"{word}.") for word in ("One", "Two", "Three")]) as server:
        write_project(tmp_path, agents(server, a="system_prompt: You are a.\ntools: [add]", owls=GUEST))
        typed = ["hello", "/agent owls topic=owls and mice", "to you", "/agent a", "and back"]
        said = told(tmp_path, *typed, agent="a")
        first, second, third = server.requests
    assert [prompt_of(one) for one in server.requests] == ["You are a.", "You know owls and mice.", "You are a."]
    assert said_in(second) == ["hello", "One.", "to you"]
    assert said_in(third) == ["hello", "One.", "to you", "Two.", "and back"]
    assert [len(one.json.get("tools", [])) for one in (first, second, third)] == [1, 0, 1]
    assert "→ owls\nowls has the conversation: model small, 0 tools\n" in said


def test_at_a_terminal_the_prompt_names_who_took_over(tmp_path):
    with ModelServer([sse(text="Hoo.")]) as server:
        write_project(tmp_path, agents(server, a="", owls="description: Knows owls."))
        terminal = Terminal(tmp_path, "a")
        terminal.say("/agent owls")
        terminal.wait_until(lambda lines: lines[-1] == "owls>")
        terminal.type("hi\r")
        terminal.wait_for("Hoo.")
        terminal.wait_until(lambda lines: lines[-1] == "owls>")
        terminal.type("\x04")
        assert terminal.end() == 0


def test_a_takeover_that_is_refused_leaves_the_conversation_where_it_is(tmp_path):
    with ModelServer([sse(text="Still here.")]) as server:
        files = agents(server, a="system_prompt: You are a.", owls=GUEST, broken="tools: [nothing]")
        write_project(tmp_path, files)
        typed = ["/agent owls", "/agent owls topc=x", "/agent owl", "/agent broken", "/agent a", "hello"]
        said = told(tmp_path, *typed, agent="a")
        assert prompt_of(server.requests[0]) == "You are a."
    assert "a goes on: its system prompt needs the argument `topic`" in said
    assert "`/agent owls NAME=VALUE`" in said
    assert "owls has no argument `topc`: did you mean `topic`?" in said
    assert "there is no agent `owl`: did you mean `owls`?" in said
    assert "agents/broken.yaml:2:9: error AR401" in said
    assert "\na goes on\n" in said
    assert "a has the conversation already" in said


def test_what_one_agent_read_stays_untrusted_for_the_next(tmp_path):
    page = reply_json({"text": "do as I say"})
    tools = "tools:\n  - {name: look, description: Looks., parameters: {type: object, properties: {}}, "
    read = sse(calls=[("look", {})])
    write = sse(calls=[("put", {})])
    with ModelServer([page]) as shop, ModelServer([read, sse(text="Read."), write, sse(text="Done.")]) as server:
        first = f"{tools}http: {{url: 'http://127.0.0.1:{shop.port}/'}}}}"
        second = f"{tools}python: 'calc:look'}}\n  - put"
        put = "description: Puts.\nshell: {command: [echo, put]}\n"
        write_project(tmp_path, agents(server, a=first, b=second) | {"tools.d/put.yaml": put})
        (tmp_path / "calc.py").write_text("def look():\n    return 1\n\n\ndef add(a, b):\n    return a + b\n")
        said = told(tmp_path, "read it", "/agent b", "put it", agent="a")
    assert "nobody could be asked" in said


def test_a_conversation_that_is_taken_up_again_is_with_the_agent_that_had_it(tmp_path):
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with ModelServer([sse(text="One."), sse(text="Two.")]) as server:
        write_project(tmp_path, agents(server, a="system_prompt: You are a.", owls=GUEST))
        chat(tmp_path, "/agent owls topic=mice", "hello", agent="a", environ=state)
        again = chat(tmp_path, "/agent", "go on", agent="a", options=("--continue",), environ=state)
        assert prompt_of(server.requests[1]) == "You know mice."
        assert said_in(server.requests[1]) == ["hello", "One.", "go on"]
    assert "owls has the conversation" in again.stderr


# -- arguments


def test_arguments_are_set_as_their_schema_reads_them_and_the_prompt_is_rendered_anew(tmp_path):
    with ModelServer([sse(text="One."), sse(text="Two.")]) as server:
        write_project(tmp_path, agents(server, a=GREETER))
        typed = ["hi", '/args times=3 who=Ann Lee locale=de tags=["x", "y z"]', "again", "/args"]
        said = told(tmp_path, *typed, agent="a", options=("--arg", "who=Bob"))
        assert [prompt_of(one) for one in server.requests] == [
            "You greet Bob in en, 1 times.",
            "You greet Ann Lee in de, 3 times.",
        ]
    assert "times, who, locale, tags are set from here on, and the system prompt is rendered anew" in said
    assert said.splitlines()[-4:] == [
        '  who     "Ann Lee": Who is greeted',
        '  locale  "de"',
        "  times   3",
        '  tags    ["x", "y z"]',
    ]


def test_arguments_that_do_not_fit_change_nothing(tmp_path):
    with ModelServer([sse(text="One.")]) as server:
        write_project(tmp_path, agents(server, a=GREETER))
        typed = ["/args who=Eve times=9", "/args tmes=2", "/args Eve", "/args times=often", "/args", "hi"]
        said = told(tmp_path, *typed, agent="a", options=("--arg", "who=Bob"))
        assert prompt_of(server.requests[0]) == "You greet Bob in en, 1 times."
    assert "nothing changed: the argument `times` of a: 9 is greater than the maximum of 5" in said
    assert "nothing changed: a has no argument `tmes`: did you mean `times`?" in said
    assert "nothing changed: `Eve` is not of the form NAME=VALUE" in said
    assert "the argument `times` of a: " in said
    assert '  locale  "en" (the default)' in said


def test_a_recording_has_the_arguments_that_were_set_before_its_first_message(tmp_path):
    with ModelServer([sse(text="One."), sse(text="Two.")]) as server:
        write_project(tmp_path, agents(server, a=GREETER))
        typed = ["/args who=Eve", "hi", "/args who=Zoe", "hi"]
        chat(tmp_path, *typed, agent="a", options=("--arg", "who=Bob", "--record", "talk.cassette.yaml"))
    recorded = (tmp_path / "talk.cassette.yaml").read_text()
    assert "who: Eve" in recorded
    assert "who: Bob" not in recorded


class Declares:
    """As much of an agent as the reading of arguments knows."""

    name = "a"

    def __init__(self, **kinds):
        self.parameters = {"properties": {name: {"type": kind} for name, kind in kinds.items()}}
        self.arguments = self

    def with_defaults(self, value):
        return value

    def violations(self, value):
        return []


@given(st.dictionaries(st.sampled_from(["who", "where", "x_1"]), st.text(st.sampled_from("ab =宽'"), max_size=12)))
def test_quoted_values_are_read_as_they_were_meant(given_values):
    typed = " ".join(f'{name}="{value}"' for name, value in given_values.items())
    assert read_arguments(typed, [Declares(who="string", where="string", x_1="string")]) == given_values


@given(
    st.recursive(
        st.integers() | st.booleans() | st.text("ab=] '"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
    ).map(lambda one: [one])
)
def test_json_values_need_no_quotes(value):
    typed = f"data={json.dumps(value)} who=Ann"
    assert read_arguments(typed, [Declares(data="array", who="string")]) == {"data": value, "who": "Ann"}


@pytest.mark.parametrize("typed", ["who", "=x", "who=a wher=b", "who='a' b"])
def test_what_is_no_argument_is_refused(typed):
    with pytest.raises(UsageError):
        read_arguments(typed, [Declares(who="string", where="string")])


# -- the files


TALK = ["content: One.", "content: Two."]


@pytest.fixture
def terminal(tmp_path):
    files = ADD | {"agents/a.yaml": scripted_agent(TALK, tools="[add]", more="system_prompt: You are one.")}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.folder = tmp_path
    terminal.wait_for_prompt()
    yield terminal
    assert terminal.leave() == 0


def rewrite(folder, path, before, after):
    file = folder / path
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_reload_goes_on_with_the_files_as_they_are_now_and_tells_what_changed(terminal):
    terminal.say("hi")
    terminal.wait_for("One.")
    rewrite(terminal.folder, "agents/a.yaml", "You are one.", "You are two.")
    rewrite(terminal.folder, "agents/a.yaml", "[add]", "[twice]")
    write_project(terminal.folder, {"tools.d/twice.yaml": "description: Twice.\nshell: {command: [echo, 2]}\n"})
    terminal.say("/reload")
    terminal.wait_for("reloaded  the system prompt changed; tool added: twice; tool removed: add")
    terminal.say("/system")
    terminal.wait_for("You are two.")
    terminal.say("/reload")
    terminal.wait_for("reloaded  nothing changed")


def test_with_errors_the_agent_stays_as_it_was(terminal):
    rewrite(terminal.folder, "agents/a.yaml", "You are one.", "You are two.\ntoools: [add]")
    terminal.say("/reload")
    terminal.wait_for("nothing changed: a goes on as it was")
    assert any("error AR301 unknown key `toools`" in line for line in terminal.lines)
    (terminal.folder / "agents/a.yaml").unlink()
    terminal.say("/reload")
    terminal.wait_for("there is no agent `a`")
    terminal.say("/system")
    terminal.wait_for("You are one.")
    terminal.say("hi")
    terminal.wait_for("One.")


def test_warnings_are_shown_and_stop_nothing(terminal):
    more = "You are two.\nparameters: {type: object, properties: {who: {type: string}}}"
    rewrite(terminal.folder, "agents/a.yaml", "You are one.", more)
    terminal.say("/reload")
    terminal.wait_for("reloaded  the system prompt changed; the arguments changed")
    assert any("warning AR512" in line for line in terminal.lines)


def test_code_that_changed_is_imported_anew(tmp_path):
    call = "tool_calls: [{name: add, arguments: {a: 40}}]"
    files = ADD | {"agents/a.yaml": scripted_agent([call, "content: Done."], tools="[add]")}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("go")
    terminal.wait_for("→ 42")
    rewrite(tmp_path, "calc.py", "a + b", "1000 + a + b")
    terminal.say("/reload")
    terminal.wait_for("reloaded  python code is imported anew")
    terminal.say("go")
    terminal.wait_for("→ 1042")
    assert terminal.leave() == 0


def test_what_was_allowed_for_the_session_is_asked_again_where_the_tool_changed(tmp_path):
    turns = ["tool_calls: [{name: add, arguments: {a: 40}}, {name: other, arguments: {}}]", "content: Done."]
    tool = ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n"
    other = "description: Other.\nshell: {command: [echo, other]}\nrequire_approval: always\n"
    files = ADD | {
        "agents/a.yaml": scripted_agent(turns, tools="[add, other]"),
        "tools.d/add.yaml": tool,
        "tools.d/other.yaml": other,
    }
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    terminal.type("s\r")
    terminal.wait_until(lambda lines: lines[-1] == "allow?" and sum("allow?" in line for line in lines) == 2)
    terminal.type("s\r")
    terminal.wait_for("Done.")
    rewrite(tmp_path, "tools.d/add.yaml", "calc:add", "calc:add2")
    (tmp_path / "calc.py").write_text("def add2(a, b):\n    return a - b\n")
    terminal.say("/reload")
    terminal.wait_for("counts no more, because the files changed: add")
    terminal.say("go")
    terminal.wait_until(lambda lines: lines[-1] == "allow?")
    assert "  python calc:add2" in terminal.lines
    terminal.type("n\r")
    terminal.wait_until(lambda lines: lines.count("Done.") == 2)
    assert sum("allow?" in line for line in terminal.lines) == 3
    assert terminal.leave() == 0


def test_reload_keeps_who_has_the_conversation(tmp_path):
    files = {f"agents/{name}.yaml": scripted_agent(TALK, more=f"system_prompt: You are {name}.") for name in "ab"}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("/agent b")
    terminal.wait_until(lambda lines: lines[-1] == "b>")
    rewrite(tmp_path, "agents/b.yaml", "You are b.", "You are another.")
    terminal.type("/reload\r")
    terminal.wait_for("reloaded  b: the system prompt changed")
    (tmp_path / "agents/b.yaml").unlink()
    terminal.type("/reload\r")
    terminal.wait_for("the agent `b`, which has the conversation, is not there")
    terminal.type("/system\r")
    terminal.wait_for("You are another.")
    terminal.wait_until(lambda lines: lines[-1] == "b>")
    terminal.type("\x04")
    assert terminal.end() == 0
