"""Cassettes: what is written is read again, and what was recorded is played again, event for event."""

import asyncio
import json
import random

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import agentrun
from agentrun.cassettes.canonical import Canon, canonical_request, key_of
from agentrun.cassettes.cassette import (
    ApprovalEntry,
    Asked,
    Cassette,
    Conversation,
    Interrupted,
    ModelEntry,
    ModelFailed,
    Result,
    SetEntry,
    SetMember,
    ToolEntry,
    ToolFailed,
    UserEntry,
)
from agentrun.cassettes.differences import first_difference, in_words
from agentrun.cassettes.masked import Masking, plain
from agentrun.cassettes.misses import nearest, request_missed
from agentrun.cassettes.player import Player
from agentrun.cassettes.prefixes import Once, Prefixes
from agentrun.cassettes.reading import cassette_of, read_cassette
from agentrun.cassettes.recorder import Recorder
from agentrun.cassettes.replies import whole
from agentrun.cassettes.turns import Turns
from agentrun.cassettes.writing import text_of, write_cassette
from agentrun.cassettes.yaml_text import dump
from agentrun.engine import loop
from agentrun.engine.agent import BoundTool, ContextPolicy
from agentrun.engine.messages import FunctionTool, Message, Reply, ToolCall, Usage
from agentrun.engine.ports import (
    CallProgress,
    FallbackProgress,
    ReasoningProgress,
    RetryProgress,
    TextProgress,
    ToolResult,
)
from agentrun.errors import SpecError, ToolFailure, UsageError
from agentrun.json_schema import Validator
from agentrun.secrets import Masker
from agentrun.spec.yaml_nodes import read_text
from agentrun.tools.agent import AgentTool
from cassette_runs import Untouchable, recorded, recorded_loop, replayed, through_a_file, untouchable
from engine_agents import ANY, answer, calls, make_agent, make_tool, soon
from golden_runs import cases

# -- what was recorded is played ------------------------------------------------------------------------------


# Nothing but time ends these runs, and a replay takes none.
TIMED_OUT = [case for case in cases() if case.name.startswith("run_timeout")]
CASES = [case for case in cases() if case not in TIMED_OUT]


def played_twice(case):
    """The events of a case's run, those of its replay, and the outcomes of the replay."""
    written = yaml.safe_load((case / "case.yaml").read_text(encoding="utf-8"))
    path, environ = case / "agents" / f"{written.get('agent', 'main')}.yaml", written.get("environ", {})
    texts = [written.get("text"), *written.get("then", ())]
    options = {"args": written.get("args"), "approve": written.get("approve", ())}
    events, conversation = recorded(agentrun.load(path, environ=environ), texts, **options)
    again = replayed(agentrun.load(path, environ=environ), conversation, texts, args=written.get("args"))
    return events, *again


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_run_replays_event_for_event_with_models_and_tools_untouched(case):
    """The runs of `runs/`: errors, retries, fallbacks, sub-agents, hand-offs, compaction, limits, final tools."""
    events, replay, _ = played_twice(case)
    assert replay == events


@pytest.mark.parametrize("case", TIMED_OUT, ids=[case.name for case in TIMED_OUT])
def test_a_run_that_its_time_limit_ended_replays_up_to_there(case):
    events, replay, outcomes = played_twice(case)
    assert replay[: len(events) - 1] == events[:-1]
    assert outcomes[0].error == {"type": "interrupted", "message": "the recording was interrupted here"}


# -- the file -------------------------------------------------------------------------------------------------

TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)), st.sampled_from("\n\n  \t:#-'\"{}[],&*|>%@`019e.x~\\\r\x85\u2028")
    ),
    max_size=24,
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.sampled_from(["yes", "null", "1e3", "012", "0x1f", "~", "<<", "=", "---", "a: b", "a #b", "2024-01-01", "\n a"]),
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(TEXTS, DATA, max_size=3)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@given(OBJECTS)
def test_any_data_comes_back_from_the_yaml_that_is_written(value):
    text = dump(value)
    read = read_text("x.yaml", text)
    assert read.diagnostics == []
    assert key_of(read.documents[0].data() if read.documents else {}) == key_of(value)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), DATA, min_size=1, max_size=3))
def test_other_readers_of_yaml_read_the_same_texts(value):
    """PyYAML reads version 1.1, which takes some numbers for text; texts stay texts."""
    back = yaml.load(dump(value), Loader=yaml.CSafeLoader)
    assert _texts(back) >= _texts(value)


def _texts(value):
    if isinstance(value, dict):
        return {text for pair in value.items() for one in pair for text in _texts(one)}
    if isinstance(value, list):
        return {text for one in value for text in _texts(one)}
    return {value} if isinstance(value, str) else set()


def test_a_text_of_several_lines_is_a_block_and_short_data_stands_on_a_line():
    assert dump({"prompt": "You help.\nBe kind.\n", "usage": {"in": 1, "out": [2]}, "answer": "It is 42."}) == (
        "prompt: |\n  You help.\n  Be kind.\nusage: {in: 1, out: [2]}\nanswer: It is 42.\n"
    )


def test_json_in_a_text_stays_readable_and_many_numbers_stand_on_a_line():
    assert dump({"arguments": '{"q": "it\'s"}'}) == "arguments: '{\"q\": \"it''s\"}'\n"
    assert dump({"text": ['a "word"\t']}) == 'text: ["a \\"word\\"\\t"]\n'
    lines = dump({"text": list(range(100))}).splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) < 100


