"""Findings in a conversation: those of `agentrun validate`, at the width of the screen."""

from __future__ import annotations

from agentrun.cli.slash.command import Failed
from agentrun.cli.slash.rows import room
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import Report
from agentrun.errors import AgentrunError, SpecError


def show(talk: Talk, report: Report) -> None:
    import click

    from agentrun.cli.formats.text import findings_text

    if not report.diagnostics:
        talk.say("no findings", "passed")
        return
    text = findings_text(report, room(talk))
    talk.screen.below((text if talk.screen.paint.on else click.unstyle(text)) + "\n")


def refused(talk: Talk, error: AgentrunError, so: str) -> Failed:
    """What was asked for can't be, and `so` says how the conversation goes on."""
    if isinstance(error, SpecError):
        show(talk, error.report)
        talk.say(so, "error")
    else:
        talk.complain(AgentrunError(f"{so}: {error.message}", help=error.help))
    return Failed()
