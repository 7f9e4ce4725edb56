"""The conversation as a file of its own, kept or not: `/export`. Secrets are masked, and no file is written over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agentrun.cli.output_files import write_new
from agentrun.cli.talk.nearby import is_near
from agentrun.cli.talk.talk import Talk
from agentrun.errors import UsageError
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
    session = _session(talk)
    text = (as_json if format == "json" else as_markdown)(session, _messages(talk))
    path = named
    if path is None or path.is_dir():
        path = next(one for one in _names(path or Path(), session, format) if not os.path.lexists(one))
    write_new(path, [text])
    return path


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
    return msgspec.structs.replace(session, title=" ".join(talk.agent.mask.text(session.title).split()))


def _messages(talk: Talk) -> list[dict[str, object]]:
    return [talk.agent.mask.data(dict(one.data)) for one in talk.messages]


def _names(folder: Path, session: Session, format: str) -> Iterator[Path]:
    """What the file may be called, the best first."""
    stem = "-".join(filter(None, (file_name(session.title), session.id)))
    number = 1
    while True:
        yield folder / (f"{stem}.{format}" if number == 1 else f"{stem}-{number}.{format}")
        number += 1
