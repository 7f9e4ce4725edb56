"""The pytest plugin, in real pytest runs over small projects of their own."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from projects import write_project
from servers import ModelServer, sse

CASES = """
    agent: support
    tags: [desk]
    cases:
      - name: says hello
        args: {input: hi}
        model: [{content: Hello}]
        expect: {reason: answered}
      - name: ends in another way
        tags: [refunds]
        args: {input: hi}
        model: [{content: Hello}]
        expect:
          reason: max_turns
      - name: not yet
        skip: the desk is closed
        model: [{content: Hello}]
        args: {input: hi}
"""
PROJECT = {
    "agents/support.yaml": "model: gpt-x\n",
    "tests/refunds.test.yaml": CASES,
}
LIVE = """
    agent: support
    live: true
    cases: [{name: asks a service, args: {input: hi}}]
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Runs pytest over a project: the exit code, and all that was printed."""

    def run(*arguments, files=PROJECT, where=".", **variables):
        write_project(tmp_path, files)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-W", "error", *arguments],
            cwd=tmp_path / where,
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return run


# -- items --------------------------------------------------------------------------------------------------------


def test_each_case_is_an_item_with_its_own_result(run_pytest):
    code, text = run_pytest("-rA")
    assert code == 1
    assert "PASSED tests/refunds.test.yaml::says hello" in text
    assert "FAILED tests/refunds.test.yaml::ends in another way" in text
    assert "1 failed, 1 passed, 1 skipped" in text


def test_a_case_that_is_skipped_says_why(run_pytest):
    _, text = run_pytest("-rs")
    assert "SKIPPED [1] tests/refunds.test.yaml: the desk is closed" in text


def test_a_failure_is_shown_with_its_place_and_without_a_traceback(run_pytest):
    code, text = run_pytest("-k", "another")
    assert code == 1
    assert "tests/refunds.test.yaml:13:7" in text
    assert "      reason: max_turns" in text
    assert "the run ended with `answered`, not `max_turns`" in text
    assert "Traceback" not in text
    assert ".py:" not in text


def test_a_report_in_junit_s_form_has_the_message_and_the_place(run_pytest, tmp_path):
    run_pytest("--junitxml=junit.xml")
    (failure,) = ElementTree.parse(tmp_path / "junit.xml").iter("failure")
    assert failure.get("message") == "the run ended with `answered`, not `max_turns`"
    assert failure.text.startswith("tests/refunds.test.yaml:13: ")


def test_cases_are_chosen_by_name_by_tag_and_by_node_id(run_pytest):
    assert "1 passed, 2 deselected" in run_pytest("-k", "hello")[1]
    assert "1 failed, 2 deselected" in run_pytest("-m", "refunds")[1]
    assert "1 failed, 1 passed, 1 skipped" in run_pytest("-m", "desk")[1]
    assert run_pytest("tests/refunds.test.yaml::says hello")[0] == 0


def test_each_of_a_matrix_is_an_item(run_pytest):
    matrix = """
        agent: support
        cases:
          - name: says {{ each.word }}
            each: [{word: hello}, {word: goodbye}]
            args: {input: hi}
            model: [{content: "{{ each.word }}"}]
            expect: {answer: hello}
    """
    _, text = run_pytest("-rA", files={**PROJECT, "tests/refunds.test.yaml": matrix})
    assert "PASSED tests/refunds.test.yaml::says hello" in text
    assert "FAILED tests/refunds.test.yaml::says goodbye" in text


def test_each_item_has_an_id_of_its_own_by_which_it_is_chosen(run_pytest):
    names = ["a::b", "a  b", "a b", "w" * 300 + "1", "w" * 300 + "2"]
    cases = "".join(f"  - {{name: '{name}', args: {{input: hi}}, model: [{{content: Hello}}]}}\n" for name in names)
    files = {**PROJECT, "tests/refunds.test.yaml": f"agent: support\ncases:\n{cases}"}
    _, text = run_pytest("--collect-only", "-q", files=files)
    ids = [line for line in text.splitlines() if "::" in line]
    assert len(set(ids)) == len(names)
    assert ids[:3] == [f"tests/refunds.test.yaml::{name}" for name in ("a:b", "a b", "a b (2)")]
    for one in ids:
        code, text = run_pytest(one, files=files)
        assert (code, "1 passed" in text) == (0, True), text


def test_a_tag_that_means_something_to_pytest_or_is_no_word_is_not_made_a_marker(run_pytest):
    tags = CASES.replace("[desk]", '[skip, xfail, parametrize, timeout, "or", "two words", "-x", smoke-test]')
    code, text = run_pytest("-k", "hello", files={**PROJECT, "tests/refunds.test.yaml": tags})
    assert (code, "1 passed" in text) == (0, True)
    assert "2 deselected" in run_pytest("-m", "smoke-test", "-k", "hello")[1]
    assert "3 deselected" in run_pytest("-m", "skip", "-k", "hello")[1]


def test_only_leaves_out_other_cases_but_no_python_tests(run_pytest):
    only = CASES.replace("- name: says hello", "- name: says hello\n        only: true")
    python = {"tests/test_more.py": "def test_python():\n    pass\n"}
    second = {"tests/more.test.yaml": CASES}
    code, text = run_pytest(files={**PROJECT, "tests/refunds.test.yaml": only, **python, **second})
    assert (code, "2 passed, 5 deselected" in text) == (0, True)


def test_cases_run_on_several_workers(run_pytest):
    code, text = run_pytest("-n", "2", "-rA")
    assert code == 1
    assert "1 failed, 1 passed, 1 skipped" in text
    assert "the run ended with `answered`, not `max_turns`" in text
    assert "Traceback" not in text


def test_warnings_of_a_case_are_pytest_s(run_pytest):
    judged = CASES.replace("expect: {reason: answered}", "expect: {judge: It is kind.}").replace(
        "tags: [desk]", "judge: {model: judge-2025-04-14}"
    )
    files = {**PROJECT, "tests/refunds.test.yaml": judged}
    code, text = run_pytest("-W", "default", "-k", "hello", files=files)
    assert (code, "1 passed, 2 deselected, 1 warning" in text) == (0, True)
    assert "tests/refunds.test.yaml:4: AgentrunWarning: `judge` is not evaluated" in text
    code, text = run_pytest("-W", "error", "-k", "hello", files=files)
    assert (code, "1 failed" in text) == (1, True)


# -- what is live -------------------------------------------------------------------------------------------------


def test_what_can_not_be_measured_is_an_error_with_the_reason(run_pytest):
    code, text = run_pytest(files={**PROJECT, "tests/refunds.test.yaml": LIVE})
    assert code == 1
    assert "1 error" in text
    assert "tests/refunds.test.yaml:3:16: could not be measured" in text
    assert "OPENAI_API_KEY is not set" in text
    assert "Traceback" not in text


def test_what_can_not_be_measured_is_an_error_in_junit_s_form(run_pytest, tmp_path):
    run_pytest("--junitxml=junit.xml", files={**PROJECT, "tests/refunds.test.yaml": LIVE})
    root = ElementTree.parse(tmp_path / "junit.xml")
    assert list(root.iter("failure")) == []
    (error,) = root.iter("error")
    assert "could not be measured" in error.get("message")


def test_live_cases_reach_the_service_one_after_the_other_though_each_has_its_event_loop(run_pytest):
    second = "{name: asks again, args: {input: hi}, expect: {judge: It is kind.}}]\n    judge: {model: j}\n"
    live = LIVE.rstrip().removesuffix("]") + ", " + second
    script = [sse("Hello"), sse("Hello again"), sse(calls=[("verdict", {"passed": True, "reason": "It is."})])]
    with ModelServer(script) as server:
        variables = {"OPENAI_API_KEY": "sk-0123456789", "OPENAI_BASE_URL": server.base_url}
        code, text = run_pytest(files={**PROJECT, "tests/refunds.test.yaml": live}, **variables)
    assert (code, "2 passed" in text) == (0, True), text
    assert [one.json["model"] for one in server.requests] == ["gpt-x", "gpt-x", "j"]


def test_a_cassette_is_played_with_the_service_gone(run_pytest, tmp_path):
    taped = """
        agent: support
        cases: [{name: says hello, args: {input: hi}, cassette: hello.cassette.yaml, expect: {answer: Hello}}]
    """
    files = {**PROJECT, "tests/refunds.test.yaml": taped}
    code, text = run_pytest(files=files)
    assert (code, "there is no cassette" in text) == (1, True), text
    with ModelServer([sse("Hello")]) as server:
        subprocess.run(
            [sys.executable, "-m", "agentrun", "test", "--cassettes", "record"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OPENAI_BASE_URL": server.base_url},
            capture_output=True,
            timeout=60,
            check=True,
        )
    code, text = run_pytest(files=files)
    assert (code, "1 passed" in text) == (0, True), text


def test_live_cases_are_left_out_by_their_marker(run_pytest):
    code, text = run_pytest("-m", "not live", files={**PROJECT, "tests/live.test.yaml": LIVE})
    assert (code, "1 failed, 1 passed, 1 skipped, 1 deselected" in text) == (1, True)


def test_each_case_has_an_event_loop_of_its_own_and_leaves_that_of_the_thread_alone(run_pytest):
    python = """
        import asyncio

        LOOP = asyncio.new_event_loop()
        asyncio.set_event_loop(LOOP)

        def test_the_loop_is_still_there():
            assert asyncio.get_event_loop_policy().get_event_loop() is LOOP
            LOOP.close()
            asyncio.set_event_loop(None)
    """
    files = {**PROJECT, "tests/test_z.py": python}
    code, text = run_pytest("-k", "hello or loop", files=files)
    assert (code, "2 passed" in text) == (0, True), text


# -- what is collected --------------------------------------------------------------------------------------------


def test_an_invalid_file_is_a_collection_error_with_its_findings(run_pytest):
    files = {**PROJECT, "tests/refunds.test.yaml": CASES.replace("model: [", "modell: [", 1)}
    code, text = run_pytest(files=files)
    assert code == 2
    assert "ERROR collecting tests/refunds.test.yaml" in text
    assert "tests/refunds.test.yaml:6:5: AR301 unknown key `modell`" in text
    assert "help: did you mean `model`?" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"tests/refunds.test.yaml": "a: [\n"}, "tests/refunds.test.yaml:2:1: AR201"),
        ({"tests/refunds.test.yaml": ""}, "tests/refunds.test.yaml:1:1: AR104 the file is empty"),
        ({"agents/support.yaml": "model: gpt-x\ntools: [nothing]\n"}, "agents/support.yaml:2:9: AR401"),
    ],
    ids=["not YAML", "empty", "an agent with errors"],
)
def test_what_can_not_run_is_a_collection_error(run_pytest, files, found):
    code, text = run_pytest(files={**PROJECT, **files})
    assert (code, found in text) == (2, True), text


def test_other_files_are_collected_though_one_is_invalid(run_pytest):
    files = {**PROJECT, "tests/bad.test.yaml": "agent: support\n"}
    code, text = run_pytest("--continue-on-collection-errors", "-k", "hello", files=files)
    assert (code, "1 passed" in text, "1 error" in text) == (1, True, True)


def test_files_that_agentrun_would_not_read_are_not_collected(run_pytest):
    strays = {
        "other/a.test.yaml": "nonsense",
        "tests/.hidden.test.yaml": "nonsense",
        "refunds.test.yaml": "nonsense",
        "tests/notes.yaml": "nonsense",
    }
    code, text = run_pytest("-k", "hello", files={**PROJECT, **strays})
    assert (code, "1 passed, 2 deselected" in text) == (0, True)


def test_a_project_within_a_project_has_its_own_agents(run_pytest):
    inner = {f"tests/inner/{path}": content for path, content in PROJECT.items()}
    code, text = run_pytest("-k", "hello", files={**PROJECT, **inner})
    assert (code, "2 passed" in text) == (0, True)


def test_a_file_that_is_named_is_collected_wherever_it_stands(run_pytest):
    files = {**PROJECT, "drafts/a.test.yaml": CASES}
    code, text = run_pytest("drafts/a.test.yaml", "-k", "hello", files=files)
    assert (code, "1 passed" in text) == (0, True), text


def test_pytest_may_be_started_in_a_folder_of_the_project(run_pytest):
    code, text = run_pytest("-k", "another", where="tests")
    assert (code, "refunds.test.yaml:13:7" in text) == (1, True)


def test_it_can_be_switched_off(run_pytest):
    assert run_pytest("-o", "agentrun_tests=false")[0] == 5  # nothing is collected
    assert run_pytest("-p", "no:agentrun")[0] == 5


def test_further_folders_of_tools_are_named_in_the_settings(run_pytest):
    tool = "description: Adds.\nfinal: true\n"
    files = {
        **PROJECT,
        "agents/support.yaml": "model: gpt-x\ntools: [add]\n",
        "shared/add.yaml": tool,
        "pytest.ini": "[pytest]\nagentrun_tools = shared\n",
    }
    code, text = run_pytest("-k", "hello", files=files)
    assert (code, "1 passed" in text) == (0, True), text


def test_a_folder_of_tools_that_is_not_there_is_told_by_its_setting(run_pytest):
    code, text = run_pytest("-k", "hello", files={**PROJECT, "pytest.ini": "[pytest]\nagentrun_tools = shared\n"})
    assert (code, "Traceback" in text) == (2, False), text
    assert "`agentrun_tools` names a folder that is not there: " in text


def test_a_file_s_variables_stand_for_those_that_its_agent_needs(run_pytest):
    files = {
        "agents/support.yaml": "model: {name: gpt-x, base_url: '${BASE:?set it}'}\n",
        "tests/refunds.test.yaml": CASES.replace("tags: [desk]", "env: {BASE: 'http://127.0.0.1:9'}"),
    }
    code, text = run_pytest("-k", "hello", files=files)
    assert (code, "1 passed" in text) == (0, True), text


# -- what it costs others -----------------------------------------------------------------------------------------


def test_nothing_of_agentrun_is_imported_where_there_are_no_test_files(run_pytest, tmp_path):
    python = """
        import sys

        def test_modules():
            assert {name for name in sys.modules if name.startswith("agentrun")} == {
                "agentrun", "agentrun.pytest_plugin"
            }
            assert not {"msgspec", "yaml", "jsonschema", "openai"} & set(sys.modules)
    """
    code, text = run_pytest(files={"test_modules.py": python})
    assert (code, "1 passed" in text) == (0, True), text


def test_a_run_loads_no_client(run_pytest):
    python = """
        import sys

        def test_modules():
            assert "agentrun.testing.runner" in sys.modules
            assert not {"openai", "httpx2", "anthropic"} & set(sys.modules)
    """
    code, text = run_pytest("-k", "hello or modules", files={**PROJECT, "tests/test_z.py": python})
    assert (code, "2 passed" in text) == (0, True), text
