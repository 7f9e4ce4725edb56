"""`agentrun chat`: a conversation, from a terminal or a pipe, kept while it goes on or taken up again.

At a terminal everything is shown in one column. From a pipe each line is a user message; answers go to stdout, all
else to stderr, and nobody can be asked for approval.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agentrun.cli import options
from agentrun.cli.kept.completing import complete_session
from agentrun.cli.options import (
    approve_option,
    arg_option,
    args_option,
    env_file_option,
    model_option,
    optional_agent_argument,
    record_option,
    replay_option,
    tools_option,
    verbose_option,
)
from agentrun.cli.tracing import Tracing, tracing_options
from agentrun.errors import UsageError


@click.command("chat", short_help="Talk to an agent.")
@optional_agent_argument
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[ID]",
    shell_complete=complete_session,
    help="Take a session up again; without ID, one of the last to choose from. Example: --resume 3f2a",
)
@click.option(
    "--continue",
    "goes_on",
    is_flag=True,
    help="Take up the session that was changed last: of AGENT, or of the project. Example: --continue",
)
@click.option("--fork", is_flag=True, help="Go on with a copy of the session. Example: --continue --fork")
@click.option("--no-session", "unkept", is_flag=True, help="Keep nothing in the database. Example: --no-session")
@arg_option
@args_option
@approve_option
@model_option
@tools_option
@env_file_option
@record_option
@replay_option
@tracing_options
@verbose_option
def command(
    agent: str | None,
    resume: str | None,
    goes_on: bool,
    fork: bool,
    unkept: bool,
    pairs: tuple[str, ...],
    arguments: str | None,
    approve: tuple[str, ...],
    model: str | None,
    tools: tuple[Path, ...],
    env_file: Path | None,
    record: Path | None,
    replay: Path | None,
    trace: Path | None,
    trace_content: bool,
    otel: bool,
    verbose: bool,
) -> int:
    """Talk to AGENT: a file, or a name below agents/.

    Without a terminal on stdin each line of it is a message, and the conversation ends with the input. In the
    conversation, /help lists what else can be typed; Ctrl-C ends a turn, Ctrl-D the conversation.

    What is said is kept as a session, secrets masked: `agentrun sessions` lists, shows and deletes them. A session
    that is taken up again knows its agent, model and arguments; --model and --arg win over them.

    \b
    Examples:
      agentrun chat support
      agentrun chat support --model offline
      agentrun chat --continue
      agentrun chat --resume 3f2a --fork
      agentrun chat support --record refund.cassette.yaml
      printf 'Where is order 1042?\\n' | agentrun chat support --model offline
    """
    import asyncio

    from agentrun.cli.kept.agents import agent_file
    from agentrun.cli.kept.choosing import wanted, without_id
    from agentrun.cli.kept.forgetting import forgetting_old
    from agentrun.cli.kept.opening import Asked, open_keeper, take_up
    from agentrun.cli.loading import Loader
    from agentrun.cli.talk.conversation import Conversation
    from agentrun.cli.talk.screen import Screen
    from agentrun.cli.talk.talk import Talk
    from agentrun.cli.taping import Taping
    from agentrun.sessions.store import open_store

    agent, resume = without_id(agent, resume)
    asked = Asked(resume, goes_on, fork, unkept, "--record" if record else "--replay" if replay else "")
    asked.check()
    taping = Taping(record, replay)
    environ = options.environment(env_file)
    tracing = Tracing(trace, content=trace_content, otel=otel, environ=environ)
    loader = None if agent is None else Loader(agent, environ, tools, taping.stage)
    if loader is None and not asked.takes_up:
        raise UsageError("no agent is named", help="`agentrun chat AGENT`, or `--continue` with the last session")
    keeper = open_keeper(environ, asked)
    session = wanted(keeper.store, loader, id=resume, goes_on=goes_on) if asked.takes_up else None
    if session is not None:
        loader = loader or Loader(agent_file(session), environ, tools)
        model = model or session.model
    assert loader is not None  # noqa: S101 - an agent is named, or that of the session
    screen = Screen(interactive=sys.stdin.isatty(), verbose=verbose)
    talk = Talk(loader, taping.model(model), {}, screen, taping, keeper)
    options.warn_of_idle_approvals(talk.first, approve)
    talk.arguments = options.collect_arguments(pairs, arguments, talk.first.parameters)
    if session is not None:
        talk.arguments = {**session.arguments, **talk.arguments}
        take_up(talk, session, fork=fork)
    tracing.knows(lambda: talk.loader.project, lambda: talk.model, lambda: keeper.session)
    try:
        with forgetting_old(talk, lambda: open_store(environ)):
            code = asyncio.run(Conversation(talk, approve, tracing).talk())
    finally:
        tracing.close()
    if keeper.left and (talk.interactive or verbose):
        talk.say(f"to go on: agentrun chat --resume {keeper.left}", "dim")
    return code
