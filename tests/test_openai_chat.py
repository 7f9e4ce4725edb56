"""The chat completions client against a real server on the loopback interface."""

import asyncio
import gzip
import itertools
import json
import socket
import time

import pytest

from agentrun.engine.messages import FunctionTool, Message, Request, ToolList, system, tool_result, user
from agentrun.engine.ports import TextProgress
from agentrun.errors import ModelError
from agentrun.models.openai_chat import ChatCompletions
from servers import (
    ModelServer,
    Response,
    cut,
    delta,
    event,
    events,
    hang_up,
    in_pieces,
    page,
    reply_json,
    silence,
    sse,
    status,
)

WEATHER = FunctionTool(
    "get_weather",
    "Current weather for a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOCK = FunctionTool("now", "", {"type": "object", "properties": {}})
TOOLS = ToolList([WEATHER, CLOCK])
NO_TOOLS = ToolList([])
QUESTION = Request([user("q")], NO_TOOLS)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)


def client(base_url, **options):
    wiring = {"api_key": None, "headers": {}, "settings": {}, "connect_s": 5, "idle_s": 5, "total_s": 20}
    return ChatCompletions("gpt-x", base_url=base_url, **{**wiring, **options})


async def complete(model, *requests, tell=lambda progress: None):
    try:
        return [await model.complete(request, tell) for request in requests]
    finally:
        await model.aclose()


def ask(*script, requests=(QUESTION,), told=None, **options):
    """The replies to `requests` and what the server was sent."""
    told = [] if told is None else told
    with ModelServer(script) as server:
        model = client(server.base_url, **options)
        return asyncio.run(complete(model, *requests, tell=told.append)), server


def failure_of(*script, **options):
    with pytest.raises(ModelError) as failure:
        ask(*script, **options)
    return failure.value


def sent(request=QUESTION, **options):
    _, server = ask(sse("Hi"), requests=[request], **options)
    return server.requests[0]


# -- the request ----------------------------------------------------------------------------------------------


def test_a_conversation_with_parallel_calls_sends_exactly_this():
    messages = [system("Be brief."), user("Weather in Oslo and Rome?")]
    calls = [("get_weather", {"city": "Oslo"}, "call_a"), ("get_weather", {"city": "Rome"}, "call_b")]
    with ModelServer([sse(calls=calls), sse("Cold and warm.")]) as server:

        async def converse():
            model = client(server.base_url, settings={"temperature": 0.2, "max_completion_tokens": 800})
            first = await model.complete(Request(messages, TOOLS, tool_choice="required"), lambda _: None)
            results = [tool_result(call.id, f"{number}") for number, call in enumerate(first.calls)]
            history = [*messages, first.message, *results]
            second = await model.complete(Request(history, TOOLS, parallel_tool_calls=False), lambda _: None)
            await model.aclose()
            return first, second

        first, second = asyncio.run(converse())
    assert (first.finish_reason, second.text) == ("tool_calls", "Cold and warm.")
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Oslo and Rome?"},
    ]
    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Current weather for a city.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        },
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    assert [(request.method, request.path) for request in server.requests] == [("POST", "/v1/chat/completions")] * 2
    assert server.requests[0].json == {
        "model": "gpt-x",
        "messages": asked,
        "tools": tools,
        "tool_choice": "required",
        "temperature": 0.2,
        "max_completion_tokens": 800,
        **streamed,
    }
    assert server.requests[1].json == {
        "model": "gpt-x",
        "messages": [
            *asked,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
                    },
                    {
                        "id": "call_b",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "call_a", "content": "0"},
            {"role": "tool", "tool_call_id": "call_b", "content": "1"},
        ],
        "tools": tools,
        "parallel_tool_calls": False,
        "temperature": 0.2,
        "max_completion_tokens": 800,
        **streamed,
    }
    assert list(server.requests[0].json)[:4] == ["model", "messages", "tools", "tool_choice"]


