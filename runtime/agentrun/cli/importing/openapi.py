"""`agentrun tools import openapi`: the operations of a document as tools of one's own, or the document as a set."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import urlsplit

import click
import msgspec

from agentrun.cli.importing.writing import Target, finish, target_of, writing_options
from agentrun.diagnostics import did_you_mean, nearest, one_of
from agentrun.discovery import display, refuse_pipe
from agentrun.errors import UsageError, reason_of
from agentrun.openapi.document import ApiDocument, Chosen
from agentrun.openapi.problems import DocumentProblem
from agentrun.visible import one_line


class Source(msgspec.Struct, frozen=True):
    """Where a document is: a file, or a URL and the hash of what it gave."""

    written: str
    document: ApiDocument
    sha256: str | None = None

    @property
    def stem(self) -> str:
        """A name for files and sets: that of the file, but for one that says nothing."""
        path = urlsplit(self.written).path if self.sha256 else self.written
        stem = PurePath(path).name.split(".")[0]
        if stem.lower() in ("openapi", "swagger", "api", "spec", "schema", "index", "v1", "v2", "v3", ""):
            stem = self.document.title or "api"
        name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:30].strip("_")
        return re.sub(r"_(?:api|openapi)$", "", name) or "api"


@click.command("openapi", short_help="Make tools of an OpenAPI document.")
@click.argument("file", metavar="FILE")
@click.option(
    "--allow",
    "allow",
    multiple=True,
    metavar="GLOB",
    help="Operations that are wanted: globs of operation ids, of tags (tag:pets), of paths (/pets/*, 'GET /pets/*'); "
    "repeatable; default: all. Example: --allow 'tag:pets'",
)
@click.option(
    "--set",
    "as_set",
    is_flag=True,
    help="Write a set that follows the document, and no tools of your own. Example: --set",
)
@click.option("--name", metavar="NAME", help="The name of the set and of files. Example: --name petstore")
@click.option("--prefix", default="", metavar="TEXT", help="What each tool's name begins with. Example: --prefix pets_")
@click.option(
    "--base-url", metavar="URL", help="Instead of the document's servers. Example: --base-url https://a.example"
)
@click.option("--online", is_flag=True, help="FILE may be a URL, which is fetched. Example: --online")
@writing_options("tools.d/pets.yaml")
def command(
    file: str,
    allow: tuple[str, ...],
    as_set: bool,
    name: str | None,
    prefix: str,
    base_url: str | None,
    online: bool,
    output: Path | None,
    to_stdout: bool,
    force: bool,
) -> int:
    """Write an http tool for each operation of the OpenAPI document FILE (3.0 or 3.1, YAML or JSON), to be edited.

    What a tool has no form for is listed, and the exit code is 1 then. With --set it is one small file that names the
    document instead: its operations are made tools when an agent runs. Example of FILE: petstore.yaml

    \b
    Examples:
      agentrun tools import openapi petstore.yaml --allow listPets --allow 'GET /pets/*'
      agentrun tools import openapi specs/petstore.yaml --set
      agentrun tools import openapi petstore.json --stdout
    """
    if as_set and prefix:
        raise UsageError("`--prefix` is for tools, and the functions of a set begin with its name", help="use `--name`")
    source = _source(file, online=online)
    allowed = list(allow) or ["*"]
    chosen = source.document.chosen(allowed)
    _check(source.document, chosen, allowed)
    target = target_of(output)
    stem = name or (output.stem if output is not None else source.stem)
    path = target.file_name
    if as_set:
        from agentrun.foreign.openapi_set import document_as_set

        made = document_as_set(
            source.document,
            chosen,
            name=stem,
            path=path or f"tools.d/{stem}.yaml",
            spec=_seen_from(target, source),
            allowed_tools=allowed,
            base_url=base_url,
            sha256=source.sha256,
        )
        steps = [f"next: agentrun tools list; an agent gets the {len(chosen.operations):,} operations by `{stem}`"]
    else:
        from agentrun.foreign.openapi_yaml import operations_as_yaml

        made = operations_as_yaml(source.document, chosen, stem=stem, path=path, prefix=prefix, base_url=base_url)
        if not made.files:
            raise UsageError(
                "no operation can be a tool", help="; ".join(f"{one.what}: {one.why}" for one in made.left[:5])
            )
        steps = ["next: agentrun validate && agentrun tools list"]
    return finish(
        made,
        target,
        source=display(Path(file)) if source.sha256 is None else file,
        to_stdout=to_stdout,
        force=force,
        next_steps=steps,
    )


def _source(file: str, *, online: bool) -> Source:
    from agentrun.openapi.reading import read_document

    is_url = "://" in file
    if is_url and not online:
        raise UsageError(
            "a document at a URL is fetched with `--online` only", help="add `--online`, or download it first"
        )
    try:
        if is_url:
            from agentrun.openapi.fetching import fetched
            from agentrun.openapi.kept import keep

            content = fetched(file)
            return Source(file, read_document(file, content), keep(content, os.environ))
        return Source(file, read_document(Path(file), _content(file)))
    except DocumentProblem as problem:
        where = f" ({problem.where})" if problem.where else ""
        raise UsageError(f"`{file}` can't be used: {problem.message}{where}", help=problem.help) from None


def _content(file: str) -> bytes:
    try:
        refuse_pipe(Path(file))
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"the file `{file}` can't be read: {reason_of(error)}") from None


def _check(document: ApiDocument, chosen: Chosen, allowed: Sequence[str]) -> None:
    """What was asked for and is not there is most likely misspelt."""
    if not document.outlines:
        raise UsageError("the document has no operations")
    if chosen.unmatched and list(allowed) != ["*"]:
        first = chosen.unmatched[0]
        names = [one.name for one in document.outlines]
        tags = sorted({f"tag:{tag}" for one in document.outlines for tag in one.tags})
        known = tags if first.startswith("tag:") else [*names, *dict.fromkeys(one.path for one in document.outlines)]
        there = f"it has {one_of(map(_short, known))}" if known else "its operations have no tags"
        near = did_you_mean(first, known) if nearest(first, known) else there
        raise UsageError(f"`--allow {first}` chooses no operation", help=near)


def _short(name: str) -> str:
    return one_line(name, 80)


def _seen_from(target: Target, source: Source) -> str:
    """The document as the file of the set names it."""
    if source.sha256 is not None or Path(source.written).is_absolute():
        return source.written
    return Path(os.path.relpath(source.written, target.path_of("x").parent)).as_posix()
