"""`agentrun test` as a script meets it: what is printed, exit codes, signals. Each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from projects import write_project
from servers import ModelServer, sse

FILES = {
    "agents/desk.yaml": "model: gpt-x\ntools: [get]\n",
    "tools.d/get.yaml": """
        description: Gets an order.
        parameters: {type: object, properties: {id: {type: string}}, required: [id]}
        http: {url: "https://orders.example/{id}"}
    """,
    "tests/desk.test.yaml": """
        agent: desk
        cases:
          - name: looks up
            args: {input: hi}
            tags: [smoke]
            model: [{tool_calls: [{name: get, arguments: {id: "1"}}]}, {content: found}]
            tools: {get: {json: 1}}
            expect: {answer: found}
          - name: refunds
            args: {input: hi}
            model: [{content: done}]
    """,
}
FAILING = """
agent: desk
cases:
  - name: fails
    args: {input: hi}
    model: [{content: done}]
    expect: {answer: something else}
"""
OTHER = {"agents/other.yaml": "model: gpt-x\n"}
HANGING = "agent: desk\ncases: [{name: hangs, args: {input: hi}, model: [{content: late, delay: 50}]}]\n"


def environment(folder, env=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "AGENTRUN_", "XDG_"))}
    return {**clean, "NO_COLOR": "1", "XDG_STATE_HOME": str(folder / ".state"), **(env or {})}


def command(*arguments):
    return [sys.executable, "-m", "agentrun", "test", *arguments]


def agentrun_test(folder, *arguments, cwd=None, env=None):
    return subprocess.run(
        command(*arguments),
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(folder, env),
    )


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path, FILES)


def statuses(done):
    return {one["name"]: one["status"] for one in json.loads(done.stdout)["cases"]}


def test_cases_that_pass_exit_with_0_and_nothing_but_text_is_printed(project):
    done = agentrun_test(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "looks up" in done.stdout
    assert "2 passed" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_case_that_fails_exits_with_1_and_is_told_with_its_line(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    done = agentrun_test(project)
    assert done.returncode == 1
    assert "tests/failing.test.yaml:6:14" in done.stdout
    assert "2 passed, 1 failed" in done.stdout


def test_quiet_shows_no_line_for_what_passed_and_verbose_what_happened_in_it(project):
    quiet, verbose = agentrun_test(project, "-q"), agentrun_test(project, "-v")
    assert "looks up" not in quiet.stdout
    assert quiet.stdout.startswith("2 passed")
    assert 'get(id="1")' in verbose.stdout
    assert agentrun_test(project, "-q", "-v").returncode == 2


def test_what_could_not_be_measured_exits_with_4_unless_something_failed(project):
    live = "agent: desk\nlive: true\ncases: [{name: asks, args: {input: hi}}]\n"
    write_project(project, {"tests/live.test.yaml": live})
    done = agentrun_test(project)
    assert done.returncode == 4
    assert "OPENAI_API_KEY is not set" in done.stdout
    assert agentrun_test(project, "--no-live").returncode == 0
    assert agentrun_test(project, "--model", "offline").returncode == 0
    write_project(project, {"tests/failing.test.yaml": FAILING})
    assert agentrun_test(project).returncode == 1


def test_files_with_errors_exit_with_3_before_anything_runs(project):
    write_project(project, {"tests/broken.test.yaml": "agent: dsk\ncases: [{name: x, model: [{content: y}]}]\n"})
    done = agentrun_test(project)
    assert (done.returncode, done.stdout) == (3, "")
    assert "tests/broken.test.yaml:1:8: error" in done.stderr
    assert agentrun_test(project, "tests/desk.test.yaml").returncode == 0


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("agents/desk.yaml", "model: gpt-x\ntools: [gett]\n", "agents/desk.yaml:2:9"),
        ("tools.d/get.yaml", "description: Gets.\nhttpp: {url: 'https://x.example'}\n", "tools.d/get.yaml:2:1"),
        ("tests/more.test.yaml", "agent: [desk\n", "tests/more.test.yaml:"),
        ("tests/more.test.yml", "agent: desk\n", "its name must end in `.yaml`"),
    ],
)
def test_errors_of_all_that_the_cases_need_are_told(project, path, text, said):
    write_project(project, {path: text})
    write_project(project, {"tests/a.test.yaml": FAILING.replace("agent: desk", "agent: other"), **OTHER})
    done = agentrun_test(project)
    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr


def test_an_agent_that_no_chosen_case_needs_may_be_broken(project):
    write_project(project, {"agents/other.yaml": "model: [\n"})
    assert agentrun_test(project).returncode == 0


def test_a_variable_that_the_test_file_sets_is_there_when_files_are_checked(project):
    http = '{url: "https://orders.example/{id}", max_retries: "${TRIES:?how often}"}'
    get = FILES["tools.d/get.yaml"].replace('{url: "https://orders.example/{id}"}', http)
    cases = FILES["tests/desk.test.yaml"]
    write_project(project, {"tools.d/get.yaml": get})
    done = agentrun_test(project)
    assert (done.returncode, done.stdout) == (3, "")
    assert "AR509" in done.stderr
    write_project(project, {"tests/desk.test.yaml": cases.replace("cases:", "env: {TRIES: 2}\n        cases:", 1)})
    done = agentrun_test(project)
    assert (done.returncode, done.stderr) == (0, "")


def test_paths_are_files_folders_globs_and_single_cases(project):
    write_project(project, {"tests/more/failing.test.yaml": FAILING})

    def ran(*paths):
        return list(statuses(agentrun_test(project, *paths, "--format", "json")))

    assert ran() == ["looks up", "refunds", "fails"]
    assert ran("tests/more") == ran("tests/more/failing.test.yaml") == ran("tests/**/f*.test.yaml") == ["fails"]
    assert ran("tests/desk.test.yaml::refunds") == ["refunds"]
    assert ran("tests/desk.test.yaml::refunds", "tests/desk.test.yaml::looks up") == ["looks up", "refunds"]
    assert ran("tests/desk.test.yaml::refunds", "tests/desk.test.yaml") == ["looks up", "refunds"]
    assert ran("tests/more", "tests/desk.test.yaml::refunds") == ["refunds", "fails"]


def test_the_mark_between_file_and_case_may_stand_in_both(project):
    names = ["inner", "x::inner", "GET /a//b/", "long " * 60]
    cases = "".join(f"  - {{name: '{name}', args: {{input: hi}}, model: [{{content: done}}]}}\n" for name in names)
    write_project(project, {"tests/a::b/x::y.test.yaml": f"agent: desk\ncases:\n{cases}"})
    for name in names:
        done = agentrun_test(project, f"tests/a::b/x::y.test.yaml::{name}", "--format", "json")
        assert list(statuses(done)) == [name]


def test_a_case_of_a_glob_stands_in_one_of_its_files_and_a_wrong_name_is_told_beside_its_whole_file(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    assert list(statuses(agentrun_test(project, "tests/*::refunds", "--format", "json"))) == ["refunds"]
    done = agentrun_test(project, "tests/desk.test.yaml", "tests/desk.test.yaml::refund")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no case `refund` in `tests/desk.test.yaml`" in done.stderr


def test_test_files_outside_of_tests_are_told_where_their_folder_is_named(project):
    write_project(project, {"more/failing.test.yaml": FAILING})
    done = agentrun_test(project, "more")
    assert done.returncode == 2
    assert "others are named one by one: more/failing.test.yaml" in done.stderr
    assert agentrun_test(project, "more/failing.test.yaml").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tests/desk.test.yaml::refund"], "help: did you mean `refunds`?"),
        (["agents/desk.yaml"], "help: its tests: tests/desk.test.yaml"),
        (["agents"], "error: there are no test files in `agents`"),
        (["nowhere"], "error: there is no `nowhere`"),
        (["tests::x"], "help: write FILE::CASE"),
        (["tests/desk.test.yaml::"], "is not of the form FILE::CASE"),
        (["-k", "refnds"], "help: did you mean `refunds`?"),
        (["-k", "refunds or"], "can't be read"),
        (["--tag", "smoky"], "help: did you mean `smoke`?"),
        (["--list", "--watch"], "`--list` runs nothing"),
        (["--watch", "--format", "json"], "`--watch` is for people"),
        (["--output-file", "sarif=x"], "formats: text, json"),
        (["--output-file", "json=tests/desk.test.yaml"], "can't be written"),
        (["--output-file", "json=nowhere/out.json"], "there is no folder `nowhere`"),
        (["--cassettes", "record", "--watch"], "`--watch` would record again and again"),
        (["--cassettes", "auto", "-x"], "`-x` would leave recordings that are not whole"),
        (["--watch", "-x"], "`--watch` and `-x` don't go together"),
        (["-k", "refund", "-k", "mail"], "`-k` is given 2 times"),
        (["--tools", "nowhere"], "there is no folder `nowhere`"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_there_is(project, arguments, said):
    done = agentrun_test(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_folder_without_a_project_names_those_below_it(tmp_path):
    write_project(tmp_path / "shop", FILES)
    done = agentrun_test(tmp_path)
    assert done.returncode == 2
    assert "help: name the projects below it: shop" in done.stderr


def test_several_projects_can_be_tested_at_once_each_with_its_own_agents(tmp_path):
    write_project(tmp_path / "one", FILES)
    other = write_project(tmp_path / "other", FILES)
    write_project(other, {"agents/desk.yaml": "model: gpt-x\ntools: [get]\nsystem_prompt: The other one.\n"})
    done = agentrun_test(tmp_path, "other", "one", "--format", "json")
    assert done.returncode == 0
    cases = json.loads(done.stdout)["cases"]
    assert [case["file"] for case in cases] == ["other/tests/desk.test.yaml"] * 2 + ["one/tests/desk.test.yaml"] * 2


def test_words_and_tags_choose_and_list_shows_them_without_a_run(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    assert list(statuses(agentrun_test(project, "-k", "not fails and desk", "--format", "json"))) == [
        "looks up",
        "refunds",
    ]
    done = agentrun_test(project, "--list", "--tag", "smoke")
    assert (done.returncode, done.stdout) == (0, "tests/desk.test.yaml::looks up  (smoke)\n")


def test_only_leaves_the_other_cases_out_and_says_so(project):
    write_project(project, {"tests/focus.test.yaml": FAILING.replace("args:", "only: true\n    args:")})
    done = agentrun_test(project)
    assert "0 passed" not in done.stdout
    assert "1 failed" in done.stdout
    assert "warning: `only` is set in 1 case: 2 others not run" in done.stderr


def test_last_failed_runs_what_did_not_pass_and_all_once_there_is_nothing(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    assert agentrun_test(project).returncode == 1
    again = agentrun_test(project, "--lf", "--format", "json")
    assert (again.returncode, list(statuses(again))) == (1, ["fails"])
    write_project(project, {"tests/failing.test.yaml": FAILING.replace("something else", "done")})
    # From another folder, too: a case is known by its place in the project.
    below = agentrun_test(project, "--lf", "--format", "json", cwd=project / "tests")
    assert (below.returncode, list(statuses(below))) == (0, ["fails"])
    whole = agentrun_test(project, "--last-failed", "--format", "json")
    assert len(statuses(whole)) == 3
    assert "none of these cases failed the last time: all are run" in whole.stderr


def test_a_case_that_its_file_leaves_out_is_no_failed_one_any_more(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    assert agentrun_test(project).returncode == 1
    write_project(project, {"tests/failing.test.yaml": FAILING.replace("args:", "skip: later\n    args:")})
    assert list(statuses(agentrun_test(project, "--lf", "--format", "json"))) == ["fails"]
    assert len(statuses(agentrun_test(project, "--lf", "--format", "json"))) == 3


def test_where_nothing_can_be_remembered_only_who_asks_for_it_is_told(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    env = {"XDG_STATE_HOME": "", "HOME": ""}
    assert agentrun_test(project, env=env).stderr == ""
    asked = agentrun_test(project, "--lf", env=env)
    assert asked.returncode == 1
    assert asked.stderr.count("there is no home folder") == 2  # it can't be read, and can't be written


def test_fail_fast_says_how_many_were_not_run(project):
    write_project(project, {"tests/a.test.yaml": FAILING})
    done = agentrun_test(project, "-x")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "ended with the first case that failed: 2 cases not run" in done.stderr


def test_reports_are_written_beside_what_is_printed(project):
    done = agentrun_test(project, "--output-file", "json=out.json", "--output-file", "junit=out.xml")
    assert done.returncode == 0
    assert json.loads((project / "out.json").read_text())["summary"]["passed"] == 2
    assert (project / "out.xml").read_text().startswith("<?xml")
    assert "2 passed" in done.stdout


def test_a_report_that_cannot_be_written_costs_no_result(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    done = agentrun_test(project, "--output-file", "junit=/dev/full", "--output-file", "json=out.json")
    assert done.returncode == 2
    assert "2 passed, 1 failed" in done.stdout
    assert "`/dev/full` can't be written: no space left on device" in done.stderr
    assert json.loads((project / "out.json").read_text())["summary"]["failed"] == 1


def test_what_a_tool_prints_is_no_part_of_a_report(project):
    write_project(
        project,
        {
            "talk.py": "def talk(): print('from a tool')\n",
            "tools.d/talk.yaml": "description: Talks.\nread_only: true\npython: talk:talk\n",
            "agents/talks.yaml": "model: gpt-x\ntools: [talk]\n",
            "tests/talks.test.yaml": """
                agent: talks
                live_tools: true
                cases: [{name: talks, args: {input: hi}, model: [{tool_calls: [{name: talk}]}, {content: done}]}]
            """,
        },
    )
    done = agentrun_test(project, "tests/talks.test.yaml", "--format", "json")
    assert statuses(done) == {"talks": "passed"}
    assert done.stderr == "from a tool\n"


def test_coverage_is_told_where_it_is_asked_for(project):
    assert "tools called" in agentrun_test(project, "--coverage").stdout
    assert "tools called" not in agentrun_test(project).stdout


def test_repeat_tries_live_cases_and_says_where_there_are_none(project):
    with ModelServer([sse(text="yes"), sse(text="yes"), sse(text="yes")]) as server:
        model = "model: {name: gpt-x, base_url: '${SERVICE_URL}', api_key: key-of-a-test}\n"
        live = "agent: live\nlive: true\ncases: [{name: asks, args: {input: hi}}]\n"
        write_project(project, {"agents/live.yaml": model, "tests/live.test.yaml": live})
        env = {"SERVICE_URL": server.base_url}
        done = agentrun_test(project, "tests/live.test.yaml", "--repeat", "3", env=env)
        assert done.returncode == 0
        assert "3 of 3 passed" in done.stdout
    assert "`--repeat` does nothing" in agentrun_test(project, "tests/desk.test.yaml", "--repeat", "3").stderr


def test_a_reader_that_leaves_early_takes_nothing_from_the_exit_code(project):
    write_project(project, {"tests/failing.test.yaml": FAILING})
    shell = '{ "$0" -m agentrun test; echo "$?" >code; } | head -n 0'
    subprocess.run(
        ["sh", "-c", shell, sys.executable], cwd=project, timeout=50, env=environment(project), capture_output=True
    )
    assert (project / "code").read_text() == "1\n"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_what_runs_and_tells_what_was_done(project, sent, code):
    write_project(project, {"tests/x.test.yaml": HANGING})
    with subprocess.Popen(
        command(),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(project),
        start_new_session=True,
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        assert "refunds" in lines[2]
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "interrupted: 2 of 3 cases were run\n")
    assert "2 passed" in out


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_function_that_lets_nothing_else_run(project, sent, code):
    write_project(
        project,
        {
            "busy.py": "import pathlib\nasync def busy():\n    pathlib.Path('began').touch()\n    while True: pass\n",
            "tools.d/busy.yaml": "description: Is busy.\nread_only: true\npython: busy:busy\n",
            "agents/busy.yaml": "model: gpt-x\ntools: [busy]\n",
            "tests/busy.test.yaml": """
                agent: busy
                live_tools: true
                cases: [{name: busy, args: {input: hi}, model: [{tool_calls: [{name: busy}]}]}]
            """,
        },
    )
    process = subprocess.Popen(command("tests/busy.test.yaml"), cwd=project, env=environment(project))
    try:
        end = time.monotonic() + 30
        while not (project / "began").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        while process.poll() is None:
            assert time.monotonic() < end
            process.send_signal(sent)
            time.sleep(0.2)
        assert process.returncode == code
    finally:
        process.kill()
        process.wait()


def test_a_case_that_hangs_in_a_command_leaves_no_process_behind(project):
    write_project(
        project,
        {
            "tools.d/wait.yaml": "description: Waits.\nshell: {script: 'echo $$ >pid; sleep 60', cwd: ..}\n",
            "agents/waits.yaml": "model: gpt-x\ntools: [wait]\n",
            "tests/waits.test.yaml": """
                agent: waits
                live_tools: true
                approve: [wait]
                cases: [{name: waits, args: {input: hi}, timeout: 2, model: [{tool_calls: [{name: wait}]}]}]
            """,
        },
    )
    done = agentrun_test(project, "tests/waits.test.yaml")
    assert done.returncode == 1
    assert "the case took longer than 2 s" in done.stdout
    pid = int((project / "pid").read_text())
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
        assert time.monotonic() < end
        time.sleep(0.02)


CASSETTE = """
agent: live
cases:
  - name: asks
    args: {input: hi}
    cassette: asks.cassette.yaml
    expect: {answer: recorded, reason: %s}