def test_nothing_is_sent_that_was_not_set():
    assert sent().json == {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": "q"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_belongs_to_tools_is_only_sent_with_tools():
    body = sent(Request([user("q")], NO_TOOLS, tool_choice="auto", parallel_tool_calls=True)).json
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


def test_the_response_format_is_sent_as_it_is():
    response_format = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    assert (
        sent(Request([user("q")], NO_TOOLS, response_format=response_format)).json["response_format"] == response_format
    )


def test_settings_may_turn_streaming_off_and_then_ask_for_no_stream_options():
    whole = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    (reply,), server = ask(reply_json(whole), settings={"stream": False})
    assert reply.text == "Hi"
    assert server.requests[0].json["stream"] is False
    assert "stream_options" not in server.requests[0].json


def test_no_key_of_the_request_appears_twice():
    settings = {"tool_choice": "none", "stream_options": {}, "top_p": 1}
    body = sent(Request([user("q")], TOOLS, tool_choice="auto"), settings=settings).body
    pairs = json.loads(body, object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys))
    assert dict(pairs)["tool_choice"] == "auto"
    assert dict(pairs)["stream_options"] == []


def test_the_beginning_of_a_request_is_the_same_bytes_in_each_turn():
    model = client("http://127.0.0.1:1/v1")
    messages = [system("s"), user("ü")]
    earlier = model.body(Request(messages, TOOLS))
    later = model.body(Request([*messages, user("more")], TOOLS))
    history, _, rest = earlier.partition(b'],"tools":')
    assert later.startswith(history)
    assert later.endswith(rest)


def test_a_broken_history_is_repaired_on_its_way():
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    calling = Message({"role": "assistant", "content": None, "tool_calls": [call]})
    messages = sent(Request([user("q"), calling, user("and?"), tool_result("x", "orphan")], TOOLS)).json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert "interrupted" in messages[2]["content"]


@pytest.mark.parametrize(("wanted", "fields"), [(None, {"content": None}), ("", {"content": ""}), ("omit", {})])
def test_a_message_of_calls_only_has_the_content_that_the_service_wants(wanted, fields):
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    calling = Message({"role": "assistant", "content": None, "tool_calls": [call]})
    request = Request([user("q"), calling, tool_result("a", "1")], TOOLS)
    message = sent(request, content_when_empty=wanted).json["messages"][1]
    assert message == {"role": "assistant", **fields, "tool_calls": [call]}


def test_lm_studio_gets_a_word_for_a_tool_choice_that_it_refused_as_an_object():
    choice = {"type": "function", "function": {"name": "now"}}
    refusal = reply_json({"error": "Invalid tool_choice type: 'object'. Supported: none, auto, required"}, 400)
    request = Request([user("q")], TOOLS, tool_choice=choice)
    _, server = ask(refusal, sse("a"), sse("b"), requests=[request, request])
    bodies = [received.json for received in server.requests]
    assert [body["tool_choice"] for body in bodies] == [choice, "required", "required"]
    assert [len(body["tools"]) for body in bodies] == [2, 1, 1]
    assert bodies[1]["tools"][0]["function"]["name"] == "now"


def test_another_refusal_is_not_taken_for_one_of_the_tool_choice():
    request = Request([user("q")], TOOLS, tool_choice={"type": "function", "function": {"name": "now"}})
    assert failure_of(status(400, "bad temperature"), requests=[request]).status == 400


# -- keys, headers, addresses ---------------------------------------------------------------------------------


def test_the_key_and_the_files_headers_are_sent():
    headers = sent(api_key="sk-file\n", headers={"X-Team": " shop"}).headers
    assert headers["authorization"] == "Bearer sk-file"
    assert headers["x-team"] == "shop"


def test_a_header_of_the_file_replaces_the_keys_header():
    assert sent(api_key="sk-file", headers={"authorization": "Basic abc"}).headers["authorization"] == "Basic abc"


def test_a_local_server_needs_no_key():
    assert sent().headers["authorization"] == "Bearer none"


