"""`agentrun completion`: the script that teaches a shell to complete agentrun's command lines."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from agentrun.errors import UsageError

PROGRAM = "agentrun"
# How each shell takes the script in for good.
_INSTALL = {
    "bash": """add to ~/.bashrc:  eval "$(agentrun completion bash)\"""",
    "zsh": """add to ~/.zshrc, after compinit:  eval "$(agentrun completion zsh)\"""",
    "fish": "run:  agentrun completion fish > ~/.config/fish/completions/agentrun.fish",
}


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", required=False, type=click.Choice(list(_INSTALL)))
def command(shell: str | None) -> int:
    """Print the completion script of SHELL: bash, zsh or fish; without it, of the shell that $SHELL names.

    The script's last line says how to install it.

    \b
    Examples:
      eval "$(agentrun completion)"
      agentrun completion fish > ~/.config/fish/completions/agentrun.fish
    """
    click.echo(script(shell or _own_shell()))
    return 0


def script(shell: str) -> str:
    """The script. The advice comes last, since zsh wants `#compdef` on the first line."""
    from agentrun.cli import cli

    complete = get_completion_class(shell)
    assert complete is not None, shell  # noqa: S101 - click knows the three
    source = complete(cli, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source()
    return f"{source.rstrip()}\n\n# To install, {_INSTALL[shell]}"


def _own_shell() -> str:
    path = os.environ.get("SHELL", "")
    name = Path(path).name
    if name in _INSTALL:
        return name
    found = f"$SHELL is `{path}`, which has no completion here" if path else "$SHELL is not set"
    raise UsageError(found, help=f"name a shell: {', '.join(_INSTALL)}")
