"""The members of a set as they were recorded, made anew for a replay: without the server that they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from agentrun.cassettes.cassette import SetMember
from agentrun.engine.agent import BoundTool
from agentrun.engine.ports import Tool
from agentrun.errors import ToolsError
from agentrun.tool_sets import Offered, SetRules, bound_members


@runtime_checkable
class Recalling(Protocol):
    """A set that can be had as it was recorded."""

    name: str

    def recalled(self, members: Sequence[SetMember]) -> Sequence[BoundTool]:
        """Raises `ToolsError` where they can't be used."""
        ...


def recalled_members(
    rules: SetRules, members: Sequence[SetMember], backend: Callable[[str], Tool]
) -> Sequence[BoundTool]:
    """Members as they were recorded, under the rules that their set has now. `backend` is that of a function.

    Raises `ToolsError` where they can't be used.
    """
    offered = [
        Offered(
            name=one.function.name.removeprefix(f"{rules.name}_"),
            description=one.function.description,
            parameters=one.function.parameters,
            backend=backend(one.function.name),
            read_only=one.read_only,
            untrusted_output=one.untrusted_output,
            definition=None if one.change is None else AskedAgain(one.change),
        )
        for one in members
    ]
    try:
        return bound_members(rules, offered)
    except ValueError as error:
        raise ToolsError(f"the cassette's tools of the set `{rules.name}` can't be used: {error}") from None


class AskedAgain:
    """The definition of a member that was not what a person had approved: it is asked for again, as it was then."""

    def __init__(self, why: str) -> None:
        self._why: str | None = why

    def change(self) -> str | None:
        return self._why

    def accept(self) -> None:
        self._why = None
