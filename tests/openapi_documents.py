"""OpenAPI documents for tests, and their operations as tools that are called."""

import asyncio
import json

import pytest

from agentrun.errors import ToolFailure
from agentrun.openapi.reading import read_document
from agentrun.openapi_sets import members_of
from agentrun.spec.types import OpenApiSpec, ToolSpec
from agentrun.tool_sets import set_rules
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources
from http_calls import CONTEXT, Waits


def parameter(name, place="query", schema=None, **more):
    return {"name": name, "in": place, "schema": schema or {}, "required": place == "path", **more}


def json_body(schema, **more):
    return body("application/json", schema, **more)


def body(media_type, schema, *, required=True, **more):
    return {"required": required, "content": {media_type: {"schema": schema, **more}}}


def answers(schema, media_type="application/json"):
    return {"200": {"description": "fine", "content": {media_type: {"schema": schema}}}}


def document(paths, *, server="http://localhost", **more):
    """`paths` maps `GET /orders/{id}` to an operation."""
    made = {}
    for place, operation in paths.items():
        method, path = place.split(" ", 1)
        whole = {"responses": {"200": {"description": "fine"}}, **operation}
        made.setdefault(path, {})[method.lower()] = whole
    about = {"title": "Shop", "version": "1"}
    return {"openapi": "3.1.0", "info": about, "servers": [{"url": server}], "paths": made, **more}


def read(written):
    return read_document("shop.json", json.dumps(written).encode())


def tools(written, *, network=None, bind=None, wanted=("*",), spec=None, **tool):
    """The members of the set `shop`, by the names of the document."""
    network = network or Network()
    rules = set_rules("shop", ToolSpec(**tool), wanted, bind or {})
    found = OpenApiSpec(**{"spec": "shop.json", "allowed_tools": ["*"], **(spec or {})})
    operations = read(written).chosen(found.allowed_tools).operations
    made = members_of(operations, found, rules, network=network, tokens=TokenSources(network), sleep=Waits())
    return {one.name.removeprefix("shop_"): one for one in made}


def one_tool(operation, *, place="GET /it", server="http://localhost", document_more=None, **more):
    """The tool of a document of one operation."""
    [made] = tools(document({place: operation}, server=server, **(document_more or {})), **more).values()
    return made


def call(tool, arguments=None):
    async def once():
        backend = getattr(tool.backend, "_backend", tool.backend)
        try:
            return await tool.backend.call(arguments or {}, CONTEXT)
        finally:
            await backend.network.aclose()

    return asyncio.run(once())


def failure(tool, arguments=None):
    with pytest.raises(ToolFailure) as failed:
        call(tool, arguments)
    return failed.value


def request(operation, arguments, **more):
    """What would be sent, without a network."""
    return one_tool(operation, **more).backend.build(arguments)


def refusal(operation, arguments, **more):
    with pytest.raises(ToolFailure) as failed:
        request(operation, arguments, **more)
    assert failed.value.type == "invalid_arguments"
    return failed.value.message


def header(request, name):
    return next((value for given, value in request.headers if given.lower() == name.lower()), None)


def problems(tool, arguments):
    """What the function's schema says of arguments."""
    return [one.message for one in tool.check.violations(arguments)]
