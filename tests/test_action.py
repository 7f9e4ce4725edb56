"""The GitHub Action and the pre-commit hooks: that their files say what agentrun can do, and that the script works."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from agentrun.cli import COMMANDS
from projects import write_project

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
PROJECT = {
    "agents/desk.yaml": """
        description: Looks orders up.
        model: gpt-4.1-mini
        tools: [nope]
    """
}


@pytest.fixture
def workspace(tmp_path):
    """A checkout on a runner where agentrun is installed already."""
    bin = tmp_path / "runner/agentrun-venv/bin"
    bin.mkdir(parents=True)
    (bin / "agentrun").symlink_to(Path(sys.executable).with_name("agentrun"))
    write_project(tmp_path / "checkout", PROJECT)
    return tmp_path


def run(workspace, folder=".", **variables):
    """The action's step with these inputs: exit code, what it printed, its outputs and the job summary."""
    out, summary = workspace / "output", workspace / "summary"
    inputs = {f"AGENTRUN_{name}": str(value) for name, value in variables.items()}
    env = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(workspace / "runner"),
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace / "checkout"),
        "GITHUB_OUTPUT": str(out),
        "GITHUB_STEP_SUMMARY": str(summary),
        "AGENTRUN_PATHS": "",
        "AGENTRUN_ARGS": "",
        "AGENTRUN_SARIF": "agentrun.sarif",
        "AGENTRUN_SUMMARY": "true",
        "AGENTRUN_FOLDER": ".",
        "AGENTRUN_PYTHON": sys.executable,
        "AGENTRUN_SOURCE": str(ROOT),
        **inputs,
    }
    script = ["bash", str(ROOT / ".github/validate.sh")]
    here = workspace / "checkout" / folder
    done = subprocess.run(script, cwd=here, env=env, capture_output=True, text=True, timeout=60)
    outputs = dict(line.partition("=")[::2] for line in out.read_text().splitlines())
    return done.returncode, done.stdout + done.stderr, outputs, summary.read_text() if summary.exists() else ""


def test_the_step_annotates_writes_sarif_and_sums_up(workspace):
    code, printed, outputs, summary = run(workspace)
    assert code == 3
    assert "::error file=agents/desk.yaml,line=3" in printed
    assert outputs == {"exit-code": "3", "sarif-file": "./agentrun.sarif"}
    sarif = json.loads((workspace / "checkout/agentrun.sarif").read_text())
    assert [one["ruleId"] for one in sarif["runs"][0]["results"]] == ["AR401"]
    assert "AR401" in summary


def test_inputs_choose_paths_and_options_and_are_never_commands(workspace):
    write_project(workspace / "checkout", {"agents/two words.yaml": "description: x\nmodel: gpt-4.1-mini\n"})
    paths = "agents/two words.yaml\n$(touch hacked)"
    code, printed, outputs, summary = run(workspace, PATHS=paths, SARIF="", SUMMARY="false")
    assert code == 2
    assert "there is no `$(touch hacked)`" in printed
    assert outputs == {"exit-code": "2", "sarif-file": ""}
    assert not (workspace / "checkout/hacked").exists()
    assert summary == ""
    options = "--ignore\nAR401,AR306"
    assert run(workspace, PATHS="agents/two words.yaml\nagents/desk.yaml", ARGS=options)[0] == 0


def test_options_stand_on_a_line_together_and_a_value_with_blanks_alone(workspace):
    options = "--ignore AR401 --fail-level  never\n--output-file\nconcise=a list*.txt"
    assert run(workspace, ARGS=options)[0] == 0
    assert (workspace / "checkout/a list*.txt").read_text() == ""


def test_in_a_folder_below_the_checkout_paths_are_seen_from_its_root(workspace):
    root = workspace / "checkout"
    write_project(root / "my desk", PROJECT)
    where = {"FOLDER": "my desk", "SARIF": "out/found.sarif"}
    (root / "my desk/out").mkdir()
    code, printed, outputs, _ = run(workspace, folder="my desk", **where)
    assert code == 3
    assert "::error file=my desk/agents/desk.yaml,line=3" in printed
    assert outputs["sarif-file"] == "my desk/out/found.sarif"
    assert '"uri": "my%20desk/agents/desk.yaml"' in (root / outputs["sarif-file"]).read_text()


