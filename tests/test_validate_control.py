"""What `agentrun validate` checks, tells and fixes: paths, presets, settings, standard input, baseline, files."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import agentrun
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
        ('preset = "minmal"', "`preset` must be minimal, recommended or strict, not `minmal`", None),
        ('fail-level = "warn"', "`fail-level` must be error, warning, info or never, not `warn`", None),
        ("select = 4", '`select` must be a list of codes such as `["AR4"]`, not `4`', None),
        ("strict-env = 1", "`strict-env` must be true or false, not `1`", None),
        ("baseline = false", "`baseline` must be the path of a file, not `false`", None),
        ('[tool.agentrun]\npreset = "strict"', "unknown key: `tool`", "the keys stand at the top"),
        ("select = [", "can't be read", None),
        ('select = ["AR9999"]', "no finding has a code like `AR9999`", "agentrun explain"),
        ('ignore = [""]', "no finding has a code like ``", "agentrun explain"),
        ('ignore = "AR4"', "`ignore` must be a list of codes", None),
    ],
)
def test_settings_that_are_wrong_are_bad_usage(project, capsys, text, told, help):
    (project / "agentrun.toml").write_text(text)
    assert golden_specs.validate(project)[0] == 2
    error = capsys.readouterr().err
    assert told in error
    assert "in `agentrun.toml`" in error or "no finding has" in error
    assert help is None or help in error


def test_settings_and_their_baseline_are_named_from_the_current_folder(project, capsys):
    (project / "pyproject.toml").write_text("[tool]\nagentrun = 3\n")
    assert golden_specs.validate(project.parent, "project")[0] == 2
    told = "the settings in `project/pyproject.toml` can't be used: `[tool.agentrun]` must be a table, not `3`"
    assert told in capsys.readouterr().err
    (project / "pyproject.toml").write_text("[tool.agentrun]\nbaseline = 'known.json'\n")
    assert golden_specs.validate(project)[0] == 2
    assert "the baseline `known.json` can't be read" in capsys.readouterr().err


def test_settings_may_write_codes_small_and_begin_with_a_byte_order_mark(project):
    (project / "agentrun.toml").write_bytes(b'\xef\xbb\xbfignore = ["ar401"]\r\n')
    assert check(project) == (0, ["AR605"])


def test_settings_that_are_a_folder_or_lead_nowhere_are_told(project, capsys):
    (project / "agentrun.toml").mkdir()
    assert golden_specs.validate(project)[0] == 2
    (project / "agentrun.toml").rmdir()
    (project / "agentrun.toml").symlink_to("nowhere.toml")
    assert golden_specs.validate(project)[0] == 2
    error = capsys.readouterr().err
    assert "can't be read: is a directory" in error
    assert "can't be read: no such file or directory" in error


def test_a_pyproject_without_tables_has_no_settings(project):
    (project / "pyproject.toml").write_text("tool = 3\n")
    assert check(project) == (3, ["AR401", "AR605"])


def test_each_of_several_projects_has_its_own_settings(project):
    other = write_project(project.parent / "other", PROJECT)
    (other / "agentrun.toml").write_text('ignore = ["AR4"]\nfail-level = "warning"\n')
    assert check(project.parent, "project", "other") == (3, ["AR605", "AR401", "AR605"])
    assert check(project.parent, "project", "other", "--ignore", "AR605") == (3, ["AR401"])
    assert check(project.parent, "project", "other", "--ignore", "AR401") == (3, ["AR605", "AR605"])
    (other / "agentrun.toml").write_text("preset = 3\n")
    assert golden_specs.validate(project.parent, "project", "other")[0] == 2


# -- paths ----------------------------------------------------------------------------------------------------


def test_a_glob_stands_for_what_it_matches(project):
    (project / "agents/other.yaml").write_text("description: Answers.\nmodel: gpt-4.1-mini\ntols: []\n")
    assert check(project, "agents/o*.yaml") == (3, ["AR301"])
    assert check(project, "**/*.yaml", "--select", "AR3,AR4") == (3, ["AR401", "AR301"])


def test_a_glob_that_matches_nothing_is_bad_usage(project, capsys):
    assert golden_specs.validate(project, "agents/*.yml")[0] == 2
    assert "`agents/*.yml` matches no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["README.md"], "`README.md` is no YAML file"),
        (["src/x.py", "agents"], "`src/x.py` is no YAML file"),
        (["prompts"], "there are no agents, tools or tests in `prompts`"),
        (["agents", "prompts"], "there are no agents, tools or tests in `prompts`"),
        (["prompts/*"], "`prompts/*` matches no YAML file"),
        (["../mono"], "mono/desk, "),
    ],
)
def test_what_holds_no_agents_is_bad_usage(project, capsys, paths, told):
    write_project(project, {"README.md": "", "src/x.py": "", "prompts/x.md": ""})
    write_project(project.parent / "mono", {"desk/agents/a.yaml": "", "services/till/tools.d/t.yaml": "", "a/b.md": ""})
    assert golden_specs.validate(project, *paths)[0] == 2
    assert told in capsys.readouterr().err


def test_a_glob_leaves_out_what_is_no_yaml(project):
    write_project(project, {"agents/prompt.md": "Hi."})
    assert check(project, "agents/*") == (3, ["AR401", "AR605"])


def test_a_file_in_a_folder_that_is_nearly_tools_is_a_tool(project):
    write_project(project, {"tool.d/notes.yaml": PROJECT["tools.d/find_order.yaml"]})
    assert check(project, "tool.d/notes.yaml", "--ignore", "AR605") == (0, ["AR105"])
    assert check(project / "tool.d", "notes.yaml", "--ignore", "AR605") == (0, ["AR105"])


def test_the_files_that_a_file_was_read_from_are_counted(project):
    write_project(
        project,
        {
            "agents/_base.yaml": "model: gpt-4.1-mini\n",
            "agents/a.yaml": "extends: _base\ndescription: d\nsystem_prompt: {file: ../prompts/a.md}\n",
            "prompts/a.md": "Hi.\n",
        },
    )
    assert golden_specs.validate(project, "agents/a.yaml") == (0, "3 files checked, no findings\n")


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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-", "--stdin-filename", "agents"), b"is a folder"),
        (("-", "--stdin-filename", ""), b"is a folder"),
        (("--stdin-filename", "agents/desk.yaml"), b"goes with `-`"),
        (("-", "--stdin-filename", "agents/desk.yaml", "--fix"), b"can't be fixed"),
    ],
)
def test_standard_input_that_stands_for_nothing_is_bad_usage(project, arguments, told):
    done = from_stdin(project, b"model: x\n", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("command", ["validate", "fmt"])
def test_a_current_folder_that_is_gone_is_told(tmp_path, command):
    script = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} -m agentrun {command}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, timeout=60, env=with_source())
    assert done.returncode == 2
    assert b"the current folder is no longer there" in done.stderr


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


def test_a_baseline_holds_from_any_folder_and_through_a_link(project):
    assert golden_specs.validate(project, "--write-baseline", "known.json")[0] == 0
    (project.parent / "link").symlink_to(project.name)
    assert check(project / "agents", "--baseline", "../known.json", "..") == (0, [])
    assert check(project.parent, "--baseline", "link/known.json", "link") == (0, [])


def test_a_baseline_knows_files_whose_names_are_no_text(project):
    (project / "agents/desk\udcff.yaml").write_text("model: m\ntols: []\n")
    assert golden_specs.validate(project, "--write-baseline", "known.json")[0] == 0
    assert check(project, "--baseline", "known.json") == (0, [])


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


def test_what_depends_on_the_environment_is_not_gone_from_the_baseline(project, capfd, monkeypatch):
    (project / "agents/desk.yaml").write_text("description: Answers.\nmodel: ${SHOP_MODEL}\n")
    golden_specs.validate(project, "--write-baseline", "known.json")
    assert "AR510" in (project / "known.json").read_text()
    monkeypatch.setitem(golden_specs.ENVIRON, "SHOP_MODEL", "gpt-4.1-mini")
    golden_specs.validate(project, "--baseline", "known.json")
    assert "no longer there" not in capfd.readouterr().err


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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output-file", "json=agents/../agents/desk.yaml"], "one of the files that are checked"),
        (["--write-baseline", "agents/desk.yaml"], "one of the files that are checked"),
        (["--output-file", "json=out", "--output-file", "sarif=./out"], "named twice"),
        (["--output-file", "json=out", "--write-baseline", "known.json"], "nothing for `--output-file`"),
        (["--output-file", "json=out", "--diff"], "`--diff` writes nothing"),
        (["--write-baseline", "out", "--diff"], "`--diff` writes nothing"),
        (["--write-baseline", "-"], "`-` is no file"),
        (["--output-file", "gitlab=-"], "`--format gitlab` prints it on standard output"),
    ],
)
def test_nothing_is_written_over_what_is_checked_or_in_vain(project, capsys, arguments, told):
    assert golden_specs.validate(project, *arguments)[0] == 2
    assert told in capsys.readouterr().err
    assert (project / "agents/desk.yaml").read_text().startswith("description")
    assert not (project / "out").exists()
    assert not (project / "-").exists()


# -- fixes ----------------------------------------------------------------------------------------------------

BROKEN = {
    "agents/desk.yaml": "description: Answers.\nmodel: gpt-4.1-mini\nsystemPrompt: Hi.  # said first\n",
    "agents/till.yaml": "description: Counts what was sold today.\nmodel: gpt-4.1-mini\nsystemPrompt: Hi.\ntools: {}\n",
}
PROMPT = ("systemPrompt", "system_prompt")


@pytest.fixture
def broken(tmp_path):
    return write_project(tmp_path / "broken", BROKEN)


def with_source():
    source = str(Path(agentrun.__file__).parents[1])
    return os.environ | {"PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder, *arguments, before=None):
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "validate", *arguments],
        cwd=folder,
        env=with_source(),
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=before,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def texts(folder):
    return {name: (folder / name).read_text() for name in BROKEN}


def mended(*names):
    return {name: text.replace(*PROMPT) if name in names else text for name, text in BROKEN.items()}


def test_fix_writes_the_safe_fixes_and_tells_what_is_left(broken):
    code, output, error = run(broken, "--fix", "--format", "concise")
    assert (code, error.splitlines()[0]) == (3, "fixed 2 findings in 2 files")
    assert output.startswith("agents/till.yaml:4:8: error AR303")
    assert texts(broken) == mended(*BROKEN)
    assert sorted(one.name for one in (broken / "agents").iterdir()) == ["desk.yaml", "till.yaml"]


def test_diff_shows_the_fixes_and_writes_none(broken):
    code, output, error = run(broken, "--diff", "agents/desk.yaml")
    assert (code, error) == (3, "would fix 1 finding in 1 file\n")
    assert "\n-systemPrompt: Hi.  # said first\n+system_prompt: Hi.  # said first\n" in output
    assert texts(broken) == BROKEN
    assert run(broken, "--diff", "--fix", "agents/desk.yaml")[0] == 3
    assert texts(broken) == BROKEN
    assert run(broken, "--diff", "--select", "AR401") == (0, "", "")


def test_a_file_that_is_neither_named_nor_used_is_not_fixed(broken):
    triage = "description: a: b\nmodel: gpt-4.1-mini\n"
    write_project(broken, {"agents/triage.yaml": triage, "tools.d/find_order.yaml": PROJECT["tools.d/find_order.yaml"]})
    run(broken, "--fix", "--unsafe-fixes", "tools.d/find_order.yaml")
    run(broken, "--fix", "--unsafe-fixes", "agents/desk.yaml")
    assert (broken / "agents/triage.yaml").read_text() == triage
    assert texts(broken) == mended("agents/desk.yaml")
    run(broken, "--fix", "--unsafe-fixes", "agents/triage.yaml")
    assert (broken / "agents/triage.yaml").read_text() == triage.replace("a: b", '"a: b"')


def test_guesses_are_fixed_only_when_asked_for(broken):
    (broken / "agents/desk.yaml").write_text(BROKEN["agents/desk.yaml"] + "tools: [find_ordr]\n")
    write_project(broken, {"tools.d/find_order.yaml": PROJECT["tools.d/find_order.yaml"]})
    code, _, error = run(broken, "--fix", "agents/desk.yaml")
    assert (code, "1 more can be fixed with `--unsafe-fixes`" in error) == (3, True)
    assert run(broken, "--fix", "--unsafe-fixes", "agents/desk.yaml")[0] == 0
    assert (broken / "agents/desk.yaml").read_text() == mended(*BROKEN)["agents/desk.yaml"] + "tools: [find_order]\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["agents/desk.yaml", "agents/../agents/desk.yaml"], ["agents/desk.yaml"]),
        (["agents/d*.yaml", "agents/desk.yaml"], ["agents/desk.yaml"]),
        (["**/*.yaml"], list(BROKEN)),
        (["--select", "AR303"], []),
        (["--ignore", "AR301"], []),
        (["--preset", "minimal"], list(BROKEN)),
    ],
)
def test_what_is_told_is_fixed_and_no_more(broken, arguments, names):
    run(broken, "--fix", *arguments)
    assert texts(broken) == mended(*names)


def test_what_a_comment_silences_is_not_fixed_and_what_a_baseline_knows_is(broken):
    (broken / "agents/desk.yaml").write_text(
        BROKEN["agents/desk.yaml"].replace("# said first", "# agentrun: ignore[AR301]")
    )
    assert run(broken, "--write-baseline", "known.json")[0] == 0
    code, _, error = run(broken, "--fix", "--baseline", "known.json")
    assert (code, error.splitlines()[0]) == (0, "fixed 1 finding in 1 file")
    assert texts(broken)["agents/desk.yaml"].endswith("systemPrompt: Hi.  # agentrun: ignore[AR301]\n")
    assert texts(broken)["agents/till.yaml"] == mended(*BROKEN)["agents/till.yaml"]


def test_a_baseline_is_written_of_what_the_fixes_left(broken):
    assert run(broken, "--fix", "--write-baseline", "known.json")[0] == 0
    assert codes((broken / "known.json").read_text()) == ["AR303"]


def test_where_the_disk_is_full_no_file_is_changed(broken):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (80, 80))

    assert len(BROKEN["agents/desk.yaml"]) + 1 < 80 < len(BROKEN["agents/till.yaml"])
    code, _, error = run(broken, "--fix", before=little_room)
    assert (code, error.splitlines()[0]) == (2, "error: `agents/till.yaml` can't be fixed: file too large")
    assert texts(broken) == BROKEN
    assert sorted(one.name for one in (broken / "agents").iterdir()) == ["desk.yaml", "till.yaml"]


@pytest.mark.parametrize("arguments", [["validate"], ["validate", "--diff"], ["explain"]])
def test_a_full_disk_under_what_is_printed_is_told_in_a_line(broken, arguments):
    script = f"exec {sys.executable} -m agentrun {' '.join(arguments)} > /dev/full"
    done = subprocess.run(["sh", "-c", script], cwd=broken, capture_output=True, timeout=60, env=with_source())
    assert (done.returncode, done.stderr) == (1, b"error: writing failed: no space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["validate"], 3), (["validate", "--diff"], 3), (["explain", "AR301"], 0), (["fmt"], 0)]
)
def test_a_reader_that_left_changes_no_exit_code(broken, arguments, code):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "agentrun", *arguments]
    done = subprocess.run(command, cwd=broken, stdout=writer, stderr=subprocess.PIPE, timeout=60, env=with_source())
    os.close(writer)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"error" not in done.stderr


def test_several_at_once_do_the_same(broken):
    arguments = [sys.executable, "-m", "agentrun", "validate", "--fix"]
    several = [
        subprocess.Popen(arguments, cwd=broken, env=with_source(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert all(one.wait(60) in (2, 3) for one in several)
    assert texts(broken) == mended(*BROKEN)


def test_what_is_told_twice_is_the_same(project):
    assert golden_specs.validate(project) == golden_specs.validate(project)


def test_usage_is_told_with_exit_code_2(capsys):
    assert run_cli(["validate", "--unsafe-fixes"]) == 2
    assert run_cli(["validate", "--preset", "lax"]) == 2
    capsys.readouterr()
