"""A session as pieces, Markdown and JSON: who said what, and what nobody said."""

import io

import pytest

from agentrun.cli.colors import Painter
from agentrun.cli.kept.recall import recalled
from agentrun.cli.kept.showing import Layout, shown
from agentrun.engine.context import left_out_note, summary_note
from agentrun.engine.conversation import correction
from agentrun.engine.messages import Message, assistant, system, user
from agentrun.sessions.export import Noted, Said, as_markdown, pieces
from agentrun.sessions.session import Session

SESSION = Session(id="3f2a91c0de", agent="support", path="/p/agents/support.yaml", root="/p", speaker="support")
NOTES = [left_out_note(untrusted=False), left_out_note(untrusted=True), summary_note("Of cats.", 1000, untrusted=False)]


def text(message):
    return message.data["content"]


def conversation(note):
    broken = correction("it is no JSON")
    return [system("Be brief."), note, user("And dogs?"), assistant("Woof"), broken, assistant('{"dogs": 1}')]


@pytest.mark.parametrize("note", NOTES, ids=text)
def test_what_the_loop_says_in_the_persons_name_is_no_word_of_the_person(note):
    messages = conversation(note)
    found = list(pieces(SESSION, messages))
    assert [one.text for one in found if isinstance(one, Said) and not one.who] == ["And dogs?"]
    assert [one.text for one in found if isinstance(one, Noted)] == [text(note), text(messages[4])]
    kept = [dict(one.data) for one in messages]
    assert list(pieces(SESSION, kept)) == found

    exported = as_markdown(SESSION, messages)
    assert exported.count("## You") == 1
    assert f"\n> {text(note)}\n\n## You\n\nAnd dogs?\n" in exported
    assert f"\nWoof\n\n> {text(messages[4])}\n" in exported

    lines = [
        line.strip()
        for line in shown(SESSION, kept, Painter(io.StringIO()), now=0, layout=Layout(500, wraps=False), full=False)
    ]
    assert lines.count("you") == 1
    assert lines[lines.index("note") + 1] == text(note)

    said = recalled(SESSION, messages)
    assert [line for line in said if "│ >" in line] == ["│ > And dogs?"]


def test_a_call_that_failed_is_recalled_with_what_became_of_it():
    call = {"id": "1", "type": "function", "function": {"name": "wait", "arguments": "{}"}}
    for result, line in (
        (
            '{"error": {"type": "interrupted", "message": "it is not known"}}',
            "│ ✗ wait() → interrupted: it is not known",
        ),
        ("fine", "│ • wait()"),
    ):
        said = recalled(
            SESSION,
            [
                user("hi"),
                Message({"role": "assistant", "content": None, "tool_calls": [call]}),
                Message({"role": "tool", "tool_call_id": "1", "content": result}),
            ],
        )
        assert said[-1] == line


def test_what_a_person_writes_later_is_no_note_whatever_it_begins_with():
    messages = [user("hi"), assistant("hello"), Message({"role": "user", "content": text(NOTES[0])})]
    assert [one.text for one in pieces(SESSION, messages) if isinstance(one, Said) and not one.who] == [
        "hi",
        text(NOTES[0]),
    ]


def test_a_long_note_of_many_lines_stays_inside_its_quotation():
    exported = as_markdown(SESSION, [summary_note("One.\n\n# Two\n```\nthree", 1000, untrusted=False), user("hi")])
    quoted = exported.split("\n\n> ")[1].split("\n\n## You")[0]
    assert all(line.startswith(">") for line in quoted.split("\n")[1:])
