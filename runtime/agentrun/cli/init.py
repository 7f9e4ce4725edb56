"""`agentrun init`: a new project that validates, runs and passes its tests. Never writes over a file that is there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from agentrun.cli.schema import KINDS, schema_text
from agentrun.cli.starter import FILES, SCHEMAS
from agentrun.diagnostics import one_of
from agentrun.errors import UsageError, reason_of


@click.command("init", short_help="Make a new project that validates and runs.")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> int:
    """Make a project in DIR, or in the current folder: an agent, three tools, a test.

    It runs at once with `--model offline`. DIR may hold other files; where one of the new files is already there,
    nothing is written. Example of DIR: demo

    \b
    Examples:
      agentrun init demo
      mkdir demo && cd demo && agentrun init
    """
    written = make_project(folder)
    click.echo(f"{len(written)} files are new in {_shown(folder)}:")
    for name in written:
        click.echo(f"  {name}")
    click.echo("\nNext:")
    for line in _next_steps(folder):
        click.echo(f"  {line}")
    return 0


def make_project(folder: Path) -> list[str]:
    """Write the files of a new project; their names. Raises `UsageError` before anything is written."""
    files = FILES | {f"{SCHEMAS}/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    there = dict.fromkeys(found for name in files if (found := _in_the_way(folder, name)))
    if there:
        raise UsageError(
            f"{_shown(folder)} already holds {one_of(there)}",
            help="nothing was written: name a new folder, such as `agentrun init demo`",
        )
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:  # `x`: never over a file that appeared meanwhile
                file.write(text)
    except OSError as error:
        raise UsageError(f"`{error.filename or folder}` can't be written: {reason_of(error)}") from None
    return list(files)


def _in_the_way(folder: Path, name: str) -> str | None:
    """What is already there, by its name in the folder: the file, or a file where it needs a folder."""
    for above in reversed(Path(name).parents[:-1]):
        if (folder / above).exists() and not (folder / above).is_dir():
            return str(above)
    return name if os.path.lexists(folder / name) else None


def _shown(folder: Path) -> str:
    return "the current folder" if folder == Path() else f"`{folder}`"


def _next_steps(folder: Path) -> list[str]:
    enter = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    return [
        *enter,
        "agentrun validate                      check every file",
        "agentrun test                          run the cases in tests/: no key, no network",
        "agentrun chat hello --model offline    talk to the agent: no key, no network",
        "agentrun inspect hello                 what it can do",
        "agentrun tools call current_time       run one tool by hand",
        "export OPENAI_API_KEY=…                then `agentrun chat hello` asks a real model",
    ]