@given(st.lists(st.lists(st.integers(0, 999), max_size=90), max_size=3))
def test_numbers_on_several_lines_are_read_again(numbers):
    value = {"stream": [{"text": one, "more": [one]} for one in numbers]}
    assert read_text("x.yaml", dump(value)).documents[0].data() == value
    assert yaml.safe_load(dump(value)) == value


@st.composite
def replies(draw):
    called = st.builds(
        ToolCall, NAMES, NAMES, st.one_of(OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False)), TEXTS)
    )
    listed = tuple(draw(st.lists(called, max_size=2, unique_by=lambda call: call.id)))
    text, refusal = draw(TEXTS), draw(st.none() | TEXTS.filter(bool))
    fields = draw(st.dictionaries(NAMES.map(lambda name: f"x{name}"), DATA, max_size=2))
    message = {"role": "assistant", "content": text or None}
    if refusal:
        message["refusal"] = refusal
    if listed:
        message["tool_calls"] = [call.chat_form() for call in listed]
    finish = draw(st.sampled_from(["stop", "tool_calls", "length", "content_filter", "refusal"]))
    usage = draw(st.none() | st.builds(Usage, *[st.integers(0, 9999)] * 4))
    index = draw(st.integers(0, 2))
    return Reply(Message({**message, **fields}), text, listed, finish, usage, refusal, index)


@st.composite
def progress_of(draw, reply):
    """Pieces of a reply, maybe after an attempt that failed."""
    words, seed = draw(st.lists(TEXTS, max_size=3)), draw(st.integers(0, 2**32))
    void = [TextProgress(word) for word in words]
    if void:
        void.append(draw(st.sampled_from([RetryProgress(1, "limited", 0.5), FallbackProgress("other", "down")])))
    picker = random.Random(seed)
    last = []
    for one in whole(reply):
        text = one.text if isinstance(one, TextProgress) else one.arguments
        cuts = sorted(picker.choices(range(len(text) + 1), k=2))
        pieces = [text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :]]
        make = TextProgress if isinstance(one, TextProgress) else _call_pieces(one)
        last += [make(piece) for piece in pieces]
    thought = [ReasoningProgress(word) for word in words]
    return (*void, *thought, *(last if draw(st.booleans()) else whole(reply)))


def _call_pieces(one):
    return lambda piece: CallProgress(one.index, one.name, piece)


MESSAGES = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "system", "content": text}, TEXTS),
    st.builds(lambda call, text: {"role": "tool", "tool_call_id": call, "content": text}, NAMES, TEXTS),
    st.builds(lambda more: {**more, "role": "assistant", "content": None}, OBJECTS),
)
TOOLS = st.builds(FunctionTool, NAMES, TEXTS, OBJECTS, st.booleans())


@st.composite
def conversations(draw):
    """Runs of which each request goes on with an earlier one, or begins anew."""
    entries = []
    histories = [[]]
    tools = tuple(draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: key_of([tool.name, tool.parameters]))))
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["user", "model", "model", "tool", "approval", "set"]))
        if kind == "user":
            entries.append(UserEntry(draw(TEXTS)))
        elif kind == "tool":
            value = draw(DATA)
            names = draw(st.just({"result": value}) | OBJECTS | st.just({"body": value, "status": 200}))
            outcome = draw(
                st.just(Result(value, names))
                | st.builds(ToolFailed, st.sampled_from(["timeout", "http_status"]), TEXTS, OBJECTS)
                | st.just(Interrupted())
            )
            entries.append(ToolEntry(draw(NAMES), draw(NAMES), draw(OBJECTS | TEXTS), outcome))
        elif kind == "approval":
            by = draw(st.sampled_from(["user", "flag", "nobody"]))
            answered = (draw(NAMES), draw(OBJECTS), draw(st.booleans()), by, draw(st.none() | TEXTS))
            entries.append(ApprovalEntry(*answered))
        elif kind == "set":
            members = st.builds(SetMember, TOOLS, st.booleans(), st.booleans(), st.none() | TEXTS)
            offered = draw(st.lists(members, max_size=3, unique_by=lambda member: member.function.name))
            entries.append(SetEntry(draw(NAMES), draw(NAMES), tuple(offered)))
        else:
            messages = [*draw(st.sampled_from(histories)), *draw(st.lists(MESSAGES, max_size=2))]
            asked = Asked(
                tuple(messages),
                draw(st.sampled_from([(), tools])),
                draw(st.none() | st.just("auto") | OBJECTS),
                draw(st.none() | st.booleans()),
                draw(st.none() | OBJECTS),
            )
            reply = draw(replies())
            failed = st.builds(ModelFailed, NAMES, TEXTS, st.none() | TEXTS, st.none() | st.just(429), st.booleans())
            outcome = draw(st.sampled_from([reply, reply, draw(failed), Interrupted()]))
            if isinstance(outcome, Reply):
                entries.append(ModelEntry(asked, outcome, tuple(draw(progress_of(reply)))))
                histories.append([*messages, dict(reply.message.data)])
            else:
                entries.append(ModelEntry(asked, outcome))
                histories.append(messages)
    return Conversation("main", "2026-03-10", tuple(entries), draw(st.none() | TEXTS), draw(st.none() | TEXTS))


