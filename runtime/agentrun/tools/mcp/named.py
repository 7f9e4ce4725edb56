"""What a command is called in messages and lists: what it runs, not what runs that.

`npx`, `docker` and `python` are the names of half of all servers. Pure, and only ever about names: nothing is started
by what is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

_LAUNCHERS = ("npx", "uvx", "bunx", "pnpx", "pipx", "docker", "podman", "uv")
_WORDS_OF_LAUNCHERS = ("run", "exec", "dlx", "tool")
_INTERPRETER = re.compile(r"(?:python|node|deno|bun|ruby|java)[\d.]*")
# Options whose value is the next word.
_OF_LAUNCHERS = frozenset(
    (
        *("-e", "--env", "--env-file", "-v", "--volume", "--mount", "--name", "-p", "--publish", "-l", "--label"),
        *("--network", "--net", "-w", "--workdir", "-u", "--user", "--entrypoint", "--platform"),
        *("--package", "--directory", "--project", "--python", "--with", "--with-editable", "--from", "--spec"),
    )
)
_OF_INTERPRETERS = frozenset(("-X", "-W", "-r", "--require", "--import", "--loader", "--conditions", "--env-file"))
_CODE = ("-c", "-e", "--eval", "-p", "--print")
# Of a path these say nothing of what it is.
_ANYBODYS = frozenset(("index", "main", "__main__", "cli", "dist", "build", "out", "src", "lib", "bin"))


def program_name(command: Sequence[str]) -> str:
    """The program; where it only fetches another and runs it, that one: `some-server` of `npx -y some-server .`."""
    name = PurePath(command[0]).name
    if name not in _LAUNCHERS:
        return name
    words = (one for one in _words(command[1:], _OF_LAUNCHERS) if one not in _WORDS_OF_LAUNCHERS)
    return next(words, name)


def server_name(command: Sequence[str]) -> str:
    """The same of a server's command, which is often a script: `notes.py` of `python notes.py`."""
    name = program_name(command)
    if not _INTERPRETER.fullmatch(name):
        return name
    arguments = command[1:]
    first = next(_words(arguments, _OF_INTERPRETERS), None)
    if first is None or any(one in _CODE for one in arguments[: arguments.index(first)]):
        return name
    return _end(first)


def _words(arguments: Sequence[str], with_value: frozenset[str]) -> Iterator[str]:
    """Those that are no options, nor the values of some."""
    before = ""
    for one in arguments:
        if not one.startswith("-") and before not in with_value:
            yield one
        before = one


def _end(path: str) -> str:
    """The last part of a path that says something: `some-server` of `some-server/dist/index.js`."""
    parts = [one for one in PurePath(path).parts if one not in ("/", ".", "..")]
    return next((one for one in reversed(parts) if PurePath(one).stem not in _ANYBODYS), PurePath(path).name)
