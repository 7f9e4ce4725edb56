"""`agentrun tools`: list the project's tools, and call one by hand."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from agentrun.cli import options
from agentrun.cli.options import (
    approve_option,
    args_option,
    env_file_option,
    model_option,
    tools_option,
    verbose_option,
)
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.discovery import find_root
from agentrun.engine.events import Event
from agentrun.errors import UsageError
from agentrun.project import Project, read_project
from agentrun.spec.catalog import Document
from agentrun.visible import visible

EXIT_FAILED = 1


@click.group("tools", short_help="List and call tools.")
def command() -> None:
    """List the tools of the project, and call one by hand.

    \b
    Examples:
      agentrun tools list
      agentrun tools call get_weather --arg city=Oslo
    """


# -- list ---------------------------------------------------------------------------------------------------


@command.command("list", short_help="List the project's tools.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: one line a tool; json: all that is known of each. Example: --format json",
)
@tools_option
@env_file_option
def list_command(output_format: str, tools: tuple[Path, ...], env_file: Path | None) -> int:
    """List the tools of the current folder's project: what each does and what it may change.

    Tools that are written inside an agent are shown by `agentrun inspect`. A variable without a value is no error here.

    \b
    Examples:
      agentrun tools list
      agentrun tools list --format json
    """
    from agentrun.cli.columns import in_columns, terminal_width
    from agentrun.cli.describe import describe_tool
    from agentrun.cli.unset import read_for_people

    environ = options.environment(env_file)
    found = read_for_people(lambda variables: _all_tools(variables, tools), environ)
    described = found.mask.data([describe_tool(found.project, one, environ) for one in found.documents])
    if output_format == "json":
        click.echo(json.dumps({"version": 1, "tools": described}, indent=2, ensure_ascii=False))
        return 0
    header = ["NAME", "BACKEND", "EFFECTS", "APPROVAL", "DESCRIPTION"]
    rows = [
        [one["name"], one["backend"]["kind"], _effects(one), _approval(one["require_approval"]), one["description"]]
        for one in described
    ]
    for line in in_columns(header, rows, terminal_width()):
        click.echo(line)
    return 0


def _effects(tool: Mapping[str, Any]) -> str:
    words = ["read-only" if tool["read_only"] else "changes"]
    if tool["idempotent"] and not tool["read_only"]:
        words.append("idempotent")
    if tool["untrusted_output"]:
        words.append("untrusted")
    return ", ".join(words)


def _approval(written: str) -> str:
    return "{{ … }}" if "{{" in written else written


def _all_tools(environ: Mapping[str, str], folders: Sequence[Path]) -> tuple[Project, list[Document]]:
    project = _project(environ, folders)
    if not project.catalog.tools and not project.unreadable:
        raise UsageError(
            f"there are no tools in `{project.root}`", help="tools stand in tools.d/: `agentrun init` makes a project"
        )
    return project, [project.catalog.tools[name] for name in sorted(project.catalog.tools)]


def _project(environ: Mapping[str, str], folders: Sequence[Path]) -> Project:
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
    return read_project(find_root(Path.cwd()), environ, tools=folders)


# -- call ---------------------------------------------------------------------------------------------------


def _complete_tool(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = sorted(_project(os.environ, ctx.params.get("tools") or ()).catalog.tools)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@command.command("call", short_help="Call one tool.")
@click.argument("name", shell_complete=_complete_tool)
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="K=V",
    help="An argument of the tool; read as JSON where its parameter is no text; repeatable. Example: --arg city=Oslo",
)
@args_option
@model_option
@approve_option
@tools_option
@env_file_option
@verbose_option
def call_command(
    name: str,
    pairs: tuple[str, ...],
    arguments: str | None,
    model: str | None,
    approve: tuple[str, ...],
    tools: tuple[Path, ...],
    env_file: Path | None,
    verbose: bool,
) -> int:
    """Call the tool NAME as a model would and print the result as the model would get it.

    The exit code is 1 where the result is an error. You make this call, so `require_approval` is not asked; where the
    tool is an agent, --model and --approve are for that agent and the calls that it makes. Example of NAME: get_weather

    \b
    Examples:
      agentrun tools call get_weather --arg city=Oslo --verbose
      agentrun tools call refund_order --args '{"order_id": "1042", "amount": 5}'
      agentrun tools call researcher --arg input="How is a call approved?" --model offline
    """
    from agentrun.cli.bug import hide_secrets
    from agentrun.cli.colors import Painter
    from agentrun.cli.columns import line_width
    from agentrun.cli.one_call import call_once
    from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, interruptible
    from agentrun.engine.approval import StandingApprover
    from agentrun.observers.console import Console
    from agentrun.observers.exchange import ExchangeConsole
    from agentrun.resolve import resolve_tool

    environ = options.environment(env_file)
    project = _project(environ, tools)
    exchanges = ExchangeConsole(_write_stderr, Painter(sys.stderr)) if verbose else None
    tool, masker = resolve_tool(project, _find(project, name), environ, model=model, on_exchange=exchanges)
    hide_secrets(masker.text)
    given = options.collect_arguments(pairs, arguments, tool.function.parameters)
    columns = partial(line_width, sys.stderr)
    console = Console(None, _write_stderr, Painter(sys.stderr), columns=columns, is_terminal=sys.stderr.isatty())

    def watch(event: Event) -> None:
        if event.parent_run_id:  # the calls of an agent behind the tool
            console(event)

    approver = StandingApprover(approve)
    work = call_once(tool, json.dumps(given, ensure_ascii=False), mask=masker, approver=approver, emit=watch)
    try:
        result = asyncio.run(interruptible(work))
    except Terminated as ended:
        return ended.exit_code
    if result is None:
        return EXIT_INTERRUPTED
    text = visible(result.text) if sys.stdout.isatty() else result.text
    click.echo(text, nl=not text.endswith("\n"))
    return EXIT_FAILED if result.is_error else 0


def _write_stderr(text: str) -> None:
    click.echo(text, err=True, nl=False)


def _find(project: Project, name: str) -> Document:
    from agentrun.resolve import check_runnable

    known = project.catalog.tools
    if name in known:
        return known[name]
    check_runnable(project, [])  # a file that can't be read may hold it
    if any(base.kind == "tool" and base.name == name for base in project.catalog.bases):
        raise UsageError(f"`{name}` is a base: it is used through `extends` only")
    otherwise = f"tools here: {one_of(sorted(known))}" if known else "no tools were found here: they stand in tools.d/"
    raise UsageError(f"there is no tool `{name}`", help=did_you_mean(name, known, otherwise))