@given(conversations())
def test_what_is_written_is_read_again(conversation):
    assert _as_data(through_a_file(conversation)) == _as_data(conversation)


@given(conversations())
def test_what_is_read_is_written_the_same(conversation):
    text = text_of(Cassette((conversation,)))
    assert text_of(cassette_of("x.yaml", text.encode())) == text


def _as_data(conversation):
    """Without lines, and without the order of keys."""
    entries = []
    for one in conversation.entries:
        entry = msgspec.structs.replace(one, line=0) if hasattr(one, "line") else one
        data = {name: getattr(entry, name) for name in entry.__struct_fields__}
        outcome = data.get("outcome")
        if isinstance(outcome, Reply):
            data["outcome"] = {name: getattr(outcome, name) for name in outcome.__struct_fields__}
            data["outcome"]["message"] = dict(outcome.message.data)
        entries.append(data)
    return key_of(_plain([conversation.name, conversation.agent, conversation.date, conversation.model, entries]))


def _plain(value):
    if isinstance(value, msgspec.Struct):
        return {"is": type(value).__name__, **{name: _plain(getattr(value, name)) for name in value.__struct_fields__}}
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, (list, tuple)) else value


HEAD = "cassette: 1\n"
TALK = """\
cassette: 1
functions:
  add:
    parameters: {type: object, properties: {a: {type: integer}}}
conversations:
  - agent: main
    date: "2026-03-10"
    exchanges:
      - {user: add 40}
      - model: 1
        system: You add.
        messages: [user]
        tools: [add]
        reply:
          tool_calls: [{name: add, arguments: {a: 40}, id: c1}]
        stream: [{call: 0, name: add, arguments: [3, 5]}]
      - {tool: add, id: c1, arguments: {a: 40}, result: {sum: 42}}
      - model: 2
        after: 1
        messages: [{tool: c1}]
        reply: {content: It is 42.}
        stream: [{text: [3, 6]}]
"""


def talk(**changes):
    """The conversation of `TALK`, each text replaced by another."""
    text = TALK
    for old, new in changes.items():
        wanted = {"answer": "It is 42.", "result": "{sum: 42}", "user": "add 40", "arguments": "arguments: {a: 40}, id"}
        assert wanted[old] in text
        text = text.replace(wanted[old], new)
    (conversation,) = cassette_of("talk.yaml", text.encode()).conversations
    return conversation


def test_a_cassette_that_a_person_wrote_says_each_thing_once():
    user, first, tool, second = talk().entries
    assert user == UserEntry("add 40")
    assert first.asked.messages == ({"role": "system", "content": "You add."}, {"role": "user", "content": "add 40"})
    assert first.asked.tools[0].name == "add"
    assert second.asked.tools == first.asked.tools
    assert second.asked.messages[:2] == first.asked.messages
    assert second.asked.messages[2]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":40}'}
    assert second.asked.messages[3] == {"role": "tool", "tool_call_id": "c1", "content": '{"sum":42}'}
    assert [one.text for one in second.progress] == ["It ", "is 42."]
    assert tool.outcome == Result({"sum": 42}, {"result": {"sum": 42}})


def test_an_edited_answer_wins_and_its_pieces_are_given_up():
    assert [one.text for one in talk(answer='"It is 42, I think."').entries[3].progress] == ["It is 42, I think."]


def test_pieces_stay_where_an_edited_answer_has_as_many_characters():
    assert [one.text for one in talk(answer="It is 43.").entries[3].progress] == ["It ", "is 43."]


def test_an_edited_result_is_what_the_next_request_has():
    assert talk(result="{sum: 43}").entries[3].asked.messages[3]["content"] == '{"sum":43}'


def test_an_edited_call_is_in_the_history_and_comes_in_one_piece():
    entries = talk(arguments="arguments: {a: 41, b: 1}, id").entries
    assert entries[1].progress == (CallProgress(0, "add", '{"a":41,"b":1}'),)
    assert entries[3].asked.messages[2]["tool_calls"][0]["function"]["arguments"] == '{"a":41,"b":1}'


def test_a_body_that_output_templates_see_under_another_name_stands_once():
    body = "a long body " * 100
    entry = ToolEntry("c1", "get", {}, Result(body, {"status": 200, "body": body, "headers": {}}))
    conversation = Conversation("main", "2026-03-10", (entry,))
    assert text_of(Cassette((conversation,))).count(body) == 1
    assert through_a_file(conversation).entries[0].outcome == entry.outcome


def test_the_only_page_of_a_result_stands_once_too():
    body = {"text": "a long body " * 100}
    names = {"status": 200, "body": body, "pages": [body], "more": False}
    entry = ToolEntry("c1", "get", {}, Result(body, names))
    conversation = Conversation("main", "2026-03-10", (entry,))
    text = text_of(Cassette((conversation,)))
    assert text.count(body["text"]) == 1
    assert "result_as: [body, pages]" in text
    assert through_a_file(conversation).entries[0].outcome == entry.outcome


def test_a_huge_result_that_is_only_told_is_kept_as_text():
    rows = [{"id": number} for number in range(20_000)]
    masking = Masking(Masker())
    assert masking.result(ToolResult(rows, {"result": rows})).value == json.dumps(rows, separators=(",", ":"))
    assert masking.result(ToolResult(rows, {"body": rows})).value == rows
    assert masking.result(ToolResult(rows[:9], {"result": rows[:9]})).value == rows[:9]


