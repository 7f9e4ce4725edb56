"""A model is sent what it said itself as it came, and of other models' turns what every service takes."""

import json

import pytest

from agentrun.api import load, run_sync
from agentrun.engine.messages import Message, Reply
from agentrun.models.speakers import SAID_BY, signed, speaker, with_short_ids
from anthropic_stream import call as tool_use
from anthropic_stream import named, said, start, stop, thinking
from projects import write_project
from responses_events import call as function_call
from responses_events import message, reasoning, streamed
from servers import ModelServer, call_delta, delta, events, sse, status

CHAT, CLAUDE, GPT = "chat_completions", "anthropic_messages", "responses"
LONG = "functions.transfer:0__" + "x" * 60
TOO_LONG = "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."


def agent(server, api, *handoffs, model="m", more=""):
    url = f"http://127.0.0.1:{server.port}" if api == CLAUDE else server.base_url
    return (
        f"model: {{name: {model}, api: {api}, base_url: '{url}', api_key: k, max_retries: 0}}\n"
        f"system_prompt: You are {api} {model}.\nhandoffs: [{', '.join(handoffs)}]\n{more}"
    )


def play(folder, agents, *texts):
    write_project(folder, {f"agents/{name}.yaml": text for name, text in agents.items()})
    who, messages, outcome = load(folder / "agents/first.yaml"), [], None
    for text in texts:
        outcome = run_sync(who, text, messages=messages)
        assert outcome.ended_well, outcome.error
        who = outcome.agent
    return outcome


