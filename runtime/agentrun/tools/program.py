"""Whether a command can start, and what is told where it can't. Runs nothing.

`process.py` tells by `not_started` what its supervisor met. `locate` finds most of that beforehand, for a program that
is started by another one, such as bwrap: the messages are the same, whoever starts it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from agentrun.errors import ToolFailure
from agentrun.tools import supervisor

_HEAD_BYTES = 1024


def encode(text: str) -> bytes:
    """UTF-8 in every locale. What came undecodable from our own environment goes back as it was."""
    return text.encode("utf-8", "surrogateescape")


def locate(program: str, *, cwd: Path, env: Mapping[str, str]) -> Path:
    """Where a program is: absolute if `cwd` is. Raises the `ToolFailure` of `run_process` for what can't start."""
    step = "chdir"
    try:
        _require(stat.S_ISDIR(cwd.stat().st_mode), errno.ENOTDIR)
        _require(os.access(cwd, os.X_OK), errno.EACCES)
        step = "exec"
        encoded = {encode(name): encode(value) for name, value in env.items()}
        path = Path(os.fsdecode(supervisor.find_program(encode(program), encoded, os.fsencode(cwd))))
        _require(stat.S_ISREG(path.stat().st_mode) and os.access(path, os.X_OK), errno.EACCES)
        _require_a_format(path, cwd)
    except OSError as error:
        raise not_started(program, cwd, step, error.errno or 0) from None
    return path


def _require(condition: bool, number: int) -> None:
    if not condition:
        raise OSError(number, os.strerror(number))


def _require_a_format(path: Path, cwd: Path) -> None:
    """A `#!` line whose interpreter exists, or no text at all: a shell would take plain text for its own script."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except PermissionError:  # may be run, but not read
        return
    if head.startswith(b"#!"):
        interpreter = head.partition(b"\n")[0][2:].split(None, 1)[:1]
        _require(bool(interpreter) and (cwd / os.fsdecode(interpreter[0])).is_file(), errno.ENOENT)
    else:
        _require(b"\0" in head, errno.ENOEXEC)


def not_started(program: str, cwd: Path, step: str, number: int) -> ToolFailure:
    """Why a command didn't run, with the exit codes that a shell gives for it."""
    reason = os.strerror(number)
    if step == "lost":
        return ToolFailure("internal", f"the command `{program}` was lost: its supervisor was ended from outside")
    if step == "chdir":
        return ToolFailure("internal", f"the working directory `{cwd}` can't be entered: {reason}")
    if step != "exec":
        return ToolFailure("internal", f"the command `{program}` could not be started: {reason}")
    if number == errno.E2BIG:
        return ToolFailure("invalid_arguments", "the arguments are too large together for a command line")
    exit_code = 126
    if number in (errno.ENOENT, errno.ENOTDIR):
        exit_code = 127
        if "/" not in program:
            reason = "is not installed (not found in PATH)"
        elif (cwd / program).exists():
            reason = "can't run: the interpreter that its first line names does not exist"
        else:
            reason = "does not exist"
    elif number == errno.EACCES:
        reason = "is not executable (permission denied)"
    elif number == errno.ENOEXEC:
        reason = "is not executable: neither a program for this system nor a script that begins with `#!`"
    else:
        reason = f"could not be started: {reason}"
    return ToolFailure("exit_code", f"the command `{program}` {reason}", exit_code=exit_code)
