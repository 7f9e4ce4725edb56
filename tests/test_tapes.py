"""Cassettes of test cases: which conversation a case plays, and how files are recorded."""

import asyncio
import threading
from pathlib import Path

import pytest
import yaml

from agentrun.project import read_project
from agentrun.testing.bench import Bench
from agentrun.testing.plan import cases_of
from agentrun.testing.runner import Manner, Runner
from agentrun.testing.tapes import Tapes
from loopback_http import Loopback, reply
from projects import write_project
from servers import ModelServer, silence, sse

AGENT = """
    model: {name: m, base_url: "${MODEL_URL}", api_key: "${MODEL_KEY}", max_retries: 0}
    system_prompt: "Today is {{ run.date }}."
    tools: [price, order]
"""
TOOLS = """
    name: price
    description: What an article costs.
    parameters: {type: object, properties: {sku: {type: string}}, required: [sku]}
    http: {url: "${SHOP_URL}/price/{sku}", auth: {bearer: "${SHOP_TOKEN}"}}
    ---
    name: order
    description: Order an article.
    parameters: {type: object, properties: {sku: {type: string}}, required: [sku]}
    require_approval: always
    http: {url: "${SHOP_URL}/orders", method: POST, auth: {bearer: "${SHOP_TOKEN}"}}
"""


def suite(*cases, more=""):
    listed = "\n".join(f"      - {{{case}}}" for case in cases)
    return {
        "agents/shop.yaml": AGENT,
        "tools.d/shop.yaml": TOOLS,
        "tests/shop.test.yaml": f"    agent: shop\n    cassette: shop.cassette.yaml\n{more}    cases:\n{listed}\n",
    }


def priced(name, sku="TP-1", more=""):
    return f'name: {name}, args: {{input: "What is {sku}?"}}, expect: {{answer: {{contains: euro}}}}{more}'


def run(folder, tapes, environ=None):
    """Each case of the project, run; (status, what failed) by name."""
    project = read_project(folder, environ or {})
    runner = Runner(cases_of(project.catalog.tests), Bench(project, environ or {}), Manner(tapes=tapes))
    done = asyncio.run(runner.run())
    return {
        one.case.name: (one.status, [failure.message for attempt in one.attempts for failure in attempt.failures])
        for one in done.results
    }


class Services:
    """A model that asks for a price and then says it, and a shop. Both count what they are asked."""

    def __enter__(self):
        self._model = Loopback(self._complete).__enter__()
        self._shop = Loopback(self._sell).__enter__()
        return self

    def __exit__(self, *_):
        self._model.__exit__()
        self._shop.__exit__()

    @property
    def environ(self):
        return {
            "MODEL_URL": f"{self._model.url}/v1",
            "MODEL_KEY": "sk-the-key-of-the-model",
            "SHOP_URL": self._shop.url,
            "SHOP_TOKEN": "the-token-of-the-shop",
        }

    @property
    def asked(self):
        return len(self._model.requests), len(self._shop.requests)

    def _complete(self, arrived):
        messages = yaml.safe_load(arrived.body)["messages"]
        sku = next(one["content"] for one in messages if one["role"] == "user").split()[-1].rstrip("?")
        asks = messages[-1]["role"] == "user"
        said = sse(calls=[("price", {"sku": sku})]) if asks else sse(["It costs ", "5 euro."])
        return reply(body=said.body, content_type="text/event-stream")

    def _sell(self, arrived):
        return reply(body=f"5 for {arrived.header('Authorization')}")


@pytest.fixture
def services():
    with Services() as started:
        yield started


def names(folder):
    text = (folder / "tests" / "shop.cassette.yaml").read_text()
    return [one.get("name") for one in yaml.safe_load(text)["conversations"]]


def test_cases_are_recorded_into_one_file_in_their_order_and_replay_with_nothing_there(tmp_path, services):
    many = [priced(f"case {number}", f"TP-{number}") for number in range(12)]
    folder = write_project(tmp_path, suite(*many))
    recorded = run(folder, Tapes("record"), services.environ)
    assert {status for status, _ in recorded.values()} == {"passed"}, recorded
    assert names(folder) == [f"case {number}" for number in range(12)]
    assert services.asked == (24, 12)
    text = (folder / "tests" / "shop.cassette.yaml").read_text()
    assert "the-token" not in text
    assert "sk-the-key" not in text
    replayed = run(folder, Tapes())
    assert {status for status, _ in replayed.values()} == {"passed"}, replayed
    assert services.asked == (24, 12)


def test_each_case_has_its_own_conversation_whatever_ran_at_the_same_time(tmp_path, services):
    folder = write_project(tmp_path, suite(*(priced(f"case {number}", f"TP-{number}") for number in range(12))))
    run(folder, Tapes("record"), services.environ)
    conversations = yaml.safe_load((folder / "tests" / "shop.cassette.yaml").read_text())["conversations"]
    for number, one in enumerate(conversations):
        assert [each["arguments"] for each in one["exchanges"] if "tool" in each] == [{"sku": f"TP-{number}"}]