def test_the_environments_key_and_headers_go_to_no_address_that_a_file_names(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret\nX-Team: secret\nAuthorization: Bearer secret")
    headers = sent(headers={"X-Team": "mine"}).headers
    assert "secret" not in str(headers)
    assert headers["x-team"] == "mine"


def test_the_environments_address_gets_the_environments_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-environment")
    with ModelServer([sse("Hi")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        asyncio.run(complete(client(None), QUESTION))
    assert server.requests[0].headers["authorization"] == "Bearer sk-environment"
    assert server.requests[0].headers["openai-organization"] == "org-environment"


def test_another_environment_can_be_handed_in():
    with ModelServer([sse("Hi")]) as server:
        environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-handed-in"}
        asyncio.run(complete(client(None, environment=environment), QUESTION))
    assert server.requests[0].headers["authorization"] == "Bearer sk-handed-in"


def test_a_query_of_the_address_is_kept():
    with ModelServer([sse("Hi")]) as server:
        asyncio.run(complete(client(f"{server.base_url}/?api-version=7"), QUESTION))
    assert server.requests[0].path == "/v1/chat/completions?api-version=7"


def refused_before_sending(base_url, **options):
    with pytest.raises(ModelError) as failure:
        asyncio.run(complete(client(base_url, **options), QUESTION))
    assert not failure.value.retryable
    return failure.value


def test_without_a_key_openai_is_not_even_asked():
    failure = refused_before_sending(None)
    assert "OPENAI_API_KEY is not set" in failure.message
    assert "`api_key`" in failure.help
    assert "`--model offline`" in failure.help


@pytest.mark.parametrize(
    "address", ["localhost:1/v1", "/v1", "ftp://x/v1", "http://", "http://[::1/v1", "http://x:a/v1", "http://a b/v1"]
)
def test_an_address_without_scheme_or_host_is_named(address):
    assert repr(address) in refused_before_sending(address).message


def test_settings_cannot_replace_the_messages():
    assert "messages" in refused_before_sending("http://127.0.0.1:1/v1", settings={"messages": []}).message


@pytest.mark.parametrize("key", ["sk-ü", "sk-a\nb"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    failure = refused_before_sending("http://127.0.0.1:1/v1", api_key=key)
    assert "the API key" in failure.message
    assert key not in failure.message


def test_a_header_that_is_none_is_named():
    assert "'X Team'" in refused_before_sending("http://127.0.0.1:1/v1", headers={"X Team": "a"}).message
    assert "header X-Team" in refused_before_sending("http://127.0.0.1:1/v1", headers={"X-Team": "ü"}).message


def test_a_401_says_where_the_key_is_set():
    failure = failure_of(status(401, "Incorrect API key"), api_key="sk-wrong")
    assert "Incorrect API key" in failure.message
    assert failure.help == "Check `api_key` under `model`."
    assert "No key was sent" in failure_of(status(401)).help


def test_errors_do_not_show_credentials_of_the_address():
    with ModelServer([status(404)]) as server, pytest.raises(ModelError) as failure:
        address = server.base_url.replace("http://", "http://me:secret@") + "?code=secret"
        asyncio.run(complete(client(address), QUESTION))
    assert "secret" not in failure.value.message + str(failure.value.help)


def test_proxy_variables_count_only_when_asked_for(monkeypatch):
    with ModelServer([sse("from the proxy")]) as proxy, ModelServer([sse("from the service")]) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        (reply,) = asyncio.run(complete(client(server.base_url), QUESTION))
        assert reply.text == "from the service"
        (reply,) = asyncio.run(complete(client(server.base_url, use_proxy=True), QUESTION))
        assert reply.text == "from the proxy"


# -- the response ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_in_pieces_is_told_and_answered(size):
    told = []
    (reply,), _ = ask(in_pieces(sse(["Hel", "lö"], usage=(3, 2)), size), told=told)
    assert reply.text == "Hellö"
    assert reply.usage.total_tokens == 5
    assert told == [TextProgress("Hel"), TextProgress("lö")]


def test_ids_that_the_conversation_has_used_are_replaced():
    request = Request([user("q")], TOOLS, used_call_ids=frozenset({"call_1"}))
    (reply,), _ = ask(sse(calls=[("now", {}), ("now", {})]), requests=[request])
    assert reply.calls[0].id not in ("call_1", "call_2")
    assert reply.calls[1].id == "call_2"


def test_compressed_replies_are_read():
    body = gzip.compress(sse("Hi").body)
    (reply,), _ = ask(Response([body[:20], body[20:]], headers={"content-encoding": "gzip"}))
    assert reply.text == "Hi"


def test_turns_share_a_connection():
    replies, server = ask(sse("a"), sse("b"), sse("c"), requests=[QUESTION] * 3)
    assert [reply.text for reply in replies] == ["a", "b", "c"]
    assert server.connections == 1


def test_a_client_serves_one_event_loop_after_another():
    with ModelServer([sse("a"), sse("b")]) as server:
        model = client(server.base_url)
        texts = [asyncio.run(model.complete(QUESTION, lambda _: None)).text for _ in range(2)]
        assert texts == ["a", "b"]


FINISHED = sse("Hello", finish="stop")
UNFINISHED = events(delta(content="Hello"))
BEFORE_DONE = FINISHED.body.index(b"data: [DONE]")


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(cut(FINISHED, BEFORE_DONE, "reset"), id="reset"),
        pytest.param(cut(FINISHED, BEFORE_DONE, "cut"), id="cut"),
        pytest.param(cut(FINISHED, BEFORE_DONE, "silent"), id="silence"),
        pytest.param(cut(FINISHED, BEFORE_DONE, "whole"), id="a clean end without DONE"),
        pytest.param(silence(FINISHED), id="silence after DONE"),
        pytest.param(cut(FINISHED, len(FINISHED.body), "reset"), id="reset after DONE"),
    ],
)
def test_what_breaks_after_the_finish_takes_nothing_away(response):
    (reply,), _ = ask(response, idle_s=1.5)
    assert reply.text == "Hello"


def forever(piece):
    for _ in itertools.count():
        time.sleep(0.005)  # the pace of an endless stream, not a wait for anything
        yield piece


BOMB = gzip.compress(b"data: " + b"0" * (12 * 1024 * 1024))
BOMB_OF_LINES = gzip.compress((b": " + b"0" * 1024 * 1024 + b"\n") * 65, 1)

FAULTS = [
    ("a 429 with Retry-After", status(429, headers={"retry-after": "7"}), "limits the rate", True),
    ("a 500", status(500), "failed (500)", True),
    ("a 503 as a web page", page("503 Service Unavailable", 503), "“503 Service Unavailable”", True),
    ("a 529", status(529, type="overloaded_error"), "failed (529)", True),
    ("a 400", status(400, "temperature: too hot"), "temperature: too hot", False),
    ("a 404", status(404, "no such model"), "does not know the model gpt-x", False),
    ("a web page under 200", page("Log in"), "web page, “Log in”", True),
    ("an empty body", Response(), "before it was complete", True),
    ("an empty body as JSON", Response(content_type="application/json"), "before it was complete", True),
    ("no content type and no body", Response(content_type=None), "before it was complete", True),
    ("a picture", Response([b"\x89PNG"], content_type="image/png"), "image/png", False),
    ("JSON that is not a completion", reply_json({"ok": True}), "no choices in", True),
    ("an error body under 200", reply_json({"error": {"message": "boom", "code": 502}}), "boom", True),
    ("an error body under 200 that is final", reply_json({"error": {"message": "boom", "code": 402}}), "boom", False),
    ("an error inside the stream", events(delta(content="H"), {"error": {"message": "boom"}}), "boom", True),
    ("a redirect", Response(status=307, headers={"location": "http://127.0.0.1:1/v1"}), "127.0.0.1:1/v1 (307)", False),
    ("a close before the head", hang_up(), "gave no answer", True),
    ("a reset before the head", hang_up("reset"), "without an answer", True),
    ("a cut stream", cut(FINISHED, 120), "connection was lost", True),
    ("a reset stream", cut(FINISHED, 120, "reset"), "connection was lost", True),
    ("a stream without a finish", UNFINISHED, "no finish reason", True),
    ("broken gzip", Response([b"\x1f\x8bbroken"], headers={"content-encoding": "gzip"}), "connection was lost", True),
    ("a gzip bomb in one line", Response([BOMB], headers={"content-encoding": "gzip"}), "larger than 10 MiB", False),
    ("a gzip bomb as an error", Response([BOMB], 500, headers={"content-encoding": "gzip"}), "failed (500)", True),
    ("a broken event", Response([b"data: {oops\n\n"]), "broken reply", True),
    ("not UTF-8", Response([b'data: {"a": "\xff"}\n\n']), "not UTF-8", True),
]


@pytest.mark.parametrize(("response", "words", "retryable"), [pytest.param(*row, id=name) for name, *row in FAULTS])
def test_a_fault_is_one_line_that_says_whether_it_may_pass(response, words, retryable):
    failure = failure_of(response)
    assert words in failure.message
    assert failure.retryable == retryable
    assert "\n" not in failure.message
    assert len(failure.message) < 5_000


def test_a_gzip_bomb_of_many_lines_is_stopped():
    failure = failure_of(Response([BOMB_OF_LINES], headers={"content-encoding": "gzip"}))
    assert "larger than 64 MiB" in failure.message


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(silence(), id="silence before the head"),
        pytest.param(silence(Response()), id="silence after the head"),
        pytest.param(silence(UNFINISHED), id="silence in the stream"),
        pytest.param(Response(forever(b": keep-alive\n\n")), id="keep-alive comments without end"),
        pytest.param(Response(forever(b"data:\n\n")), id="empty events without end"),
        pytest.param(Response(forever(b"\n")), id="blank lines without end"),
        pytest.param(Response(forever(b" "), content_type="application/json"), id="white space without end"),
    ],
)
def test_the_idle_deadline_ends_a_wait_that_keep_alives_do_not_prolong(response):
    failure = failure_of(response, idle_s=0.15)
    assert "sent nothing within 0.15 s" in failure.message
    assert failure.retryable
    assert "timeout.idle" in failure.help


def test_the_total_deadline_ends_a_reply_that_never_ends():
    failure = failure_of(Response(forever(event(delta(content="la ")))), total_s=0.2)
    assert "did not finish its reply within 0.2 s" in failure.message
    assert "timeout.total" in failure.help


def test_chunks_move_the_idle_deadline():
    failure = failure_of(Response(forever(event(delta(content="la ")))), idle_s=0.15, total_s=0.5)
    assert "did not finish its reply within 0.5 s" in failure.message


def test_a_redirect_takes_no_request_and_no_key_elsewhere():
    with ModelServer([sse("stolen")]) as other:
        failure_of(
            Response(status=308, headers={"location": f"{other.base_url}/chat/completions"}), api_key="sk-secret"
        )
    assert other.requests == []


def test_a_refused_connection_asks_whether_the_server_runs():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ModelError, match="is the server running") as failure:
            asyncio.run(complete(client(f"http://127.0.0.1:{port}/v1"), QUESTION))
    assert failure.value.retryable


