"""The work of `agentrun test`: scripted cases of three turns and two calls, in files of a hundred, in one process.

Nothing else does this work, so there is nothing beside it: the time of one case is what can be compared over time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.commands import AGENTRUN, cost_of
from benchmarks.peer import environment
from benchmarks.results import Table

CASES_A_FILE = 100
_ROW = "agentrun test"


def scripted_cases(count: int, repeated: int) -> list[Table]:
    """The whole command, its start too."""
    cpu = Table("cases_cpu", f"`test`, {count:,} scripted cases of three turns, CPU", "ms")
    wall = Table("cases_wall", f"`test`, {count:,} scripted cases of three turns, wall time", "ms")
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder), count)
        for repetition in range(repeated + 1):
            cost = cost_of([AGENTRUN, "test", folder], environment(XDG_STATE_HOME=folder))
            if repetition:
                cpu.add(_ROW, cost.cpu_s * 1000)
                wall.add(_ROW, cost.wall_s * 1000)
    return [cpu, wall]


def write_cases(folder: Path, count: int) -> None:
    for kind, files in {"agents": _AGENTS, "tools.d": _TOOLS}.items():
        (folder / kind).mkdir()
        for name, text in files.items():
            (folder / kind / name).write_text(text)
    (folder / "tests").mkdir()
    for first in range(0, count, CASES_A_FILE):
        cases = "".join(_CASE.format(number=number) for number in range(first, min(first + CASES_A_FILE, count)))
        (folder / "tests" / f"from_{first}.test.yaml").write_text(
            f"agent: desk\napprove: [refund_order]\ncases:\n{cases}"
        )


_AGENTS = {
    "desk.yaml": "model: gpt-4.1-mini\nsystem_prompt: You are the order desk.\ntools: [find_order, refund_order]\n"
}
_TOOLS = {
    "find_order.yaml": """\
description: Looks an order up.
parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
http: {url: "https://orders.example.com/{order_id}"}
""",
    "refund_order.yaml": """\
description: Refunds an order.
parameters:
  type: object
  properties: {order_id: {type: string}, reason: {type: string}}
  required: [order_id, reason]
http:
  method: POST
  url: https://orders.example.com/{order_id}/refunds
  json: {reason: "{{ args.reason }}"}
  expect: [201]
""",
}
_CASE = """\
  - name: refunds order {number}
    args: {{input: "Refund order {number}, it arrived broken"}}
    model:
      - tool_calls: [{{name: find_order, arguments: {{order_id: "{number}"}}}}]
      - tool_calls: [{{name: refund_order, arguments: {{order_id: "{number}", reason: broken}}}}]
      - content: Order {number} is refunded.
    tools:
      find_order: {{json: {{id: "{number}", status: delivered}}}}
      refund_order: {{status: 201, json: {{id: r{number}}}}}
    expect:
      answer: {{contains: refunded}}
      calls: [find_order, refund_order]
"""
