"""Whatever happened to a conversation, what is sent is a history that services accept."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.messages import Message, system, tool_result, user
from agentrun.models.history import message_json, repair


def calling(*ids, **fields):
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return Message({"role": "assistant", "content": None, "tool_calls": calls, **fields})


def saying(text):
    return Message({"role": "assistant", "content": text})


VALID = [system("s"), user("q"), calling("a", "b"), tool_result("a", "1"), tool_result("b", "2"), saying("done")]


def test_a_valid_history_is_returned_as_it_is():
    assert repair(VALID) is VALID


def test_a_call_without_a_result_gets_an_interrupted_one():
    repaired = repair([user("q"), calling("a", "b"), tool_result("a", "1"), user("and?")])
    assert repaired[:3] == [user("q"), calling("a", "b"), tool_result("a", "1")]
    assert repaired[3].data["tool_call_id"] == "b"
    assert json.loads(repaired[3].data["content"])["error"]["type"] == "interrupted"
    assert repaired[4] == user("and?")


def test_calls_at_the_very_end_are_answered_too():
    repaired = repair([user("q"), calling("a")])
    assert [message.role for message in repaired] == ["user", "assistant", "tool"]


def test_results_are_put_into_the_order_of_their_calls():
    messages = [calling("a", "b"), tool_result("b", "2"), tool_result("a", "1")]
    assert repair(messages) == [calling("a", "b"), tool_result("a", "1"), tool_result("b", "2")]


def test_results_of_no_call_are_dropped():
    messages = [
        tool_result("x", "0"),
        user("q"),
        calling("a"),
        tool_result("a", "1"),
        tool_result("a", "again"),
        saying("ok"),
    ]
    assert repair(messages) == [user("q"), calling("a"), tool_result("a", "1"), saying("ok")]


def test_a_result_that_comes_after_another_message_is_not_its_calls_result():
    repaired = repair([calling("a"), user("stop"), tool_result("a", "late")])
    assert [message.role for message in repaired] == ["assistant", "tool", "user"]
    assert "interrupted" in repaired[1].data["content"]


def test_an_assistant_message_that_says_nothing_is_left_out():
    for empty in (saying(None), saying(""), saying([]), Message({"role": "assistant"})):
        assert repair([user("q"), empty, user("r")]) == [user("q"), user("r")]


def test_a_refusal_says_something():
    messages = [user("q"), Message({"role": "assistant", "content": None, "refusal": "no"})]
    assert repair(messages) is messages


MESSAGES = st.sampled_from(
    [
        user("q"),
        saying("t"),
        saying(None),
        calling("a"),
        calling("a", "b"),
        tool_result("a", "1"),
        tool_result("b", "2"),
    ]
)


@given(st.lists(MESSAGES, max_size=8))
def test_a_repaired_history_is_valid_and_keeps_what_people_said(messages):
    repaired = repair(messages)
    assert repair(repaired) is repaired
    assert [message for message in repaired if message.role == "user"] == [m for m in messages if m.role == "user"]


def test_content_beside_calls_is_sent_as_the_service_wants_it():
    def sent(message, wanted):
        return json.loads(message_json(message, wanted))

    assert sent(calling("a"), None)["content"] is None
    assert sent(calling("a"), "")["content"] == ""
    assert "content" not in sent(calling("a"), "omit")
    assert sent(calling("a", content=""), None)["content"] is None
    without = Message({key: value for key, value in calling("a").data.items() if key != "content"})
    assert sent(without, None)["content"] is None
    assert "content" not in sent(without, "omit")


def test_content_that_is_there_is_never_touched():
    for message in (calling("a", content="text"), saying("text"), user("")):
        for wanted in (None, "", "omit"):
            assert message_json(message, wanted) is message.json
