"""What the commands of `agentrun tools import` do with what they made: write it or print it, and tell the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from agentrun.cli import tell_warning
from agentrun.diagnostics import counted
from agentrun.discovery import display, find_root
from agentrun.errors import UsageError
from agentrun.foreign.converted import Converted, Left, refuse_broken, write_new
from agentrun.visible import in_a_line

EXIT_LEFT = 1
_MAX_NAMED = 3  # operations of one line

F = TypeVar("F", bound=Callable[..., Any])

stdout_option = click.option(
    "--stdout", "to_stdout", is_flag=True, help="Print the YAML, and write no file. Example: --stdout"
)
force_option = click.option("--force", is_flag=True, help="Write over files that are there. Example: --force")


def writing_options(example: str) -> Callable[[F], F]:
    """`--output`, `--stdout` and `--force`; `example` is a file."""
    output = click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"The file to write; default: tools.d/NAME.yaml of the project. Example: --output {example}",
    )
    return lambda command: output(stdout_option(force_option(command)))


class OfACommand(click.Command):
    """Takes a command line behind `--`. Without that its options would be taken for those of agentrun."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            message = f"`{error.option_name}` is no option of `{ctx.command_path}`"
            raise UsageError(
                message, help=f"write `--` before a command that has options: {ctx.command_path} -- …"
            ) from None


class Target(msgspec.Struct, frozen=True):
    """Where files go: below `folder`. `file` is the one that was named; None: each has a name of its own."""

    folder: Path
    file: Path | None = None

    @property
    def file_name(self) -> str | None:
        return None if self.file is None else self.file.name

    def path_of(self, name: str) -> Path:
        """The file of a tool or set of this name."""
        return self.file or self.folder / "tools.d" / f"{name}.yaml"


def target_of(output: Path | None) -> Target:
    if output is not None:
        return Target(output.parent, output)
    here = Path.cwd()
    root = find_root(here)
    return Target(Path() if root == here.resolve() else root)


def finish(
    converted: Converted, target: Target, *, source: str, to_stdout: bool, force: bool, next_steps: Iterable[str]
) -> int:
    """Write the files, or print them, and tell the rest. `source` is what they were made of, as a person calls it.

    The exit code: 1 where something could not be expressed.
    """
    if to_stdout:
        refuse_broken(converted.files)
        click.echo("---\n".join(one.text for one in converted.files), nl=False)
    else:
        for path in write_new(converted, target.folder, force=force):
            click.echo(f"{in_a_line(display(path))} is written")
    sys.stdout.flush()
    tell_left(converted.left, source)
    for line in remarks(converted):
        click.echo(in_a_line(line), err=to_stdout)
    for line in next_steps if not to_stdout else ():
        click.echo(in_a_line(line))
    return EXIT_LEFT if converted.left else 0


def tell_left(left: Sequence[Left], source: str) -> None:
    """What could not be expressed, on stderr: one line for what many have alike."""
    if not left:
        return
    tell_warning(f"{counted(len(left), 'thing')} could not be expressed:")
    alike: dict[tuple[int, str, str], list[str]] = {}
    for one in left:
        alike.setdefault((one.line, one.what, one.why), []).append(one.of)
    for (line, what, why), owners in alike.items():
        place = f"{source}:{line}" if line else source
        told = [one for one in owners[:_MAX_NAMED] if one]
        if len(owners) > _MAX_NAMED:
            told.append(f"{len(owners) - _MAX_NAMED} others")
        click.echo(in_a_line(f"{place}: {', '.join(told)}{': ' if told else ''}{what}: {why}"), err=True)


def remarks(converted: Converted) -> Iterator[str]:
    yield from (f"note: {one}" for one in converted.notes)
    if converted.variables:
        yield "to be set:"
        yield from (f"  {one}" for one in converted.variables)
