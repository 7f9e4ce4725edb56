"""The shell backend: a command, or a script, run with the model's arguments.

Owns what the author wrote under `shell:` and the texts that come out of it. How a value becomes an argument is
`argv.py`'s, how a process runs and ends `process.py`'s; the time limit is the engine's. A `script` is never a
template: arguments reach it by the environment and stdin only.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure
from agentrun.spec.types import ShellSpec
from agentrun.templates import call_variables, compile_template
from agentrun.tools.argv import build_env, build_stdin, compile_command, compile_env
from agentrun.tools.process import Completed, run_process

# Characters of stdout and of stderr in a failure; its end says more than its beginning.
_FAILURE_HEAD_CHARS = 1_000
_FAILURE_TAIL_CHARS = 3_000


class ShellTool:
    """`cwd` is absolute; `environ` is agentrun's environment, of which a command gets the base only.

    Raises `TemplateSyntax` and `ValueError` for a spec that validation refuses.
    """

    def __init__(self, spec: ShellSpec, *, cwd: Path, environ: Mapping[str, str]) -> None:
        if (spec.command is None) == (spec.script is None):
            raise ValueError("`shell` takes either `command` or `script`")
        self._spec = spec
        self._cwd = cwd
        self._environ = environ
        self._command = None if spec.command is None else compile_command(spec.command)
        self._env = compile_env(spec.env)
        self._stdin = None if spec.stdin is None else compile_template(spec.stdin)

    @property
    def command_line(self) -> str:
        """The command as the author wrote it: templates unfilled, optional groups in brackets."""
        if self._command is None:
            return f"{shlex.join(_interpreter(self._spec.script or ''))} <script>"
        shown = []
        for written, group in zip(self._spec.command or (), self._command.groups, strict=True):
            text = " ".join(shlex.quote(part.source) if part.literal else part.source for part in group)
            shown.append(f"[{text}]" if isinstance(written, list) else text)
        return " ".join(shown)

    async def call(self, arguments: dict[str, object], context: CallContext) -> ToolResult:
        if self._spec.sandbox:
            raise ToolFailure("internal", "`sandbox` is asked for and this version has none: the command was not run")
        variables = call_variables(arguments, context)
        env = build_env(self._environ, self._env, variables)
        stdin = build_stdin(self._stdin, variables)
        if self._command is not None:
            argv = self._command.build(variables)
            completed = await run_process(argv, cwd=self._cwd, env=env, stdin=stdin)
            return self._result(f"the command `{self._command.program}`", completed)
        with _script_file(self._spec.script or "") as argv:
            completed = await run_process(argv, cwd=self._cwd, env=env, stdin=stdin)
        return self._result("the script", completed)

    def _result(self, what: str, completed: Completed) -> ToolResult:
        stdout = _text(completed.stdout, completed.stdout_dropped)
        stderr = _text(completed.stderr, completed.stderr_dropped)
        if completed.exit_code not in self._spec.expect:
            ended_by = f" ({completed.signal})" if completed.signal else ""
            raise ToolFailure(
                "exit_code",
                f"{what} ended with exit code {completed.exit_code}{ended_by}",
                exit_code=completed.exit_code,
                stdout=_head_and_tail(stdout),
                stderr=_head_and_tail(stderr),
            )
        return ToolResult(stdout, {"exit_code": completed.exit_code, "stdout": stdout, "stderr": stderr})


def _interpreter(script: str) -> list[str]:
    """What runs a script: its shebang, read as Linux does (one argument at most), or `sh -eu`."""
    first_line = script.partition("\n")[0]
    return first_line.removeprefix("#!").split(None, 1) if first_line.startswith("#!") else ["sh", "-eu"]


@contextlib.contextmanager
def _script_file(script: str) -> Iterator[list[str]]:
    """The argument list that runs the script, from a private file.

    Its interpreter is started by name: executing the file itself fails where the folder of temporary files is
    mounted `noexec`.
    """
    handle, path = tempfile.mkstemp(prefix="agentrun-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o700)
            file.write(script.encode())
        yield [*_interpreter(script), path]
    finally:
        Path(path).unlink(missing_ok=True)


def _text(data: bytes, dropped_bytes: int) -> str:
    text = data.decode(errors="replace")
    if not dropped_bytes:
        return text
    return f"{text}\n[output cut here: {dropped_bytes:,} further bytes were dropped]"


def _head_and_tail(text: str) -> str:
    left_out = len(text) - _FAILURE_HEAD_CHARS - _FAILURE_TAIL_CHARS
    if left_out <= 0:
        return text
    return f"{text[:_FAILURE_HEAD_CHARS]}\n[… {left_out:,} characters left out …]\n{text[-_FAILURE_TAIL_CHARS:]}"
