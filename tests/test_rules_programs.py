"""Values that become programs in commands, by the ways that people and attackers write."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.project import read_project
from agentrun.spec.programs import uses
from agentrun.spec.words import Word
from rule_files import X, codes_of, shell

RUN = [
    ["C:\\Program Files\\Git\\bin\\bash.exe", "-c", "ls {{ args.x }}"],
    ["git", "-c", "core.pager={{ args.x }}", "log"],
    ["git", "-c", "alias.x=!{{ args.x }}", "x"],
    ["git", "rebase", "--exec", "{{ args.x }}", "HEAD~2"],
    ["git", "fetch", "--upload-pack={{ args.x }}", "origin"],
    ["tar", "--checkpoint=1", "--checkpoint-action={{ args.x }}", "-cf", "a.tar", "."],
    ["tar", "-xf", "a", "--to-command={{ args.x }}"],
    ["env", "BASH_ENV={{ args.x }}", "bash", "x.sh"],
    ["ssh", "-oProxyCommand={{ args.x }}", "host"],
    ["ssh", "-o", "ProxyCommand={{ args.x }}", "host"],
    ["ssh", "-o", "{{ args.x }}", "host"],
    ["sshpass", "-p", "x", "ssh", "host", "ls {{ args.x }}"],
    ["autossh", "-M", "0", "host", "ls {{ args.x }}"],
    ["rsync", "-e", "{{ args.x }}", "a", "h:b"],
    ["rsync", "--rsh={{ args.x }}", "a", "h:b"],
    ["scp", "-S", "{{ args.x }}", "a", "h:b"],
    ["awk", "-f", "{{ args.x }}"],
    ["sed", "-f", "{{ args.x }}"],
    ["psql", "-Atc", "select '{{ args.x }}'"],
    ["psql", "--command", "select '{{ args.x }}'", "db"],
    ["sqlite3", "-json", "shop.db", "select '{{ args.x }}'"],
    ["mysql", "-Ne", "select '{{ args.x }}'"],
    ["mariadb", "--execute=select '{{ args.x }}'"],
    ["docker", "exec", "db", "psql", "-U", "a", "-c", "select '{{ args.x }}'"],
    ["kubectl", "exec", "p", "--", "{{ args.x }}"],
    ["kubectl", "exec", "p", "--", "timeout", "5", "sh", "-c", "ls {{ args.x }}"],
    ["systemd-run", "--scope", "{{ args.x }}"],
    ["npx", "{{ args.x }}"],
    ["uvx", "{{ args.x }}"],
    ["ansible", "all", "-m", "shell", "-a", "ls {{ args.x }}"],
    ["gcloud", "compute", "ssh", "vm", "--command=ls {{ args.x }}"],
    ["nix-shell", "--run", "ls {{ args.x }}"],
    ["sort", "--compress-program={{ args.x }}", "f"],
    ["split", "--filter={{ args.x }}", "f"],
    ["nu", "-c", "ls {{ args.x }}"],
    ["R", "-e", "{{ args.x }}"],
    ["jq", '.[] | select(.name=="{{ args.x }}")', "f.json"],
    ["jq", "-r", "--arg", "a", "b", ".{{ args.x }}", "f.json"],
    ["yq", "eval", ".{{ args.x }}", "f.yaml"],
    ["psql", "-c", "{{ args.x }}"],
    ["sqlite3", "shop.db", "{{ args.x }}"],
]
DATA = [
    ["git", "switch", "-c", "{{ args.x }}"],
    ["git", "clean", "-x", "--", "{{ args.x }}"],
    ["git", "-c", "user.name={{ args.x }}", "log"],
    ["kubectl", "logs", "--", "{{ args.x }}"],
    ["kubectl", "exec", "p", "--", "ls", "--", "{{ args.x }}"],
    ["psql", "-v", "x={{ args.x }}", "-f", "q.sql"],
    ["psql", "-c", "select {{ args.word }}"],
    ["psql", "-c", "select '{{ args.x | replace(\"'\", \"''\") }}'"],
    ["jq", "--arg", "x", "[{{ args.x }}", ".[$x]", "f.json"],
    ["jq", "--", "{{ args.code }}", "f.json"],
    ["sqlite3", "-safe", "shop.db", "--", "{{ args.x }}"],
    ["rsync", "-av", "--exclude={{ args.x }}", "a", "b"],
    ["tar", "-cf", "out/{{ args.x }}", "."],
    ["ssh", "-o", "ConnectTimeout={{ args.count }}", "host", "uptime"],
    ["ansible-playbook", "site.yml", "--limit={{ args.x }}"],
    ["npx", "--no-install", "prettier", "--", "{{ args.x }}"],
    ["docker", "run", "--rm", "--name={{ args.x }}", "alpine", "ls"],
    ["env", "NODE_ENV={{ args.x }}", "make"],
]


@pytest.mark.parametrize("command", RUN, ids=json.dumps)
def test_what_a_program_runs_is_found_once(command, tmp_path):
    assert codes_of(tmp_path, shell(command)) == ["AR803"]


@pytest.mark.parametrize("command", DATA, ids=json.dumps)
def test_what_a_program_only_reads_is_none(command, tmp_path):
    assert "AR803" not in codes_of(tmp_path, shell(command))


@pytest.mark.parametrize(
    "command", [["nc", "{{ args.host }}", "80"], ["ssh", "ops@{{ args.host }}"], ["sftp", "{{ args.host }}"]]
)
def test_a_host_of_the_models_is_found(command, tmp_path):
    assert "AR805" in codes_of(tmp_path, shell(command))


def severities(folder, text):
    (folder / "tools.d").mkdir(parents=True)
    (folder / "tools.d" / "t.yaml").write_text(text, encoding="utf-8")
    found = read_project(folder, {}).report().diagnostics
    return [one.severity for one in found if one.code == "AR803"]


def test_a_database_that_takes_commands_is_a_warning_where_sql_is_what_the_tool_is_for(tmp_path):
    assert severities(tmp_path / "a", shell(["psql", "-c", X])) == ["warning"]
    assert severities(tmp_path / "b", shell(["psql", "-X"], stdin=X)) == ["warning"]
    assert severities(tmp_path / "c", shell(["psql", "-X"], stdin=f"select '{X}'")) == ["error"]
    assert severities(tmp_path / "d", shell(["psql", "-c", X], sandbox={"network": True})) == []
    assert severities(tmp_path / "e", shell(["cqlsh", "-e", X])) == []
    assert severities(tmp_path / "f", shell(["jq", f".{X}", "f.json"])) == ["warning"]


PROGRAMS = (
    "sh env -c -e -- - psql -S sqlite3 jq --arg awk -f sed find -exec xargs kubectl exec ssh -o git curl + -I{} ."
)


@given(st.lists(st.builds(Word, st.sampled_from([*PROGRAMS.split(), "", "\0"]), st.booleans()), max_size=12))
def test_any_command_can_be_read(words):
    assert all(use.index is None or 0 <= use.index < len(words) for use in uses(words))


@pytest.mark.parametrize("unit", [["env"], ["find", "-exec"], ["psql", "-c"], ["xargs"], ["kubectl", "exec", "--"]])
def test_long_commands_are_read_in_part(unit):
    start = time.perf_counter()
    list(uses([Word(text, True) for text in unit * 20_000]))
    assert time.perf_counter() - start < 5
