"""What stands between an agent under test and the world: the network, commands and functions.

An agent is bound once for all cases; who answers is said by the case's `Scene`. A stub of an http or shell tool stands
where the network or the process would: the request is built, and its answer read, as in a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

from agentrun.engine.agent import ToolSet
from agentrun.engine.exchange import OnExchange
from agentrun.engine.ports import CallContext, Model, Tool, ToolResult
from agentrun.errors import UsageError
from agentrun.spec.case_types import StubSpec
from agentrun.spec.types import ModelSpec
from agentrun.testing.observed import HttpRequest, ProcessRequest, ToolRequest
from agentrun.testing.scene import SCENE, Scene, StagedModel
from agentrun.testing.staged_sets import StagedSet
from agentrun.testing.stubs import NoStub, failure_of
from agentrun.tool_sets import SetRules
from agentrun.tools.agent import AgentTool
from agentrun.tools.http import HttpTool
from agentrun.tools.mcp.results import stand_in
from agentrun.tools.network import Answer, Network
from agentrun.tools.openapi import OpenApiTool
from agentrun.tools.process import Completed
from agentrun.tools.shell import ShellTool
from agentrun.tools.url import Url

_HIDDEN = "[secret]"


class _Call:
    """A tool call while it is made, and what is sent for it. Without `first` the real world answers.

    Each request of the call has a stub of its own, as a retry, a redirect and a further page would have an answer: one
    that answers any number of calls answers them all. The first is taken when the call begins, so that calls of one
    turn take them in their order.
    """

    def __init__(self, tool: StagedTool, arguments: Mapping[str, Any], scene: Scene, first: StubSpec | None) -> None:
        self.requests: list[ToolRequest] = []
        self.is_stubbed = first is not None
        self._tool = tool
        self._arguments = arguments
        self._scene = scene
        self._first = first

    async def stub(self, origin: str = "") -> StubSpec:
        """What answers the request that is made now, after its delay. Raises the failure that it stands for."""
        stub, self._first = self._first, None
        if stub is None:
            stub = self._tool.take(self._scene, self._arguments, self._further())
        await asyncio.sleep(stub.delay)
        if (failure := failure_of(stub, self._tool.timeout_s, origin)) is not None:
            raise failure
        return stub

    def _further(self) -> str:
        sent = self.requests[-1]
        if not isinstance(sent, HttpRequest):
            return ""
        query = "&".join(f"{name}={value}" for name, value in sent.query)
        where = f"{sent.url}?{query}" if query else sent.url
        return f", whose request {len(self.requests)} is {sent.method} {where}"


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)


class Stage:
    """Hands out stand-ins while an agent is bound. `unset` says of tools which variable they miss."""

    def __init__(self, unset: Mapping[str, str] | None = None) -> None:
        self.shell: type[ShellTool] = StagedShell
        self._unset = unset or {}
        self._tools: set[str] = set()
        self._sets: set[str] = set()

    def model(self, specs: Sequence[ModelSpec], real: Model) -> Model:
        return StagedModel(specs, real)

    def tool(self, name: str, timeout_s: float, make: Callable[[], Tool | None]) -> Tool | None:
        """What a tool's backend is made of may depend on variables that are not set: told when it is called."""
        self._tools.add(name)
        try:
            backend = make()
        except UsageError as error:
            return StagedTool(name, timeout_s, None, error)
        return None if backend is None else StagedTool(name, timeout_s, backend, unset=self._unset.get(name))

    def tool_set(self, rules: SetRules, make: Callable[[], ToolSet]) -> ToolSet:
        """No server is started, but where a case really calls its tools."""
        self._sets.add(rules.name)

        def wrap(function: str, backend: Tool | None) -> Tool:
            return StagedTool(function, rules.timeout_s, backend, of_a_server=True)

        unset = self._unset.get(rules.name)
        return StagedSet(rules, make, wrap, tools=self._tools, sets=self._sets, unset=unset)

    def network(self, watch: OnExchange | None) -> Network:
        return StagedNetwork(watch=watch)

    def tokens(self, network: Network) -> Network:
        return _TokenNetwork(network)

    async def sleep(self, seconds: float) -> None:
        """Between the attempts of an http tool. What a stub answers is not worth waiting for."""
        call = _CALL.get()
        if call is None or not call.is_stubbed:
            await asyncio.sleep(seconds)


