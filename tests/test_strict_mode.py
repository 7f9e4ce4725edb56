"""Strict mode from file to service and back: what is sent, what `validate` says, how the offline model speaks."""

import asyncio
import json

import pytest

import agentrun
from agentrun.cli import run_cli
from agentrun.engine.events import ToolCallDelta
from projects import write_project
from servers import ModelServer, sse

STRICT_ANSWER = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
    },
}
FIND = """
    description: Find the weather of a city.
    strict: true
    read_only: true
    parameters:
      type: object
      properties:
        city: {type: string}
        days: {type: integer, default: 3}
        near: {oneOf: [{type: string}, {type: integer}]}
      required: [city]
    shell: {command: [echo, "{{ args.city }}", "{{ args.days }}", "near {{ args.near }}"]}
    """


def project(tmp_path, agent, find=FIND):
    return write_project(tmp_path, {"agents/main.yaml": agent, "tools.d/find.yaml": find})


def agent_at(url, response_format):
    written = {"model": {"name": "m", "base_url": url, "api_key": "k"}, "tools": ["find"]}
    return json.dumps(written | ({"response_format": response_format} if response_format else {}))


def asked(tmp_path, response_format, *turns, find=FIND):
    """The first request of a run, and how it ended."""
    with ModelServer(list(turns)) as server:
        project(tmp_path, agent_at(server.base_url, response_format), find)
        agent = agentrun.load(tmp_path / "agents/main.yaml", environ={})
        outcome = asyncio.run(agentrun.run(agent, "hi"))
    return server.requests[0].json, outcome


def test_a_strict_tool_is_sent_in_its_strict_form_with_the_mark(tmp_path):
    request, _ = asked(tmp_path, None, sse("Hello."))
    assert request["tools"][0]["function"] == {
        "name": "find",
        "description": "Find the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": ["integer", "null"], "description": "Default: 3."},
                "near": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
            },
            "required": ["city", "days", "near"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_a_tool_that_is_not_strict_is_sent_as_it_is_written(tmp_path):
    request, _ = asked(tmp_path, None, sse("Hello."), find=FIND.replace("strict: true", "strict: false"))
    function = request["tools"][0]["function"]
    assert "strict" not in function
    assert function["parameters"]["required"] == ["city"]
    assert function["parameters"]["properties"]["days"] == {"type": "integer", "default": 3}


def test_a_response_format_that_is_strict_already_is_sent_as_it_is_written(tmp_path):
    request, outcome = asked(tmp_path, STRICT_ANSWER, sse('{"text": "Hello."}'))
    assert json.dumps(request["response_format"]) == json.dumps(STRICT_ANSWER)
    assert outcome.output == {"text": "Hello."}


def test_a_response_format_is_sent_strict_and_its_answer_judged_as_written(tmp_path):
    schema = {"type": "object", "properties": {"text": {"type": "string", "minLength": 2}, "why": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "description": "d", "strict": True}}
    wanted["json_schema"]["schema"] = schema | {"required": ["text"]}
    request, outcome = asked(
        tmp_path, wanted, sse('{"text": "H", "why": null}'), sse('{"text": "Hello.", "why": null}')
    )
    sent = request["response_format"]["json_schema"]
    assert (sent["name"], sent["description"], sent["strict"]) == ("answer", "d", True)
    assert sent["schema"]["properties"] == {
        "text": {"type": "string", "description": "At least 2 characters."},
        "why": {"type": ["string", "null"]},
    }
    assert sent["schema"]["required"] == ["text", "why"]
    assert (outcome.reason, outcome.output) == ("answered", {"text": "Hello."})


def test_the_offline_model_says_null_for_what_is_left_open(tmp_path):
    project(tmp_path, "model: {api: offline}\ntools: [find]\n")
    told = []
    agent = agentrun.load(tmp_path / "agents/main.yaml", environ={})
    outcome = asyncio.run(agentrun.run(agent, "What is the weather in Oslo?", emit=told.append))
    called = next(event for event in told if isinstance(event, ToolCallDelta))
    assert json.loads(called.arguments) == {"city": "Oslo", "days": None, "near": None}
    assert "Oslo 3" in outcome.text


@pytest.mark.parametrize(("find", "code"), [(FIND, 0), (FIND.replace("read_only", "read_onyl"), 3)])
def test_a_note_does_not_change_the_exit_code(tmp_path, monkeypatch, capsys, find, code):
    project(tmp_path, "model: m\ntools: [find]\n", find)
    monkeypatch.chdir(tmp_path)
    assert run_cli(["validate", "--select", "AR3,AR620"]) == code
    printed = capsys.readouterr().out
    assert "tools.d/find.yaml:2:1: info AR620 " in printed
    assert ("\n1 info\n" if code == 0 else "\n1 error, 1 info") in printed


def test_a_tool_that_runs_an_agent_is_strict_in_the_agents_parameters(tmp_path, monkeypatch, capsys):
    files = {
        "agents/main.yaml": "model: m\ntools: [{agent: child, strict: true}]\n",
        "agents/child.yaml": """
            model: m
            input: "{{ args.what }}"
            parameters:
              type: object
              properties: {what: {type: object}}
              required: [what]
            """,
    }
    write_project(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    assert run_cli(["validate"]) == 3
    assert "agents/child.yaml:5:" in capsys.readouterr().out
