"""`-` on a command line: the content of one file, from standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from agentrun.errors import UsageError

STDIN = Path("-")

stdin_filename_option = click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `-` on the command line is the content of. Example: - --stdin-filename agents/support.yaml",
)


class Piped(msgspec.Struct, frozen=True):
    """What stands on standard input, and the file that it is the content of."""

    path: Path
    content: bytes


def read_stdin(paths: Sequence[Path], name: Path | None) -> Piped | None:
    """What `-` stands for; None where no path is `-`. `name` is the value of `--stdin-filename`."""
    if STDIN not in paths:
        if name is not None:
            raise UsageError("`--stdin-filename` goes with `-`", help="write `-` in the place of the file")
        return None
    if name is None:
        raise UsageError(
            "`-` reads a file from standard input, and its name is not known",
            help="add `--stdin-filename agents/NAME.yaml`",
        )
    if name.is_dir():
        raise UsageError(f"`--stdin-filename {name}` is a folder", help="name the file that `-` is the content of")
    return Piped(name, sys.stdin.buffer.read())
