"""What the OpenAPI document of a set says about the set: whether it can be read, what `allowed_tools`, `bind` and
`auth` mean in it, and what its functions are called.

Reads the document that a tool file names, and nothing else; opens no connection. Mistakes of the document in what is
not chosen are nobody's.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from agentrun.diagnostics import Diagnostic, Severity, counted, did_you_mean, one_of
from agentrun.json_schema import Validator
from agentrun.openapi.credentials import unmet
from agentrun.openapi.document import ApiDocument, Chosen, Unusable
from agentrun.openapi.operation import Operation
from agentrun.openapi.problems import DocumentProblem
from agentrun.openapi.selection import TAG, chooses, matches, means
from agentrun.openapi.sources import NotKept, NotPinned, document_of
from agentrun.openapi_sets import function_parameters
from agentrun.places import folder_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.credential_words import is_near, names_credential, plain_host
from agentrun.spec.edits import write, write_name
from agentrun.spec.function_names import member_names
from agentrun.spec.nodes import Node, items
from agentrun.spec.spelling import is_surely
from agentrun.spec.types import OpenApiSpec, ToolSpec
from agentrun.visible import one_line

MAX_NAMED = 3  # operations that a finding about many names


def members_of_sets(catalog: Catalog, environ: Mapping[str, str]) -> dict[Document, tuple[str, ...]]:
    """The functions of each set whose document can be read, in its order."""
    found = {}
    for document in catalog.documents():
        spec = _spec_of(document)
        if spec is None:
            continue
        try:
            api = document_of(spec, folder_of(document, "openapi", "spec"), environ)
        except DocumentProblem:
            continue
        names = [one.name for one in api.chosen(spec.allowed_tools).operations]
        found[document] = tuple(member_names(document.name, names).values())
    return found


def openapi_findings(document: Document, environ: Mapping[str, str] | None = None) -> Iterator[Diagnostic]:
    """Findings of a tool file that nothing else was found wrong with."""
    spec = _spec_of(document)
    if spec is None:
        return
    source = document.node.content["openapi"].content["spec"]
    try:
        api = document_of(spec, folder_of(document, "openapi", "spec"), os.environ if environ is None else environ)
    except NotKept as problem:
        yield Diagnostic("AR624", "warning", problem.message, source.span, problem.help)
        return
    except NotPinned as problem:
        yield Diagnostic("AR624", "error", problem.message, source.span, problem.help)
        return
    except DocumentProblem as problem:
        yield Diagnostic("AR623", "error", problem.message, source.span, problem.help)
        return
    chosen = api.chosen(spec.allowed_tools)
    yield from _unmatched(document, api, chosen)
    yield from _unusable(document, chosen.unusable)
    yield from _without_server(source, spec, api, chosen)
    yield from _credentials(document, spec, chosen)
    yield from _credentials_far(document, spec, chosen)
    yield from _bound(document, spec, chosen)


def _spec_of(document: Document) -> OpenApiSpec | None:
    """Of a set whose wiring is known: a variable that is not set has its own finding."""
    spec = document.spec
    if document.is_base or not isinstance(spec, ToolSpec) or spec.openapi is None:
        return None
    open_places = {route[1] for route in document.unknown if len(route) > 1 and route[0] == "openapi"}
    return None if open_places & {"spec", "allowed_tools", "sha256"} else spec.openapi


# -- which operations -----------------------------------------------------------------------------------------


def _entries(document: Document) -> list[Node]:
    return items(document.node.get("openapi", "allowed_tools"))


def _unmatched(document: Document, api: ApiDocument, chosen: Chosen) -> Iterator[Diagnostic]:
    for node in _entries(document):
        if node.content not in chosen.unmatched:
            continue
        entry = str(node.content)
        if not api.outlines:
            yield Diagnostic("AR625", "error", "the document has no operations", node.span)
            continue
        message = f"`{entry}` matches no operation of the document"
        retired = [one.name for one in api.outlines if one.deprecated and matches(entry, one)]
        twins = [one.name for one in api.outlines if one.operation_id == entry]
        if retired:
            message = f"`{entry}` matches deprecated operations only"
            help = f"name those that are wanted: {_named(retired)}"
        elif twins:
            message = f"{len(twins)} operations have the operationId `{entry}`, which tells none of them"
            help = f"they are called {_named(twins)}"
        else:
            meant = _meant(entry, api)
            known = _known(entry, api)
            help = did_you_mean(entry, known) or f"{_kind(entry)}: {one_of(known)}"
            is_other_method = (
                " /" in entry and meant is not None and meant.split(" /")[0] != entry.split(" /")[0].upper()
            )
            fix = None
            if meant and not is_other_method:
                fix = write(node, meant, safe=is_surely(entry, meant, known))
            yield Diagnostic("AR625", "error", message, node.span, one_line(help, 400), fix=fix)
            continue
        yield Diagnostic("AR625", "error", message, node.span, one_line(help, 400))


def _meant(entry: str, api: ApiDocument) -> str | None:
    from agentrun.diagnostics import nearest

    return nearest(entry, _known(entry, api))


def _known(entry: str, api: ApiDocument) -> list[str]:
    """What an entry of its kind could have named."""
    if entry.startswith(TAG):
        return list(dict.fromkeys(f"{TAG}{tag}" for one in api.outlines for tag in one.tags))
    if entry.startswith("/"):
        return list(dict.fromkeys(one.path for one in api.outlines))
    if " /" in entry:
        return [f"{one.method} {one.path}" for one in api.outlines]
    return [one.name for one in api.outlines]


def _kind(entry: str) -> str:
    if entry.startswith(TAG):
        return "its tags"
    return "its paths" if "/" in entry else "its operations"


def _unusable(document: Document, unusable: Iterable[Unusable]) -> Iterator[Diagnostic]:
    """An operation that is named can't be had: an error. One that a glob brings is left out."""
    waiting = list(unusable)
    for node in _entries(document):
        entry = str(node.content)
        mine = [one for one in waiting if chooses(entry, one.outline)]
        waiting = [one for one in waiting if one not in mine]
        for one in mine:
            if means(entry, one.outline):
                message = f"`{one.outline.name}` can't be made a function: {one_line(one.why, 300)}"
                yield Diagnostic("AR626", "error", message, node.span, _place(one))
        left_out = [one for one in mine if not means(entry, one.outline)]
        if left_out:
            first = left_out[0]
            message = f"{counted(len(left_out), 'operation')} that `{entry}` matches can't be made functions"
            if len(left_out) == 1:
                message = f"`{first.outline.name}`, which `{entry}` matches, can't be made a function"
            help = f"left out: {_named(one.outline.name for one in left_out)}; {_place(first)}"
            yield Diagnostic("AR626", "warning", f"{message}: {one_line(first.why, 200)}", node.span, help)


