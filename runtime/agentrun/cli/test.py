"""`agentrun test`: the cases of test files, run and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from agentrun.cli.cases.output import Wording
from agentrun.cli.cases.run import Asked, list_cases, run
from agentrun.cli.options import env_file_option, environment, model_option, tools_option
from agentrun.cli.output_files import output_files
from agentrun.errors import UsageError
from agentrun.testing.reports import REPORTS
from agentrun.testing.runner import Manner
from agentrun.testing.selection import Wish
from agentrun.visible import visible


@click.command("test", short_help="Run the test cases of agents.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-k",
    "words",
    multiple=True,
    metavar="EXPR",
    help="Cases with these words in their name, file or tags. Example: -k 'refund and not (slow or live)'",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Cases with this tag; repeatable. Example: --tag smoke"
)
@click.option(
    "--last-failed", "--lf", is_flag=True, help="Cases that did not pass the last time, if there are any. Example: --lf"
)
@click.option("--list", "lists", is_flag=True, help="Show the cases that would be run. Example: --list -k refund")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    metavar="N",
    help="How many cases run at once. Example: -j 2",
)
@click.option("-x", "--fail-fast", is_flag=True, help="End with the first case that fails. Example: -x")
@click.option("--no-live", is_flag=True, help="Skip the cases that ask a real model. Example: --no-live")
@click.option(
    "--repeat",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="Attempts at each live case; all others give the same every time, and are run once. Example: --repeat 10",
)
@model_option
@click.option(
    "--cassettes",
    type=click.Choice(["replay", "record", "auto"]),
    default="replay",
    show_default=True,
    help="record: ask the real model, and write them anew; auto: where there is none. Example: --cassettes auto",
)
@click.option(
    "--watch", "watches", is_flag=True, help="Run what a change of a file concerns, again and again. Example: --watch"
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(REPORTS)),
    default="text",
    show_default=True,
    help="How results are printed. Example: --format junit",
)
@click.option(
    "--output-file",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help="Write a report to a file as well; repeatable. Example: --output-file html=report.html",
)
@click.option("--coverage", is_flag=True, help="Tell what of the agents no case has used. Example: --coverage")
@click.option("-v", "--verbose", is_flag=True, help="Show what happened in cases that passed, too. Example: -v")
@click.option("-q", "--quiet", is_flag=True, help="Show no line for cases that passed or were skipped. Example: -q")
@click.option(
    "--from-session",
    "session",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run nothing, and write a test of a recorded conversation. Example: --from-session refund.cassette.yaml",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where that test is written; default: tests/, by the recording's name. Example: --into tests/refund.test.yaml",
)
@tools_option
@env_file_option
def command(paths: tuple[Path, ...], env_file: Path | None, tools: tuple[Path, ...], **options: Any) -> int:
    """Run test cases: those of the project of the current folder, or of PATHS.

    PATHS are test files, folders or globs, or FILE::CASE for one case. All files that the cases need are checked first.
    Cases with a script or a cassette need no key and no network. The exit code is 0 where all passed, 1 where one
    failed, 2 for bad usage, 3 for invalid files, 4 where nothing failed but something could not be measured.

    \b
    Examples:
      agentrun test
      agentrun test tests/support.test.yaml -k refund -v
      agentrun test "tests/support.test.yaml::refunds a paid order"
      agentrun test --no-live --output-file junit=results.xml
      agentrun test --from-session refund.cassette.yaml
    """
    if options["session"] is not None:
        return _write_test(options["session"], options["into"], environment(env_file), tools)
    if options["into"] is not None:
        raise UsageError("`--into` says where `--from-session` writes", help="add `--from-session FILE`")
    wording = Wording(
        options["output_format"],
        output_files(options["outputs"], REPORTS),
        quiet=options["quiet"],
        verbose=options["verbose"],
    )
    manner = Manner(
        at_once=options["jobs"],
        repeat=options["repeat"],
        fail_fast=options["fail_fast"],
        no_live=options["no_live"],
    )
    asked = Asked(
        paths,
        environment(env_file),
        tools,
        options["model"],
        Wish(_expression(options["words"]), options["tags"]),
        options["last_failed"],
        manner,
        options["cassettes"],
        options["coverage"],
        wording,
    )
    _refuse_what_does_nothing(asked, lists=options["lists"], watches=options["watches"])
    if options["lists"]:
        return list_cases(asked)
    if options["watches"]:
        from agentrun.cli.cases.watch import watch

        return watch(asked)
    return run(asked)


def _write_test(session: Path, into: Path | None, environ: Mapping[str, str], tools: Sequence[Path]) -> int:
    import asyncio

    from agentrun.cli.session_tests import Place, root_for, save_recording, told

    if _given_beside("session", "into", "tools", "env_file"):
        raise UsageError(
            "`--from-session` writes a test, and runs nothing else",
            help="beside it stand `--into`, `--tools` and `--env-file` alone",
        )
    place = Place(root_for(session, into), environ, tools)
    for line in told(asyncio.run(save_recording(session, into, place))):
        click.echo(visible(line))
    return 0


def _given_beside(*known: str) -> bool:
    """Whether an option that is not known was written on the command line."""
    context = click.get_current_context()
    written = (name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    return any(name not in known for name in written)


def _expression(written: Sequence[str]) -> str | None:
    if len(written) > 1:
        given = " ".join(f"-k '{one}'" for one in written)
        help = f"say in one what is meant: -k '({written[0]}) and ({written[1]})', or with `or`"
        raise UsageError(f"`-k` is given {len(written)} times: {given}", help=help)
    return written[0] if written else None


def _refuse_what_does_nothing(asked: Asked, *, lists: bool, watches: bool) -> None:
    wording = asked.wording
    if wording.quiet and wording.verbose:
        raise UsageError("`-q` and `-v` don't go together")
    if lists and (watches or wording.files or wording.format != "text"):
        raise UsageError("`--list` runs nothing, so there is nothing to report or to watch")
    if watches and wording.format != "text":
        raise UsageError("`--watch` is for people: it prints text", help="write reports with `--output-file`")
    if watches and asked.manner.fail_fast:
        raise UsageError(
            "`--watch` and `-x` don't go together: what was not run would be run by no change", help="take `-x` out"
        )
    if asked.cassettes == "record" and watches:
        raise UsageError("`--watch` would record again and again", help="use `--cassettes auto`, or record first")
    if asked.cassettes != "replay" and asked.manner.fail_fast:
        raise UsageError(
            "`-x` would leave recordings that are not whole", help="take it out where cassettes are recorded"
        )
