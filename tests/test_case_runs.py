"""Many cases: their order, what ends them, and what counts as failed or as not measured."""

import asyncio
import threading

import pytest

from agentrun.project import read_project
from agentrun.testing.bench import Bench
from agentrun.testing.plan import cases_of
from agentrun.testing.runner import NO_LIVE, Manner, Runner
from cases_in_process import Heard, run_project
from projects import write_project
from servers import ModelServer, Response, reply_json, sse, status

LIVE = """
model: {name: gpt-x, base_url: "${SERVICE_URL}", api_key: "${SERVICE_KEY}", max_retries: 0}
"""


def live_project(cases, top=""):
    return {"agents/desk.yaml": LIVE, "tests/desk.test.yaml": f"agent: desk\nlive: true\n{top}\ncases:\n{cases}"}


def environ(server):
    return {"SERVICE_URL": server.base_url, "SERVICE_KEY": "sk-canary-0123456789"}


def scripted(count, case="  - {name: '%s', args: {input: hi}, model: [{content: ok%s}]}\n"):
    more = {3: ", delay: 0.2"}
    return {
        "agents/desk.yaml": "model: gpt-x\n",
        "tests/desk.test.yaml": "agent: desk\ncases:\n"
        + "".join(case % (number, more.get(number, "")) for number in range(count)),
    }


def test_results_come_in_the_order_of_the_cases_whatever_ended_first(tmp_path):
    assert list(run_project(tmp_path, scripted(8))) == [str(number) for number in range(8)]


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_with_fail_fast_what_is_told_ends_with_the_first_that_failed_in_their_order(tmp_path, at_once):
    files = scripted(8)
    lines = files["tests/desk.test.yaml"].splitlines(keepends=True)
    for number in (3, 5, 7):  # the third is slow, and comes before those that fail at once
        lines[number + 2] = lines[number + 2].replace("]}", "], expect: {reason: max_turns}}")
    files["tests/desk.test.yaml"] = "".join(lines)
    done = run_project(tmp_path, files, fail_fast=True, at_once=at_once)
    assert list(done) == ["0", "1", "2", "3"]
    assert done["3"].status == "failed"


def test_the_key_that_is_missing_leaves_a_live_case_unmeasured(tmp_path):
    it = run_project(tmp_path, live_project("  - {name: it, args: {input: hi}}\n"))["it"]
    assert (it.status, it.shown.error) == ("unmeasured", "the environment variable SERVICE_URL is not set")


def test_a_service_that_fails_leaves_a_live_case_unmeasured_unless_that_is_what_it_expects(tmp_path):
    cases = """
  - {name: it, args: {input: hi}}
  - {name: expects, args: {input: hi}, expect: {reason: model_error}}
  - {name: expects more, args: {input: hi}, expect: {reason: model_error, turns: 9}}
"""
    with ModelServer([status(500), status(500), status(500)]) as server:
        done = run_project(tmp_path, live_project(cases), environ=environ(server), at_once=1)
    assert [one.status for one in done.values()] == ["unmeasured", "passed", "failed"]
    assert "500" in done["it"].shown.error


def test_a_cost_that_nobody_knows_leaves_a_live_case_unmeasured_unless_something_else_fails(tmp_path):
    cases = """
  - {name: cost, args: {input: hi}, expect: {cost_usd: {at_most: 1}}}
  - {name: answer too, args: {input: hi}, expect: {cost_usd: {at_most: 1}, answer: no}}
  - {name: tokens, args: {input: hi}, expect: {tokens: {at_most: 1}}}
"""
    with ModelServer([sse(text="yes", usage=(9, 1)), sse(text="yes", usage=(9, 1)), sse(text="yes")]) as server:
        done = run_project(tmp_path, live_project(cases), environ=environ(server), at_once=1)
    assert [one.status for one in done.values()] == ["unmeasured", "failed", "unmeasured"]
    assert done["cost"].shown.error == "the cost is not known: the model has no known price"
    assert done["tokens"].shown.error == "the tokens are not known: no reply of the model has `usage`"


def test_a_conversation_that_is_too_long_for_the_model_fails_the_case(tmp_path):
    error = {"message": "the maximum is 10 tokens", "code": "context_length_exceeded"}
    with ModelServer([reply_json({"error": error}, 400)]) as server:
        files = live_project("  - {name: it, args: {input: hi}}\n")
        it = run_project(tmp_path, files, environ=environ(server))["it"]
    assert it.status == "failed"


