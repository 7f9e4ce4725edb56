"""Every way in which a model service fails, as the user meets it: events, the line on stderr, the exit code.

To add a fault, add a row to FAULTS. Each is played three times: it passes, it stays, and another model stands by.
How one response becomes one error is proved in `test_openai_chat.py` and `test_failures.py`.
"""

import gzip
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from agentrun.models import retry
from asking import KEY, ask
from servers import (
    ModelServer,
    Response,
    cut,
    delta,
    event,
    events,
    hang_up,
    page,
    reply_json,
    silence,
    sse,
    status,
)

SERVICES_FAULT = "This is the service's fault: try later, or name another model in `fallback`."


@dataclass(frozen=True)
class Fault:
    """`says` are words of the message, `help` of what to do.

    `delay_s` is the wait before the next attempt; with None it is asked no second time. `idle_s` is a short deadline
    for services that go silent.
    """

    name: str
    response: Response
    says: str
    help: str
    delay_s: float | None = 0.0
    idle_s: float = 10.0


class Forever:
    """This piece again and again, for each that asks."""

    def __init__(self, piece):
        self.piece = piece

    def __iter__(self):
        while True:
            time.sleep(0.005)  # the pace of an endless stream, not a wait for anything
            yield self.piece


def zipped(body):
    return Response([gzip.compress(body, 1)], headers={"content-encoding": "gzip"})


def limited(message="Slow down", headers=None, **error):
    return reply_json({"error": {"message": message, **error}}, 429, headers)


BEGUN = events(delta(content="Half an ans"))
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.02s"}
QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota"}
NOW = format_datetime(datetime.now(UTC), usegmt=True)
RATE, WAIT = "limits the rate of requests (429)", "Wait, or name another model in `fallback`."
NO_API = "Check that `base_url` is the address of an API"
IDLE = "Raise `model.timeout.idle`"

