"""`agentrun run`: one run. stdout is the answer alone; everything else is stderr.

What runs is imported when it does: help and completion need the options alone.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
from agentrun.cli.tracing import Tracing, tracing_options
from agentrun.errors import UsageError

if TYPE_CHECKING:
    from agentrun.engine.outcome import Outcome

EXIT_ENDED_OTHERWISE = 1
EXIT_MODEL_FAILED = 4
EXIT_UNANSWERED = 5


@click.command("run", short_help="Run an agent once.")
@agent_argument
@click.argument("text", required=False)
@arg_option
@args_option
@click.option(
    "--output",
    "output",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    show_default=True,
    help="text: the answer; json: how the run ended; jsonl: every event. Example: --output jsonl",
)
@click.option(
    "--attach",
    "attach",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that goes with TEXT: an image, a PDF or a text file; repeatable. Example: --attach invoice.pdf",
)
@approve_option
@model_option
@tools_option
@env_file_option
@record_option
@replay_option
@tracing_options
@click.option("-q", "--quiet", is_flag=True, help="Show no tool calls on stderr. Example: run support -q 'Hi'")
@verbose_option
def command(
    agent: str,
    text: str | None,
    pairs: tuple[str, ...],
    arguments: str | None,
    output: str,
    attach: tuple[Path, ...],
    approve: tuple[str, ...],
    model: str | None,
    tools: tuple[Path, ...],
    env_file: Path | None,
    record: Path | None,
    replay: Path | None,
    trace: Path | None,
    trace_content: bool,
    otel: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run AGENT once and print its answer.

    AGENT is a file, or a name below agents/. TEXT is its input; without TEXT and arguments it is read from stdin.
    The exit code is 0 for an answer, 1 where the run ended for another reason, 2 for bad usage, 3 for invalid files,
    4 where the model service failed, 5 where a call was refused because nobody could answer.

    \b
    Examples:
      agentrun run support "Where is order 1042?" --model offline
      echo "Refund order 1042" | agentrun run support --approve refund_order
      agentrun run extract_invoice --output json < invoice.txt
      agentrun run extract_invoice "What is the total?" --attach invoice.pdf
      agentrun run support "Where is order 1042?" --record order.cassette.yaml
    """
    import asyncio

    from agentrun import api
    from agentrun.attachments import read_attachments
    from agentrun.cli.bug import hide_secrets
    from agentrun.cli.taping import Taping
    from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, interruptible
    from agentrun.cli.watcher import Watcher, write_stderr
    from agentrun.engine.approval import StandingApprover
    from agentrun.engine.attached import described
    from agentrun.resolve import resolve
    from agentrun.visible import in_a_line

    taping = Taping(record, replay)
    files = read_attachments(attach)
    environ = options.environment(env_file)
    tracing = Tracing(trace, content=trace_content, otel=otel, environ=environ)
    watcher = Watcher(output, quiet=quiet, verbose=verbose, tracing=tracing)
    project, document = api.find_agent(agent, environ, tools=tools)
    model = taping.model(model)
    loaded = resolve(project, document, environ, model=model, on_exchange=watcher.exchanges, stage=taping.stage)
    hide_secrets(loaded.mask.text)
    tracing.knows(lambda: project, lambda: model)
    options.warn_of_idle_approvals(loaded, approve)
    given = options.collect_arguments(pairs, arguments, loaded.parameters)
    if text is None and not given and not sys.stdin.isatty():
        text = _read_stdin()
    whole = given if text is None else {**given, api.input_parameter(loaded): text}
    if files and not quiet:
        write_stderr(in_a_line(f"attached: {', '.join(map(described, files))}") + "\n")
    journal = taping.open(loaded, model, whole)
    approver = taping.approver(StandingApprover(approve))
    run = api.run(
        loaded,
        text,
        args=given,
        attachments=[part for one in files for part in one.parts],
        emit=watcher,
        approver=approver,
        journal=journal,
        date=taping.date,
    )
    try:
        outcome = asyncio.run(api.closing(loaded, interruptible(run)))
        if output == "text" and outcome is not None and outcome.text:
            _show_answer(outcome.text)
    except Terminated as ended:
        return ended.exit_code
    finally:  # what can't be written costs no answer
        tracing.close()
        taping.save()
    if outcome is None:
        return EXIT_INTERRUPTED
    return exit_code(outcome, unanswered=watcher.unanswered)


def exit_code(outcome: Outcome, *, unanswered: bool) -> int:
    """What a run's end means for a script (language.md, section 8)."""
    if outcome.reason == "model_error":
        return EXIT_MODEL_FAILED
    if not outcome.ended_well:
        return EXIT_ENDED_OTHERWISE
    return EXIT_UNANSWERED if unanswered else 0


def _show_answer(text: str) -> None:
    """At a terminal laid out, as in a chat; elsewhere as it is."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from agentrun.cli.colors import Painter
    from agentrun.cli.columns import line_width
    from agentrun.observers.answer import TerminalAnswer

    paint = Painter(sys.stdout)
    shown: list[str] = []
    answer = TerminalAnswer(shown.append, partial(line_width, sys.stdout), paint, styled=paint.on)
    answer.feed(text)
    answer.end()
    click.echo("".join(shown), nl=False)


def _read_stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8: {error}") from None
    if not text:
        raise UsageError("there is no input", help="pass a text, or `--arg NAME=VALUE`, or write to stdin")
    return text
