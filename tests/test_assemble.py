"""One assembly rule for all servers: from the bytes of a response to a reply, or to an honest failure.

A row of SERVERS is what one server was seen to send, and what must come of it.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.engine.messages import ToolCall, Usage
from agentrun.engine.ports import CallProgress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models.assemble import Assembly
from agentrun.models.failures import ToolUseFailed
from agentrun.models.reply_body import ReplyBody
from agentrun.models.streamed_calls import made_id
from servers import EVENTS, call_delta, delta, event, events, page, reply_json, sse

DONE = "[DONE]"
CALLS = delta("tool_calls")
STOP = delta("stop")


def assemble(body, content_type=EVENTS, *, turn=0, used=(), told=None):
    """What the client makes of a body in these pieces, the network left out."""
    pieces = [body] if isinstance(body, bytes) else body
    reader, assembly = ReplyBody(content_type), Assembly(turn, used)
    told = [] if told is None else told

    def take(chunks):
        for chunk in chunks:
            told.extend(assembly.add(chunk))
        if reader.done:
            assembly.done()

    for piece in pieces:
        take(reader.feed(piece))
    take(reader.end())
    return assembly.finish()


def reply_of(*chunks, **options):
    return assemble(events(*chunks).body, **options)


def failure_of(*chunks, **options):
    with pytest.raises(ModelError) as failure:
        reply_of(*chunks, **options)
    return failure.value


def whole(finish="stop", **message):
    """A completion that was not streamed."""
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def call(name="f", arguments="{}", **fields):
    return {"function": {"name": name, "arguments": arguments}, **fields}


class Row:
    """`calls` are (id, name, arguments); an id of None is one that was made."""

    def __init__(self, name, *chunks, calls=(), text="", finish=None, usage=None, body=None, content_type=EVENTS):
        self.name = name
        self.body = body or events(*chunks, DONE).body
        self.content_type = content_type
        made = [made_id(3, position) for position in range(len(calls))]
        self.calls = tuple(ToolCall(id or made[i], name, arguments) for i, (id, name, arguments) in enumerate(calls))
        self.text = text
        self.finish = finish or ("tool_calls" if calls else "stop")
        self.usage = usage


SERVERS = [
    Row(
        "Ollama leaves the index out",
        call_delta(id="a", type="function", name="f", arguments='{"x":1}'),
        CALLS,
        calls=[("a", "f", '{"x":1}')],
    ),
    Row(
        "Ollama and LiteLLM put parallel calls at index 0, each with a new id",
        call_delta(index=0, id="a", name="f", arguments='{"x":1}'),
        call_delta(index=0, id="b", name="f", arguments='{"x":2}'),
        call_delta(index=0, id="c", name="g", arguments=""),
        call_delta(index=0, arguments='{"y":3}'),
        CALLS,
        calls=[("a", "f", '{"x":1}'), ("b", "f", '{"x":2}'), ("c", "g", '{"y":3}')],
    ),
    Row(
        "Gemini splits arguments over deltas without an index and finishes with stop",
        call_delta(id="a", name="f", arguments=""),
        call_delta(arguments='{"city"'),
        call_delta(arguments=':"Oslo"}'),
        STOP,
        calls=[("a", "f", '{"city":"Oslo"}')],
    ),
    Row(
        "Gemini sends several calls without index and id",
        delta(tool_calls=[call("f", '{"x":1}'), call("f", '{"x":2}')]),
        STOP,
        calls=[(None, "f", '{"x":1}'), (None, "f", '{"x":2}')],
    ),
    Row(
        "DashScope and GLM send an empty id and name on continuations",
        call_delta(index=0, id="a", name="f", arguments='{"x"'),
        call_delta(index=0, id="", name="", arguments=":1}"),
        CALLS,
        calls=[("a", "f", '{"x":1}')],
    ),
    Row(
        "SGLang sends a null id and name on continuations",
        call_delta(index=0, id="a", name="f", arguments=None),
        call_delta(index=0, id=None, name=None, arguments='{"x":1}'),
        CALLS,
        calls=[("a", "f", '{"x":1}')],
    ),
    Row(
        "Fireworks and MiniMax repeat id, type and name in each chunk",
        call_delta(index=0, id="a", type="function", name="f", arguments='{"x"'),
        call_delta(index=0, id="a", type="function", name="f", arguments=":1}"),
        call_delta(index=1, id="b", type="function", name="g", arguments="{}"),
        call_delta(index=1, id="b", type="function", name="g", arguments=""),
        CALLS,
        calls=[("a", "f", '{"x":1}'), ("b", "g", "{}")],
    ),
    Row(
        "the same repeated without an index, calls interleaved",
        call_delta(id="a", name="f", arguments='{"x"'),
        call_delta(id="b", name="f", arguments='{"y"'),
        call_delta(id="a", name="f", arguments=":1}"),
        call_delta(id="b", name="f", arguments=":2}"),
        CALLS,
        calls=[("a", "f", '{"x":1}'), ("b", "f", '{"y":2}')],
    ),
    Row(
        "llama.cpp gives no id",
        call_delta(index=0, name="f", arguments='{"x":'),
        call_delta(index=0, arguments="1}"),
        call_delta(index=1, name="f", arguments="{}"),
        CALLS,
        calls=[(None, "f", '{"x":1}'), (None, "f", "{}")],
    ),
    Row(
        "Kimi and gateways begin their ids anew every turn",
        call_delta(index=0, id="used", name="f", arguments="{}"),
        call_delta(index=1, id="fresh", name="f", arguments="{}"),
        CALLS,
        calls=[(None, "f", "{}"), ("fresh", "f", "{}")],
    ),
    Row(
        "OpenAI and vLLM finish calls with stop",
        call_delta(index=0, id="a", name="f", arguments="{}"),
        STOP,
        calls=[("a", "f", "{}")],
    ),
    Row(
        "old Ollama has an empty finish on every chunk",
        delta("", content="Hel"),
        delta("", content="lo"),
        delta("stop", content=""),
        text="Hello",
    ),
    Row("old Ollama never finishes text but with DONE", delta("", content="Hello"), text="Hello"),
    Row("Together finishes with eos", delta(content="Hi"), delta("eos"), text="Hi"),
    Row("TGI finishes with eos_token", delta("eos_token", content="Hi"), text="Hi"),
    Row(
        "OpenRouter keeps alive with comments and sends usage after the finish",
        body=b": OPENROUTER PROCESSING\n\n"
        + event(delta(content="Hi"))
        + b": OPENROUTER PROCESSING\n\n"
        + event(STOP)
        + event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}})
        + event(DONE),
        text="Hi",
        usage=Usage(5, 2, 7),
    ),
    Row(
        "usage is cumulative: the last one wins",
        {**delta(content="Hi"), "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}},
        {**STOP, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
        text="Hi",
        usage=Usage(5, 2, 7),
    ),
    Row(
        "cached tokens in OpenAI's and DeepSeek's place",
        {**delta(content="Hi"), "usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}},
        {**STOP, "usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 7}}},
        text="Hi",
        usage=Usage(9, 1, 10, 7),
    ),
    Row(
        "Azure begins with empty choices and an empty model, and sends chunks of filter results only",
        {"choices": [], "model": "", "prompt_filter_results": [{}]},
        delta(content="Hi"),
        {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {"choices": None},
        STOP,
        text="Hi",
    ),
    Row(
        "llama.cpp and LiteLLM send arguments as an object",
        call_delta(index=0, id="a", name="f", arguments={"x": [1]}),
        CALLS,
        calls=[("a", "f", '{"x":[1]}')],
    ),
    Row(
        "vLLM and OpenRouter send empty arguments for a tool without parameters",
        call_delta(index=0, id="a", name="f", arguments=""),
        call_delta(index=1, id="b", name="f", arguments=None),
        call_delta(index=2, id="c", name="f"),
        CALLS,
        calls=[("a", "f", "{}"), ("b", "f", "{}"), ("c", "f", "{}")],
    ),
    Row(
        "vLLM and routers cut arguments and finish with tool_calls: the call is delivered as the broken text it is",
        call_delta(index=0, id="a", name="f", arguments='{"x":'),
        call_delta(index=1, id="b", name="f", arguments="{}"),
        CALLS,
        calls=[("a", "f", '{"x":'), ("b", "f", "{}")],
    ),
    Row(
        "a second object glued to the first makes a broken call",
        call_delta(index=0, id="a", name="f", arguments="{}"),
        call_delta(index=0, id="a", name="f", arguments='{"x":1}'),
        CALLS,
        calls=[("a", "f", '{}{"x":1}')],
    ),
    Row(
        "Mistral sends a whole call, its finish and usage in one chunk",
        {
            **delta("tool_calls", content="", tool_calls=[call("f", '{"x":1}', id="D681PevKs", index=0)]),
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
        calls=[("D681PevKs", "f", '{"x":1}')],
        usage=Usage(1, 2, 3),
    ),
    Row(
        "Mistral sends content as a list of parts",
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
        delta(content=[{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]),
        STOP,
        text="Hello",
    ),
    Row(
        "gpt-4o calls multi_tool_use.parallel",
        call_delta(index=0, id="a", name="multi_tool_use.parallel", arguments="{}"),
        CALLS,
        calls=[("a", "multi_tool_use.parallel", "{}")],
    ),
    Row(
        "indexes need neither begin at 0 nor be in order",
        call_delta(index=2, id="a", name="f", arguments=""),
        call_delta(index=1, id="b", name="g", arguments=""),
        call_delta(index=2, arguments='{"x":1}'),
        call_delta(index=1, arguments='{"y":2}'),
        CALLS,
        calls=[("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')],
    ),
    Row("one id for two calls: both run", delta(tool_calls=[call(id="a", index=0), call(id="a", index=1)]), CALLS,
        calls=[("a", "f", "{}"), (None, "f", "{}")]),
    Row("a call without a type is a function", call_delta(index=0, id="a", name="f", arguments="{}"), CALLS,
        calls=[("a", "f", "{}")]),
    Row("calls and text together", delta(content="Let me look."), call_delta(index=0, id="a", name="f", arguments="{}"),
        CALLS, calls=[("a", "f", "{}")], text="Let me look."),
    Row("a second choice is ignored", {"choices": [{"index": 1, "delta": {"content": "no"}}]},
        delta("stop", content="Hi"), text="Hi"),
    Row("data after DONE is ignored", delta("stop", content="Hi"), DONE, delta(content="?"), "not JSON", text="Hi"),
    Row("length with text", delta("length", content="Hal"), text="Hal", finish="length"),
    Row("length without text", delta("length"), finish="length"),
    Row("Gemini's MAX_TOKENS", delta("MAX_TOKENS", content="Hal"), text="Hal", finish="length"),
    Row("content_filter with text", delta("content_filter", content="Hal"), text="Hal", finish="content_filter"),
    Row("content_filter without text", delta("content_filter"), finish="content_filter"),
    Row("length with whole calls", call_delta(index=0, id="a", name="f", arguments="{}"), delta("length"),
        calls=[("a", "f", "{}")]),
    Row("length with cut calls", call_delta(index=0, id="a", name="f", arguments='{"x'), delta("length"),
        calls=[("a", "f", '{"x')], finish="length"),
    Row("length before the arguments began", call_delta(index=0, id="a", name="f", arguments=""), delta("length"),
        calls=[("a", "f", "{}")], finish="length"),
    Row("a call written as text is text", delta("stop", content='<tool_call>{"name":"f"}</tool_call>'),
        text='<tool_call>{"name":"f"}</tool_call>'),
    Row("a whole completion where a stream was asked for", body=reply_json(whole(content="Hi")).body, text="Hi",
        content_type="application/json"),
    Row("a whole completion under a stream's label", body=reply_json(whole(content="Hi")).body, text="Hi"),
    Row("a stream under JSON's label", delta("stop", content="Hi"), text="Hi", content_type="application/json"),
    Row("a stream without a label", delta("stop", content="Hi"), text="Hi", content_type=""),
    Row(
        "a whole completion with calls that all look alike",
        body=reply_json(whole("stop", content=None, tool_calls=[call(), call()])).body,
        calls=[(None, "f", "{}"), (None, "f", "{}")],
        content_type="application/json; charset=utf-8",
    ),
    Row("a gateway repeats the whole message at the end", delta(content="Hi"), whole(content="Hi"), text="Hi"),
]  # fmt: skip


@pytest.mark.parametrize("row", SERVERS, ids=lambda row: row.name)
def test_what_a_server_sends_becomes_the_reply_that_it_means(row):
    reply = assemble(row.body, row.content_type, turn=3, used={"used"})
    assert reply.calls == row.calls
    assert reply.text == row.text
    assert reply.finish_reason == row.finish
    if row.usage is not None:
        assert reply.usage == row.usage


@pytest.mark.parametrize("row", SERVERS, ids=lambda row: row.name)
@settings(max_examples=15)
@given(draw=st.data())
def test_any_split_of_the_bytes_gives_the_same_reply_and_progress(row, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(row.body)), max_size=8)))
    pieces = [row.body[a:b] for a, b in zip([0, *cuts], [*cuts, len(row.body)], strict=True)]
    at_once, in_pieces = [], []
    expected = assemble(row.body, row.content_type, told=at_once)
    assert assemble(pieces, row.content_type, told=in_pieces) == expected
    assert in_pieces == at_once


@pytest.mark.parametrize("body", [sse("Hällo", usage=(1, 2)).body, sse(calls=[("f", {"x": "é"})]).body])
def test_a_stream_cut_at_any_byte_before_its_finish_is_never_a_reply(body):
    end_of_finish = body.index(b"\n\n", body.index(b'"finish_reason": "')) + 2
    whole_reply = assemble(body)
    for length in range(end_of_finish):
        with pytest.raises(ModelError) as failure:
            assemble(body[:length])
        assert failure.value.retryable
    for length in range(end_of_finish, len(body)):
        cut_reply = assemble(body[:length])
        assert (cut_reply.text, cut_reply.calls) == (whole_reply.text, whole_reply.calls)


@pytest.mark.parametrize("row", [sse("Hi"), sse(calls=[("f", {})])])
def test_one_byte_at_a_time_is_enough(row):
    assert assemble([row.body[i : i + 1] for i in range(len(row.body))]) == assemble(row.body)


# -- what is not a reply --------------------------------------------------------------------------------------


def test_done_does_not_finish_a_turn_with_calls():
    failure = failure_of(call_delta(index=0, id="a", name="f", arguments="{}"), DONE)
    assert (failure.code, failure.retryable) == ("incomplete_reply", True)


def test_an_empty_reply_is_a_failure_that_may_pass():
    for chunks in ([STOP], [CALLS], [delta("stop", content=" \n")], [delta("stop", reasoning_content="hm")], [DONE]):
        failure = failure_of(*chunks, DONE)
        assert (failure.code, failure.retryable) == ("empty_reply", True)


@pytest.mark.parametrize("word", ["error", "network_error", "abort", "insufficient_system_resource"])
def test_a_finish_that_is_a_failure_is_one(word):
    failure = failure_of(delta(content="Hal"), delta(word))
    assert word in failure.message
    assert failure.retryable


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        ({"message": "slow down", "code": 429}, 429, True),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, 429, True),
        ({"message": "slow down", "code": "502"}, 502, True),
        ({"message": "slow down", "type": "overloaded_error"}, 529, True),
        ({"message": "slow down", "type": "server_error"}, None, True),
        ({"message": "slow down"}, None, True),
        ("slow down", None, True),
        ({"message": "slow down", "code": 400}, 400, False),
        ({"message": "slow down", "type": "invalid_request_error"}, 400, False),
        ({"message": "slow down", "code": "invalid_api_key"}, 401, False),
    ],
)
def test_an_error_inside_a_stream_fails_with_its_own_code(error, status, retryable):
    for chunks in ([delta(content="Hal"), {"error": error}], [{**delta("error"), "error": error}]):
        failure = failure_of(*chunks, DONE)
        assert (failure.status, failure.retryable) == (status, retryable)
        assert "slow down" in failure.message


def test_an_error_after_the_finish_wins_over_it():
    assert "boom" in failure_of(delta("stop", content="Hi"), {"error": {"message": "boom"}}).message


@pytest.mark.parametrize("data", [b'{"message": "boom", "code": 503}', b'{"error": {"message": "boom", "code": 503}}'])
def test_an_event_named_error_is_a_failure(data):
    with pytest.raises(ModelError, match="boom") as failure:
        assemble(event(delta(content="Hal")) + b"event: error\ndata: " + data + b"\n\n")
    assert failure.value.status == 503


def test_an_event_named_error_may_hold_plain_text():
    with pytest.raises(ModelError, match="boom"):
        assemble(b"event: error\ndata: boom\n\n")


@pytest.mark.parametrize("error", [{"message": "boom", "code": 402}, [{"error": {"message": "boom", "code": 402}}]])
@pytest.mark.parametrize("label", ["application/json", EVENTS])
def test_an_error_body_under_200_is_the_providers_message(error, label):
    body = error if isinstance(error, list) else {"error": error, "choices": None}
    with pytest.raises(ModelError, match="boom") as failure:
        assemble(json.dumps(body).encode(), label)
    assert (failure.value.status, failure.value.retryable) == (402, False)


def test_openrouter_quotes_the_provider():
    error = {"message": "Provider returned error", "code": 502, "metadata": {"raw": "GPU on fire"}}
    assert "GPU on fire" in failure_of({"error": error}).message


def test_groqs_failed_call_keeps_what_the_model_wrote():
    error = {"message": "Failed to call", "code": "tool_use_failed", "failed_generation": "<function=f>"}
    failure = failure_of({"error": error})
    assert isinstance(failure, ToolUseFailed)
    assert failure.generation == "<function=f>"


def test_a_web_page_is_quoted_by_its_title_and_may_pass():
    for label in ("text/html", "text/plain"):
        with pytest.raises(ModelError, match="web page, “Log in”") as failure:
            assemble(page("Log in").body, label)
        assert failure.value.retryable


@pytest.mark.parametrize("label", ["image/png", "application/xml", "application/pdf"])
def test_a_body_of_another_type_is_refused_unread(label):
    with pytest.raises(ModelError, match=label) as failure:
        ReplyBody(label)
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("body", "label"),
    [
        pytest.param(b"data: {broken\n\n", EVENTS, id="an event that is not JSON"),
        pytest.param(b'data: {"choices": "\xff"}\n\n', EVENTS, id="an event that is not UTF-8"),
        pytest.param(b"data: [1]\n\n", EVENTS, id="an event that is not an object"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", EVENTS, id="an event nested without end"),
        pytest.param(b'{"choices": [', "application/json", id="a cut body"),
        pytest.param(b'["x"]', "application/json", id="a body that is not an object"),
        pytest.param(b'{"choices": []}', "application/json", id="a body without choices"),
        pytest.param(b"Service starting", "text/plain", id="plain text"),
        pytest.param(event(call_delta(index=0, id="a", arguments="{}")) + event(CALLS), EVENTS, id="a nameless call"),
        pytest.param(b"", EVENTS, id="nothing"),
        pytest.param(b" \n ", "application/json", id="white space"),
    ],
)
def test_a_broken_body_is_a_failure_that_may_pass_not_a_traceback(body, label):
    with pytest.raises(ModelError) as failure:
        assemble(body, label)
    assert failure.value.retryable
    assert "\n" not in failure.value.message
    assert len(failure.value.message) < 500


@pytest.mark.parametrize("depth", [50, 500, 800, 900, 925, 950, 975, 1000, 10_000])
def test_deep_unknown_fields_are_at_worst_a_failure(depth):
    deep = '{"a":' * depth + "1" + "}" * depth
    body = b'data: {"choices":[{"delta":{"content":"x","e":' + deep.encode() + b"}}]}\n\n" + event(STOP)
    try:
        assert assemble(body).text == "x"
    except ModelError as failure:
        assert depth > 500
        assert failure.code == "malformed_reply"


WORDS = "choices delta message content tool_calls function arguments index id name error usage code refusal metadata"
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4),
    max_leaves=12,
)


@given(ANYTHING)
def test_no_shape_of_json_is_a_traceback(chunk):
    body = event({"choices": [{"delta": chunk, "index": 0}]}) + event({"choices": chunk}) + event(chunk)
    try:
        assemble(body + event(STOP))
    except ModelError as failure:
        assert failure.message


# -- the message of the history -------------------------------------------------------------------------------


def test_the_message_holds_what_the_next_request_needs():
    reply = reply_of(
        delta(role="assistant", content="Hi"), call_delta(index=0, id="a", name="f", arguments='{"x":1}'), CALLS
    )
    assert reply.message.data == {
        "role": "assistant",
        "content": "Hi",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
    }


def test_broken_arguments_are_replayed_as_an_empty_object():
    reply = reply_of(call_delta(index=0, id="a", name="f", arguments='{"x":'), CALLS)
    assert reply.calls[0].arguments == '{"x":'
    assert reply.message.data["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_name_that_services_refuse_is_replayed_as_one_they_take():
    reply = reply_of(call_delta(index=0, id="a", name="multi_tool_use.parallel", arguments="{}"), CALLS)
    assert reply.message.data["tool_calls"][0]["function"]["name"] == "multi_tool_use_parallel"


def test_unknown_fields_of_message_and_call_are_echoed():
    signature = {"google": {"thought_signature": "c2ln"}}
    reply = reply_of(
        delta(reasoning_content="Let me "),
        delta(reasoning_content="think."),
        call_delta(index=0, id="a", name="f", arguments="{}", extra_content=signature),
        CALLS,
    )
    assert reply.message.data["reasoning_content"] == "Let me think."
    assert reply.message.data["tool_calls"][0]["extra_content"] == signature
    assert reply.text == ""


def test_reasoning_details_are_joined_by_index():
    def details(**item):
        return delta(reasoning_details=[{"type": "reasoning.text", "index": 0, "format": "x", **item}])

    reply = reply_of(details(text="Let "), details(text="me"), details(signature="sig"), delta("stop", content="Hi"))
    assert reply.message.data["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "format": "x", "text": "Let me", "signature": "sig"}
    ]


def test_empty_and_null_fields_are_not_echoed():
    body = reply_json(
        whole(role="assistant", content="Hi", refusal=None, annotations=[], audio=None, function_call=None)
    )
    assert assemble(body.body, "application/json").message.data == {"role": "assistant", "content": "Hi"}


def test_a_refusal_has_its_text_and_is_kept():
    reply = reply_of(delta(refusal="I can't "), delta(refusal="do that."), STOP)
    assert (reply.finish_reason, reply.refusal, reply.text) == ("refusal", "I can't do that.", "")
    assert reply.message.data == {"role": "assistant", "content": None, "refusal": "I can't do that."}


def test_made_ids_avoid_what_is_used():
    used = {made_id(3, 0)}
    reply = reply_of(call_delta(index=0, name="f", arguments="{}"), CALLS, turn=3, used=used)
    assert reply.calls[0].id not in used
    assert len(reply.calls[0].id) == 9
    assert reply.calls[0].id.isalnum()


def test_progress_comes_piece_by_piece():
    told = []
    reply_of(
        delta(reasoning="Hm"),
        delta(content="Hel"),
        delta(content="lo"),
        call_delta(index=0, id="a", name="f", arguments=""),
        call_delta(index=0, arguments="{}"),
        CALLS,
        told=told,
    )
    assert told == [
        ReasoningProgress("Hm"),
        TextProgress("Hel"),
        TextProgress("lo"),
        CallProgress(0, "f", ""),
        CallProgress(0, "f", "{}"),
    ]
