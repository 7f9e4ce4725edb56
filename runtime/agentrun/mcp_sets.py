"""The tools of an MCP server as a set that an agent has: asked when a run begins.

What a server is reached by, and which of its tools an agent gets, as the author wrote it. How a server is spoken to is
`tools/mcp/`'s. All that a server tells of its tools is its word: hints count where the author says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from agentrun.approved import Approvals, Defined
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.engine.agent import BoundTool, Mask
from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolsError
from agentrun.mcp_schemas import shaped
from agentrun.spec.function_names import member_names
from agentrun.spec.types import McpSpec
from agentrun.tool_sets import Offered, SetRules, bound_members, unmatched
from agentrun.tools.argv import BASE_ENV
from agentrun.tools.mcp.launch import HttpLaunch, Launch, StdioLaunch
from agentrun.tools.mcp.remote import Listing, RemoteTool
from agentrun.tools.mcp.results import result_of
from agentrun.tools.mcp.servers import Server, Servers
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources
from agentrun.visible import one_line, visible

MAX_DESCRIPTION_CHARS = 4000
PROGRESS_EVERY_S = 0.1
_NAME_CHARS = 80


class McpSet:
    """`folder` is the one of the file, to which `cwd` is relative; `root` that of the project. `mask` hides secrets in
    what the server tells of its tools, since it may have been told some.
    """

    def __init__(
        self,
        spec: McpSpec,
        rules: SetRules,
        *,
        folder: Path,
        root: Path,
        environ: Mapping[str, str],
        servers: Servers,
        network: Callable[[], tuple[Network, TokenSources]],
        mask: Mask,
    ) -> None:
        """Raises `UsageError` for headers or credentials that can't be sent."""
        self.name = rules.name
        self._spec = spec
        self._rules = rules
        self._mask = mask
        self._approvals = Approvals(environ, root, rules.name)
        self._server = servers.of(launch_of(spec, folder, environ), lambda: network()[1])
        self._last: tuple[int, Sequence[BoundTool]] | None = None

    async def members(self) -> Sequence[BoundTool]:
        try:
            listing = await self._server.tools()
        except ToolsError as error:  # a server may have written what it was told
            raise ToolsError(self._mask.text(error.message), help=error.help) from None
        if self._last is None or self._last[0] != listing.version:
            self._last = listing.version, self._members(listing)
        return self._last[1]

    def _members(self, listing: Listing) -> list[BoundTool]:
        """In the server's order. What the author looked at and wrote down must be there."""
        allowed = self._allowed(listing.tools)
        self._check_bound(allowed)
        functions = member_names(self.name, (one.name for one in allowed))
        wanted = [
            one for one in allowed if any(fnmatchcase(functions[one.name], pattern) for pattern in self._rules.wanted)
        ]
        try:
            members = bound_members(self._rules, [self._offered(one) for one in wanted], functions)
        except ValueError as error:
            raise self._problem(str(error), "leave it out of `allowed_tools`") from None
        if missing := unmatched(self._rules, members):
            help = did_you_mean(missing[0], functions.values(), f"its tools: {_some(functions.values())}")
            raise self._problem(f"there is no tool `{missing[0]}`, which an agent lists", help)
        return members

    def _allowed(self, tools: Sequence[RemoteTool]) -> list[RemoteTool]:
        names = [one.name for one in tools]
        if not names:
            raise self._problem("it has no tools")
        for pattern in self._spec.allowed_tools:
            if not any(fnmatchcase(name, pattern) for name in names):
                help = f"it has {_some(names)}"
                near = did_you_mean(pattern, names)
                message = f"it has no tool `{pattern}`, which `allowed_tools` names"
                raise self._problem(message, f"{near} {help}" if near else help)
        allowed = [one for one in tools if any(fnmatchcase(one.name, each) for each in self._spec.allowed_tools)]
        twice = next((one.name for one in allowed if names.count(one.name) > 1), None)
        if twice is not None:
            raise self._problem(f"it has two tools called `{one_line(twice, _NAME_CHARS)}`")
        return allowed

    def _check_bound(self, allowed: Iterable[RemoteTool]) -> None:
        known: dict[str, None] = {}
        for one in allowed if self._spec.bind else ():
            known |= dict.fromkeys(_argument_names(one.parameters))
        for name in self._spec.bind:
            if name not in known:
                help = did_you_mean(name, known, f"they take {_some(known)}")
                raise self._problem(f"none of its tools takes `{name}`, which `bind` fixes", help)

    def _offered(self, tool: RemoteTool) -> Offered:
        """Raises `ValueError` for parameters that can't be used."""
        try:
            parameters = shaped(tool.parameters)
        except ValueError as error:
            raise ValueError(f"of its tool `{one_line(tool.name, _NAME_CHARS)}` the parameters {error}") from None
        return Offered(
            name=tool.name,
            description=described(self._mask.text(tool.description or tool.title)),
            parameters=self._mask.data(parameters.sent),
            checked=parameters.checked,
            backend=_RemoteCall(self._server, tool.name),
            read_only=tool.read_only,
            idempotent=tool.idempotent,
            untrusted_output=tool.open_world,
            definition=self._approvals.of(tool.name, defined(tool), self._heeded()),
        )

    def _heeded(self) -> list[str]:
        """The hints that decide what is asked about; what the author says of it, no server changes."""
        heeded = ["read-only", "destructive"] if self._rules.read_only is None else []
        return heeded + (["in the open world"] if self._rules.untrusted_output is None else [])

    def _problem(self, message: str, help: str | None = None) -> ToolsError:
        """What a server calls its tools stands in it: masked, and safe to show."""
        of = f"the server `{one_line(self._server.name, _NAME_CHARS)}` of the tool set `{self.name}`"
        help = None if help is None else visible(self._mask.text(help))
        return ToolsError(visible(self._mask.text(f"{of}: {message}")), help=help)


