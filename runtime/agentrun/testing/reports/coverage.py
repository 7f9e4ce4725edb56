"""What the cases of agents left out, as the lines of a table."""

from __future__ import annotations

from agentrun.testing.reports.look import Look
from agentrun.testing.results import AgentCoverage, TestRun
from agentrun.visible import in_a_line

Row = tuple[str, int, int, tuple[str, ...]]


def rows(coverage: AgentCoverage) -> list[Row]:
    """(what, how many of it the cases met, how many there are, those that they did not meet); without empty ones.

    Parameters of a tool that was never called are counted, and not named.
    """
    named = tuple(f"{tool}.{name}" for tool, name in coverage.parameters_of_called)
    parts: list[Row] = [
        ("tools called", len(coverage.tools), coverage.tools_total, coverage.tools),
        ("parameters given", len(coverage.parameters), coverage.parameters_total, named),
        ("hand-offs made", len(coverage.handoffs), coverage.handoffs_total, coverage.handoffs),
        ("permission rules met", len(coverage.rules), coverage.rules_total, coverage.rules),
        ("arguments given", len(coverage.arguments), coverage.arguments_total, coverage.arguments),
    ]
    return [(what, total - missing, total, left) for what, missing, total, left in parts if total]


def coverage_lines(coverage: AgentCoverage, look: Look) -> list[str]:
    lines = [look.paint(in_a_line(coverage.agent), "bold")]
    for what, met, total, left in rows(coverage):
        style = "passed" if met == total else "warning"
        lines.append(f"  {what:<21} {look.paint(f'{met} of {total}', style)}")
        if left:
            lines += look.indented(in_a_line(f"not: {', '.join(left)}"), "    ", "dim")
    return lines


def untested_line(run: TestRun) -> str:
    """Names the agents that no test file is about; empty where there are none."""
    return f"agents without tests: {', '.join(run.untested)}" if run.untested else ""
