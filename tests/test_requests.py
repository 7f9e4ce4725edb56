"""What a model service sees: a tool-calling conversation against OpenAI's reference, through the command line."""

import json
import os
import subprocess
import sys

import pytest

from projects import write_project
from servers import ModelServer, page, sse, status

FILES = {
    "agents/weather.yaml": """
        model:
          name: gpt-4.1-mini
          base_url: ${SERVICE_URL}
          api_key: ${SERVICE_KEY}
          headers: {X-Team: shop}
          settings: {temperature: 0.2}
        system_prompt: You answer questions about the weather.
        tools: [get_weather]
        """,
    "tools.d/get_weather.yaml": """
        description: Current weather for a city.
        parameters:
          type: object
          properties:
            city: {type: string, description: City name}
          required: [city]
        python: weather:now
        """,
    "weather.py": """
        def now(city):
            return {"city": city, "celsius": {"Oslo": 4, "Rome": 18}[city]}
        """,
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather for a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "City name"}},
                "required": ["city"],
            },
        },
    }
]
ASKED = [
    {"role": "system", "content": "You answer questions about the weather."},
    {"role": "user", "content": "Is it warmer in Oslo or in Rome?"},
]
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}},
        {"id": "call_b", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}},
    ],
}
RESULTS = [
    {"role": "tool", "tool_call_id": "call_a", "content": '{"city":"Oslo","celsius":4}'},
    {"role": "tool", "tool_call_id": "call_b", "content": '{"city":"Rome","celsius":18}'},
]
REST = {
    "tools": TOOLS,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.2,
}

TWO_CALLS = [("get_weather", {"city": "Oslo"}, "call_a"), ("get_weather", {"city": "Rome"}, "call_b")]


def agentrun(folder, server_url, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        env=os.environ | {"SERVICE_URL": server_url, "SERVICE_KEY": "sk-test-1234567890", "NO_COLOR": "1"},
    )


def test_a_parallel_two_turn_conversation_sends_what_openais_reference_describes(tmp_path):
    write_project(tmp_path, FILES)
    with ModelServer([sse(calls=TWO_CALLS, usage=(20, 9)), sse("Rome is warmer.", usage=(50, 5))]) as server:
        done = agentrun(tmp_path, server.base_url, "run", "weather", ASKED[1]["content"], "--output", "json")
    ended = json.loads(done.stdout)
    assert (ended["reason"], ended["text"]) == ("answered", "Rome is warmer.")
    assert ended["usage"] == {"input_tokens": 70, "output_tokens": 14, "total_tokens": 84, "cached_tokens": 0}
    assert [(one.method, one.path) for one in server.requests] == [("POST", "/v1/chat/completions")] * 2
    assert [one.json for one in server.requests] == [
        {"model": "gpt-4.1-mini", "messages": ASKED} | REST,
        {"model": "gpt-4.1-mini", "messages": [*ASKED, CALLED, *RESULTS]} | REST,
    ]
    for request in server.requests:
        assert request.headers["authorization"] == "Bearer sk-test-1234567890"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-team"] == "shop"


def test_a_second_message_goes_on_with_the_same_conversation(tmp_path):
    write_project(tmp_path, FILES)
    turns = [sse(calls=TWO_CALLS), sse("Rome is warmer."), sse("You are welcome.")]
    with ModelServer(turns) as server:
        done = agentrun(tmp_path, server.base_url, "chat", "weather", stdin=f"{ASKED[1]['content']}\nThanks\n")
    assert done.stdout == "Rome is warmer.\nYou are welcome.\n"
    assert server.requests[2].json["messages"] == [
        *ASKED,
        CALLED,
        *RESULTS,
        {"role": "assistant", "content": "Rome is warmer."},
        {"role": "user", "content": "Thanks"},
    ]


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (status(401, "Incorrect API key provided"), ["Incorrect API key provided", "401"]),
        (status(404, "The model `gpt-4.1-mini` does not exist"), ["does not exist", "gpt-4.1-mini"]),
        (status(400, "Unknown parameter: temperature"), ["Unknown parameter: temperature"]),
        (page("Sign in", 403), ["403"]),
    ],
)
def test_a_refusal_of_the_service_is_told_in_one_line_with_its_own_words(tmp_path, response, said):
    write_project(tmp_path, FILES)
    with ModelServer([response]) as server:
        done = agentrun(tmp_path, server.base_url, "run", "weather", "hi")
    assert done.returncode == 4
    assert done.stdout == ""
    for words in said:
        assert words in done.stderr
    assert "sk-test-1234567890" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert len(server.requests) == 1
