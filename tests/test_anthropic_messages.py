"""The client of Anthropic's Messages API against a real server on the loopback interface."""

import asyncio
import itertools
import sys
import time

import pytest

from agentrun.cli import run_cli
from agentrun.engine.messages import FunctionTool, Request, ToolList, system, tool_result, user
from agentrun.engine.ports import TextProgress
from agentrun.errors import ModelError
from agentrun.models.anthropic_messages import MAX_PAUSES, AnthropicMessages
from agentrun.models.retry import Retrying
from anthropic_stream import (
    PING,
    call,
    error_event,
    named,
    refused,
    said,
    start,
    stop,
    text,
    thinking,
)
from projects import write_project
from servers import ModelServer, Response, cut, hang_up, in_pieces, page, silence

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = FunctionTool("get_weather", "Current weather for a city.", CITY)
TOOLS = ToolList([FunctionTool("now", "", {"type": "object", "properties": {}}), WEATHER])
NO_TOOLS = ToolList([])
QUESTION = Request([user("q")], NO_TOOLS)
CACHED = {"cache_control": {"type": "ephemeral"}}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("API_KEY", "AUTH_TOKEN", "BASE_URL", "CUSTOM_HEADERS", "PROFILE"):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)


def address(server):
    return f"http://127.0.0.1:{server.port}"


def client(base_url, **options):
    wiring = {"api_key": None, "headers": {}, "settings": {}, "connect_s": 5, "idle_s": 5, "total_s": 20}
    return AnthropicMessages("claude-x", base_url=base_url, **{**wiring, **options})


async def complete(model, *requests, tell=lambda progress: None):
    try:
        return [await model.complete(request, tell) for request in requests]
    finally:
        await model.aclose()


def ask(*script, requests=(QUESTION,), told=None, **options):
    """The replies to `requests` and what the server was sent."""
    told = [] if told is None else told
    with ModelServer(script) as server:
        model = client(address(server), **options)
        return asyncio.run(complete(model, *requests, tell=told.append)), server


def failure_of(*script, **options):
    with pytest.raises(ModelError) as failure:
        ask(*script, **options)
    return failure.value


def sent(request=QUESTION, **options):
    _, server = ask(said("Hi"), requests=[request], **options)
    return server.requests[0]


# -- the request ----------------------------------------------------------------------------------------------


def test_a_conversation_with_parallel_calls_sends_exactly_this():
    messages = [system("Be brief."), user("Weather in Oslo and Rome?")]
    oslo, rome = {"city": "Oslo"}, {"city": "Rome"}
    calls = [
        *thinking("Two cities.", "c2ln"),
        *call("get_weather", oslo, "toolu_a", 1),
        *call("get_weather", rome, "toolu_b", 2),
    ]
    script = [named(start(), *calls, *stop("tool_use")), said("Cold and warm.")]
    options = {"temperature": 1, "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with ModelServer(script) as server:

        async def converse():
            model = client(address(server), settings=options)
            first = await model.complete(Request(messages, TOOLS), lambda _: None)
            results = [tool_result(one.id, f"{number}") for number, one in enumerate(first.calls)]
            history = [*messages, first.message, *results]
            second = await model.complete(Request(history, TOOLS, parallel_tool_calls=False), lambda _: None)
            await model.aclose()
            return first, second

        first, second = asyncio.run(converse())
    assert (first.finish_reason, second.text) == ("tool_calls", "Cold and warm.")
    frame = {
        "model": "claude-x",
        "tools": [
            {"name": "now", "input_schema": {"type": "object", "properties": {}}},
            {
                "name": "get_weather",
                "description": "Current weather for a city.",
                "input_schema": CITY,
                **CACHED,
            },
        ],
        "system": [{"type": "text", "text": "Be brief.", **CACHED}],
        **options,
        "stream": True,
    }
    asked = {"type": "text", "text": "Weather in Oslo and Rome?"}
    assert [(request.method, request.path) for request in server.requests] == [("POST", "/v1/messages")] * 2
    assert server.requests[0].json == {**frame, "messages": [{"role": "user", "content": [{**asked, **CACHED}]}]}
    assert server.requests[1].json == {
        **frame,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": [asked]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Two cities.", "signature": "c2ln"},
                    {"type": "tool_use", "id": "toolu_a", "name": "get_weather", "input": oslo},
                    {"type": "tool_use", "id": "toolu_b", "name": "get_weather", "input": rome},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_a", "content": "0"},
                    {"type": "tool_result", "tool_use_id": "toolu_b", "content": "1", **CACHED},
                ],
            },
        ],
    }


def test_settings_cannot_replace_the_messages_or_the_system_text():
    failure = refused_before_sending("http://127.0.0.1:1", settings={"messages": [], "system": "x"})
    assert "messages, system" in failure.message


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
FORMATTED = Request(
    [user("q")],
    NO_TOOLS,
    response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": CLOSED}},
)


