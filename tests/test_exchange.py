"""`--verbose`: the exchange with the model service on stderr, and what is never shown of it."""

import base64
import json
import subprocess
import sys

import pytest

from agentrun.engine.exchange import Sent, ToolSent, masked
from agentrun.observers.exchange import ExchangeConsole, laid_out
from agentrun.secrets import Masker
from asking import KEY, ask
from projects import ADD, scripted_agent, write_project
from servers import ModelServer, Response, hang_up, sse, status

NOTED = [sse(calls=[("note", {"n": 7})], usage=(20, 9)), sse("Done.", usage=(40, 5))]


def marked(asked, *marks):
    """The lines of stderr that begin with a mark."""
    return [line for line in asked.stderr_lines if line.startswith(marks)]


def test_each_request_and_what_came_back_is_told_in_order(tmp_path):
    asked = ask(tmp_path, NOTED, "--verbose")
    lines = marked(asked, "→", "←", "•")
    url = f"http://127.0.0.1:{asked.requests[0].headers['host'].rpartition(':')[2]}/v1/chat/completions"
    assert lines[0].startswith(f"→ POST {url} (gpt-x, 1 message, 1 tool, ")
    assert [line.partition(" s")[0].rstrip("0123456789.") for line in (lines[1], lines[5])] == [
        "← 200, first event after "
    ] * 2
    assert lines[2] == "← tool_calls, 20 + 9 tokens"
    assert lines[3].startswith("• note(n=7)")
    assert lines[4].startswith(f"→ POST {url} (gpt-x, 3 messages, 1 tool, ")
    assert lines[6:] == ["← stop, 40 + 5 tokens"]


def test_the_body_is_the_json_that_was_sent(tmp_path):
    asked = ask(tmp_path, [sse("Hi")], "-v", text="Hëllo")
    lines = asked.stderr_lines
    shown = "\n".join(lines[1 : lines.index("}") + 1])
    assert json.loads(shown) == asked.requests[0].json
    assert '  "messages": [{"role": "user", "content": "Hëllo"}],' in lines


def test_retries_are_told_between_the_exchanges_with_their_cause(tmp_path):
    script = [status(429, "slow", headers={"retry-after": "0"}), hang_up("reset"), sse("Hi")]
    lines = marked(ask(tmp_path, script, "--verbose"), "→", "←", "retrying")
    assert [line.split()[0] for line in lines] == ["→", "←", "retrying", "→", "←", "retrying", "→", "←", "←"]
    assert lines[1].startswith("← 429, failed after ")
    assert lines[1].endswith("limits the rate of requests (429): slow")
    assert lines[4].startswith("← no response, failed after ")


def test_stdout_is_what_it_is_without(tmp_path):
    assert ask(tmp_path, [sse("Hi")], "--verbose", output="text").stdout == "Hi\n"
    kinds = [event["type"] for event in ask(tmp_path, [sse("Hi")], "--verbose").events]
    assert kinds == ["run_started", "turn_started", "text_delta", "turn_finished", "run_finished"]


def test_without_it_nothing_of_the_exchange_is_shown(tmp_path):
    assert ask(tmp_path, [sse("Hi")]).stderr == ""


def test_quiet_leaves_out_the_calls_and_not_the_exchange(tmp_path):
    asked = ask(tmp_path, NOTED, "-q", "-v")
    assert marked(asked, "•") == []
    assert len(marked(asked, "→")) == 2


@pytest.mark.parametrize(
    ("keys", "script"),
    [
        pytest.param([], [sse("Hi")], id="the key of the Authorization header"),
        pytest.param(["headers: {X-Secret: '${SERVICE_KEY}'}"], [sse("Hi")], id="a header of the file"),
        pytest.param(["headers: {Authorization: 'Basic ${SERVICE_KEY}'}"], [sse("Hi")], id="a header in its place"),
        pytest.param([f"settings: {{user: 'id-{KEY}-x'}}"], [sse("Hi")], id="the body's settings"),
        pytest.param([f"settings: {{metadata: {{'{KEY}': 1}}}}"], [sse("Hi")], id="a key of the body"),
        pytest.param([], [status(401, f"Incorrect API key provided: {KEY}")], id="an error that quotes it"),
        pytest.param([], [Response(status=307, headers={"location": f"http://x/?k={KEY}"})], id="a redirect's address"),
        pytest.param([], [sse(f"Your key is {KEY}")], id="an answer"),
        pytest.param([], [sse(calls=[("note", {"n": 1, "k": KEY})]), sse("Hi")], id="a call in the history"),
    ],
)
def test_a_key_is_never_shown_wherever_it_travels(tmp_path, keys, script):
    asked = ask(tmp_path, script, "--verbose", keys=keys)
    assert marked(asked, "→")
    everything = asked.stdout + asked.stderr
    assert KEY not in everything
    assert base64.b64encode(KEY.encode()).decode() not in everything
    assert KEY[3:15] not in everything  # no part of it either
    assert "uthorization" not in asked.stderr
    assert "Bearer" not in asked.stderr