def test_what_a_function_makes_of_an_object_is_made_once():
    made = []
    once = Once(lambda one: made.append(one) or len(made))
    messages = [{"n": 1}, {"n": 1}]
    assert [once.of(one) for one in (*messages, *messages)] == [1, 2, 1, 2]


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=6))
def test_lists_are_at_the_same_node_exactly_where_they_begin_alike(lists):
    prefixes = Prefixes()
    paths = [prefixes.path(one) for one in lists]
    for one, path in zip(lists, paths, strict=True):
        for other, other_path in zip(lists, paths, strict=True):
            for count in range(1, min(len(one), len(other)) + 1):
                assert (path[count - 1] == other_path[count - 1]) == (one[:count] == other[:count])


def test_two_definitions_of_a_name_are_kept_apart():
    tools = [FunctionTool("find", about, {"type": "object"}) for about in ("one", "another")]
    asked = [Asked(({"role": "user", "content": "hi"},), (tool,)) for tool in tools]
    entries = tuple(ModelEntry(one, Interrupted()) for one in asked)
    read = through_a_file(Conversation("main", "2026-03-10", entries))
    assert [entry.asked.tools for entry in read.entries] == [(tools[0],), (tools[1],)]


def test_what_yaml_or_json_can_not_hold_becomes_text():
    deep = []
    for _ in range(500):
        deep = [deep]
    assert plain({"a": (1, "\ud800"), 2: float("nan")}) == {"a": [1, "?"], "2": "NaN"}
    assert plain(deep) == "[" * 501 + "]" * 501


# -- mistakes in a file ---------------------------------------------------------------------------------------

MISTAKES = [
    ("replly", TALK.replace("reply: {content", "replly: {content"), (18, "an exchange has one of `reply`, `error`")),
    ("an unknown key", TALK.replace("        after: 1\n", "        afer: 1\n"), (19, "unknown key `afer`")),
    ("no such exchange", TALK.replace("after: 1", "after: 7"), (19, "`after: 7` names no exchange with the model")),
    ("no such function", TALK.replace("tools: [add]", "tools: [ad]"), (13, "`tools` names `ad`")),
    ("no such result", TALK.replace("[{tool: c1}]", "[{tool: c9}]"), (20, "`tool: c9` names no result")),
    ("a wrong type", TALK.replace("model: 2", "model: two"), (18, "`model` must be a whole number, not text")),
    ("two kinds", TALK.replace("- {user: add 40}", "- {user: a, tool: b}"), (9, "an exchange has only one of")),
    ("no kind", TALK.replace("- {user: add 40}", "- {usr: a}"), (9, "an exchange has one of `user`, `model`")),
    ("no exchange", TALK.replace("- {user: add 40}", "- hello"), (9, "an exchange is a mapping, not text")),
    ("a number twice", TALK.replace("model: 2", "model: 1"), (18, "`model: 1` stands twice")),
    ("a key twice", TALK.replace("        after: 1\n", "        after: 1\n        after: 1\n"), (20, "stands twice")),
    ("no user before", TALK.replace("- {user: add 40}\n      ", ""), (11, "and there is none before")),
    ("a bad piece", TALK.replace("[3, 6]", "[3, [6]]"), (22, "a piece is text, or its length, not a list")),
    ("a negative piece", TALK.replace("[3, 6]", "[-3, 12]"), (22, "a piece is text, or its length")),
    ("no day", TALK.replace('"2026-03-10"', "tomorrow"), (7, "`date` is a day, such as 2026-03-10, not `tomorrow`")),
    (
        "a name twice",
        HEAD + "conversations:\n" + "  - {name: a, agent: m, date: 2026-03-10}\n" * 2,
        (4, "another conversation is named `a` too"),
    ),
    ("no YAML", HEAD + "conversations: [", (2, "not YAML")),
    (
        "a bad reason",
        TALK.replace("{content: It is 42.}", "{content: x, finish_reason: stopp}"),
        (21, "can't be `stopp`"),
    ),
]


@pytest.mark.parametrize(("text", "said"), [pytest.param(*row, id=name) for name, *row in MISTAKES])
def test_a_mistake_is_told_with_its_place(text, said):
    with pytest.raises(SpecError) as failure:
        cassette_of("talk.yaml", text.encode())
    found = failure.value.report.diagnostics
    assert [one.span.file for one in found] == ["talk.yaml"] * len(found)
    line, words = said
    assert any(one.span.line == line and words in one.message for one in found), found


def test_an_unknown_key_is_told_with_the_one_that_was_meant():
    with pytest.raises(SpecError) as failure:
        cassette_of("talk.yaml", TALK.replace("        after: 1\n", "        afer: 1\n").encode())
    assert "did you mean `after`?" in [one.help for one in failure.value.report.diagnostics]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cassette: 2\n", "is of version 2; this agentrun reads version 1"),
        ("agent: main\n", "no key `cassette`"),
        ("", "no documents"),
        ("- 1\n", "no key `cassette`"),
        ("cassette: 1\n---\ncassette: 1\n", "2 documents"),
    ],
)
def test_what_is_no_cassette_of_this_version_is_refused(tmp_path, text, said):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_cassette(tmp_path / "x.yaml")


