"""One connection to a server, from its handshake to its end: the SDK's client, in a task of its own.

The SDK's scopes must be left in the task that entered them, so one task holds them, and calls come from others. A
connection that is over stays so: `shared.py` makes another. Imports the SDK, so it is itself imported where a server is
needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import anyio
import mcp_types as types
from mcp.client.client import Client, ConnectMode
from mcp.client.session import ClientSession, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from agentrun.engine.ports import CallContext
from agentrun.errors import ToolFailure
from agentrun.tools.mcp.calls import Call, Calls
from agentrun.tools.mcp.failures import LATE, Words
from agentrun.tools.mcp.remote import RemoteTool, remote_tool
from agentrun.tools.mcp.route import Route, SessionLost
from agentrun.tools.mcp.watching import apart

START_S = 60.0  # npx may have to install the server first
_LIST_S = 60.0
_SUBSCRIBE_S = 5.0
_CLOSE_S = 15.0  # more than all that the end of a route waits for
_MAX_PAGES = 200
_MAX_TOOLS = 5000
_MAX_ROUNDS = 10  # of questions before a call's result
_RAW: Any = TypeAdapter(dict[str, Any])  # a result as it came, with what the SDK's own form of it would lose


class LeftEarly(ToolFailure):
    """A program that ended during the handshake: some do at a question that is newer than they are."""


class Connection:
    """`name` is the server's in messages; `changed` is called when the server says that its tools changed."""

    def __init__(self, name: str, version: str, route: Route, changed: Callable[[], None]) -> None:
        self._name = name
        self._info = types.Implementation(name="agentrun", version=version)
        self._route = route
        self._changed = changed
        self._words = Words(name, route)
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: ToolFailure | None = None
        self._calls = Calls(name)
        self._subscribed = asyncio.Event()
        self._wanted = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._route.over.is_set()

    @property
    def instructions(self) -> str:
        return (self._client.instructions or "") if self._client is not None else ""

    async def open(self, mode: ConnectMode) -> None:
        """Connect and shake hands. Raises `ToolFailure`, with all that was begun ended."""
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._live(mode, ready), context=apart())
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({self._task, waiting}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            if ready.is_set():
                return
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            waiting.cancel()
        late = not self._task.done()
        await self.close()
        if late or self._failure is None:
            message = f"the MCP server `{self._name}` wasn't ready within {START_S:g} s"
            raise ToolFailure("timeout", message, **self._route.clues)
        raise self._failure

    async def close(self) -> None:
        """End it. Waits for that, but never for ever."""
        task = self._task
        if task is None:
            return
        self._route.over.set()
        if self._client is None:
            task.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_S)
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.result()

    # -- what others ask of it

    async def tools(self) -> list[RemoteTool]:
        """All that the server has now. Raises `ToolFailure`."""
        self._wanted.set()
        try:
            async with asyncio.timeout(_LIST_S):
                with contextlib.suppress(TimeoutError):  # a change between the two would be missed, no more
                    async with asyncio.timeout(_SUBSCRIBE_S):
                        await self._subscribed.wait()
                return await self._all_pages()
        except TimeoutError:
            message = f"the MCP server `{self._name}` didn't list its tools within {_LIST_S:g} s"
            raise ToolFailure("timeout", message) from None

    async def _all_pages(self) -> list[RemoteTool]:
        tools: list[RemoteTool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            params = None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
            try:
                page = await self._session.list_tools(params=params)
            except (MCPError, ValidationError) as error:
                if isinstance(error, MCPError) and error.code == types.METHOD_NOT_FOUND and self._has_no_tools:
                    return []
                raise await self._explained(error, "listed its tools") from None
            tools += map(remote_tool, page.tools)
            cursor = page.next_cursor
            if cursor is None:
                return tools
            if len(tools) > _MAX_TOOLS:
                break
        what = f"lists more than {_MAX_TOOLS:,} tools, or {_MAX_PAGES} pages of them"
        raise ToolFailure("tool_error", f"the MCP server `{self._name}` {what}")

    async def call(self, tool: str, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """The result as it came. Raises `ToolFailure`; cancelling tells the server."""
        async with self._calls.begin(context) as call:
            try:
                result = await self._answered(tool, arguments, call)
            except (MCPError, ValidationError) as error:
                if call.broken is None:
                    raise await self._explained(error, "worked on this call") from None
            else:
                if call.broken is None:
                    return result
        raise call.broken

    async def _answered(self, tool: str, arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        params = types.CallToolRequestParams(name=tool, arguments=arguments)
        relisted = False
        for number in range(_MAX_ROUNDS):
            try:
                result: dict[str, Any] = await self._session.send_request(
                    types.CallToolRequest(params=params), _RAW, progress_callback=call.tell
                )
            except MCPError as error:
                if error.code == types.URL_ELICITATION_REQUIRED and await call.opened(error):
                    continue
                if error.code == types.HEADER_MISMATCH and not relisted:  # headers follow the schema as it was listed
                    relisted = True
                    await self._all_pages()
                    continue
                raise
            if result.get("resultType") != "input_required":
                return result
            found = types.InputRequiredResult.model_validate(result, by_name=False)
            if not found.input_requests:
                await asyncio.sleep(min(0.05 * 2**number, 0.25))
            params = types.CallToolRequestParams(
                name=tool,
                arguments=arguments,
                input_responses=await call.inputs(found),
                request_state=found.request_state,
            )
        message = f"the MCP server `{self._name}` asked {_MAX_ROUNDS} times before it gave a result"
        raise ToolFailure("tool_error", message)

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._changed()

    # -- its life

    async def _live(self, mode: ConnectMode, ready: asyncio.Event) -> None:
        client = Client(
            self._route,
            mode=mode,
            cache=None,
            client_info=self._info,
            elicitation_callback=self._calls.asked,
            message_handler=self._hear,
        )
        try:
            async with client:
                self._client = client
                ready.set()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._subscribe, client)
                    await self._route.over.wait()
                    group.cancel_scope.cancel()
        except (MCPError, ValidationError, RuntimeError, ToolFailure, *LATE, BaseExceptionGroup) as error:
            self._failure = self._not_begun(error)
        finally:
            self._route.over.set()

    async def _subscribe(self, client: Client) -> None:
        """In the later protocol changes are told to those who asked for it, as long as a stream is open."""
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
            self._subscribed.set()
            return
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    self._subscribed.set()
                    async for _ in changes:
                        self._changed()
            except MCPError:  # it said that it would, and doesn't
                self._subscribed.set()
                return
            except SubscriptionLost:
                pass
            self._changed()
            self._subscribed.clear()
            self._wanted.clear()
            await self._wanted.wait()

    # -- in words

    def _not_begun(self, error: BaseException) -> ToolFailure:
        """Why there is no connection. A bug is raised as it is."""
        try:
            gone = self._route.departure()
        except ToolFailure as failure:
            return failure
        if gone is not None:
            message = f"the MCP server `{self._name}` {gone.message} before it was ready"
            return LeftEarly(gone.type, message, **{**self._route.clues, **gone.details})
        return self._words.not_begun(error)

    async def _explained(self, error: MCPError | ValidationError, doing: str) -> ToolFailure:
        if isinstance(error, ValidationError):
            return self._words.malformed(error)
        told = self._route.told(error.data)
        if isinstance(told, SessionLost):
            self._route.over.set()
        if told is not None:
            return told
        if not self.is_over:
            return self._words.said(error, "failed")
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_S)
        gone = self._route.departure()
        if gone is None:
            return self._words.closed()
        message = f"the MCP server `{self._name}` {gone.message} while it {doing}; it is started again when needed"
        return ToolFailure(gone.type, message, **gone.details)

    @property
    def _session(self) -> ClientSession:
        if self._client is None:
            raise AssertionError("asked before it was open")
        return self._client.session

    @property
    def _has_no_tools(self) -> bool:
        return self._client is not None and self._client.server_capabilities.tools is None
