"""MCP servers as others write them down, as sets of the project: a command line, an address, an entry of a JSON file.

Starts nothing. No secret gets into a set: variables take its place. JSON files are read in `mcp_files.py`; what a set's
own file looks like is `mcp_set.py`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.converted import Left
from agentrun.foreign.mcp_names import name_of_command, name_of_host, variable_of
from agentrun.foreign.urls import is_http, path_keys, split_url
from agentrun.foreign.yaml_text import before_brace, without_variables
from agentrun.spec.credential_words import (
    KEY,
    has_key,
    is_dummy,
    looks_random,
    names_credential,
    names_query_credential,
    without_keys,
)
from agentrun.spec.types import NAME_PATTERN
from agentrun.visible import one_line

_REFERENCE = re.compile(
    r"\$\{(?:(env|input):)?([A-Za-z_][\w-]*)(?::-([^{}]*))?\}"
    r"|\$\{(workspaceFolder|workspaceRoot|userHome|pathSeparator|/)\}"
)
_FOLDERS = {"workspaceFolder": ".", "workspaceRoot": ".", "userHome": "${HOME}", "pathSeparator": "/", "/": "/"}
_KNOWN = frozenset({"command", "args", "env", "cwd", "url", "serverUrl", "httpUrl", "type", "transport", "headers"})
_PASSED = frozenset(
    {"name", "description", "disabled", "enabled", "autoApprove", "alwaysAllow", "autoStart", "gallery"}
) | {
    *("version", "source", "icon", "title", "trust", "$schema"),
}
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)=(.+)", re.DOTALL)
_WHY = {
    "envFile": "its variables come with `--env-file`",
    "timeout": "write `timeout` beside `mcp`, in seconds",
    "disabledTools": "leave them out of `allowed_tools`",
    "dev": "agentrun starts a server and watches no files",
    "oauth": "agentrun's `auth` has oauth2 with client credentials",
    "settings": "write what the server needs into `env` or its arguments",
}


class McpServer(msgspec.Struct, frozen=True):
    """One server as a set: `mcp` are the keys of the block but for `allowed_tools`. `line` is where it was written.

    `values` are the secrets that variables took the place of: they are for starting the server, and for nothing else.
    """

    name: str
    mcp: dict[str, Any]
    line: int = 1
    values: dict[str, str] = {}


class McpServers(msgspec.Struct):
    servers: list[McpServer]
    left: list[Left]
    notes: list[str]
    variables: dict[str, str]


# -- reading ------------------------------------------------------------------------------------------------


def from_command(argv: Sequence[str], *, name: str | None = None) -> McpServers:
    made = Making(literal=True)
    made.add(name or name_of_command(argv), {"command": argv[0], "args": list(argv[1:])})
    return made.result()


def from_url(url: str, *, name: str | None = None) -> McpServers:
    made = Making(literal=True)
    made.add(name or name_of_host(split_url(url).hostname or ""), {"url": url})
    return made.result()


class Making:
    """The servers of one source, as they are made."""

    def __init__(self, inputs: Mapping[str, str] | None = None, *, literal: bool = False) -> None:
        """`literal`: texts are what a shell made of them, and refer to nothing. `inputs` are what they may ask for."""
        self.servers: list[McpServer] = []
        self.left: list[Left] = []
        self.notes: list[str] = []
        self.variables: dict[str, str] = {}
        self.inputs = inputs or {}
        self.literal = literal

    def result(self) -> McpServers:
        return McpServers(self.servers, self.left, self.notes, self.variables)

    def add(self, given: str, entry: Mapping[str, Any], line_of: Callable[..., int] = lambda key="": 1) -> None:
        """`line_of` gives the line of a key, and of the server itself."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", without_keys(given)).strip("_-")[:30] or "server"
        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(f"`{one_line(given, 60)}` is no name of a set", help="name it with `--name`")
        taken = {one.name for one in self.servers}
        number, free = 2, name
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        name = free
        server = _Server(self, name, given, line_of)
        mcp = server.mcp(entry)
        if mcp is not None:
            self.servers.append(McpServer(name, server.swept(mcp), line_of(), server.values))


