"""One conversation: who speaks, what was said so far and what is kept of it. What /commands work on.

Knows nothing of how a message is typed; what is shown goes through its screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.loading import Loader
from agentrun.cli.talk.keeper import Keeper
from agentrun.cli.talk.overhearing import Overheard
from agentrun.cli.talk.screen import Screen
from agentrun.cli.talk.seen import Seen
from agentrun.cli.taping import Taping
from agentrun.engine.agent import Agent
from agentrun.engine.messages import Message
from agentrun.errors import AgentrunError


class Talk:
    """`agent` has the conversation, `first` begins it: they differ after a hand-off.

    `model` is what is asked instead of the agent's own. `arguments` are those that were given. `messages` is the whole
    conversation, changed in place. `attached` are content parts that go with the next message.
    """

    def __init__(
        self,
        loader: Loader,
        model: str | None,
        arguments: dict[str, Any],
        screen: Screen,
        taping: Taping,
        keeper: Keeper,
    ) -> None:
        self.loader = loader
        self.model = model
        self.arguments = arguments
        self.screen = screen
        self.taping = taping
        self.keeper = keeper
        self.seen = Seen()
        self.messages: list[Message] = []
        self.attached: list[Mapping[str, Any]] = []
        self.heard: Overheard | None = None
        self.person: TerminalApprover | None = None  # where there is somebody to ask
        self.agent = self.first = loader.load(model, screen.exchange)

    @property
    def interactive(self) -> bool:
        return self.screen.interactive

    @property
    def speaker(self) -> str:
        """The agent that took the conversation over; empty where it is the first one."""
        return "" if self.agent.name == self.first.name else self.agent.name

    def use(self, loaded: Agent, model: str | None) -> None:
        """Goes on with an agent that was bound anew; who took the conversation over keeps it."""
        self.agent, self.first, self.model = loaded.peers.get(self.agent.name, loaded), loaded, model
        self.taping.use(loaded)

    def begin_anew(self) -> None:
        """Nothing was said yet."""
        self.messages.clear()
        self.attached.clear()
        self.heard = None
        self.seen = Seen()
        self.agent = self.first
        self.keeper.begin_anew()

    def overheard(self) -> Overheard:
        """What hears the turn that begins now."""
        if self.heard is None or not self.messages:
            taping = self.taping
            self.heard = Overheard(self.first, self.model, self.arguments, taping.date, taping.journal)
        self.heard.begin_turn(self.first.mask)
        return self.heard

    def say(self, text: str, style: str = "") -> None:
        self.screen.say(text, style)

    def complain(self, error: AgentrunError) -> None:
        self.say(f"{error.message}: {error.help}" if error.help else error.message, "error")