class StagedTool:
    def __init__(
        self,
        name: str,
        timeout_s: float,
        backend: Tool | None,
        error: UsageError | None = None,
        unset: str | None = None,
        of_a_server: bool = False,
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._of_a_server = of_a_server
        self.backend = backend
        self._error = error
        self._unset = unset

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        scene = SCENE.get()
        if scene.stubs.has(self.name):
            call = _Call(self, arguments, scene, self.take(scene, arguments))
        elif scene.live_tools or isinstance(self.backend, AgentTool):
            call = _Call(self, arguments, scene, None)
        else:
            raise scene.fail(f"`{self.name}` was called, and has no stub")
        if self.backend is None:
            reason = f"the tool `{self.name}` can't be made: {self._error}"
            raise scene.fail(reason) if call.is_stubbed else scene.give_up(reason)
        if self._unset is not None and scene.live_tools and not call.is_stubbed:
            raise scene.give_up(f"`{self.name}` is really called, and {self._unset}")
        token = _CALL.set(call)
        try:
            if call.is_stubbed and not isinstance(self.backend, HttpTool | OpenApiTool | ShellTool):
                result = (await call.stub()).result
                return stand_in(result) if self._of_a_server else ToolResult(result, {"result": result})
            return await self.backend.call(arguments, context)
        finally:
            _CALL.reset(token)
            scene.requests[context.call.id] = call.requests

    def take(self, scene: Scene, arguments: Mapping[str, Any], further: str = "") -> StubSpec:
        try:
            return scene.stubs.take(self.name, arguments, further)
        except NoStub as error:
            raise scene.fail(str(error), "tools", self.name) from None


class StagedNetwork(Network):
    async def exchange(
        self,
        method: str,
        url: Url,
        headers: Sequence[tuple[str, str]],
        content: bytes | None,
        *,
        max_bytes: Callable[[int], int],
        hidden: str | None = None,
        **options: Any,
    ) -> Answer:
        call = _CALL.get()
        if call is not None:
            call.requests.append(_http_request(method, url, headers, content, hidden))
            if call.is_stubbed:
                return _limited(_answer(await call.stub(str(url.origin))), max_bytes)
        return await super().exchange(method, url, headers, content, max_bytes=max_bytes, hidden=hidden, **options)


class _TokenNetwork(Network):
    """Where tokens are fetched. A stubbed tool gets one that nobody would take, and that is kept for no other call."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    async def exchange(self, *arguments: Any, **options: Any) -> Answer:
        call = _CALL.get()
        if call is not None and call.is_stubbed:
            token = {"access_token": "stubbed-token", "token_type": "bearer", "expires_in": 0}
            return _json_answer(200, token)
        if call is None:
            return await self._network.exchange(*arguments, **options)
        token_of_call = _CALL.set(None)  # the request for a token is not the tool's own
        try:
            return await self._network.exchange(*arguments, **options)
        finally:
            _CALL.reset(token_of_call)


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
            if call.is_stubbed:
                stub = await call.stub()
                return Completed(stub.exit_code or 0, stub.stdout.encode(), stub.stderr.encode())
        return await super()._run(argv, env, stdin, script)


def _http_request(
    method: str, url: Url, headers: Sequence[tuple[str, str]], content: bytes | None, hidden: str | None
) -> HttpRequest:
    """`hidden` is a query entry whose value is told to nobody."""
    from urllib.parse import parse_qsl

    bare, _, query = str(url).partition("?")
    entries = ((name, _HIDDEN if name == hidden else value) for name, value in parse_qsl(query, keep_blank_values=True))
    body = (content or b"").decode(errors="replace")
    return HttpRequest(method, bare, tuple(entries), tuple(headers), body)


def _answer(stub: StubSpec) -> Answer:
    status = 200 if stub.status is None else stub.status
    if stub.text is None and stub.json is not None:
        return _json_answer(status, stub.json, stub.headers)
    content = (stub.text or "").encode()
    return Answer(status, _headers(stub.headers, "text/plain; charset=utf-8" if content else None), content, True)


def _limited(answer: Answer, max_bytes: Callable[[int], int]) -> Answer:
    """Cut where the network would have cut it."""
    most = max_bytes(answer.status)
    if len(answer.content) <= most:
        return answer
    return msgspec.structs.replace(answer, content=answer.content[:most], complete=False)


def _json_answer(status: int, data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, _headers(headers or {}, "application/json"), msgspec.json.encode(data), True)


def _headers(written: Mapping[str, str], content_type: str | None) -> tuple[tuple[str, str], ...]:
    headers = {name.lower(): value for name, value in written.items()}
    if content_type is not None:
        headers.setdefault("content-type", content_type)
    return tuple(headers.items())
