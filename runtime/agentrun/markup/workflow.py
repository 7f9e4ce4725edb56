"""GitHub's workflow commands: `::error file=a.yaml,line=2::message`, and text that must be none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from agentrun.diagnostics import Span
from agentrun.markup.repository import shown_file
from agentrun.visible import visible


def command(name: str, properties: Mapping[str, object], message: str) -> str:
    """One line, whatever characters are in it."""
    written = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {written}::{_data(visible(message))}"


def place(span: Span) -> dict[str, object]:
    """Where an annotation stands, as properties. GitHub takes columns within a line only."""
    properties: dict[str, object] = {"file": shown_file(span.file), "line": span.line}
    if span.end_line == span.line:
        return properties | {"col": span.column, "endLine": span.end_line, "endColumn": span.end_column}
    return properties | {"endLine": span.end_line}


def without_commands(text: str) -> str:
    """The runner takes commands from any line, and the text may hold lines of files: it is told not to, with a word
    that the text can't hold, since it is the text's own hash."""
    word = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"::stop-commands::{word}\n{text}\n::{word}::"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
