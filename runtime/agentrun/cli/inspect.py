"""`agentrun inspect`: what an agent can do and reach, before it does. Runs nothing and opens no socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from agentrun.cli import options
from agentrun.cli.options import agent_argument, env_file_option, format_option, tools_option
from agentrun.project import Project
from agentrun.spec.catalog import Document


@click.command("inspect", short_help="Show what an agent can do.")
@agent_argument
@format_option("for a reviewer", "everything, for programs")
@tools_option
@env_file_option
def command(agent: str, output_format: str, tools: tuple[Path, ...], env_file: Path | None) -> int:
    """Show what AGENT can do: its model, each tool with the hosts, commands and functions it reaches, what needs
    approval, its limits, and which variables of the environment are read.

    AGENT is a file, or a name below agents/. Nothing is run. Variables may be without a value: each is then shown by
    its name, as in $ORDERS_URL. No credential is shown. Example of AGENT: support

    \b
    Examples:
      agentrun inspect support
      agentrun inspect agents/support.yaml --format json
    """
    from agentrun import api
    from agentrun.cli.colors import Painter
    from agentrun.cli.describe import describe_whole
    from agentrun.cli.portrait import portrait
    from agentrun.cli.reach import reach_of
    from agentrun.cli.unset import read_for_people
    from agentrun.cli.variables import variables_of

    environ = options.environment(env_file)

    def find(variables: Mapping[str, str]) -> tuple[Project, list[Document]]:
        project, document = api.find_agent(agent, variables, tools=tools)
        return project, [document]

    found = read_for_people(find, environ)
    described = found.mask.data(describe_whole(found.project, found.documents[0], environ))
    variables = variables_of(found.reached, environ)
    if output_format == "json":
        environment = [msgspec.structs.asdict(one) for one in variables]
        whole = {"version": 1, **described, "reach": reach_of(described), "environment": environment}
        click.echo(json.dumps(whole, indent=2, ensure_ascii=False))
        return 0
    for line in portrait(described, variables, Painter(sys.stdout)):
        click.echo(line)
    return 0
