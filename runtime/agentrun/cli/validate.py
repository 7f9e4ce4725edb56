"""`agentrun validate`: all findings of all files in one pass. Opens no socket and runs nothing, but with `--online`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import click

from agentrun.cli import reader_may_leave
from agentrun.cli.checking import Checker, read_stdin
from agentrun.cli.colors import wants_color
from agentrun.cli.formats import FORMATS, for_a_file
from agentrun.cli.options import env_file_option, environment, tools_option
from agentrun.diagnostics import Report, counted, report
from agentrun.errors import UsageError
from agentrun.selection import FailLevel, Preset, Selection, codes_of, fails
from agentrun.settings import Settings, find_settings
from agentrun.visible import visible

_STDIN = Path("-")


def _codes(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return codes_of(code for value in values for code in value.split(",") if code.strip())


@click.command("validate", short_help="Check agents, tools and tests.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(FORMATS)),
    default="auto",
    show_default=True,
    help="How findings are printed; auto: text, with annotations inside GitHub Actions. Example: --format json",
)
@click.option(
    "--output-file",
    "outputs",
    multiple=True,
    metavar="FORMAT=PATH",
    help="Write the findings to a file as well; repeatable. Example: --output-file sarif=agentrun.sarif",
)
@click.option(
    "--preset",
    type=click.Choice(get_args(Preset)),
    help="minimal: errors alone; recommended (default); strict: matters of taste too. Example: --preset strict",
)
@click.option(
    "--select",
    multiple=True,
    callback=_codes,
    metavar="CODES",
    help="Tell these findings only, by codes or their beginnings. Example: --select AR4,AR802",
)
@click.option(
    "--ignore",
    multiple=True,
    callback=_codes,
    metavar="CODES",
    help="Leave these findings out, by codes or their beginnings. Example: --ignore AR620",
)
@click.option(
    "--fail-level",
    type=click.Choice(get_args(FailLevel)),
    help="The least severity that exits with 3; default: error. Example: --fail-level warning",
)
@click.option("--strict-env", is_flag=True, help="A variable that is not set is an error. Example: --strict-env")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Leave out the findings that this file knows. Example: --baseline agentrun-baseline.json",
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all findings into a baseline, and exit with 0. Example: --write-baseline agentrun-baseline.json",
)
@click.option("--fix", is_flag=True, help="Mend what has a safe fix. Example: agents/support.yaml --fix")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: guesses too. Example: --fix --unsafe-fixes")
@click.option(
    "--diff",
    is_flag=True,
    help="Show what --fix would change, and write nothing; exits with 3 if it is anything. Example: --diff",
)
@click.option(
    "--online", is_flag=True, help="Also ask the model services whether they have the models. Example: --online"
)
@click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `-` on the command line is the content of. Example: validate - --stdin-filename agents/support.yaml",
)
@tools_option
@env_file_option
def command(
    paths: tuple[Path, ...],
    output_format: str,
    outputs: tuple[str, ...],
    preset: Preset | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_level: FailLevel | None,
    strict_env: bool,
    baseline: Path | None,
    write_baseline: Path | None,
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    online: bool,
    stdin_filename: Path | None,
    tools: tuple[Path, ...],
    env_file: Path | None,
) -> int:
    """Check agents, tools and tests: every finding with its place.

    PATHS are files, folders or globs, or `-` for standard input; without them the whole project of the current folder
    is checked. A file is checked with all that it uses. Exits with 0, with 3 where there are findings at or above
    --fail-level, with 2 for bad usage. `agentrun explain CODE` says what a finding means.

    Settings are read from `agentrun.toml`, or `[tool.agentrun]` in `pyproject.toml`. A comment lets a finding stand:
    `# agentrun: ignore[AR401] the reason`.

    \b
    Examples:
      agentrun validate
      agentrun validate agents/support.yaml --format json
      agentrun validate --fix
    """
    gc.set_threshold(1_000_000)  # what is read stays to the end: looking for garbage in it takes a tenth of the time
    files = _files(outputs)
    _refuse_what_does_nothing(files, diff=diff, write_baseline=write_baseline, fix=fix, unsafe_fixes=unsafe_fixes)
    if stdin_filename is not None and _STDIN not in paths:
        raise UsageError("`--stdin-filename` goes with `-`", help="write `-` in the place of the file")
    texts = read_stdin(stdin_filename) if _STDIN in paths else {}
    named = [stdin_filename if path == _STDIN and stdin_filename else path for path in paths]
    environ = environment(env_file)
    check = Checker(named, environ, tools, texts)
    if (fix or diff) and texts:
        raise UsageError("what came from standard input can't be fixed", help="name the file instead of `-`")

    def settings_of(root: Path) -> Settings:
        return _merged(find_settings(root), preset, select, ignore, fail_level, strict_env, baseline)

    parts = check.parted(settings_of)

    def told(held: Mapping[str, bytes]) -> Report:
        return _joined([_selection(one).of(part(held).report) for one, part in parts.items()])

    if fix or diff:
        from agentrun.cli.fixing import fix_all

        changed = fix_all(told, unsafe=unsafe_fixes, diff=diff)
        if diff:
            return 3 if changed else 0
    checked = {one: part(online=online) for one, part in parts.items()}
    found = {one: _selection(one).of(part.report) for one, part in checked.items()}
    names = frozenset(name for part in checked.values() for name in part.files)
    _refuse_overwriting(names | texts.keys(), [path for _, path in files], write_baseline)
    if write_baseline is not None:
        return _write_baseline(_joined(found.values()), write_baseline)
    found = {one: _new(part, Path(one.baseline)) if one.baseline else part for one, part in found.items()}
    whole = _joined(found.values())
    for name, path in files:
        _write(path, for_a_file(name, whole, len(names)))
    if text := FORMATS[output_format](whole, len(names)):
        with reader_may_leave():
            click.echo(text, color=wants_color(sys.stdout))
    return 3 if any(fails(part, one.fail_level) for one, part in found.items()) else 0


def _selection(settings: Settings) -> Selection:
    return Selection(settings.preset, settings.select, settings.ignore, settings.strict_env)


def _joined(parts: Iterable[Report]) -> Report:
    reports = list(parts)
    found = [one for part in reports for one in part.diagnostics]
    return report(found, {path: text for part in reports for path, text in part.sources.items()})


def _merged(
    settings: Settings,
    preset: Preset | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_level: FailLevel | None,
    strict_env: bool,
    baseline: Path | None,
) -> Settings:
    """The project's settings with those of the command line over them; `--ignore` adds to the file's."""
    merged = Settings(
        preset=preset or settings.preset,
        select=select or settings.select,
        ignore=(*settings.ignore, *ignore),
        fail_level=fail_level or settings.fail_level,
        strict_env=strict_env or settings.strict_env,
        baseline=str(baseline) if baseline else settings.baseline,
    )
    _refuse_unknown([*merged.select, *merged.ignore])
    return merged


def _refuse_unknown(beginnings: Sequence[str]) -> None:
    if beginnings:
        from agentrun.explanations import codes

        for one in beginnings:
            if not one or not any(code.startswith(one) for code in codes()):
                help = "write a code such as AR401, or its beginning: AR4; `agentrun explain` lists them"
                raise UsageError(f"no finding has a code like `{one}`", help=help)


def _refuse_what_does_nothing(
    files: Sequence[tuple[str, Path]], *, diff: bool, write_baseline: Path | None, fix: bool, unsafe_fixes: bool
) -> None:
    if unsafe_fixes and not (fix or diff):
        raise UsageError("`--unsafe-fixes` goes with `--fix` or `--diff`")
    if diff and (files or write_baseline):
        raise UsageError("`--diff` writes nothing", help="take it out, or what is to be written")
    if write_baseline == _STDIN:
        raise UsageError("`--write-baseline -` can't be used: `-` is no file", help="name one, to be committed")
    if write_baseline and files:
        raise UsageError("`--write-baseline` tells no findings, so there is nothing for `--output-file`")


def _refuse_overwriting(checked: frozenset[str], outputs: Sequence[Path], write_baseline: Path | None) -> None:
    taken = {os.path.realpath(one): "it is one of the files that are checked" for one in checked}
    for path in [*outputs, *([write_baseline] if write_baseline else [])]:
        whole = os.path.realpath(path)
        if whole in taken:
            raise UsageError(f"`{path}` can't be written: {taken[whole]}")
        if path.is_file() or not path.exists():  # a device takes what comes
            taken[whole] = "it is named twice"


def _files(outputs: Sequence[str]) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for one in outputs:
        name, equals, path = one.partition("=")
        if not equals or not path or name not in FORMATS:
            help = f"write FORMAT=PATH; formats: {', '.join(FORMATS)}"
            raise UsageError(f"`--output-file {one}` can't be used", help=help)
        if path == str(_STDIN):
            help = f"`--format {name}` prints it on standard output"
            raise UsageError(f"`--output-file {one}` can't be used: `-` is no file", help=help)
        found.append((name, Path(path)))
    return found


def _new(found: Report, path: Path) -> Report:
    """What the baseline doesn't know. What is left of it is told, so that it can be written anew."""
    from agentrun.baseline import compare

    compared = compare(found, path)
    if compared.known:
        click.echo(f"{counted(compared.known, 'finding')} of the baseline left out", err=True)
    if compared.gone:
        gone = counted(len(compared.gone), "finding")
        click.echo(
            visible(f"{gone} of the baseline no longer there: write it anew with --write-baseline {path}"), err=True
        )
    return compared.report


def _write_baseline(found: Report, path: Path) -> int:
    from agentrun.baseline import baseline_text

    _write(path, baseline_text(found, path))
    click.echo(f"{counted(len(found.diagnostics), 'finding')} in {visible(str(path))}", err=True)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(f"{text}\n" if text and not text.endswith("\n") else text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"`{path}` can't be written: {error.strerror}") from None
