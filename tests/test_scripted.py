"""A script plays what a service would do: replies through the same assembly, the same failures."""

import asyncio

import pytest

from agentrun.engine.messages import Request, ToolCall, ToolList, Usage, user
from agentrun.engine.ports import CallProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models.scripted import Scripted
from agentrun.spec.script_types import ScriptCall, ScriptError, ScriptTurn

REQUEST = Request([user("q")], ToolList([]))


def play(turn, request=REQUEST):
    told = []
    return asyncio.run(Scripted("script", [turn]).complete(request, told.append)), told


def failure_of(turn):
    with pytest.raises(ModelError) as failure:
        play(turn)
    return failure.value


def test_text_is_told_and_answered():
    reply, told = play(ScriptTurn(content="Hi"))
    assert (reply.text, reply.finish_reason, reply.message.data) == (
        "Hi",
        "stop",
        {"role": "assistant", "content": "Hi"},
    )
    assert told == [TextProgress("Hi")]


def test_chunks_are_the_pieces_of_the_text():
    reply, told = play(ScriptTurn(chunks=["H", "", "i"]))
    assert reply.text == "Hi"
    assert told == [TextProgress("H"), TextProgress("i")]


def test_calls_have_ids_whether_written_or_not():
    calls = [ScriptCall("a", {"x": 1}), ScriptCall("b", "{broken", "mine")]
    reply, told = play(ScriptTurn(tool_calls=calls))
    made = reply.calls[0].id
    assert reply.calls == (ToolCall(made, "a", '{"x":1}'), ToolCall("mine", "b", "{broken"))
    assert len(made) == 9
    assert made.isalnum()
    assert reply.finish_reason == "tool_calls"
    assert told == [CallProgress(0, "a", '{"x":1}'), CallProgress(1, "b", "{broken")]


def test_made_ids_are_the_same_when_played_again_and_others_in_the_next_turn():
    turn = ScriptTurn(tool_calls=[ScriptCall("a")])
    first, _ = play(turn)
    again, _ = play(turn)
    longer, _ = play(turn, Request([user("q"), user("r")], ToolList([])))
    assert first.calls[0].id == again.calls[0].id != longer.calls[0].id


def test_an_id_that_the_conversation_has_used_is_replaced():
    turn = ScriptTurn(tool_calls=[ScriptCall("a", {}, "used")])
    reply, _ = play(turn, Request([user("q")], ToolList([]), used_call_ids={"used"}))
    assert reply.calls[0].id != "used"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_written_finish_reason_holds(reason):
    reply, _ = play(ScriptTurn(content="Hal", finish_reason=reason))
    assert (reply.finish_reason, reply.text) == (reason, "Hal")


def test_a_refusal_is_a_refusal():
    reply, _ = play(ScriptTurn(content="I can't.", finish_reason="refusal"))
    assert (reply.finish_reason, reply.refusal, reply.text) == ("refusal", "I can't.", "")


def test_usage_is_given():
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    reply, _ = play(ScriptTurn(content="Hi", usage=usage))
    assert reply.usage == Usage(3, 2, 5)


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (503, True), (529, True), (400, False), (401, False)])
def test_a_status_fails_as_it_would_from_a_service(status, retryable):
    failure = failure_of(ScriptTurn(error=ScriptError(status, "too much", 7)))
    assert (failure.status, failure.retryable) == (status, retryable)
    assert failure.retry_after_s == 7
    assert "too much" in failure.message


@pytest.mark.parametrize("error", ["cut", "reset"])
def test_a_broken_turn_tells_its_text_and_is_no_reply(error):
    told = []
    model = Scripted("script", [ScriptTurn(content="Hal", error=error)])
    with pytest.raises(ModelError) as failure:
        asyncio.run(model.complete(REQUEST, told.append))
    assert (failure.value.code, failure.value.retryable) == ("incomplete_reply", True)
    assert told == [TextProgress("Hal")]


def test_a_turn_of_nothing_is_no_reply():
    assert failure_of(ScriptTurn()).code == "empty_reply"


def test_a_used_up_script_says_how_many_turns_it_had():
    model = Scripted("script", [ScriptTurn(content="Hi")])

    async def ask_twice():
        await model.complete(REQUEST, lambda _: None)
        await model.complete(REQUEST, lambda _: None)

    with pytest.raises(ModelError, match="has 1 turn,") as failure:
        asyncio.run(ask_twice())
    assert (failure.value.code, failure.value.retryable) == ("script_exhausted", False)
    assert len(model.requests) == 2


def test_a_used_up_script_says_that_a_failure_is_tried_again():
    model = Scripted("script", [ScriptTurn(error="reset")])

    async def ask_twice():
        with pytest.raises(ModelError, match="reset"):
            await model.complete(REQUEST, lambda _: None)
        await model.complete(REQUEST, lambda _: None)

    with pytest.raises(ModelError, match="has 1 turn, and the model was asked once more after a failure"):
        asyncio.run(ask_twice())


def test_recorded_requests_do_not_change_with_the_conversation():
    messages = [user("q")]
    model = Scripted("script", [ScriptTurn(content="Hi")])
    asyncio.run(model.complete(Request(messages, ToolList([])), lambda _: None))
    messages.append(user("more"))
    assert list(model.requests[0].messages) == [user("q")]
