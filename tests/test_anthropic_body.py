"""The engine's request in the form of Anthropic's Messages API."""

import base64
import json

import pytest

from agentrun.engine.messages import FunctionTool, Message, Request, ToolList, system, tool_result, user
from agentrun.errors import ModelError, ToolFailure
from agentrun.models.anthropic_body import answer_format, request_json
from agentrun.models.history import message_json

CLOCK = FunctionTool("now", "", {"type": "object", "properties": {}})
WEATHER = FunctionTool("get_weather", "Current weather.", {"properties": {"city": {"type": "string"}}}, strict=True)
TOOLS = ToolList([CLOCK, WEATHER])
NO_TOOLS = ToolList([])
CACHED = {"type": "ephemeral"}


def body(messages, tools=NO_TOOLS, settings=None, **options):
    extra = {key: options.pop(key) for key in ("format_in_words", "continued") if key in options}
    return json.loads(request_json(Request(messages, tools, **options), "claude-x", settings or {}, **extra))


def turns(*messages):
    """The messages as they are sent, without the mark of the cache."""
    sent = body(messages)["messages"]
    for turn in sent:
        for one in turn["content"]:
            one.pop("cache_control", None)
    return [(turn["role"], turn["content"]) for turn in sent]


def calling(*ids, content=None, name="now", **more):
    function = {"name": name, "arguments": '{"a": 1}'}
    calls = [{"id": one, "type": "function", "function": function} for one in ids]
    return Message({"role": "assistant", "content": content, "tool_calls": calls, **more})


def said(text):
    return {"type": "text", "text": text}


def used(call_id):
    return {"type": "tool_use", "id": call_id, "name": "now", "input": {"a": 1}}


def result(call_id, content):
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


# -- the request ----------------------------------------------------------------------------------------------


def test_only_what_is_needed_is_sent():
    assert body([user("q")]) == {
        "model": "claude-x",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{**said("q"), "cache_control": CACHED}]}],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, 8192),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 5),
    ],
)
def test_the_required_max_tokens_comes_from_the_settings_by_either_name(settings, sent):
    found = body([user("q")], settings=settings)
    assert found["max_tokens"] == sent
    assert "max_completion_tokens" not in found


def test_other_settings_are_sent_as_they_are():
    settings = {"temperature": 0.2, "thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": False}
    assert settings.items() <= body([user("q")], settings=settings).items()


def test_system_texts_stand_apart_in_their_order():
    sent = body([system("a"), user("q"), Message({"role": "developer", "content": "b"}), system("  ")])
    assert sent["system"] == [said("a"), {**said("b"), "cache_control": CACHED}]
    assert [turn["role"] for turn in sent["messages"]] == ["user"]


def test_tools_have_an_input_schema_of_type_object():
    assert body([user("q")], TOOLS)["tools"] == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "get_weather",
            "description": "Current weather.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
            "strict": True,
            "cache_control": CACHED,
        },
    ]


def test_the_cache_is_marked_at_the_end_of_tools_system_and_conversation_and_nowhere_else():
    messages = [system("s"), user("q"), calling("a", "b"), tool_result("a", "1"), tool_result("b", "2")]
    sent = body(messages, TOOLS)
    assert json.dumps(sent).count("cache_control") == 3
    assert sent["tools"][-1]["cache_control"] == sent["system"][-1]["cache_control"] == CACHED
    assert sent["messages"][-1]["content"][-1]["cache_control"] == CACHED


