"""`agentrun chat`: a conversation, from a terminal or a pipe.

At a terminal everything is shown in one column. From a pipe each line is a user message; answers go to stdout, all
else to stderr, and nobody can be asked for approval.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from agentrun.cli import options
from agentrun.cli.options import (
    agent_argument,
    approve_option,
    arg_option,
    args_option,
    env_file_option,
    model_option,
    record_option,
    replay_option,
    tools_option,
    verbose_option,
)


@click.command("chat", short_help="Talk to an agent.")
@agent_argument
@arg_option
@args_option
@approve_option
@model_option
@tools_option
@env_file_option
@record_option
@replay_option
@verbose_option
def command(
    agent: str,
    pairs: tuple[str, ...],
    arguments: str | None,
    approve: tuple[str, ...],
    model: str | None,
    tools: tuple[Path, ...],
    env_file: Path | None,
    record: Path | None,
    replay: Path | None,
    verbose: bool,
) -> int:
    """Talk to AGENT: a file, or a name below agents/.

    Without a terminal on stdin each line of it is a message, and the conversation ends with the input. In the
    conversation, /help lists what else can be typed; Ctrl-C ends a turn, Ctrl-D the conversation.

    \b
    Examples:
      agentrun chat support
      agentrun chat support --model offline
      agentrun chat support --record refund.cassette.yaml
      printf 'Where is order 1042?\\n' | agentrun chat support --model offline
    """
    from agentrun.cli.loading import Loader
    from agentrun.cli.talk.conversation import Conversation
    from agentrun.cli.talk.keeper import Keeper
    from agentrun.cli.talk.screen import Screen
    from agentrun.cli.talk.talk import Talk
    from agentrun.cli.taping import Taping

    taping = Taping(record, replay)
    environ = options.environment(env_file)
    loader = Loader(agent, environ, tools, taping.stage)
    model = taping.model(model)
    screen = Screen(interactive=sys.stdin.isatty(), verbose=verbose)
    talk = Talk(loader, model, {}, screen, taping, Keeper())
    options.warn_of_idle_approvals(talk.first, approve)
    talk.arguments = options.collect_arguments(pairs, arguments, talk.first.parameters)
    return asyncio.run(Conversation(talk, approve).talk())
