"""The shipped agents' test cases: they pass as a user runs them, show all that a case can, and catch a broken agent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from agentrun.project import read_project
from agentrun.testing.plan import cases_of

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "tests").glob("*.test.yaml"))


def agentrun_test(folder, *options):
    """`agentrun test` without keys and variables: exit code, output, and the status of each case by its name."""
    report = folder / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "test", "--output-file", f"json={report}", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    told = json.loads(report.read_text()) if report.exists() else {"cases": []}
    return done.returncode, done.stdout, {one["name"]: one["status"] for one in told["cases"]}


@pytest.fixture
def copy(tmp_path):
    """The shipped agents, tools and cases, to be broken."""
    for name in ("agents", "tools.d"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "tests").mkdir()
    for path in (*FILES, *(ROOT / "tests").glob("*.cassette.yaml")):
        shutil.copy2(path, tmp_path / "tests")
    return tmp_path


# -- they pass ------------------------------------------------------------------------------------------------


def test_every_shipped_case_passes_without_keys_and_variables(copy):
    code, output, statuses = agentrun_test(copy)
    assert code == 0, output
    assert set(statuses.values()) == {"passed"}
    assert len(statuses) > 50


def test_every_shipped_agent_has_a_file_of_cases():
    tested = {yaml.safe_load(path.read_text())["agent"] for path in FILES}
    assert tested == {path.stem for path in (ROOT / "agents").glob("[!_]*.yaml")}


def test_every_shipped_tool_is_called_by_a_case():
    named = {call["name"] for case in CASES for turn in script(case) for call in turn.get("tool_calls", ())}
    tools = {
        tool.get("name", path.stem): "openapi" in tool
        for path in (ROOT / "tools.d").glob("[!_]*.yaml")
        for tool in yaml.safe_load_all(path.read_text())
    }
    assert {name for name, is_set in tools.items() if not is_set} - named == set()
    sets = {name for name, is_set in tools.items() if is_set}
    assert all(any(one.startswith(f"{name}_") for one in named) for name in sets)


# -- what they show -------------------------------------------------------------------------------------------


def merged(file, case):
    return {key: file[key] for key in ("env", "date", "approve", "refuse", "cassette") if key in file} | case


CASES = [
    merged(document.node.data(), case.node.data())
    for document in read_project(ROOT, {}).catalog.tests
    for case in cases_of([document])
]


def script(case):
    return case.get("model") or []


def turn_with(**wanted):
    return lambda case: any(all(turn.get(key) == value for key, value in wanted.items()) for turn in script(case))


def status(number, *more):
    def has(case):
        errors = [turn["error"] for turn in script(case) if isinstance(turn.get("error"), dict)]
        return any(one["status"] == number and all(key in one for key in more) for one in errors)

    return has


def stub(check):
    def has(case):
        written = (case.get("tools") or {}).values()
        return any(check(one) for stubs in written for one in (stubs if isinstance(stubs, list) else [stubs]))

    return has


def expects(*keys):
    """A key below another, anywhere in what the case expects."""

    def found(value, route):
        if not route:
            return True
        if isinstance(value, list):
            return any(found(one, route) for one in value)
        if not isinstance(value, dict):
            return False
        below = [value[route[0]]] if route[0] in value else []
        return any(found(one, route[1:]) for one in below) or any(found(one, route) for one in value.values())

    return lambda case: any(
        found(one["expect"], keys) for one in (case, *case.get("conversation", ())) if one.get("expect")
    )


def told(error):
    return lambda case: f"'error': '{error}'" in str(case.get("expect"))


def reason(name):
    return lambda case: case.get("expect", {}).get("reason") == name


def raw_arguments(case):
    return any(isinstance(call["arguments"], str) for call in calls(case) if "arguments" in call)


def calls(case):
    return [call for turn in script(case) for call in turn.get("tool_calls", ())]


SHOWN = {
    "a stream that is cut": turn_with(error="cut"),
    "a connection that is reset": turn_with(error="reset"),
    "a service that is busy, and then is not": status(429, "retry_after"),
    "a fallback to another model": status(503),
    "a key that is wrong": status(401),
    "a delay": lambda case: any("delay" in turn for turn in script(case)),
    "a text in chunks": lambda case: any("chunks" in turn for turn in script(case)),
    "usage": lambda case: any("usage" in turn for turn in script(case)),
    "arguments that are no JSON": lambda case: raw_arguments(case) and told("invalid_arguments")(case),
    "invalid arguments that are corrected": lambda case: not raw_arguments(case) and told("invalid_arguments")(case),
    "an unknown tool": told("unknown_tool"),
    "an answer cut at its length": lambda case: turn_with(finish_reason="length")(case) and reason("length")(case),
    "a content filter": lambda case: turn_with(finish_reason="content_filter")(case) and reason("content_filter")(case),
    "a refusal": lambda case: turn_with(finish_reason="refusal")(case) and reason("refused")(case),
    "too many turns": reason("max_turns"),
    "the same call again and again": reason("repeated_calls"),
    "a final tool": reason("final_tool"),
    "a final tool with invalid arguments first": lambda case: (
        told("invalid_arguments")(case) and any(call["name"] == "record_invoice" for call in calls(case))
    ),
    "a response format broken once": lambda case: "breaks the format" in case["name"],
    "a response format broken twice": lambda case: "broken twice" in case["name"] and reason("model_error")(case),
    "a hand-off": lambda case: (
        expects("agent")(case) and any(call["name"].startswith("transfer_to_") for call in calls(case))
    ),
    "an agent behind a tool": lambda case: {"researcher", "search_docs"} <= {call["name"] for call in calls(case)},
    "an approval given": lambda case: "approve" in case and expects("approvals")(case),
    "an approval denied, with a message": lambda case: isinstance(case.get("refuse"), dict) and told("denied")(case),
    "an approval that nobody is there for": lambda case: (
        not {"approve", "refuse"} & case.keys() and told("denied")(case)
    ),
    "a stub with a status": stub(lambda one: one.get("status") == 404),
    "a stub with headers": stub(lambda one: "headers" in one),
    "a stub that prints": stub(lambda one: "stdout" in one),
    "a stub with an exit code": stub(lambda one: one.get("exit_code")),
    "a stub that fails": stub(lambda one: "error" in one),
    "a stub with a result": stub(lambda one: "result" in one),
    "a stub by arguments": stub(lambda one: "when" in one),
    "stubs in turn": lambda case: any(
        isinstance(one, list) and len(one) > 1 and not any("when" in each for each in one)
        for one in (case.get("tools") or {}).values()
    ),
    "pages": lambda case: any("rel=" in str(one) for one in (case.get("tools") or {}).values()),
    "a conversation": lambda case: "conversation" in case,
    "tags": lambda case: "tags" in case,
    "a date": lambda case: "date" in case and expects("system_prompt")(case),
    "a timeout": lambda case: "timeout" in case,
    "a cassette": lambda case: "cassette" in case,
    **{
        f"an expectation of {' '.join(keys)}": expects(*keys)
        for keys in (
            ("answer", "equals"),
            ("answer", "contains"),
            ("answer", "contains_any"),
            ("answer", "icontains"),
            ("answer", "starts_with"),
            ("answer", "ends_with"),
            ("answer", "matches"),
            ("answer", "not"),
            ("answer", "similar_to"),
            ("answer", "includes"),
            ("answer", "schema"),
            ("answer", "where"),
            ("length",),
            ("one_of",),
            ("calls", "exact"),
            ("calls", "in_order"),
            ("calls", "any_order"),
            ("calls", "never"),
            ("calls", "count"),
            ("calls", "same_turn"),
            ("calls", "before"),
            ("calls", "after"),
            ("calls", "where"),
            ("request", "method"),
            ("request", "url"),
            ("request", "query"),
            ("request", "headers"),
            ("request", "json"),
            ("request", "body"),
            ("request", "argv"),
            ("request", "cwd"),
            ("request", "env"),
            ("approvals",),
            ("turns",),
            ("tokens",),
            ("latency",),
            ("no_secrets",),
        )
    },
}


@pytest.mark.parametrize("shown", SHOWN)
def test_the_shipped_cases_show(shown):
    assert [case["name"] for case in CASES if SHOWN[shown](case)]


def test_the_shipped_cases_show_a_matrix_of_both_forms():
    written = [case["each"] for path in FILES for case in yaml.safe_load(path.read_text())["cases"] if "each" in case]
    assert {type(one) for one in written} == {list, dict}


# -- they catch what breaks -----------------------------------------------------------------------------------

BROKEN = [
    ("agents/support.yaml", " Today is {{ run.date }}.", "", ["looks an order up before it speaks about it"]),
    (
        "tools.d/refund_order.yaml",
        "require_approval: always",
        "require_approval: never",
        [
            "refunds what is asked for once it is approved",
            "tells the reason when a refund is refused",
            "makes no refund where nobody can be asked",
        ],
    ),
    ("tools.d/refund_order.yaml", "method: POST", "method: PUT", ["refunds what is asked for once it is approved"]),
    (
        "tools.d/refund_order.yaml",
        ", reason: ",
        ", why: ",
        ["refunds what is asked for once it is approved"],
    ),
    (
        "tools.d/_orders.yaml",
        '  auth: {bearer: "${ORDERS_TOKEN}"}\n',
        "",
        ["looks an order up before it speaks about it", "refunds what is asked for once it is approved"],
    ),
    ("tools.d/list_orders.yaml", "default: 10", "default: 20", ["lists a customer's orders with its defaults"]),
    (
        "tools.d/get_weather.yaml",
        "expect: [200, 404]",
        "expect: [200]",
        ["does not take the weather of somewhere else for that of an unknown place"],
    ),
    ("tools.d/ops.yaml", "expect: [0, 1, 2]", "expect: [0]", ["nothing found is no failure"]),
    (
        "tools.d/github.yaml",
        '  paginate: {next: "{{ links.next }}", max_pages: 5}\n',
        "",
        ["reads the list of issues to its end"],
    ),
    (
        "tools.d/docs.yaml",
        "[A-Za-z0-9_][A-Za-z0-9_.-]*(",
        "[A-Za-z0-9_./-]*(",
        ["reads nothing outside of the documents"],
    ),
    ("agents/researcher.yaml", "max_turns: 12", "max_turns: 11", ["ends after the turns that it has"]),
    ("agents/sort_mail.yaml", "  fallback: [gpt-5.6-luna]\n", "", ["asks the smaller model while the first is down"]),
    ("agents/sort_mail.yaml", "[order, return,", "[order, return, refund,", ["mends an answer that breaks the format"]),
    ("tools.d/record_invoice.yaml", "enum: [EUR, USD", "enum: [USD", ["records the invoice as it stands"]),
]


@pytest.mark.parametrize(("file", "old", "new", "cases"), BROKEN, ids=[f"{one[0]}: {one[1].strip()}" for one in BROKEN])
def test_a_broken_agent_fails_the_cases_that_speak_of_it(copy, file, old, new, cases):
    text = (copy / file).read_text()
    assert text.count(old) >= 1
    (copy / file).write_text(text.replace(old, new))
    code, output, statuses = agentrun_test(copy)
    assert code == 1, output
    failed = {name for name, status in statuses.items() if status == "failed"}
    assert [case for case in cases if not any(name.startswith(case) for name in failed)] == [], output