def test_the_date_of_the_recording_is_that_of_the_case(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("dated", more=', date: "2020-02-29"')))
    assert run(folder, Tapes("record"), services.environ)["dated"][0] == "passed"
    assert "Today is 2020-02-29." in (folder / "tests" / "shop.cassette.yaml").read_text()
    assert run(folder, Tapes())["dated"][0] == "passed"


def test_a_case_without_a_recording_fails_and_says_what_records_it(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    assert "there is no cassette" in run(folder, Tapes())["one"][1][0]
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, suite(priced("one"), priced("two")))
    done = run(folder, Tapes())
    assert done["one"][0] == "passed"
    assert done["two"][0] == "failed"
    (message,) = done["two"][1]
    assert message.endswith("this name; it has `one`; `agentrun test --cassettes record` records it")


def test_auto_records_only_what_is_not_there(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("two", "TP-2")))
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, suite(priced("one"), priced("two", "TP-2"), priced("three", "TP-3")))
    done = run(folder, Tapes("auto"), services.environ)
    assert {status for status, _ in done.values()} == {"passed"}, done
    assert services.asked == (6, 3)
    assert sorted(names(folder)) == ["one", "three", "two"]


def test_recording_some_cases_keeps_the_conversations_of_others(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one"), priced("two", "TP-2"), priced("three", "TP-3")))
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, suite(priced("two", "TP-22"), priced("new", "TP-4")))
    run(folder, Tapes("record"), services.environ)
    assert names(folder) == ["one", "two", "new", "three"]
    assert "TP-22" in (folder / "tests" / "shop.cassette.yaml").read_text()


