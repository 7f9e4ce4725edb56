"""The operations of an OpenAPI document as tools of a set.

A function takes what the document names for its operation, less what is not the model's to say: what the set's author
has written (`headers`, `auth`), and headers that steer the connection. Of raw bytes it takes a file as `uploads.py`
has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.engine.agent import BoundTool
from agentrun.engine.ports import Tool
from agentrun.errors import UsageError
from agentrun.openapi.bodies import file_members, is_empty_form
from agentrun.openapi.media import kind_of
from agentrun.openapi.operation import Body, Operation
from agentrun.openapi.sources import document_of
from agentrun.openapi.uploads import upload_schema
from agentrun.spec.function_names import member_names
from agentrun.spec.types import OpenApiSpec
from agentrun.tool_sets import Offered, SetRules, bound_members

if TYPE_CHECKING:
    from agentrun.tools.network import Network
    from agentrun.tools.oauth2 import TokenSources
    from agentrun.tools.openapi import Service
    from agentrun.tools.retry import Sleep

Staged = Callable[[str, float, Callable[[], Tool | None]], Tool | None]

_READ_ONLY = ("GET", "HEAD")


def openapi_members(
    spec: OpenApiSpec,
    rules: SetRules,
    folder: Path,
    *,
    network: Network,
    tokens: TokenSources,
    sleep: Sleep,
    staged: Staged | None,
) -> list[BoundTool]:
    """`folder` is where the path of the document begins. `staged` puts a test's stand-in before each backend.

    Raises `UsageError` for what only the environment could have got wrong.
    """
    document = document_of(spec, folder)
    chosen = document.chosen(spec.allowed_tools).operations
    return members_of(chosen, spec, rules, network=network, tokens=tokens, sleep=sleep, staged=staged)


def members_of(
    operations: Sequence[Operation],
    spec: OpenApiSpec,
    rules: SetRules,
    *,
    network: Network,
    tokens: TokenSources,
    sleep: Sleep,
    staged: Staged | None = None,
) -> list[BoundTool]:
    """The members of a set whose document was read. Raises `UsageError`."""
    from agentrun.tools.openapi import IDEMPOTENT, OpenApiTool, Service

    service: Service | None = None

    def make(operation: Operation) -> OpenApiTool:
        """What is wrong with headers and credentials concerns every member, and a test may not need them."""
        nonlocal service
        service = service or Service(spec, network=network, tokens=tokens, sleep=sleep)
        idempotent = operation.method in IDEMPOTENT if rules.idempotent is None else rules.idempotent
        return OpenApiTool(operation, service, idempotent=idempotent, timeout_s=rules.timeout_s)

    functions = member_names(rules.name, (one.name for one in operations))
    offered: list[Offered] = []
    for operation in operations:
        function = functions[operation.name]
        if not any(fnmatchcase(function, pattern) for pattern in rules.wanted):
            continue
        ours = callable_operation(operation, spec)
        made = partial(make, ours)
        backend = made() if staged is None else staged(function, rules.timeout_s, made)
        if backend is not None:
            offered.append(
                Offered(
                    name=operation.name,
                    description=operation.description,
                    parameters=function_parameters(ours),
                    backend=backend,
                    read_only=operation.method in _READ_ONLY,
                    idempotent=operation.method in IDEMPOTENT,
                )
            )
    try:
        return bound_members(rules, offered, functions)
    except ValueError as error:
        raise UsageError(f"the tool set `{rules.name}`: {error}") from None


def callable_operation(operation: Operation, spec: OpenApiSpec) -> Operation:
    """An operation with the parameters that its function has. Some documents give every operation an empty form."""
    from agentrun.tools.openapi import takes

    parameters = tuple(one for one in operation.parameters if takes(spec, one.place, one.name))
    body = operation.body
    if body is not None and not body.required and is_empty_form(body):
        body = None
    if len(parameters) == len(operation.parameters) and body is operation.body:
        return operation
    return msgspec.structs.replace(operation, parameters=parameters, body=body)


def function_parameters(operation: Operation) -> dict[str, Any]:
    if operation.body is None:
        return operation.arguments
    return msgspec.structs.replace(operation, body=with_uploads(operation.body)).arguments


def with_uploads(body: Body) -> Body:
    """A body whose raw bytes are files that a model can give."""
    if kind_of(body.media_type) == "bytes":
        return msgspec.structs.replace(body, schema=upload_schema(body.schema, named=False))
    files = file_members(body)
    members = body.schema.get("properties")
    if not files or not isinstance(members, Mapping):
        return body
    changed: dict[str, Any] = {}
    for name, schema in members.items():
        if name not in files:
            changed[name] = schema
        elif files[name]:
            items = schema.get("items")
            changed[name] = {**schema, "items": upload_schema(items if isinstance(items, Mapping) else {}, named=True)}
        else:
            changed[name] = upload_schema(schema, named=True)
    return msgspec.structs.replace(body, schema={**body.schema, "properties": changed})