def test_a_case_whose_time_is_up_while_a_failed_request_is_made_again_could_not_be_measured(tmp_path):
    files = live_project("  - {name: it, args: {input: hi}, timeout: 1}\n")
    files["agents/desk.yaml"] = files["agents/desk.yaml"].replace("max_retries: 0", "max_retries: 3")
    assert "max_retries: 3" in files["agents/desk.yaml"]
    with ModelServer([status(500, "down", headers={"retry-after": "0"}), Response(ending="silent")]) as server:
        it = run_project(tmp_path, files, environ=environ(server))["it"]
    assert it.status == "unmeasured"
    assert it.shown.error.startswith("the case took longer than 1 s, and a request that failed was tried again: ")
    assert "500" in it.shown.error


def test_a_live_model_that_breaks_the_format_of_the_answer_fails_the_case(tmp_path):
    files = live_project("  - {name: it, args: {input: hi}}\n")
    files["agents/desk.yaml"] += "response_format: {type: json_object}\n"
    with ModelServer([sse(text="no JSON"), sse(text="neither")]) as server:
        it = run_project(tmp_path, files, environ=environ(server))["it"]
    assert it.status == "failed"


def test_live_cases_are_tried_as_often_as_is_wished_and_their_pass_rate_decides(tmp_path):
    cases = """
  - {name: it, args: {input: hi}, pass_rate: 0.5, expect: {answer: yes it is}}
  - {name: scripted, args: {input: hi}, model: [{content: ok}]}
"""
    with ModelServer([sse(text="yes it is"), sse(text="no"), sse(text="yes it is"), sse(text="no")]) as server:
        done = run_project(tmp_path, live_project(cases), environ=environ(server), repeat=4, at_once=1)
    assert [one.status for one in done["it"].attempts].count("passed") == 2
    assert (done["it"].status, len(done["it"].attempts)) == ("passed", 4)
    assert len(done["scripted"].attempts) == 1


def test_without_live_cases_the_others_are_run_and_nothing_is_asked(tmp_path):
    files = live_project("  - {name: it, args: {input: hi}}\n")
    with ModelServer([]) as server:
        it = run_project(tmp_path, files, environ=environ(server), no_live=True)["it"]
        assert server.requests == []
    assert (it.status, it.why) == ("skipped", NO_LIVE)


def test_a_model_of_the_command_line_is_for_live_cases_alone(tmp_path):
    files = live_project("  - {name: live, args: {input: hi}}\n")
    files["tests/other.test.yaml"] = (
        "agent: desk\ncases: [{name: scripted, args: {input: hi}, model: [{error: {status: 503}}, {content: ok}]}]\n"
    )
    files["agents/desk.yaml"] = files["agents/desk.yaml"].replace("max_retries: 0", "max_retries: 1")
    with ModelServer([sse(text="fine")]) as server:
        done = run_project(tmp_path, files, environ=environ(server), model="gpt-other")
        assert [one.json["model"] for one in server.requests] == ["gpt-other"]
    assert {name: one.status for name, one in done.items()} == {"live": "passed", "scripted": "passed"}
    assert run_project(tmp_path, files, model="offline")["live"].status == "passed"


def test_a_skipped_case_is_not_run(tmp_path):
    files = scripted(1, "  - {name: '%s', skip: not yet, args: {input: hi}, model: [{content: ok%s}]}\n")
    it = run_project(tmp_path, files)["0"]
    assert (it.status, it.why, it.attempts) == ("skipped", "not yet", ())


class Bug(Exception):
    pass


class FailsItself(Heard):
    def result(self, result):
        super().result(result)
        raise Bug("ours")


def runner_of(folder, files, hearer):
    project = read_project(write_project(folder, files), {})
    return Runner(cases_of(project.catalog.tests), Bench(project, {}), Manner(), hearer)


def test_a_bug_of_ours_is_no_failure_of_a_case_and_ends_all(tmp_path):
    runner = runner_of(tmp_path, scripted(8), FailsItself())

    async def run():
        with pytest.raises(Bug, match="ours"):
            await runner.run()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_what_is_done_is_known_after_a_run_was_cancelled_and_no_task_is_left(tmp_path):
    files = scripted(5, "  - {name: '%s', args: {input: hi}, model: [{content: ok, delay: 30%s}]}\n")
    files["tests/desk.test.yaml"] = (
        files["tests/desk.test.yaml"].replace(", delay: 30", "", 2).replace(", delay: 0.2", "")
    )
    heard = Heard()
    runner = runner_of(tmp_path, files, heard)

    async def run():
        task = asyncio.create_task(runner.run())
        async with asyncio.timeout(20):
            while len(heard.told) < 2:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.all_tasks() - {asyncio.current_task()}

    threads = threading.active_count()
    assert asyncio.run(run()) == set()
    assert threading.active_count() == threads
    assert [(one.case.name, one.status) for one in runner.so_far().results] == [("0", "passed"), ("1", "passed")]
