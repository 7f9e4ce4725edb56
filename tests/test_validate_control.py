"""What `agentrun validate` checks and tells: paths, presets, settings, baseline, standard input, output files."""

import json
import subprocess
import sys

import pytest

import golden_specs
from agentrun.cli import run_cli
from projects import write_project

PROJECT = {
    "agents/desk.yaml": """
        description: Looks orders up.
        model: gpt-4.1-mini
        tools: [find_order, nope]
    """,
    "tools.d/find_order.yaml": """
        description: Looks an order up.
        parameters:
          type: object
          properties:
            order_id: {type: string}
          required: [order_id, place]
        http:
          url: https://orders.example.com/{order_id}
    """,
}


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "project", PROJECT)


def codes(output):
    return [one["code"] for one in json.loads(output)["findings"]]


def check(project, *arguments):
    code, output = golden_specs.validate(project, "--format", "json", *arguments)
    return code, codes(output)


def test_presets_tell_more_and_more(project):
    assert check(project, "--preset", "minimal") == (3, ["AR401"])
    assert check(project) == (3, ["AR401", "AR605"])
    assert check(project, "--preset", "strict") == (3, ["AR401", "AR634", "AR605"])


def test_select_tells_these_and_ignore_leaves_out(project):
    assert check(project, "--select", "AR605") == (0, ["AR605"])
    assert check(project, "--select", "AR4,AR634") == (3, ["AR401", "AR634"])
    assert check(project, "--ignore", "ar401") == (0, ["AR605"])
    assert check(project, "--select", "AR", "--ignore", "AR6") == (3, ["AR401"])


@pytest.mark.parametrize(("level", "code"), [("info", 3), ("warning", 3), ("error", 0), ("never", 0)])
def test_the_fail_level_decides_on_the_exit_code(project, level, code):
    assert check(project, "--ignore", "AR401", "--fail-level", level)[0] == code


def test_a_variable_that_is_not_set_is_an_error_where_it_is_asked_for(project):
    (project / "agents/desk.yaml").write_text("description: Answers.\nmodel: ${NOT_SET}\n")
    assert check(project, "agents/desk.yaml") == (0, ["AR510"])
    assert check(project, "agents/desk.yaml", "--strict-env") == (3, ["AR510"])


# -- settings -------------------------------------------------------------------------------------------------


def test_settings_stand_in_agentrun_toml_or_pyproject(project):
    (project / "pyproject.toml").write_text('[tool.agentrun]\nignore = ["AR401"]\nfail-level = "warning"\n')
    assert check(project) == (3, ["AR605"])
    (project / "agentrun.toml").write_text('preset = "minimal"\n')
    assert check(project) == (3, ["AR401"])


def test_the_command_line_wins_over_the_settings(project):
    (project / "agentrun.toml").write_text('preset = "minimal"\nfail-level = "never"\nselect = ["AR605"]\n')
    assert check(project) == (0, ["AR605"])
    assert check(project, "--select", "AR401", "--fail-level", "error") == (3, ["AR401"])


def test_settings_above_the_project_hold_up_to_the_repository(project):
    (project.parent / "agentrun.toml").write_text('ignore = ["AR401"]\n')
    assert check(project) == (0, ["AR605"])
    (project / ".git").mkdir()
    assert check(project) == (3, ["AR401", "AR605"])


@pytest.mark.parametrize(
    ("text", "told", "help"),
    [
        ('slect = ["AR4"]', "unknown key: `slect`", "did you mean `select`?"),
        ('preset = "minmal"', "Invalid enum value 'minmal'", "minimal, recommended, strict"),
        ("select = 4", "Expected `array`", None),
        ("select = [", "can't be read", None),
        ('select = ["AR9999"]', "no finding has a code like `AR9999`", "agentrun explain"),
    ],
)
def test_settings_that_are_wrong_are_bad_usage(project, capsys, text, told, help):
    (project / "agentrun.toml").write_text(text)
    assert golden_specs.validate(project)[0] == 2
    error = capsys.readouterr().err
    assert told in error
    assert help is None or help in error


# -- paths ----------------------------------------------------------------------------------------------------


def test_a_glob_stands_for_what_it_matches(project):
    (project / "agents/other.yaml").write_text("description: Answers.\nmodel: gpt-4.1-mini\ntols: []\n")
    assert check(project, "agents/o*.yaml") == (3, ["AR301"])
    assert check(project, "**/*.yaml", "--select", "AR3,AR4") == (3, ["AR401", "AR301"])


def test_a_glob_that_matches_nothing_is_bad_usage(project, capsys):
    assert golden_specs.validate(project, "agents/*.yml")[0] == 2
    assert "`agents/*.yml` matches no file" in capsys.readouterr().err


