"""The conversation as a file of its own, kept or not: `/export`. Secrets are masked, and no file is written over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agentrun.cli.talk.nearby import is_near
from agentrun.cli.talk.talk import Talk
from agentrun.discovery import display
from agentrun.engine.exchanges import exchange_starts, text_of
from agentrun.errors import UsageError, reason_of
from agentrun.sessions.export import as_json, as_markdown
from agentrun.sessions.session import Session
from agentrun.testing.from_session import file_name

FORMATS = ("md", "json")
_QUOTED = re.compile(r"""(["'])(.+)\1""")


def export(talk: Talk, rest: str) -> Path:
    """Writes what `[md|json] [FILE]` asks for, and says where. Raises `UsageError`."""
    if not talk.messages:
        raise UsageError("nothing was said yet")
    format, named = _asked(rest)
    if named is not None and not talk.interactive and not is_near(named):
        raise UsageError(
            "from a pipe, files are written below the current folder, and no hidden ones",
            help="`agentrun sessions export ID --output FILE` writes any file",
        )
    text = (as_json if format == "json" else as_markdown)(_session(talk), _messages(talk))
    if named is None:
        return _written(_free_names(Path(), talk, format), text)
    if named.is_dir():
        return _written(_free_names(named, talk, format), text)
    return _written(iter([named]), text)


def _asked(rest: str) -> tuple[str, Path | None]:
    """The format, and the file where one is named; its ending says the format where nothing else does."""
    first, _, name = rest.partition(" ")
    format = first if first in FORMATS else ""
    name = name.strip() if format else rest
    if quoted := _QUOTED.fullmatch(name):
        name = quoted[2]
    if not format:
        format = "json" if name.lower().endswith(".json") else "md"
    return format, Path(name).expanduser() if name else None


def _session(talk: Talk) -> Session:
    session = talk.keeper.about()
    return msgspec.structs.replace(session, title=_title(talk, session))


def _title(talk: Talk, session: Session) -> str:
    first = next((text_of(talk.messages[at]) for at in exchange_starts(talk.messages)), "")
    return " ".join(talk.agent.mask.text(session.title or first).split())


def _messages(talk: Talk) -> list[dict[str, object]]:
    return [talk.agent.mask.data(dict(one.data)) for one in talk.messages]


def _free_names(folder: Path, talk: Talk, format: str) -> Iterator[Path]:
    session = talk.keeper.about()
    stem = "-".join(filter(None, (file_name(_title(talk, session)), session.id)))
    number = 1
    while True:
        yield folder / (f"{stem}.{format}" if number == 1 else f"{stem}-{number}.{format}")
        number += 1


def _written(names: Iterator[Path], text: str) -> Path:
    """Into the first of these files that is not there yet."""
    for path in names:
        if os.path.lexists(path):
            refused = path
            continue
        try:
            with path.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"`{display(path)}` can't be written: {reason_of(error)}") from None
        return path
    raise UsageError(f"`{display(refused)}` is there already", help="name another file")