def test_a_file_that_is_not_there_or_is_a_folder_is_bad_usage(tmp_path):
    with pytest.raises(UsageError, match="there is no cassette"):
        read_cassette(tmp_path / "x.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        read_cassette(tmp_path)


def test_a_cassette_may_be_larger_than_the_files_of_the_language():
    text = "a line of a prompt\n" * 100_000
    entries = (UserEntry(text), *(UserEntry("x") for _ in range(60_000)))
    assert through_a_file(Conversation("main", "2026-03-10", entries)).entries[0].text == text


def test_aliases_can_not_make_a_small_file_huge():
    bomb = "cassette: 1\nx-a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"x-{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
        for old, new in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises(SpecError) as failure:
        cassette_of("x.yaml", bomb.encode())
    assert "aliases expanded" in failure.value.report.diagnostics[0].message


def test_a_file_is_replaced_all_at_once_and_a_link_stays_one(tmp_path):
    target = tmp_path / "real.yaml"
    target.write_text("old")
    (tmp_path / "link.yaml").symlink_to(target)
    write_cassette(tmp_path / "link.yaml", Cassette(()))
    assert (tmp_path / "link.yaml").is_symlink()
    assert "cassette: 1" in target.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]


def test_a_file_that_can_not_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="can't be written"):
        write_cassette(tmp_path / "folder", Cassette(()))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# -- the canonical form ---------------------------------------------------------------------------------------


def asked_with(ids, *, spaces="", order=1, run_id="0f3a9bce00112233"):
    """A request whose ids, blanks, order of keys and run id are these."""
    calls = [
        {
            "id": ids[index],
            "type": "function",
            "function": {"name": name, "arguments": '{"a":%s1,%s"b":%s2}' % (spaces, spaces, spaces)},  # noqa: UP031
        }
        for index, name in enumerate(["find", "stock"])
    ]
    messages = [
        {"role": "system", "content": f"You help. Run {run_id}."},
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": ids[0], "content": "here"},
        {"role": "tool", "tool_call_id": ids[1], "content": "3"},
    ]
    return Asked(tuple(dict(list(one.items())[::order]) for one in messages))


def nothing_live(name):
    return False


@given(
    st.lists(NAMES, min_size=2, max_size=2, unique=True),
    st.sampled_from(["", " ", "\n  "]),
    st.sampled_from([1, -1]),
    st.from_regex(r"[0-9a-e]{15}f", fullmatch=True),
)
def test_ids_blanks_and_the_order_of_keys_do_not_matter(ids, spaces, order, run_id):
    same = asked_with(ids, spaces=spaces, order=order, run_id=run_id)
    expected = canonical_request(asked_with(["c1", "c2"]), nothing_live)
    assert key_of(canonical_request(same, nothing_live)) == key_of(expected)


def test_which_call_a_result_belongs_to_does_matter():
    asked = asked_with(["c1", "c2"])
    crossed = [dict(one) for one in asked.messages]
    crossed[3]["tool_call_id"], crossed[4]["tool_call_id"] = "c2", "c1"
    one, other = (canonical_request(each, nothing_live) for each in (asked, Asked(tuple(crossed))))
    assert first_difference(one, other).route == ("messages", 3, "tool_call_id")


def test_what_a_live_tool_gave_is_not_compared():
    asked, changed = asked_with(["c1", "c2"]), [dict(one) for one in asked_with(["c1", "c2"]).messages]
    changed[4]["content"] = "4"

    def keys(live):
        return {key_of(canonical_request(each, live)) for each in (asked, Asked(tuple(changed)))}

    assert len(keys(lambda name: name == "stock")) == 1
    assert len(keys(lambda name: name == "find")) == 2


@given(st.lists(conversations(), min_size=2, max_size=4), st.sampled_from(["", "find", "t"]))
def test_two_requests_have_one_key_exactly_where_their_canonical_forms_are_the_same(talks, live_tool):
    def live(name):
        return name.startswith(live_tool) if live_tool else False

    canon = Canon(live)
    asked = [entry.asked for talk in talks for entry in talk.entries if isinstance(entry, ModelEntry)]
    forms = [key_of(canonical_request(one, live)) for one in asked]
    keys = [canon.key(one) for one in asked]
    for form, key in zip(forms, keys, strict=True):
        for other_form, other_key in zip(forms, keys, strict=True):
            assert (key == other_key) == (form == other_form)


@given(DATA, DATA)
def test_there_is_a_first_difference_exactly_where_values_differ(one, other):
    assert (first_difference(one, other) is None) == (key_of(one) == key_of(other))
    assert first_difference(one, one) is None