def from_stdin(project, text, *arguments):
    command = [sys.executable, "-m", "agentrun", "validate", "--format", "json", *arguments]
    return subprocess.run(command, cwd=project, input=text, capture_output=True, timeout=60)


def test_standard_input_stands_for_a_file_of_the_project(project):
    done = from_stdin(
        project, b"model: gpt-4.1-mini\ntools: [find_ordr]\n", "-", "--stdin-filename", "agents/desk.yaml"
    )
    found = json.loads(done.stdout)["findings"]
    assert [(one["code"], one["file"], one["help"]) for one in found] == [
        ("AR401", "agents/desk.yaml", "did you mean `find_order`?")
    ]
    assert done.returncode == 3


def test_the_file_of_standard_input_need_not_be_there(project):
    done = from_stdin(
        project, b"model: gpt-4.1-mini\ntools: [find_order]\n", "-", "--stdin-filename", "agents/new.yaml"
    )
    assert [one["code"] for one in json.loads(done.stdout)["findings"]] == ["AR605"]


def test_standard_input_needs_a_name(project):
    done = from_stdin(project, b"model: x\n", "-")
    assert done.returncode == 2
    assert b"--stdin-filename" in done.stderr


# -- baseline and output files --------------------------------------------------------------------------------


def test_a_baseline_leaves_out_what_was_there_before_and_no_more(project, capfd):
    assert golden_specs.validate(project, "--write-baseline", "known.json")[0] == 0
    text = (project / "known.json").read_text()
    assert [one["code"] for one in json.loads(text)["findings"]] == ["AR401", "AR605"]
    assert check(project, "--baseline", "known.json") == (0, [])
    assert "2 findings of the baseline left out" in capfd.readouterr().err
    desk = project / "agents/desk.yaml"
    desk.write_text("# shifted\n\n" + desk.read_text() + "tool_choice: never\n")
    assert check(project, "--baseline", "known.json") == (3, ["AR701"])
    golden_specs.validate(project, "--write-baseline", "known.json")
    golden_specs.validate(project, "--write-baseline", "again.json")
    assert (project / "known.json").read_text() == (project / "again.json").read_text()


def test_a_second_finding_of_a_known_kind_is_new(project):
    golden_specs.validate(project, "--write-baseline", "known.json")
    desk = project / "agents/desk.yaml"
    desk.write_text(desk.read_text().replace("nope]", "nope, other]"))
    assert check(project, "--baseline", "known.json") == (3, ["AR401"])


def test_what_is_gone_from_the_baseline_is_told(project, capfd):
    golden_specs.validate(project, "--write-baseline", "known.json")
    (project / "agents/desk.yaml").write_text("description: Answers.\nmodel: gpt-4.1-mini\ntools: [find_order]\n")
    assert check(project, "--baseline", "known.json") == (0, [])
    assert "1 finding of the baseline no longer there" in capfd.readouterr().err


def test_a_baseline_of_the_settings_is_relative_to_them(project):
    golden_specs.validate(project, "--write-baseline", "known.json")
    (project / "agentrun.toml").write_text('baseline = "known.json"\n')
    assert check(project / "agents") == (0, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "can't be read"), ("{}", "is no baseline"), ('{"version": 2, "findings": []}', "of version 2")],
)
def test_a_baseline_that_is_none_is_bad_usage(project, capsys, text, told):
    if text is not None:
        (project / "known.json").write_text(text)
    assert golden_specs.validate(project, "--baseline", "known.json")[0] == 2
    assert told in capsys.readouterr().err


def test_several_output_files_are_written_beside_what_is_printed(project):
    arguments = ["--output-file", "json=out.json", "--output-file", "text=out.txt"]
    code, output = golden_specs.validate(project, *arguments)
    assert code == 3
    assert "error AR401" in output
    assert (project / "out.txt").read_text() == output
    assert codes((project / "out.json").read_text()) == ["AR401", "AR605"]


@pytest.mark.parametrize(
    ("value", "told"),
    [("json", "can't be used"), ("xml=a", "formats: "), ("json=", "can't be used"), ("json=no/where.json", "written")],
)
def test_an_output_file_that_cannot_be_is_bad_usage(project, capsys, value, told):
    assert golden_specs.validate(project, "--output-file", value)[0] == 2
    assert told in capsys.readouterr().err


def test_what_is_told_twice_is_the_same(project):
    assert golden_specs.validate(project) == golden_specs.validate(project)


def test_usage_is_told_with_exit_code_2(capsys):
    assert run_cli(["validate", "--unsafe-fixes"]) == 2
    assert run_cli(["validate", "--preset", "lax"]) == 2
    capsys.readouterr()