def test_blanks_around_lines_mean_nothing(workspace):
    code, printed, _, _ = run(workspace, PATHS="  agents/desk.yaml \n   \n\n", ARGS="\n  --ignore AR401 \n")
    assert (code, "1 file checked, no findings" in printed) == (0, True)


def test_an_older_sarif_is_not_taken_for_this_step_s(workspace):
    assert run(workspace)[2]["sarif-file"] == "./agentrun.sarif"
    assert run(workspace, PATHS="nothing")[2] == {"exit-code": "2", "sarif-file": ""}


def test_sarif_may_lie_outside_of_the_checkout(workspace):
    outputs = run(workspace, SARIF=workspace / "found.sarif")[2]
    assert outputs["sarif-file"] == str(workspace / "found.sarif")
    assert (workspace / "found.sarif").exists()


def test_each_input_reaches_the_script():
    step = ACTION["runs"]["steps"][0]
    assert ACTION["runs"]["using"] == "composite"
    assert set(ACTION["inputs"]) == {
        value.partition("inputs.")[2].removesuffix(" }}") for value in step["env"].values() if "inputs." in value
    }
    assert "${{" not in step["run"]
    script = (ROOT / ".github/validate.sh").read_text()
    assert all(f"${name}" in script or f"${{{name}" in script for name in step["env"])


def test_each_hook_is_a_command_with_files_that_it_is_for():
    assert [hook["id"] for hook in HOOKS] == ["agentrun-validate", "agentrun-fmt"]
    for hook in HOOKS:
        program, command = hook["entry"].split()
        assert program == "agentrun"
        assert command in COMMANDS


@pytest.mark.parametrize(
    ("hook", "for_it", "not_for_it"),
    [
        (
            "agentrun-validate",
            [
                "agents/a.yaml",
                "x/tools.d/b.yml",
                "prompts/desk.md",
                "tests/a.test.yaml",
                "x/agentrun.toml",
                "shop/fx.py",
            ],
            ["Makefile", "src/main.rs", "picture.png"],
        ),
        (
            "agentrun-fmt",
            ["agents/a.yaml", "x/tools.d/b.yaml", "tests/a.test.yaml", "x/tests/deep/a.test.yaml"],
            ["agents/a.yml", "agents/data/a.yaml", "charts/a.test.yaml", "tests/a.yaml"],
        ),
    ],
)
def test_a_hook_runs_for_the_files_that_it_is_for(hook, for_it, not_for_it):
    [pattern] = [one["files"] for one in HOOKS if one["id"] == hook]
    assert [path for path in for_it + not_for_it if re.search(pattern, path)] == for_it


def test_the_job_for_gitlab_installs_no_stranger_and_keeps_the_reports_it_writes():
    job = yaml.safe_load((ROOT / "docs/gitlab.yml").read_text())["agentrun-validate"]
    install, validate = job["script"]
    assert install.startswith("pip install git+")
    written = dict(re.findall(r"--output-file (\w+)=(\S+)", validate))
    reports = job["artifacts"]["reports"]
    assert reports == {"codequality": written["gitlab"], "junit": written["junit"]}
    assert job["artifacts"]["when"] == "always"


def test_the_job_for_gitlab_that_runs_cases_keeps_what_it_writes_and_asks_no_model():
    job = yaml.safe_load((ROOT / "docs/gitlab.yml").read_text())["agentrun-test"]
    install, test = job["script"]
    assert install.startswith("pip install git+")
    assert " --no-live " in test
    written = dict(re.findall(r"--output-file (\w+)=(\S+)", test))
    assert job["artifacts"]["reports"] == {"junit": written["junit"]}
    assert job["artifacts"]["paths"] == [written["html"]]
    assert job["artifacts"]["when"] == "always"
