"""`agentrun run` as a script meets it: stdout, stderr, exit codes, signals. Each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from projects import ADD, scripted_agent, write_project

CALL_AND_ANSWER = ["tool_calls: [{name: add, arguments: {a: 40}, id: c1}]", "content: It is 42."]


def command(*arguments):
    return [sys.executable, "-m", "agentrun", *arguments]


def agentrun(folder, *arguments, stdin="", env=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "AGENTRUN_"))}
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        env={**clean, "NO_COLOR": "1", **(env or {})},
    )


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path, ADD | {"agents/sum.yaml": scripted_agent(CALL_AND_ANSWER, tools="[add]")})


def test_stdout_is_the_answer_alone_and_calls_go_to_stderr(project):
    done = agentrun(project, "run", "sum", "add 40 and 2")
    assert (done.returncode, done.stdout) == (0, "It is 42.\n")
    assert "add(a=40, b=2)" in done.stderr
    assert "→ 42" in done.stderr


@pytest.mark.parametrize(
    ("closed", "out"),
    [("<&-", "It is 42.\n"), (">&-", ""), ("2>&-", "It is 42.\n"), ("<&- >&- 2>&-", ""), ("--output jsonl >&-", "")],
)
def test_a_stream_that_the_caller_closed_is_missed_by_nobody(project, closed, out):
    shell = f'exec "$0" -m agentrun run sum "add 40 and 2" {closed}'
    done = subprocess.run(["sh", "-c", shell, sys.executable], cwd=project, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (0, out)
    assert "error" not in done.stderr


def test_the_offline_model_needs_no_variable_of_the_agents_own(project):
    model = "model: {name: gpt-4.1-mini, api_key: '${SUM_KEY}'}\n"
    (project / "agents/keyed.yaml").write_text(model + "tools: [add]\n")
    done = agentrun(project, "run", "keyed", "add a=40 and b=2", "--model", "offline")
    assert (done.returncode, "AR510" in done.stderr) == (0, False)
    refused = agentrun(project, "run", "keyed", "add a=40 and b=2")
    assert (refused.returncode, "SUM_KEY" in refused.stderr) == (3, True)


def test_a_flag_that_approves_no_tool_is_told(project):
    done = agentrun(project, "run", "sum", "add 40 and 2", "-q", "--approve", "ad", "--approve", "a*", "--approve", "x")
    assert (done.returncode, done.stdout) == (0, "It is 42.\n")
    assert done.stderr == (
        "warning: `--approve ad` matches no tool of sum\nhelp: did you mean `add`?\n"
        "warning: `--approve x` matches no tool of sum\nhelp: its tools: add\n"
    )


def test_quiet_leaves_stderr_empty(project):
    done = agentrun(project, "run", "sum", "add 40 and 2", "--quiet")
    assert (done.stdout, done.stderr) == ("It is 42.\n", "")


def test_the_input_can_come_from_stdin(project):
    done = agentrun(project, "run", "sum", "--output", "jsonl", stdin="add 40 and 2\n")
    first = json.loads(done.stdout.splitlines()[0])
    assert first["args"] == {"input": "add 40 and 2"}


def test_json_is_how_the_run_ended(project):
    done = agentrun(project, "run", "sum", "add", "--output", "json")
    ended = json.loads(done.stdout)
    assert ended["type"] == "run_finished"
    assert (ended["reason"], ended["text"], ended["error"]) == ("answered", "It is 42.", None)


def test_jsonl_is_every_event_and_ends_with_run_finished(project):
    done = agentrun(project, "run", "sum", "add", "--output", "jsonl")
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert kinds == [
        "run_started",
        "turn_started",
        "tool_call_delta",
        "turn_finished",
        "tool_started",
        "tool_finished",
        "turn_started",
        "text_delta",
        "turn_finished",
        "run_finished",
    ]


def test_no_input_is_bad_usage(project):
    done = agentrun(project, "run", "sum")
    assert done.returncode == 2
    assert "there is no input" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "sun", "x"], "did you mean `sum`?"),
        (["run", "sum", "--args", "{"], "--args is not JSON"),
        (["run", "sum", "--args", "[1]"], "--args must be a JSON object"),
        (["run", "sum", "--arg", "x"], "is not of the form NAME=VALUE"),
        (["run", "sum", "x", "--tools", "nowhere"], "there is no folder `nowhere`"),
        (["rnu", "sum"], "did you mean `run`?"),
        (["run", "tools.d/add.yaml", "x"], "is a tool file, not an agent"),
    ],
)
def test_bad_usage_says_what_is_allowed(project, arguments, said):
    done = agentrun(project, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_argument_that_is_no_text_is_bad_usage(project):
    done = agentrun(project, "run", "sum", b"\xff")
    assert done.returncode == 2
    assert "not UTF-8" in done.stderr


def test_an_agents_own_parameters_are_checked(tmp_path):
    more = "parameters: {type: object, properties: {n: {type: integer}}, required: [n]}\ninput: 'n is {{ args.n }}'"
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: ok"], more=more)})
    assert agentrun(tmp_path, "run", "a", "--arg", "n=3").stdout == "ok\n"
    wrong = agentrun(tmp_path, "run", "a", "--arg", "n=three")
    assert wrong.returncode == 2
    assert 'n: "three" is not of type "integer"' in wrong.stderr


def test_invalid_files_end_with_3_and_all_findings(tmp_path):
    write_project(tmp_path, {"agents/a.yaml": "model: x\ntools: [nope]\nmodle: y\n"})
    done = agentrun(tmp_path, "run", "a", "x")
    assert done.returncode == 3
    assert "agents/a.yaml:2:9: error AR401" in done.stderr
    assert "agents/a.yaml:3:1: error AR301" in done.stderr


def test_a_broken_file_elsewhere_in_the_project_does_not_stop_a_run(project):
    write_project(project, {"agents/other.yaml": "model: x\ntools: [nope]\n"})
    assert agentrun(project, "run", "sum", "x").returncode == 0
    assert agentrun(project, "validate").returncode == 3


def test_a_limit_ends_with_1(tmp_path):
    script = ["tool_calls: [{name: add, arguments: {a: 1}}]"] * 3
    agent = scripted_agent(script, tools="[add]", more="limits: {max_turns: 2}")
    write_project(tmp_path, ADD | {"agents/a.yaml": agent})
    done = agentrun(tmp_path, "run", "a", "x")
    assert done.returncode == 1
    assert "max_turns" in done.stderr


def test_a_failed_model_service_ends_with_4(tmp_path):
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(["error: {status: 401, message: no such key}"])})
    done = agentrun(tmp_path, "run", "a", "x")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no such key" in done.stderr


def test_a_call_that_nobody_could_approve_ends_with_5(tmp_path):
    files = dict(ADD)
    files["tools.d/add.yaml"] = ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n"
    files["agents/a.yaml"] = scripted_agent(CALL_AND_ANSWER, tools="[add]")
    write_project(tmp_path, files)
    refused = agentrun(tmp_path, "run", "a", "x")
    assert (refused.returncode, refused.stdout) == (5, "It is 42.\n")
    assert "not allowed" in refused.stderr
    assert agentrun(tmp_path, "run", "a", "x", "--approve", "a*").returncode == 0


def test_a_missing_key_names_the_variable_and_the_way_without(tmp_path):
    write_project(tmp_path, {"agents/a.yaml": "model: gpt-4.1-mini\n"})
    done = agentrun(tmp_path, "run", "a", "x")
    assert done.returncode == 4
    assert "OPENAI_API_KEY" in done.stderr
    assert "--model offline" in done.stderr


def test_a_server_that_does_not_answer_is_named(tmp_path):
    agent = 'model: {name: m, base_url: "http://127.0.0.1:9/v1", max_retries: 0}\n'
    write_project(tmp_path, {"agents/a.yaml": agent})
    done = agentrun(tmp_path, "run", "a", "x")
    assert done.returncode == 4
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unset_variable_stops_the_run_and_an_env_file_gives_it(tmp_path):
    agent = scripted_agent(["content: ok"]).replace("  api: scripted", "  api: scripted\n  name: ${MODEL_NAME}")
    write_project(tmp_path, {"agents/a.yaml": agent, ".env": "# names\nexport MODEL_NAME='m'\n"})
    stopped = agentrun(tmp_path, "run", "a", "x")
    assert stopped.returncode == 3
    assert "MODEL_NAME is not set" in stopped.stderr
    assert agentrun(tmp_path, "run", "a", "x", "--env-file", ".env").stdout == "ok\n"
    assert "agents/a.yaml" in agentrun(tmp_path, "validate").stdout  # there it is a warning


SLEEPER = {
    "tools.d/sleep.yaml": """
        description: Sleeps.
        parameters: {type: object, properties: {}}
        shell: {command: [sh, -c, "echo $$ > pid; exec sleep 60"]}
        timeout: 60
    """,
    "agents/a.yaml": scripted_agent(["tool_calls: [{name: sleep}]", "content: ok"], tools="[sleep]"),
}


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_and_its_tools(tmp_path, number, code):
    write_project(tmp_path, SLEEPER)
    pid_file = tmp_path / "tools.d" / "pid"
    with subprocess.Popen(
        command("run", "a", "x", "--output", "jsonl"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text().strip()))
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == code
    assert json.loads(out.splitlines()[-1])["reason"] == "cancelled"
    wait_for(lambda: not is_alive(pid))


def test_a_closed_stdout_ends_the_run_quietly(project):
    with subprocess.Popen(
        command("run", "sum", "x", "--output", "jsonl"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        process.wait(timeout=20)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_escape_sequences_of_a_model_are_shown_and_not_sent_to_stderr(tmp_path):
    script = ['tool_calls: [{name: "a\\e[2Jb", arguments: {}}]', "content: ok"]
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(script)})
    done = agentrun(tmp_path, "run", "a", "x")
    assert "\x1b" not in done.stderr
    assert "␛[2J" in done.stderr