def test_but_for_the_mark_a_later_request_begins_as_the_earlier_one():
    messages = [user("q"), calling("a"), tool_result("a", "1")]
    assert turns(*messages, user("more"))[0] == turns(*messages)[0]
    assert turns(*messages, Message({"role": "assistant", "content": "x"}), user("y"))[:3] == turns(*messages)


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, True, None),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "now"}}, None, {"type": "tool", "name": "now"}),
        ({"type": "function", "name": "now"}, None, {"type": "tool", "name": "now"}),
        ("now", None, {"type": "tool", "name": "now"}),
        ({"type": "any"}, None, {"type": "any"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_tool_choice_is_translated_from_the_chat_form(choice, parallel, sent):
    found = body([user("q")], TOOLS, tool_choice=choice, parallel_tool_calls=parallel)
    assert found.get("tool_choice") == sent
    assert len(found["tools"]) == 2


def test_allowed_tools_are_the_only_ones_that_are_sent():
    tools = [{"type": "function", "function": {"name": "now"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    found = body([user("q")], TOOLS, tool_choice=choice)
    assert found["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in found["tools"]] == ["now"]


def test_a_tool_choice_without_a_counterpart_is_named():
    with pytest.raises(ModelError, match="never_heard_of"):
        body([user("q")], TOOLS, tool_choice={"type": "never_heard_of"})


def test_what_belongs_to_tools_is_only_sent_with_tools():
    assert not {"tools", "tool_choice"} & body([user("q")], tool_choice="auto", parallel_tool_calls=False).keys()


def test_a_history_with_calls_is_sent_with_their_tools_even_where_none_may_be_called():
    found = body([user("q"), calling("a", "b"), tool_result("a", "1"), tool_result("b", "2")])
    assert found["tools"] == [{"name": "now", "input_schema": {"type": "object"}, "cache_control": CACHED}]
    assert found["tool_choice"] == {"type": "none"}


# -- messages -------------------------------------------------------------------------------------------------


def test_results_that_follow_each_other_are_one_message_and_a_users_text_comes_after_them():
    messages = [user("q"), calling("a", "b", content="So."), tool_result("a", "1"), tool_result("b", "2"), user("and?")]
    assert turns(*messages) == [
        ("user", [said("q")]),
        ("assistant", [said("So."), used("a"), used("b")]),
        ("user", [result("a", "1"), result("b", "2"), said("and?")]),
    ]


def test_messages_of_one_role_in_a_row_are_merged():
    reply = Message({"role": "assistant", "content": "b"})
    assert turns(user("a"), user("b"), reply, reply, user("c")) == [
        ("user", [said("a"), said("b")]),
        ("assistant", [said("b"), said("b")]),
        ("user", [said("c")]),
    ]


def test_no_text_block_is_blank():
    messages = [user(" \n"), calling("a", content=""), tool_result("a", "")]
    assert turns(*messages) == [
        ("user", [said("(empty)")]),
        ("assistant", [used("a")]),
        ("user", [{"type": "tool_result", "tool_use_id": "a"}]),
    ]


def test_a_failure_of_ours_is_marked_as_an_error_and_a_service_that_words_its_answer_alike_is_not():
    ours = json.dumps(ToolFailure("timeout", "no result", seconds=3).as_result(), separators=(",", ":"))
    others = ['{"error":{"type":"teapot","message":"x"}}', '{"error":"x"}', '{"error":{"type":"timeout"', "text"]
    also = '{"error":{"type":"timeout","message":"x"},"data":1}'
    for content, is_error in [(ours, True), *((one, False) for one in [*others, also])]:
        block = turns(user("q"), calling("a"), tool_result("a", content))[2][1][0]
        assert block.get("is_error", False) is is_error, content
        assert block["content"] == content


def test_a_broken_history_is_repaired():
    sent = turns(user("q"), calling("a"), user("and?"), tool_result("x", "orphan"))
    assert [role for role, _ in sent] == ["user", "assistant", "user"]
    assert "interrupted" in sent[2][1][0]["content"]
    assert sent[2][1][0]["is_error"] is True


def test_ids_of_another_service_are_made_fit_the_same_way_in_call_and_result():
    sent = turns(user("q"), calling("functions.now:0"), tool_result("functions.now:0", "1"))
    call_id = sent[1][1][0]["id"]
    assert call_id.replace("_", "").isalnum()
    assert sent[2][1][0]["tool_use_id"] == call_id


def test_arguments_that_are_no_object_are_sent_as_an_empty_one():
    function = {"name": "now", "arguments": '{"a":'}
    broken = Message({"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]})
    assert turns(user("q"), broken, tool_result("a", "1"))[1][1][0]["input"] == {}


def test_a_refusal_is_kept_as_text():
    refusal = Message({"role": "assistant", "content": None, "refusal": "I can't."})
    assert turns(user("q"), refusal, user("why?"))[1] == ("assistant", [said("I can't.")])


RECEIVED = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, said("So."), used("a")]


def test_received_blocks_go_back_as_they_came():
    message = calling("a", content="So.", anthropic_content=RECEIVED)
    assert turns(user("q"), message, tool_result("a", "1"))[1] == ("assistant", RECEIVED)


def test_received_blocks_that_no_longer_fit_the_calls_are_left_out():
    message = calling("other", content="So.", anthropic_content=RECEIVED)
    assert turns(user("q"), message, tool_result("other", "1"))[1] == ("assistant", [said("So."), used("other")])


def test_received_blocks_go_to_no_other_api():
    plain = calling("a", content="So.")
    assert message_json(calling("a", content="So.", anthropic_content=RECEIVED)) == message_json(plain)
    assert b"anthropic" not in message_json(calling("a", anthropic_content=RECEIVED), "omit")


def test_a_paused_turn_is_sent_back_after_the_conversation():
    sent = body([user("q")], continued=[said("So far")])["messages"]
    assert sent[1] == {"role": "assistant", "content": [said("So far")]}
    assert sent[0]["content"][-1]["cache_control"] == CACHED


# -- parts ----------------------------------------------------------------------------------------------------


def part(**fields):
    (role, blocks), *_ = turns(Message({"role": "user", "content": [fields]}))
    assert role == "user"
    return blocks[0]


def data_url(media_type, content=b"abc"):
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def test_images_become_image_blocks():
    assert part(type="image_url", image_url={"url": "https://x.example/a.png", "detail": "low"}) == {
        "type": "image",
        "source": {"type": "url", "url": "https://x.example/a.png"},
    }
    assert part(type="image_url", image_url={"url": data_url("image/png")}) == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "YWJj"},
    }


def test_files_become_documents():
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "YWJj"}
    file = {"file_data": data_url("application/pdf"), "filename": "a.pdf"}
    assert part(type="file", file=file) == {"type": "document", "source": pdf, "title": "a.pdf"}
    text = {"type": "text", "media_type": "text/plain", "data": "ü"}
    file = {"file_data": data_url("text/csv;charset=utf-8", "ü".encode())}
    assert part(type="file", file=file) == {"type": "document", "source": text}
    assert part(type="file", file={"file_id": "file_1"})["source"] == {"type": "file", "file_id": "file_1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "input_audio", "input_audio": {"data": "YWJj", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "/tmp/a.png"}},
        {"type": "file", "file": {"file_data": data_url("application/zip")}},
        {"type": "file", "file": {"file_data": data_url("text/plain", b"\xff")}},
        {"type": "file", "file": {}},
    ],
)
def test_a_part_that_the_api_does_not_take_is_named_before_anything_is_sent(fields):
    with pytest.raises(ModelError) as failure:
        part(**fields)
    assert failure.value.code == "unsupported_content"
    assert not failure.value.retryable


# -- the answer's format --------------------------------------------------------------------------------------

CLOSED = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def format_of(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def test_a_closed_schema_is_the_apis_own_output_format():
    found = body([user("q")], settings={"output_config": {"effort": "low"}}, response_format=format_of(CLOSED))
    assert found["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}}
    assert "system" not in found


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**CLOSED, "additionalProperties": True},
        {**CLOSED, "properties": {"n": {"type": "integer", "minimum": 1}}},
        {**CLOSED, "properties": {"n": {"type": "object"}}},
        {**CLOSED, "properties": {"n": {"type": ["object", "null"]}}},
        {**CLOSED, "properties": {"n": True}},
        {"type": "array", "items": {"type": "object"}},
        {"anyOf": [CLOSED, {"type": "object"}]},
        {"type": "string", "pattern": "^a"},
        {"type": "string", "format": "regex"},
    ],
)
def test_a_schema_that_the_api_would_refuse_is_told_in_words(schema):
    assert answer_format(format_of(CLOSED))[1] == ""
    output_format, words = answer_format(format_of(schema))
    assert output_format is None
    assert json.loads(words.partition("\n")[2]) == schema


def test_words_about_the_format_end_the_system_text_and_are_cached():
    found = body([system("s"), user("q")], response_format=format_of(CLOSED), format_in_words=True)
    assert found["system"][0] == said("s")
    assert "JSON Schema" in found["system"][1]["text"]
    assert found["system"][1]["cache_control"] == CACHED
    assert "output_config" not in found


def test_json_without_a_schema_is_asked_for_in_words_and_text_is_not():
    assert "one object" in body([user("q")], response_format={"type": "json_object"})["system"][0]["text"]
    assert "system" not in body([user("q")], response_format={"type": "text"})
