"""`agentrun fmt`: files in the house layout, keys in the order of the reference and two spaces a level."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from agentrun.cli import tell_error
from agentrun.cli.checking import named, refuse_other_files
from agentrun.cli.options import tools_option
from agentrun.cli.replacing import replace_file
from agentrun.cli.standard_input import STDIN, read_stdin, stdin_filename_option
from agentrun.diagnostics import Report, counted, report
from agentrun.discovery import display, find_files, find_root, guess_kind, refuse_pipe
from agentrun.errors import UsageError, reason_of
from agentrun.layout import LaidOut, lay_out
from agentrun.spec.schema import Kind
from agentrun.visible import visible


@click.command("fmt", short_help="Put files in the house layout.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exits with 1 if a file would change. Example: --check")
@click.option("--diff", is_flag=True, help="The same as --check, and show the changes. Example: --diff")
@stdin_filename_option
@tools_option
def command(
    paths: tuple[Path, ...], check: bool, diff: bool, stdin_filename: Path | None, tools: tuple[Path, ...]
) -> int:
    """Put agents, tools and tests in the house layout: the order of keys and the indentation.

    PATHS are files, folders or globs, or `-` for standard input; without them the whole project of the current folder
    is formatted. Comments stay where they belong, and a file never comes to mean something else. Quotes, flow style and
    the width of lines are yours. Exits with 0, with 1 where --check or --diff found something to do or a file has no
    house layout, with 3 where a file can't be read or written, or is not YAML.

    \b
    Examples:
      agentrun fmt
      agentrun fmt agents/support.yaml --diff
      agentrun fmt --check
    """
    if STDIN in paths and len(paths) > 1:
        raise UsageError("`-` stands alone: what is read from it is written to standard output")
    piped = read_stdin(paths, stdin_filename)
    if piped is not None:
        kind = _kind(piped.path, tools)
        return _from_stdin(kind, display(piped.path), piped.content, check=check, diff=diff)
    return _each_file(list(_chosen(paths, tools)), write=not (check or diff), diff=diff)


def _each_file(files: Sequence[tuple[Kind, Path]], *, write: bool, diff: bool) -> int:
    changed = refused = failed = 0
    broken: list[tuple[str, LaidOut]] = []
    for kind, path in files:
        shown = display(path)
        try:
            refuse_pipe(path)
            raw = path.read_bytes()
        except OSError as error:
            failed += 1
            tell_error(f"{shown} can't be read: {reason_of(error)}")
            continue
        made = lay_out(kind, shown, raw)
        if made.findings:
            broken.append((shown, made))
        elif made.refusal is not None:
            refused += 1
            _tell_refusal(shown, made.refusal)
        elif made.content != raw:
            if write and not _written(path, made.content):
                failed += 1
                continue
            changed += 1
            _tell_change(shown, raw, made.content, write=write, diff=diff)
    if broken:
        _tell_findings(broken)
    _summarize(len(files), changed, refused + failed + len(broken), write=write, to_stderr=diff)
    return 3 if broken or failed else int(refused > 0 or (changed > 0 and not write))


def _summarize(files: int, changed: int, left: int, *, write: bool, to_stderr: bool) -> None:
    did = "formatted" if write else "would be formatted"
    parts = [f"{counted(changed, 'file')} {did}", f"{files - changed - left} unchanged"]
    stays = f"{left} left as {'it is' if left == 1 else 'they are'}"
    click.echo(", ".join([*parts, stays] if left else parts), err=to_stderr)


def _from_stdin(kind: Kind, shown: str, raw: bytes, *, check: bool, diff: bool) -> int:
    """Nothing is printed but the text or what was asked for, so that an editor can take it."""
    made = lay_out(kind, shown, raw)
    if made.findings:
        _tell_findings([(shown, made)])
        return 3
    if made.refusal is not None:
        _tell_refusal(shown, made.refusal)
    if not (check or diff):
        sys.stdout.buffer.write(made.content)
        sys.stdout.buffer.flush()
        return int(made.refusal is not None)
    if made.content != raw:
        _tell_change(shown, raw, made.content, write=False, diff=diff)
    return int(made.content != raw or made.refusal is not None)


def _chosen(paths: Sequence[Path], tools: Sequence[Path]) -> Iterator[tuple[Kind, Path]]:
    """The files that the paths stand for, each once."""
    done: set[str] = set()
    for path in named(paths) or [find_root(Path.cwd())]:
        files = _below(path, tools) if path.is_dir() else [(_kind(path, tools), path)]
        for kind, file in files:
            if os.path.realpath(file) not in done:
                done.add(os.path.realpath(file))
                yield kind, file


def _below(folder: Path, tools: Sequence[Path]) -> list[tuple[Kind, Path]]:
    root = find_root(folder)
    places = {folder.resolve(), Path(os.path.abspath(folder))}  # noqa: PTH100 - follows no link
    every = find_files(root, tools, [], [])
    found = every if root in places else [(kind, file) for kind, file in every if places & set(file.parents)]
    if not found:
        raise UsageError(f"there are no agents, tools or tests in `{folder}`", help="name the files")
    return found


def _kind(path: Path, tools: Sequence[Path]) -> Kind:
    """What the file is in its project; elsewhere by its name."""
    refuse_other_files(path)
    known = {os.path.realpath(file): kind for kind, file in find_files(find_root(path), tools, [], [])}
    return known.get(os.path.realpath(path)) or guess_kind(path)


def _written(path: Path, content: bytes) -> bool:
    """Whether the content stands in the file now. A link stays one: the file it leads to is written."""
    try:
        replace_file(Path(os.path.realpath(path)), content)
    except OSError as error:
        tell_error(f"{display(path)} can't be written: {reason_of(error)}")
        return False
    return True


def _tell_change(shown: str, before: bytes, after: bytes, *, write: bool, diff: bool) -> None:
    if diff:
        from agentrun.cli.difference import difference, print_difference

        print_difference(difference(shown, before, after))
    else:
        click.echo(f"{'formatted' if write else 'would format'} {visible(shown)}")


def _tell_refusal(shown: str, reason: str) -> None:
    tell_error(f"{shown} stays as it is: {reason}")


def _tell_findings(broken: Sequence[tuple[str, LaidOut]]) -> None:
    from agentrun.cli.formats.text import findings_text

    found: Report = report(
        [one for _, made in broken for one in made.findings], {shown: made.text for shown, made in broken}
    )
    click.echo(findings_text(found), err=True)
