"""`agentrun import`: the agents of another program's file as files of a project."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agentrun.cli.importing.writing import EXIT_LEFT, force_option, remarks, tell_left
from agentrun.cli.standard_input import STDIN
from agentrun.discovery import display, refuse_pipe
from agentrun.errors import UsageError, reason_of
from agentrun.foreign.converted import Converted, NewFile, refuse_broken, write_new
from agentrun.foreign.source import BOUNDS
from agentrun.visible import in_a_line

_FORMATS = ("cagent", "agent-spec")


@click.command("import", short_help="Make a project of the agents of another program.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "format",
    type=click.Choice(_FORMATS),
    help="What the file is; default: as it looks. Example: --from cagent",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    metavar="DIR",
    help="The project's folder; default: the current one. Example: --output imported",
)
@force_option
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the files, and write none. Example: --stdout")
def command(file: Path, format: str | None, output: Path, force: bool, to_stdout: bool) -> int:
    """Make agents/ and tools.d/ of a file that Docker cagent (docker agent) or Oracle Agent Spec reads, YAML or JSON.

    FILE may be `-` for standard input. What can be expressed is written; what can't is listed with its line and why.
    No credential is written: variables take its place, and are told. Exits with 0, with 1 where something was left,
    with 2 where FILE is of neither format or a file is in the way, with 3 where it can't be read.

    \b
    Examples:
      agentrun import cagent.yaml
      agentrun import agent_spec.json --output imported
      agentrun import team.yaml --stdout
    """
    from agentrun.foreign.importing import convert

    shown = "standard input" if file == STDIN else display(file)
    converted = convert(shown, _content(file), format)
    if not converted.files:
        tell_left(converted.left, shown)
        raise UsageError(f"`{shown}` has no agent that can be expressed", help="nothing was written")
    if to_stdout:
        refuse_broken(converted.files)
        click.echo("".join(_printed(converted.files)), nl=False)
    else:
        for path in write_new(converted, output, force=force):
            click.echo(f"{in_a_line(display(path))} is written")
    sys.stdout.flush()
    tell_left(converted.left, shown)
    for line in _remarks(converted, output, to_stdout=to_stdout):
        click.echo(in_a_line(line), err=to_stdout)
    return EXIT_LEFT if converted.left else 0


def _content(file: Path) -> bytes:
    """No more than what is needed to see that it is too much."""
    if file == STDIN:
        return sys.stdin.buffer.read(BOUNDS.bytes + 1)
    try:
        refuse_pipe(file)
        with file.open("rb") as stream:
            return stream.read(BOUNDS.bytes + 1)
    except OSError as error:
        raise UsageError(f"`{file}` can't be read: {reason_of(error)}") from None


def _printed(files: list[NewFile]) -> Iterator[str]:
    """Each file below a comment with its name."""
    for number, one in enumerate(files):
        yield f"{'---' if number else ''}\n".lstrip("\n") + f"# {one.path}\n{one.text}"


def _remarks(converted: Converted, output: Path, *, to_stdout: bool) -> Iterator[str]:
    yield from remarks(converted)
    if not to_stdout:
        first = next(one.path for one in converted.files if one.path.startswith("agents/"))
        name = first.removeprefix("agents/").removesuffix(".yaml")
        where = "" if output == Path() else f"cd {shlex.quote(str(output))} && "
        yield f"next: {where}agentrun validate && agentrun chat {name}"
