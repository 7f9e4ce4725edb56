"""The tools that `agentrun tools` looks at: of the project or of one agent, by name, the members of sets among them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import msgspec
from click.shell_completion import CompletionItem

from agentrun.diagnostics import did_you_mean, one_of
from agentrun.discovery import find_root
from agentrun.errors import UsageError
from agentrun.project import Project, read_project
from agentrun.spec.catalog import Document

agent_option = click.option(
    "--agent",
    metavar="NAME",
    help="What this agent can call, tools that are written inside it among them. Example: --agent support",
)


class Scope(msgspec.Struct, frozen=True):
    """Where tools are looked for: `agent` is the one whose they are; None: all of the project's."""

    project: Project
    agent: Document | None

    @property
    def documents(self) -> list[Document]:
        catalog = self.project.catalog
        if self.agent is not None:
            return catalog.tools_of(self.agent)
        return [catalog.tools[name] for name in sorted(catalog.tools)]

    @property
    def where(self) -> str:
        return "here" if self.agent is None else f"of {self.agent.name}"

    def wanted(self, document: Document) -> tuple[str, ...]:
        """Names and globs of the members of a set that are looked at."""
        return ("*",) if self.agent is None else self.project.catalog.wanted_of(self.agent, document)


class Found(msgspec.Struct, frozen=True):
    """`document` is the tool, or the set of which `member` is a function."""

    document: Document
    member: str | None = None


def read_scope(environ: Mapping[str, str], folders: Sequence[Path], agent: str | None) -> Scope:
    if agent is not None:
        from agentrun import api

        project, document = api.find_agent(agent, environ, tools=folders)
        return Scope(project, document)
    return Scope(_project(environ, folders), None)


def _project(environ: Mapping[str, str], folders: Sequence[Path]) -> Project:
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
    return read_project(find_root(Path.cwd()), environ, tools=folders)


def find(scope: Scope, name: str) -> Found:
    """The tool, set, or set of a member that a name means. Raises `UsageError` where there is none.

    What a server has is not known here: any name that begins as its set's may be one of its.
    """
    from agentrun.resolve import check_runnable

    known = {one.name: one for one in scope.documents}
    if name in known:
        return Found(known[name])
    owners = [one for one in known.values() if one.is_set and name.startswith(f"{one.name}_")]
    for document in sorted(owners, key=lambda one: -len(one.name)):
        if document.node.get("mcp") is not None or name in operation_names(scope, document):
            return Found(document, name)
    check_runnable(scope.project, [])  # a file that can't be read may hold it
    bases = scope.project.catalog.bases
    if any(base.kind == "tool" and base.name == name for base in bases):
        raise UsageError(f"`{name}` is a base: it is used through `extends` only")
    raise _unknown(scope, name, known)


def _unknown(scope: Scope, name: str, known: Mapping[str, Document]) -> UsageError:
    owner = next((one for one in known.values() if one.is_set and name.startswith(f"{one.name}_")), None)
    names = list(names_known(scope))
    if owner is not None:
        members = list(operation_names(scope, owner))
        otherwise = f"its tools: {one_of(members)}" if members else None
        return UsageError(f"the set `{owner.name}` has no tool `{name}`", help=did_you_mean(name, names, otherwise))
    missing = f"no tools were found {scope.where}: they stand in tools.d/"
    otherwise = f"tools {scope.where}: {one_of(names)}" if names else missing
    belongs = "" if scope.agent is None else f"{scope.agent.name} has no tool `{name}`"
    return UsageError(belongs or f"there is no tool `{name}`", help=did_you_mean(name, names, otherwise))


def names_known(scope: Scope) -> Iterator[str]:
    """The names of all that can be called, as far as files tell. Servers are named by their set."""
    for document in scope.documents:
        if document.node.get("openapi") is None:
            yield document.name
        else:
            yield from operation_names(scope, document)


def operation_names(scope: Scope, document: Document) -> list[str]:
    """The functions of an openapi set; none where its document can't be read, which has a finding of its own."""
    from agentrun.cli.describe_set import operations

    if document.node.get("openapi") is None or document.spec is None:
        return []
    try:
        return [name for name, _ in operations(document, scope.wanted(document))]
    except UsageError:
        return []


def complete_tool(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    scope = read_scope(os.environ, ctx.params.get("tools") or (), ctx.params.get("agent"))
    return [CompletionItem(name) for name in sorted(names_known(scope)) if name.startswith(incomplete)]
