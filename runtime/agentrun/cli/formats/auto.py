"""The format that fits the place: annotations and text in a GitHub workflow, text anywhere else."""

from __future__ import annotations

import hashlib
import os

from agentrun.cli.formats.github import as_github
from agentrun.cli.formats.text import as_text
from agentrun.diagnostics import Report


def as_auto(report: Report, checked: int) -> str:
    text = as_text(report, checked)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    annotations = as_github(report, checked)
    return "\n".join([*([annotations] if annotations else []), _without_commands(text)])


def _without_commands(text: str) -> str:
    """The runner takes commands from any line, and the text shows lines of files: it is told not to, with a word that
    the text can't hold, since it is the text's own hash."""
    word = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"::stop-commands::{word}\n{text}\n::{word}::"
