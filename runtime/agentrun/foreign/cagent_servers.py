"""The MCP servers of a Docker cagent file as sets: command lines, addresses, servers of Docker's catalog."""

from __future__ import annotations

import re
from typing import Any

from agentrun.foreign.cagent_kit import Kit, Wiring, duration
from agentrun.foreign.cagent_words import TOOLSET_REASONS, has_reference
from agentrun.foreign.draft import authorized
from agentrun.foreign.fields import Fields
from agentrun.foreign.urls import is_http, owner_of, split_url
from agentrun.foreign.yaml_text import prose, without_variables
from agentrun.spec.nodes import Node

_GLOB = re.compile(r"([*?\[])")
_LAUNCHERS = ("npx", "uvx", "uv", "bunx", "node", "python", "python3", "docker", "go", "deno", "sh", "bash")
_VERBS = ("run", "tool", "mcp", "exec", "x", "dlx")
_ASKS = (
    "cagent asks before each call that may change something: the tools of sets ask as `require_approval: auto` has it"
)


class Servers:
    """`definitions` are those under `mcps`; the ones that no agent uses are left in the end."""

    def __init__(self, wiring: Wiring, definitions: dict[str, Node]) -> None:
        self._wiring = wiring
        self._draft = wiring.draft
        self._definitions = definitions
        self._used: set[str] = set()

    def add(self, fields: Fields, kit: Kit) -> None:
        """A toolset of an agent. It may name a definition, and choose tools of it."""
        reference = fields.text("ref")
        definition = self._definitions.get(reference)
        if definition is None:
            self._add(fields, [fields], reference, "", kit)
            return
        self._used.add(reference)
        source = Fields(definition, f"mcps: `{reference}`", self._draft)
        self._add(source, [source, fields], source.text("ref"), reference, kit)

    def rest(self) -> None:
        for name, node in self._definitions.items():
            if name not in self._used:
                self._draft.leave(node, f"mcps: `{name[:60]}`", "no agent uses it")

    def _add(self, source: Fields, places: list[Fields], catalog: str, defined: str, kit: Kit) -> None:
        """`source` says what is started or called; `places` are where the rest may be written, the nearest last."""
        nearest = places[-1]
        timeout = self._lifecycle(source)
        mcp, hint = self._launch(source, catalog)
        named = ""
        wanted: list[str] = []
        for one in places:
            named = one.text("name") or named
            wanted = [text for text, _ in one.texts("tools")] or wanted
            kit.said.append(self._wiring.instruction(one))
            self._told(one)
        if mcp is None:
            self._draft.leave(nearest.node, nearest.what, "it names no `command`, `remote` or `ref` of Docker")
            return
        if wanted:
            mcp["allowed_tools"] = [_GLOB.sub(r"[\1]", without_variables(one)) for one in wanted]
        name = named or defined or hint or "mcp"
        data: dict[str, Any] = {"description": f"Tools of the MCP server {prose(name)}."}
        data |= {} if timeout is None else {"timeout": timeout}
        made = self._draft.tool(name, {**data, "mcp": mcp})
        kit.names.append(made)
        kit.sets[made] = (bool(named), wanted or None)
        self._draft.note(_ASKS)

    def _told(self, fields: Fields) -> None:
        fields.skip("type", "allow_private_ips", "command", "args", "env", "working_dir", "remote", "lifecycle", "ref")
        for key in ("defer", "readonly"):
            fields.leave_switched_on(key, TOOLSET_REASONS[key])
        if fields.text("version").lower() in ("false", "off"):
            fields.skip("version")
        else:
            fields.leave("version", TOOLSET_REASONS["version"])
        fields.rest(TOOLSET_REASONS)

    def _launch(self, fields: Fields, catalog: str) -> tuple[dict[str, Any] | None, str]:
        """What `mcp` starts or calls, and what it may be named after."""
        if catalog.startswith("docker:"):
            server = catalog.removeprefix("docker:")
            self._draft.note("sets of Docker's MCP catalog start `docker mcp gateway run`, which must be installed")
            command = ["docker", "mcp", "gateway", "run", f"--servers={without_variables(server)}"]
            return {"command": command, **self._process(fields, server)}, server
        remote = fields.inner("remote", f"{fields.what}: `remote`")
        if remote is not None:
            if "env" in fields:
                fields.leave("env", "a server elsewhere has its own environment")
            return self._remote(remote), owner_of(split_url(remote.text("url")).hostname or "mcp")
        program = fields.text("command")
        if not program:
            return None, ""
        hint = _server_name(program, [one for one, _ in fields.texts("args")])
        command = [self._wiring.text(fields, "command", program), *self._wiring.arguments(fields, hint)]
        return {"command": command, **self._process(fields, hint)}, hint

    def _process(self, fields: Fields, owner: str) -> dict[str, Any]:
        env = self._wiring.environment(fields, owner)
        return ({"env": env} if env else {}) | {"cwd": self._wiring.folder(fields)}

    def _remote(self, remote: Fields) -> dict[str, Any] | None:
        url = remote.text("url")
        if not is_http(url) and not url.startswith("${"):
            remote.leave("url", "an address begins with http:// or https:// and a host, without a name or password")
            return None
        if remote.text("transport_type").lower() == "sse":
            why = "agentrun speaks streamable HTTP: the server may have it at another path"
            remote.leave("transport_type", why)
        if "oauth" in remote:
            remote.leave("oauth", "nobody signs in: `auth: {oauth2: …}` has client credentials, `bearer` a token")
        made: dict[str, Any] = {"server_url": self._wiring.address(remote, "url")}
        headers, auth = authorized(self._wiring.headers(remote, split_url(url).hostname or ""))
        made |= {"headers": headers} if headers else {}
        made |= {"auth": auth} if auth else {}
        remote.rest()
        return made

    def _lifecycle(self, fields: Fields) -> float | None:
        """How long a call may take; how often a server is started is agentrun's."""
        lifecycle = fields.inner("lifecycle", f"{fields.what}: `lifecycle`")
        if lifecycle is None:
            return None
        seconds = duration(lifecycle.text("call_timeout"))
        lifecycle.rest(dict.fromkeys(lifecycle.node.content, TOOLSET_REASONS["lifecycle"]))
        return seconds


def _server_name(program: str, arguments: list[str]) -> str:
    """What a server is called after: its package or script, else its program."""
    plain = [one for one in arguments if one and one[0] != "-" and "=" not in one and not has_reference(one)]
    first = program.rsplit("/", 1)[-1]
    words = [one for one in plain if one not in _VERBS] if first in _LAUNCHERS else []
    whole = (words[0] if words else first).rsplit("/", 1)[-1]
    name = re.sub(r"@[^@]*$|\.(py|js|ts|sh)$|:[\w.-]+$", "", whole)
    return re.sub(r"^(mcp-)?server-|^mcp-|-mcp(-server)?$", "", name) or first
