"""A message written in the person's own editor: `$VISUAL`, `$EDITOR`, or the first of those that most systems have."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agentrun.errors import UsageError, reason_of

_USUAL = ("editor", "nano", "vim", "vi", "emacs")
_CHOOSE = "set VISUAL or EDITOR to the command of yours"


async def edited(text: str, environ: Mapping[str, str]) -> str:
    """What the person made of the text. Raises `UsageError` where the editor could not be run, or failed."""
    argv = _editor(environ)
    try:
        with tempfile.TemporaryDirectory(prefix="agentrun-") as folder:  # 0700
            path = f"{folder}/message.md"
            _write(path, text)
            await _run([*argv, path])
            return _read(path)
    except OSError as error:
        raise UsageError(f"the text could not be edited: {reason_of(error)}") from None


def _editor(environ: Mapping[str, str]) -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if environ.get(name, "").strip():
            try:
                return shlex.split(environ[name])
            except ValueError as error:
                raise UsageError(f"{name} is no command: {error}", help=_CHOOSE) from None
    found = next((path for name in _USUAL if (path := shutil.which(name, path=environ.get("PATH")))), None)
    if found is None:
        raise UsageError("there is no editor", help=_CHOOSE)
    return [found]


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8", errors="replace")


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace").removesuffix("\n")


async def _run(argv: list[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*argv)
    except OSError as error:
        raise UsageError(f"the editor `{argv[0]}` could not be started: {reason_of(error)}", help=_CHOOSE) from None
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if code:
        raise UsageError(f"the editor `{argv[0]}` ended with code {code}: the text stays as it was")
