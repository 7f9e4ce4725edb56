"""What a service says when it fails becomes one line in the user's words."""

import datetime
import json
import socket
import ssl
from email.utils import format_datetime

import pytest

from agentrun.engine.output import brief
from agentrun.models import failures
from agentrun.models.failures import Service, ToolUseFailed, from_response

URL = "https://api.example.test/v1"
SERVICE = Service("gpt-x", URL, "Check OPENAI_API_KEY.")
NOW_S = 1_700_000_000.0


def failure_of(status, body=b"", headers=(), content_type="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_response(status, {"content-type": content_type, **dict(headers)}, body, SERVICE, now_s=NOW_S)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "boom", "type": "x", "code": None}},
        {"error": "boom"},
        {"error": {"message": {"detail": "boom"}}},
        {"error": {"error": {"message": "boom"}}},
        [{"error": {"code": 400, "message": "boom", "status": "INVALID_ARGUMENT"}}],
        {"object": "error", "message": "boom", "code": 400},
        {"detail": "boom"},
        {"detail": [{"loc": ["body", "tools"], "msg": "boom", "type": "missing"}]},
        {"errors": [{"message": "boom"}]},
        {"error": {"message": "Provider returned error", "metadata": {"raw": "boom"}}},
        b"boom",
        b'"boom"',
    ],
    ids=str,
)
def test_the_services_message_is_found_wherever_it_stands(body):
    assert "boom" in failure_of(400, body).message


@pytest.mark.parametrize(
    ("status", "words", "help", "retryable"),
    [
        (400, "refused the request", "settings", False),
        (401, "refused the key", "OPENAI_API_KEY", False),
        (403, "forbids", "OPENAI_API_KEY", False),
        (404, "does not know the model gpt-x, or has no chat API at this address", "base_url", False),
        (408, "failed", "try later", True),
        (409, "failed", "try later", True),
        (422, "refused the request", "settings", False),
        (429, "limits the rate", "fallback", True),
        (500, "failed", "try later", True),
        (503, "failed", "try later", True),
        (529, "failed", "try later", True),
    ],
)
def test_a_status_says_whose_fault_it_is_and_what_to_do(status, words, help, retryable):
    failure = failure_of(status, {"error": {"message": "the server's\nown words"}})
    assert words in failure.message
    assert URL in failure.message
    assert f"({status}): the server's own words" in failure.message
    assert help in failure.help
    assert (failure.status, failure.retryable) == (status, retryable)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"error": {"message": 7}}']
)
def test_an_error_without_words_is_still_an_error(body):
    failure = failure_of(502, body)
    assert failure.message.startswith(f"the service at {URL} failed (502)")
    assert len(failure.message) < 5_000


def test_a_long_message_is_bounded_and_cut_short_once_it_is_masked():
    failure = failure_of(400, {"error": {"message": "word " * 10_000}})
    assert len(failure.message) < 5_000
    assert len(brief(failure.message)) <= 1_000


def test_a_proxys_error_page_is_its_title():
    failure = failure_of(502, b"<html><head><title>502 Bad\nGateway</title>", content_type="text/html")
    assert "“502 Bad Gateway”" in failure.message
    assert failure.retryable


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "0.25"}, "", 0.25),
        ({"retry-after": "0"}, "try again in 5s", 0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, "", 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, "", 0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({}, "Rate limit reached. Please try again in 5.289s. Visit …", 5.289),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please try again in 6m0s.", 360),
        ({}, "Please try again in 1m2.5s.", 62.5),
        ({}, "Please retry after 20 seconds.", 20),
        ({}, "Please retry in 34.07s.", 34.07),
        ({}, "Try again in 1 minute.", 60),
        ({}, "try again in a while", None),
    ],
)
def test_the_wait_that_a_service_asks_for_is_read(headers, message, wait_s):
    failure = failure_of(429, {"error": {"message": message}}, headers)
    assert failure.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))


def test_a_date_far_away_is_a_long_wait():
    in_an_hour = datetime.datetime.fromtimestamp(NOW_S + 3600, datetime.UTC)
    assert failure_of(503, b"", {"retry-after": format_datetime(in_an_hour, usegmt=True)}).retry_after_s == 3600


def test_googles_retry_info_is_read():
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure"}, {"@type": "…RetryInfo", "retryDelay": "34s"}]
    body = [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}]
    failure = failure_of(429, body)
    assert failure.retry_after_s == 34
    assert failure.retryable


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded", "message": "too long"},
        {"message": "This model's maximum context length is 8192 tokens."},
        {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed"},
    ],
)
def test_a_conversation_that_is_too_long_has_its_own_code(error):
    failure = failure_of(400, {"error": error})
    assert (failure.code, failure.retryable) == ("context_length_exceeded", False)


def test_an_empty_account_is_not_asked_again():
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    failure = failure_of(429, {"error": error})
    assert not failure.retryable
    assert "credit" in failure.message


def test_groqs_failed_call_is_told_apart():
    error = {"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<function=f>{"}
    failure = failure_of(400, {"error": error})
    assert isinstance(failure, ToolUseFailed)
    assert failure.generation == "<function=f>{"


def test_a_redirect_is_final_and_names_its_target():
    failure = failure_of(307, b"", {"location": "https://elsewhere.test/v1"})
    assert "https://elsewhere.test/v1 (307)" in failure.message
    assert not failure.retryable
    assert "base_url" in failure.help


def raised(cause):
    """An exception as libraries hand it on: the cause at the bottom of a chain and a group."""
    try:
        try:
            raise OSError("all attempts failed") from ExceptionGroup("", [cause])
        except OSError as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as error:
        return error


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("cause", "words", "retryable"),
    [
        (ConnectionRefusedError(111, "refused"), f"no service answers at {URL}: is the server running?", True),
        (socket.gaierror(-2, "Name or service not known"), f"the host of {URL} is not known", True),
        (UNTRUSTED, "is not trusted: self-signed certificate", False),
        (ssl.SSLError(1, "[SSL] wrong version"), "no secure connection", True),
        (TimeoutError(), "within 2.5 s", True),
        (ConnectionResetError(104, "reset"), "closed the connection without an answer", True),
        (OSError(113, "No route to host"), "No route to host", True),
    ],
)
def test_a_connection_that_was_not_made_says_why(cause, words, retryable):
    failure = failures.unreachable(raised(cause), SERVICE, 2.5)
    assert words in failure.message
    assert failure.retryable == retryable
    assert failure.help
