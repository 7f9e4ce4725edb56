"""The Python environment of each contender: for each framework one below `.venv/bench/`, made when it is first needed.

Owns their versions. What needs none of them (a raw loop, the SDK alone, agentrun) runs in the project's own
environment, so that agentrun is held against the SDK that it uses itself. What comes with a framework is whatever pip
finds; `versions_of` says what that was.
"""

from __future__ import annotations

import fcntl
import json
import platform
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.peer import ROOT, environment

_SDK = "openai==3.57.0"
REQUIRED: dict[str, tuple[str, ...]] = {
    "openai-agents": ("openai-agents==0.24.0", _SDK),
    "pydantic-ai": ("pydantic-ai-slim[openai]==2.68.0", _SDK),
    "langgraph": ("langgraph==1.2.24", "langchain==1.5.2", "langchain-openai==1.7.4", _SDK),
}
FOLDER = ROOT / ".venv" / "bench"
_STAMP = "installed.txt"  # what was required of an environment; it is written last
_WITH_SDK = ("openai", "httpx2", "pydantic")
_USED = {
    "raw": (),
    "sdk": _WITH_SDK,
    "sdk-post": _WITH_SDK,
    "sdk-post-sync": _WITH_SDK,
    "openai-agents": ("openai-agents", *_WITH_SDK),
    "pydantic-ai": ("pydantic-ai-slim", *_WITH_SDK),
    "langgraph": ("langgraph", "langchain", "langchain-core", "langchain-openai", *_WITH_SDK),
    "agentrun": ("agentrun", "openai", "httpx2"),
}
_TELL_VERSIONS = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))
"""
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")


def at_home(contender: str) -> bool:
    """Whether it runs in the project's own environment, so that nothing is to be installed."""
    return contender not in REQUIRED


def python_of(contender: str) -> str:
    """The interpreter that runs it. It is there where `is_ready` says so."""
    return sys.executable if at_home(contender) else str(FOLDER / contender / "bin" / "python")


def is_ready(contender: str) -> bool:
    """Whether it can run as it stands: its environment is there, and is the one that is required now."""
    stamp = FOLDER / contender / _STAMP
    return at_home(contender) or (stamp.is_file() and stamp.read_text() == _wanted(contender))


def prepare(contenders: Sequence[str]) -> list[str]:
    """Makes what is missing. Those that can run; a line on stderr says why another one can't."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another benchmark may be making them now
        for contender in contenders:
            if not is_ready(contender):
                _make(contender)
    return [contender for contender in contenders if is_ready(contender)]


def versions_of(contender: str) -> dict[str, str]:
    """Of Python and of what it runs on. Its environment must be there."""
    command = [python_of(contender), "-c", _TELL_VERSIONS, *_USED[contender]]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment(), text=True)
    return dict(json.loads(done.stdout))


def _make(contender: str) -> None:
    folder = FOLDER / contender
    _tell(f"installing {contender}: {', '.join(REQUIRED[contender])}")
    venv = [sys.executable, "-m", "venv", "--clear", str(folder)]
    install = [python_of(contender), *_PIP, *REQUIRED[contender]]
    for command in (venv, install):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            *_, last_line = ["", *done.stdout.strip().splitlines()]
            _tell(f"{contender} is left out: {last_line}")
            return
    (folder / _STAMP).write_text(_wanted(contender))


def _wanted(contender: str) -> str:
    return "\n".join([f"Python {platform.python_version()}", *REQUIRED[contender]])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
