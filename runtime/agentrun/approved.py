"""What was approved of tools that somebody else defines, kept so that a change of them is asked for again.

Of a tool its description, its parameters and what its server says that it does are kept as hashes: what a server wrote
stands in no file. Each tool has a file of its own, replaced all at once, so that processes don't take away what others
kept. A file that can't be read counts as a change: nobody knows what was approved.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from agentrun.state_folder import opened, replace_in, state_folder

FOLDER = "approved"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_BYTES = 4 * 1024 * 1024
_NAMED = 8  # parameters in a message


class Defined(msgspec.Struct, frozen=True):
    """A tool as its server defines it. `hints` are what it says of what a call does, such as `read-only`."""

    description: str
    parameters: Mapping[str, Any]
    hints: Mapping[str, bool]


class _Kept(msgspec.Struct, frozen=True):
    """`parameters` are hashes by name; `schema` is that of all that is no parameter."""

    description: str
    parameters: dict[str, str]
    schema: str
    hints: dict[str, bool]


class _Unknown(msgspec.Struct, frozen=True):
    """Something is kept, and can't be read."""


class Approvals:
    """Those of the tools of one set, in a project (`root`). Where nothing can be kept, they last as long as this."""

    def __init__(self, environ: Mapping[str, str], root: Path, tool_set: str) -> None:
        base = state_folder(environ)
        self._folder = None if base is None else base / FOLDER
        self._owner = [str(root), tool_set]
        self._here: dict[str, _Kept] = {}  # what could not be written

    def of(self, tool: str, defined: Defined, heeded: Sequence[str]) -> ApprovedDefinition:
        """`heeded` are the hints that the author leaves to the server."""
        return ApprovedDefinition(self, tool, _hashed(defined), tuple(heeded))

    def read(self, tool: str) -> _Kept | _Unknown | None:
        """None where nothing was approved."""
        if tool in self._here or self._folder is None:
            return self._here.get(tool)
        try:
            with (
                opened(self._folder, make=False) as folder,
                open(os.open(self._file(tool), _READ, dir_fd=folder), "rb") as file,  # noqa: PTH123 - of a handle
            ):
                content = file.read(_MAX_BYTES) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
            return msgspec.json.decode(content, type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            return _Unknown()

    def write(self, tool: str, kept: _Kept) -> None:
        try:
            with opened(self._folder, make=True) as folder:
                replace_in(folder, self._file(tool), msgspec.json.encode(kept))
            self._here.pop(tool, None)
        except OSError:
            self._here[tool] = kept

    def _file(self, tool: str) -> str:
        return f"{_hash([*self._owner, tool])}.json"


class ApprovedDefinition:
    """A tool as it is now, beside what was approved of it. Read anew each time: another process may have kept more."""

    def __init__(self, approvals: Approvals, tool: str, now: _Kept, heeded: tuple[str, ...]) -> None:
        self._approvals = approvals
        self._tool = tool
        self._now = now
        self._heeded = heeded

    def change(self) -> str | None:
        before = self._approvals.read(self._tool)
        if before is None:
            return None
        if isinstance(before, _Unknown):
            return "what was approved of it can't be read"
        what = _differences(before, self._now, self._heeded)
        return f"its server has changed {_listed(what)} since it was approved" if what else None

    def accept(self) -> None:
        if self._approvals.read(self._tool) != self._now:
            self._approvals.write(self._tool, self._now)


def _differences(before: _Kept, now: _Kept, heeded: Sequence[str]) -> list[str]:
    what = []
    if before.description != now.description:
        what.append("the description")
    if before.parameters != now.parameters or before.schema != now.schema:
        what.append(f"the parameters{_parameters(before.parameters, now.parameters)}")
    for hint in heeded:
        if before.hints.get(hint) != now.hints.get(hint):
            is_now = "now" if now.hints.get(hint) else "no longer"
            what.append(f"what it says of it ({is_now} {hint})")
    return what


def _parameters(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Which of them are others; nothing where it is about how they go together."""
    new = [f"`{name}` is new" for name in now if name not in before]
    gone = [f"`{name}` is gone" for name in before if name not in now]
    other = [f"`{name}` is another" for name in now if name in before and now[name] != before[name]]
    told = new + other + gone
    more = f", and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return f" ({', '.join(told[:_NAMED])}{more})" if told else ""


def _listed(what: Sequence[str]) -> str:
    return " and ".join((", ".join(what[:-1]), what[-1])) if len(what) > 1 else what[0]


def _hashed(defined: Defined) -> _Kept:
    properties = defined.parameters.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    rest = {key: value for key, value in defined.parameters.items() if key != "properties"}
    return _Kept(
        _hash(defined.description),
        {name: _hash(schema) for name, schema in properties.items()},
        _hash(rest),
        dict(defined.hints),
    )


def _hash(value: Any) -> str:
    """The same for the same data, in whatever order a server happens to write it."""
    text = json.dumps(_in_order(value), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _in_order(value: Any) -> Any:
    """With the names that are required in one order: their order says nothing."""
    if isinstance(value, Mapping):
        return {
            key: sorted(child) if key == "required" and _are_names(child) else _in_order(child)
            for key, child in value.items()
        }
    return [_in_order(child) for child in value] if isinstance(value, list) else value


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
