"""What the events of Anthropic's Messages API amount to."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.engine.messages import Usage
from agentrun.engine.ports import CallProgress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models.anthropic_assembly import MessageAssembly
from agentrun.models.reply_body import ReplyBody
from anthropic_stream import PING, block, call, error_event, named, start, stop, text, thinking


def read(pieces, *, turn=0, used=(), told=None):
    assembly = MessageAssembly(turn, used)
    body = ReplyBody("text/event-stream", whole_key="stop_reason")
    for piece in pieces:
        for event in body.feed(piece):
            progress = assembly.add(event)
            if told is not None:
                told += progress
    for event in body.end():
        assembly.add(event)
    return assembly.finish()


def reply(*events, **options):
    return read(named(*events).pieces, **options)


def failure(*events):
    with pytest.raises(ModelError) as error:
        reply(*events)
    return error.value


def turn(*blocks, reason="end_turn", **more):
    return [start(), *(event for one in blocks for event in one), *stop(reason, **more)]


EVERYTHING = [
    start(cache_read_input_tokens=100, cache_creation_input_tokens=20),
    PING,
    *thinking("Let mé think.", index=0),
    *block(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="}),
    *text("Łook", "ing.", index=2),
    *call("get_weather", {"city": "Tromsø"}, "toolu_1", index=3),
    PING,
    *call("now", "", "toolu_2", index=4),
    *stop("tool_use"),
]


def test_a_turn_of_thinking_text_and_calls_is_one_reply():
    told = []
    found = reply(*EVERYTHING, told=told)
    assert (found.text, found.finish_reason, found.refusal) == ("Łooking.", "tool_calls", None)
    assert [(one.id, one.name, json.loads(one.arguments)) for one in found.calls] == [
        ("toolu_1", "get_weather", {"city": "Tromsø"}),
        ("toolu_2", "now", {}),
    ]
    assert found.usage == Usage(input_tokens=130, output_tokens=5, total_tokens=135, cached_tokens=100)
    assert ReasoningProgress("Let mé think.") in told
    assert [one for one in told if isinstance(one, TextProgress)] == [TextProgress("Łook"), TextProgress("ing.")]
    assert CallProgress(0, "get_weather", "") in told
    assert CallProgress(1, "now", "") in told


def test_what_the_chat_form_cannot_hold_is_kept_beside_it():
    message = reply(*EVERYTHING).message.data
    assert message["content"] == "Łooking."
    assert [one["id"] for one in message["tool_calls"]] == ["toolu_1", "toolu_2"]
    assert message["anthropic_content"] == [
        {"type": "thinking", "thinking": "Let mé think.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "Łooking."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Tromsø"}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ]


def test_a_turn_that_the_chat_form_holds_is_kept_once():
    message = reply(*turn(text("So."), call("now", {}, "toolu_1", index=1), reason="tool_use")).message.data
    assert message.keys() == {"role", "content", "tool_calls"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(named(*EVERYTHING).body)), max_size=40))
def test_the_reply_is_the_same_however_the_bytes_are_split(cuts):
    body = named(*EVERYTHING).body
    ends = [0, *sorted(cuts), len(body)]
    pieces = [body[one:other] for one, other in itertools.pairwise(ends)]
    assert read(pieces) == read([body])


def test_a_stream_cut_at_any_byte_is_never_a_reply():
    body = named(*EVERYTHING).body
    for end in range(len(body)):
        with pytest.raises(ModelError) as error:
            read([body[:end]])
        assert error.value.retryable, end


def test_neither_a_stop_reason_nor_the_last_event_alone_is_a_finish():
    assert failure(*turn(text("Hi"))[:-1]).code == "incomplete_reply"
    assert failure(*turn(text("Hi"), reason=None)).code == "incomplete_reply"
    with pytest.raises(ModelError, match="before it was complete"):
        read([named(*turn(text("Hi"))[:-1]).body + b"data: [DONE]\n\n"])


@pytest.mark.parametrize(
    ("stop_reason", "blocks", "finish"),
    [
        ("end_turn", [text("Hi")], "stop"),
        ("stop_sequence", [text("Hi")], "stop"),
        ("never_heard_of", [text("Hi")], "stop"),
        ("tool_use", [call("now", {}, "a")], "tool_calls"),
        ("end_turn", [call("now", {}, "a")], "tool_calls"),
        ("max_tokens", [text("Hi")], "length"),
        ("max_tokens", [], "length"),
        ("model_context_window_exceeded", [text("Hi")], "length"),
        ("max_tokens", [call("now", '{"a": ', "a")], "length"),
        ("max_tokens", [call("now", "", "a")], "length"),
        ("max_tokens", [call("now", {"a": 1}, "a")], "tool_calls"),
        ("pause_turn", [call("now", {}, "a")], "tool_calls"),
        ("refusal", [text("I")], "refusal"),
    ],
)
def test_stop_reasons_are_told_in_the_engines_words(stop_reason, blocks, finish):
    assert reply(*turn(*blocks, reason=stop_reason)).finish_reason == finish


def test_a_refusal_has_a_text_and_no_calls():
    explained = turn(
        text("Well"), call("now", {}, "a", index=1), reason="refusal", stop_details={"explanation": "No bombs."}
    )
    found = reply(*explained)
    assert (found.refusal, found.text, found.calls) == ("No bombs.", "Well", ())
    assert found.message.data == {"role": "assistant", "content": "Well", "refusal": "No bombs."}
    assert reply(*turn(reason="refusal")).refusal


def test_a_cut_turn_keeps_no_thinking_that_was_not_signed():
    events = turn(thinking("done", index=0), thinking("cut", "", index=1), text("Hi", index=2), reason="max_tokens")
    kept = reply(*events).message.data["anthropic_content"]
    assert [one.get("thinking") for one in kept] == ["done", None]


def test_an_empty_turn_may_be_asked_again():
    error = failure(*turn(thinking("hm")))
    assert (error.code, error.retryable) == ("empty_reply", True)


def test_broken_arguments_reach_the_engine_and_go_back_as_an_empty_object():
    events = turn(thinking("hm"), call("now", '{"a": ', "a", index=1), call("now", {}, "b", index=2), reason="tool_use")
    found = reply(*events)
    assert [one.arguments for one in found.calls] == ['{"a":', "{}"]
    assert [one.get("input") for one in found.message.data["anthropic_content"]] == [None, {}, {}]


def test_ids_that_the_conversation_has_used_are_replaced_in_both_forms():
    events = turn(thinking("hm"), call("now", {}, "a", index=1), call("now", {}, "", index=2), reason="tool_use")
    found = reply(*events, used={"a"})
    ids = [one.id for one in found.calls]
    assert "a" not in ids
    assert "" not in ids
    assert [one["id"] for one in found.message.data["anthropic_content"][1:]] == ids


def test_an_input_that_came_with_the_start_of_its_block_counts():
    begin = {"type": "tool_use", "id": "a", "name": "now", "input": {"zone": "UTC"}}
    found = reply(*turn(block(0, begin), reason="tool_use"))
    assert found.calls[0].arguments == '{"zone":"UTC"}'


def test_a_whole_message_is_read_too():
    content = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "a", "name": "now", "input": {"z": 1}}]
    usage = {"input_tokens": 3, "output_tokens": 2}
    whole = {"type": "message", "role": "assistant", "content": content, "stop_reason": "tool_use", "usage": usage}
    found = read([json.dumps(whole).encode()])
    assert (found.text, found.calls[0].arguments, found.usage.total_tokens) == ("Hi", '{"z":1}', 5)


def test_blocks_of_the_services_own_tools_go_back_as_they_came():
    begin = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}}
    search = block(0, begin, {"type": "input_json_delta", "partial_json": '{"query": "x"}'})
    results = block(1, {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [{"url": "u"}]})
    cited = block(
        2,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": {"url": "u"}},
        {"type": "text_delta", "text": "Found."},
    )
    found = reply(*turn(search, results, cited))
    assert (found.text, found.calls) == ("Found.", ())
    assert found.message.data["anthropic_content"] == [
        {**begin, "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [{"url": "u"}]},
        {"type": "text", "text": "Found.", "citations": [{"url": "u"}]},
    ]


def test_a_paused_turn_goes_on_in_the_next_response():
    assembly = MessageAssembly()
    for event in turn(text("One, ", index=0), reason="pause_turn"):
        assembly.add(event)
    assert assembly.paused
    assert assembly.resume() == [{"type": "text", "text": "One, "}]
    assert not assembly.finished
    for event in turn(text("two.", index=0)):
        assembly.add(event)
    found = assembly.finish()
    assert (found.text, found.usage) == ("One, two.", Usage(20, 10, 30, 0))


@pytest.mark.parametrize(
    ("kind", "status", "retryable"),
    [
        ("overloaded_error", 529, True),
        ("rate_limit_error", 429, True),
        ("api_error", None, True),
        ("invalid_request_error", 400, False),
        ("authentication_error", 401, False),
    ],
)
def test_an_error_event_is_a_failure_of_its_own_kind_even_after_the_finish(kind, status, retryable):
    for events in ([start(), *text("Hi"), error_event(kind)], [*turn(text("Hi")), error_event(kind, "so it is")]):
        error = failure(*events)
        assert (error.status, error.retryable) == (status, retryable)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_start", "content_block": {"type": "text"}},
        {"type": "content_block_start", "index": 0, "content_block": None},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": [], "delta": {}},
    ],
)
def test_events_that_make_no_sense_are_a_broken_reply(event):
    assert failure(start(), event).code == "malformed_reply"


def test_unknown_events_deltas_and_values_are_skipped():
    strange = [
        {"type": "never_heard_of"},
        {"type": "message_delta", "delta": None, "usage": "many"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "never_heard_of"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}},
    ]
    assert reply(start(), *text("Hi"), *strange, *stop("end_turn")).text == "Hi"
