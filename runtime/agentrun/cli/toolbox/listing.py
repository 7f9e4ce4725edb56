"""`agentrun tools list`: what can be called, where it comes from, what it may change and who is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from agentrun.cli import options
from agentrun.cli.options import env_file_option, format_option, tools_option
from agentrun.cli.toolbox.finding import Scope, agent_option, read_scope
from agentrun.cli.unset import Reading, read_for_people
from agentrun.errors import SpecError, UsageError
from agentrun.project import Project
from agentrun.spec.catalog import Document
from agentrun.visible import one_line

Described = dict[str, Any]
EXIT_FAILED = 1
_DESCRIPTION_CHARS = 200  # where no terminal cuts it: json has all of it
_HEADER = ("NAME", "SOURCE", "EFFECTS", "APPROVAL", "DESCRIPTION")


@click.command("list", short_help="List the project's tools, or those of an agent.")
@agent_option
@click.option(
    "--connect",
    is_flag=True,
    help="Start the MCP servers, or connect to them, and list their tools too. Example: --connect",
)
@format_option("one line a tool", "all that is known of each")
@tools_option
@env_file_option
def command(
    agent: str | None, connect: bool, output_format: str, tools: tuple[Path, ...], env_file: Path | None
) -> int:
    """List the tools of the current folder's project: where each comes from, what it may change, who is asked.

    The operations of an OpenAPI document are listed one by one; which tools an MCP server has is known once it was
    asked, with --connect: then the exit code is 1 where one did not answer. Without it nothing is started, and a
    variable without a value is no error.

    \b
    Examples:
      agentrun tools list
      agentrun tools list --agent support
      agentrun tools list --connect --format json
    """
    environ = options.environment(env_file)
    scopes: list[Scope] = []

    def find(variables: Mapping[str, str]) -> tuple[Project, list[Document]]:
        scope = read_scope(variables, tools, agent)
        _check_any(scope)
        scopes.append(scope)
        return scope.project, scope.documents if scope.agent is None else [scope.agent]

    found = read_for_people(find, environ)
    scope = Scope(found.project, None if agent is None else found.documents[0])
    listed = list(_described(scope, environ))
    failed = False
    if connect:
        listed, failed = _connected(scopes[0], listed, environ)
    listed = found.mask.data(listed)
    handoffs = [] if scope.agent is None else _handoffs(scope, environ)
    if output_format == "json":
        whole = {"version": 1, "tools": listed} | ({"handoffs": handoffs} if scope.agent is not None else {})
        click.echo(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        _print(found, scope, [*listed, *map(_as_row, handoffs)])
    return EXIT_FAILED if failed else 0


def _check_any(scope: Scope) -> None:
    if scope.agent is None and not scope.documents and not scope.project.unreadable:
        raise UsageError(
            f"there are no tools in `{scope.project.root}`",
            help="tools stand in tools.d/: `agentrun init` makes a project",
        )


def _described(scope: Scope, environ: Mapping[str, str]) -> Iterator[Described]:
    """Each tool with its `source` and `set`. An openapi set is its members; one that can't be read stays a set."""
    from agentrun.cli.describe import describe_tool
    from agentrun.cli.describe_set import describe_operations
    from agentrun.cli.toolbox.source import source_of

    for document in scope.documents:
        wanted = scope.wanted(document)
        tool = describe_tool(scope.project, document, environ, wanted)
        backend = tool["backend"]
        if backend["kind"] == "openapi" and backend["problem"] is None:
            for member in describe_operations(tool, document, wanted):
                yield {**member, "set": document.name, "source": source_of(member)}
        else:
            yield {**tool, "set": document.name if document.is_set else None, "source": source_of(tool)}


def _handoffs(scope: Scope, environ: Mapping[str, str]) -> list[Described]:
    from agentrun.cli.describe import describe_agent

    assert scope.agent is not None  # noqa: S101 - whoever calls has looked
    handoffs: list[Described] = describe_agent(scope.project, scope.agent, environ)["handoffs"]
    return handoffs


def _as_row(handoff: Described) -> Described:
    return {
        **handoff,
        "source": f"agent {handoff['agent']}",
        "backend": {"kind": "handoff"},
        "require_approval": "auto",
    }


def _connected(scope: Scope, listed: list[Described], environ: Mapping[str, str]) -> tuple[list[Described], bool]:
    """The list with the tools of servers in the place of their sets, and whether one did not answer, which is told."""
    from agentrun.cli import tell_error
    from agentrun.cli.describe_set import describe_member
    from agentrun.cli.toolbox.connecting import ask_all

    sets = [one for one in scope.documents if one.node.get("mcp") is not None]
    asked = {one.document.name: one for one in asyncio.run(ask_all(scope.project, sets, environ))}
    made: list[Described] = []
    for tool in listed:
        answer = asked.get(tool["set"]) if tool["backend"]["kind"] == "mcp" else None
        if answer is None or answer.error is not None:
            made.append(tool)
            continue
        wanted = scope.wanted(answer.document)
        members = [one for one in answer.members if any(fnmatchcase(one.name, pattern) for pattern in wanted)]
        described = [describe_member(tool, one) for one in members]
        made += answer.mask.data(described) if answer.mask is not None else described
    failures = [one for one in asked.values() if one.error is not None]
    for one in failures:
        error = one.error
        assert error is not None  # noqa: S101 - those without are left out above
        message, help = error.message, error.help
        if isinstance(error, SpecError):
            first = error.report.diagnostics[0]
            message, help = first.message, first.help or f"`agentrun validate {one.document.path}` says more"
        tell_error(f"{one.document.name}: {message}", help)
    return made, bool(failures)


# -- text ---------------------------------------------------------------------------------------------------


def _print(found: Reading, scope: Scope, listed: list[Described]) -> None:
    from agentrun.cli.columns import in_columns, terminal_width
    from agentrun.cli.toolbox.source import cut

    if not listed and scope.agent is not None:
        click.echo(f"{scope.agent.name} has no tools")
        return
    rows = [
        [one["name"], cut(one["source"]), _effects(one), _approval(scope, one), _description(one)] for one in listed
    ]
    for line in in_columns(_HEADER, rows, terminal_width()):
        click.echo(line)


def _description(tool: Described) -> str:
    backend = tool["backend"]
    if backend["kind"] == "mcp" and "tool" not in backend:
        told = "the tools of a server: --connect lists them"
        return f"{tool['description']} ({told})" if tool["description"] else told
    if backend["kind"] == "openapi" and backend.get("problem"):
        return str(backend["problem"])
    return one_line(str(tool["description"]), _DESCRIPTION_CHARS)


def _effects(tool: Described) -> str:
    backend = tool["backend"]
    if backend["kind"] == "handoff":
        return "hands over"
    if tool["read_only"] is None:
        return "each its own"
    words = ["read-only" if tool["read_only"] else "changes"]
    if tool["idempotent"] and not tool["read_only"]:
        words.append("idempotent")
    if tool["untrusted_output"]:
        words.append("untrusted")
    return ", ".join(words)


def _approval(scope: Scope, tool: Described) -> str:
    """What decides about a call: of an agent the first of its rules that matches, else the tool."""
    for number, rule in enumerate(scope.agent.spec.permissions if scope.agent is not None else (), 1):
        action = next(name for name in ("deny", "ask", "allow") if getattr(rule, name) is not None)
        if fnmatchcase(tool["name"], getattr(rule, action)):
            return f"{action} (rule {number})" if rule.when is None else f"rule {number}"
    written = str(tool["require_approval"])
    return "{{ … }}" if "{{" in written else written