class _Server:
    """One entry, as it becomes a set. `values` are its secrets, by the variables that took their place."""

    def __init__(self, making: Making, name: str, given: str, line_of: Callable[..., int]) -> None:
        self._making = making
        self._name = name
        self._given = given
        self._line_of = line_of
        self.values: dict[str, str] = {}

    def mcp(self, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        """The keys of the block; None where there can be no set."""
        if entry.get("disabled") is True or entry.get("enabled") is False:
            self._leave("", "it is disabled there")
            return None
        command, url = entry.get("command"), entry.get("url") or entry.get("serverUrl") or entry.get("httpUrl")
        if isinstance(command, Mapping):  # as Zed had it: the command is a mapping of its own
            entry = {**entry, "command": command.get("path"), "args": command.get("args"), "env": command.get("env")}
            command = entry["command"]
        if isinstance(command, str) and command:
            made = self._stdio(command, entry)
        elif isinstance(url, str) and (is_http(url) or self._text(url).startswith("${")):
            if str(entry.get("type") or entry.get("transport") or "").lower() == "sse":
                self._making.notes.append(
                    f"{self._given}: it is said to speak SSE, which is deprecated: agentrun asks it as streamable HTTP"
                )
            made = self._http(url, entry)
        else:
            self._leave("", "its `url` is no address" if url else "it has neither a `command` nor a `url`")
            return None
        for key in entry:
            if key not in _KNOWN | _PASSED:
                self._leave(key, _WHY.get(key, "a set has no such key"))
        return made

    def _leave(self, key: str, why: str, name: str = "") -> None:
        """`key` is one of the server; none: the server itself. `name` is an entry of it."""
        what = f"`{key}` of {self._given}" if key else f"server {self._given}"
        told = f"{what}: `{one_line(name, 60)}`" if name else what
        self._making.left.append(Left(self._line_of(key), without_keys(told), why))

    def _texts(self, entry: Mapping[str, Any], key: str, is_name: re.Pattern[str]) -> Iterator[tuple[str, str]]:
        """The members of a mapping that are texts under names as they may be."""
        members = entry.get(key)
        for name, value in members.items() if isinstance(members, Mapping) else ():
            text = _scalar(value)
            if text is None or not is_name.fullmatch(str(name)):
                self._leave(key, "it is no text, or its name can't be", str(name) or "''")
            else:
                yield str(name), text

    def _stdio(self, command: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        listed = entry.get("args")
        args = [_scalar(one) for one in listed] if isinstance(listed, list) else []
        if None in args:
            self._leave("args", "an argument is no text")
        argv = [self._text(command), *self._arguments([one for one in args if one is not None])]
        cwd = entry.get("cwd")
        folder = ".."  # the project's, seen from tools.d/
        if isinstance(cwd, str) and cwd:
            written = self._text(cwd)
            folder = written if written.startswith(("/", "$", "~")) else f"../{written}".removesuffix("/.")
        env = {name: self._value(name, name, text) for name, text in self._texts(entry, "env", _VARIABLE_NAME)}
        return {"command": argv, "cwd": folder} | ({"env": env} if env else {})

    def _http(self, url: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        mcp: dict[str, Any] = {"server_url": self._address(url)}
        kept: dict[str, str] = {}
        for header, text in self._texts(entry, "headers", _HEADER_NAME):
            scheme, _, credential = text.partition(" ")
            if header.lower() == "authorization" and scheme.lower() == "bearer" and credential.strip():
                variable = f"{variable_of(self._name)}_TOKEN"
                mcp["auth"] = {"bearer": self._secret(variable, credential.strip(), "the bearer token")}
            elif not text.isprintable():
                self._leave("headers", "a header is one line", header)
            else:
                kept[header] = self._value(header, variable_of(self._name, header), text)
        return mcp | ({"headers": kept} if kept else {})

    def _address(self, url: str) -> str:
        before, mark, query = url.partition("#")[0].partition("?")
        written = self._text(before)
        for key in path_keys(url):
            hidden = self._secret(variable_of(self._name, "PATH_KEY"), key, "the key in the address")
            written = written.replace(f"/{key}", f"/{hidden}")
        pieces = []
        for piece in query.split("&"):
            key, equals, value = piece.partition("=")
            shown = self._text(value)
            if value and (names_query_credential(key) or has_key(value)):
                shown = self._secret(variable_of(self._name, key), value, f"`{key}` of the address")
            pieces.append(f"{self._text(key)}{equals}{shown}")
        return f"{written}{mark}{'&'.join(pieces)}"

    # -- texts and secrets

    def _arguments(self, args: list[str]) -> Iterator[str]:
        """`--api-key=X`, `--token X`, and what is a key by its form, are secrets."""
        option = ""
        for one in args:
            found = _SECRET_OPTION.fullmatch(one)
            if found and (names_credential(found[1].lstrip("-")) or has_key(found[2])):
                variable = variable_of(self._name, found[1].lstrip("-"))
                yield f"{found[1]}={self._secret(variable, found[2], f'the option {found[1]}')}"
            elif option and names_credential(option) and not one.startswith("-"):
                yield self._secret(variable_of(self._name, option), one, f"the option --{option}")
            elif has_key(one):
                yield self._secret(variable_of(self._name, "key"), one, "an argument")
            else:
                yield self._text(one)
            option = one.lstrip("-") if one.startswith("-") else ""

    def _value(self, key: str, variable: str, value: str) -> str:
        """A value of `env` or `headers`, by its name."""
        secret = names_credential(key) or has_key(value) or looks_random(value)
        placeholder = re.fullmatch(r"<.*>|(?i:.*\byour[-_ ].*)|\s*", value) is not None
        if (secret and value) or (placeholder and names_credential(key)):
            return self._secret(variable, value, f"the value of `{key}`")
        return self._text(value)

    def _secret(self, variable: str, value: str, about: str) -> str:
        """What holds references already is written as it is."""
        if not self._making.literal and _REFERENCE.search(value):
            return self._text(value)
        free, number = variable, 2
        while free in self.values and self.values[free] != value:
            free, number = f"{variable}_{number}", number + 1
        self._making.variables[free] = about
        if value and not is_dummy(value):
            self.values[free] = value
        return f"${{{free}}}"

    def swept(self, value: Any) -> Any:
        """The block without keys that stand inside its texts, beside references."""
        if isinstance(value, dict):
            return {key: self.swept(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.swept(one) for one in value]
        if not isinstance(value, str) or not has_key(value):
            return value
        return KEY.sub(lambda found: self._secret(variable_of(self._name, "key"), found[0], "a key"), value)

    def _text(self, text: str) -> str:
        """A text as a set has it: references of others as `${VAR}`, and a dollar sign of its own as one."""
        if self._making.literal:
            return without_variables(text)
        pieces: list[str] = []
        at = 0
        for found in _REFERENCE.finditer(text):
            pieces += [before_brace(without_variables(text[at : found.start()])), self._reference(found)]
            at = found.end()
        return "".join(pieces) + without_variables(text[at:])

    def _reference(self, found: re.Match[str]) -> str:
        kind, name, default, folder = found.groups()
        if folder or name in _FOLDERS:
            return _FOLDERS[folder or name]
        if kind == "input":
            variable = variable_of(name)
            self._making.variables.setdefault(variable, self._making.inputs.get(name) or "asked for there")
            return f"${{{variable}}}"
        name = name.replace("-", "_")
        if default is None:
            self._making.variables.setdefault(name, "as there")
            return f"${{{name}}}"
        return f"${{{name}:-{without_variables(default)}}}"


def _scalar(value: Any) -> str | None:
    """A text, or a number or truth value as JSON writes it."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None
