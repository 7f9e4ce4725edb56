"""MCP servers as others write them down, as sets of the project: a command line, an address, or a JSON file of
`mcpServers` (Claude Desktop, Cursor, Windsurf), `servers` (VS Code) or `context_servers` (Zed).

Starts nothing. No secret gets into a set: variables take its place. The files are `mcp_set.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from agentrun.diagnostics import one_of
from agentrun.errors import UsageError
from agentrun.foreign.commented_json import read_commented
from agentrun.foreign.converted import Left
from agentrun.spec.credential_words import (
    has_key,
    is_dummy,
    looks_random,
    names_credential,
    names_query_credential,
)
from agentrun.spec.types import NAME_PATTERN
from agentrun.visible import one_line

_LAUNCHERS = (
    "npx",
    "uvx",
    "bunx",
    "pnpx",
    "pipx",
    "docker",
    "podman",
    "uv",
    "node",
    "python",
    "python3",
    "deno",
    "bun",
)
_NO_NAMES = ("mcp", "server", "latest", "main", "index", "dist", "build", "run", "exec", "http", "api", "www", "sse")
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
_SECRET_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)=(.+)", re.DOTALL)


class McpServer(msgspec.Struct, frozen=True):
    """One server as a set: `mcp` are the keys of the block but for `allowed_tools`. `line` is where it was written.

    `values` are the secrets that variables took the place of: they are for starting the server, and for nothing else.
    """

    name: str
    mcp: dict[str, Any]
    line: int = 1
    values: dict[str, str] = {}
    allowed: list[str] | None = None


class McpServers(msgspec.Struct):
    servers: list[McpServer]
    left: list[Left]
    notes: list[str]
    variables: dict[str, str]


# -- reading ------------------------------------------------------------------------------------------------


def from_command(argv: Sequence[str], *, name: str | None = None) -> McpServers:
    made = _Making()
    made.add(name or _name_of(argv), {"command": argv[0], "args": list(argv[1:])}, 1, literal=True)
    return made.result()


def from_url(url: str, *, name: str | None = None) -> McpServers:
    made = _Making()
    made.add(name or _name_of_host(urlsplit(url).hostname or ""), {"url": url}, 1, literal=True)
    return made.result()


def from_json(text: str, path: str, *, only: Sequence[str] = ()) -> McpServers:
    """`only` are the names of servers that are wanted; none: all. Raises `UsageError`."""
    data = read_commented(text, path)
    entries = _entries(data)
    if entries is None:
        raise UsageError(
            f"`{path}` names no MCP servers",
            help="they stand in `mcpServers` (Claude Desktop, Cursor), `servers` (VS Code) or `context_servers` (Zed)",
        )
    for one in only:
        if one not in entries:
            raise UsageError(f"`{path}` has no server `{one}`", help=f"it has {one_of(entries) or 'none'}")
    made = _Making(_inputs(data))
    for name, entry in entries.items():
        if only and name not in only:
            continue
        line = _line_of(text, name)
        if not isinstance(entry, Mapping):
            made.left.append(Left(line, f"server {name}", "it is no mapping"))
            continue
        made.add(name, entry, line, literal=False, line_of=partial(_line_of, text, name))
    return made.result()


def _entries(data: Any) -> Mapping[str, Any] | None:
    if not isinstance(data, Mapping):
        return None
    for key in ("mcpServers", "servers", "context_servers"):
        if isinstance(data.get(key), Mapping):
            found: Mapping[str, Any] = data[key]
            return found
    return _entries(data.get("mcp"))


def _inputs(data: Mapping[str, Any]) -> dict[str, str]:
    """What VS Code asks the person for, by id."""
    nested = data.get("mcp")
    listed = data.get("inputs") or (nested.get("inputs") if isinstance(nested, Mapping) else None)
    found: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("id"), str):
            found[one["id"]] = str(one.get("description") or "")
    return found


def _line_of(text: str, name: str, key: str = "") -> int:
    """The line on which a server begins, or one of its keys."""
    at = text.find(f'"{name}"')
    inside = text.find(f'"{key}"', at) if key else at
    return text.count("\n", 0, max(at, inside)) + 1 if at >= 0 else 1


class _Making:
    def __init__(self, inputs: Mapping[str, str] | None = None) -> None:
        self.servers: list[McpServer] = []
        self.left: list[Left] = []
        self.notes: list[str] = []
        self.variables: dict[str, str] = {}
        self._inputs = inputs or {}
        self._values: dict[str, str] = {}

    def result(self) -> McpServers:
        return McpServers(self.servers, self.left, self.notes, self.variables)

    def add(
        self,
        given: str,
        entry: Mapping[str, Any],
        line: int,
        *,
        literal: bool,
        line_of: Callable[[str], int] = lambda key: 1,
    ) -> None:
        """`literal`: texts are what a shell made of them, and hold no references."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", given).strip("_")[:30]
        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(f"`{one_line(given, 60)}` is no name of a set", help="name it with `--name`")
        if entry.get("disabled") is True or entry.get("enabled") is False:
            self.left.append(Left(line, f"server {given}", "it is disabled there"))
            return
        self._values = {}
        command, url = entry.get("command"), entry.get("url") or entry.get("serverUrl") or entry.get("httpUrl")
        if isinstance(command, Mapping):  # as Zed had it: the command is a mapping of its own
            entry = {**entry, "command": command.get("path"), "args": command.get("args"), "env": command.get("env")}
            command = entry["command"]
        if isinstance(command, str) and command:
            mcp = self._stdio(name, command, entry, literal=literal)
        elif isinstance(url, str) and url:
            if str(entry.get("type") or entry.get("transport") or "").lower() == "sse":
                self.notes.append(
                    f"{given}: it is said to speak SSE, which is deprecated: agentrun asks it as streamable HTTP"
                )
            mcp = self._http(name, url, entry, literal=literal)
        else:
            self.left.append(Left(line, f"server {given}", "it has neither a `command` nor a `url`"))
            return
        for key in entry:
            if key not in _KNOWN | _PASSED:
                self.left.append(Left(line_of(key), f"`{key}` of {given}", _WHY.get(key, "a set has no such key")))
        self.servers.append(McpServer(name, mcp, line, self._values))

    def _stdio(self, name: str, command: str, entry: Mapping[str, Any], *, literal: bool) -> dict[str, Any]:
        args = [str(one) for one in _listed(entry.get("args"))]
        argv = [self._text(command, literal), *self._arguments(name, args, literal=literal)]
        cwd = entry.get("cwd")
        folder = ".."  # the project's, seen from tools.d/
        if isinstance(cwd, str) and cwd:
            written = self._text(cwd, literal)
            folder = written if written.startswith(("/", "$", "~")) else f"../{written}".removesuffix("/.")
        mcp: dict[str, Any] = {"command": argv, "cwd": folder}
        env = entry.get("env")
        if isinstance(env, Mapping) and env:
            mcp["env"] = {str(key): self._value(str(key), str(key), str(value), literal) for key, value in env.items()}
        return mcp

    def _http(self, name: str, url: str, entry: Mapping[str, Any], *, literal: bool) -> dict[str, Any]:
        mcp: dict[str, Any] = {"server_url": self._address(name, url, literal)}
        headers = entry.get("headers")
        kept: dict[str, str] = {}
        for key, value in headers.items() if isinstance(headers, Mapping) else ():
            header, text = str(key), str(value)
            scheme, _, credential = text.partition(" ")
            if header.lower() == "authorization" and scheme.lower() == "bearer" and credential.strip():
                variable = f"{_variable(name)}_TOKEN"
                mcp["auth"] = {"bearer": self._secret(variable, credential.strip(), "the bearer token", literal)}
            else:
                kept[header] = self._value(header, _variable(name, header), text, literal)
        if kept:
            mcp["headers"] = kept
        return mcp

    def _address(self, name: str, url: str, literal: bool) -> str:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if not any(names_query_credential(key) and value for key, value in pairs) and not has_key(url):
            return self._text(url, literal)
        shown = [
            (key, f"\0{self._secret(_variable(name, key), value, f'`{key}` of the address', literal)}\0")
            if names_query_credential(key) or has_key(value)
            else (key, value)
            for key, value in pairs
        ]
        query = "&".join(
            f"{urlencode({key: ''})}{value.strip(chr(0))}" if "\0" in value else urlencode({key: value})
            for key, value in shown
        )
        return urlunsplit(parts._replace(query=query, fragment=""))

    # -- texts and secrets

    def _arguments(self, name: str, args: list[str], *, literal: bool) -> Iterator[str]:
        """`--api-key=X`, `--token X`, and what is a key by its form, are secrets."""
        option = ""
        for one in args:
            found = _SECRET_OPTION.fullmatch(one)
            if found and (names_credential(found[1].lstrip("-")) or has_key(found[2])) and not _is_reference(found[2]):
                variable = _variable(name, found[1].lstrip("-"))
                yield f"{found[1]}={self._secret(variable, found[2], f'the option {found[1]}', literal)}"
            elif option and names_credential(option) and not one.startswith("-") and not _is_reference(one):
                yield self._secret(_variable(name, option), one, f"the option --{option}", literal)
            elif has_key(one):
                yield self._secret(_variable(name, "key"), one, "an argument", literal)
            else:
                yield self._text(one, literal)
            option = one.lstrip("-") if one.startswith("-") else ""

    def _value(self, key: str, variable: str, value: str, literal: bool) -> str:
        """A value of `env` or `headers`, by its name."""
        secret = names_credential(key) or has_key(value) or looks_random(value)
        placeholder = re.fullmatch(r"<.*>|(?i:.*\byour[-_ ].*)|\s*", value) is not None
        if not _is_reference(value) and ((secret and value) or (placeholder and names_credential(key))):
            return self._secret(variable, value, f"the value of `{key}`", literal)
        return self._text(value, literal)

    def _secret(self, variable: str, value: str, about: str, literal: bool) -> str:
        if not literal and _is_reference(value):
            return self._text(value, literal)
        free, number = variable, 2
        while free in self._values and self._values[free] != value:
            free, number = f"{variable}_{number}", number + 1
        self.variables[free] = about
        if value and not is_dummy(value):
            self._values[free] = value
        return f"${{{free}}}"

    def _text(self, text: str, literal: bool) -> str:
        """A text as a set has it: references of others as `${VAR}`, and a dollar sign of its own as one."""
        if literal:
            return text.replace("$", "$$")
        pieces: list[str] = []
        at = 0
        for found in _REFERENCE.finditer(text):
            pieces.append(text[at : found.start()].replace("$", "$$"))
            pieces.append(self._reference(found))
            at = found.end()
        return "".join(pieces) + text[at:].replace("$", "$$")

    def _reference(self, found: re.Match[str]) -> str:
        kind, name, default, folder = found.groups()
        if folder or name in _FOLDERS:
            return _FOLDERS[folder or name]
        if kind == "input":
            variable = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
            self.variables.setdefault(variable, self._inputs.get(name) or "asked for there")
            return f"${{{variable}}}"
        if default is None:
            self.variables.setdefault(name, "as there")
            return f"${{{name}}}"
        return f"${{{name}:-{default}}}"


