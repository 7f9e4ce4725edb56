"""The shipped agents and tools: they validate, and they do what they say, against real services and processes.

What a tool does is tested with a scripted model, so that a call is exactly the one written here; that an agent finds
its way alone is tested with the offline model.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import agentrun
from agentrun.demo.orders import OrderService
from agentrun.project import read_project
from loopback_http import Loopback, reply
from weather_standin import WeatherStandIn

ROOT = Path(__file__).resolve().parents[1]
AGENTS = sorted((ROOT / "agents").glob("[!_]*.yaml"))
MODEL = "model: ${AGENTRUN_MODEL:-gpt-4.1-mini}"


@pytest.fixture
def orders():
    with OrderService() as service:
        yield service


def environ(orders=None, **more):
    found = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    url, token = (orders.url, orders.token) if orders else ("http://127.0.0.1:9/v2", "demo-unused")
    return found | {"ORDERS_URL": url, "ORDERS_TOKEN": token} | {name: str(value) for name, value in more.items()}


def call(name, /, **arguments):
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def scripted(tmp_path, agent, turns, env, *, approve=(), text="go"):
    """Run a shipped agent whose model plays `turns` and then says done. Gives the outcome and the calls' results."""
    for folder in ("agents", "tools.d"):
        shutil.copytree(ROOT / folder, tmp_path / "shipped" / folder, dirs_exist_ok=True)
    path = tmp_path / "shipped" / "agents" / f"{agent}.yaml"
    model = {"api": "scripted", "name": "scripted", "script": [*turns, {"content": "done"}]}
    written = path.read_text()
    assert MODEL in written
    path.write_text(written.replace(MODEL, f"model: {json.dumps(model)}"))
    outcome = agentrun.run_sync(agentrun.load(path, environ=env), text, approve=approve)
    return outcome, results(outcome.messages)


def results(messages):
    """What the model was told by tools, JSON as data."""
    return [decoded(message.data["content"]) for message in messages if message.role == "tool"]


