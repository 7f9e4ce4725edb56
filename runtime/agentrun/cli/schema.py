"""`agentrun schema`: the JSON Schemas of the language, for editors and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import click

from agentrun.errors import UsageError, reason_of
from agentrun.spec.schema import Kind, for_editors

KINDS: tuple[Kind, ...] = get_args(Kind)


@click.command("schema", short_help="Print the JSON Schema of a kind of file.")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a file KIND.schema.json for each instead of printing. Example: --write .agentrun/schemas",
)
def command(kind: Kind | None, folder: Path | None) -> int:
    """Print the JSON Schema (draft 7) of agent, tool or test files.

    KIND is agent, tool or test; without it all three are printed as one object, by kind. An editor that knows the
    yaml-language-server completes and checks a file whose first line is
    `# yaml-language-server: $schema=../.agentrun/schemas/agent.schema.json`.

    \b
    Examples:
      agentrun schema tool
      agentrun schema --write .agentrun/schemas
    """
    kinds = (kind,) if kind else KINDS
    if folder is None:
        click.echo(schema_text(kind) if kind else _as_json({one: for_editors(one) for one in kinds}), nl=False)
        return 0
    for path in write_schemas(folder, kinds):
        click.echo(path)
    return 0


def schema_text(kind: Kind) -> str:
    """The text of KIND.schema.json."""
    return _as_json(for_editors(kind))


def write_schemas(folder: Path, kinds: tuple[Kind, ...] = KINDS) -> list[Path]:
    """Write the schemas' files, over older ones: they are generated."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{kind}.schema.json" for kind in kinds]
        for kind, path in zip(kinds, paths, strict=True):
            path.write_text(schema_text(kind), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"`{error.filename or folder}` can't be written: {reason_of(error)}") from None
    return paths


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
