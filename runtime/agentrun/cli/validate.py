"""`agentrun validate`: all findings of all files in one pass. Opens no socket and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import click

from agentrun.cli.formats import FORMATS
from agentrun.cli.options import env_file_option, environment, tools_option
from agentrun.diagnostics import Report, report
from agentrun.discovery import find_root
from agentrun.errors import UsageError
from agentrun.project import read_project
from agentrun.selection import Preset, Selection, fails


@click.command("validate", short_help="Check agents, tools and tests.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="How findings are printed. Example: --format json",
)
@click.option(
    "--preset",
    type=click.Choice(get_args(Preset)),
    help="minimal: errors; recommended: what most want to know; strict: all. Example: --preset strict",
)
@tools_option
@env_file_option
def command(
    paths: tuple[Path, ...], output_format: str, preset: Preset | None, tools: tuple[Path, ...], env_file: Path | None
) -> int:
    """Check agents, tools and tests: every finding with its place.

    Without PATHS the whole project of the current folder is checked. A file is checked with all that it uses.

    \b
    Examples:
      agentrun validate
      agentrun validate agents/support.yaml --format json
    """
    everything, checked = validate(paths, environment(env_file), tools)
    told = Selection(preset=preset or "recommended").of(everything)
    click.echo(FORMATS[output_format](told, checked))
    return 3 if fails(told, "error") else 0


def validate(paths: tuple[Path, ...], environ: Mapping[str, str], tools: tuple[Path, ...] = ()) -> tuple[Report, int]:
    """The findings for some paths, and how many files were read."""
    for folder in tools:
        if not folder.is_dir():
            raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
    chosen = paths or (find_root(Path.cwd()),)
    by_root: dict[Path, list[Path]] = {}
    for path in chosen:
        if not path.exists():
            raise UsageError(f"there is no `{path}`", help="pass a file or a folder")
        by_root.setdefault(find_root(path), []).append(path)
    reports: list[Report] = []
    files = 0
    for root, wanted in by_root.items():
        named = [path for path in wanted if path.is_file()]
        project = read_project(root, environ, tools=tools, files=named)
        whole = any(path.resolve() == root for path in wanted)
        documents = None if whole else project.under(wanted)
        if not (project.files or project.unreadable):
            raise UsageError(
                f"there are no agents and no tools in `{root}`", help="`agentrun init` makes a project to start from"
            )
        files += len(project.files if documents is None else {document.path for document in documents})
        reports.append(project.report(documents))
    found = [finding for one in reports for finding in one.diagnostics]
    return report(found, {path: text for one in reports for path, text in one.sources.items()}), files
