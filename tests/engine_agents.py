"""Agents built in code, for tests of the engine that files can't write: tools that wait for the test, other models."""

import asyncio

import msgspec

from agentrun.engine.agent import Agent, BoundTool
from agentrun.engine.messages import FunctionTool, ToolList
from agentrun.engine.ports import ToolResult
from agentrun.json_schema import Validator
from agentrun.models.scripted import Scripted
from agentrun.secrets import Masker
from agentrun.spec.script_types import ScriptTurn

ANY = {"type": "object", "properties": {}}
WAIT_S = 20.0  # far more than any of these waits takes


class Function:
    """A backend: an async function of the arguments and the context."""

    def __init__(self, function):
        self.function = function

    async def call(self, arguments, context):
        value = await self.function(arguments, context)
        return ToolResult(value, {"result": value})


async def ok(arguments, context):
    return "ok"


def make_tool(name, function=ok, *, parameters=ANY, **options):
    backend = None if function is None else Function(function)
    return BoundTool(FunctionTool(name, "", parameters), Validator(parameters), backend, **options)


def script(*turns):
    return Scripted("scripted", msgspec.convert(turns, list[ScriptTurn]))


def make_agent(model, *tools, secrets=(), parameters=ANY, name="main", **options):
    """`model` is a model, or the turns of a script."""
    options = {"prompt": None, "prompt_arguments": frozenset(), "input": lambda arguments, run: "go"} | options
    return Agent(
        name=name,
        description="",
        model=script(*model) if isinstance(model, list) else model,
        mask=Masker(secrets),
        parameters=parameters,
        arguments=Validator(parameters),
        tools={tool.name: tool for tool in tools},
        tool_list=ToolList(tool.function for tool in tools),
        **options,
    )


def calls(*named, content=None):
    """A turn of calls: names, or names with arguments. Their ids are c1, c2, …"""
    pairs = [one if isinstance(one, tuple) else (one, {}) for one in named]
    written = [
        {"name": name, "arguments": arguments, "id": f"c{number}"}
        for number, (name, arguments) in enumerate(pairs, start=1)
    ]
    return {"content": content, "tool_calls": written}


def answer(text="done"):
    return {"content": text}


def results(messages):
    """What the tool messages of a conversation say, in order."""
    return [message.data["content"] for message in messages if message.role == "tool"]


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, WAIT_S)


def other_tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


def kinds(events):
    return [type(event).__name__ for event in events]
