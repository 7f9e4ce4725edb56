"""What Tab offers: /commands, what may follow them, and files. Knows nothing of how it is shown.

A file stands in a message as `@path`, or `@"a path"` where it holds white space; after a command that reads files the
same without the `@`. A file whose name can't be shown as it is, is not offered: nobody can see what would be sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from agentrun.cli.slash.command import Command
from agentrun.visible import one_line, visible

_FILE = re.compile(r"""(?<![^\s(\[{<"',;])@(?:"(?P<quoted>[^"\n]*)|(?P<bare>(?:(?![,;]@)[^\s"])*))$""")
_PATH = re.compile(r'(?:^|(?<=\s))(?:"(?P<quoted>[^"\n]*)|(?P<bare>[^\s"]*))$')
_MOST_ENTRIES = 20_000  # of a folder that are looked at
_MOST_OFFERED = 500
_WORD_CHARS = 200


class Offer(msgspec.Struct, frozen=True):
    """`text` takes the place of the last `replaces` characters before the cursor. `about` says what it is."""

    text: str
    replaces: int
    shown: str
    about: str = ""


class Completion:
    """`words_of` gives what may follow a command, where that is known."""

    def __init__(self, commands: Iterable[Command], words_of: Callable[[Command], Iterable[str]]) -> None:
        self._commands = tuple(commands)
        self._words_of = words_of

    def offers(self, before: str) -> Iterator[Offer]:
        """For a text before the cursor."""
        if found := _FILE.search(before):
            yield from _files(found)
        elif before.startswith("/") and "\n" not in before:
            yield from self._of_command(before)

    def _of_command(self, before: str) -> Iterator[Offer]:
        name, space, rest = before[1:].partition(" ")
        if not space:
            yield from self._names(name)
            return
        command = next((one for one in self._commands if name.lower() in (one.name, *one.aliases)), None)
        if command is None:
            return
        rest = rest.lstrip(" ")
        if command.words is not None:
            yield from _words(self._words_of(command), rest)
        if command.reads_files and (found := _PATH.search(rest)):
            yield from _files(found)

    def _names(self, typed: str) -> Iterator[Offer]:
        wanted = typed.lower()
        for command in self._commands:
            for name in (command.name, *command.aliases):
                if name.startswith(wanted):
                    call = f"/{name} {command.usage}".rstrip()
                    about = command.meaning if name == command.name else f"/{command.name}: {command.meaning}"
                    text = f"/{name} " if command.usage else f"/{name}"
                    yield Offer(text, len(typed) + 1, call, about)


def _words(words: Iterable[str], rest: str) -> Iterator[Offer]:
    """Those that begin as what follows the command; else as its last word."""
    known = [word for word in dict.fromkeys(words) if word == visible(word) and "\n" not in word]
    last = rest.rpartition(" ")[2]
    for typed in dict.fromkeys((rest, last)):
        begun = [word for word in known if word.lower().startswith(typed.lower())]
        if begun:
            yield from (Offer(word, len(typed), one_line(word, _WORD_CHARS)) for word in begun[:_MOST_OFFERED])
            return


def _files(found: re.Match[str]) -> Iterator[Offer]:
    """Files and folders that begin so. Hidden ones where a dot was typed."""
    was_quoted = found["quoted"] is not None
    typed = found["quoted"] if was_quoted else found["bare"]
    folder, slash, begun = typed.rpartition("/")
    for name, is_folder in _entries(f"{folder}{slash}", begun)[:_MOST_OFFERED]:
        shown = name + ("/" if is_folder else "")
        path = f"{folder}{slash}{shown}"
        if was_quoted or any(char.isspace() for char in path):
            path = f'"{path}' + ("" if is_folder else '"')  # the path of a folder goes on
        yield Offer(path, len(typed) + was_quoted, shown)


def _entries(folder: str, begun: str) -> list[tuple[str, bool]]:
    found = []
    try:
        with os.scandir(Path(folder).expanduser() if folder else ".") as entries:
            for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
                name = entry.name
                if not name.startswith(begun) or (name.startswith(".") and not begun.startswith(".")):
                    continue
                if name == visible(name) and not any(char in name for char in '"\n\t'):
                    found.append((name, entry.is_dir()))
    except (OSError, ValueError, RuntimeError):  # no such folder, or user
        return []
    return sorted(found)
