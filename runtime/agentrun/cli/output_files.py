"""Files that commands write: beside what they print (`--output-file`, `--write-baseline`), or in its place."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import msgspec

from agentrun.cli.formats import FORMATS
from agentrun.cli.standard_input import STDIN
from agentrun.discovery import display
from agentrun.errors import UsageError, reason_of


class OutputFile(msgspec.Struct, frozen=True):
    """A value of `--output-file`: the name of a format, and where what it writes goes."""

    format: str
    path: Path


def output_files(values: Sequence[str], formats: Collection[str] = tuple(FORMATS)) -> list[OutputFile]:
    return [_output_file(one, formats) for one in values]


def _output_file(written: str, formats: Collection[str]) -> OutputFile:
    name, equals, path = written.partition("=")
    if not equals or not path or name not in formats:
        help = f"write FORMAT=PATH; formats: {', '.join(formats)}"
        raise UsageError(f"`--output-file {written}` can't be used", help=help)
    if path == str(STDIN):
        help = f"`--format {name}` prints it on standard output"
        raise UsageError(f"`--output-file {written}` can't be used: `-` is no file", help=help)
    return OutputFile(name, Path(path))


def refuse_overwriting(checked: Iterable[str], written: Iterable[Path]) -> None:
    """No file is written over one that is checked, or twice."""
    taken = {os.path.realpath(one): "it is one of the files that are checked" for one in checked}
    for path in written:
        whole = os.path.realpath(path)
        if whole in taken:
            raise UsageError(f"`{path}` can't be written: {taken[whole]}")
        if path.is_file() or not path.exists():  # a device takes what comes
            taken[whole] = "it is named twice"


def write_texts(texts: Iterable[tuple[Path, str]]) -> None:
    """All that can be written. Raises `UsageError` in the end where one could not be."""
    problems: list[UsageError] = []
    for path, text in texts:
        try:
            write_text(path, text)
        except UsageError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


def write_text(path: Path, text: str) -> None:
    """The text, with an end of its last line."""
    try:
        path.write_text(f"{text}\n" if text and not text.endswith("\n") else text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"`{path}` can't be written: {reason_of(error)}") from None


def write_new(path: Path, texts: Iterable[str]) -> None:
    """The texts one behind the other, as they are. Never over a file that is there."""
    try:
        with path.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
            try:
                file.writelines(texts)
            except BaseException:  # half a file is none
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise UsageError(f"`{display(path)}` is there already", help="name another file, or remove it") from None
    except OSError as error:
        raise UsageError(f"`{display(path)}` can't be written: {reason_of(error)}") from None