"""


def test_a_cassette_is_recorded_from_a_service_and_played_without_one(project):
    model = "model: {name: gpt-x, base_url: '${SERVICE_URL}', api_key: '${SERVICE_KEY}', max_retries: 0}\n"
    write_project(project, {"agents/live.yaml": model, "tests/live.test.yaml": CASSETTE % "answered"})
    path = "tests/live.test.yaml"
    missing = agentrun_test(project, path)
    assert missing.returncode == 1
    assert "there is no cassette" in missing.stdout
    assert agentrun_test(project, path, "--cassettes", "record").returncode == 4  # nobody to record
    with ModelServer([sse(text="recorded")]) as server:
        env = {"SERVICE_URL": server.base_url, "SERVICE_KEY": "sk-canary-0123456789"}
        recorded = agentrun_test(project, path, "--cassettes", "auto", env=env)
        assert (recorded.returncode, len(server.requests)) == (0, 1)
    assert "canary" not in (project / "tests/asks.cassette.yaml").read_text()
    assert agentrun_test(project, path).returncode == 0
    assert agentrun_test(project, path, "--cassettes", "auto").returncode == 0


def test_a_request_that_no_cassette_knows_fails_the_case_whatever_it_expects(project):
    model = "model: {name: gpt-x, base_url: '${SERVICE_URL}', api_key: '${SERVICE_KEY}', max_retries: 0}\n%s"
    write_project(project, {"agents/live.yaml": model % "", "tests/live.test.yaml": CASSETTE % "answered"})
    with ModelServer([sse(text="recorded")]) as server:
        env = {"SERVICE_URL": server.base_url, "SERVICE_KEY": "sk-canary-0123456789"}
        assert agentrun_test(project, "tests/live.test.yaml", "--cassettes", "record", env=env).returncode == 0
    write_project(
        project,
        {
            "agents/live.yaml": model % "system_prompt: Another one.\n",
            "tests/live.test.yaml": (CASSETTE % "model_error").replace("answer: recorded, ", ""),
        },
    )
    done = agentrun_test(project, "tests/live.test.yaml")
    assert done.returncode == 1
    assert "asks.cassette.yaml:" in done.stdout
