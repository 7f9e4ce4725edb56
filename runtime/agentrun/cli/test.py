"""`agentrun test`: the cases of test files, run and reported."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from agentrun.cli.options import env_file_option, environment, model_option, tools_option


@click.command("test", short_help="Run the test cases of agents.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@model_option
@tools_option
@env_file_option
def command(paths: tuple[Path, ...], model: str | None, tools: tuple[Path, ...], env_file: Path | None) -> int:
    """Run test cases: those of the project of the current folder, or of PATHS."""
    from agentrun.discovery import find_root
    from agentrun.project import read_project
    from agentrun.testing.bench import Bench
    from agentrun.testing.plan import cases_of
    from agentrun.testing.runner import run_cases

    environ = environment(env_file)
    project = read_project(find_root(paths[0] if paths else Path.cwd()), environ, tools=tools, files=paths)
    bench = Bench(project, environ, tools=tools, model=model)
    done = asyncio.run(run_cases(cases_of(project.catalog.tests), bench))
    for result in done.results:
        click.echo(f"{result.status}  {result.case.id}")
        for attempt in result.attempts:
            for failure in attempt.failures:
                click.echo(f"  {failure.span.file}:{failure.span.line}: {failure.message}")
            if attempt.error:
                click.echo(f"  {attempt.error}")
    return done.exit_code