def _place(one: Unusable) -> str:
    where = one.where or one.outline.pointer
    return f"in the document at {one_line(where, 200)}"


def _named(names: Iterable[str]) -> str:
    return one_line(one_of([f"`{name}`" for name in names], limit=MAX_NAMED), 300)


# -- servers, credentials, fixed arguments --------------------------------------------------------------------


def _without_server(source: Node, spec: OpenApiSpec, api: ApiDocument, chosen: Chosen) -> Iterator[Diagnostic]:
    if spec.base_url is not None:
        return
    homeless = [one for one in chosen.operations if not one.server]
    if not homeless:
        return
    written = api.written_server(homeless[0].name)
    message = "the document names no server"
    if written:
        message = f"the document's server is no whole address: `{one_line(written, 100)}`"
    end = written if written.startswith("/") else "/…"
    yield Diagnostic("AR629", "error", message, source.span, f"write `base_url: https://HOST{one_line(end, 60)}`")


def _credentials(document: Document, spec: OpenApiSpec, chosen: Chosen) -> Iterator[Diagnostic]:
    lacking = [(one, told) for one in chosen.operations if (told := unmet(one, spec, document.name)) is not None]
    if not lacking:
        return
    first, told = lacking[0]
    count = len(lacking)
    who = f"`{first.name}` needs" if count == 1 else f"`{first.name}` and {counted(count - 1, 'other operation')} need"
    auth = document.node.get("openapi", "auth")
    lack = "`auth` is another" if auth is not None else "there is no `auth`"
    message = f"{who} credentials, {told.what}, and {lack}"
    node = auth or document.node.content["openapi"].content["spec"]
    yield Diagnostic("AR627", "warning", one_line(message, 300), node.span, told.help)


