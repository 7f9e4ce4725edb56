"""How findings are written: one file a format, each a function (report, number of files checked) -> text.

A format is imported when it is first used. Those of one line a finding are empty where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import click

from agentrun.diagnostics import Report

Format = Callable[[Report, int], str]


def _lazily(module: str, function: str) -> Format:
    def write(report: Report, checked: int) -> str:
        format: Format = getattr(import_module(f"agentrun.cli.formats.{module}"), function)
        return format(report, checked)

    return write


FORMATS: dict[str, Format] = {
    "text": _lazily("text", "as_text"),
    "concise": _lazily("concise", "as_concise"),
    "json": _lazily("json", "as_json"),
    "jsonl": _lazily("json", "as_jsonl"),
    "github": _lazily("github", "as_github"),
    "gitlab": _lazily("gitlab", "as_gitlab"),
    "sarif": _lazily("sarif", "as_sarif"),
    "junit": _lazily("junit", "as_junit"),
    "markdown": _lazily("markdown", "as_markdown"),
    "auto": _lazily("auto", "as_auto"),
}


def for_a_file(name: str, report: Report, checked: int) -> str:
    """What a format writes, as it belongs into a file: without colours, and as wide as a log whatever the terminal."""
    if name in ("text", "auto"):
        from agentrun.cli.columns import LOG_COLUMNS
        from agentrun.cli.formats.text import as_text

        return click.unstyle(as_text(report, checked, LOG_COLUMNS))
    return FORMATS[name](report, checked)
