"""Calls of MCP servers in tests, outside a run: `async with workshop("--handshake") as server:`."""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
from pathlib import Path

from agentrun.engine.ports import CallContext, CallInfo, ElicitationAnswer, RunInfo
from agentrun.tools.mcp.launch import HttpLaunch, StdioLaunch
from agentrun.tools.mcp.servers import Servers

WORKSHOP = Path(__file__).parent / "mcp_workshop.py"
ENV = {"PATH": os.environ["PATH"]}
WITHIN_S = 30


def in_a_loop(test):
    """A test that is a coroutine, in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


def stdio(*options, cwd="/", env=ENV):
    return StdioLaunch((sys.executable, str(WORKSHOP), *map(str, options)), str(cwd), env)


class Asked:
    """The context of a call, which keeps what was asked and told; `answer` is given to every question."""

    def __init__(self, answer=None):
        self.answer = answer or ElicitationAnswer("cancel")
        self.questions = []
        self.progress = []

    @property
    def context(self):
        return CallContext(
            RunInfo("run", "2026-01-01", "agent", ""),
            CallInfo("call", "name", 1),
            self._child,
            elicit=self._elicit,
            tell_progress=lambda *told: self.progress.append(told),
        )

    async def _child(self, *_):
        raise AssertionError("no agent is run")

    async def _elicit(self, asked):
        self.questions.append(asked)
        return self.answer if not callable(self.answer) else await self.answer(asked)


async def call(server, tool, arguments=None, asked=None):
    async with asyncio.timeout(WITHIN_S):
        return await server.call(tool, arguments or {}, (asked or Asked()).context)


async def said(server, tool, arguments=None, asked=None):
    """The text of a result."""
    return (await call(server, tool, arguments, asked))["content"][0]["text"]


@contextlib.asynccontextmanager
async def serving(launch):
    """A server, its tools listed."""
    servers = Servers()
    try:
        server = servers.of(launch)
        async with asyncio.timeout(WITHIN_S):
            await server.tools()
        yield server
    finally:
        async with asyncio.timeout(WITHIN_S):
            await servers.aclose()


def workshop(*options, **more):
    return serving(stdio(*options, **more))


@contextlib.contextmanager
def listening(command, cwd=None, env=None):
    """A process that writes its port to stdout first: (port, process)."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=cwd, env=env, text=True) as process:
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


@contextlib.contextmanager
def http_workshop(*options):
    with listening([sys.executable, str(WORKSHOP), "--http", *options]) as (port, _):
        yield HttpLaunch(f"http://127.0.0.1:{port}/mcp")


def is_running(pid):
    """Whether there is such a process, and it isn't one that has ended and waits to be looked at."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"


async def until(condition):
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)
