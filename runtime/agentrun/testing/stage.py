"""What stands between an agent under test and the world: the model, the network, commands and functions.

An agent is bound once for all cases. Which case a call belongs to is known by a context variable, which the tasks of a
case inherit: its `Scene` says who answers. A stub of an http or shell tool stands where the network or the process
would: the request is built, and its answer read, as in a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

from agentrun.engine.messages import Reply, Request
from agentrun.engine.ports import CallContext, Model, Tell, Tool, ToolResult
from agentrun.errors import ModelError, ToolFailure, UsageError
from agentrun.models.retry import Retrying
from agentrun.models.scripted import Scripted
from agentrun.spec.case_types import StubSpec
from agentrun.spec.types import ModelSpec, ScriptTurn
from agentrun.testing.observed import HttpRequest, ProcessRequest, ToolRequest
from agentrun.testing.stubs import NoStub, StubBook
from agentrun.tools.agent import AgentTool
from agentrun.tools.http import HttpTool
from agentrun.tools.network import Answer, Network
from agentrun.tools.process import Completed
from agentrun.tools.shell import ShellTool
from agentrun.tools.url import Url

_JITTER = 0.5  # of the delays that a script's retries tell of; none of them is waited for


class Scene:
    """One case while it runs. `script` is None where the agent's own model answers.

    `problems` are what fails the case whatever it expects; `requests` is what tools sent or ran, by the call's key.
    """

    def __init__(self, script: Sequence[ScriptTurn] | None, stubs: StubBook, *, live_tools: bool) -> None:
        self.script = None if script is None else Scripted("scripted", script)
        self.stubs = stubs
        self.live_tools = live_tools
        self.problems: list[str] = []
        self.requests: dict[str, list[ToolRequest]] = {}
        self._models: dict[int, Model] = {}

    def model(self, stage: StagedModel) -> Model:
        """Who answers in the place of an agent's model: the case's script, the agent's own, or the real one."""
        if id(stage) not in self._models:
            self._models[id(stage)] = self._made(stage)
        return self._models[id(stage)]

    def _made(self, stage: StagedModel) -> Model:
        if self.script is None and all(one.api != "scripted" for one in stage.specs):
            return stage.real
        models: list[Model] = [self._one(one) for one in stage.specs]
        return Retrying(
            models,
            max_retries=[one.max_retries for one in stage.specs],
            sleep=_no_wait,
            random=lambda: _JITTER,
        )

    def _one(self, spec: ModelSpec) -> Model:
        if self.script is not None:
            return _Named(spec.name or "scripted", self.script)
        return Scripted(spec.name or "scripted", spec.script if isinstance(spec.script, list) else [])

    def fail(self, problem: str) -> ModelError:
        """What ends the run: the case can't go on."""
        self.problems.append(problem)
        return ModelError(problem, code="test")


class _Call(msgspec.Struct):
    """A tool call while it is made: the stub that answers, None for the real world, and what is sent."""

    stub: StubSpec | None
    requests: list[ToolRequest]


_SCENE: ContextVar[Scene] = ContextVar("scene")
_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)


def enter(scene: Scene) -> None:
    """All that this task begins from now on belongs to the scene."""
    _SCENE.set(scene)


class Stage:
    """Hands out stand-ins while an agent is bound."""

    shell = ShellTool

    def __init__(self) -> None:
        self.shell = StagedShell

    def model(self, specs: Sequence[ModelSpec], real: Model) -> Model:
        return StagedModel(specs, real)

    def tool(self, name: str, make: Callable[[], Tool | None]) -> Tool | None:
        """What a tool's backend is made of may depend on variables that are not set: told when it is called."""
        try:
            backend = make()
        except UsageError as error:
            return StagedTool(name, None, error)
        return None if backend is None else StagedTool(name, backend)

    def network(self, watch: Any) -> Network:
        return StagedNetwork(watch=watch)

    def tokens(self, network: Network) -> Network:
        return _TokenNetwork(network)

    async def sleep(self, seconds: float) -> None:
        """Between the attempts of an http tool. What a stub answers is not worth waiting for."""
        call = _CALL.get()
        if call is None or call.stub is None:
            await asyncio.sleep(seconds)


class StagedModel:
    def __init__(self, specs: Sequence[ModelSpec], real: Model) -> None:
        self.name = real.name
        self.specs = specs
        self.real = real

    async def complete(self, request: Request, tell: Tell) -> Reply:
        return await _SCENE.get().model(self).complete(request, tell)