def decoded(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def calls(messages):
    """(name, arguments) of every call that the model made."""
    return [
        (made["function"]["name"], json.loads(made["function"]["arguments"]))
        for message in messages
        for made in message.data.get("tool_calls") or ()
    ]


# -- what is written ------------------------------------------------------------------------------------------


def test_the_shipped_files_have_no_findings():
    project = read_project(ROOT, environ())
    report = project.report(project.reached_from(project.files_under([ROOT / "agents", ROOT / "tools.d"])))
    assert list(report.diagnostics) == []


@pytest.mark.parametrize("path", AGENTS, ids=lambda path: path.stem)
def test_every_agent_loads_and_says_what_it_is(path):
    agent = agentrun.load(path, environ=environ())
    assert agent.name == path.stem
    assert agent.description
    assert agent.tools or agent.handoffs or agent.response_format


def test_every_tool_tells_a_model_what_it_and_its_arguments_are():
    for path in sorted((ROOT / "tools.d").glob("[!_]*.yaml")):
        for tool in yaml.safe_load_all(path.read_text()):
            if "openapi" in tool:
                continue  # its document tells it
            assert len(tool["description"]) > 20, path
            parameters = tool.get("parameters", {"properties": {}, "additionalProperties": False})
            assert parameters["additionalProperties"] is False, path
            assert all(one["description"] for one in parameters["properties"].values()), path


def test_without_its_token_the_order_desk_does_not_start_but_its_files_are_fine():
    project = read_project(ROOT, {})
    assert not project.report(project.reached_from(project.files_under([ROOT / "agents", ROOT / "tools.d"]))).errors
    with pytest.raises(agentrun.SpecError) as caught:
        agentrun.load(ROOT / "agents/support.yaml", environ={})
    assert "ORDERS_TOKEN" in caught.value.report.diagnostics[0].message


# -- support --------------------------------------------------------------------------------------------------


def test_an_order_is_found_and_its_token_never_told(tmp_path, orders):
    outcome, [order] = scripted(tmp_path, "support", [call("find_order", order_id="1042")], environ(orders))
    assert (order["carrier"], order["tracking"]) == ("DHL", "JD014600006281440275")
    assert orders.token not in "".join(str(message.data) for message in outcome.messages)


def test_orders_are_listed_by_customer_and_status(tmp_path, orders):
    turn = call("list_orders", customer="becker", status="shipped")
    _, [listed] = scripted(tmp_path, "support", [turn], environ(orders))
    assert [order["id"] for order in listed] == ["1045"]


def test_a_refund_that_nobody_approves_is_not_made(tmp_path, orders):
    outcome, [refused] = scripted(tmp_path, "support", [call("refund_order", order_id="1042")], environ(orders))
    assert refused["error"]["type"] == "denied"
    assert outcome.reason == "answered"
    assert orders.refunds("1042") == []


def test_an_approved_refund_is_held_by_the_service(tmp_path, orders):
    turn = call("refund_order", order_id="1042", amount=12.5, reason="a mug arrived broken")
    _, [made] = scripted(tmp_path, "support", [turn], environ(orders), approve=["refund_order"])
    assert [(one["amount"], one["reason"]) for one in orders.refunds("1042")] == [(12.5, "a mug arrived broken")]
    assert made["left_to_refund"] == 92.4


def test_a_refund_without_an_amount_is_all_that_is_left(tmp_path, orders):
    turn = call("refund_order", order_id="1042")
    scripted(tmp_path, "support", [turn], environ(orders), approve=["refund_order"])
    assert orders.orders["1042"]["status"] == "refunded"


def test_the_same_words_in_another_run_are_another_refund(tmp_path, orders):
    turn = call("refund_order", order_id="1042", amount=5)
    for _ in range(2):
        scripted(tmp_path, "support", [turn], environ(orders), approve=["refund_order"])
    assert [one["amount"] for one in orders.refunds("1042")] == [5.0, 5.0]


def test_what_the_service_turns_down_is_an_error_with_its_reason(tmp_path, orders):
    turns = [call("refund_order", order_id="1029"), call("find_order", order_id="7")]
    _, [refund, unknown] = scripted(tmp_path, "support", turns, environ(orders), approve=["refund_order"])
    assert refund["error"]["type"] == unknown["error"]["type"] == "http_status"
    assert "already fully refunded" in json.dumps(refund)
    assert "there is no order 7" in json.dumps(unknown)


@pytest.mark.parametrize("order_id", ["", "..", "1042/refunds", "1042?x=1", "1042\n", "#1042"])
def test_an_order_number_that_is_none_never_leaves(tmp_path, orders, order_id):
    _, [refused] = scripted(tmp_path, "support", [call("find_order", order_id=order_id)], environ(orders))
    assert refused["error"]["type"] == "invalid_arguments"


def test_the_offline_model_finds_an_order_and_refunds_it_in_one_conversation(orders):
    agent = agentrun.load(ROOT / "agents/support.yaml", model="offline", environ=environ(orders))
    messages = []
    agentrun.run_sync(agent, "Where is order 1042?", messages=messages)
    first = list(messages)
    agentrun.run_sync(agent, "Refund it, it arrived broken.", messages=messages, approve=["refund_order"])
    second = messages[len(first) :]
    assert [(name, arguments["order_id"]) for name, arguments in calls(first)] == [("find_order", "1042")]
    assert ("refund_order", "1042") in [(name, arguments["order_id"]) for name, arguments in calls(second)]
    assert orders.orders["1042"]["status"] == "refunded"


# -- weather --------------------------------------------------------------------------------------------------


def test_the_weather_is_shaped_to_a_few_lines(tmp_path):
    with WeatherStandIn() as weather:
        _, [report] = scripted(
            tmp_path, "weather", [call("get_weather", city="Berlin")], environ(WEATHER_URL=weather.url)
        )
        assert weather.requests == ["/Berlin?format=j1"]
    assert report.splitlines() == [
        "Berlin (Berlin, Germany) now: Light rain, 7 °C, feels like 4 °C",
        "Wind: 19 km/h from WSW, humidity: 81 %",
        "2026-03-10: 3 to 9 °C, Light rain at noon, rain 78 %",
        "2026-03-11: 2 to 11 °C, Partly cloudy at noon, rain 12 %",
        "2026-03-12: 1 to 12 °C, Sunny at noon, rain 0 %",
    ]


def test_a_city_of_any_spelling_is_one_segment_of_the_path(tmp_path):
    turns = [call("get_weather", city="São Paulo"), call("get_weather", city="Berlin/../x?format=3#")]
    with WeatherStandIn() as weather:
        _, [known, unknown] = scripted(tmp_path, "weather", turns, environ(WEATHER_URL=weather.url))
        assert weather.requests == ["/S%C3%A3o%20Paulo?format=j1", "/Berlin%2F..%2Fx%3Fformat%3D3%23?format=j1"]
    assert known.startswith("São Paulo (Sao Paulo, Brazil) now: Patchy rain nearby, 26 °C")
    assert unknown == "The weather service knows no place called Berlin/../x?format=3#."


def test_an_unknown_city_is_not_given_the_weather_of_another(tmp_path):
    with WeatherStandIn() as weather:
        turn = call("get_weather", city="Nowhereville")
        _, [report] = scripted(tmp_path, "weather", [turn], environ(WEATHER_URL=weather.url))
    assert report == "The weather service knows no place called Nowhereville."


def test_a_wrapped_report_is_read_too(tmp_path):
    with WeatherStandIn() as weather:
        weather.nested = True
        _, [report] = scripted(
            tmp_path, "weather", [call("get_weather", city="Lisbon")], environ(WEATHER_URL=weather.url)
        )
    assert report.startswith("Lisbon (Lisbon, Portugal) now: Sunny, 17 °C")


def test_plain_text_for_weather_is_passed_on_as_what_it_is(tmp_path):
    with WeatherStandIn() as weather:
        weather.out_of_queries = 200
        _, [report] = scripted(
            tmp_path, "weather", [call("get_weather", city="Berlin")], environ(WEATHER_URL=weather.url)
        )
    assert report.startswith("The weather service gave no weather, but this answer: Sorry, we are running out")


def test_the_offline_model_asks_for_the_city_that_was_named():
    with WeatherStandIn() as weather:
        agent = agentrun.load(ROOT / "agents/weather.yaml", model="offline", environ=environ(WEATHER_URL=weather.url))
        outcome = agentrun.run_sync(agent, "What is the weather in Berlin?")
    assert calls(outcome.messages) == [("get_weather", {"city": "Berlin"})]
    assert "7 °C" in outcome.text


# -- ops ------------------------------------------------------------------------------------------------------


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    (folder / "web").mkdir(parents=True)
    (folder / "app.log").write_text("start\nERROR connection refused by db\nuse --help\n")
    (folder / "web" / "access.txt").write_text("GET / 200\nconnection REFUSED\n")
    (tmp_path / "secret.log").write_text("connection refused outside\n")
    return folder


def test_logs_are_searched_below_their_folder_only(tmp_path, logs):
    turns = [
        call("search_logs", text="connection refused"),
        call("search_logs", text="connection refused", files="*.log"),
    ]
    _, [everywhere, some] = scripted(tmp_path, "ops", turns, environ(LOG_DIR=logs))
    assert sorted(everywhere.splitlines()) == [
        "./app.log:2:ERROR connection refused by db",
        "./web/access.txt:2:connection REFUSED",
    ]
    assert some.splitlines() == ["./app.log:2:ERROR connection refused by db"]


def test_a_search_text_is_never_an_option_nor_a_pattern(tmp_path, logs):
    turns = [call("search_logs", text=text) for text in ("--help", "-f/etc/passwd", ".*", "$(id)")]
    _, found = scripted(tmp_path, "ops", turns, environ(LOG_DIR=logs))
    assert found[0].splitlines() == ["./app.log:3:use --help"]
    assert [text.strip() for text in found[1:]] == ["No line holds this text."] * 3


def test_a_file_name_cannot_lead_out_of_the_folder_of_logs(tmp_path, logs):
    turn = call("search_logs", text="connection", files="../secret.log")
    _, [refused] = scripted(tmp_path, "ops", [turn], environ(LOG_DIR=logs))
    assert refused["error"]["type"] == "invalid_arguments"


def test_disk_usage_takes_a_path_and_no_option(tmp_path):
    turns = [call("disk_usage"), call("disk_usage", path="/"), call("disk_usage", path="--help")]
    _, [every, root, option] = scripted(tmp_path, "ops", turns, environ())
    assert "/" in decoded_text(every)
    assert len(root.splitlines()) == 2
    assert option["error"]["type"] == "exit_code"


def decoded_text(result):
    """Text, also of a failure: df fails as a whole when one file system can't be read."""
    return result if isinstance(result, str) else json.dumps(result)


def test_processes_are_sorted_by_their_number_and_found_by_name(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        try:
            turns = [call("list_processes", sort_by="memory"), call("list_processes", name="SLEEP", limit=200)]
            _, [by_memory, named] = scripted(tmp_path, "ops", turns, environ())
        finally:
            sleeper.kill()
    figures = [float(line.split()[0]) for line in by_memory.splitlines()[1:-1]]
    assert figures == sorted(figures, reverse=True)
    assert 1 <= len(figures) <= 15
    assert str(sleeper.pid) in [line.split()[2] for line in named.splitlines()[1:-1]]
    assert named.splitlines()[-1].endswith("processes with this name")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    commits = [("Ada", "Add the loop", "loop.py"), ("Ben", "Fix the loop", "loop.py"), ("Ada", "Write docs", "docs.md")]
    git(folder, "init", "-q")
    for author, subject, file in commits:
        (folder / file).write_text(subject)
        git(folder, "add", file)
        who = ["-c", f"user.name={author}", "-c", f"user.email={author.lower()}@example.com"]
        git(folder, *who, "-c", "commit.gpgsign=false", "commit", "-qm", subject)
    return folder


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, timeout=20)


def subjects(text):
    return [line.split(": ", 1)[1] for line in text.splitlines()]


def test_commits_are_narrowed_by_author_text_path_and_number(tmp_path, repository):
    turns = [
        call("git_log"),
        call("git_log", author="ada"),
        call("git_log", text="LOOP", limit=1),
        call("git_log", path="docs.md"),
        call("git_log", text=".*"),
    ]
    _, found = scripted(tmp_path, "ops", turns, environ(REPO_DIR=repository))
    assert [subjects(text) for text in found[:4]] == [
        ["Write docs", "Fix the loop", "Add the loop"],
        ["Write docs", "Add the loop"],
        ["Fix the loop"],
        ["Write docs"],
    ]
    assert found[4] == "No commit matches."


def test_no_argument_of_git_log_becomes_an_option(tmp_path, repository):
    target = tmp_path / "written"
    turns = [call("git_log", **{name: f"--output={target}"}) for name in ("path", "since", "author", "text")]
    scripted(tmp_path, "ops", turns, environ(REPO_DIR=repository))
    assert not target.exists()


def test_the_offline_model_picks_the_tool_for_the_question(tmp_path, logs):
    agent = agentrun.load(ROOT / "agents/ops.yaml", model="offline", environ=environ(LOG_DIR=logs))
    asked = {
        "How much disk space is free?": "disk_usage",
        "List the processes that use the most memory.": "list_processes",
        'Search the logs for "connection refused".': "search_logs",
    }
    picked = {text: [name for name, _ in calls(agentrun.run_sync(agent, text).messages)][:1] for text in asked}
    assert picked == {text: [name] for text, name in asked.items()}


# -- extract_invoice ------------------------------------------------------------------------------------------

INVOICE = {
    "vendor": "Lumen GmbH",
    "invoice_number": "2026-0117",
    "date": "2026-03-02",
    "currency": "EUR",
    "lines": [{"description": "Desk lamp", "quantity": 2, "unit_price": 79.5, "amount": 159}],
    "total": 159,
}


def test_a_recorded_invoice_is_the_output_and_ends_the_run(tmp_path):
    outcome, _ = scripted(tmp_path, "extract_invoice", [call("record_invoice", **INVOICE)], environ(), text="Invoice …")
    assert outcome.reason == "final_tool"
    assert outcome.output == INVOICE


def test_an_invoice_that_breaks_the_schema_is_sent_back_with_every_fault(tmp_path):
    faulty = INVOICE | {"date": "2 March 2026", "currency": "euro", "lines": []}
    turns = [call("record_invoice", **faulty), call("record_invoice", **INVOICE)]
    outcome, told = scripted(tmp_path, "extract_invoice", turns, environ(), text="Invoice …")
    assert outcome.output == INVOICE
    assert told[0]["error"]["type"] == "invalid_arguments"
    assert all(word in json.dumps(told[0]) for word in ("date", "currency", "lines"))


# -- researcher and assistant ---------------------------------------------------------------------------------


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    (folder / "guide").mkdir(parents=True)
    (folder / "index.md").write_text("# Manual\n\nRefunds need approval.\n")
    (folder / "guide" / "tools.md").write_text("".join(f"line {number}\n" for number in range(1, 301)))
    (folder / "notes.txt").write_text("approval\n")
    (tmp_path / "outside.md").write_text("approval\n")
    return folder


def test_documents_are_searched_listed_and_read(tmp_path, docs):
    turns = [
        call("search_docs", words="approval --nothing"),
        call("list_docs"),
        call("read_doc", path="./index.md"),
        call("read_doc", path="guide/tools.md", from_line=299),
        call("read_doc", path="guide/tools.md", from_line=301),
    ]
    _, found = scripted(tmp_path, "researcher", turns, environ(DOCS_DIR=docs))
    assert found[0].splitlines() == ["./index.md:3:Refunds need approval."]
    assert found[1].splitlines() == ["./guide/tools.md", "./index.md"]
    assert found[2].startswith("# Manual")
    assert found[3].splitlines() == ["line 299", "line 300"]
    assert found[4] == "The document ends before this line."


def test_a_document_is_read_in_pieces_of_200_lines(tmp_path, docs):
    _, [piece] = scripted(tmp_path, "researcher", [call("read_doc", path="guide/tools.md")], environ(DOCS_DIR=docs))
    assert piece.splitlines()[-1] == "line 200"


@pytest.mark.parametrize(
    "path",
    ["../outside.md", "/etc/passwd", "guide/../../outside.md", "-n.md", "./-n.md", "guide//tools.md", "notes.txt"],
)
def test_a_path_that_is_no_document_is_refused(tmp_path, docs, path):
    _, [refused] = scripted(tmp_path, "researcher", [call("read_doc", path=path)], environ(DOCS_DIR=docs))
    assert refused["error"]["type"] == "invalid_arguments"


def test_a_document_that_does_not_exist_is_an_error(tmp_path, docs):
    _, [failed] = scripted(tmp_path, "researcher", [call("read_doc", path="none.md")], environ(DOCS_DIR=docs))
    assert failed["error"]["type"] == "exit_code"


def test_the_assistant_asks_the_researcher_who_asks_the_documents(docs):
    agent = agentrun.load(ROOT / "agents/assistant.yaml", model="offline", environ=environ(DOCS_DIR=docs))
    told = []
    outcome = agentrun.run_sync(agent, "What do the documents say about approval?", emit=told.append)
    assert [name for name, _ in calls(outcome.messages)][:1] == ["researcher"]
    searched = [event for event in told if getattr(event, "name", "") == "search_docs"]
    assert searched, "the researcher searched nothing"
    assert all(isinstance(event.parent_run_id, str) for event in searched)


# -- front_desk and triage ------------------------------------------------------------------------------------


def test_the_front_desk_hands_an_order_over_and_the_order_desk_answers(tmp_path, orders):
    turns = [call("transfer_to_support"), call("find_order", order_id="1042")]
    outcome, [_, order] = handed_over(tmp_path, turns, environ(orders))
    assert order["tracking"] == "JD014600006281440275"
    assert outcome.agent.name == "support"


def handed_over(tmp_path, turns, env):
    """The front desk whose own model makes the first call, and the others' the rest."""
    for folder in ("agents", "tools.d"):
        shutil.copytree(ROOT / folder, tmp_path / "shipped" / folder)
    models = {"front_desk": turns[:1], "support": [*turns[1:], {"content": "done"}]}
    for agent, script in models.items():
        path = tmp_path / "shipped" / "agents" / f"{agent}.yaml"
        model = {"api": "scripted", "name": "scripted", "script": script}
        path.write_text(path.read_text().replace(MODEL, f"model: {json.dumps(model)}"))
    agent = agentrun.load(tmp_path / "shipped/agents/front_desk.yaml", environ=env)
    outcome = agentrun.run_sync(agent, "Where is order 1042?")
    return outcome, results(outcome.messages)


ISSUE = {"number": 7, "title": "It is grey", "labels": [{"name": "bug"}], "updated_at": "2026-03-01T10:00:00Z"}


def test_issues_are_read_page_by_page_and_pull_requests_left_out(tmp_path):
    def answer(arrived):
        if "page=2" in arrived.target:
            return json_reply([ISSUE | {"number": 3, "title": "Old", "labels": []}])
        more = ("Link", f'<{github.url}/repositories/1/issues?page=2>; rel="next"')
        return json_reply([ISSUE, ISSUE | {"number": 8, "pull_request": {}}], headers=[more])

    with Loopback(answer) as github:
        turn = call("list_issues", owner="example", repo="shop", label="bug")
        _, [listed] = scripted(tmp_path, "triage", [turn], environ(GITHUB_API_URL=github.url, GITHUB_TOKEN="t-9f3ka1"))
    assert listed.split("\n") == ["#7 It is grey [bug] 2026-03-01", "#3 Old [] 2026-03-01"]
    first, second = github.requests
    assert first.target == "/repos/example/shop/issues?state=open&sort=updated&per_page=100&labels=bug"
    assert second.target == "/repositories/1/issues?page=2"
    assert {one.header("authorization") for one in github.requests} == {"Bearer t-9f3ka1"}


def test_an_issue_without_a_text_is_read_and_labelled(tmp_path):
    whole = ISSUE | {"state": "open", "user": {"login": "mara"}, "comments": 0, "body": None}
    turns = [
        call("read_issue", owner="example", repo="shop", number=7),
        call("label_issue", owner="example", repo="shop", number=7, labels=["bug", "button"]),
    ]
    with Loopback([json_reply(whole), json_reply([{"name": "bug"}, {"name": "button"}])]) as github:
        env = environ(GITHUB_API_URL=github.url)
        _, [read, labelled] = scripted(tmp_path, "triage", turns, env, approve=["label_issue"])
    assert read.splitlines() == ["#7 It is grey", "open, by mara, labels: bug, 0 comments", "", "There is no text."]
    assert labelled == "Its labels are now bug, button."
    assert json.loads(github.last.body) == {"labels": ["bug", "button"]}
    assert github.last.header("authorization") is None


def json_reply(data, headers=()):
    return reply(200, json.dumps(data), content_type="application/json", headers=headers)


@pytest.mark.parametrize("repo", ["..", "shop/../x", "shop?x", ""])
def test_a_repository_that_is_none_never_leaves(tmp_path, repo):
    with Loopback() as github:
        turn = call("list_issues", owner="example", repo=repo)
        _, [refused] = scripted(tmp_path, "triage", [turn], environ(GITHUB_API_URL=github.url))
    assert refused["error"]["type"] == "invalid_arguments"
    assert github.requests == []
