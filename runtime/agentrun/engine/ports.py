"""What the engine asks of the world: four Protocols and the values that cross them.

The loop never learns which model, tool, approver or journal it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from agentrun.engine.messages import Reply, Request, ToolCall

if TYPE_CHECKING:
    from agentrun.engine.agent import BoundTool, ToolSet


class TextProgress(msgspec.Struct, frozen=True):
    """A piece of the answer's text."""

    text: str


class ReasoningProgress(msgspec.Struct, frozen=True):
    """A piece of the model's reasoning: shown, never part of the answer."""

    text: str


class CallProgress(msgspec.Struct, frozen=True):
    """A piece of a tool call while it streams in. `index` counts the calls of the turn."""

    index: int
    name: str
    arguments: str


class RetryProgress(msgspec.Struct, frozen=True):
    """The attempt failed and will be made again after `delay_s` seconds. All progress told before is void."""

    attempt: int
    cause: str
    delay_s: float


class FallbackProgress(msgspec.Struct, frozen=True):
    """The model gave up; `model` is asked next. All progress told before is void."""

    model: str
    cause: str


Progress = TextProgress | ReasoningProgress | CallProgress | RetryProgress | FallbackProgress
Tell = Callable[[Progress], None]


class Model(Protocol):
    """A model service. `complete` returns a complete turn or raises `ModelError`; it never returns half a one."""

    name: str

    async def complete(self, request: Request, tell: Tell) -> Reply: ...


class RunInfo(msgspec.Struct, frozen=True):
    """What templates see as `run`. `date` is ISO (YYYY-MM-DD), local time."""

    id: str
    date: str
    agent: str
    session: str


class CallInfo(msgspec.Struct, frozen=True):
    """What templates see as `call`. `id` is stable over retries of one call; `turn` counts from 1."""

    id: str
    name: str
    turn: int


class Elicitation(msgspec.Struct, frozen=True):
    """What a server asks of a person while it works on a call. `message` is the server's own text, hostile until shown
    otherwise.

    `schema` is a JSON Schema of the answer, an object of flat members. Where there is a `url` instead, the person is to
    open it and says when they did: nothing of what they do there comes back.
    """

    server: str
    message: str
    schema: Mapping[str, Any] | None = None
    url: str | None = None


class ElicitationQuestion(msgspec.Struct, frozen=True):
    """`agent` made the call of `tool` for which a server asks; `callers` are those above it, the outermost first."""

    agent: str
    tool: str
    call_id: str
    asked: Elicitation
    callers: tuple[str, ...] = ()


class ElicitationAnswer(msgspec.Struct, frozen=True):
    """`content` is what an `accept` gives; it fits the schema. `cancel`: nobody decided."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None


async def _nobody(asked: Elicitation) -> ElicitationAnswer:
    return ElicitationAnswer("cancel")


def _unheard(progress: float, total: float | None, message: str | None) -> None:
    """Nobody listens."""


class CallContext(msgspec.Struct, frozen=True):
    """What a tool may know of the call it serves.

    `run_child` runs another agent as part of this run (shared limits, nested events) and returns its result;
    only agent tools use it. `mask_beginning` is for a text that was cut off: it hides secrets, and drops an end that
    may be the beginning of one, which nobody could tell later. `elicit` asks a person what a server wants to know; the
    call's time doesn't run meanwhile. `tell_progress` says how far a long call is: of `total`, where it is known.
    """

    run: RunInfo
    call: CallInfo
    run_child: Callable[[Any, dict[str, Any]], Awaitable[Any]]
    mask_beginning: Callable[[str], str] = str
    elicit: Callable[[Elicitation], Awaitable[ElicitationAnswer]] = _nobody
    tell_progress: Callable[[float, float | None, str | None], None] = _unheard


class ToolResult(msgspec.Struct, frozen=True):
    """What a backend gives back. `value` is JSON data or text, the default result.

    `names` are what an `output` template sees, such as `status` and `body`.
    """

    value: Any
    names: Mapping[str, Any]


class Tool(Protocol):
    """A backend bound to its spec. `arguments` are validated, defaults filled in. Raises `ToolFailure`."""

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult: ...


class ApprovalQuestion(msgspec.Struct, frozen=True):
    """May `agent` make this call? `reason` says which rule asks, in words for a person.

    `rule` is that rule's index in the agent's `permissions`; None: the tool's own `require_approval` asks. `unclear`
    says that no standing answer holds: a condition could not be evaluated, or the tool is not what was approved.
    `callers` are the agents above `agent` that run each other as tools, the outermost first. `description` is there
    where the tool is another one by now: what its server says of it.
    """

    agent: str
    tool: str
    call_id: str
    arguments: dict[str, Any]
    reason: str
    rule: int | None = None
    unclear: bool = False
    callers: tuple[str, ...] = ()
    description: str | None = None


class ApprovalAnswer(msgspec.Struct, frozen=True):
    """`by` says who decided: a user, a flag of the command line, or nobody because nobody could answer.

    `message` goes to the model with a refusal.
    """

    approved: bool
    by: Literal["user", "flag", "nobody"]
    message: str | None = None


class Approver(Protocol):
    """Answers for a person. `ask` decides on a call, `elicit` gives a server what it asks for."""

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer: ...

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer: ...


class Journal(Protocol):
    """Every model call and tool call goes through it: direct by default, recorded or replayed elsewhere.

    `begin` is told of each run that a user message begins, not of those of agents behind tools. `members` are those of
    a set that an agent has, asked for when it joins a run, and before `begin` where it begins one.

    `key` is unique in a run and the same when the run is made again. `make` asks the model, and is given what hears its
    progress: `tell`, or what stands before it. A tool that runs an agent is no call of its own: what that agent does
    goes through here. A journal that knows nothing of a call raises `ModelError`, which ends the run.
    """

    def begin(self, text: str) -> None: ...

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]: ...

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply: ...

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult: ...


class DirectJournal:
    """Makes each call and keeps nothing."""

    def begin(self, text: str) -> None: ...

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]:
        return await tool_set.members()

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        return await make(tell)

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        return await make()