DIFFERENCES = [
    (
        {"messages": [{"role": "system", "content": "x" * 100 + "Monday, and more"}]},
        {"messages": [{"role": "system", "content": "x" * 100 + "Tuesday, and more"}]},
        f'messages[0].content (system) differs at character 101: recorded "…{"x" * 12}Monday, and more", '
        f'now "…{"x" * 12}Tuesday, and more"',
    ),
    (
        {"messages": [{"role": "user", "content": "a"}]},
        {"messages": [{"role": "user", "content": "b"}]},
        'messages[0].content (user) differs: recorded "a", now "b"',
    ),
    (
        {"messages": []},
        {"messages": [{"role": "user", "content": "b"}]},
        'messages[0] (user) was not recorded: now {"role": "user", "content": "b"}',
    ),
    ({"tool_choice": "auto"}, {"tool_choice": None}, 'tool_choice differs: recorded "auto", now null'),
    ({"a": {"b": [1, True]}}, {"a": {"b": [1, 1]}}, "a.b[1] differs: recorded true, now 1"),
    ({"a": "b\n"}, {"a": "b "}, 'a differs at character 2: recorded "b\\n", now "b "'),
    ({"a": 1}, {}, "a is missing: recorded 1"),
    ({"messages": [{"a\x1b[31m": 1}]}, {"messages": [{}]}, "messages[0].a␛[31m is missing: recorded 1"),
]


@pytest.mark.parametrize(("recorded", "now", "said"), DIFFERENCES)
def test_a_difference_is_told_in_words(recorded, now, said):
    assert in_words(first_difference(recorded, now), recorded, now) == said


def request_of(system, user, *tools):
    messages = ({"role": "system", "content": system}, {"role": "user", "content": user})
    return Asked(messages, tuple(FunctionTool(name, f"About {name}.", {"type": "object"}) for name in tools))


def missed(recorded, now):
    forms = [canonical_request(one, nothing_live) for one in (now, recorded)]
    return request_missed("turn-1", *forms, 1)


def test_a_new_tool_is_told_as_such_wherever_it_stands():
    recorded = request_of("Hi.", "go", "b", "c")
    assert "tools.a was not recorded: now" in missed(recorded, request_of("Hi.", "go", "a", "b", "c"))
    assert "tools.b is missing: recorded" in missed(recorded, request_of("Hi.", "go", "c"))
    assert missed(recorded, request_of("Hi.", "go", "c", "b")).endswith("the tools stand in another order")


def test_a_request_with_another_prompt_is_compared_with_the_one_of_the_same_tools_and_question():
    requests = {1: request_of("Main.", "go", "a"), 2: request_of("Helper.", "look", "b"), 3: request_of("Other.", "x")}
    assert nearest(requests, request_of("Changed.", "look", "b"), Canon(nothing_live)) == 2
    assert nearest(requests, request_of("Main.", "stop"), Canon(nothing_live)) == 1
    assert nearest({}, request_of("Main.", "stop"), Canon(nothing_live)) is None


# -- the order of what was recorded ---------------------------------------------------------------------------


def order_of(count, asks):
    """In which order they had their turn. `asks` starts the coroutines that wait."""
    done = []

    async def play():
        turns = Turns(range(count))

        async def one(number):
            await turns.wait(number)
            done.append(number)

        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            await asks(turns, lambda number: group.create_task(one(number)))

    asyncio.run(play())
    return done


@given(st.permutations(range(6)))
def test_what_is_asked_for_at_once_has_its_turn_in_recorded_order(numbers):
    async def asks(turns, start):
        for number in numbers:
            start(number)

    assert order_of(6, asks) == sorted(numbers)


@given(st.sets(st.integers(0, 9), min_size=1, max_size=5))
def test_an_exchange_that_nobody_asks_for_is_not_waited_for(numbers):
    async def asks(turns, start):
        for number in sorted(numbers, reverse=True):
            start(number)

    assert order_of(10, asks) == sorted(numbers)


def test_what_is_really_going_on_may_still_ask_for_one_before():
    async def asks(turns, start):
        start(1)
        with turns.something_real():
            await asyncio.sleep(0.05)  # a tool that takes its time
            start(0)

    assert order_of(2, asks) == [0, 1]


def test_one_that_is_cancelled_holds_nobody_up():
    async def asks(turns, start):
        with turns.something_real():
            task = start(0)
            start(1)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert order_of(2, asks) == [1]


# -- a conversation, recorded and played ----------------------------------------------------------------------


async def played_again(conversation, agent, *texts):
    return await soon(recorded_loop(untouchable(agent), Player(conversation, agent.mask), *texts))


def test_results_that_came_in_another_order_than_they_were_asked_for_come_so_again():
    """Three calls at once, of which the last ends first."""

    async def record():
        tape = Recorder("main", Masker())
        gates = {name: asyncio.Event() for name in ("one", "two")}

        def waits_for(gate, opens):
            async def call(arguments, context):
                if gate:
                    await gates[gate].wait()
                if opens:
                    gates[opens].set()
                return "done"

            return call

        agent = make_agent(
            [calls("first", "second", "third"), answer("All done.")],
            make_tool("first", waits_for("one", None)),
            make_tool("second", waits_for("two", "one")),
            make_tool("third", waits_for(None, "two")),
        )
        events, _ = await soon(recorded_loop(agent, tape))
        return agent, events, through_a_file(tape.conversation())

    agent, events, conversation = asyncio.run(record())
    assert [one.name for one in conversation.entries if isinstance(one, ToolEntry)] == ["third", "second", "first"]
    again, _ = asyncio.run(played_again(conversation, agent))
    assert again == events
    finished = [event["name"] for event in again if event["type"] == "tool_finished"]
    assert finished == ["third", "second", "first"]


