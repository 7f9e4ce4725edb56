"""`agentrun explain`: what a finding's code means, with an example that has it and one that mends it."""

from __future__ import annotations

import sys

import click

from agentrun.cli.colors import wants_color
from agentrun.diagnostics import did_you_mean
from agentrun.errors import UsageError
from agentrun.explanations import FAMILIES, codes, explain


@click.command("explain", short_help="Say what a finding's code means.")
@click.argument("wanted", metavar="[CODE]...", nargs=-1)
def command(wanted: tuple[str, ...]) -> int:
    """Say what the CODE of a finding means, with a bad and a good example.

    Without CODE all codes are listed, with their severity: error, warning or info. Example of CODE: AR401

    \b
    Examples:
      agentrun explain AR401
      agentrun explain
    """
    if wanted:
        click.echo("\n\n".join(_page(code) for code in wanted))
    else:
        click.echo(_list(), color=wants_color(sys.stdout))
    return 0


def _page(code: str) -> str:
    try:
        return explain(code.upper()).text.rstrip()
    except KeyError:
        near = did_you_mean(code.upper(), codes(), "`agentrun explain` lists all codes")
        raise UsageError(f"there is no code `{code}`", help=near) from None


def _list() -> str:
    lines: list[str] = []
    for prefix, family in FAMILIES.items():
        of_family = [explain(code) for code in codes() if code.startswith(prefix)]
        if of_family:
            lines += (
                ["", click.style(f"{prefix}xx {family}", bold=True)]
                if lines
                else [click.style(f"{prefix}xx {family}", bold=True)]
            )
            lines += [f"  {one.code}  {one.severity:<7}  {one.title.replace('`', '')}" for one in of_family]
    return "\n".join(lines)