class _Named:
    """A script under the name of the model in whose place it stands."""

    def __init__(self, name: str, script: Scripted) -> None:
        self.name = name
        self._script = script

    async def complete(self, request: Request, tell: Tell) -> Reply:
        return await self._script.complete(request, tell)


class StagedTool:
    def __init__(self, name: str, backend: Tool | None, error: UsageError | None = None) -> None:
        self.name = name
        self.backend = backend
        self._error = error

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        scene = _SCENE.get()
        stub = self._stub(scene, arguments)
        if self.backend is None:
            raise scene.fail(f"the tool `{self.name}` can't be made: {self._error}")
        call = _Call(stub, [])
        token = _CALL.set(call)
        try:
            if stub is not None:
                await asyncio.sleep(stub.delay)
                if not isinstance(self.backend, HttpTool | ShellTool):
                    return _result(stub)
            return await self.backend.call(arguments, context)
        finally:
            _CALL.reset(token)
            scene.requests[context.call.id] = call.requests

    def _stub(self, scene: Scene, arguments: Mapping[str, Any]) -> StubSpec | None:
        if scene.stubs.has(self.name):
            try:
                return scene.stubs.take(self.name, arguments)
            except NoStub as error:
                raise scene.fail(str(error)) from None
        if scene.live_tools or isinstance(self.backend, AgentTool):
            return None
        raise scene.fail(f"`{self.name}` was called, and has no stub")


def _result(stub: StubSpec) -> ToolResult:
    if stub.error is not None:
        raise ToolFailure(stub.error.type, stub.error.message)
    return ToolResult(stub.result, {"result": stub.result})


class StagedNetwork(Network):
    async def exchange(
        self,
        method: str,
        url: Url,
        headers: Sequence[tuple[str, str]],
        content: bytes | None,
        *,
        checked: bool,
        max_bytes: Callable[[int], int],
        hidden: str | None = None,
    ) -> Answer:
        call = _CALL.get()
        if call is not None:
            call.requests.append(_http_request(method, url, headers, content))
            if call.stub is not None:
                return _answer(call.stub)
        return await super().exchange(
            method, url, headers, content, checked=checked, max_bytes=max_bytes, hidden=hidden
        )


class _TokenNetwork(Network):
    """Where tokens are fetched: a stubbed tool gets one that nobody would take."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    async def exchange(self, *arguments: Any, **options: Any) -> Answer:
        call = _CALL.get()
        if call is not None and call.stub is not None:
            return _json_answer(200, {"access_token": "stubbed-token", "token_type": "bearer"})
        if call is None:
            return await self._network.exchange(*arguments, **options)
        token = _CALL.set(None)  # the request for a token is not the tool's own
        try:
            return await self._network.exchange(*arguments, **options)
        finally:
            _CALL.reset(token)


class StagedShell(ShellTool):
    async def _run(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, script: Path | None = None
    ) -> Completed:
        call = _CALL.get()
        if call is not None:
            shown = [*argv[:-1], "<script>"] if script is not None else argv
            call.requests.append(
                ProcessRequest(tuple(shown), str(self._cwd), dict(env), stdin.decode(errors="replace"))
            )
            if (stub := call.stub) is not None:
                if stub.error is not None:
                    raise ToolFailure(stub.error.type, stub.error.message)
                return Completed(stub.exit_code or 0, stub.stdout.encode(), stub.stderr.encode())
        return await super()._run(argv, env, stdin, script)


def _http_request(method: str, url: Url, headers: Sequence[tuple[str, str]], content: bytes | None) -> HttpRequest:
    from urllib.parse import parse_qsl

    whole = str(url)
    bare, _, query = whole.partition("?")
    body = (content or b"").decode(errors="replace")
    return HttpRequest(method, bare, tuple(parse_qsl(query, keep_blank_values=True)), tuple(headers), body)


def _answer(stub: StubSpec) -> Answer:
    if stub.error is not None:
        raise ToolFailure(stub.error.type, stub.error.message)
    status = 200 if stub.status is None else stub.status
    if stub.text is None and stub.json is not None:
        return _json_answer(status, stub.json, stub.headers)
    content = (stub.text or "").encode()
    return Answer(status, _headers(stub.headers, "text/plain; charset=utf-8" if content else None), content, True)


def _json_answer(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, _headers(headers or {}, "application/json"), msgspec.json.encode(data), True)


def _headers(written: Mapping[str, str], content_type: str | None) -> tuple[tuple[str, str], ...]:
    headers = {name.lower(): value for name, value in written.items()}
    if content_type is not None:
        headers.setdefault("content-type", content_type)
    return tuple(headers.items())


async def _no_wait(seconds: float) -> None:
    """A script's failures are retried at once."""