def test_what_is_decided_without_a_person_is_decided_at_once_again():
    """The calls after it begin, and fail, once it is decided."""

    async def soon_done(arguments, context):
        await asyncio.sleep(0)
        return "ok"

    async def record():
        tape = Recorder("main", Masker())
        tools = make_tool("guarded", approval="always"), make_tool("free", soon_done)
        agent = make_agent([calls("guarded", "free", "no_tool", "guarded", "free"), answer("Done.")], *tools)
        events, _ = await soon(recorded_loop(agent, tape))
        return agent, events, through_a_file(tape.conversation())

    agent, events, conversation = asyncio.run(record())
    again, _ = asyncio.run(played_again(conversation, agent))
    assert [event["type"] for event in again].count("approval_decided") == 2
    assert again == events


def test_of_several_same_calls_at_once_each_gets_its_own_result():
    """The second one ends first."""

    async def record():
        gate, numbers = asyncio.Event(), iter([1, 2])

        async def roll(arguments, context):
            number = next(numbers)
            await (gate.wait() if number == 1 else asyncio.sleep(0))
            gate.set()
            return number

        agent = make_agent([calls("dice", "dice"), answer("Rolled.")], make_tool("dice", roll))
        tape = Recorder("main", Masker())
        events, _ = await soon(recorded_loop(agent, tape))
        return agent, events, through_a_file(tape.conversation())

    agent, events, conversation = asyncio.run(record())
    assert [one.outcome.value for one in conversation.entries if isinstance(one, ToolEntry)] == [2, 1]
    assert asyncio.run(played_again(conversation, agent))[0] == events


def test_of_agents_that_ask_the_same_at_once_each_gets_its_own_reply():
    """The second one is answered first."""

    class Model:
        name = "m"

        def __init__(self):
            self.numbers, self.gate = iter([1, 2]), asyncio.Event()

        async def complete(self, request, tell):
            number = next(self.numbers)
            await (self.gate.wait() if number == 1 else asyncio.sleep(0))
            self.gate.set()
            text = f"I am {number}"
            return Reply(Message({"role": "assistant", "content": text}), text, (), "stop")

    async def record():
        child = make_agent(Model(), name="child")
        helper = BoundTool(FunctionTool("helper", "", ANY), Validator(ANY), AgentTool(child), runs_agent=True)
        agent = make_agent([calls("helper", "helper"), answer("Both came.")], helper)
        tape = Recorder("main", Masker())
        events, _ = await soon(recorded_loop(agent, tape))
        return agent, events, through_a_file(tape.conversation())

    agent, events, conversation = asyncio.run(record())
    asked = [one for one in conversation.entries if isinstance(one, ModelEntry)]
    assert [one.within for one in asked] == ["", "turn-1/call-1", "turn-1/call-0", ""]
    again, outcome = asyncio.run(played_again(conversation, agent))
    assert outcome.text == "Both came."
    assert _told(again) == _told(events)


def _told(events):
    return [event["result"] for event in events if event["type"] == "tool_finished"]


def test_what_no_template_sees_is_not_kept():
    async def get(arguments, context):
        return "the body"

    def shape(names, arguments, context):
        return f"got {names['result']}"

    async def record(**options):
        tape = Recorder("main", Masker())
        tool = make_tool("get", get, **options)
        tool = msgspec.structs.replace(tool, backend=_WithHeaders(tool.backend))
        agent = make_agent([calls("get"), answer()], tool)
        await soon(recorded_loop(agent, tape))
        return next(one.outcome.names for one in tape.conversation().entries if isinstance(one, ToolEntry))

    assert asyncio.run(record()) == {"result": "the body"}
    assert asyncio.run(record(output=shape)) == {"result": "the body", "headers": {"date": "today"}}


class _WithHeaders:
    def __init__(self, inner):
        self.inner = inner

    async def call(self, arguments, context):
        result = await self.inner.call(arguments, context)
        return ToolResult(result.value, {**result.names, "headers": {"date": "today"}})


def test_after_a_miss_a_message_that_a_summary_came_before_can_be_said_again():
    words = "word " * 150
    policy = ContextPolicy(max_tokens=360, on_overflow="compact")
    turns = [answer("one"), answer("A summary."), answer("two")]

    async def both():
        agent = make_agent(turns, context=policy)
        tape = Recorder("main", Masker())
        await recorded_loop(agent, tape, words, f"{words}second")
        conversation = through_a_file(tape.conversation())
        kinds = [type(one).__name__ for one in conversation.entries]
        player, messages = Player(conversation, Masker()), []
        silent = untouchable(agent)
        options = {"journal": player, "date": player.date}
        said = []
        for text in (words, f"{words}other", f"{words}second"):
            before = list(messages)
            outcome = await soon(loop.run(silent, text=text, messages=messages, **options))
            if outcome.error:
                messages[:] = before
            said.append(outcome.text or outcome.error["type"])
        return kinds, said

    kinds, said = asyncio.run(both())
    assert kinds == ["UserEntry", "ModelEntry", "UserEntry", "ModelEntry", "ModelEntry"]
    assert said == ["one", "cassette_miss", "two"]


def test_a_tool_that_took_too_long_is_told_so_in_the_replay_too():
    async def forever(arguments, context):
        await asyncio.Event().wait()

    agent = make_agent([calls("slow"), answer("Too slow.")], make_tool("slow", forever, timeout_s=0.01))

    async def record():
        tape = Recorder("main", Masker())
        return (await soon(recorded_loop(agent, tape)))[0], through_a_file(tape.conversation())

    events, conversation = asyncio.run(record())
    (tool,) = (one for one in conversation.entries if isinstance(one, ToolEntry))
    assert tool.outcome == ToolFailed("timeout", "no result after 0.01 s")
    assert asyncio.run(played_again(conversation, agent))[0] == events


