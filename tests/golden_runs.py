"""The runs in `runs/`: each case is a small project, and what its run must tell.

    runs/CASE/agents/*.yaml     the agents; their models play scripts
    runs/CASE/tools.d, *.py     their tools
    runs/CASE/case.yaml         agent (default `main`), text or args, approve, then (further messages), environ
    runs/CASE/expected.jsonl    every event, one a line; run ids are numbered, times are left out
    runs/CASE/messages.jsonl    the conversation in the end, one message a line

`write` writes the expected files anew.
"""

import asyncio
import json
from pathlib import Path

import yaml

import agentrun
from agentrun.observers.jsonl import encode

RUNS = Path(__file__).parent / "runs"
_KEYS = {"agent", "text", "args", "approve", "then", "environ"}


def cases():
    return sorted(file.parent for file in RUNS.glob("*/case.yaml"))


def played(case):
    """What `expected.jsonl` and `messages.jsonl` of a case hold when it is played now, by file name."""
    written = yaml.safe_load((case / "case.yaml").read_text(encoding="utf-8"))
    assert written.keys() <= _KEYS, f"{case.name}/case.yaml: {written.keys() - _KEYS}"
    agent = agentrun.load(case / "agents" / f"{written.get('agent', 'main')}.yaml", environ=written.get("environ", {}))
    events = []
    messages = []

    async def play():
        options = {"messages": messages, "emit": events.append, "approve": written.get("approve", ())}
        outcome = await agentrun.run(agent, written.get("text"), args=written.get("args"), **options)
        for text in written.get("then", ()):
            outcome = await agentrun.run(outcome.agent, text, **options)

    asyncio.run(play())
    return {
        "expected.jsonl": _lines(normalised(events)),
        "messages.jsonl": _lines([message.data for message in messages]),
    }


def normalised(events):
    """Events as JSON, without what differs from run to run."""
    numbers = {}

    def number(run_id):
        return numbers.setdefault(run_id, f"run-{len(numbers) + 1}")

    told = []
    for event in events:
        data = json.loads(encode(event))
        del data["time"]
        data.pop("duration_s", None)
        for key in ("parent_run_id", "run_id"):
            if key in data:
                data[key] = number(data[key])
        told.append(data)
    return told


def files():
    """The text of every expected file, by its path."""
    return {case / name: text for case in cases() for name, text in played(case).items()}


def write():
    """Write the expected files of every case."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


def _lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    write()
