"""Making http tools and calling them, for tests."""

import asyncio

import pytest

from agentrun.engine.ports import CallContext, CallInfo, RunInfo
from agentrun.errors import ToolFailure
from agentrun.spec.types import HttpSpec
from agentrun.templates import call_variables
from agentrun.tools.http import HttpTool


async def no_child(_name, _arguments):
    raise AssertionError("an http tool runs no agent")


CONTEXT = CallContext(
    RunInfo(id="run-1", date="2026-01-31", agent="desk", session="s-1"),
    CallInfo(id="call-1", name="the_tool", turn=2),
    no_child,
)


class Waits(list):
    """Stands in for sleeping, and remembers for how long."""

    async def __call__(self, seconds):
        self.append(seconds)


def tool(
    url="",
    *,
    parameters=(),
    idempotent=True,
    network=None,
    tokens=None,
    folders=None,
    timeout_s=1e9,
    sleep=None,
    **spec,
):
    schema = {"type": "object", "properties": {name: {} for name in parameters}}
    sleep = Waits() if sleep is None else sleep
    return HttpTool(
        HttpSpec(url=url, **spec),
        parameters=schema,
        idempotent=idempotent,
        network=network,
        tokens=tokens,
        folders=folders,
        timeout_s=timeout_s,
        sleep=sleep,
    )


def call(made, arguments=None):
    async def once():
        try:
            return await made.call(arguments or {}, CONTEXT)
        finally:
            await made.network.aclose()

    return asyncio.run(once())


def failure(made, arguments=None):
    with pytest.raises(ToolFailure) as failed:
        call(made, arguments)
    return failed.value


def sent(made, arguments=None):
    """What would be sent, without a network."""
    return made._template.build(arguments or {}, call_variables(arguments or {}, CONTEXT))


def header(request, name):
    return next((value for given, value in request.headers if given.lower() == name.lower()), None)
