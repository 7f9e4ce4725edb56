"""What is said in a conversation, kept in memory: to be saved as a test (`/save-test`), and to be taken back (`/undo`).

It hears what a cassette of `--record` holds, also where another one is recorded or played. A test plays a conversation
from its beginning, message by message: what it can't play so, such as a summary that somebody asked for, ends what can
be saved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.cassettes.cassette import Conversation
from agentrun.cassettes.recorder import Recorder
from agentrun.engine.agent import Agent, BoundTool, Mask, ToolSet
from agentrun.engine.messages import Message, Reply, Request, ToolCall, ToolList
from agentrun.engine.ports import Approver, DirectJournal, Journal, Tell, ToolResult

_NOT_HEARD = "what was said before it was taken up here was not recorded"
_SHORTENED = "the conversation was shortened in what was taken back"


class Heard(msgspec.Struct, frozen=True, eq=False):
    """A turn that began. `said` is the user message, `before` what was there, `speaker` who had the conversation.

    `entries` are those of the recording before it. `unplayable` says why a test can't play what was said from here on;
    empty where it can.
    """

    said: Message
    before: tuple[Message, ...]
    speaker: str
    entries: int
    unplayable: str


class Overheard:
    """One conversation. A journal beside another one, or alone. `carried` are the functions of the last request."""

    def __init__(
        self, agent: Agent, model: str | None, arguments: Mapping[str, Any], date: str | None, inner: Journal | None
    ) -> None:
        self._recorder = Recorder(agent.name, agent.mask, date=date, model=model, args=arguments)
        self._inner = inner or DirectJournal()
        self._mask = agent.mask
        self._turns: list[Heard] = []
        self._unplayable = ""  # what is said from here on
        self._begin: Callable[[], None] = lambda: None
        self.carried: ToolList | None = None

    def begin_turn(self, mask: Mask, speaker: str, messages: list[Message]) -> None:
        if mask is not self._mask:  # what it masked already it remembers
            self._recorder.use(mask)
            self._mask = mask
        if messages and not self._turns:
            self.changed(_NOT_HEARD)
        before = tuple(messages)
        entries = len(self._recorder.conversation().entries)

        def begin() -> None:
            self._turns.append(Heard(messages[-1], before, speaker, entries, self._unplayable))

        self._begin = begin

    def forget_turn(self) -> None:
        """The last turn is taken back."""
        if self._turns:
            self._take_back(len(self._turns) - 1)

    def is_there(self, messages: Sequence[Message]) -> bool:
        """Whether the message of the last turn is still in the conversation."""
        return not self._turns or any(one is self._turns[-1].said for one in messages)

    def take_back(self, said: Message, left: Sequence[Message]) -> None:
        """The turn that this message began is taken back, with all after it: `left` is the conversation now."""
        number = self._number(said)
        if number is None:
            self.changed(_NOT_HEARD)
            return
        before = self._turns[number].before
        self._take_back(number)
        if list(before) != list(left) and (left or self._turns):
            self.changed(_SHORTENED)

    def changed(self, how: str) -> None:
        """The conversation is another one now, by what no message of a test brings about."""
        self._unplayable = self._unplayable or how

    def turn(self, said: Message) -> Heard | None:
        """The turn that this message began; None: it was not heard."""
        number = self._number(said)
        return None if number is None else self._turns[number]

    def conversation(self) -> Conversation | None:
        """As far as a test can play it; None where nothing was said yet."""
        if self._recorder.is_empty:
            return None
        whole = self._recorder.conversation()
        end = next((one.entries for one in self._turns if one.unplayable), len(whole.entries))
        return msgspec.structs.replace(whole, entries=whole.entries[:end])

    @property
    def is_changed(self) -> bool:
        """Whether something came in between that no message brought about: other arguments, say."""
        return bool(self._unplayable)

    @property
    def lacks(self) -> str:
        """Why what was said last can't be played by a test; empty where it can."""
        return next((one.unplayable for one in self._turns if one.unplayable), "")

    def approver(self, otherwise: Approver) -> Approver:
        return self._recorder.approver(otherwise)

    def begin(self, text: str) -> None:
        self._begin()
        self._recorder.begin(text)
        self._inner.begin(text)

    async def members(self, agent: str, tool_set: ToolSet) -> Sequence[BoundTool]:
        members = await self._inner.members(agent, tool_set)
        self._recorder.offered(agent, tool_set.name, members)
        return members

    async def model_call(
        self, key: str, request: Request, tell: Tell, make: Callable[[Tell], Awaitable[Reply]]
    ) -> Reply:
        if request.tools and "/" not in key:  # no summary, and no agent behind a tool
            self.carried = request.tools
        return await self._recorder.model_call(
            key, request, tell, lambda told: self._inner.model_call(key, request, told, make)
        )

    async def tool_call(self, key: str, call: ToolCall, make: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        return await self._recorder.tool_call(key, call, lambda: self._inner.tool_call(key, call, make))

    def _number(self, said: Message) -> int | None:
        return next((number for number, one in enumerate(self._turns) if one.said is said), None)

    def _take_back(self, number: int) -> None:
        turn = self._turns[number]
        self._recorder.end_before(turn.entries)
        self._unplayable = turn.unplayable
        del self._turns[number:]
