"""A set of a server's tools under test: without the server it has what a case stubs, or what was recorded of it.

Asked when a run begins, as in any other run, so that each case has its own members. Where a case really calls tools,
the server is started, and stubs come before what it would answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from agentrun.cassettes.cassette import SetMember
from agentrun.cassettes.recalled import recalled_members
from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.ports import CallContext, Tool, ToolResult
from agentrun.errors import ToolFailure, ToolsError, UsageError
from agentrun.testing.scene import SCENE
from agentrun.tool_sets import Offered, SetRules, bound_members

Wrap = Callable[[str, Tool | None], Tool]
_OPEN = {"type": "object"}  # nobody knows what its server takes


class StagedSet:
    """`make` gives the real one. `wrap` makes a function's backend one that stubs come before. `tools` are the names of
    tools that belong to no server, `sets` those of all sets. `unset` says which variable the server misses.
    """

    def __init__(
        self,
        rules: SetRules,
        make: Callable[[], ToolSet],
        wrap: Wrap,
        *,
        tools: Collection[str],
        sets: Collection[str],
        unset: str | None = None,
    ) -> None:
        self.name = rules.name
        self._rules = rules
        self._make = make
        self._real: ToolSet | None = None
        self._wrap = wrap
        self._tools = tools
        self._sets = sets
        self._unset = unset

    async def members(self) -> Sequence[BoundTool]:
        scene = SCENE.get()
        if not scene.live_tools:
            stubbed = [name for name in scene.stubs.names if self.may_have(name)]
            return bound_members(self._rules, map(self._stubbed, stubbed))
        try:
            if self._unset is not None:
                raise ToolsError(f"the server of `{self.name}` is really asked, and {self._unset}")
            self._real = self._real or self._make()
            return [self._live(one) for one in await self._real.members()]
        except (ToolsError, UsageError) as error:
            scene.give_up(error.message)
            raise

    def recalled(self, members: Sequence[SetMember]) -> Sequence[BoundTool]:
        return recalled_members(self._rules, members, lambda function: self._wrap(function, _NoServer()))

    def may_have(self, function: str) -> bool:
        """Whether a function is a member of this set, of those that begin so the one with the longest name."""
        if function in self._tools or not any(fnmatchcase(function, one) for one in self._rules.wanted):
            return False
        sets = [one for one in self._sets if function.startswith(f"{one}_")]
        return max(sets, key=len, default=None) == self.name

    def _stubbed(self, function: str) -> Offered:
        name = function.removeprefix(f"{self.name}_")
        return Offered(name, "", _OPEN, self._wrap(function, _NoServer()))

    def _live(self, tool: BoundTool) -> BoundTool:
        """What a test approves, nobody approved: it is kept for no other run."""
        return msgspec.structs.replace(tool, backend=self._wrap(tool.name, tool.backend), definition=None)


def set_of(agents: Iterable[Agent], function: str) -> str | None:
    """The set of these agents' that a function would be a member of."""
    sets = (one for agent in agents for one in agent.sets)
    return next((one.name for one in sets if isinstance(one, StagedSet) and one.may_have(function)), None)


class _NoServer:
    async def call(self, arguments: dict[str, object], context: CallContext) -> ToolResult:
        raise ToolFailure("internal", "its server is not asked in a test")
