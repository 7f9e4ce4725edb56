"""Deletes what a project keeps no longer, aside from the conversation that begins meanwhile.

That takes a while, since nothing of them may stay in the file. How many they were is told in the end.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.errors import StoreError
from agentrun.sessions.store import Store
from agentrun.settings import find_settings

_DAY_S = 86400
_MAX_WAIT_S = 5.0  # at the end of a conversation that was shorter


@contextlib.contextmanager
def forgetting_old(talk: Talk, open_store: Callable[[], Store]) -> Iterator[None]:
    """Meanwhile the sessions of the project are deleted that are older than its settings want them to be."""
    days = find_settings(talk.loader.project.root).sessions.keep_days
    work = None if days is None else _begun(talk, open_store, days)
    try:
        yield
    finally:
        if days is not None and work is not None:
            work.join(_MAX_WAIT_S)
            if work.failure is not None:
                talk.complain(work.failure)
            if work.deleted:
                unchanged = f"not changed for {counted(days, 'day')} (`keep-days`)"
                talk.say(f"{counted(work.deleted, 'session')} deleted: {unchanged}", "dim")


class _Deleting(threading.Thread):
    """Ends with the program: what is left to do is done the next time."""

    def __init__(self, open_store: Callable[[], Store], before: float, root: str) -> None:
        super().__init__(name="old sessions", daemon=True)
        self.deleted = 0
        self.failure: StoreError | None = None
        self._open_store, self._before, self._root = open_store, before, root

    def run(self) -> None:
        try:
            with contextlib.closing(self._open_store()) as store:
                self.deleted = store.delete_older(self._before, root=self._root)
        except StoreError as error:
            self.failure = error


def _begun(talk: Talk, open_store: Callable[[], Store], days: int) -> _Deleting | None:
    """None where there is nothing to delete: to find that out takes no time."""
    before, root = time.time() - days * _DAY_S, talk.loader.root
    try:
        if not talk.keeper.is_kept or not talk.keeper.store.count(root=root, before=before):
            return None
    except StoreError as error:
        talk.complain(error)
        return None
    work = _Deleting(open_store, before, root)
    work.start()
    return work
