"""`validate --online`: each model service is asked for its list, with the key of a run, and never outside loopback."""

import json
import socket

import pytest

from agentrun.cli.checking import Checker
from agentrun.online import check_models
from agentrun.project import read_project
from loopback_http import Loopback, reply, unused_port

KEY = "key-for-the-gateway-0123456789"


def models(*names, **more):
    return reply(body=json.dumps({"data": [{"id": name} for name in names], **more}), content_type="application/json")


def check(folder, environ=(), **agents):
    """The findings of some agents, each given by its `model`."""
    for name, model in agents.items():
        (folder / "agents").mkdir(exist_ok=True)
        (folder / f"agents/{name}.yaml").write_text(f"model: {model}\n", encoding="utf-8")
    project = read_project(folder, dict(environ))
    return check_models(project.catalog.documents(), dict(environ))


def test_a_model_that_the_service_does_not_list_is_found_at_its_name(tmp_path):
    with Loopback(models("llama3.2:latest", "qwen3:8b")) as server:
        (found,) = check(tmp_path, desk=f"{{name: lama3.2, base_url: '{server.url}/v1'}}")
        assert server.last.target == "/v1/models"
    assert (found.code, found.severity) == ("AR717", "warning")
    assert f"127.0.0.1:{server.port}" in found.message
    assert "did you mean `llama3.2:latest`?" in found.help
    assert (found.span.column, found.span.end_column) == (15, 22)


@pytest.mark.parametrize("listed", ["house", "house:latest", "house-2026-01-31", "house-20260131", "models/house"])
def test_tags_and_snapshots_of_a_model_count_as_the_model(tmp_path, listed):
    with Loopback(models(listed)) as server:
        assert check(tmp_path, desk=f"{{name: house, base_url: '{server.url}/v1'}}") == []


def test_a_service_is_asked_once_with_the_key_and_headers_of_a_run(tmp_path):
    with Loopback(models("a", "b")) as server:
        model = f"base_url: '{server.url}/v1?version=7', api_key: '${{GATE}}', headers: {{X-Team: shop}}"
        found = check(
            tmp_path,
            {"GATE": KEY, "OPENAI_API_KEY": "not-for-here"},
            one=f"{{name: a, {model}}}",
            two=f"{{name: b, {model}}}",
        )
        assert found == []
        (asked,) = server.requests
    assert asked.target == "/v1/models?version=7"
    assert asked.header("authorization") == f"Bearer {KEY}"
    assert asked.header("x-team") == "shop"


def test_the_key_of_the_environment_goes_to_its_own_address_only(tmp_path):
    with Loopback(models("a")) as server:
        check(tmp_path, {"OPENAI_API_KEY": KEY}, desk=f"{{name: a, base_url: '{server.url}/v1'}}")
        assert server.last.header("authorization") is None
        environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.url}/v1"}
        check(tmp_path, environ, desk="a")
        assert server.last.header("authorization") == f"Bearer {KEY}"


def test_anthropic_is_asked_in_its_own_way(tmp_path):
    with Loopback(models("claude-sonnet-4-5-20250929", has_more=False)) as server:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url}
        assert check(tmp_path, environ, desk="{name: claude-sonnet-4-5, api: anthropic_messages}") == []
        assert server.last.target == "/v1/models?limit=1000"
        assert server.last.header("x-api-key") == KEY
        assert server.last.header("anthropic-version") == "2023-06-01"


def test_fallbacks_are_asked_for_too(tmp_path):
    with Loopback(models("main")) as server:
        model = f"{{name: main, base_url: '{server.url}/v1', fallback: [other]}}"
        (found,) = check(tmp_path, desk=model)
    assert "`other`" in found.message


def test_a_list_with_further_pages_says_nothing_of_what_is_missing(tmp_path):
    with Loopback(models("a", has_more=True)) as server:
        assert check(tmp_path, desk=f"{{name: z, base_url: '{server.url}/v1'}}") == []


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (reply(401, f"no such key {KEY}"), "refuses the key (status 401)"),
        (reply(403), "refuses the key (status 403)"),
        (reply(404), "no list of models (status 404)"),
        (reply(302, headers=[("Location", "http://169.254.169.254/")]), "status 302"),
        (reply(body="<html>"), "no list of models"),
        (reply(body='{"data": [' * 5000), "no list of models"),
        (reply(body='{"data": {}}'), "no list of models"),
        (None, "can't be reached"),
    ],
)
def test_a_service_that_can_not_be_asked_is_a_warning_without_its_key(tmp_path, answer, word):
    with Loopback(lambda _: answer) as server:
        address = server.url.replace("http://", "http://user:pass-word-1@")
        model = f"{{name: a, base_url: '{address}/v1', api_key: '${{GATE}}'}}"
        (found,) = check(tmp_path, {"GATE": KEY}, desk=model)
    assert (found.code, found.severity) == ("AR719", "warning")
    assert word in found.message
    assert KEY not in found.message + (found.help or "")
    assert "pass-word-1" not in found.message + (found.help or "")


def test_an_address_that_nothing_listens_on_is_a_warning(tmp_path):
    (found,) = check(tmp_path, desk=f"{{name: a, base_url: 'http://127.0.0.1:{unused_port()}/v1'}}")
    assert (found.code, found.help) == ("AR719", None)


def test_a_missing_key_is_said_without_asking(tmp_path):
    (found,) = check(tmp_path, desk="gpt-4.1-mini")
    assert found.code == "AR719"
    assert "OPENAI_API_KEY is not set" in found.message


def test_a_service_that_says_nothing_keeps_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("agentrun.online.MAX_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (found,) = check(tmp_path, desk=f"{{name: a, base_url: 'http://127.0.0.1:{silent.getsockname()[1]}/v1'}}")
    assert "didn't answer within 0.2 seconds" in found.message


def test_a_name_that_holds_the_key_is_never_shown(tmp_path):
    with Loopback(models(f"x-{KEY}")) as server:
        (found,) = check(
            tmp_path, {"GATE": KEY}, desk=f"{{name: x-key, base_url: '{server.url}', api_key: '${{GATE}}'}}"
        )
    assert KEY not in found.message + found.help


def test_what_needs_no_service_or_has_no_name_yet_is_not_asked_for(tmp_path):
    agents = {
        "four": "{name: a, base_url: '${UNSET}', fallback: [b]}",
        "one": "{api: offline}",
        "two": "{name: '${UNSET_MODEL}'}",
        "three": "{name: a, base_url: '${UNSET}'}",
    }
    assert check(tmp_path, **agents) == []


def test_a_comment_silences_what_a_service_says_and_is_not_unused_without_it(tmp_path):
    (tmp_path / "agents").mkdir()
    file = tmp_path / "agents/desk.yaml"
    name = "  name: m  # agentrun: ignore[AR719] seldom up\n"
    file.write_text(f"description: d\nmodel:\n  base_url: http://127.0.0.1:{unused_port()}/v1\n{name}")
    assert [one.code for one in Checker([tmp_path], {})(online=True).report.diagnostics] == []
    assert [one.code for one in Checker([tmp_path], {})().report.diagnostics] == []
    file.write_text(file.read_text().replace("AR719", "AR401"))
    assert {one.code for one in Checker([tmp_path], {})(online=True).report.diagnostics} == {"AR106", "AR719"}
