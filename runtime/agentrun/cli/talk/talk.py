"""One conversation: who speaks, what was said so far and what is kept of it. What /commands work on.

Knows nothing of how a message is typed; what is shown goes through its screen.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.kept.agents import agent_file
from agentrun.cli.loading import Loader
from agentrun.cli.slash.command import Send
from agentrun.cli.talk.keeper import Keeper
from agentrun.cli.talk.overhearing import Overheard
from agentrun.cli.talk.screen import Screen
from agentrun.cli.talk.seen import Seen
from agentrun.cli.taping import Taping
from agentrun.engine.agent import Agent
from agentrun.engine.events import Emit
from agentrun.engine.handoff import put_prompt, takeover
from agentrun.engine.messages import Message, Usage
from agentrun.engine.ports import RunInfo
from agentrun.errors import AgentrunError, StoreError, ToolFailure, UsageError
from agentrun.sessions.session import Session


class Talk:
    """`agent` has the conversation, `first` begins it: they differ after a hand-off.

    `model` is what is asked instead of the agent's own. `arguments` are those that were given. `messages` is the whole
    conversation, changed in place. `attached` are content parts that go with the next message. `taken_up` is the
    session that it goes on with: of what was said before, nothing was heard here.
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
        self.unanswered: Send | None = None  # what was said last, where it left the conversation without an answer
        self.heard: Overheard | None = None
        self.person: TerminalApprover | None = None  # where there is somebody to ask
        self.watch: Emit = lambda event: None  # is told each event of the conversation
        self.approve: tuple[str, ...] = ()  # of `--approve`
        self.taken_up: Session | None = None
        self._told_unsaved = False
        self.agent = self.first = loader.load(model, screen.exchange)
        keeper.begin(self)

    @property
    def interactive(self) -> bool:
        return self.screen.interactive

    @property
    def speaker(self) -> str:
        """The agent that took the conversation over; empty where it is the first one."""
        return "" if self.agent.name == self.first.name else self.agent.name

    @property
    def kept_as(self) -> str:
        """The id of the session, where it can be taken up again; else empty."""
        return self.keeper.session if self.messages and self.keeper.is_kept else ""

    def use(self, loaded: Agent, model: str | None) -> None:
        """Goes on with an agent that was bound anew; who took the conversation over keeps it."""
        self.agent, self.first, self.model = loaded.peers.get(self.agent.name, loaded), loaded, model
        self.taping.use(loaded, model)

    def begin_anew(self) -> None:
        """Nothing was said yet."""
        self.messages = []  # the list before is that of its session
        self.attached.clear()
        self.heard = self.taken_up = self.unanswered = None
        self.seen = Seen()
        self.agent = self.first
        self.keeper.begin_anew()

    async def resume(self, id: str) -> None:
        """Goes on with a session that is kept, in the place of this conversation: with its agent, model and arguments.

        `id` is its id, or the beginning of it. Raises `UsageError`, `StoreError` or `SpecError`, and then nothing has
        changed.
        """
        keeper, before = self.keeper, self.agent
        if keeper.refusal:
            raise UsageError(keeper.refusal)
        session = keeper.store.find(id)
        if session.id == keeper.session:
            raise UsageError(f"this is the session `{session.id}` already")
        loader = self.loader.of(agent_file(session))
        also = session.speaker if session.speaker != session.agent else ""
        first = loader.load(session.model, self.screen.exchange, also=also)
        self._go_on(session, first, dict(session.arguments), fork=False)
        self.loader, self.first, self.model = loader, first, session.model
        if self.person is not None:
            self.person.forget()  # it was said of another conversation, and of files as they were then
        await before.close()

    def take_up(self, session: Session, *, fork: bool) -> None:
        """Goes on with a session that is kept and whose agent was loaded, with the model and the arguments of here."""
        if session.speaker != session.agent and session.speaker not in self.first.peers:
            self.first = self.loader.load(self.model, self.screen.exchange, also=session.speaker)
        self._go_on(session, self.first, self.arguments, fork=fork)

    def _go_on(self, session: Session, first: Agent, arguments: dict[str, Any], *, fork: bool) -> None:
        store, keeper = self.keeper.store, self.keeper
        speaker = first.peers.get(session.speaker, first)
        messages = [Message(data) for data in store.conversation(session.id)]
        put_prompt(messages, prompt_now(first, speaker, arguments, session.id))  # may be refused: before it is copied
        seen = Seen()
        for event in store.events(session.id):
            seen(event)
        if fork:
            its_agent = {name: getattr(session, name) for name in ("agent", "path", "root", "speaker")}
            session = msgspec.structs.replace(store.fork(session.id), **its_agent)
            seen.usage, seen.cost_usd = Usage(), None  # what it took stays with the first
            put_prompt(messages, prompt_now(first, speaker, arguments, session.id))  # the copy has its own id
        writer, failure = None, None
        try:
            writer = store.writer(session, messages, first.mask)
        except StoreError as error:  # it can be read, and the conversation can go on
            failure = error
        except UsageError as error:
            copy = f"`agentrun chat --resume {session.id} --fork` goes on with a copy"
            raise UsageError(error.message, help=f"{error.help}; {copy}" if error.help else copy) from None
        keeper.take_up(session, writer, failure)
        self.messages = messages  # the list before is that of its session
        self.agent, self.arguments, self.seen, self.taken_up = speaker, arguments, seen, session
        self.attached.clear()
        self.heard = self.unanswered = None
        if speaker.name != session.speaker:
            self.say(f"there is no agent `{session.speaker}` any more: {speaker.name} has the conversation", "warning")

    def recall(self) -> None:
        """Shows where a conversation stands that was taken up again."""
        from agentrun.cli.kept.recall import recalled

        if self.taken_up is not None:
            for line in recalled(self.taken_up, self.messages):
                self.say(line, "dim")

    def knows_unsaved(self) -> None:
        """The person was told, and goes on without saving."""
        self._told_unsaved = True

    async def may_go_on(self, ask: Callable[[str], Awaitable[str | None]]) -> bool:
        """Where the conversation is no longer kept, this is told once. False: the person would rather leave."""
        failure = self.keeper.failure
        if failure is None or self._told_unsaved:
            self._told_unsaved = failure is not None
            return True
        self._told_unsaved = True
        self.complain(failure)
        if not self.interactive:
            self.say("the conversation goes on and is not saved", "warning")
            return True
        while (answer := await ask("go on without saving? [y/n] ")) is not None:
            if answer.strip().lower() in ("y", "yes"):
                self.say("not saved from here on; /save tries again", "dim")
                return True
            if answer.strip().lower() in ("n", "no"):
                return False
        return False

    def overheard(self) -> Overheard:
        """What hears the turn that begins now."""
        if self.heard is None or not self.messages:
            taping = self.taping
            self.heard = Overheard(self.agent, self.model, self.arguments, taping.date, taping.journal)
        self.heard.begin_turn(self.first.mask, self.agent.name, self.messages)
        return self.heard

    def say(self, text: str, style: str = "") -> None:
        """Secrets are hidden: a service may tell the key that it refuses, and a person may type one."""
        self.screen.say(self.first.mask.text(text), style)

    def complain(self, error: AgentrunError) -> None:
        self.say(f"{error.message}: {error.help}" if error.help else error.message, "error")


def prompt_now(first: Agent, speaker: Agent, arguments: Mapping[str, Any], session: str) -> str | None:
    """The system prompt of who has the conversation, as the files and the arguments have it today."""
    run = RunInfo(secrets.token_hex(8), datetime.date.today().isoformat(), speaker.name, session)
    known = first.arguments.with_defaults(dict(arguments))
    missing = sorted(speaker.prompt_arguments - known.keys()) if speaker is first else []
    if missing:
        raise UsageError(f"the system prompt needs the argument `{missing[0]}`", help=f"pass `--arg {missing[0]}=…`")
    if speaker is first:
        return None if first.prompt is None else first.prompt(known, run)
    try:
        return takeover(speaker, known, run).prompt
    except ToolFailure as failure:
        raise UsageError(failure.message) from None