def test_a_model_without_structured_output_is_told_the_schema_in_words_from_then_on():
    refusal = refused(400, "invalid_request_error", "output_config.format: not supported by this model")
    _, server = ask(refusal, said("{}"), said("{}"), requests=[FORMATTED, FORMATTED])
    bodies = [received.json for received in server.requests]
    assert ["output_config" in one for one in bodies] == [True, False, False]
    assert all("JSON Schema" in one["system"][-1]["text"] for one in bodies[1:])


def test_another_refusal_is_not_taken_for_one_of_the_format():
    assert failure_of(refused(400, "invalid_request_error", "bad top_p"), requests=[FORMATTED]).status == 400
    assert failure_of(refused(400, "invalid_request_error", "output_config"), requests=[QUESTION]).status == 400


def test_a_paused_turn_is_sent_back_and_goes_on():
    paused = named(start(), *text("One, "), *stop("pause_turn"))
    told = []
    (reply,), server = ask(paused, said("two."), told=told)
    assert reply.text == "One, two."
    assert told == [TextProgress("One, "), TextProgress("two.")]
    assert server.requests[1].json["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "text", "text": "One, "}]}
    ]


def test_a_turn_is_not_continued_for_ever():
    paused = named(start(), *text("More. "), *stop("pause_turn"))
    failure = failure_of(*[paused] * (MAX_PAUSES + 5))
    assert failure.code == "paused_too_often"
    assert not failure.retryable


# -- keys, headers, addresses ---------------------------------------------------------------------------------


def test_the_key_the_version_and_the_files_headers_are_sent():
    headers = sent(api_key="sk-file\n", headers={"X-Team": " shop"}).headers
    assert headers["authorization"] == "Bearer sk-file"
    assert headers["anthropic-version"]
    assert headers["content-type"] == "application/json"
    assert headers["x-team"] == "shop"


def test_a_file_may_write_the_header_of_the_key_itself():
    headers = sent(headers={"x-api-key": "sk-file"}).headers
    assert headers["x-api-key"] == "sk-file"
    assert "authorization" not in headers
    assert sent(headers={"authorization": "Bearer sk-file"}).headers["authorization"] == "Bearer sk-file"


def test_the_environments_key_and_headers_go_to_no_address_that_a_file_names(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-secret")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Secret: secret\nX-Team: secret")
    headers = sent(headers={"X-Team": "mine"}).headers
    assert "secret" not in str(headers)
    assert headers["x-team"] == "mine"


def test_the_environments_address_gets_the_environments_key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    with ModelServer([said("Hi")]) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address(server))
        asyncio.run(complete(client(None), QUESTION))
    assert server.requests[0].headers["authorization"] == "Bearer sk-environment"


def test_an_address_below_a_path_is_kept():
    with ModelServer([said("Hi")]) as server:
        asyncio.run(complete(client(f"{address(server)}/anthropic/?team=7"), QUESTION))
    assert server.requests[0].path == "/anthropic/v1/messages?team=7"


def refused_before_sending(base_url, **options):
    with pytest.raises(ModelError) as failure:
        asyncio.run(complete(client(base_url, **options), QUESTION))
    assert not failure.value.retryable
    return failure.value


def test_without_a_key_anthropic_is_not_even_asked():
    failure = refused_before_sending(None, environment={"OPENAI_API_KEY": "sk-other"})
    assert "https://api.anthropic.com" in failure.message
    assert "ANTHROPIC_API_KEY is not set" in failure.message
    assert "`--model offline`" in failure.help


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "anthropic", None)
    failure = refused_before_sending("http://127.0.0.1:1")
    assert failure.help == "Install it: pip install 'anthropic>=2,<3'"


def test_proxy_variables_count_only_when_asked_for(monkeypatch):
    with ModelServer([said("from the proxy")]) as proxy, ModelServer([said("from the service")]) as server:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, address(proxy))
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        (reply,) = asyncio.run(complete(client(address(server)), QUESTION))
        assert reply.text == "from the service"
        (reply,) = asyncio.run(complete(client(address(server), use_proxy=True), QUESTION))
        assert reply.text == "from the proxy"


# -- the response ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_in_pieces_is_told_and_answered(size):
    told = []
    (reply,), _ = ask(in_pieces(said("Hel", "lö"), size), told=told)
    assert reply.text == "Hellö"
    assert reply.usage.total_tokens == 15
    assert told == [TextProgress("Hel"), TextProgress("lö")]


def test_turns_share_a_connection():
    replies, server = ask(said("a"), said("b"), said("c"), requests=[QUESTION] * 3)
    assert [reply.text for reply in replies] == ["a", "b", "c"]
    assert server.connections == 1


def test_a_client_serves_one_event_loop_after_another():
    with ModelServer([said("a"), said("b")]) as server:
        model = client(address(server))
        texts = [asyncio.run(model.complete(QUESTION, lambda _: None)).text for _ in range(2)]
        assert texts == ["a", "b"]


WHOLE = said("Hello")
BEFORE_LAST = WHOLE.body.index(b"event: message_stop")


@pytest.mark.parametrize("ending", ["reset", "cut", "silent"])
def test_what_breaks_after_the_last_event_takes_nothing_away(ending):
    (reply,), _ = ask(cut(WHOLE, len(WHOLE.body), ending), idle_s=1.5)
    assert reply.text == "Hello"


