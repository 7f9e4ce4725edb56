"""Where a conversation is kept while it goes on, so that it can be taken up again.

Knows the store and its writer, and tells nobody: what went wrong stands in `failure` until somebody says it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from agentrun.engine.events import PIECES, Event, ToolProgress
from agentrun.engine.exchanges import exchange_starts, text_of
from agentrun.errors import AgentrunError, StoreError, UsageError
from agentrun.sessions.session import Session, new_id, title_of
from agentrun.visible import one_line

if TYPE_CHECKING:
    from agentrun.cli.talk.talk import Talk
    from agentrun.sessions.store import Store
    from agentrun.sessions.writer import Writer

_TITLE_CHARS = 60


class Keeper:
    """Keeps one conversation at a time: its row is written with the first message.

    `store` is None where nothing is kept; `open_store` makes one where that is asked for later. `refusal` says why
    nothing can be kept here at all. `left` is the id of the session that can be taken up again, once the conversation
    has ended.
    """

    def __init__(
        self, open_store: Callable[[], Store] | None = None, store: Store | None = None, refusal: str = ""
    ) -> None:
        self._open_store = open_store
        self._store = store
        self._keeps = store is not None
        self.refusal = refusal
        self._talk: Talk
        self.left = ""
        self._session = Session(id="", agent="", path="", root="", speaker="")
        self._writer: Writer | None = None
        self._failure: StoreError | None = None
        self._told: tuple[str, str | None, dict[str, Any]] | None = None  # what the writer knows of who speaks, and how
        self._unkept: list[Event] = []  # what `save` writes, where nothing is kept yet

    # -- what it is

    @property
    def session(self) -> str:
        """The id that templates see as `run.session`; empty where a recording is made or played."""
        return self._session.id

    @property
    def is_kept(self) -> bool:
        """Whether all that is said goes into the database."""
        return self._keeps and self.failure is None

    @property
    def status(self) -> str:
        """For a line that tells where one is: nothing, or that what is said now is lost in the end."""
        return "" if self.refusal or self.is_kept else "not saved"

    @property
    def failure(self) -> StoreError | None:
        """Why writing stopped."""
        return self._failure or (None if self._writer is None else self._writer.failure)

    def about(self) -> Session:
        """The conversation as it is now, kept or not."""
        talk = self._talk
        if self._writer is not None and self.failure is None:
            return self._writer.session
        asked = exchange_starts(talk.messages)
        first = one_line(text_of(talk.messages[asked[0]]), _TITLE_CHARS) if asked else ""
        return msgspec.structs.replace(
            self._session,
            speaker=talk.agent.name,
            model=talk.model,
            arguments=talk.first.mask.data(dict(talk.arguments)),
            title=self._session.title or talk.first.mask.text(first),
            turns=len(asked),
            total_tokens=talk.seen.usage.total_tokens,
            cost_usd=talk.seen.cost_usd,
        )

    # -- what happens to the conversation

    def begin(self, talk: Talk) -> None:
        """This is the conversation, and nothing of it was said yet."""
        self._talk = talk
        self.begin_anew()

    def begin_anew(self) -> None:
        """The next message begins another session."""
        self._leave()
        talk = self._talk
        self._session = Session(
            id="" if self.refusal else new_id(),
            agent=talk.first.name,
            path=str(talk.loader.path),
            root=talk.loader.root,
            speaker=talk.first.name,
        )

    def take_up(self, session: Session, writer: Writer | None, failure: StoreError | None = None) -> None:
        """The conversation goes on with a session that is kept; without a writer it can only be read."""
        self._leave()
        self._keeps = True
        self._session, self._writer, self._failure = session, writer, failure

    def __call__(self, event: Event) -> None:
        """An event of the conversation. Raises nothing: the conversation goes on."""
        if not self._keeps or self._failure is not None:
            self._remember(event)
            return
        try:
            writer = self._writing()
        except AgentrunError as error:
            self._failure = StoreError(error.message, help=error.help)
            self._remember(event)
            return
        if not isinstance(event, PIECES):
            self._tell_state(writer)
        writer(event)

    def sync(self) -> None:
        """The messages, the model or the arguments were changed, and no event tells it: they are written."""
        if self._writer is not None:
            self._tell_state(self._writer)
            self._writer.sync()

    def close(self) -> None:
        """The conversation ends."""
        if self._writer is not None and self.failure is None:
            self.left = self.session
        self._leave()
        if self._store is not None:
            self._store.close()

    # -- what commands ask for. Each raises `UsageError` or `StoreError`.

    @property
    def store(self) -> Store:
        """The database of sessions, opened if need be."""
        if self._store is None:
            if self._open_store is None:
                raise UsageError(self.refusal or "no sessions are kept here")
            self._store = self._open_store()
        return self._store

    def rename(self, title: str) -> None:
        """Gives the conversation a title. One that is not kept yet has it from `save` on."""
        title = title_of(title)
        if not title:
            raise UsageError("a title needs a word")
        self._session = msgspec.structs.replace(self._session, title=title)
        if self._writer is not None:
            self._writer.change(title=title)
            self._writer.sync()

    def save(self) -> str:
        """Begins keeping the conversation, or tries again where writing failed. Its id."""
        if self.refusal:
            raise UsageError(self.refusal)
        writer = self._writing()
        self._keeps, self._failure = True, None
        if writer.failure is not None:
            writer.retry()
        unkept, self._unkept = self._unkept, []
        for event in unkept:
            writer(event)
        if unkept:  # of what they began, some was taken back
            turns = len(exchange_starts(self._talk.messages))
            writer.session = msgspec.structs.replace(writer.session, turns=turns)
        self._told = None  # of who speaks, the events told what was so then
        self._tell_state(writer)
        writer.sync()
        if writer.failure is not None:
            raise writer.failure
        return self.session

    def fork(self) -> Session:
        """Goes on with a copy of the conversation; what was said so far stays in the session it came from, too."""
        if self.refusal:
            raise UsageError(self.refusal)
        if self._writer is None or not self._talk.messages:
            raise UsageError(
                "there is nothing to copy: this conversation is not kept", help="`/save` keeps it from here on"
            )
        if self.failure is not None:
            raise self.failure
        self.sync()
        copy = self.store.fork(self.session)
        self.take_up(copy, self.store.writer(copy, self._talk.messages, self._talk.first.mask))
        return copy

    # -- inside

    def _writing(self) -> Writer:
        if self._writer is None:
            talk = self._talk
            self._writer = self.store.writer(self._session, talk.messages, talk.first.mask)
        return self._writer

    def _tell_state(self, writer: Writer) -> None:
        talk = self._talk
        writer.mask = talk.first.mask
        now = (talk.agent.name, talk.model, dict(talk.arguments))
        if now != self._told:
            writer.change(speaker=now[0], model=now[1], arguments=now[2])
            self._told = now

    def _remember(self, event: Event) -> None:
        if not self.refusal and not isinstance(event, (*PIECES, ToolProgress)):
            self._unkept.append(event)

    def _leave(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._failure, self._unkept, self._told = None, None, [], None