FAULTS = [
    # -- too many requests
    Fault("a 429", limited(), f"{RATE}: Slow down", WAIT),
    Fault("a 429 with seconds", limited(headers={"retry-after": "0"}), RATE, WAIT),
    Fault("a 429 with a date", limited(headers={"retry-after": NOW}), RATE, WAIT),
    Fault("a 429 with milliseconds", limited(headers={"retry-after-ms": "20"}), RATE, WAIT, delay_s=0.02),
    Fault("a 429 with a wait in words", limited("Please try again in 20ms."), RATE, WAIT, delay_s=0.02),
    Fault("a 429 with Google's RetryInfo", limited(details=[RETRY_INFO]), RATE, WAIT, delay_s=0.02),
    Fault("a 429 with a wait that is too long", limited(headers={"retry-after": "3600"}),
          "it asks to come back in 60 min", WAIT, delay_s=None),
    Fault("a 429 of an empty account", limited("You exceeded your quota", **QUOTA),
          "has no credit left (429): You exceeded your quota", "Add credit", delay_s=None),
    # -- the service's own failures
    Fault("a 500", status(500, "boom"), "failed (500): boom", SERVICES_FAULT),
    Fault("a 503", status(503, "boom"), "failed (503): boom", SERVICES_FAULT),
    Fault("a 503 that says when", status(503, "boom", headers={"retry-after-ms": "20"}), "failed (503)",
          SERVICES_FAULT, delay_s=0.02),
    Fault("a 529", status(529, "Overloaded", type="overloaded_error"), "failed (529): Overloaded", SERVICES_FAULT),
    Fault("a 502 as a web page", page("502 Bad Gateway", 502), "failed (502): a web page, “502 Bad Gateway”",
          SERVICES_FAULT),
    # -- what the user must mend
    Fault("a 400", status(400, "temperature: too hot"), "refused the request (400): temperature: too hot",
          "Check `model.settings`", delay_s=None),
    Fault("a 401", status(401, "no such key"), "refused the key (401): no such key", "Check `api_key` under `model`.",
          delay_s=None),
    Fault("a 404", status(404, "no such model"), "does not know the model gpt-", "Check `model.name`", delay_s=None),
    Fault("a conversation that is too long", reply_json({"error": {"code": "context_length_exceeded"}}, 400),
          "the conversation is too long for the model (400)", "larger context", delay_s=None),
    Fault("a redirect", Response(status=307, headers={"location": "http://127.0.0.1:1/v1"}),
          "redirects to http://127.0.0.1:1/v1 (307)", "final address in `base_url`", delay_s=None),
    # -- responses that are none
    Fault("a web page under 200", page("Log in"), "a web page, “Log in”", NO_API),
    Fault("an empty body", Response(), "ended before it was complete", SERVICES_FAULT),
    Fault("another content type", Response([b"\x89PNG"], content_type="image/png"), "answered with image/png",
          NO_API, delay_s=None),
    Fault("JSON that is no completion", reply_json({"ok": True}), "no choices in", SERVICES_FAULT),
    Fault("a gzip bomb in one line", zipped(b"data: " + b"0" * (11 * 1024 * 1024)), "larger than 10 MiB",
          "check that `base_url` is right", delay_s=None),
    Fault("a gzip bomb of many lines", zipped((b": " + b"0" * 1024 * 1024 + b"\n") * 65), "larger than 64 MiB",
          "check that `base_url` is right", delay_s=None),
    # -- the connection
    Fault("a close before the head", hang_up(), "gave no answer", "Check the network and `base_url`."),
    Fault("a reset before the head", hang_up("reset"), "closed the connection without an answer",
          "Check the network and `base_url`."),
    Fault("a stream that is cut", cut(BEGUN, len(BEGUN.body), "cut"), "the connection was lost", SERVICES_FAULT),
    Fault("a stream that is reset", cut(BEGUN, len(BEGUN.body), "reset"), "the connection was lost", SERVICES_FAULT),
    Fault("silence before the head", silence(), "sent nothing within 0.3 s", IDLE, idle_s=0.3),
    Fault("silence in the stream", silence(BEGUN), "sent nothing within 0.3 s", IDLE, idle_s=0.3),
    Fault("keep-alives without end", Response(Forever(b": keep-alive\n\n")), "sent nothing within 0.3 s", IDLE,
          idle_s=0.3),
    # -- what stands in the stream
    Fault("an event that is no JSON", Response([event(delta(content="Half")), b"data: {oops\n\n"]), "a broken reply",
          SERVICES_FAULT),
    Fault("text that is not UTF-8", Response([b'data: {"a": "\xff"}\n\n']), "text that is not UTF-8", SERVICES_FAULT),
    Fault("an error in the stream", events(delta(content="Half"), {"error": {"message": "boom"}}), "failed: boom",
          SERVICES_FAULT),
    Fault("an error in the stream with a code", events(delta(content="Half"), {"error": {"message": "m", "code": 502}}),
          "failed (502): m", SERVICES_FAULT),
    Fault("an error in the stream that is final", events({"error": {"message": "no", "code": 400}}),
          "refused the request (400): no", "Check `model.settings`", delay_s=None),
    Fault("an error body under 200", reply_json({"error": {"message": "boom", "code": 502}}), "failed (502): boom",
          SERVICES_FAULT),
]  # fmt: skip

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries come at once, unless the service itself says when."""
    monkeypatch.setattr(retry, "BASE_DELAY_S", 0.0)


def played(folder, fault, script, *keys):
    asked = ask(folder, script, keys=["max_retries: 1", f"timeout: {{idle: {fault.idle_s}}}", *keys])
    assert "Traceback" not in asked.stderr
    assert KEY not in asked.stdout + asked.stderr
    assert [event["seq"] for event in asked.events] == list(range(1, len(asked.events) + 1))
    return asked


@pytest.mark.parametrize("fault", [one for one in FAULTS if one.delay_s is not None], ids=lambda fault: fault.name)
def test_a_fault_that_passes_is_told_and_the_run_answers(tmp_path, fault):
    asked = played(tmp_path, fault, [fault.response, sse("All is well.")])
    (retried,) = asked.told("retried")
    assert (retried["attempt"], retried["delay_s"]) == (1, pytest.approx(fault.delay_s, abs=0.001))
    assert fault.says.partition("; ")[0] in retried["cause"]
    assert (asked.code, asked.ended["reason"], asked.ended["text"]) == (0, "answered", "All is well.")
    assert asked.ended["error"] is None
    (line,) = asked.stderr_lines
    assert line.startswith("retrying in 0.0 s: ")
    assert retried["cause"] in line


@every_fault
def test_a_fault_that_stays_ends_the_run_with_4_and_says_what_failed_and_what_to_do(tmp_path, fault):
    attempts = 1 if fault.delay_s is None else 2
    asked = played(tmp_path, fault, [fault.response] * 3)
    assert (asked.code, asked.ended["reason"], asked.ended["text"]) == (4, "model_error", "")
    assert len(asked.requests) == attempts
    assert len(asked.told("retried")) == attempts - 1
    error = asked.ended["error"]
    *_, line, help = asked.stderr_lines
    assert len(asked.stderr_lines) == attempts + 1
    assert line == f"model_error: {error['message']}"
    assert help == f"help: {error['help']}"
    assert error["message"].startswith("gpt-x: ")
    assert error["message"].endswith("(after 2 attempts)") == (attempts == 2)
    assert fault.says in error["message"]
    assert fault.help in error["help"]
    assert asked.noted == []


@every_fault
def test_where_a_model_fails_the_next_one_of_fallback_answers(tmp_path, fault):
    attempts = 1 if fault.delay_s is None else 2
    script = [*[fault.response] * attempts, sse("Here I am.")]
    asked = played(tmp_path, fault, script, "fallback: [gpt-y]")
    assert [request.json["model"] for request in asked.requests] == ["gpt-x"] * attempts + ["gpt-y"]
    (fallback,) = asked.told("fallback")
    assert fallback["model"] == "gpt-y"
    assert fault.says.partition("; ")[0] in fallback["cause"] or fault.delay_s is None
    assert (asked.code, asked.ended["reason"], asked.ended["text"]) == (0, "answered", "Here I am.")
    assert asked.stderr_lines[-1] == f"asking gpt-y instead: {fallback['cause']}"


def test_a_fault_after_a_call_is_retried_and_the_call_is_not_made_again(tmp_path):
    asked = ask(tmp_path, [sse(calls=[("note", {"n": 7})]), status(503), cut(BEGUN, 40), sse("Noted.")])
    assert (asked.code, asked.ended["text"], asked.noted) == (0, "Noted.", [7])
    assert len(asked.told("retried")) == 2
    assert len(asked.told("tool_started")) == 1
    histories = [request.json["messages"] for request in asked.requests[1:]]
    assert histories == [histories[0]] * 3


def test_a_redirect_takes_neither_request_nor_key_to_another_host(tmp_path):
    with ModelServer([sse("stolen")]) as other:
        target = f"{other.base_url}/chat/completions"
        asked = ask(tmp_path, [Response(status=308, headers={"location": target})])
    assert (asked.code, other.requests) == (4, [])
    assert asked.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert target in asked.stderr


def test_a_key_that_the_service_quotes_is_masked_wherever_the_error_goes(tmp_path):
    asked = ask(tmp_path, [status(500, f"bad key {KEY}"), status(401, f"Incorrect API key provided: {KEY}.")])
    assert asked.code == 4
    assert KEY not in asked.stdout + asked.stderr
    assert "Incorrect API key provided: [secret]." in asked.stderr
    assert "bad key [secret]" in asked.told("retried")[0]["cause"]


def test_a_key_that_a_faulty_stream_quotes_is_masked_in_the_deltas_that_are_void(tmp_path):
    half = events(delta(content=f"your key is {KEY}"), {"error": {"message": f"bad {KEY}"}})
    asked = ask(tmp_path, [half, sse("Sorry.")])
    assert asked.code == 0
    assert KEY not in asked.stdout + asked.stderr


def test_all_models_that_failed_are_named_and_the_first_ones_help_is_given(tmp_path):
    asked = ask(tmp_path, [status(401, "no such key"), status(404, "no such model")], keys=["fallback: [gpt-y]"])
    assert asked.code == 4
    assert "gpt-x: " in asked.stderr_lines[-2]
    assert "; then gpt-y: " in asked.stderr_lines[-2]
    assert asked.stderr_lines[-1] == "help: Check `api_key` under `model`."


def test_stdout_stays_empty_where_the_service_failed(tmp_path):
    asked = ask(tmp_path, [status(400, "no")], output="text")
    assert (asked.code, asked.stdout) == (4, "")
