"""The console: what a person is shown of a run, event by event."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine import events
from agentrun.engine.messages import Usage
from agentrun.markup.calls import call_line, size
from agentrun.observers.answer import RawAnswer, TerminalAnswer
from agentrun.observers.console import Console
from agentrun.observers.prose.cells import cells
from agentrun.observers.unfolded import laid_out, unfolded


def plain(text, _):
    return text


def marked(text, style):
    return f"<{style}>{text}</{style}>"


class Shown:
    """A console at a terminal, or in a log, and all that it wrote."""

    def __init__(self, *, columns=80, terminal=True, style=plain):
        self.out = []
        write = self.out.append
        answer = TerminalAnswer(write, lambda: columns, style, styled=False) if terminal else RawAnswer(write)
        self.console = Console(answer, write, style, columns=lambda: columns, is_terminal=terminal)

    def tell(self, kind, run="r", parent=None, **fields):
        envelope = {"run_id": run, "seq": 1, "time": 0.0} | ({} if parent is None else {"parent_run_id": parent})
        self.console(kind(**envelope, **fields))
        return self

    def begin(self, agent="a", **envelope):
        return self.tell(events.RunStarted, agent=agent, model="m", args={}, input="", **envelope)

    def call(self, name, arguments, result, *, is_error=False, duration_s=0.012, **envelope):
        self.tell(events.ToolStarted, call_id=name, name=name, arguments=arguments, **envelope)
        fields = {"call_id": name, "name": name, "result": result, "is_error": is_error, "duration_s": duration_s}
        return self.tell(events.ToolFinished, **fields, **envelope)

    def text(self, text):
        return self.tell(events.TextDelta, text=text)

    def finish(self, reason="answered", error=None, text=""):
        fields = {"text": text, "output": None, "usage": Usage(), "cost_usd": None}
        return self.tell(events.RunFinished, reason=reason, error=error, **fields)

    @property
    def lines(self):
        return "".join(self.out).removesuffix("\n").split("\n")


def test_a_call_is_one_row_with_its_time_and_what_came():
    assert Shown().call("find", {"id": "7"}, "it is there").lines == ['• find(id="7") (12 ms) → it is there']


def test_a_result_that_is_not_shown_whole_has_its_size():
    result = json.dumps({"items": ["widget"] * 200})
    (row,) = Shown().call("find", {"id": "7"}, result, duration_s=1.25).lines
    assert re.fullmatch(r'• find\(id="7"\) \(1\.2 s, 2\.0 KB\) → \{"items": \["widget", .*…', row)
    assert cells(row) == 80


def test_a_failure_is_told_in_words():
    result = json.dumps({"error": {"type": "exit_code", "message": "it ended with 3"}})
    assert Shown().call("f", {}, result, is_error=True).lines == ["✗ f() (12 ms) → exit_code: it ended with 3"]
    assert Shown().call("f", {}, result, is_error=True, duration_s=0.0).lines == ["✗ f() → exit_code: it ended with 3"]


@given(
    st.integers(8, 160),
    st.dictionaries(st.sampled_from(["id", "note", "日本"]), st.text(max_size=80) | st.integers() | st.none()),
    st.text(max_size=300),
    st.booleans(),
    st.sampled_from(["", "sub"]),
)
def test_a_row_is_never_wider_than_the_window(columns, arguments, result, is_error, agent):
    shown = Shown(columns=columns)
    where = {}
    if agent:
        shown.begin(agent, run="s", parent="r")
        where = {"run": "s", "parent": "r"}
    (row,) = shown.call("find_order", arguments, result, is_error=is_error, **where).lines
    assert cells(row) <= columns
    assert "\x1b" not in row


def test_arguments_are_cut_fairly():
    assert call_line("f", {"query": "x" * 100, "limit": 5, "tag": "y" * 100}, 60) == (
        f'f(query="{"x" * 15}…", limit=5, tag="{"y" * 15}…")'
    )
    assert call_line("f", {"a": 1}, 60) == "f(a=1)"
    assert len(call_line("f", {f"key{number}": "value" * 9 for number in range(30)}, 60)) == 60


def test_calls_of_an_agent_behind_a_call_are_indented_and_named():
    shown = Shown().begin()
    shown.begin("researcher", run="s", parent="r").begin("reader", run="t", parent="s")
    shown.call("read", {}, "a", run="t", parent="s").call("search", {}, "b", run="s", parent="r")
    shown.call("researcher", {}, "c", run="r")
    assert shown.lines == [
        "    • reader: read() (12 ms) → a",
        "  • researcher: search() (12 ms) → b",
        "• researcher() (12 ms) → c",
    ]


def test_what_a_sub_agent_says_and_thinks_is_not_shown():
    shown = Shown().tell(events.TextDelta, text="no", parent="r").tell(events.ReasoningDelta, text="no", parent="r")
    assert shown.out == []


def test_thoughts_are_marked_and_end_before_the_answer():
    shown = Shown(columns=20)
    for piece in ["I look ", "at the order of the ", "person.\n", "Then"]:
        shown.tell(events.ReasoningDelta, text=piece)
    shown.text("It is **there**.").finish()
    assert shown.lines == ["┊ I look at the", "┊ order of the", "┊ person.", "┊ Then", "", "It is **there**."]


def test_thoughts_are_dim():
    shown = Shown(style=marked).tell(events.ReasoningDelta, text="I think")
    shown.console.end_line()
    assert "".join(shown.out) == "<dim>┊ I</dim><dim> think</dim>\n"


def test_an_answer_of_nothing_is_told():
    assert Shown().begin().tell(events.ReasoningDelta, text="I think").finish().lines == [
        "┊ I think",
        "the answer is empty",
    ]
    assert Shown().begin().call("f", {}, "1").text("\n").finish().lines[1:] == ["the answer is empty"]


def test_blank_lines_that_the_model_sends_between_its_calls_are_not_shown():
    shown = (
        Shown()
        .begin()
        .text("\n\n")
        .call("f", {}, "1")
        .text("\n")
        .text("\n")
        .call("g", {}, "2")
        .text("\n")
        .text("Done.")
    )
    assert shown.finish().lines == ["• f() (12 ms) → 1", "• g() (12 ms) → 2", "", "Done."]


def test_a_refusal_that_did_not_stream_is_shown_once():
    error = {"message": "the model refused"}
    for said in ("", "I can't."):
        shown = Shown().begin().tell(events.TurnStarted, turn=1).text(said)
        assert shown.finish("refused", error, text="I can't.").lines == ["I can't.", "refused: the model refused"]


def test_the_arguments_of_a_final_tool_are_laid_out():
    shown = Shown().begin().text("Here:")
    assert shown.finish("final_tool", text='{"total": 12.50, "lines": []}').lines == [
        "Here:",
        "{",
        '  "total": 12.50,',
        '  "lines": []',
        "}",
    ]


def test_blank_lines_stand_between_the_answer_and_the_calls_at_a_terminal_only():
    for terminal, blank in ((True, [""]), (False, [])):
        shown = Shown(terminal=terminal).begin().text("Let me see.").call("f", {}, "1").call("g", {}, "2").text("Done.")
        assert shown.finish().lines == [
            "Let me see.",
            *blank,
            "• f() (12 ms) → 1",
            "• g() (12 ms) → 2",
            *blank,
            "Done.",
        ]


def test_nothing_is_added_to_the_end_of_an_answer():
    assert Shown().begin().text("Done.\n").finish().out == ["Done.\n"]
    assert "".join(Shown().begin().text("Done.").finish().out) == "Done.\n"


def test_after_a_handoff_the_answer_begins_with_the_name_of_who_speaks():
    shown = Shown().begin("desk").text("I hand you over.").call("transfer_to_billing", {}, "{}")
    shown.tell(events.HandedOff, agent="billing").text("Hello.").finish().begin("billing").text("Again.").finish()
    assert shown.lines == ["I hand you over.", "", "→ billing", "", "billing:", "Hello.", "Again."]


def test_in_a_log_the_answer_is_the_text_as_it_came():
    shown = Shown(terminal=False).begin().tell(events.HandedOff, agent="billing").text("**a**  b\n").text("c")
    assert "".join(shown.finish().out) == "→ billing\n**a**  b\nc\n"


def test_retries_fallbacks_and_compaction_are_dim_lines():
    shown = Shown(style=marked, columns=200).text("Hel")
    shown.tell(events.Retried, attempt=1, cause="it was cut", delay_s=1.5)
    shown.tell(events.Fallback, model="other", cause="it failed")
    shown.tell(events.Compacted, dropped_messages=3)
    assert shown.lines == [
        "Hel",
        "<dim>the text above is void; retrying in 1.5 s: it was cut</dim>",
        "<dim>asking other instead: it failed</dim>",
        "<dim>the conversation was too long: 3 messages were left out</dim>",
    ]


def test_what_a_sub_agent_waits_for_is_told_with_its_name():
    shown = Shown().begin().begin("researcher", run="s", parent="r").text("Hel")
    shown.tell(events.Retried, run="s", parent="r", attempt=1, cause="it was cut", delay_s=1.5)
    assert shown.lines == ["Hel", "  researcher: retrying in 1.5 s: it was cut"]


def test_a_line_keeps_the_spaces_that_it_begins_with():
    shown = Shown(columns=16)
    shown.console.line("  try: Where is my order?")
    assert shown.lines == ["  try: Where is", "    my order?"]


def test_the_ends_of_lines_that_windows_writes_are_told_over_pieces():
    shown = Shown(terminal=False).begin().text("a\r").text("\nb\r").text("c")
    assert "".join(shown.finish().out) == "a\nb␍c\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": "}\\"{", "b": [1]}', ["{", '  "a": "}\\"{",', '  "b": [', "    1", "  ]", "}"]),
        ('[\n"a"]\n\n**b**', ["[", '  "a"', "]", "**b**"]),
        ("{name} and {other}", ["{name} and {other}"]),
        ("[[wiki]] and `x`", ["[[wiki]] and `x`"]),
        ('{"a": 1', ['{"a": 1']),
        ("[a](b) c", ["a (b) c"]),
        ("[x] done", ["[x] done"]),
    ],
)
def test_an_answer_that_is_json_is_laid_out(text, lines):
    for pieces in ([text], list(text)):
        shown = Shown().begin()
        for piece in pieces:
            shown.text(piece)
        assert shown.finish().lines == lines


def test_a_line_is_broken_at_words_at_a_terminal_and_is_one_line_in_a_log():
    error = {"message": "the service said no to this", "help": "ask again"}
    told = ["model_error: the", "  service said no to", "  this", "help: ask again"]
    assert Shown(columns=20).finish("model_error", error).lines == told
    in_log = Shown(columns=20, terminal=False).finish("model_error", error)
    assert in_log.lines == ["model_error: the service said no to this", "help: ask again"]


def test_what_was_held_back_is_shown_when_the_turn_is_cut():
    shown = Shown().text("see **the pol")
    shown.console.end_line()
    assert shown.lines == ["see **the pol"]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "\u202e", "\r"])
def test_no_control_of_a_model_or_a_tool_reaches_the_terminal(hostile):
    shown = (
        Shown()
        .begin()
        .begin(hostile, run="s", parent="r")
        .text(f"a{hostile}b")
        .call(hostile, {hostile: hostile}, hostile)
    )
    shown.call("f", {}, hostile, run="s", parent="r").tell(events.ReasoningDelta, text=hostile)
    shown.tell(events.HandedOff, agent=hostile).text("x").finish("model_error", {"message": hostile, "help": hostile})
    assert hostile not in "".join(shown.out)


# -- unfolded


def finished(result, **fields):
    known = {"run_id": "r", "seq": 1, "time": 0.0, "call_id": "c", "name": "find", "is_error": False, "duration_s": 0.5}
    return events.ToolFinished(**known | fields, result=result)


def test_a_result_unfolded_is_whole_and_laid_out():
    assert unfolded(finished('{"a": [1, {}], "b": "x"}'), {"id": "7"}, plain) == (
        '• find (500 ms, 24 B)\n  {\n    "id": "7"\n  }\n→\n'
        '  {\n    "a": [\n      1,\n      {}\n    ],\n    "b": "x"\n  }\n'
    )
    assert unfolded(finished("a\n\x1b[2J\n", is_error=True, duration_s=0.0), None, plain) == (
        "✗ find (not run, 7 B)\n  a\n  ␛[2J\n"
    )


def test_laying_out_changes_no_number_and_no_key():
    assert laid_out('{"a":1.10,"a":1e5,"b":"\\u00e9\\u001b\\n"}', plain) == (
        '{\n  "a": 1.10,\n  "a": 1e5,\n  "b": "é\\u001b\\n"\n}'
    )
    assert laid_out('{"a": true}', marked) == '{\n  <tool>"a"</tool>: <info>true</info>\n}'


def test_what_is_no_json_or_nested_deeply_is_shown_as_it_is():
    deep = "[" * 3000 + "]" * 3000
    assert [laid_out(text, plain) for text in ('{"a": ', '"text"', deep)] == ['{"a": ', '"text"', deep]


def test_sizes_are_told_as_people_say_them():
    assert [size(count) for count in (0, 999, 1000, 1249, 999_949, 999_950, 5_000_000)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "1.2 KB",
        "999.9 KB",
        "1.0 MB",
        "5.0 MB",
    ]
