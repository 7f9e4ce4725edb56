"""`agentrun tools import curl`: the request of a curl command as a tool."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import click

from agentrun.cli.importing.writing import OfACommand, finish, target_of, writing_options
from agentrun.errors import UsageError
from agentrun.foreign.curl import FromCurl, from_curl
from agentrun.foreign.curl_options import is_curl
from agentrun.foreign.shell_commands import Split, as_words, split


@click.command("curl", cls=OfACommand, short_help="Make a tool of a curl command.")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--name", metavar="NAME", help="The tool's name; default: by method and path. Example: --name get_order")
@click.option(
    "--param",
    "chosen",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What becomes a parameter: a value by its name in query, body or path, or each VALUE; repeatable. "
    "Default: ids in the path, and all values of query and body. Example: --param order_id=1042",
)
@writing_options("tools.d/orders.yaml")
def command(
    words: tuple[str, ...],
    name: str | None,
    chosen: tuple[str, ...],
    output: Path | None,
    to_stdout: bool,
    force: bool,
) -> int:
    """Make a tool of the request that a curl COMMAND sends. The command stands behind `--`, in quotes, or on standard
    input, as browsers (“Copy as cURL”, bash or cmd) and the documentation of APIs have it; it is not run.

    Values become parameters with types; tokens, keys and passwords become variables, which are told, and no file holds
    them. What agentrun has nothing for is listed, with the reason: the exit code is 1 then.

    \b
    Examples:
      agentrun tools import curl -- curl https://api.example.com/orders/1042
      agentrun tools import curl --name refund < copied.txt
      agentrun tools import curl --stdout "curl -d '{\\"amount\\": 5}' https://api.example.com/refunds"
    """
    target = target_of(output)
    path = target.file_name or None
    above = os.path.relpath(Path.cwd(), target.path_of("x").parent).replace(os.sep, "/")
    made = from_curl(_command_line(words), name=name, chosen=chosen, path=path, above=above)
    return finish(
        made.converted, target, source="the command", to_stdout=to_stdout, force=force, next_steps=_next_steps(made)
    )


def _command_line(words: tuple[str, ...]) -> Split:
    if len(words) == 1 and (" " in words[0] or "\n" in words[0]):
        return split(words[0], is_curl)
    if words:
        return as_words(words)
    if sys.stdin.isatty():
        raise UsageError(
            "there is no curl command to import",
            help="write it behind `--`, as in: agentrun tools import curl -- curl https://…; or pipe it in",
        )
    try:
        return split(sys.stdin.buffer.read().decode("utf-8-sig"), is_curl)
    except UnicodeDecodeError:
        raise UsageError("what stands on standard input is no text in UTF-8") from None


def _next_steps(made: FromCurl) -> list[str]:
    given = f" --args {shlex.quote(json.dumps(made.arguments, ensure_ascii=False))}" if made.arguments else ""
    return [f"next: agentrun tools call {made.name}{given}  # {made.shown}"]