def chat_over(to, call_id="call_1", **fields):
    """A turn that hands over, with fields that only its own service knows."""
    asked = call_delta(index=0, id=call_id, type="function", name=f"transfer_to_{to}", arguments="{}")
    asked["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    return events(delta(role="assistant", **fields), asked, delta("tool_calls"), "[DONE]")


def claude_over(to):
    return named(start(), *thinking("Hm."), *tool_use(f"transfer_to_{to}", {}, "toolu_1", 1), *stop("tool_use"))


def gpt_over(to):
    return streamed(reasoning("Hm."), function_call(f"transfer_to_{to}", {}, "call_g"))


def test_three_apis_have_one_conversation_and_each_gets_its_own_reasoning_alone(tmp_path):
    with (
        ModelServer([chat_over("claude", "call.1", reasoning_content="Hm."), sse("Done.")]) as chat,
        ModelServer([claude_over("gpt"), claude_over("first")]) as claude,
        ModelServer([gpt_over("claude")]) as gpt,
    ):
        outcome = play(
            tmp_path,
            {
                "first": agent(chat, CHAT, "claude"),
                "claude": agent(claude, CLAUDE, "gpt", "first"),
                "gpt": agent(gpt, GPT, "claude"),
            },
            "Hi",
        )
    assert outcome.text == "Done."
    first, again = (one.json for one in claude.requests)
    assert [[block["type"] for block in turn["content"]] for turn in first["messages"]] == [
        ["text"],
        ["tool_use"],
        ["tool_result"],
    ]
    assert first["system"][0]["text"] == again["system"][0]["text"] == "You are anthropic_messages m."
    called, answered = first["messages"][1]["content"][0], first["messages"][2]["content"][0]
    assert called["id"] == answered["tool_use_id"] != "call.1"
    own, others = again["messages"][3]["content"], again["messages"][5]["content"]
    assert [block["type"] for block in own] == ["thinking", "tool_use"]
    assert [block["type"] for block in others] == ["tool_use"]
    (asked,) = gpt.requests
    assert "thinking" not in asked.body.decode()
    assert [one.get("type", one.get("role")) for one in asked.json["input"]] == [
        "system",
        "user",
        *["function_call", "function_call_output"] * 2,
    ]
    last = chat.requests[1].json["messages"]
    assert [one["role"] for one in last] == ["system", "user", *["assistant", "tool"] * 4]
    assert last[0]["content"] == "You are chat_completions m."
    assert last[2]["reasoning_content"] == "Hm."
    assert "extra_content" in last[2]["tool_calls"][0]
    assert {key for one in last[4::2] for key in one} == {"role", "content", "tool_calls"}
    for server in (chat, claude, gpt):
        assert all(SAID_BY not in one.body.decode() for one in server.requests)


@pytest.mark.parametrize(("model", "is_sent"), [("m", True), ("other", False)])
def test_reasoning_items_go_to_the_model_that_made_them_and_to_no_other_at_the_same_service(tmp_path, model, is_sent):
    with ModelServer([gpt_over("second"), streamed(message("Done."))]) as server:
        agents = {"first": agent(server, GPT, "second"), "second": agent(server, GPT, model=model)}
        play(tmp_path, agents, "Hi")
    sent = server.requests[1].json["input"]
    assert [one for one in sent if one.get("type") == "reasoning"] == ([reasoning("Hm.")] if is_sent else [])
    called = next(one for one in sent if one.get("type") == "function_call")
    assert ("id" in called) == is_sent  # an item with the service's id wants the reasoning before it
    assert called["call_id"] == "call_g"


def test_signed_thinking_goes_to_no_other_model(tmp_path):
    with ModelServer([claude_over("second"), said("Done.")]) as server:
        agents = {"first": agent(server, CLAUDE, "second"), "second": agent(server, CLAUDE, model="other")}
        play(tmp_path, agents, "Hi")
    (block,) = server.requests[1].json["messages"][1]["content"]
    assert block["type"] == "tool_use"
    assert "tools" in server.requests[1].json  # of the history, for an agent without any


def test_fields_of_one_service_are_not_sent_to_another_and_come_back_to_it(tmp_path):
    with (
        ModelServer([chat_over("second", reasoning_content="Hm."), sse("Back.")]) as server,
        ModelServer([sse(calls=[("transfer_to_first", {}, "call_2")])]) as other,
    ):
        play(tmp_path, {"first": agent(server, CHAT, "second"), "second": agent(other, CHAT, "first")}, "Hi")
    called = other.requests[0].json["messages"][2]
    assert called.keys() == {"role", "content", "tool_calls"}
    assert called["tool_calls"][0].keys() == {"id", "type", "function"}
    own = server.requests[1].json["messages"][2]
    assert own["reasoning_content"] == "Hm."
    assert own["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


def test_a_fallback_is_another_model_too(tmp_path):
    with ModelServer([sse("Hi.", reasoning="Hm."), status(400), sse("Hello.")]) as server:
        text = agent(server, CHAT).replace("max_retries: 0", "max_retries: 0, fallback: [other]")
        play(tmp_path, {"first": text}, "Hi", "And?")
    same, other = (one.json["messages"][2] for one in server.requests[1:])
    assert (same.get("reasoning_content"), other.get("reasoning_content")) == ("Hm.", None)


def test_ids_that_a_service_finds_too_long_are_short_from_then_on(tmp_path):
    first = [sse(calls=[("transfer_to_second", {}, LONG)])]
    second = [status(400, TOO_LONG), sse("Hi."), sse("And hello.")]
    with ModelServer(first) as one, ModelServer(second) as other:
        play(tmp_path, {"first": agent(one, CHAT, "second"), "second": agent(other, CHAT)}, "Hi", "And?")
    ids = [
        (sent["messages"][2]["tool_calls"][0]["id"], sent["messages"][3]["tool_call_id"])
        for sent in (each.json for each in other.requests)
    ]
    assert ids[0] == (LONG, LONG)
    assert ids[1] == ids[2]
    assert len(set(ids[1])) == 1
    assert len(ids[1][0]) == 9
    assert ids[1][0].isalnum()


def test_a_long_id_is_cut_for_the_responses_api(tmp_path):
    first = [sse(calls=[("transfer_to_second", {}, LONG)])]
    with ModelServer(first) as one, ModelServer([streamed(message("Hi."))]) as other:
        play(tmp_path, {"first": agent(one, CHAT, "second"), "second": agent(other, GPT)}, "Hi")
    called, answered = other.requests[0].json["input"][2:]
    assert called["call_id"] == answered["call_id"]
    assert len(called["call_id"]) <= 64


def test_another_refusal_is_not_taken_for_one_of_an_id(tmp_path):
    with ModelServer([sse(calls=[("transfer_to_second", {})]), status(400, "max length of the input")]) as server:
        folder = write_project(
            tmp_path,
            {
                "agents/first.yaml": agent(server, CHAT, "second"),
                "agents/second.yaml": agent(server, CHAT, model="other"),
            },
        )
        outcome = run_sync(load(folder / "agents/first.yaml"), "Hi")
    assert outcome.reason == "model_error"
    assert len(server.requests) == 2


def test_only_what_others_may_refuse_names_its_speaker():
    plain = {"role": "assistant", "content": "Hi", "refusal": "No"}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    def is_signed(data):
        reply = signed(Reply(Message(data), "", (), "stop"), "me")
        return reply.message.data.get(SAID_BY) == "me"

    assert not is_signed(plain)
    assert not is_signed({**plain, "tool_calls": [call]})
    assert is_signed({**plain, "reasoning": "Hm."})
    assert is_signed({**plain, "tool_calls": [{**call, "extra_content": {}}]})


def test_a_speaker_is_a_model_at_an_address_that_is_not_shown():
    assert speaker("m", "https://a.example/v1") != speaker("m", "https://b.example/v1")
    assert "example" not in speaker("m", "https://a.example/v1")


def test_short_ids_stay_as_they_are_and_pairs_stay_pairs():
    calling = {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {}}, {"id": "abcdefgh9"}]}
    first, second = (one["id"] for one in with_short_ids(Message(calling)).data["tool_calls"])
    assert second == "abcdefgh9"
    result = with_short_ids(Message({"role": "tool", "tool_call_id": "call_1", "content": "x"}))
    assert json.loads(result.json)["tool_call_id"] == first
