"""Conversations of `agentrun chat` in a window of tmux, key by key; whole screens are compared with tests/screens."""

import contextlib
import os
import re
import signal
import threading
from pathlib import Path

import pytest

from agentrun.engine.events import TextDelta
from agentrun.sessions.store import open_store
from projects import ADD, scripted_agent, write_project
from servers import ModelServer, Response, delta, event, silence, sse
from tmux import MISSING, SCREENS, Window, compare

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

ADDING = ["{tool_calls: [{name: add, arguments: {a: 40}}]}", "content: It is 42."]
ADDER = ADD | {"agents/sum.yaml": scripted_agent(ADDING, tools="[add]")}
WAIT = "description: Waits.\ntimeout: 50\nshell: {command: [sh, -c, 'echo begun > begun; exec sleep 50'], cwd: ..}\n"
WAITING = {
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: wait}]", "content: Still here."], tools="[wait]"),
    "tools.d/wait.yaml": WAIT,
}


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    for name in ("VISUAL", "EDITOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def window():
    """Opens windows; all of them end with the test."""
    opened = []

    def open_one(*arguments, **options):
        opened.append(Window(*arguments, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def gate():
    """What a model's answer waits for in its middle."""
    event = threading.Event()
    yield event
    event.set()


def streamed(pieces, gate):
    """An answer that stops after its first piece, until the gate is opened."""

    def sent():
        for number, piece in enumerate(pieces):
            if number:
                gate.wait(30)
            yield event(delta(content=piece))
        yield event(delta("stop"))
        yield event("[DONE]")

    return Response(sent())


def unending(pieces, gate):
    """An answer that comes piece by piece and never ends."""

    def sent():
        for piece in pieces:
            yield event(delta(content=piece))
            gate.wait(0.6)  # pieces that come sooner are kept together with the next one
        gate.wait(30)

    return Response(sent())


def served(folder, server, **files):
    agent = f"model: {{name: m-1, base_url: '{server.base_url}', api_key: k}}\ncontext: {{max_tokens: 1000000}}\n"
    return write_project(folder, {"agents/a.yaml": agent} | files)


# -- typing -------------------------------------------------------------------------------------------------


def test_tab_lists_commands_and_completes_what_is_chosen(tmp_path, window):
    chat = window(write_project(tmp_path, ADDER), "sum")
    chat.wait_for_prompt()
    chat.type("/to")
    chat.press("Tab")
    chat.wait_for_line("> /tool")
    compare("tab_menu", chat, chat.wait_for("what the agent can call"))
    chat.press("Tab")
    chat.wait_for_line("> /tools")
    chat.press("Tab")
    compare("tab_chosen", chat, chat.wait_for_line("> /tool"))
    chat.press("Enter")
    compare("tab_taken", chat, chat.wait_until(lambda shown: len(shown.below) == 1))
    chat.type("a")
    chat.press("Tab")
    chat.wait_for_line("> /tool add")
    chat.press("Enter")
    chat.wait_for("Adds two numbers.")
    compare("tab_done", chat, chat.wait_for_prompt())


@pytest.mark.slow
def test_what_was_typed_is_found_again_in_another_process(tmp_path, window):
    write_project(tmp_path, {"agents/a.yaml": scripted_agent([f"content: Answer {n}." for n in range(4)])})
    first = window(tmp_path, "a")
    first.say("refund order 7")
    first.wait_for("Answer 0.")
    first.say("where is it?")
    first.wait_for("Answer 1.")
    first.wait_for_prompt()
    first.press("C-d")
    assert first.ended() == 0
    second = window(tmp_path, "a")
    second.wait_for_prompt()
    second.press("Up")
    second.wait_for_line("> where is it?")
    second.press("Up")
    second.wait_for_line("> refund order 7")
    second.press("Down")
    second.wait_for_line("> where is it?")
    second.press("C-c")
    second.wait_for_prompt()
    second.press("C-r")
    second.type("fund")
    compare("ctrl_r", second, second.wait_for("refund order 7"))
    second.press("Enter")
    second.wait_for_line("> refund order 7")
    second.press("Enter")
    second.wait_for("Answer 0.")
    compare("ctrl_r_sent", second, second.wait_for_prompt())


def test_a_message_of_several_lines_is_typed_and_pasted(tmp_path, window):
    with ModelServer([sse("Read.")]) as server:
        chat = window(served(tmp_path, server), "a")
        chat.wait_for_prompt()
        chat.type("first")
        chat.press("M-Enter")
        chat.type("second: ")
        chat.paste("pasted 1\npasted 2\n\n    indented\n")
        chat.wait_for("indented")
        compare("several_lines", chat, chat.wait_until(lambda shown: shown.row == 7))
        assert server.requests == []
        chat.enter("last")
        chat.wait_for("Read.")
        compare("several_lines_sent", chat, chat.wait_for_prompt())
        said = server.requests[0].json["messages"][-1]["content"]
    assert said == "first\nsecond: pasted 1\npasted 2\n\n    indented\nlast"


# -- approval -----------------------------------------------------------------------------------------------

ASKED = ADD | {
    "tools.d/add.yaml": ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n",
    "agents/a.yaml": scripted_agent(
        [
            "{tool_calls: [{name: add, arguments: {a: 40}}]}",
            "content: That was the first.",
            "{tool_calls: [{name: add, arguments: {a: 41}}]}",
            "content: That was the second.",
        ],
        tools="[add]",
    ),
}
ANSWERS = {
    "y": ["y"],
    "s": ["s"],
    "a": ["a", "y"],
    "a_n": ["a", "n", "y"],
    "n": ["n"],
    "n_text": ["n not today"],
    "m": ["m", "not today"],
    "v": ["v", "y"],
    "help": ["?", "y"],
    "stray": ["yes please", "", "y"],
}


def at_a_question(shown):
    return shown.line in ("allow?", "message:", "write it? [y/n]")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_is_answered_by_each_key_and_the_next_call_is_asked_about_where_it_must(name, tmp_path, window):
    chat = window(write_project(tmp_path, ASKED), "a", columns=72, lines=50)
    chat.say("go")
    for answer in ANSWERS[name]:
        chat.wait_until(at_a_question)
        chat.enter(answer)
    chat.wait_for("That was the first.")
    chat.say("again")
    if name not in ("s", "a"):
        chat.wait_until(at_a_question)
        chat.enter("n")
    chat.wait_for("That was the second.")
    compare(f"approval_{name}", chat, chat.wait_for_prompt())
    permissions = "permissions:" in (tmp_path / "agents/a.yaml").read_text(encoding="utf-8")
    assert permissions == (name == "a")


# -- Ctrl-C, Ctrl-D -----------------------------------------------------------------------------------------


def test_ctrl_c_while_the_model_thinks_ends_the_turn_and_the_next_one_works(tmp_path, window):
    with ModelServer([silence(), sse("Here.")]) as server:
        chat = window(served(tmp_path, server), "a")
        chat.say("hello?")
        compare("thinking", chat, chat.wait_until(lambda shown: server.requests and "thinking" in shown.text))
        chat.press("C-c")
        chat.wait_for("interrupted")
        chat.say("still there?")
        chat.wait_for("Here.")
        compare("thinking_interrupted", chat, chat.wait_for_prompt())


def test_ctrl_c_while_text_streams_keeps_the_text_and_says_so(tmp_path, window, gate):
    with ModelServer(
        [streamed(["The first **line**.\n\nThe second, of which not all has co", "me."], gate), sse("Sorry.")]
    ) as server:
        chat = window(served(tmp_path, server), "a")
        chat.say("tell me")
        compare("streaming", chat, chat.wait_for("not all has"))
        chat.press("C-c")
        chat.wait_for("interrupted")
        chat.say("go on")
        chat.wait_for("Sorry.")
        compare("streaming_interrupted", chat, chat.wait_for_prompt())
        kept = server.requests[1].json["messages"][-2]["content"]
    assert kept == "The first **line**.\n\nThe second, of which not all has co\n\n[interrupted]"


def test_ctrl_c_while_a_tool_runs_ends_it(tmp_path, window):
    chat = window(write_project(tmp_path, WAITING), "a")
    chat.say("go")
    compare("tool_runs", chat, chat.wait_for("wait()"))
    chat.press("C-c")
    chat.wait_for("interrupted")
    chat.say("again")
    chat.wait_for("Still here.")
    compare("tool_interrupted", chat, chat.wait_for_prompt())


def test_ctrl_c_in_a_question_ends_the_turn_and_makes_no_call(tmp_path, window):
    chat = window(write_project(tmp_path, ASKED), "a", columns=72)
    chat.say("go")
    chat.wait_for_line("allow?")
    chat.type("y")
    chat.wait_for_line("allow? y")
    chat.press("C-c")
    chat.wait_for("interrupted")
    chat.say("and now?")
    chat.wait_for("That was the first.")
    compare("question_interrupted", chat, chat.wait_for_prompt())


def test_ctrl_c_at_the_prompt_clears_it_then_warns_then_leaves(tmp_path, window):
    chat = window(write_project(tmp_path, ADDER), "sum")
    chat.wait_for_prompt()
    chat.type("not this")
    chat.wait_for_line("> not this")
    chat.press("C-c")
    chat.wait_for_prompt()
    chat.press("C-c")
    compare("ctrl_c_once", chat, chat.wait_for("Ctrl-C again"))
    chat.press("C-c")
    assert chat.ended() == 130
    compare("ctrl_c_twice", chat, chat.shown())


def test_ctrl_d_leaves_and_tells_how_to_go_on(tmp_path, window):
    chat = window(write_project(tmp_path, ADDER), "sum")
    chat.say("add")
    chat.wait_for("It is 42.")
    chat.wait_for_prompt()
    chat.press("C-d")
    assert chat.ended() == 0
    compare("ctrl_d", chat, chat.shown())


# -- the size of the window ---------------------------------------------------------------------------------


def test_a_window_that_changes_while_one_types_shows_all_of_it_once_and_sends_it_whole(tmp_path, window):
    typed = "a message of some length that no narrow window has on one line, " * 2 + "and its end"
    with ModelServer([sse("Line.\n\n" * 30), sse("Read.")]) as server:
        chat = window(served(tmp_path, server), "a", lines=20)
        chat.say("fill the window")
        chat.wait_until(lambda shown: shown.text.count("Line.") == 30)
        chat.wait_for_prompt()
        chat.type(typed)
        chat.wait_for("and its end")
        for columns in (34, 100):
            chat.resize(columns)
            shown = chat.wait_until(lambda shown: drawn_for(shown, columns, typed))  # noqa: B023 - called at once
            assert shown.text.count("> a message") == 1
            compare(f"typing_{columns}", chat, shown)
        chat.enter("")
        chat.wait_for("Read.")
        compare("typing_sent", chat, chat.wait_for_prompt())
        assert server.requests[1].json["messages"][-1]["content"] == typed


def drawn_for(shown, columns, typed):
    """The prompt in rows that are as long as the window is wide, and the status below it."""
    whole = f"> {typed}"
    rows = [whole[start : start + columns].rstrip() for start in range(0, len(whole), columns)]
    return shown.rows[-len(rows) - 1 : -1] == rows


@pytest.mark.slow
def test_a_window_that_changes_while_text_streams_leaves_what_stands_above(tmp_path, window, gate):
    first = "".join(f"Line {number:02d} of a long answer.\n\n" for number in range(30))
    with ModelServer([streamed([first, "The **end** of a long answer, which is longer.\n"], gate)]) as server:
        chat = window(served(tmp_path, server), "a", columns=60, lines=20)
        chat.say("tell me")
        before = chat.wait_for("writing")
        chat.resize(30)
        chat.wait_until(lambda shown: "writing" in shown.line)
        gate.set()
        chat.wait_for("The **end** of")
        after = chat.wait_for_prompt()
        assert [row for row in before.rows if row.startswith("Line")] == [
            row for row in after.rows if row.startswith("Line")
        ]
        compare("streaming_narrower", chat, after)


def test_a_window_that_changes_in_a_question_can_still_be_answered(tmp_path, window):
    chat = window(write_project(tmp_path, ASKED), "a", columns=72)
    chat.say("go")
    chat.wait_for_line("allow?")
    chat.type("y")
    chat.wait_for_line("allow? y")
    chat.resize(40)
    chat.wait_for_line("allow? y")
    chat.press("Enter")
    chat.wait_for("That was the first.")
    compare("question_narrower", chat, chat.wait_for_prompt())


def test_the_line_that_moves_leaves_nothing_behind_in_a_window_that_is_made_narrower(tmp_path, window):
    takes = "parameters: {type: object, properties: {for: {type: string}}}\n"
    waits = "{tool_calls: [{name: wait, arguments: {for: a train that is late by an hour and some minutes}}]}"
    files = {
        "tools.d/wait.yaml": WAIT + takes,
        "agents/a.yaml": scripted_agent([waits, "content: Still here."], tools="[wait]"),
    }
    chat = window(write_project(tmp_path, files), "a")
    chat.say("go")
    chat.wait_for("some minutes")
    chat.resize(40)
    chat.wait_until(lambda shown: len(shown.line) < 40 and "…" in shown.line and not shown.below)
    chat.press("C-c")
    chat.wait_for("interrupted")
    compare("moving_narrower", chat, chat.wait_for_prompt())


# -- kill -9 ------------------------------------------------------------------------------------------------


def in_a_shell(window, folder, command, **options):
    """A window with a shell in which the command was typed."""
    shell = window(folder, argv=["bash", "--norc", "--noprofile"], environ={"PS1": "$ "}, **options)
    shell.wait_for_line("$")
    shell.enter(command)
    return shell


def kill(shell):
    """The program that the shell started, at once."""
    children = Path(f"/proc/{shell.process}/task/{shell.process}/children").read_text(encoding="ascii").split()
    os.kill(int(children[0]), signal.SIGKILL)
    shell.wait_for_line("$")


@pytest.mark.slow
def test_killed_in_a_tool_the_session_opens_again_and_goes_on(tmp_path, window):
    shell = in_a_shell(window, write_project(tmp_path, WAITING), "agentrun chat a")
    shell.say("please wait a while")
    shell.wait_for("wait()")
    kill(shell)
    (tmp_path / "agents/a.yaml").write_text(scripted_agent(["content: Here again."], tools="[wait]"), encoding="utf-8")
    shell.enter("agentrun chat --continue")
    shell.say("are you there?")
    shell.wait_for("Here again.")
    compare("killed_in_a_tool", shell, shell.wait_for_prompt())


def kept_text():
    """What the only session holds of the answers' texts: pieces are written at most half a second after they came."""
    with contextlib.closing(open_store(os.environ)) as store:
        (session,) = store.sessions()
        return "".join(one.text for one in store.events(session.id) if isinstance(one, TextDelta))


@pytest.mark.slow
def test_killed_while_text_streams_what_was_said_is_there_again(tmp_path, window, gate):
    script = [sse("Oslo has rain."), unending(["Bergen has", " sun, and "], gate), sse("It had sun.")]
    with ModelServer(script) as server:
        shell = in_a_shell(window, served(tmp_path, server), "agentrun chat a")
        shell.say("Oslo?")
        shell.wait_for("Oslo has rain.")
        shell.say("Bergen?")
        shell.wait_for("sun,")
        shell.wait_until(lambda _: "sun, and" in kept_text())
        kill(shell)
        shell.enter("agentrun chat --resume")
        compare("resume_choice", shell, shell.wait_for("which"))
        shell.press("Enter")
        shell.say("and Bergen?")
        shell.wait_for("It had sun.")
        compare("killed_in_a_stream", shell, shell.wait_for_prompt())
        told = [one["content"] for one in server.requests[2].json["messages"]]
    assert told == ["Oslo?", "Oslo has rain.", "Bergen?", "Bergen has sun, and\n\n[interrupted]", "and Bergen?"]


# -- the first message --------------------------------------------------------------------------------------


def libraries(chat):
    """What the program has loaded that is no Python."""
    return Path(f"/proc/{chat.process}/maps").read_text(encoding="utf-8")


def test_what_asks_the_model_is_loaded_while_the_person_types(tmp_path, window):
    with ModelServer([]) as server:
        chat = window(served(tmp_path, server), "a")
        chat.wait_for_prompt()
        chat.wait_until(lambda _: "pydantic_core" in libraries(chat))
        assert server.requests == []


def test_what_asks_no_model_loads_nothing_for_it(tmp_path, window):
    chat = window(write_project(tmp_path, ADDER), "sum")
    chat.say("add")
    chat.wait_for("It is 42.")
    assert "pydantic_core" not in libraries(chat)


# -- what is shown ------------------------------------------------------------------------------------------

HANDED_OVER = {
    "agents/desk.yaml": "description: Knows who knows.\n"
    + scripted_agent(["{content: One moment., tool_calls: [{name: transfer_to_billing}]}"], more="handoffs: [billing]"),
    "agents/billing.yaml": "description: Knows bills.\n"
    + scripted_agent(["content: Your bill is paid.", "content: Any time."]),
}


def test_after_a_hand_off_the_screen_tells_who_speaks(tmp_path, window):
    chat = window(write_project(tmp_path, HANDED_OVER), "desk")
    chat.say("my bill?")
    chat.wait_for("Your bill is paid.")
    chat.wait_for_line("billing>")
    chat.enter("thanks")
    chat.wait_for("Any time.")
    compare("hand_off", chat, chat.wait_for_line("billing>"))


MARKDOWN = """\
# Orders

Two of them are *late*, see `status`:

| Order | Status      | Total |
|-------|-------------|------:|
| 1042  | on its way  | 39.90 |
| 1043  | with customs and waiting for a paper of yours | 1200.00 |

1. Call the carrier.
   - Ask for **Ann**.
2. Write to the customer, who has waited for nine days by now and may want the money back.

```python
def late(order):
    return order.days > 3  # and this comment is longer than a narrow window is wide, by far
```

> Patience. See [the page](https://example.com/orders).
"""


@pytest.mark.parametrize("columns", [80, 40])
def test_markdown_is_laid_out_for_the_window(columns, tmp_path, window):
    with ModelServer([sse([MARKDOWN[i : i + 7] for i in range(0, len(MARKDOWN), 7)])]) as server:
        chat = window(served(tmp_path, server), "a", columns=columns)
        chat.say("orders?")
        chat.wait_for("Patience")
        compare(f"markdown_{columns}", chat, chat.wait_for_prompt())


def test_colours_are_shown_where_they_are_wanted(tmp_path, window):
    with ModelServer([sse(MARKDOWN)]) as server:
        chat = window(served(tmp_path, server), "a", environ={"NO_COLOR": None})
        chat.say("orders?")
        chat.wait_for("Patience")
        chat.wait_for_prompt()
        compare("colours", chat, chat.shown(styled=True))


def test_a_narrow_window_has_room_for_calls_and_questions(tmp_path, window):
    chat = window(write_project(tmp_path, ASKED), "a", columns=40, lines=30)
    chat.say("please add forty and two, and do it now")
    chat.wait_for_line("allow?")
    chat.enter("y")
    chat.wait_for("That was the first.")
    compare("narrow", chat, chat.wait_for_prompt())


def test_a_dumb_terminal_gets_rows_of_text(tmp_path, window):
    chat = window(write_project(tmp_path, ASKED), "a", columns=72, environ={"TERM": "dumb", "NO_COLOR": None})
    chat.say("go")
    chat.wait_for_line("allow?")
    chat.enter("y")
    chat.wait_for("That was the first.")
    chat.wait_for_prompt()
    compare("dumb", chat, chat.shown(styled=True))


def test_ctrl_o_unfolds_results_from_the_last_one_back(tmp_path, window):
    files = {
        "tools.d/list.yaml": "description: Lists.\nshell: {command: [sh, -c, 'seq \"$1\"', list, '{{ args.n }}']}\n"
        "parameters: {type: object, properties: {n: {type: integer}}, required: [n]}\n",
        "agents/a.yaml": scripted_agent(
            [
                "{tool_calls: [{name: list, arguments: {n: 3}}]}",
                "{tool_calls: [{name: list, arguments: {n: 30}}]}",
                "content: Listed.",
            ],
            tools="[list]",
        ),
    }
    chat = window(write_project(tmp_path, files), "a")
    chat.say("list")
    chat.wait_for("Listed.")
    chat.wait_for_prompt()
    chat.type("half")
    for ends in ('"n": 30\n', '"n": 3\n', "no more results"):
        chat.press("C-o")
        chat.wait_for(ends)
        shown = chat.wait_for_line("> half")
    compare("ctrl_o", chat, shown)


def test_files_are_attached_by_their_names_and_shown(tmp_path, window):
    with ModelServer([sse("A note."), sse("Yes.")]) as server:
        chat = window(served(tmp_path, server, **{"notes.txt": "buy milk\n", "a b.txt": "x\n"}), "a")
        chat.wait_for_prompt()
        chat.type("what is @no")
        chat.press("Tab")
        chat.wait_for_line("> what is @notes.txt")
        chat.enter(" and @nothing.txt?")
        chat.wait_for("A note.")
        chat.say('/attach "a b.txt"')
        chat.wait_for("with the next message")
        shown = chat.wait_for_prompt()
        compare("attached", chat, shown)
        chat.say("this too?")
        chat.wait_for("Yes.")
        compare("attached_sent", chat, chat.wait_for_prompt())


def test_each_screen_that_is_kept_belongs_to_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'compare\("(\w+)"', source))
    named |= {f"approval_{name}" for name in ANSWERS} | {"markdown_80", "markdown_40", "typing_34", "typing_100"}
    assert {file.stem for file in SCREENS.iterdir()} == named
