"""Which stub answers a call, and what failures of stubs say."""

import pytest

from agentrun.spec.case_types import StubError, StubSpec
from agentrun.testing.stubs import NoStub, StubBook, failure_of
from agentrun.tools.network import NetworkFailure


def answers(stubs, *calls):
    book = StubBook({"find": stubs})
    return [book.take("find", arguments).result for arguments in calls]


def test_a_single_stub_answers_every_call():
    assert answers(StubSpec(result=1), {"a": 1}, {"a": 2}, {}) == [1, 1, 1]


def test_the_stubs_of_a_list_answer_once_each_in_turn():
    assert answers([StubSpec(result=1), StubSpec(result=2)], {}, {}) == [1, 2]
    with pytest.raises(NoStub, match=r"no stub of `find` is left for \{\}: all that answer it are used up"):
        answers([StubSpec(result=1)], {}, {})


def test_a_stub_with_when_answers_each_call_that_it_fits_and_no_other():
    stubs = [StubSpec(when={"id": 7}, result="seven"), StubSpec(when={"id": 8}, result="eight")]
    assert answers(stubs, {"id": 8}, {"id": 7, "more": True}, {"id": 8}) == ["eight", "seven", "eight"]
    with pytest.raises(NoStub, match="none has a `when` that fits"):
        answers(stubs, {"id": 9})


def test_times_is_how_many_calls_a_stub_answers():
    assert answers([StubSpec(times=2, result=1), StubSpec(result=2)], {}, {}, {}) == [1, 1, 2]


def test_stubs_with_a_number_of_calls_that_answered_none_are_idle():
    book = StubBook({"find": [StubSpec(), StubSpec(when={"id": 1})], "once": StubSpec(times=1), "any": StubSpec()})
    book.take("find", {})
    assert list(book.idle()) == [("find", 2, 2), ("once", 1, 1)]


def failure(type, message=None, *, origin="", **stub):
    return failure_of(StubSpec(error=StubError(type, message), **stub), 7.5, origin)


def test_a_stubbed_timeout_says_what_a_real_one_would():
    assert failure("timeout").as_result() == {"error": {"type": "timeout", "message": "no result after 7.5 s"}}


def test_a_stubbed_connection_failure_of_an_http_tool_is_worth_another_attempt():
    one = failure("connection", origin="http://orders.test")
    assert (one.message, one.retryable) == ("could not connect to http://orders.test (connection refused)", True)
    assert not isinstance(failure("connection"), NetworkFailure)


def test_a_message_that_is_written_is_told_and_codes_go_with_it():
    assert failure("http_status", "gone", status=410).as_result()["error"] == {
        "type": "http_status",
        "message": "gone",
        "status": 410,
    }
    assert failure("exit_code", exit_code=3).details == {"exit_code": 3}
    assert failure_of(StubSpec(), 1.0) is None
