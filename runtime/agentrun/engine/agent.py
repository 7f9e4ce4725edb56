"""An agent ready to run: everything bound, nothing left to look up. `resolve.py` makes it; the loop reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from agentrun.engine.messages import FunctionTool, ToolList, Usage
from agentrun.engine.ports import CallContext, Model, RunInfo, Tool

# The function that agentrun makes for an agent that has more tools than a request carries.
SEARCH_TOOLS = "search_tools"


class Problem(Protocol):
    """One way in which a value breaks a schema."""

    @property
    def path(self) -> str: ...
    @property
    def message(self) -> str: ...


class Check(Protocol):
    """A compiled JSON Schema.

    `with_defaults` gives a value as it is meant: with the defaults of what is absent. It comes before `violations`.
    """

    def violations(self, value: Any) -> Sequence[Problem]: ...
    def with_defaults(self, value: Any) -> Any: ...


class StreamMask(Protocol):
    """Hides secrets in a text that comes in pieces: holds back what may become one."""

    def feed(self, text: str) -> str: ...
    def flush(self) -> str: ...


class Mask(Protocol):
    """Hides secrets in what leaves the run."""

    def text(self, text: str) -> str: ...
    def data(self, value: Any) -> Any: ...
    def blanked(self, data: bytes) -> bytes: ...
    def stream(self) -> StreamMask: ...


class ConditionFailed(Exception):
    """A condition could not be evaluated with these arguments."""


Condition = Callable[[Mapping[str, Any], CallContext], bool]
Approval = Literal["auto", "always", "never"] | Condition


class Definition(Protocol):
    """What is kept of a tool that somebody else defines: whether it is still the one that was approved."""

    def change(self) -> str | None:
        """Why it has to be asked for again, in words; None: it is what was approved, or nothing was yet."""
        ...

    def accept(self) -> None:
        """A call of it was approved as it is now."""
        ...


class BoundTool(msgspec.Struct, frozen=True, eq=False):
    """A tool of an agent. `backend` is None for a `final` tool and for a hand-off. `output` makes the result from its
    names.

    `condition` is what `approval` evaluates, as a person reads it.

    `relays_untrusted` says that it is an agent that may read hostile output. Whether it did is known while the run
    goes on; a conversation that is taken up again counts on it. `runs_agent` says that the backend is an agent.
    `hands_to` is the agent, one of the peers, that a call hands the conversation over to. `tool_set` is the set that it
    is a member of, and `definition` is there where a server may change what it is. `built_in` says that agentrun made
    it, and that it does nothing outside of the run: no rule asks for it, and no journal keeps its calls.
    """

    function: FunctionTool
    check: Check
    backend: Tool | None
    approval: Approval = "auto"
    condition: str = ""
    read_only: bool = False
    untrusted_output: bool = False
    relays_untrusted: bool = False
    runs_agent: bool = False
    hands_to: str | None = None
    timeout_s: float = 30.0
    max_output_chars: int = 16_000
    output: Callable[[Mapping[str, Any], Mapping[str, Any], CallContext], Any] | None = None
    tool_set: str = ""
    definition: Definition | None = None
    built_in: bool = False

    @property
    def name(self) -> str:
        return self.function.name


class ToolSet(Protocol):
    """Tools that are known only once a server was asked."""

    name: str

    async def members(self) -> Sequence[BoundTool]:
        """What it has now. The server is started when this is first asked. Raises `ToolsError`."""
        ...


class ToolSearch(msgspec.Struct, frozen=True):
    """With more than `max_tools` functions a request carries so many, and `search_tools` is one of them. `pinned` are
    names and globs of those that it always carries.
    """

    max_tools: int
    pinned: tuple[str, ...] = ()


class PermissionRule(msgspec.Struct, frozen=True, eq=False):
    """`text` is the rule as a person reads it."""

    action: Literal["deny", "ask", "allow"]
    pattern: str
    when: Condition | None
    text: str


class Limits(msgspec.Struct, frozen=True):
    """Limits of one user message. `None` means: no cap."""

    max_turns: int = 25
    max_tool_calls: int = 100
    max_repeated_calls: int = 4
    max_total_tokens: int | None = None
    max_cost_usd: float | None = None
    max_depth: int = 5
    max_agent_runs: int = 50
    timeout_s: float = 1800.0
    on_limit: Literal["stop", "answer"] = "stop"


class Pricing(Protocol):
    """What a model's replies cost."""

    def cost_usd(self, usage: Usage) -> float | None:
        """US dollars of one reply, or None where the price is not known."""
        ...


class Prices(msgspec.Struct, frozen=True):
    """US dollars for a million tokens."""

    input: float
    output: float
    cached: float

    def cost_usd(self, usage: Usage) -> float:
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output) / 1e6


class ContextPolicy(msgspec.Struct, frozen=True):
    """What happens when the conversation outgrows `max_tokens`. None: no cap but the service's own."""

    max_tokens: int | None = None
    on_overflow: Literal["compact", "truncate", "error"] = "compact"


async def _nothing_to_close() -> None:
    """An agent made of parts without connections."""


class Agent(msgspec.Struct, frozen=True, eq=False):
    """`tool_choice` and `response_format` are in the chat API's form; None means: not sent.

    `prices` are those of the model and its fallbacks, as `Reply.model_index` counts them.

    `answer` checks the JSON of an answer. `prompt` renders the system prompt, which needs `prompt_arguments`. `prepare`
    makes the first request to a model faster, and may run in another thread. `close` ends the connections of models and
    tools, which are kept from run to run.

    `sets` are tools that are known once a run begins: `toolkit.equip` asks for them, and a run has what was there then.

    `handoffs` are the functions that hand the conversation over. `peers` are the agents that hand over to each other,
    by name: of a circle each has the others, so they are filled in once all are made.
    """

    name: str
    description: str
    model: Model
    mask: Mask
    parameters: Mapping[str, Any]
    arguments: Check
    prompt: Callable[[Mapping[str, Any], RunInfo], str] | None
    prompt_arguments: frozenset[str]
    input: Callable[[Mapping[str, Any], RunInfo], str]
    tools: Mapping[str, BoundTool]
    tool_list: ToolList
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    answer: Check | None = None
    permissions: tuple[PermissionRule, ...] = ()
    limits: Limits = Limits()
    context: ContextPolicy = ContextPolicy()
    prices: tuple[Pricing | None, ...] = ()
    starters: tuple[str, ...] = ()
    prepare: Callable[[], None] = lambda: None
    close: Callable[[], Awaitable[None]] = _nothing_to_close
    sets: tuple[ToolSet, ...] = ()
    search: ToolSearch | None = None
    handoffs: Mapping[str, BoundTool] = {}
    peers: Mapping[str, Agent] = {}

    def __repr__(self) -> str:
        return f"Agent({self.name!r})"  # the rest is pages long, with those of all peers

    def function(self, name: str) -> BoundTool | None:
        """What the model calls by this name."""
        return self.tools.get(name) or self.handoffs.get(name)