class _RemoteCall:
    """A call of a tool by the name that its server has for it."""

    def __init__(self, server: Server, tool: str) -> None:
        self._server = server
        self._tool = tool

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        heard = msgspec.structs.replace(context, tell_progress=now_and_then(context.tell_progress))
        return result_of(await self._server.call(self._tool, arguments, heard))


# -- from what the author wrote, and what a server tells


def launch_of(spec: McpSpec, folder: Path, environ: Mapping[str, str]) -> Launch:
    """A command gets the base of the environment that every command gets, and what the author names."""
    if spec.command is None:
        return HttpLaunch(spec.server_url or "", dict(spec.headers), spec.auth)
    env = {name: environ[name] for name in BASE_ENV if name in environ}
    return StdioLaunch(tuple(spec.command), str(folder / spec.cwd), env | spec.env)


def described(text: str) -> str:
    """A description as a model is sent it: what can't be seen is made visible, and a very long one is cut."""
    text = visible(text.strip())
    if len(text) <= MAX_DESCRIPTION_CHARS:
        return text
    room = text[: MAX_DESCRIPTION_CHARS - 40]
    end = max(room.rfind(mark) for mark in ("\n", ". ", " "))
    kept = room[: end + 1 if end > len(room) // 2 else len(room)].rstrip()
    return f"{kept} … (cut: {len(text) - len(kept):,} more characters)"


def defined(tool: RemoteTool) -> Defined:
    hints = {"read-only": tool.read_only, "destructive": tool.destructive, "in the open world": tool.open_world}
    return Defined(tool.description or tool.title, tool.parameters, hints)


def now_and_then(
    tell: Callable[[float, float | None, str | None], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[float, float | None, str | None], None]:
    """Passes on what a person could follow. The last step is always told."""
    last = -PROGRESS_EVERY_S

    def told(progress: float, total: float | None, message: str | None) -> None:
        nonlocal last
        now = clock()
        if now - last >= PROGRESS_EVERY_S or (total is not None and progress >= total):
            last = now
            tell(progress, total, message)

    return told


def _argument_names(parameters: Mapping[str, Any]) -> Iterable[str]:
    try:
        return list(shaped(parameters).sent["properties"])
    except ValueError:  # told where it is offered to an agent
        return ()


def _some(names: Iterable[str]) -> str:
    return one_of(one_line(name, _NAME_CHARS) for name in names)
