"""Reading a project for people, where variables of the environment may have no value.

For a run that is an error; to look at what a project can do it is not. A variable that is missed reads as its own
name, so that a url says `$ORDERS_URL/orders`. Where a number or another fixed value is wanted, the key is left out and
listed in the document's `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun.diagnostics import Report, one_of
from agentrun.errors import SpecError, UsageError
from agentrun.project import Project
from agentrun.spec.catalog import Document
from agentrun.spec.types import AgentSpec, ToolSpec
from agentrun.spec.yaml_nodes import Node, Route

_UNSET = ("AR509", "AR510")
Find = Callable[[Mapping[str, str]], tuple[Project, list[Document]]]


def read_for_people(find: Find, environ: Mapping[str, str]) -> tuple[Project, list[Document]]:
    """What `find` gives with this environment, checked with all that it reaches.

    Raises `SpecError` for errors other than variables without a value.
    """
    project, documents = find(environ)
    reached = _reached(project, documents)
    _check(project, reached)
    missing = {name for one in reached for name in one.variables if not environ.get(name)}
    if not missing:
        return project, documents
    project, documents = find({**environ, **{name: f"${name}" for name in missing}})
    project = _completed(project, _reached(project, documents), missing)
    catalog = project.catalog
    return project, [(catalog.agents if one.kind == "agent" else catalog.tools)[one.name] for one in documents]


def _reached(project: Project, documents: list[Document]) -> list[Document]:
    return [one for document in documents for one in project.reachable(document)]


def _check(project: Project, documents: list[Document]) -> None:
    report = project.report(documents)
    errors = tuple(one for one in report.diagnostics if one.severity == "error" and one.code not in _UNSET)
    if errors:
        raise SpecError(Report(errors, report.sources))


def _completed(project: Project, reached: list[Document], missing: set[str]) -> Project:
    """The project with a typed form for each of these documents."""
    untyped = {id(one) for one in reached if one.spec is None}

    def complete(document: Document) -> Document:
        whole = _typed(document, missing) if id(document) in untyped else document
        inline = {index: complete(one) for index, one in document.inline.items()}
        return msgspec.structs.replace(whole, inline=inline) if inline else whole

    catalog = msgspec.structs.replace(
        project.catalog,
        agents={name: complete(one) for name, one in project.catalog.agents.items()},
        tools={name: complete(one) for name, one in project.catalog.tools.items()},
    )
    return msgspec.structs.replace(project, catalog=catalog)


def _typed(document: Document, missing: set[str]) -> Document:
    """The files have no errors, so what is wrong now is a name where something else than text is wanted."""
    wrong = {found.span for found in document.diagnostics if found.severity == "error"}
    unknown = frozenset(route for route, node in document.node.walk() if route and node.span in wrong)
    try:
        spec = msgspec.convert(_without(document.node, unknown), AgentSpec if document.kind == "agent" else ToolSpec)
    except msgspec.ValidationError:
        message = f"the {document.kind} `{document.name}` can't be shown: it needs the value of a variable"
        raise UsageError(message, help=f"set {one_of(sorted(missing))}") from None
    return msgspec.structs.replace(document, spec=spec, unknown=unknown)


def _without(node: Node, routes: frozenset[Route], here: Route = ()) -> Any:
    """The data of a node but for what stands at these routes."""
    if node.is_mapping:
        return {
            key: _without(child, routes, (*here, key))
            for key, child in node.content.items()
            if (*here, key) not in routes
        }
    if node.is_list:
        return [_without(child, routes, (*here, index)) for index, child in enumerate(node.content)]
    return node.content
