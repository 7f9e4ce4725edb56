"""The MCP tools and toolboxes of an Agent Spec file as sets: one for each transport."""

from __future__ import annotations

import re
from typing import Any

from agentrun.foreign.agent_spec_book import Book, kind_of_component, name_of
from agentrun.foreign.agent_spec_models import retries
from agentrun.foreign.agent_spec_remote import sensitive_headers
from agentrun.foreign.draft import authorized, is_variable
from agentrun.foreign.fields import Fields, headers_of, text_in
from agentrun.foreign.urls import is_http, owner_of, split_url
from agentrun.foreign.yaml_text import without_variables
from agentrun.spec.function_names import made_name
from agentrun.spec.nodes import Node, text_of

_GLOB = re.compile(r"([*?\[])")
_CERTIFICATES = ("key_file", "cert_file", "ca_file")


class Servers:
    def __init__(self, book: Book) -> None:
        self._book = book
        self._draft = book.draft

    def toolbox(self, node: Node, what: str) -> tuple[str, list[str]] | None:
        """The set of a toolbox, and those of its functions that need approval each."""
        fields = self._book.fields(node, what)
        launch = self._launch(fields)
        asks: list[str] = []
        chosen: list[str] = []
        for one in fields.items("tool_filter"):
            spec = self._book.fields(one, fields.told("tool_filter"))
            name = text_in(one) or text_of(one.get("name")) or ""
            if name:
                chosen.append(name)
            else:
                self._draft.leave(one, spec.what, "it names no tool")
            if one.is_mapping and spec.flag("requires_confirmation") and name:
                asks.append(name)
            spec.skip("description", "inputs", "outputs")  # as the server has them
            spec.rest()
        confirms = fields.flag("requires_confirmation")
        retries(self._draft, fields, 10)
        if "retry_policy" in fields:
            fields.leave("retry_policy", "calls of a server are not made again")
        description = fields.text("description")
        fields.rest()
        if launch is None:
            return None
        name = self._set(name_of(node), launch, chosen, confirms=bool(confirms), description=description)
        return name, [made_name(f"{name}_{one}") for one in asks]

    def tools(self, nodes: list[Node], what: str) -> tuple[str, list[str]] | None:
        """One set of several tools that have the same transport, and those of its functions that need approval."""
        launch: tuple[dict[str, Any], float | None, str] | None = None
        asks: list[str] = []
        for node in nodes:
            fields = self._book.fields(node, f"{what}: tool {name_of(node)}")
            launch = self._launch(fields) or launch
            if fields.flag("requires_confirmation"):
                asks.append(text_of(node.get("name")) or "")
            fields.skip("description", "inputs", "outputs")  # as the server has them
            if "retry_policy" in fields:
                fields.leave("retry_policy", "calls of a server are not made again")
            fields.rest()
        if launch is None:
            return None
        chosen = [text_of(one.get("name")) or "" for one in nodes]
        name = self._set(launch[2], launch, chosen, confirms=False)
        return name, [made_name(f"{name}_{one}") for one in asks]

    def _set(
        self,
        wanted: str,
        launch: tuple[dict[str, Any], float | None, str],
        chosen: list[str],
        *,
        confirms: bool,
        description: str = "",
    ) -> str:
        mcp, timeout, hint = launch
        if chosen:
            mcp = {**mcp, "allowed_tools": [_GLOB.sub(r"[\1]", without_variables(one)) for one in chosen]}
        data: dict[str, Any] = {"description": description or f"Tools of the MCP server {wanted or hint}."}
        data |= {"require_approval": "always"} if confirms else {}
        data |= {"timeout": timeout} if timeout else {}
        return self._draft.tool(wanted or hint, {**data, "mcp": mcp})

    def _launch(self, fields: Fields) -> tuple[dict[str, Any], float | None, str] | None:
        """What `mcp` starts or calls, how long a call may take, and a name."""
        node = self._book.component(fields.take("client_transport"), fields.told("client_transport"))
        if node is None:
            self._draft.leave(fields.node, fields.what, "it has no `client_transport`")
            return None
        kind = kind_of_component(node)
        transport = self._book.fields(node, f"{kind} {name_of(node)}")
        transport.skip("description")
        session = transport.inner("session_parameters")
        timeout = session.number("read_timeout_seconds") if session is not None else None
        if session is not None:
            session.rest()
        made = self._process(transport) if kind == "StdioTransport" else self._remote(kind, transport)
        transport.rest()
        return None if made is None else (made[0], timeout, made[1])

    def _process(self, fields: Fields) -> tuple[dict[str, Any], str] | None:
        program = fields.text("command")
        if not program:
            self._draft.leave(fields.node, fields.what, "it has no `command`")
            return None
        owner = name_of(fields.node) or program
        texts = [one for one, _ in fields.texts("args")]
        command = [without_variables(program)]
        command += [self._draft.argument(owner, before, one) for before, one in zip(["", *texts], texts, strict=False)]
        made: dict[str, Any] = {"command": command}
        env = {}
        for name, node in fields.members("env").items():
            text = text_in(node)
            if text is None or not is_variable(name):
                self._draft.leave(node, f"{fields.told('env')}: `{name[:60]}`", "it is no variable with a text")
            else:
                env[name] = self._draft.wired("", name, text, f"{name} of {owner}")
        made |= {"env": env} if env else {}
        folder = without_variables(fields.text("cwd"))
        made["cwd"] = folder if folder.startswith("/") else f"../{folder}" if folder not in ("", ".") else ".."
        return made, owner

    def _remote(self, kind: str, fields: Fields) -> tuple[dict[str, Any], str] | None:
        if kind not in ("StreamableHTTPTransport", "StreamableHTTPmTLSTransport", "SSETransport", "SSEmTLSTransport"):
            self._draft.leave(fields.node, fields.what, "agentrun has no such transport")
            return None
        url = fields.text("url")
        if not is_http(url):
            fields.leave("url", "an address is http:// or https:// and a host, without a name or password")
            return None
        if kind.startswith("SSE"):
            why = "agentrun speaks streamable HTTP: the server may have it at another path"
            self._draft.leave(fields.node, f"{fields.what}: transport SSE", why)
        for key in _CERTIFICATES:
            fields.leave(key, "agentrun uses the certificates of the system, and has none of its own")
        fields.leave("auth", "nobody signs in: `auth: {oauth2: …}` has client credentials, `bearer` a token")
        fields.leave("retry_policy", "calls of a server are not made again")
        owner = owner_of(split_url(url).hostname or "")
        given = headers_of(fields, lambda name, text, _: self._draft.header(owner, name, text))
        headers, auth = authorized(given | sensitive_headers(fields, owner))
        made: dict[str, Any] = {"server_url": self._draft.address(owner, url)}
        made |= {"headers": headers} if headers else {}
        return made | ({"auth": auth} if auth else {}), owner
