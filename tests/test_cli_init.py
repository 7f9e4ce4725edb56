"""`agentrun init`: the new project validates and runs, and nothing that was there is touched."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from agentrun.cli import run_cli
from agentrun.cli.schema import KINDS, schema_text

WRITTEN = [
    ".agentrun/schemas/agent.schema.json",
    ".agentrun/schemas/test.schema.json",
    ".agentrun/schemas/tool.schema.json",
    ".gitignore",
    "README.md",
    "agents/hello.yaml",
    "tests/hello.test.yaml",
    "tools.d/current_time.yaml",
    "tools.d/disk_usage.yaml",
    "tools.d/get_weather.yaml",
]


def agentrun(capsys, *arguments):
    code = run_cli(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """A new project, and the current folder."""
    monkeypatch.chdir(tmp_path)
    assert agentrun(capsys, "init", "demo")[0] == 0
    monkeypatch.chdir(tmp_path / "demo")
    return tmp_path / "demo"


# -- what is made ---------------------------------------------------------------------------------------------


def test_a_new_folder_gets_a_project_and_the_next_steps(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = agentrun(capsys, "init", "my demo")
    assert code == 0
    assert files(tmp_path / "my demo") == WRITTEN
    assert all(f"  {name}\n" in out for name in WRITTEN)
    assert "  cd 'my demo'\n" in out
    assert "agentrun chat hello --model offline" in out


def test_without_a_folder_the_current_one_gets_it_beside_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    code, out, _ = agentrun(capsys, "init")
    assert code == 0
    assert "cd " not in out
    assert files(tmp_path) == sorted([*WRITTEN, "notes.txt"])


def test_the_new_project_has_no_findings(project, capsys):
    assert agentrun(capsys, "validate") == (0, "5 files checked, no findings\n", "")


def test_the_new_project_passes_its_own_cases_and_they_notice_a_change(project, capsys):
    code, out, _ = agentrun(capsys, "test")
    assert code == 0
    assert "2 passed" in out
    tool = project / "tools.d/disk_usage.yaml"
    tool.write_text(tool.read_text().replace("[df, -h, --,", "[df, -k, --,"))
    code, out, _ = agentrun(capsys, "test")
    assert code == 1
    assert "1 failed" in out


def test_each_file_points_editors_at_its_schema_and_fits_it(project):
    for name in [one for one in WRITTEN if one.endswith(".yaml")]:
        text = (project / name).read_text()
        reference = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
        assert reference, name
        schema = json.loads((project / name).parent.joinpath(reference.group(1)).read_text())
        jsonschema.Draft7Validator(schema).validate(yaml.safe_load(text))
        wanted = {"agents": "agent", "tests": "test", "tools.d": "tool"}[Path(name).parent.name]
        assert schema["title"].startswith(f"agentrun {wanted}")


def test_the_offline_model_uses_the_new_tools(project, capsys):
    code, out, _ = agentrun(capsys, "run", "hello", "What time is it?", "--model", "offline")
    assert code == 0
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", out)
    code, out, _ = agentrun(capsys, "run", "hello", "How full are the disks?", "--model", "offline")
    assert code == 0
    assert "%" in out


def test_the_new_tools_can_be_called_by_hand(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "call", "current_time")
    assert code == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+\n", out)
    code, out, _ = agentrun(capsys, "tools", "call", "disk_usage", "--arg", "path=/")
    assert code == 0
    assert len(out.splitlines()) == 2


def test_the_weather_is_ready_to_be_listed(project, capsys):
    agent = project / "agents/hello.yaml"
    agent.write_text(agent.read_text().replace("  # - get_weather", "  - get_weather"))
    assert agentrun(capsys, "validate")[0] == 0
    _, out, _ = agentrun(capsys, "inspect", "hello", "--format", "json")
    told = json.loads(out)["tools"]
    assert [tool["name"] for tool in told] == ["current_time", "disk_usage", "get_weather"]
    assert told[2]["backend"]["hosts"] == ["wttr.in"]


def test_secrets_are_kept_out_of_git(project):
    assert ".env" in (project / ".gitignore").read_text().splitlines()


# -- what is refused ------------------------------------------------------------------------------------------


def test_a_second_init_writes_nothing_and_lists_what_is_there(project, capsys):
    (project / "agents/hello.yaml").write_text("mine")
    (project / "README.md").unlink()
    code, out, err = agentrun(capsys, "init")
    assert (code, out) == (2, "")
    assert "agents/hello.yaml" in err
    assert "README.md" not in err
    assert (project / "agents/hello.yaml").read_text() == "mine"
    assert not (project / "README.md").exists()


@pytest.mark.parametrize("name", ["tests", ".agentrun", ".agentrun/schemas"])
def test_a_file_where_a_folder_is_needed_is_in_the_way(tmp_path, capsys, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    code, _, err = agentrun(capsys, "init", str(tmp_path))
    assert code == 2
    assert f"already holds {name}\n" in err
    assert files(tmp_path) == [name]


def test_a_dangling_link_is_not_written_through(tmp_path, capsys):
    (tmp_path / "README.md").symlink_to(tmp_path / "elsewhere")
    assert agentrun(capsys, "init", str(tmp_path))[0] == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_instead_of_a_folder_is_bad_usage(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    code, _, err = agentrun(capsys, "init", str(tmp_path / "file"))
    assert code == 2
    assert "can't be written" in err
    assert (tmp_path / "file").read_text() == "mine"


# -- schema ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_schema_prints_the_schema_of_one_kind(capsys, kind):
    assert agentrun(capsys, "schema", kind) == (0, schema_text(kind), "")


def test_schema_without_a_kind_prints_all_by_kind(capsys):
    _, out, _ = agentrun(capsys, "schema")
    assert json.loads(out) == {kind: json.loads(schema_text(kind)) for kind in KINDS}


def test_schema_of_an_unknown_kind_is_bad_usage(capsys):
    assert agentrun(capsys, "schema", "agents")[0] == 2


def test_schema_renews_the_files_of_a_project(project, capsys):
    stale = project / ".agentrun/schemas/tool.schema.json"
    stale.write_text("{}")
    code, out, _ = agentrun(capsys, "schema", "--write", ".agentrun/schemas")
    assert code == 0
    assert ".agentrun/schemas/tool.schema.json\n" in out
    assert stale.read_text() == schema_text("tool")


def test_schemas_that_cannot_be_written_are_bad_usage(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    code, _, err = agentrun(capsys, "schema", "--write", str(tmp_path / "file" / "below"))
    assert code == 2
    assert "can't be written" in err


# -- completion -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_says_how_to_install_it(capsys, shell):
    code, out, _ = agentrun(capsys, "completion", shell)
    assert code == 0
    assert "_AGENTRUN_COMPLETE" in out
    last = out.splitlines()[-1]
    assert last.startswith("# To install")
    assert f"agentrun completion {shell}" in last


def test_a_zsh_script_may_stand_in_fpath(capsys):
    assert agentrun(capsys, "completion", "zsh")[1].startswith("#compdef agentrun\n")


def test_the_users_shell_is_the_default(capsys, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/local/bin/fish")
    assert agentrun(capsys, "completion") == agentrun(capsys, "completion", "fish")


@pytest.mark.parametrize("shell", ["/bin/tcsh", ""])
def test_a_shell_without_completion_is_bad_usage(capsys, monkeypatch, shell):
    monkeypatch.setenv("SHELL", shell)
    code, out, err = agentrun(capsys, "completion")
    assert (code, out) == (2, "")
    assert "bash, zsh, fish" in err


def test_bash_completes_commands_and_tools_with_the_script(project, tmp_path, capsys):
    """The script is loaded by a real bash, which then asks for completions as it does at a Tab."""
    program = tmp_path / "bin" / "agentrun"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m agentrun "$@"\n')
    program.chmod(0o755)
    _, script, _ = agentrun(capsys, "completion", "bash")
    tab = 'COMPREPLY=(); COMP_WORDS=({}); COMP_CWORD={}; _agentrun_completion agentrun; echo "${{COMPREPLY[@]}}"\n'
    typed = script + tab.format("agentrun insp", 1) + tab.format("agentrun tools call cur", 3)
    done = subprocess.run(
        ["bash", "--norc"],
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
    )
    assert done.stdout.splitlines() == ["inspect", "current_time"]