_WHY = {
    "envFile": "its variables come with `--env-file`",
    "timeout": "write `timeout` beside `mcp`, in seconds",
    "disabledTools": "leave them out of `allowed_tools`",
    "dev": "agentrun starts a server and watches no files",
    "oauth": "agentrun's `auth` has oauth2 with client credentials",
    "settings": "write what the server needs into `env` or its arguments",
}


def _is_reference(text: str) -> bool:
    return _REFERENCE.search(text) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# -- names --------------------------------------------------------------------------------------------------


def _variable(name: str, of: str = "") -> str:
    words = re.sub(r"[^A-Z0-9]+", "_", f"{name}_{of.removeprefix('X-').removeprefix('x-')}".upper()).strip("_")
    return f"_{words}" if words[:1].isdigit() else words


def _name_of(argv: Sequence[str]) -> str:
    """The word that says what a server is for: `github` of `npx -y @modelcontextprotocol/server-github@1`."""
    words = [one for one in argv[1:] if not one.startswith("-")] if PurePath(argv[0]).name in _LAUNCHERS else [argv[0]]
    for word in [*words, argv[0]]:
        for piece in reversed(re.sub(r"(?<=.)@[\w.^~-]+$", "", word).split("/")):
            parts = [one for one in re.split(r"[-_.]+", PurePath(piece).stem) if one and one.lower() not in _NO_NAMES]
            if parts and word not in ("run", "exec", "tool", "dlx"):
                return "_".join(parts)
    return PurePath(argv[0]).stem


def _name_of_host(host: str) -> str:
    labels = [one for one in host.split(".")[:-1] if one not in _NO_NAMES] or host.split(".")
    return labels[-1] if labels and not labels[-1].isdigit() else "server"
