"""`agentrun tools`: what can be called, how it looks to a model, a call by hand, and tools from elsewhere.

Its commands stand in `toolbox/` and `importing/`.
"""

from __future__ import annotations

import click

from agentrun.cli.lazy import LazyCommands

_LAZY = {
    "list": ("agentrun.cli.toolbox.listing", "List the project's tools, or those of an agent."),
    "show": ("agentrun.cli.toolbox.showing", "Show one tool, as a model gets it."),
    "call": ("agentrun.cli.toolbox.calling", "Call one tool."),
    "import": ("agentrun.cli.importing", "Make tools of an OpenAPI document, an MCP server, a curl command."),
}


@click.group("tools", cls=LazyCommands, lazy=_LAZY, short_help="List, show, call and import tools.")
def command() -> None:
    """List the tools of the project, show what a model gets of one, call one by hand, and import others.

    \b
    Examples:
      agentrun tools list
      agentrun tools show get_weather
      agentrun tools call get_weather --arg city=Oslo
      agentrun tools import curl -- curl https://api.example.com/orders/1042
    """
