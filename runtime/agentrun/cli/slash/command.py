"""What a /command is, and what may follow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from agentrun.cli.talk.talk import Talk


class Leave(msgspec.Struct, frozen=True):
    """The conversation ends."""


class Send(msgspec.Struct, frozen=True):
    """This is said, as if it had been typed. `attachments` are content parts of the chat API."""

    text: str
    attachments: Sequence[Mapping[str, Any]] = ()


class Draft(msgspec.Struct, frozen=True):
    """The next prompt holds this text already: the person edits and sends it. Its files wait in the talk."""

    text: str


class Failed(msgspec.Struct, frozen=True):
    """What was asked could not be done, which was told."""


Next = Leave | Send | Draft | Failed


class Command(msgspec.Struct, frozen=True, eq=False):
    """`usage` is what may follow the name; `meaning` is one line of /help, and `more` what `/help NAME` tells beside.

    `words` are what the argument may be, for completion. `reads_files` says that it is a path.
    """

    name: str
    usage: str
    meaning: str
    run: Callable[[Talk, str], Awaitable[Next | None]]
    words: Callable[[Talk], Iterable[str]] | None = None
    reads_files: bool = False
    aliases: tuple[str, ...] = ()
    more: str = ""
