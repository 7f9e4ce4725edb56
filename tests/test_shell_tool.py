"""The shell backend with real commands: what the author wrote, filled with hostile values."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.engine.ports import CallContext, CallInfo, RunInfo
from agentrun.errors import ToolFailure
from agentrun.secrets import Masker
from agentrun.spec.types import SandboxSpec, ShellSpec
from agentrun.tools.shell import ShellTool

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/home/someone", "AGENTRUN_SECRET": "hunter2"}
CONTEXT = CallContext(RunInfo("r1", "2025-01-02", "desk", "s1"), CallInfo("c1", "tool", 1), run_child=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
PAYLOADS = [
    "; touch pwned",
    "&& touch pwned",
    "| touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "x\ntouch pwned\n",
    "> pwned",
    "${IFS}touch${IFS}pwned",
    "{{ 7 * 7 }}",
    "%s%n",
    "*",
    "~",
]


def call(spec, arguments=(), *, cwd=Path("/"), environ=ENVIRON, context=CONTEXT):
    tool = ShellTool(ShellSpec(**spec), cwd=cwd, environ=environ)
    return asyncio.run(tool.call(dict(arguments), context))


def failure(spec, arguments=(), **options):
    with pytest.raises(ToolFailure) as caught:
        call(spec, arguments, **options)
    return caught.value


def test_the_result_is_stdout_and_output_templates_see_all_three():
    result = call({"command": ["sh", "-c", "echo out; echo err >&2"]})
    assert result.value == "out\n"
    assert result.names == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}


def test_arguments_reach_argv_env_and_stdin():
    spec = {
        "command": ["sh", "-c", 'cat; echo "$1 $CITY $RUN"', "--", "{{ args.x }}"],
        "env": {"CITY": "{{ args.city }}", "RUN": "{{ run.agent }}/{{ call.id }}"},
        "stdin": "in: {{ args.text }}\n",
    }
    assert call(spec, {"x": "1", "city": "Bern", "text": "t"}).value == "in: t\n1 Bern desk/c1\n"


def test_what_was_left_out_drops_the_variable_and_empties_the_input():
    spec = {
        "command": ["sh", "-c", "cat; echo ${CITY-unset} $#", "--", "{{ args.x }}"],
        "env": {"CITY": "{{ args.city }}"},
        "stdin": "{{ args.text }}",
    }
    assert call(spec).value == "unset 0\n"


def test_nothing_else_of_the_environment_is_passed_on():
    shown = call({"command": ["env"], "env": {"A": "b"}}).value
    assert sorted(shown.splitlines()) == ["A=b", "HOME=/home/someone", f"PATH={ENVIRON['PATH']}"]


@settings(deadline=None, max_examples=60)
@given(TEXT)
def test_any_text_arrives_byte_for_byte(text):
    spec = {
        "command": ["sh", "-c", 'printf "%s\\0%s\\0" "$1" "$X"; cat', "--", "{{ args.x }}"],
        "env": {"X": "{{ args.x }}"},
        "stdin": "{{ args.x }}",
    }
    assert call(spec, {"x": text}).value == f"{text}\0{text}\0{text}"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_value_is_never_run(payload, tmp_path):
    command = {
        "command": ["printf", "%s|%s", "--", "a={{ args.x }}", "{{ args.x }}"],
    }
    script = {"script": 'printf %s "$X"', "env": {"X": "{{ args.x }}"}}
    assert call(command, {"x": payload}, cwd=tmp_path).value == f"--|a={payload}{payload}|"
    assert call(script, {"x": payload}, cwd=tmp_path).value == payload
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_value_is_never_an_option(tmp_path):
    spec = {"command": ["git", "init", "{{ args.x }}"]}
    assert failure(spec, {"x": "--template=/etc"}, cwd=tmp_path).type == "invalid_arguments"
    spec = {"command": ["git", "init", "--quiet", "--", "{{ args.x }}"]}
    call(spec, {"x": "--bare"}, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["--bare"]


def test_an_exit_code_that_is_not_expected_is_a_failure_with_all_three():
    failed = failure({"command": ["sh", "-c", "echo out; echo err >&2; exit 3"]})
    assert failed.type == "exit_code"
    assert failed.message == "the command `sh` ended with exit code 3"
    assert failed.details == {"exit_code": 3, "stdout": "out\n", "stderr": "err\n"}


def test_other_exit_codes_can_be_expected():
    spec = {"command": ["sh", "-c", "echo none; exit 1"], "expect": [0, 1]}
    assert call(spec).names["exit_code"] == 1


def test_a_signal_is_named():
    assert failure({"command": ["sh", "-c", "kill -9 $$"]}).message.endswith("exit code 137 (SIGKILL)")


def test_dropped_output_is_told():
    text = call({"command": ["head", "-c", "10485766", "/dev/zero"]}).value
    assert text.endswith("\0\n[output cut here: 6 further bytes were dropped]")


def test_output_is_never_cut_inside_a_character_and_half_a_secret_is_not_shown():
    context = msgspec.structs.replace(CONTEXT, mask_beginning=lambda text: Masker(["é-secret"]).stream().feed(text))
    script = "printf x; yes é-secret | tr -d '\\n' | head -c 11000000"
    text = call({"command": ["sh", "-c", script]}, context=context).value
    assert re.fullmatch(r"x(\[secret\])+\n\[output cut here: [\d,]+ further bytes were dropped\]", text)


def test_output_that_is_not_utf8_is_replaced():
    assert call({"command": ["printf", r"a\377b"]}).value == "a\ufffdb"


def test_a_missing_command_and_a_missing_folder_are_told():
    assert failure({"command": ["no-such-command-here"]}).details == {"exit_code": 127}
    assert "working directory" in failure({"command": ["true"]}, cwd=Path("/no/such/folder")).message


# -- script


def test_a_script_is_verbatim_and_stops_at_the_first_error():
    text = "echo '{{ args.x }} ${Y:-default}' \"$0\" | cut -c1-27\nfalse\necho unreachable\n"
    failed = failure({"script": text})
    assert failed.message == "the script ended with exit code 1"
    assert failed.details["stdout"] == "{{ args.x }} ${Y:-default} \n"


def test_a_script_may_not_use_unset_variables():
    assert "unset_one" in failure({"script": "echo $unset_one"}).details["stderr"]


def test_a_shebang_chooses_the_interpreter():
    assert call({"script": "#!/usr/bin/env -S awk -f\nBEGIN { print 6 * 7 }\n"}).value == "42\n"
    assert call({"script": "#!/bin/cat\nhello"}).value == "#!/bin/cat\nhello"
    assert failure({"script": "#!/no/such/interpreter -x\n"}).details == {"exit_code": 127}


def test_a_script_reads_the_input_of_the_tool():
    assert call({"script": "cat\n", "stdin": "{{ args.x }}"}, {"x": "äöü"}).value == "äöü"


def test_a_scripts_file_is_private_and_removed(tmp_path):
    shown = call({"script": 'ls -l "$0" | cut -c1-10; echo "$0"'}).value.split()
    assert shown[0] == "-rwx------"
    assert not Path(shown[1]).exists()


# -- the rest


@pytest.mark.parametrize("sandbox", [True, SandboxSpec()])
def test_a_sandbox_that_is_not_to_be_had_refuses_the_call(sandbox, tmp_path):
    spec = {"command": [shutil.which("touch"), "ran"], "sandbox": sandbox}
    failed = failure(spec, cwd=tmp_path, environ={"PATH": str(tmp_path)})  # no bwrap there
    assert failed.message.startswith("the command was not run: its `sandbox` needs `bwrap`")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_is_shown_as_it_was_written():
    command = ["git", "log", "--since={{ args.since }}", ["-n", "{{ args.count }}"], "two words", 3]
    tool = ShellTool(ShellSpec(command=command), cwd=Path("/"), environ={})
    assert tool.command_line == "git log --since={{ args.since }} [-n {{ args.count }}] 'two words' 3"
    tool = ShellTool(ShellSpec(script="#!/usr/bin/env bash\n"), cwd=Path("/"), environ={})
    assert tool.command_line == "/usr/bin/env bash <script>"


@pytest.mark.parametrize("spec", [{}, {"command": ["true"], "script": "true"}])
def test_a_tool_has_either_a_command_or_a_script(spec):
    with pytest.raises(ValueError, match="either `command` or `script`"):
        ShellTool(ShellSpec(**spec), cwd=Path("/"), environ={})