def _credentials_far(document: Document, spec: OpenApiSpec, chosen: Chosen) -> Iterator[Diagnostic]:
    """Credentials are sent wherever the document's servers are: to several hosts, or over plain http."""
    written = document.node.get("openapi", "auth")
    if written is None:
        headers = document.node.get("openapi", "headers")
        named = headers.content.items() if headers is not None and headers.is_mapping else ()
        written = next((node for name, node in named if names_credential(name)), None)
    if written is None or spec.base_url is not None:
        return
    origins: dict[str, list[str]] = {}
    for one in chosen.operations:
        if one.server:
            origins.setdefault("{0.scheme}://{0.netloc}".format(urlsplit(one.server)).lower(), []).append(one.name)
    if len(origins) > 1:
        told = [f"{one_line(origin, 80)} ({counted(len(names), 'operation')})" for origin, names in origins.items()]
        message = f"the credentials go to {counted(len(origins), 'host')}: {one_of(told, limit=MAX_NAMED)}"
        help = "make a set of each host's operations, with the `auth` that is for it; or write `base_url`"
        yield Diagnostic("AR813", "warning", message, written.span, help)
    for origin in origins:
        if (host := plain_host(origin)) is not None and not is_near(host):
            message = f"the credentials go to {one_line(origin, 80)} over plain http: anyone on the way can read them"
            yield Diagnostic("AR806", "warning", message, written.span, "write `base_url: https://…`")


def _bound(document: Document, spec: OpenApiSpec, chosen: Chosen) -> Iterator[Diagnostic]:
    if not spec.bind or not chosen.operations:
        return
    known = list(dict.fromkeys(name for one in chosen.operations for name in one.arguments["properties"]))
    keys = document.node.get("openapi", "bind")
    for name, value in spec.bind.items():
        if keys is None or name not in keys.keys:
            continue
        if name in known:
            node = keys.content[name]
            if not any("${" in str(one.content) for _, one in node.walk()):
                yield from _refused(name, value, node, chosen)
            continue
        message = f"`{one_line(name, 100)}` is an argument of none of the chosen operations"
        help = did_you_mean(name, known) or (f"their arguments: {one_of(known)}" if known else "they have none")
        place = Node(name, keys.keys[name], source=name)
        yield Diagnostic("AR628", "error", message, place.span, one_line(help, 400), fix=write_name(place, known))


def _refused(name: str, value: Any, node: Node, chosen: Chosen) -> Iterator[Diagnostic]:
    """A value that the schema of the argument does not allow."""
    takers = [one for one in chosen.operations if name in one.arguments["properties"]]
    refusals = [(one, why) for one in takers if (why := _why_refused(one, name, value)) is not None]
    if not refusals:
        return
    first, why = refusals[0]
    who = f"`{first.name}`" if len(takers) == 1 else f"{len(refusals)} of {counted(len(takers), 'operation')}"
    message = f"`{one_line(name, 100)}` is fixed to what {who} can't take: {one_line(why, 200)}"
    severity: Severity = "error" if len(refusals) == len(takers) else "warning"
    yield Diagnostic(
        "AR628", severity, message, node.span, f"see `{one_line(name, 60)}` of `{first.name}` in the document"
    )


def _why_refused(operation: Operation, name: str, value: Any) -> str | None:
    """Of a parameter, a number and its text are sent alike. A file is bound as a model gives it, or as base64."""
    is_body = operation.body is not None and operation.body.argument == name
    tried = [value] if is_body else [value, *_alike(value)]
    refused: list[str] = []
    for whole in (operation.arguments, function_parameters(operation)):
        schema = {"properties": {name: whole["properties"][name]}, "$defs": whole.get("$defs", {})}
        try:
            check = Validator(schema)
        except ValueError:
            return None  # that is told of the operation
        if any(check.is_valid({name: one}) for one in tried):
            return None
        refused.append(check.violations({name: value})[0].message)
    return refused[-1]


def _alike(value: Any) -> Iterator[Any]:
    if isinstance(value, (bool, int, float)):
        yield json.dumps(value)
    elif isinstance(value, str):
        with contextlib.suppress(ValueError):
            yield json.loads(value)
