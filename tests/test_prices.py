"""What a model costs: by the file, else by the price list, and only where the same service is asked."""

import asyncio
import socket
import subprocess
import sys

import pytest

import agentrun
from agentrun.engine.agent import Prices
from agentrun.engine.messages import Usage
from agentrun.models import endpoint
from agentrun.models.endpoint import ANTHROPIC, Endpoint
from agentrun.prices import ListPrice, service_url
from agentrun.project import read_project
from projects import write_project

OPENAI = endpoint.OPENAI.url
MILLION = 1_000_000


def cost(model, url, usage):
    return ListPrice(model, url).cost_usd(usage)


def test_a_listed_model_costs_what_its_tokens_cost():
    fresh = cost("gpt-4.1-mini", OPENAI, Usage(MILLION, 0, MILLION))
    output = cost("gpt-4.1-mini", OPENAI, Usage(0, MILLION, MILLION))
    assert 0 < fresh < output
    assert cost("gpt-4.1-mini", OPENAI, Usage(MILLION, MILLION, 2 * MILLION)) == pytest.approx(fresh + output)


@pytest.mark.parametrize(("model", "url"), [("gpt-4.1-mini", OPENAI), ("claude-sonnet-4-5", ANTHROPIC.url)])
def test_cached_tokens_cost_less_and_are_not_counted_twice(model, url):
    fresh = cost(model, url, Usage(100_000, 0, 100_000))
    cached = cost(model, url, Usage(100_000, 0, 100_000, cached_tokens=100_000))
    half = cost(model, url, Usage(100_000, 0, 100_000, cached_tokens=50_000))
    assert 0 < cached < fresh
    assert half == pytest.approx((fresh + cached) / 2)


def test_more_cached_tokens_than_tokens_are_no_failure():
    assert cost("gpt-4.1-mini", OPENAI, Usage(10, 0, 10, cached_tokens=20)) > 0


def test_a_price_may_depend_on_the_length_of_the_request():
    url = "https://generativelanguage.googleapis.com/v1beta/openai"
    short, long = (cost("gemini-2.5-pro", url, Usage(tokens, 0, tokens)) for tokens in (100_000, 300_000))
    assert long > 3 * short


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gpt-4.1-mini", "http://localhost:11434/v1"),
        ("gpt-4.1-mini", "http://127.0.0.1:8000/v1"),
        ("gpt-4.1-mini", "http://[::1]:8000/v1"),
        ("gpt-4.1-mini", "https://gateway.example.com/v1"),
        ("gpt-4.1-mini", "https://[broken/v1"),
        ("claude-sonnet-4-5", OPENAI),
        ("text-embedding-3-small", OPENAI),
        ("house-model", OPENAI),
        ("", OPENAI),
    ],
)
def test_a_model_that_the_service_is_not_known_for_has_no_price(model, url):
    assert not ListPrice(model, url).is_known
    assert cost(model, url, Usage(10, 10, 20)) is None


@pytest.mark.parametrize("url", [OPENAI, "http://127.0.0.1:9/v1"])
def test_the_list_is_loaded_when_it_can_answer_and_not_before(url):
    code = f"""
import sys
from agentrun.engine.messages import Usage
from agentrun.prices import ListPrice
price = ListPrice("gpt-4.1-mini", {url!r})
before = "genai_prices" in sys.modules
known = price.cost_usd(Usage(1, 1, 2)) is not None
print(before, known, "genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == (["False", "True", "True"] if url == OPENAI else ["False"] * 3)


def test_the_list_asks_nobody(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert ListPrice("gpt-4.1-nano", OPENAI).is_known


@pytest.mark.parametrize(
    ("api", "provider"), [("chat_completions", endpoint.OPENAI), ("anthropic_messages", ANTHROPIC)]
)
@pytest.mark.parametrize(
    "environ", [{}, {"OPENAI_BASE_URL": "https://a.example", "ANTHROPIC_BASE_URL": "https://b.example"}]
)
@pytest.mark.parametrize("base_url", [None, "http://localhost:1/v1"])
def test_the_service_is_the_one_that_the_client_asks(api, provider, base_url, environ):
    client = Endpoint("m", base_url=base_url, api_key="k", headers={}, environment=environ, provider=provider)
    assert service_url(api, base_url, environ) == client.base_url


# -- in an agent ------------------------------------------------------------------------------------------------------

MODEL = """
model:
  name: gpt-4.1-mini
  api_key: k
  prices: {input: 1, output: 2}
  fallback: [gpt-4.1-nano, house-model, {name: other, prices: {input: 3, output: 4, cached: 1}}]
"""


def load(tmp_path, text=MODEL, **options):
    root = write_project(tmp_path, {"agents/main.yaml": text})
    return agentrun.load(root / "agents/main.yaml", environ={}, **options)


def test_each_model_has_the_price_that_is_written_for_it_or_listed(tmp_path):
    prices = load(tmp_path).prices
    assert (prices[0], prices[3]) == (Prices(1, 2, 1), Prices(3, 4, 1))
    assert prices[1].is_known  # a bare name: not at the price of the model that it stands in for
    assert not prices[2].is_known


def test_another_model_has_its_own_price(tmp_path):
    (price,) = load(tmp_path, model="gpt-4.1-nano").prices
    assert price.is_known
    assert load(tmp_path, model="gpt-4.1-mini").prices == (Prices(1, 2, 1),)
    assert load(tmp_path, model="offline").prices == (None,)


def test_the_offline_model_costs_nothing_that_is_known(tmp_path):
    agent = load(tmp_path, "model: {api: offline}\n")
    assert asyncio.run(agentrun.run(agent, "hello")).cost_usd is None


def findings(tmp_path, text):
    root = write_project(tmp_path, {"agents/main.yaml": text})
    return [one.message for one in read_project(root, {}).report().diagnostics if one.code == "AR705"]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("gpt-4.1-mini", []),
        ("house-model", ["house-model"]),
        ("{name: house-model, prices: {input: 1, output: 2}}", []),
        ('{name: gpt-4.1-mini, base_url: "https://gateway.example.com/v1"}', ["gpt-4.1-mini"]),
        ("{name: gpt-4.1-mini, fallback: [gpt-4.1-nano, house-model]}", ["house-model"]),
        ("{name: house-model, prices: {input: 1, output: 2}, fallback: [house-small]}", ["house-small"]),
        ("{name: ${SOME_MODEL}}", []),
        ("{api: offline}", []),
        ("{api: scripted, script: [{content: hello}]}", ["scripted"]),
    ],
)
def test_a_cost_cap_names_the_models_that_it_can_not_count(tmp_path, model, named):
    found = findings(tmp_path, f"model: {model}\nlimits: {{max_cost_usd: 1}}\n")
    assert len(found) == len(named)
    assert all(f"`{name}`" in message for name, message in zip(named, found, strict=True))


def test_without_a_cost_cap_the_list_is_not_asked(tmp_path):
    assert findings(tmp_path, "model: house-model\n") == []
    code = f"""
import sys
from pathlib import Path
from agentrun.project import read_project
read_project(Path({str(tmp_path)!r}), {{}}).report()
print("genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
