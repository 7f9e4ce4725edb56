"""The shell backend: a command, or a script, run with the model's arguments.

Owns what the author wrote under `shell:` and the texts that come out of it. How a value becomes an argument is
`argv.py`'s, how a process runs and ends `process.py`'s, what it can touch `sandbox.py`'s; the time limit is the
engine's. A `script` is never a template: arguments reach it by the environment and stdin only.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure
from agentrun.spec.types import ShellSpec
from agentrun.templates import call_variables, compile_template
from agentrun.tools.argv import build_env, build_stdin, compile_command, compile_env
from agentrun.tools.process import Completed, run_process
from agentrun.tools.sandbox import Sandbox, sandbox_of


class ShellTool:
    """`cwd` is absolute; `environ` is agentrun's environment, of which a command gets the base only.

    `write` are the paths of `sandbox.write`, absolute.
    Raises `TemplateSyntax` and `ValueError` for a spec that validation refuses.
    """

    def __init__(self, spec: ShellSpec, *, cwd: Path, environ: Mapping[str, str], write: Sequence[Path] = ()) -> None:
        if (spec.command is None) == (spec.script is None):
            raise ValueError("`shell` takes either `command` or `script`")
        self._spec = spec
        self._cwd = cwd
        self._environ = environ
        self._command = None if spec.command is None else compile_command(spec.command)
        self._env = compile_env(spec.env)
        self._stdin = None if spec.stdin is None else compile_template(spec.stdin)
        sandbox = sandbox_of(spec)
        self._sandbox = Sandbox(sandbox, write=write, environ=environ) if sandbox else None

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
        variables = call_variables(arguments, context)
        env = build_env(self._environ, self._env, variables)
        if self._sandbox and "TMPDIR" in env and "TMPDIR" not in self._env:
            env["TMPDIR"] = "/tmp"  # noqa: S108 - the sandbox's own: agentrun's can't be written in it
        stdin = build_stdin(self._stdin, variables)
        if self._command is not None:
            argv = self._command.build(variables)
            completed = await self._run(argv, env, stdin)
            return self._result(f"the command `{self._command.program}`", completed, context)
        with _script_file(self._spec.script or "") as argv:
            completed = await self._run(argv, env, stdin, script=Path(argv[-1]))
        return self._result("the script", completed, context)

    async def _run(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, script: Path | None = None
    ) -> Completed:
        if self._sandbox:
            return await self._sandbox.run(argv, cwd=self._cwd, env=env, stdin=stdin, script=script)
        return await run_process(argv, cwd=self._cwd, env=env, stdin=stdin, leftover=script)

    def _result(self, what: str, completed: Completed, context: CallContext) -> ToolResult:
        stdout = _text(completed.stdout, completed.stdout_dropped, context.mask_beginning)
        stderr = _text(completed.stderr, completed.stderr_dropped, context.mask_beginning)
        if completed.exit_code not in self._spec.expect:
            ended_by = f" ({completed.signal})" if completed.signal else ""
            raise ToolFailure(
                "exit_code",
                f"{what} ended with exit code {completed.exit_code}{ended_by}",
                exit_code=completed.exit_code,
                stdout=stdout,
                stderr=stderr,
            )
        return ToolResult(stdout, {"exit_code": completed.exit_code, "stdout": stdout, "stderr": stderr})


def _interpreter(script: str) -> list[str]:
    """What runs a script: its shebang, read as Linux does (one argument at most), or `sh -eu`."""
    first_line = script.partition("\n")[0]
    return first_line.removeprefix("#!").split(None, 1) if first_line.startswith("#!") else ["sh", "-eu"]


@contextlib.contextmanager
def _script_file(script: str) -> Iterator[list[str]]:
    """The argument list that runs the script, from a private file. Its supervisor removes it where we can't any more.

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


def _text(data: bytes, dropped_bytes: int, mask_beginning: Callable[[str], str]) -> str:
    if not dropped_bytes:
        return data.decode(errors="replace")
    whole_characters = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    return f"{mask_beginning(whole_characters)}\n[output cut here: {dropped_bytes:,} further bytes were dropped]"
