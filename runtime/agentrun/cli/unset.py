"""Reading a project for people, where variables of the environment may have no value.

For a run that is an error; to look at what a project can do it is not. A variable that is missed reads as its own
name, so that a url says `$ORDERS_URL/orders`. Where a number or another fixed value is wanted, the key is left out and
listed in the document's `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun.diagnostics import Report, one_of
from agentrun.errors import SpecError, UsageError
from agentrun.models.endpoint import KEY_VARIABLES
from agentrun.project import Project
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node, Route
from agentrun.spec.types import AgentSpec, ToolSpec
from agentrun.suppress import accepted

_UNSET = ("AR509", "AR510")
_CALLED_SECRET = re.compile("KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
Find = Callable[[Mapping[str, str]], tuple[Project, list[Document]]]


class Reading(msgspec.Struct, frozen=True):
    """Documents that can be described, and the masking of what must not be shown of them."""

    project: Project
    documents: list[Document]
    mask: Masker

    @property
    def reached(self) -> list[Document]:
        """The documents with all that they use, each once."""
        return _reached(self.project, self.documents)


def read_for_people(find: Find, environ: Mapping[str, str]) -> Reading:
    """What `find` gives with this environment, checked with all that it reaches.

    Raises `SpecError` for errors other than variables without a value.
    """
    project, documents = find(environ)
    reached = _reached(project, documents)
    _check(project, reached)
    mask = _mask(reached, environ)
    missing = {name for one in reached for name in one.variables if not environ.get(name)}
    if missing:
        project, documents = find({**environ, **{name: f"${name}" for name in missing}})
        project = _completed(project, _reached(project, documents), missing)
        catalog = project.catalog
        documents = [(catalog.agents if one.kind == "agent" else catalog.tools)[one.name] for one in documents]
    return Reading(project, documents, mask)


def _reached(project: Project, documents: list[Document]) -> list[Document]:
    return list({id(one): one for document in documents for one in project.reachable(document)}.values())


def _mask(documents: list[Document], environ: Mapping[str, str]) -> Masker:
    """Secrets of the language, and values of variables that are called like one but stand in a field that is none."""
    secrets = {value for one in documents for value in one.secrets}
    named = {name for one in documents for name in one.variables if _CALLED_SECRET.search(name)}
    return Masker(secrets | {environ.get(name, "") for name in (*named, *KEY_VARIABLES)})


def _check(project: Project, documents: list[Document]) -> None:
    report = accepted(project.report(documents), project.sources)
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
        listed={},
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
