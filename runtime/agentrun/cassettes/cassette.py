"""A cassette: conversations as they were recorded, in memory. `reading.py` and `writing.py` know the file.

All of it is masked. What a conversation holds stands in the order in which it finished: that is the order in which it
is played.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from agentrun.engine.messages import FunctionTool, Reply
from agentrun.engine.ports import Progress
from agentrun.errors import FailureType

VERSION = 1


class Asked(msgspec.Struct, frozen=True):
    """A request to the model. None means: not sent."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None


class ModelFailed(msgspec.Struct, frozen=True):
    """The `ModelError` that ended a request, after its retries."""

    code: str
    message: str
    help: str | None = None
    status: int | None = None
    retryable: bool = False
    retry_after_s: float | None = None


class ToolFailed(msgspec.Struct, frozen=True):
    type: FailureType
    message: str
    details: dict[str, Any] = {}


class Result(msgspec.Struct, frozen=True):
    """What a tool's backend gave. `names` are what an `output` template sees."""

    value: Any
    names: dict[str, Any]


class Interrupted(msgspec.Struct, frozen=True):
    """It was cancelled: by Ctrl-C, or by a limit of the run."""


class UserEntry(msgspec.Struct, frozen=True):
    """A user message: a run begins here."""

    text: str


class ModelEntry(msgspec.Struct, frozen=True):
    """A request and what came of it. `progress` is what the model told while it answered, pieces and retries.

    `within` is the call, as `turn-1/call-0`, of the agent that asks; empty: no call, it is the conversation's own.
    `line` is where it stands in its file; 0: in none.
    """

    asked: Asked
    outcome: Reply | ModelFailed | Interrupted
    progress: tuple[Progress, ...] = ()
    line: int = 0
    within: str = ""


class ToolEntry(msgspec.Struct, frozen=True):
    """A call of a tool, by the id that the model gave it. `arguments` is text where it was no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | str
    outcome: Result | ToolFailed | Interrupted
    line: int = 0


class ApprovalEntry(msgspec.Struct, frozen=True):
    """A question whether a call may be made, and the answer."""

    tool: str
    arguments: dict[str, Any]
    approved: bool
    by: Literal["user", "flag", "nobody"]
    message: str | None = None


class SetMember(msgspec.Struct, frozen=True):
    """A tool of a set, as it was offered. `change` says why it was to be asked for again: what a person had approved of
    it was something else.
    """

    function: FunctionTool
    read_only: bool = False
    untrusted_output: bool = True
    change: str | None = None


class SetEntry(msgspec.Struct, frozen=True):
    """What a set of tools, such as those of a server, gave an agent when it joined a run."""

    name: str
    agent: str
    members: tuple[SetMember, ...]


Entry = UserEntry | ModelEntry | ToolEntry | ApprovalEntry | SetEntry


class Conversation(msgspec.Struct, frozen=True):
    """`name` is the test case that plays it; None: it was recorded outside of one. `date` is what `run.date` was.

    `model` is what was asked instead of the agent's own model, where something was. `args` are the arguments that were
    given.
    """

    agent: str
    date: str
    entries: tuple[Entry, ...]
    name: str | None = None
    model: str | None = None
    args: dict[str, Any] = {}


class Cassette(msgspec.Struct, frozen=True):
    conversations: tuple[Conversation, ...]

    def of_case(self, name: str) -> Conversation | None:
        """The conversation of a case's name; or the only one of a file, if it has no name."""
        named = next((one for one in self.conversations if one.name == name), None)
        alone = len(self.conversations) == 1 and self.conversations[0].name is None
        return self.conversations[0] if named is None and alone else named
