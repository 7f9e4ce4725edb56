"""`agentrun tools call`: one call by hand, as a model would make it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentrun.cli import options
from agentrun.cli.options import (
    approve_option,
    args_option,
    env_file_option,
    model_option,
    tools_option,
    verbose_option,
)
from agentrun.cli.toolbox.finding import Found, Scope, agent_option, complete_tool, find, operation_names, read_scope
from agentrun.diagnostics import one_of
from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.engine.ports import (
    ApprovalAnswer,
    ApprovalQuestion,
    Approver,
    ElicitationAnswer,
    ElicitationQuestion,
)
from agentrun.errors import UsageError
from agentrun.visible import visible

if TYPE_CHECKING:
    from agentrun.cli.grant import Offer

EXIT_FAILED = 1


@click.command("call", short_help="Call one tool.")
@click.argument("name", shell_complete=complete_tool)
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="K=V",
    help="An argument of the tool; read as JSON where its parameter is no text; repeatable. Example: --arg city=Oslo",
)
@args_option
@agent_option
@model_option
@approve_option
@tools_option
@env_file_option
@verbose_option
def command(
    name: str,
    pairs: tuple[str, ...],
    arguments: str | None,
    agent: str | None,
    model: str | None,
    approve: tuple[str, ...],
    tools: tuple[Path, ...],
    env_file: Path | None,
    verbose: bool,
) -> int:
    """Call the tool NAME as a model would and print the result as the model would get it.

    NAME may be a member of a set, such as github_search: its server is started, or connected to, and ended after the
    call. The exit code is 1 where the result is an error. You make this call, so `require_approval` is not asked; where
    the tool is an agent, --model and --approve are for that agent and the calls that it makes. What a server asks
    meanwhile is asked at the terminal. Example of NAME: get_weather

    \b
    Examples:
      agentrun tools call get_weather --arg city=Oslo --verbose
      agentrun tools call refund_order --args '{"order_id": "1042", "amount": 5}'
      agentrun tools call researcher --arg input="How is a call approved?" --model offline
    """
    from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, interruptible

    environ = options.environment(env_file)
    scope = read_scope(environ, tools, agent)
    wanted = find(scope, name)
    if wanted.member is None and wanted.document.is_set:
        raise _is_a_set(scope, wanted)
    given = (pairs, arguments)
    try:
        result = asyncio.run(interruptible(_call(scope, wanted, environ, given, model, approve, verbose=verbose)))
    except Terminated as ended:
        return ended.exit_code
    return EXIT_INTERRUPTED if result is None else result


def _is_a_set(scope: Scope, wanted: Found) -> UsageError:
    name = wanted.document.name
    members = operation_names(scope, wanted.document)
    help = f"its tools: {one_of(members)}" if members else "`agentrun tools list --connect` lists its tools"
    return UsageError(f"`{name}` is a set of tools: call one of them", help=help)


async def _call(
    scope: Scope,
    wanted: Found,
    environ: Mapping[str, str],
    given: tuple[tuple[str, ...], str | None],
    model: str | None,
    approve: tuple[str, ...],
    *,
    verbose: bool,
) -> int:
    from agentrun.cli.bug import hide_secrets
    from agentrun.cli.colors import Painter
    from agentrun.cli.one_call import call_once
    from agentrun.cli.toolbox.connecting import members_of
    from agentrun.cli.toolbox.showing import chosen
    from agentrun.engine.approval import StandingApprover
    from agentrun.observers.exchange import ExchangeConsole
    from agentrun.resolve import resolve_tools

    exchanges = ExchangeConsole(_write_stderr, Painter(sys.stderr)) if verbose else None
    bound = resolve_tools(scope.project, wanted.document, environ, model=model, on_exchange=exchanges)
    hide_secrets(bound.mask.text)
    try:
        members = await members_of(bound)
        tool = members[0] if wanted.member is None else chosen(members, wanted, bound.mask)
        arguments = options.collect_arguments(*given, tool.function.parameters)
        result = await call_once(
            tool,
            json.dumps(arguments, ensure_ascii=False),
            mask=bound.mask,
            approver=StandingApprover(approve, _person()),
            emit=_Watcher(),
        )
    finally:
        await bound.close()
    text = visible(result.text) if sys.stdout.isatty() else result.text
    click.echo(text, nl=not text.endswith("\n"))
    return EXIT_FAILED if result.is_error else 0


class _Watcher:
    """Shows what an agent behind the tool does, and how far the call is."""

    def __init__(self) -> None:
        from agentrun.cli.colors import Painter
        from agentrun.cli.columns import line_width
        from agentrun.observers.console import Console

        columns = partial(line_width, sys.stderr)
        is_terminal = sys.stderr.isatty()
        self._console = Console(None, _write_stderr, Painter(sys.stderr), columns=columns, is_terminal=is_terminal)

    def __call__(self, event: Event) -> None:
        if event.parent_run_id or isinstance(event, events.ToolProgress):
            self._console(event)


def _person() -> Approver | None:
    """Who answers what a server asks: the person at the terminal, if there is one."""
    return _AtTheTerminal() if sys.stdin.isatty() and sys.stderr.isatty() else None


class _AtTheTerminal:
    """Gives a server what it asks for. Calls of an agent behind the tool are approved with `--approve` only: whoever
    wants to be asked about them talks to the agent.
    """

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        return ApprovalAnswer(False, "nobody", "nobody could be asked")

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        from agentrun.cli.approve import TerminalApprover
        from agentrun.cli.columns import line_width

        person = TerminalApprover(_write_stderr, _read_line, _no_rule, partial(line_width, sys.stderr))
        return await person.elicit(question)


async def _read_line(prompt: str) -> str | None:
    """What the person types; None where they leave. It stands on stderr: stdout is the result's."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    session: PromptSession[str] = PromptSession(output=create_output(sys.stderr))
    try:
        return await session.prompt_async(prompt)
    except (EOFError, KeyboardInterrupt):
        return None


def _no_rule(question: ApprovalQuestion) -> Offer:
    from agentrun.cli.permit import NoRule

    raise NoRule("no rule is written here")


def _write_stderr(text: str) -> None:
    click.echo(text, err=True, nl=False)