def test_credentials_and_query_of_an_address_are_not_shown(tmp_path):
    with ModelServer([sse("Hi")]) as server:
        address = server.base_url.replace("http://", "http://me:pass-word@") + "?code=query-word"
        files = {"agents/a.yaml": f"model: {{name: m, base_url: '{address}', api_key: ''}}\n"}
        write_project(tmp_path, files)
        done = run_process(tmp_path, "run", "a", "Hello", "--verbose")
    assert f"→ POST {server.base_url}/chat/completions (m, 1 message" in done.stderr
    assert "word" not in done.stderr


def run_process(folder, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_in_chat_too_the_exchange_goes_to_stderr(tmp_path):
    with ModelServer([sse("Hi"), sse("Bye")]) as server:
        files = {"agents/a.yaml": f"model: {{name: m, base_url: '{server.base_url}', api_key: sk}}\n"}
        write_project(tmp_path, files)
        done = run_process(tmp_path, "chat", "a", "--verbose", stdin="Hello\nThanks\n")
    assert done.stdout == "Hi\nBye\n"
    sent = [line for line in done.stderr.splitlines() if line.startswith("→")]
    assert ["1 message" in sent[0], "3 messages" in sent[1], len(sent)] == [True, True, 2]


def test_a_model_without_a_service_has_no_exchange(tmp_path):
    turns = ["tool_calls: [{name: add, arguments: {a: 40}, id: c1}]", "content: It is 42."]
    write_project(tmp_path, ADD | {"agents/a.yaml": scripted_agent(turns, tools="[add]")})
    done = run_process(tmp_path, "run", "a", "x", "--verbose")
    assert (done.returncode, done.stdout) == (0, "It is 42.\n")
    assert "→ POST" not in done.stderr


# -- the layout -----------------------------------------------------------------------------------------------


def test_long_texts_and_lists_are_cut_and_say_by_how_much():
    messages = [{"role": "user", "content": f"{number}" + "x" * 1000} for number in range(9)]
    shown = laid_out({"messages": messages})
    assert "… 3 more" in shown
    assert '"content": "2' not in shown
    assert '"content": "8xxx' in shown
    assert " … 701 characters … " in shown
    assert max(map(len, shown.splitlines())) < 400


@pytest.mark.parametrize("value", [{}, [], None, 1, "text", {"a": []}, [[], {}], {"a": {"b": ["x" * 200] * 3}}])
def test_what_is_not_cut_is_still_json(value):
    assert json.loads(laid_out(value)) == value


@pytest.mark.parametrize("body", [b"", b"not JSON", b"\xff", b"[" * 100_000, b"[1]", b'{"messages": 1, "tools": null}'])
def test_any_body_can_be_shown(body):
    written = []
    ExchangeConsole(written.append, lambda text, style: text)(Sent("http://x", "m", body))
    assert written[0].startswith("→ POST http://x (m, ")


def test_escape_sequences_are_shown_and_not_sent():
    written = []
    body = json.dumps({"messages": [{"content": "\x9b2J\u202e"}]}, ensure_ascii=False).encode()
    ExchangeConsole(written.append, lambda text, style: text)(Sent("http://x/\x1b[2J", "m", body))
    assert "\x1b" not in "".join(written)
    assert "\x9b" not in "".join(written)
    assert "\u202e" not in "".join(written)


def of_a_tool(body, content_type="application/json"):
    """What is shown of a tool's body."""
    shown = []
    sent = ToolSent("POST", "http://a.example/", ("Content-Type",), content_type, body)
    ExchangeConsole(shown.append, lambda text, _: text)(masked(sent, Masker(['k-y"one/3+4']).text))
    return "".join(shown[1:])


@pytest.mark.parametrize("depth", [900, 959, 960, 2_000, 100_000])
def test_a_tools_body_of_any_depth_is_shown_in_part(depth):
    shown = of_a_tool(b"[" * depth + b"]" * depth)
    assert shown.startswith("[")
    assert len(shown) < 30_000


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(dict.fromkeys(map(str, range(5_000)))).encode(),
        b"x" * 1_000_000,
        bytes(range(256)) * 100,
        b"[1,\xff]",
    ],
)
def test_a_tools_body_of_any_kind_is_shown_in_part(body):
    assert 0 < len(of_a_tool(body)) < 30_000


def test_a_secret_in_json_in_json_of_a_tool_is_hidden():
    deep = json.dumps({"a": json.dumps({"b": json.dumps('k-y"one/3+4')})}).encode()
    shown = of_a_tool(deep)
    assert "[secret]" in shown
    assert "one/3" not in shown


def test_the_heads_of_parts_are_cut():
    head = b'Content-Disposition: form-data; name="' + b"n" * 100_000 + b'"\r'
    assert len(of_a_tool(b"--x\r\n" + head + b"\n\r\n1", "multipart/form-data; boundary=x")) < 1_000
