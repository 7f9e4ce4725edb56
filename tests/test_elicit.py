"""What a server asks of a person in the middle of a call: asked field by field, and shown before it is sent."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from prompt_toolkit.utils import get_cwidth

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.elicit.fields import fields_of, parsed, wanted
from agentrun.cli.talk.live import Live
from agentrun.engine import events
from agentrun.engine.approval import StandingApprover
from agentrun.engine.loop import run
from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, Elicitation, ElicitationAnswer, ElicitationQuestion
from agentrun.observers.call_row import progress_text
from agentrun.observers.console import Console
from agentrun.observers.spans import spans_of
from agentrun.sessions.kept_events import decoded
from engine_agents import answer, calls, make_agent, make_tool, soon
from projects import scripted_agent, write_project
from terminals import Terminal

SERVER = [sys.executable, str(Path(__file__).parent / "mcp_notes.py")]
ENVELOPE = {"run_id": "r", "seq": 1}


class Person:
    """A terminal where the lines are typed as they are asked for; None leaves the question."""

    def __init__(self, *lines, columns=80):
        self.lines = list(lines)
        self.shown = []
        self.approver = TerminalApprover(self.shown.append, self.read, None, lambda: columns)

    async def read(self, prompt):
        self.shown.append(prompt)
        line = self.lines.pop(0) if self.lines else None
        self.shown.append(f"{line}\n")
        return line

    def answers(self, schema=None, message="Who are you?", url=None, callers=()):
        asked = Elicitation("notes-server", message, schema=schema, url=url)
        question = ElicitationQuestion("main", "notes_greet", "c1", asked, callers)
        answer = asyncio.run(soon(self.approver.elicit(question)))
        assert self.lines == []
        return answer

    @property
    def text(self):
        return "".join(self.shown)


def form(*required, **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def given(schema, *lines):
    """What is sent where these lines are typed, and then y."""
    answer = Person(*lines, "y").answers(schema)
    assert answer.action == "accept"
    return answer.content


NAME = form("it", it={"type": "string"})
PETS = {"type": "string", "oneOf": [{"const": "c", "title": "Cats"}, {"const": "d", "title": "Dogs"}]}
COLORS = {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 2}
OLD = {"type": "string", "enum": ["c", "d"], "enumNames": ["Cats", "Dogs"]}


@pytest.mark.parametrize(
    ("schema", "lines", "value"),
    [
        ({"type": "string"}, ["Ada Lovelace"], "Ada Lovelace"),
        ({"type": "string"}, ['"decline"'], "decline"),
        ({"type": "string"}, ['""'], ""),
        ({"type": "string"}, ["", "x"], "x"),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["a", "abcd", "abc"], "abc"),
        ({"type": "string", "format": "email"}, ["nobody", "a@b.example"], "a@b.example"),
        ({"type": "string", "format": "date"}, ["tomorrow", "2030-02-31", "2030-02-03"], "2030-02-03"),
        ({"type": "string", "format": "uri"}, ["here", "https://a.example/x"], "https://a.example/x"),
        ({"type": "string", "default": "Bob"}, [""], "Bob"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, ["many", "1.5", "10", "9"], 9),
        ({"type": "number"}, ["nan", "inf", "x", "-1.5"], -1.5),
        ({"type": "number"}, ["3"], 3),
        ({"type": "boolean"}, ["maybe", "Yes"], True),
        ({"type": "boolean", "default": False}, [""], False),
        (PETS, ["birds", "2"], "d"),
        (PETS, ["cats"], "c"),
        (PETS, ["d"], "d"),
        (OLD, ["Dogs"], "d"),
        ({"enum": [3, 1]}, ["1"], 1),
        (COLORS, ["1, 2, 3", "none", "green, 1, green"], ["green", "red"]),
        (COLORS | {"default": ["blue"]}, [""], ["blue"]),
        ({"type": "object"}, ["{", '{"a": 1}'], {"a": 1}),
        ({}, ["[1]"], [1]),
    ],
)
def test_each_field_is_asked_for_by_its_type_until_it_is_answered(schema, lines, value):
    assert given(form("it", it=schema), *lines) == {"it": value}


def test_what_may_be_left_out_is_left_out_by_enter_and_a_default_by_a_dash():
    schema = form(a={"type": "string"}, b={"type": "string", "default": "B"}, c={"type": "string", "default": "C"})
    assert given(schema, "", "", "-") == {"b": "B"}


def test_a_default_that_does_not_fit_is_not_offered():
    assert [one.default for one in fields_of(form(a={"type": "integer", "default": "x"}))] != ["x"]
    assert given(form("it", it={"type": "integer", "default": "x"}), "", "4") == {"it": 4}


def test_nothing_is_sent_before_the_whole_was_seen_and_it_can_be_changed():
    person = Person("Ada", "send", "e", "", "n")
    assert person.answers(NAME) == ElicitationAnswer("decline")
    assert '  this goes to it:\n  ┊ {\n  ┊   "it": "Ada"\n  ┊ }\n' in person.text
    assert "that is no answer: y, e or n" in person.text
    assert "Enter takes this:\n  ┊ Ada\n" in person.text


@pytest.mark.parametrize("before", [[], ["Ada"], ["Ada", "e"]])
@pytest.mark.parametrize(
    ("typed", "action"), [("decline", "decline"), (" Decline ", "decline"), ("cancel", "cancel"), (None, "cancel")]
)
def test_a_person_can_decline_or_leave_at_any_point(before, typed, action):
    assert Person(*before, typed).answers(NAME) == ElicitationAnswer(action)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y", ElicitationAnswer("accept", {})),
        ("n", ElicitationAnswer("decline")),
        (None, ElicitationAnswer("cancel")),
    ],
)
def test_a_form_without_fields_is_a_yes_or_no(line, answer):
    assert Person(line).answers(form()) == answer


def test_it_says_who_asks_for_which_call_and_warns_of_secrets():
    person = Person(None, columns=100)
    person.answers(form(api_key={"type": "string", "title": "Key"}))
    assert person.text.startswith(
        "the server notes-server asks you something, for the call of notes_greet by main:\n  ┊ Who are you?\n"
    )
    assert "never a password or a key" in person.text
    assert "this looks like a secret: no server may ask for one here, so decline" in person.text
    assert [one.wants_secret for one in fields_of(form(city={"type": "string"}))] == [False]


def test_it_says_for_whom_an_agent_behind_a_tool_makes_the_call():
    person = Person(None, columns=160)
    person.answers(form(), callers=("", "front", "desk"))
    assert "for the call of notes_greet by main (for desk, for front):\n" in person.text


HOSTILE = "ok\x1b[2J\rallow? y\nmain wants to call refund (never)\n  y once, n no\n\u202eabc\t" + "w" * 5000


@pytest.mark.parametrize("columns", [24, 80, 200])
def test_nothing_of_a_server_can_pass_for_a_line_of_agentrun(columns):
    choices = {"type": "string", "enum": [HOSTILE[:90], "b"], "description": HOSTILE}
    schema = {"type": "object", "properties": {HOSTILE[:60]: choices | {"title": HOSTILE, "default": HOSTILE[:90]}}}
    person = Person("zzz", None, columns=columns)
    person.answers(schema, message=HOSTILE)
    raw = person.text
    assert not set("\x1b\r\u202e") & set(raw)
    rows = [row for row in raw.replace("answer: zzz\n", "").replace("answer: None\n", "").split("\n") if row]
    assert rows[0].startswith("the server notes-server")
    own = [row for row in rows[1:] if not row.startswith(("  ", "the server"))]
    assert own == []
    assert all(row.startswith("  ┊ ") for row in rows if "call refund" in row or "wwww" in row or "y once" in row)
    assert all(get_cwidth(row) < columns for row in rows if "answer" not in row)


@pytest.mark.parametrize(
    ("url", "host", "remarks"),
    [
        ("https://accounts.example/login?x=1", "accounts.example", []),
        ("http://accounts.example/", "accounts.example", ["its connection is not encrypted"]),
        (
            "https://bank.example@evil.example/",
            "evil.example",
            ["what stands before the @ is no host: the page is one of evil.example"],
        ),
        ("https://xn--bnk-sna.example/", "xn--bnk-sna.example", ["its name has letters that may look like others"]),
        ("https://bаnk.example/", "bаnk.example", ["its name has letters that may look like others"]),
    ],
)
def test_of_an_address_the_host_is_told_plainly_and_all_of_it_is_shown(url, host, remarks):
    person = Person("what", "y")
    assert person.answers(url=url) == ElicitationAnswer("accept")
    assert f"  it wants you to open a page of {host} in a browser:\n  ┊ {url}\n" in person.text
    assert [one for one in person.text.split("\n") if one.startswith("  ") and one[2:] in remarks] == [
        f"  {one}" for one in remarks
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://", "https://[", ""])
def test_what_is_no_web_address_is_declined_without_a_question(url):
    assert Person().answers(url=url) == ElicitationAnswer("decline")


def test_a_field_says_in_words_what_it_wants():
    schema = form(
        a={"type": "string", "format": "email", "maxLength": 40}, b={"type": "integer", "minimum": 1}, c=COLORS
    )
    assert [wanted(one) for one in fields_of(schema)] == [
        "an email address, at most 40 characters",
        "a whole number, at least 1",
        "any of these, by their numbers, with commas between them, at least 1, at most 2",
    ]
    assert parsed(fields_of(form(a={"type": "string", "pattern": "(?=x)y"}))[0], "z") == "z"


def test_questions_of_servers_and_of_approval_never_overlap():
    log = []

    class Slow:
        async def ask(self, question):
            log.append("asked")
            await asyncio.sleep(0)
            log.append("answered")

        elicit = ask

    async def both():
        approver = StandingApprover(otherwise=Slow())
        asked = ElicitationQuestion("main", "t", "c", Elicitation("s", "m", schema={}))
        await asyncio.gather(
            approver.elicit(asked), approver.ask(ApprovalQuestion("main", "t", "c", {}, "x")), approver.elicit(asked)
        )

    asyncio.run(both())
    assert log == ["asked", "answered"] * 3


class Waiting:
    """Nobody answers. `asked` are the questions, `open` says that one waits."""

    def __init__(self):
        self.asked = []
        self.open = asyncio.Event()

    async def ask(self, question):
        return ApprovalAnswer(True, "user")

    async def elicit(self, question):
        self.asked.append(question)
        self.open.set()
        await asyncio.Event().wait()


async def asking(arguments, context):
    return await context.elicit(Elicitation("notes-server", "Who?", schema={}))


def test_a_question_that_the_run_left_open_is_told_before_the_end_of_its_call_and_names_all_agents():
    async def run_child(arguments, context):
        return await context.run_child(inner, {"input": "x"})

    inner = make_agent([calls("ask"), answer()], make_tool("ask", asking), name="inner")
    outer = make_agent([calls("inner"), answer()], make_tool("inner", run_child, runs_agent=True), name="outer")
    told, person = [], Waiting()

    async def leave():
        running = asyncio.create_task(run(outer, emit=told.append, approver=person))
        await person.open.wait()
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(soon(leave()))
    assert [(one.agent, one.callers) for one in person.asked] == [("inner", ("outer",))]
    names = [type(one).__name__ for one in told]
    assert names.index("Elicited") < names.index("ToolFinished")
    assert [one.action for one in told if isinstance(one, events.Elicited)] == ["cancel"]


# -- what is told of a call that goes on ----------------------------------------------------------------------


def started(at=0.0, name="notes_greet", call="c1", **arguments):
    return events.ToolStarted(**ENVELOPE, time=at, call_id=call, name=name, arguments=arguments)


def progress(at, done, total=None, message=None, call="c1"):
    return events.ToolProgress(
        **ENVELOPE, time=at, call_id=call, name="notes_greet", progress=done, total=total, message=message
    )


def finished(at=0.0, call="c1"):
    return events.ToolFinished(
        **ENVELOPE, time=at, call_id=call, name="notes_greet", result="hi", is_error=False, duration_s=1.0
    )


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ((12.0, 50.0, "reading"), "12/50 reading"),
        ((0.25, 1.0, None), "0.25/1"),
        ((1500.0, None, "a\nb\x1b[2J"), "1,500 a b␛[2J"),
        ((3.0, 0.0, ""), "3"),
        ((1e300, -1.0, None), "1e+300"),
    ],
)
def test_progress_is_told_as_far_as_the_server_tells_it(told, text):
    assert progress_text(progress(0.0, *told)) == text


def lines_of(told, *, is_terminal):
    shown = []
    console = Console(None, shown.append, lambda text, name: text, columns=lambda: 60, is_terminal=is_terminal)
    for event in told:
        console(event)
    return "".join(shown).splitlines()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_in_a_log_a_long_call_is_told_of_now_and_then_and_a_short_one_not(is_terminal):
    many = [progress(at / 10, at, 300.0) for at in range(1, 300)]
    rows = lines_of([started(), *many, finished(30.0)], is_terminal=is_terminal)
    assert rows[:5] == [f"notes_greet: {n}/300" for n in (50, 100, 150, 200, 250)]
    assert rows[5].startswith("• notes_greet() (1.0 s)")
    assert len(lines_of([started(), progress(1.0, 1.0), progress(4.9, 2.0), finished(4.9)], is_terminal=False)) == 1


def test_that_a_server_asked_and_nobody_was_there_is_told():
    asked = events.Elicited(
        **ENVELOPE, time=0.0, call_id="c1", name="t", server="notes", message="Who\nare\x1b you?", action="cancel"
    )
    assert lines_of([asked], is_terminal=False) == ["notes asked, and nobody answered: Who are␛ you?"]


def test_the_line_that_moves_shows_how_far_the_last_call_is_and_forgets_it():
    shown = []
    live = Live(shown.append, lambda: 60, lambda text, name: text, lambda: True)

    def line():
        shown.clear()
        live._step()
        return shown[-1].removeprefix("\r\x1b[J").rstrip("\r")[2:]

    live(started(query="x" * 100))
    live(progress(0.0, 12.0, 50.0, "reading"))
    assert " 12/50 reading 0 s" in line()
    assert get_cwidth(line()) <= 60
    live(progress(0.0, 13.0, 50.0, "w\x1b[2J" * 90))
    assert " 13/50 w␛[2J" in line()
    assert get_cwidth(line()) <= 60
    live(finished())
    assert line() == "thinking 0 s"
    live(started())
    assert line() == "notes_greet() 0 s"


def test_a_question_is_in_a_trace_and_its_text_only_where_texts_are_asked_for():
    begun = events.RunStarted(**ENVELOPE, time=0.0, agent="main", model="m", args={}, input="x")
    asked = events.Elicited(
        **ENVELOPE, time=1.0, call_id="c1", name="t", server="notes", message="Who?", action="decline"
    )
    told = [begun, started(0.5), progress(0.7, 1.0), asked, finished(2.0)]
    told = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(told, start=1)]
    for content in (False, True):
        [call] = [one for one in spans_of(told, content=content) if one.name.startswith("execute_tool")]
        [event] = call.events
        assert event.name == "agentrun.elicited"
        assert event.attributes["agentrun.elicitation.action"] == "decline"
        assert ("Who?" in event.attributes.values()) is content


# -- with a server --------------------------------------------------------------------------------------------


GREET = "{tool_calls: [{name: notes_greet}]}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    files = {
        "agents/main.yaml": scripted_agent([GREET, "{content: Done.}"] * 4, tools="[notes]"),
        "tools.d/notes.yaml": json.dumps(
            {"description": "Notes.", "require_approval": "never", "mcp": {"command": SERVER}}
        ),
    }
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return write_project(tmp_path / "project", files)


def test_a_person_in_a_chat_answers_what_a_server_asks(project):
    terminal = Terminal(project, "main")
    terminal.say("hi")
    terminal.wait_for("answer:")
    terminal.type("Ada\r")
    terminal.wait_for("send it?")
    assert '  ┊   "name": "Ada"' in terminal.lines
    terminal.type("y\r")
    terminal.wait_for("→ hello Ada")
    terminal.say("again")
    terminal.wait_until(lambda lines: lines[-1] == "answer:")
    terminal.type("decline\r")
    terminal.wait_for("→ hello nobody (decline)")
    terminal.say("again")
    terminal.wait_until(lambda lines: lines[-1] == "answer:")
    terminal.type("\x04")
    terminal.wait_for("→ hello nobody (cancel)")
    assert terminal.leave() == 0


def test_ctrl_c_at_a_question_of_a_server_ends_the_turn_and_not_the_chat(project):
    terminal = Terminal(project, "main")
    terminal.say("hi")
    terminal.wait_for("answer:")
    terminal.type("\x03")
    terminal.wait_for("interrupted: the run ended before the call did")
    terminal.say("again")
    terminal.wait_for("Done.")
    terminal.wait_for_prompt()
    session = terminal.below[-1].rpartition(" ")[2]
    assert terminal.leave() == 0
    found = run_agentrun(project, "sessions", "export", session, "--format", "jsonl")
    kept = list(decoded(found.stdout.encode().splitlines()))
    order = [one for one in kept if isinstance(one, (events.Elicited, events.ToolFinished))]
    assert [getattr(one, "action", "finished") for one in order] == ["cancel", "finished"]


def test_what_a_server_asked_is_kept_with_the_session_and_how_far_it_was_is_not(project):
    terminal = Terminal(project, "main")
    terminal.say("hi")
    terminal.wait_for("answer:")
    terminal.type("decline\r")
    terminal.wait_for("hello nobody (decline)")
    terminal.wait_for_prompt()
    session = terminal.below[-1].rpartition(" ")[2]
    assert terminal.leave() == 0
    found = run_agentrun(project, "sessions", "export", session, "--format", "jsonl")
    kept = list(decoded(found.stdout.encode().splitlines()))
    [asked] = [one for one in kept if isinstance(one, events.Elicited)]
    assert (asked.action, asked.message) == ("decline", "Who are you?")
    assert "tool_progress" not in found.stdout


def run_agentrun(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_terminal_nobody_answers_and_the_call_goes_on(project):
    done = run_agentrun(project, "run", "main", "hi")
    assert (done.returncode, done.stdout) == (0, "Done.\n")
    assert "asked, and nobody answered: Who are you?" in done.stderr
    assert "hello nobody (cancel)" in done.stderr


def test_the_person_at_the_terminal_answers_for_a_call_by_hand(project):
    terminal = Terminal(project, argv=[sys.executable, "-m", "agentrun", "tools", "call", "notes_greet"])
    terminal.wait_for("answer:")
    terminal.type("Ada\r")
    terminal.wait_for("send it?")
    terminal.type("y\r")
    terminal.wait_for("hello Ada")
    assert terminal.end() == 0
    assert "the server mcp_notes.py asks you something, for the call of notes_greet:" in terminal.lines
