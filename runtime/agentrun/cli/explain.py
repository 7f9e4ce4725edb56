"""`agentrun explain`: what a finding's code means, with an example that has it and one that mends it."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from agentrun.cli.colors import wants_color
from agentrun.cli.columns import line_width
from agentrun.errors import UsageError
from agentrun.explanations import FAMILIES, Explanation, codes, explain

_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_PROSE = re.compile(r"(?!```|[|#])")
_ITEM = re.compile(r"\n(?=- )")
_CODE = re.compile(r"`[^`]+`")
_HELD = "\x1f"  # a blank where no line may end


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
        text = explain(wanted).text.rstrip()
        return wrapped(text, line_width(sys.stdout)) if sys.stdout.isatty() else text
    if listed := [code for code in codes() if code.startswith(wanted)]:
        return _list(listed)
    raise UsageError(f"there is no code `{wanted}`", help="`agentrun explain` lists all codes")


def wrapped(text: str, width: int) -> str:
    """A page for a terminal: its paragraphs and lists are as wide as fits; code blocks and tables stay as they are."""
    return "\n\n".join(
        "\n".join(_filled(item, width) for item in _ITEM.split(part)) if _PROSE.match(part) else part
        for part in _parts(text)
    )


def _parts(text: str) -> Iterator[str]:
    """What blank lines divide; a code block is one."""
    for index, part in enumerate(_FENCED.split(text)):
        yield from [part] if index % 2 else (one for one in part.strip("\n").split("\n\n") if one)


def _filled(item: str, width: int) -> str:
    """A paragraph, or an entry of a list, whose further lines stand below its text. Code in backticks is not broken."""
    whole = _CODE.sub(lambda code: " ".join(code[0].split()).replace(" ", _HELD), item)
    indent = "  " if item.startswith("- ") else ""
    lines = textwrap.wrap(whole, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_HELD, " ")


def _list(listed: Sequence[str]) -> str:
    parts: list[str] = []
    for prefix, family in FAMILIES.items():
        lines = [_entry(explain(code)) for code in listed if code.startswith(prefix)]
        if lines:
            parts.append("\n".join([click.style(f"{prefix}xx {family}", bold=True), *lines]))
    return "\n\n".join(parts)


def _entry(one: Explanation) -> str:
    return f"  {one.code}  {one.severity:<7}  {one.title.replace('`', '')}"
