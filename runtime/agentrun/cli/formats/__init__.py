"""How findings are written: one file a format, each a function (report, number of files checked) -> text."""

from __future__ import annotations

from collections.abc import Callable

from agentrun.cli.formats.json import as_json
from agentrun.cli.formats.text import as_text
from agentrun.diagnostics import Report

Format = Callable[[Report, int], str]
FORMATS: dict[str, Format] = {"text": as_text, "json": as_json}
