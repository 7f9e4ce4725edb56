"""What several formats say in the same way."""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic


def with_help(found: Diagnostic) -> str:
    """The message, and the help in brackets."""
    return f"{found.message} ({found.help})" if found.help else found.message