def pinging():
    for _ in itertools.count():
        time.sleep(0.005)  # the pace of an endless stream, not a wait for anything
        yield named(PING).body


@pytest.mark.parametrize(
    ("response", "code"),
    [
        pytest.param(cut(WHOLE, BEFORE_LAST, "reset"), "incomplete_reply", id="reset"),
        pytest.param(cut(WHOLE, BEFORE_LAST, "cut"), "incomplete_reply", id="cut"),
        pytest.param(cut(WHOLE, BEFORE_LAST, "whole"), "incomplete_reply", id="a clean end"),
        pytest.param(cut(WHOLE, BEFORE_LAST, "silent"), "timeout", id="silence"),
        pytest.param(silence(), "timeout", id="no answer"),
        pytest.param(hang_up(), "connection", id="no head"),
        pytest.param(page("Please wait"), "wrong_content_type", id="a web page"),
        pytest.param(named(start(), error_event("overloaded_error")), "overloaded_error", id="an error event"),
    ],
)
def test_a_turn_without_its_end_is_a_failure_that_may_pass(response, code):
    failure = failure_of(response, idle_s=0.2 if code == "timeout" else 20)
    assert (failure.code, failure.retryable) == (code, True)


def test_pings_do_not_count_as_a_sign_of_life():
    failure = failure_of(Response(pinging()), idle_s=0.2, total_s=3)
    assert "sent nothing within 0.2 s" in failure.message


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (400, "invalid_request_error", False),
        (401, "authentication_error", False),
        (403, "permission_error", False),
        (404, "not_found_error", False),
        (413, "request_too_large", False),
        (429, "rate_limit_error", True),
        (500, "api_error", True),
        (529, "overloaded_error", True),
    ],
)
def test_a_status_says_whether_to_ask_again(code, kind, retryable):
    failure = failure_of(refused(code, kind, "so it is", headers={"retry-after": "7"}), api_key="sk-wrong")
    assert (failure.status, failure.code, failure.retryable) == (code, kind, retryable)
    assert failure.retry_after_s == 7
    assert "so it is" in failure.message


def test_a_401_and_a_404_say_what_to_check():
    assert failure_of(refused(401, "authentication_error"), api_key="sk-wrong").help == "Check `api_key` under `model`."
    assert "without /v1" in failure_of(refused(404, "not_found_error")).help


def test_a_long_prompt_is_a_failure_of_the_context():
    failure = failure_of(refused(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"))
    assert failure.code == "context_length_exceeded"


def test_an_overloaded_service_is_asked_again_after_the_wait_that_it_wants():
    waits = []

    async def sleep(delay_s):
        waits.append(delay_s)

    overloaded = refused(529, "overloaded_error", headers={"retry-after": "3"})
    with ModelServer([overloaded, named(start(), error_event("overloaded_error")), said("Hi")]) as server:
        model = Retrying([client(address(server))], sleep=sleep, random=lambda: 1.0)
        reply = asyncio.run(model.complete(QUESTION, lambda _: None))
    assert reply.text == "Hi"
    assert waits == [3.0, 1.0]


# -- a whole run ----------------------------------------------------------------------------------------------

KEY = "sk-ant-canary-0123456789"
PROJECT = {
    "agents/asked.yaml": """
        model: {name: claude-x, api: anthropic_messages}
        limits: {max_turns: 2, on_limit: answer}
        tools:
          - name: note
            description: Notes a number.
            parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
            python: notes:note
    """,
    "notes.py": f"def note(n):\n    return f'{{n}} noted with {KEY}'\n",
}


def run_with(script, folder, monkeypatch, capsys):
    write_project(folder, PROJECT)
    with ModelServer(script) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address(server))
        code = run_cli(["run", str(folder / "agents/asked.yaml"), "Note them", "--output", "jsonl"])
    return code, capsys.readouterr().out, [request.json for request in server.requests]


def noting(*numbers):
    calls = [event for index, n in enumerate(numbers) for event in call("note", {"n": n}, f"toolu_{n}", index)]
    return named(start(), *calls, *stop("tool_use"))


def test_a_run_calls_tools_and_answers_and_never_shows_the_environments_key(tmp_path, monkeypatch, capsys):
    code, out, bodies = run_with([noting(1, 2), said("Both noted.")], tmp_path, monkeypatch, capsys)
    assert code == 0
    assert '"text":"Both noted."' in out
    results = bodies[1]["messages"][2]["content"]
    assert [one["content"] for one in results] == ["1 noted with [secret]", "2 noted with [secret]"]
    assert KEY not in out


def test_the_last_answer_at_a_limit_may_not_call_but_sends_the_tools_of_the_history(tmp_path, monkeypatch, capsys):
    code, out, bodies = run_with([noting(1), noting(2), said("That's it.")], tmp_path, monkeypatch, capsys)
    assert code == 1
    assert '"text":"That\'s it."' in out
    assert bodies[2]["tool_choice"] == {"type": "none"}
    assert [tool["name"] for tool in bodies[2]["tools"]] == ["note"]
    assert bodies[2]["messages"][-1]["content"][0]["is_error"] is True
