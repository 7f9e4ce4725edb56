"""How a bug is told: in one line, or with AGENTRUN_DEBUG by its traceback, the secrets of what runs hidden."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

import click

from agentrun.visible import visible

_mask: Callable[[str], str] = str


def hide_secrets(mask: Callable[[str], str]) -> None:
    """What hides the secrets of the agent that runs now. A command says so once it has loaded one."""
    global _mask
    _mask = mask


def tell_bug(error: Exception) -> None:
    if os.environ.get("AGENTRUN_DEBUG"):
        click.echo(visible(_mask("".join(traceback.format_exception(error)))), err=True, nl=False)
        return
    said = visible(_mask(f"internal error: {type(error).__name__}: {error}"))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {said}", err=True)
    click.echo("help: this is a bug of agentrun; AGENTRUN_DEBUG=1 shows where it happened", err=True)
