"""The format that fits the place: annotations and text in a GitHub workflow, text anywhere else."""

from __future__ import annotations

import os

from agentrun.cli.formats.github import as_github
from agentrun.cli.formats.text import as_text
from agentrun.diagnostics import Report
from agentrun.markup.workflow import without_commands


def as_auto(report: Report, checked: int) -> str:
    text = as_text(report, checked)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    annotations = as_github(report, checked)
    return "\n".join([*([annotations] if annotations else []), without_commands(text)])
