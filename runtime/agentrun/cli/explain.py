"""`agentrun explain`: what a finding's code means, with an example that has it and one that mends it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from agentrun.cli.colors import wants_color
from agentrun.errors import UsageError
from agentrun.explanations import FAMILIES, Explanation, codes, explain


@click.command("explain", short_help="Say what a finding's code means.")
@click.argument("wanted", metavar="[CODE]...", nargs=-1)
def command(wanted: tuple[str, ...]) -> int:
    """Say what the CODE of a finding means, with a bad and a good example.

    Without CODE all codes are listed, with their severity: error, warning or info. Several may be given, and the
    beginning of some, such as AR4, lists these. Example of CODE: AR401

    \b
    Examples:
      agentrun explain AR401
      agentrun explain
    """
    texts = [_page(code.upper()) for code in wanted] or [_list(codes())]
    click.echo("\n\n".join(texts), color=wants_color(sys.stdout))
    return 0


def _page(wanted: str) -> str:
    """The page of a code, or a list of the codes that begin so."""
    if wanted in codes():
        return explain(wanted).text.rstrip()
    if listed := [code for code in codes() if code.startswith(wanted)]:
        return _list(listed)
    raise UsageError(f"there is no code `{wanted}`", help="`agentrun explain` lists all codes")


def _list(listed: Sequence[str]) -> str:
    parts: list[str] = []
    for prefix, family in FAMILIES.items():
        lines = [_entry(explain(code)) for code in listed if code.startswith(prefix)]
        if lines:
            parts.append("\n".join([click.style(f"{prefix}xx {family}", bold=True), *lines]))
    return "\n\n".join(parts)


def _entry(one: Explanation) -> str:
    return f"  {one.code}  {one.severity:<7}  {one.title.replace('`', '')}"
