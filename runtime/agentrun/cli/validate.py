"""`agentrun validate`: all findings of all files in one pass. Opens no socket and runs nothing, but with `--online`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import click

from agentrun.cli import reader_may_leave
from agentrun.cli.checking import Checker, joined
from agentrun.cli.colors import wants_color
from agentrun.cli.formats import FORMATS, for_a_file
from agentrun.cli.options import env_file_option, environment, tools_option
from agentrun.cli.output_files import OutputFile, output_files, refuse_overwriting, write_text
from agentrun.cli.standard_input import STDIN, read_stdin, stdin_filename_option
from agentrun.diagnostics import Report, counted
from agentrun.errors import UsageError
from agentrun.selection import FailLevel, Preset, codes_of, fails
from agentrun.settings import Settings, find_settings
from agentrun.visible import visible


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
    "--online",
    is_flag=True,
    help="Also ask model services whether they have the models, and fetch OpenAPI documents. Example: --online",
)
@stdin_filename_option
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
    files = output_files(outputs)
    _refuse_what_does_nothing(paths, files, diff=diff, write_baseline=write_baseline, fix=fix, unsafe=unsafe_fixes)
    piped = read_stdin(paths, stdin_filename)
    named = [piped.path if piped is not None and path == STDIN else path for path in paths]
    texts = {os.path.abspath(piped.path): piped.content} if piped is not None else {}  # noqa: PTH100 - follows no link
    check = Checker(named, environment(env_file), tools, texts)

    def settings_of(root: Path) -> Settings:
        return _merged(find_settings(root), preset, select, ignore, fail_level, strict_env, baseline)

    parts = check.parted(settings_of)
    if fix or diff:
        has_changes = _fix(parts, unsafe=unsafe_fixes, diff=diff, online=online)
        if diff:
            return 3 if has_changes else 0
    checked = {settings: part(online=online) for settings, part in parts.items()}
    found = {settings: settings.selection.of(part.report) for settings, part in checked.items()}
    names = frozenset(name for part in checked.values() for name in part.files)
    written = [*(one.path for one in files), *([write_baseline] if write_baseline else [])]
    refuse_overwriting(names | texts.keys(), written)
    if write_baseline is not None:
        return _write_baseline(joined(found.values()), write_baseline)
    new = {one: _new(part, Path(one.baseline)) if one.baseline else part for one, part in found.items()}
    _tell(joined(new.values()), len(names), output_format, files)
    return 3 if any(fails(part, settings.fail_level) for settings, part in new.items()) else 0


def _fix(parts: Mapping[Settings, Checker], *, unsafe: bool, diff: bool, online: bool) -> bool:
    """Fix what is told of each part, or show how; whether there was something to change."""
    from agentrun.cli.fixing import fix_all

    def told(held: Mapping[str, bytes]) -> Report:
        return joined(settings.selection.of(part(held, online=online).report) for settings, part in parts.items())

    return fix_all(told, unsafe=unsafe, diff=diff)


def _tell(found: Report, checked: int, output_format: str, files: Sequence[OutputFile]) -> None:
    for one in files:
        write_text(one.path, for_a_file(one.format, found, checked))
    if text := FORMATS[output_format](found, checked):
        with reader_may_leave():
            click.echo(text, color=wants_color(sys.stdout))


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
    paths: Sequence[Path],
    files: Sequence[OutputFile],
    *,
    diff: bool,
    write_baseline: Path | None,
    fix: bool,
    unsafe: bool,
) -> None:
    if unsafe and not (fix or diff):
        raise UsageError("`--unsafe-fixes` goes with `--fix` or `--diff`")
    if (fix or diff) and STDIN in paths:
        raise UsageError("what comes from standard input can't be fixed", help="name the file instead of `-`")
    if diff and (files or write_baseline):
        raise UsageError("`--diff` writes nothing", help="take it out, or what is to be written")
    if write_baseline == STDIN:
        raise UsageError("`--write-baseline -` can't be used: `-` is no file", help="name one, to be committed")
    if write_baseline and files:
        raise UsageError("`--write-baseline` tells no findings, so there is nothing for `--output-file`")


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

    write_text(path, baseline_text(found, path))
    click.echo(f"{counted(len(found.diagnostics), 'finding')} in {visible(str(path))}", err=True)
    return 0
