"""`agentrun tools import`: what others describe as files of the project."""

from __future__ import annotations

import click

from agentrun.cli.lazy import LazyCommands

_LAZY = {
    "openapi": ("agentrun.cli.importing.openapi", "The operations of an OpenAPI document."),
    "mcp": ("agentrun.cli.importing.mcp", "The tools of MCP servers."),
    "curl": ("agentrun.cli.importing.curl", "The request of a curl command."),
}


@click.group(
    "import",
    cls=LazyCommands,
    lazy=_LAZY,
    short_help="Make tools of an OpenAPI document, an MCP server, a curl command.",
)
def command() -> None:
    """Write tools that others describe into tools.d/, to be edited there. No file is written over without --force, and
    no credential is written: variables take its place, and are told.

    \b
    Examples:
      agentrun tools import openapi petstore.yaml --allow 'tag:pets'
      agentrun tools import mcp -- npx -y @modelcontextprotocol/server-everything
      agentrun tools import curl < copied.txt
    """
