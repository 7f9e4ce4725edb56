"""When an http tool asks again: as often as a server really sees."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.spec.types import AuthSpec
from agentrun.tools.retry import backoff_s, retry_after_s
from http_calls import Waits, call, failure, tool
from loopback_http import Loopback, reply, unused_port


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_failure_that_may_pass_is_asked_again(status):
    waits = Waits()
    with Loopback([reply(status), reply(status), reply(200, "at last")]) as server:
        assert call(tool(server.url, sleep=waits)).value == "at last"
        assert len(server.requests) == 3
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.2
    assert 0 <= waits[1] <= 0.4


@pytest.mark.parametrize(("max_retries", "count"), [(0, 1), (1, 2), (4, 5)])
def test_retries_are_counted(max_retries, count):
    with Loopback(reply(503)) as server:
        failed = failure(tool(server.url, max_retries=max_retries))
        assert len(server.requests) == count
    assert failed.details["status"] == 503


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_a_failure_that_will_not_pass_is_not_asked_again(status):
    with Loopback(reply(status)) as server:
        failure(tool(server.url))
        assert len(server.requests) == 1


def test_an_expected_status_is_not_asked_again():
    with Loopback(reply(503, "down")) as server:
        assert call(tool(server.url, expect=[503])).value == "down"
        assert len(server.requests) == 1


def test_a_call_that_must_not_happen_twice_is_made_once():
    for answer in (reply(503), None):
        with Loopback(lambda _, answer=answer: answer) as server:
            failure(tool(server.url, json={}, idempotent=False))
            assert len(server.requests) == 1


def test_an_idempotency_key_makes_a_call_repeatable_under_the_same_key():
    with Loopback([reply(503), reply(200, "ok")]) as server:
        made = tool(server.url, json={}, idempotent=False, headers={"idempotency-key": "{{ call.id }}"})
        assert call(made).value == "ok"
        assert [arrived.header("Idempotency-Key") for arrived in server.requests] == ["call-1", "call-1"]


def test_an_absent_idempotency_key_makes_nothing_repeatable():
    with Loopback(reply(503)) as server:
        failure(tool(server.url, json={}, idempotent=False, headers={"Idempotency-Key": "{{ args.gone }}"}))
        assert len(server.requests) == 1


def test_a_broken_connection_is_asked_again():
    answers = [None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut", reply(200, "ok")]
    with Loopback(lambda _: answers.pop(0), idle_s=0.2) as server:
        assert call(tool(server.url)).value == "ok"
        assert len(server.requests) == 3


def test_a_dead_endpoint_is_told_after_the_retries():
    waits = Waits()
    url = f"http://127.0.0.1:{unused_port()}"
    failed = failure(tool(f"{url}/x?key=1", sleep=waits, auth=AuthSpec(bearer="s3cret")))
    assert failed.as_result() == {
        "error": {"type": "connection", "message": f"could not connect to {url} (connection refused)"}
    }
    assert len(waits) == 2


def test_a_refused_address_is_not_asked_again():
    waits = Waits()
    failure(tool("http://169.254.169.254/", sleep=waits))
    assert waits == []


def test_retry_after_is_kept_up_to_half_a_minute():
    waits = Waits()
    with Loopback([reply(429, headers=[("Retry-After", "7")]), reply(200, "ok")]) as server:
        assert call(tool(server.url, sleep=waits)).value == "ok"
    assert waits == [7]
    with Loopback(reply(429, "slow down", headers=[("Retry-After", "31")])) as server:
        failed = failure(tool(server.url, sleep=waits))
        assert len(server.requests) == 1
    assert failed.details == {"status": 429, "body": "slow down", "retry_after": 31}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        ("Sat, 31 Jan 2026 12:00:10 GMT", 10.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 999999999.0),
        *[(text, None) for text in (None, "", "-1", "soon", "1.5", "Sat, 99 Jan 2026 12:00:10 GMT", "٣")],
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value, seconds):
    assert retry_after_s(value, datetime(2026, 1, 31, 12, tzinfo=UTC)) == seconds


@settings(max_examples=30)
@given(st.integers(0, 10))
def test_backoff_is_jittered_under_an_exponential_ceiling(attempt):
    assert 0 <= backoff_s(attempt) <= 0.2 * 2**attempt


@pytest.mark.parametrize(("timeout_s", "waited"), [(20, []), (60, [20.0])])
def test_a_wait_that_the_call_has_no_time_for_is_not_begun(timeout_s, waited):
    waits = Waits()
    with Loopback(reply(429, headers=[("Retry-After", "20")])) as server:
        failed = failure(tool(server.url, sleep=waits, max_retries=1, timeout_s=timeout_s))
    assert (failed.details["status"], failed.details["retry_after"]) == (429, 20.0)
    assert waits == waited
