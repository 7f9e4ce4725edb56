"""The calls that a connection works on, and what its server asks of a person for one of them.

Knows nothing of how a call is made. Imports the SDK.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextvars import ContextVar

import mcp_types as types
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError

from agentrun.engine.ports import CallContext
from agentrun.errors import ToolFailure
from agentrun.tools.mcp.asking import answered

_MAX_PROGRESS = 1000
_MAX_ASKED_AT_ONCE = 8
_current: ContextVar[Call | None] = ContextVar("call", default=None)


class _Question:
    """Of a server in the middle of a call. `of` are the calls that it may belong to, as long as they last."""

    def __init__(self, task: asyncio.Task[types.ElicitResult | types.ErrorData], of: set[Call]) -> None:
        self.task = task
        self.of = of


class Calls:
    """Those of one connection to the server `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: dict[Call, None] = {}  # the latest is the last
        self._questions: set[_Question] = set()

    @contextlib.asynccontextmanager
    async def begin(self, context: CallContext) -> AsyncIterator[Call]:
        """A call, as long as it lasts. When it is over, no question that can only be its own is open."""
        call = Call(self._name, context)
        self._open[call] = None
        token = _current.set(call)
        try:
            yield call
        finally:
            _current.reset(token)
            del self._open[call]
            await self._stop_asking(call)

    async def asked(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Over HTTP the SDK runs this in the context of the call it came with. A program doesn't say for which call it
        asks: that is done for the latest, and goes on as long as any of them.
        """
        current = _current.get()
        of = list(self._open) if current is None else [current]
        if not of:
            return types.ElicitResult(action="cancel")
        if len(self._questions) >= _MAX_ASKED_AT_ONCE:
            return types.ErrorData(code=types.INVALID_REQUEST, message="too many questions at once")
        question = _Question(asyncio.create_task(answered(params, self._name, of[-1].context)), set(of))
        self._questions.add(question)
        try:
            await asyncio.wait({question.task})
            if question.task.cancelled():
                return types.ElicitResult(action="cancel")
            of[-1].broken = question.task.exception()
            if of[-1].broken is not None:
                return types.ErrorData(code=types.INTERNAL_ERROR, message="nobody could be asked")
            return question.task.result()
        finally:
            question.task.cancel()
            self._questions.discard(question)

    async def _stop_asking(self, call: Call) -> None:
        """Nobody needs the answers any more that only this call waited for."""
        for question in self._questions:
            question.of.discard(call)
        idle = {question.task for question in self._questions if not question.of}
        for task in idle:
            task.cancel()
        if idle:
            await asyncio.wait(idle)


class Call:
    """`broken` is what went wrong with asking, and is not the server's to know."""

    def __init__(self, server: str, context: CallContext) -> None:
        self.context = context
        self.broken: BaseException | None = None
        self._server = server
        self._told = 0

    async def tell(self, progress: float, total: float | None, message: str | None) -> None:
        self._told += 1
        if self._told <= _MAX_PROGRESS and math.isfinite(progress):
            self.context.tell_progress(progress, total if total is None or math.isfinite(total) else None, message)

    async def inputs(self, found: types.InputRequiredResult) -> types.InputResponses | None:
        """What a result asks for that is none yet. Raises `ToolFailure`."""
        answers: types.InputResponses = {}
        for key, request in (found.input_requests or {}).items():
            if not isinstance(request, types.ElicitRequest):
                message = f"the MCP server `{self._server}` asks for `{request.method}`, which is not offered"
                raise ToolFailure("tool_error", message)
            answer = await answered(request.params, self._server, self.context)
            if isinstance(answer, types.ErrorData):
                raise ToolFailure("tool_error", f"the MCP server `{self._server}` got no answer: {answer.message}")
            answers[key] = answer
        return answers or None

    async def opened(self, error: MCPError) -> bool:
        """Whether a person opened all addresses without which the server does nothing."""
        asked = types.ElicitationRequiredErrorData.model_validate(error.data).elicitations
        for one in asked:
            answer = await answered(one, self._server, self.context)
            if isinstance(answer, types.ErrorData) or answer.action != "accept":
                return False
        return bool(asked)