def test_https_to_a_server_without_it_says_so():
    with ModelServer([]) as server, pytest.raises(ModelError, match="no secure connection"):
        asyncio.run(complete(client(server.base_url.replace("http:", "https:")), QUESTION))


def test_certificates_that_cannot_be_read_are_named(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "no-such.pem")
    with pytest.raises(ModelError, match=r"of SSL_CERT_FILE, no-such\.pem, can't be read") as failure:
        asyncio.run(complete(client("https://127.0.0.1:9/v1"), QUESTION))
    assert not failure.value.retryable


def test_a_cancelled_task_closes_the_stream_at_once():
    with ModelServer([silence(UNFINISHED)]) as server:

        async def cancel_at_the_first_text():
            model = client(server.base_url)
            shown = asyncio.Event()
            task = asyncio.create_task(model.complete(QUESTION, lambda _: shown.set()))
            await asyncio.wait_for(shown.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            left = await asyncio.to_thread(server.hung_up.wait, 5)
            await model.aclose()
            return left

        assert asyncio.run(cancel_at_the_first_text())


def test_an_error_of_the_listener_reaches_the_caller_and_closes_the_stream():
    def broken(progress):
        raise ZeroDivisionError

    with ModelServer([silence(UNFINISHED)]) as server:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(complete(client(server.base_url), QUESTION, tell=broken))
        assert server.hung_up.wait(5)


def test_nothing_heavy_is_imported_before_the_first_request():
    import subprocess
    import sys

    code = (
        "import sys; from agentrun.models.openai_chat import ChatCompletions as C;"
        "C('m', base_url=None, api_key=None, headers={}, settings={}, connect_s=1, idle_s=1, total_s=1);"
        "print({'openai', 'httpx2', 'pydantic'} & sys.modules.keys() or 'none')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout == "none\n"
