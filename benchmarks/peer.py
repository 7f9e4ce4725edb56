"""Python processes of the benchmark: a peer that is spoken to in lines, and the environment that all of them get."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
MAX_WAIT_S = 300.0
END_S = 5.0
_LEFT_OUT = ("OPENAI_", "LANGCHAIN_", "LANGSMITH_", "LOGFIRE_", "OTEL_", "PYTHONPATH", "PYTHONHOME", "PYTHONDONT")


class Peer:
    """`python -m MODULE ARGUMENTS`, of this interpreter or another. It ends when its stdin does."""

    def __init__(self, module: str, *arguments: str, python: str = sys.executable) -> None:
        self._name = " ".join([module, *arguments])
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def hear(self) -> str:
        """The next line."""
        out = self._process.stdout
        assert out
        ready, _, _ = select.select([out], [], [], MAX_WAIT_S)
        if not ready:
            raise TimeoutError(f"{self._name} said nothing for {MAX_WAIT_S:g} s")
        line = out.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended; what it wrote to stderr stands above")
        return line.strip()

    def ask(self, line: str) -> str:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.hear()


def environment(**more: str) -> dict[str, str]:
    """This process's variables without those that could change what is measured: nothing but the loopback server is
    asked or told, an environment's packages are its own, and what was compiled is kept.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(_LEFT_OUT)
    }
    return {**kept, **more}
