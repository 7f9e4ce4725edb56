"""`agentrun lsp`: the language server, for editors. Speaks the protocol on standard input and output."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from agentrun.baseline import compare
from agentrun.cli.options import env_file_option, environment, tools_option
from agentrun.diagnostics import Report
from agentrun.errors import AgentrunError, UsageError
from agentrun.selection import Selection
from agentrun.settings import find_settings


@click.command("lsp", short_help="Serve an editor: findings, completion, hover, definitions.")
@tools_option
@env_file_option
@click.option("--stdio", is_flag=True, help="Speak on standard input and output, as always. Example: --stdio")
def command(tools: tuple[Path, ...], env_file: Path | None, stdio: bool) -> int:
    """Serve an editor with the Language Server Protocol, on standard input and output.

    The editor starts it. It shows the findings of `agentrun validate` while a file is typed, completes keys and names,
    and opens no connection. Needs the extra `lsp`: pip install '.[lsp]' in a checkout of agentrun.

    \b
    Examples:
      agentrun lsp
      agentrun lsp --env-file .env
    """
    try:
        from agentrun.lsp.methods import serve
    except ModuleNotFoundError as error:
        message = f"`agentrun lsp` needs a package that is not installed: {error.name}"
        raise AgentrunError(message, help="Install it: pip install 'pygls>=2,<3'") from None
    from agentrun.lsp.desk import Desk

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pygls").setLevel(logging.ERROR)  # it warns of each request that is cancelled too late
    desk = Desk(environment(env_file), tools, _told)
    # The protocol alone may write to standard output; whatever else prints goes to the editor's log.
    own_output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return 0 if serve(desk, sys.stdin.buffer, own_output) else 1


def _told(root: Path, found: Report) -> Report:
    """The findings that a project's settings ask for; settings that can't be read hold for nothing."""
    told = Selection().of(found)
    try:
        settings = find_settings(root)
        told = settings.selection.of(found)
        return compare(told, Path(settings.baseline)).report if settings.baseline is not None else told
    except UsageError as error:
        logging.getLogger(__name__).warning("%s", error.message)
        return told