def test_a_case_plays_the_only_conversation_of_a_file_that_has_no_name(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    file = folder / "tests" / "shop.cassette.yaml"
    file.write_text(file.read_text().replace("  - name: one\n    agent: shop\n", "  - agent: shop\n"))
    assert names(folder) == [None]
    assert run(folder, Tapes())["one"][0] == "passed"
    run(folder, Tapes("record"), services.environ)
    assert names(folder) == ["one"]


def test_a_recording_that_a_failed_service_broke_off_is_not_kept(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    file = folder / "tests" / "shop.cassette.yaml"
    before = file.read_text()
    with ModelServer([]) as broken:  # answers 500
        done = run(folder, Tapes("record"), services.environ | {"MODEL_URL": broken.base_url})
    assert done["one"][0] == "unmeasured"
    assert file.read_text() == before


def test_a_changed_prompt_fails_the_case_with_the_first_difference(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, {"agents/shop.yaml": AGENT.replace("Today is", "It is now")})
    (message,) = run(folder, Tapes())["one"][1]
    assert "messages[0].content (system) differs: recorded" in message


def test_a_stub_of_the_case_wins_over_the_recording(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    stubbed = priced("one", more=", tools: {price: {text: '9'}}").replace(
        "expect: {", "expect: {calls: [{name: price, result: {contains: '9'}}], "
    )
    write_project(tmp_path, suite(stubbed))
    assert run(folder, Tapes())["one"] == ("passed", [])


def test_with_live_tools_the_tool_is_really_called_and_only_the_model_is_played(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, suite(priced("one"), more="    live_tools: true\n"))
    assert run(folder, Tapes(), services.environ)["one"][0] == "passed"
    assert services.asked == (2, 2)


def test_a_cassette_with_a_mistake_fails_its_cases_with_the_place_and_is_not_written_over(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    run(folder, Tapes("record"), services.environ)
    file = folder / "tests" / "shop.cassette.yaml"
    broken = file.read_text().replace("exchanges:", "exchange:")
    file.write_text(broken)
    for mode in ("replay", "auto"):
        status, (message,) = run(folder, Tapes(mode), services.environ)["one"]
        assert status == "failed"
        assert "unknown key `exchange`" in message
        assert "shop.cassette.yaml:" in message
    assert file.read_text() == broken


def approving(answers):
    return f'name: ordered, args: {{input: "Order TP-1"}}{answers}'


@pytest.fixture
def ordered(tmp_path, services):
    """A case with an approval, recorded with a yes."""
    folder = write_project(tmp_path, suite(approving(", approve: [order]")))
    with ModelServer([sse(calls=[("order", {"sku": "TP-1"})]), sse("Ordered.")]) as model:
        done = run(folder, Tapes("record"), services.environ | {"MODEL_URL": model.base_url})
    assert done["ordered"][0] == "passed"
    return folder


def test_an_approval_is_answered_from_the_recording(ordered):
    write_project(ordered, suite(approving("")))
    assert run(ordered, Tapes())["ordered"] == ("passed", [])


def test_what_the_case_says_of_an_approval_wins_over_the_recording(ordered):
    refused = (
        ", refuse: {order: not today}, expect: {answer: Ordered., "
        "calls: {exact: [{name: order, error: denied, result: {contains: not today}}]}}"
    )
    write_project(ordered, suite(approving(refused)))
    assert run(ordered, Tapes())["ordered"] == ("passed", [])


def test_what_the_model_is_told_of_a_refused_call_alone_is_not_compared(ordered):
    file = ordered / "tests" / "shop.cassette.yaml"
    file.write_text(file.read_text().replace("user: Order TP-1", "user: Order TP-2"))
    write_project(ordered, suite(approving(", refuse: ['*']")))
    status, (message,) = run(ordered, Tapes())["ordered"]
    assert status == "failed"
    assert "messages[1].content (user) differs" in message
    assert message.endswith("; `agentrun test --cassettes record` records it again")


def test_nothing_is_written_where_nothing_was_recorded(tmp_path):
    folder = write_project(tmp_path, suite(priced("one", more=", skip: later")))
    run(folder, Tapes("record"))
    assert not (Path(folder) / "tests" / "shop.cassette.yaml").exists()


def test_recording_makes_the_folder_of_the_file(tmp_path, services):
    more = ", cassette: tapes/of/one.cassette.yaml"
    folder = write_project(tmp_path, suite(priced("one", more=more)))
    assert run(folder, Tapes("record"), services.environ)["one"][0] == "passed"
    assert run(folder, Tapes())["one"][0] == "passed"
    assert (folder / "tests" / "tapes" / "of" / "one.cassette.yaml").exists()


def test_a_file_that_can_not_be_written_over_is_told_before_the_model_is_asked(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    file = folder / "tests" / "shop.cassette.yaml"
    file.write_text("cassette: 1\nconversatoins: []\n")
    status, (message,) = run(folder, Tapes("record"), services.environ)["one"]
    assert status == "failed"
    assert "shop.cassette.yaml:2:1: unknown key `conversatoins`" in message
    file.unlink()
    file.mkdir()
    assert "is a directory" in run(folder, Tapes("record"), services.environ)["one"][1][0]
    assert services.asked == (0, 0)


def test_two_cases_of_one_name_are_not_recorded_over_one_another(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one")))
    write_project(tmp_path, {"tests/too.test.yaml": suite(priced("one", "TP-2"))["tests/shop.test.yaml"]})
    project = read_project(folder, services.environ)
    bench = Bench(project, services.environ)
    done = asyncio.run(Runner(cases_of(project.catalog.tests), bench, Manner(tapes=Tapes("record"))).run())
    first, second = done.results
    assert (first.status, second.status) == ("passed", "failed")
    (failure,) = second.attempts[0].failures
    assert "the case of this name at " in failure.message
    assert "tests/shop.test.yaml:4 is recorded into" in failure.message
    assert names(folder) == ["one"]


def test_what_ended_before_the_run_was_broken_off_is_kept_and_the_rest_of_the_file_stays(tmp_path, services):
    folder = write_project(tmp_path, suite(priced("one"), priced("two", "TP-2")))
    run(folder, Tapes("record"), services.environ)
    write_project(tmp_path, suite(priced("one", "TP-11"), priced("two", "TP-2")))

    async def broken_off():
        environ = services.environ | {"SHOP_URL": slow.url}
        project = read_project(folder, environ)
        bench = Bench(project, environ)
        cases = cases_of(project.catalog.tests)
        task = asyncio.create_task(Runner(cases, bench, Manner(at_once=1, tapes=Tapes("record"))).run())
        await asyncio.wait_for(asyncio.to_thread(asked_twice.wait), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asked_twice, end = threading.Event(), threading.Event()

    def sell(arrived):
        if "TP-11" in arrived.target:
            return reply(body="7")
        asked_twice.set()
        end.wait(20)
        return reply(body="too late")

    with Loopback(sell) as slow:
        asyncio.run(broken_off())
        end.set()
    text = (folder / "tests" / "shop.cassette.yaml").read_text()
    assert names(folder) == ["one", "two"]
    assert "TP-11" in text
    assert "TP-2" in text
    assert run(folder, Tapes())["two"][0] == "passed"


def test_a_case_that_a_limit_of_time_cut_off_is_not_recorded_and_says_so(tmp_path, services):
    limit = AGENT.replace("    tools:", "    limits: {timeout: 0.2}\n    tools:")
    case = priced("one").replace("expect: {answer: {contains: euro}}", "expect: {reason: timeout}")
    folder = write_project(tmp_path, suite(case) | {"agents/shop.yaml": limit})
    with ModelServer([silence()]) as silent:
        environ = services.environ | {"MODEL_URL": silent.base_url}
        project = read_project(folder, environ)
        runner = Runner(cases_of(project.catalog.tests), Bench(project, environ), Manner(tapes=Tapes("record")))
        done = asyncio.run(runner.run())
    (result,) = done.results
    assert result.status == "passed"
    assert result.attempts[0].warnings == (
        "it is not recorded: a limit of time cut it off, and a replay takes no time",
    )
    assert not (folder / "tests" / "shop.cassette.yaml").exists()
