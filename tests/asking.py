"""`agentrun run` against a model service that plays a script: events, stderr, exit code and what was asked.

Runs in this process, so that a table of many rows stays fast. The agent of a test is `AGENT`, with more keys of
`model`; its tool writes what it was asked to `calls.txt`.
"""

import contextlib
import io
import json
from dataclasses import dataclass

from agentrun.cli import run_cli
from projects import write_project
from servers import ModelServer

KEY = "sk-canary-0123456789"

AGENT = """
model:
  name: gpt-x
  base_url: ${SERVICE_URL}
  api_key: ${SERVICE_KEY}
  %s
tools:
  - name: note
    description: Notes a number.
    parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
    python: notes:note
"""

NOTES = """
from pathlib import Path

def note(n):
    with Path(__file__).with_name("calls.txt").open("a") as file:
        file.write(f"{n}\\n")
    return n
"""


@dataclass(frozen=True)
class Asked:
    """`events` are those of `--output jsonl`; `noted` is what the tool was asked, in order."""

    code: int
    stdout: str
    stderr: str
    noted: list[int]
    requests: list

    @property
    def events(self):
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def ended(self):
        return self.events[-1]

    def told(self, kind):
        return [event for event in self.events if event["type"] == kind]

    @property
    def stderr_lines(self):
        return self.stderr.splitlines()


def ask(folder, script, *options, keys=(), text="Hello", command="run", output="jsonl"):
    """`keys` are more lines under `model`, such as `max_retries: 1`."""
    with ModelServer(script) as server:
        write_project(
            folder,
            {
                "agents/asked.yaml": AGENT % "\n  ".join(["content_when_empty: null", *keys]),
                "notes.py": NOTES,
                ".env": f"SERVICE_URL={server.base_url}\nSERVICE_KEY={KEY}\n",
            },
        )
        arguments = [command, str(folder / "agents/asked.yaml"), text, "--env-file", str(folder / ".env")]
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_cli([*arguments, "--output", output, *options])
        notes = folder / "calls.txt"
        noted = [int(line) for line in notes.read_text().splitlines()] if notes.exists() else []
        return Asked(code, _written(out), _written(err), noted, server.requests)


def _written(stream):
    stream.flush()
    return stream.buffer.getvalue().decode()