def test_what_was_interrupted_ends_the_replay_there_and_the_conversation_goes_on():
    async def record():
        started = asyncio.Event()

        async def forever(arguments, context):
            started.set()
            await asyncio.Event().wait()

        agent = make_agent([calls("slow"), answer("Never mind.")], make_tool("slow", forever))
        tape, messages = Recorder("main", Masker()), []
        options = {"messages": messages, "journal": tape, "date": tape.date}
        task = asyncio.create_task(loop.run(agent, text="go", **options))
        await soon(started.wait())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await soon(loop.run(agent, text="stop", **options))
        return agent, messages, through_a_file(tape.conversation())

    async def replay(agent, conversation):
        tape, messages = Player(conversation, Masker()), []
        options = {"messages": messages, "journal": tape, "date": tape.date}
        first = await soon(loop.run(untouchable(agent), text="go", **options))
        second = await soon(loop.run(untouchable(agent), text="stop", **options))
        return messages, first.error["type"], second.text

    agent, messages, conversation = asyncio.run(record())
    assert asyncio.run(replay(agent, conversation)) == (messages, "interrupted", "Never mind.")


def test_a_live_tool_is_really_called_and_what_it_gives_may_differ():
    rolls = iter([1, 6])

    async def dice(arguments, context):
        return next(rolls)

    agent = make_agent([calls("dice"), answer("You rolled.")], make_tool("dice", dice))

    async def both():
        tape = Recorder("main", Masker())
        await recorded_loop(agent, tape)
        player = Player(through_a_file(tape.conversation()), Masker(), live=lambda name: name == "dice")
        silent = msgspec.structs.replace(agent, model=Untouchable())
        return await soon(recorded_loop(silent, player))

    events, outcome = asyncio.run(both())
    assert [event["result"] for event in events if event["type"] == "tool_finished"] == ["6"]
    assert outcome.text == "You rolled."


def test_of_two_same_requests_each_reply_is_played_once():
    agent = make_agent([answer("one"), answer("two")])

    async def both():
        tape = Recorder("main", Masker())
        said = [(await recorded_loop(agent, tape))[1].text for _ in range(2)]
        player = Player(through_a_file(tape.conversation()), Masker())
        return said, [(await recorded_loop(untouchable(agent), player))[1] for _ in range(3)]

    said, again = asyncio.run(both())
    assert (said, [one.text for one in again]) == (["one", "two"], ["one", "two", ""])
    assert again[2].error["message"].endswith("all 2 that were recorded are played")


def test_a_miss_of_an_agent_behind_a_tool_is_what_the_run_ends_with():
    """Its caller would be told of a failure that was not recorded either: the first miss says why."""
    (case,) = (case for case in cases() if case.name == "agent_as_a_tool")
    written = yaml.safe_load((case / "case.yaml").read_text(encoding="utf-8"))
    agent = agentrun.load(case / "agents" / f"{written.get('agent', 'main')}.yaml")
    options = {"args": written.get("args"), "approve": written.get("approve", ())}
    _, conversation = recorded(agent, [written.get("text")], **options)
    entries = list(conversation.entries)
    second = [index for index, one in enumerate(entries) if isinstance(one, ModelEntry)][1]
    asked = entries[second].asked
    changed = ({**asked.messages[0], "content": "other"}, *asked.messages[1:])
    entries[second] = msgspec.structs.replace(entries[second], asked=msgspec.structs.replace(asked, messages=changed))
    conversation = msgspec.structs.replace(conversation, entries=tuple(entries))
    _, outcomes = replayed(agent, conversation, [written.get("text")], args=written.get("args"))
    assert outcomes[0].error["type"] == "cassette_miss"
    assert "the request of turn 1 of an agent behind a tool is not in the cassette" in outcomes[0].error["message"]


def test_a_secret_in_pieces_in_arguments_in_results_and_in_errors_is_masked_in_what_is_written():
    secret = "sk-canary-1234567890"
    turn = {"chunks": ["It is sk-", "canary-12345", "67890, I think", "."]}
    failing = {"error": {"status": 401, "message": f"bad key {secret}"}}

    async def fails(arguments, context):
        raise ToolFailure("internal", f"failed with {secret}", output={secret: [secret]})

    async def says(arguments, context):
        return {"key": secret, "list": [f"Bearer {secret}"]}

    agent = make_agent(
        [calls(("fail", {"key": secret}), ("say", {"in": [secret]})), turn, failing],
        make_tool("fail", fails),
        make_tool("say", says, approval="always"),
        make_tool("say_it", says),
        secrets=[secret],
    )
    texts = (f"my key is {secret}", "again")

    async def record():
        tape = Recorder("main", agent.mask)
        events, _ = await soon(recorded_loop(agent, tape, *texts))
        return events, text_of(Cassette((tape.conversation(),)))

    events, text = asyncio.run(record())
    assert "canary" not in text
    assert text.count("[secret]") > 6
    (conversation,) = cassette_of("x.yaml", text.encode()).conversations
    assert asyncio.run(played_again(conversation, agent, *texts))[0] == events
