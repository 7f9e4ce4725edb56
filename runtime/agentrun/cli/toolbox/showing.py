"""`agentrun tools show`: a tool as a model gets it, and what it doesn't: where the tool is from, who is asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from agentrun.cli import options
from agentrun.cli.options import env_file_option, format_option, tools_option
from agentrun.cli.toolbox.finding import Found, Scope, agent_option, complete_tool, find, read_scope
from agentrun.cli.unset import read_for_people
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import BoundTool, Mask
from agentrun.engine.messages import FunctionTool
from agentrun.errors import ToolsError, UsageError
from agentrun.project import Project
from agentrun.spec.catalog import Document
from agentrun.visible import visible

Described = dict[str, Any]


class Shown(msgspec.Struct, frozen=True):
    """`function` is the chat API's tool object; None of a set, which is no function."""

    tool: Described
    function: Described | None


@click.command("show", short_help="Show one tool, as a model gets it.")
@click.argument("name", shell_complete=complete_tool)
@agent_option
@format_option("the function, then the rest in words", "both")
@tools_option
@env_file_option
def command(name: str, agent: str | None, output_format: str, tools: tuple[Path, ...], env_file: Path | None) -> int:
    """Show the tool NAME: the function exactly as it is sent to a model, then where it comes from, what it may change,
    whether somebody is asked, and its limits.

    NAME may be a member of a set, such as github_search: its MCP server is started, or connected to, and asked. Of
    other tools nothing is run, and a variable without a value is no error. Example of NAME: get_weather

    \b
    Examples:
      agentrun tools show get_weather
      agentrun tools show refund_order --agent support
      agentrun tools show get_weather --format json
    """
    environ = options.environment(env_file)
    scope = read_scope(environ, tools, agent)
    wanted = find(scope, name)
    if wanted.member is not None and wanted.document.node.get("mcp") is not None:
        shown = asyncio.run(_of_a_server(scope, wanted, environ))
    else:
        shown = _of_the_files(name, agent, tools, environ)
    if output_format == "json":
        click.echo(json.dumps({"version": 1, **msgspec.structs.asdict(shown)}, indent=2, ensure_ascii=False))
        return 0
    for line in _lines(shown):
        click.echo(line)
    return 0


# -- what is shown ------------------------------------------------------------------------------------------


def _of_the_files(name: str, agent: str | None, tools: tuple[Path, ...], environ: Mapping[str, str]) -> Shown:
    """A tool that files describe whole."""
    from agentrun.bindings import sent_and_check
    from agentrun.cli.describe import describe_tool
    from agentrun.cli.describe_set import describe_operations

    scopes: list[Scope] = []

    def find_again(variables: Mapping[str, str]) -> tuple[Project, list[Document]]:
        scope = read_scope(variables, tools, agent)
        scopes.append(scope)
        return scope.project, [find(scope, name).document] if scope.agent is None else [scope.agent]

    found = read_for_people(find_again, environ)
    scope = Scope(found.project, None if agent is None else found.documents[0])
    wanted = find(scope, name)
    document = wanted.document
    patterns = scope.wanted(document) if document.is_set else ("*",)
    tool = describe_tool(found.project, document, environ, patterns)
    if wanted.member is not None:
        tool = next(one for one in describe_operations(tool, document, patterns) if one["name"] == name)
    elif document.is_set:
        return Shown(found.mask.data(tool), None)
    strict = document.spec.strict and wanted.member is None
    sent, _ = sent_and_check(tool["parameters"], strict)
    function = FunctionTool(tool["name"], tool["description"], sent, strict)
    return Shown(found.mask.data(tool), found.mask.data(function.chat_form()))


async def _of_a_server(scope: Scope, wanted: Found, environ: Mapping[str, str]) -> Shown:
    """A tool of a server, which is asked for it."""
    from agentrun.cli.describe import describe_tool
    from agentrun.cli.describe_set import describe_member
    from agentrun.cli.toolbox.connecting import members_of
    from agentrun.resolve import resolve_tools

    document = wanted.document
    bound = resolve_tools(scope.project, document, environ)
    try:
        member = chosen(await members_of(bound), wanted, bound.mask)
    finally:
        await bound.close()
    tool = describe_member(describe_tool(scope.project, document, environ, scope.wanted(document)), member)
    return Shown(bound.mask.data(tool), bound.mask.data(member.function.chat_form()))


def chosen(members: list[BoundTool], wanted: Found, mask: Mask) -> BoundTool:
    """The member that is meant. Raises `UsageError`."""
    names = [one.name for one in members]
    if wanted.member in names:
        return members[names.index(wanted.member)]
    of_set = wanted.document.name
    if not names:
        raise ToolsError(f"the set `{of_set}` has no tools", help="does `allowed_tools` match any of its server's?")
    help = did_you_mean(wanted.member or "", names, f"its tools: {one_of(names)}")
    raise UsageError(f"the set `{of_set}` has no tool `{wanted.member}`", help=mask.text(help or ""))


# -- text ---------------------------------------------------------------------------------------------------


def _lines(shown: Shown) -> Iterator[str]:
    from agentrun.cli.colors import Painter
    from agentrun.cli.portrait_tool import approval_of, effects_of, labelled, reach_rows

    paint = Painter(sys.stdout)
    tool = shown.tool
    if shown.function is not None:
        yield visible(json.dumps(shown.function, indent=2, ensure_ascii=False))
    else:
        told = "a set: its members are the functions" if tool["backend"]["kind"] == "openapi" else _OF_A_SERVER
        yield f"{paint(visible(tool['name']), 'bold')}  {told}"
    yield ""
    for label, text in reach_rows(tool["backend"]):
        yield labelled(label, text)
    yield labelled("effects", effects_of(tool))
    yield labelled("approval", approval_of(tool))
    yield labelled("limits", f"{tool['timeout']:g} s, {tool['max_output_length']:,} characters of output")
    if tool["output"]:
        yield labelled("output", tool["output"])
    if tool["unknown"]:
        yield labelled("not known", f"{', '.join(tool['unknown'])}: a variable has no value; shown as the default")
    yield labelled("file", ", extends ".join([tool["file"], *tool["extends"]]))
    for member in tool["backend"].get("members", ()):
        yield labelled("  member", f"{member['name']}  {member['method']} {member['path']}")


_OF_A_SERVER = "a set: `agentrun tools list --connect` asks its server for the members"
