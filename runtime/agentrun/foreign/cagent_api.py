"""The API calls of a Docker cagent file as http tools. `${name}` in an endpoint is an argument."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from agentrun.foreign.cagent_kit import Kit, Wiring
from agentrun.foreign.cagent_words import TOOLSET_REASONS
from agentrun.foreign.draft import as_scalar, authorized
from agentrun.foreign.fields import Fields
from agentrun.foreign.urls import is_http, split_url
from agentrun.foreign.yaml_text import before_brace, before_template, prose, without_templates

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_READS = ("GET", "HEAD", "OPTIONS")
_BODILESS = (*_READS, "DELETE")
_HOLE = re.compile(r"\$\{([^{}]*)\}")
_ENCODED = re.compile(r"\s*encodeURI(?:Component)?\(\s*([A-Za-z_]\w*)\s*\)\s*")


def add_api(fields: Fields, kit: Kit, wiring: Wiring) -> None:
    timeout = fields.number("timeout")
    kit.said.append(wiring.instruction(fields))
    config = fields.inner("api_config", f"{fields.what}: `api_config`")
    fields.skip("allow_private_ips")
    fields.rest(TOOLSET_REASONS)
    if config is None:
        wiring.draft.leave(fields.node, fields.what, "it has no `api_config`")
        return
    made = _Call(config, wiring).tool()
    if made is not None:
        name = config.text("name")
        tool = wiring.draft.tool(name or "api", made | ({"timeout": timeout} if timeout else {}))
        kit.names.append(tool)
        kit.functions[name] = tool


class _Call:
    def __init__(self, config: Fields, wiring: Wiring) -> None:
        self._config = config
        self._wiring = wiring
        self._method = config.text("method").upper() or "GET"
        self._endpoint = config.text("endpoint")
        self._parameters = wiring.parameters(config, texts=False)
        self._properties: dict[str, Any] = self._parameters["properties"]

    def tool(self) -> dict[str, Any] | None:
        config = self._config
        config.skip("name")
        description = prose(config.text("instruction")).strip()
        config.leave("output_schema", "results go to the model as they are; `output` of a tool shapes them")
        http = self._http()
        config.rest()
        if http is None:
            return None
        host = split_url(self._endpoint).hostname
        data: dict[str, Any] = {"description": description or f"Calls {self._method} of {host}."}
        data |= {"parameters": self._parameters} if self._properties else {}
        data |= {} if self._method in _READS else {"require_approval": "always"}
        return {**data, "http": http}

    def _http(self) -> dict[str, Any] | None:
        config = self._config
        if self._method not in _METHODS:
            config.leave("method", "no tool sends it")
            return None
        parts = split_url(self._endpoint)
        address, _, query = self._endpoint.partition("?")
        if not is_http(_HOLE.sub("x", address)) or not parts.hostname or _HOLE.search(parts.netloc):
            why = "a tool's address is http:// or https:// and a host, which is no argument, without a name or password"
            config.leave("endpoint", why)
            return None
        http: dict[str, Any] = {"url": self._url(address)}
        http |= {} if self._method == "GET" else {"method": self._method}
        entries = self._query(query)
        if self._method in _BODILESS:
            placed = {name for name, _ in self._holes(self._endpoint)}
            http |= {"query": entries} if entries or set(self._properties) - placed else {}  # else: sent by itself
        else:
            http |= {"query": entries} if entries else {}
            http["json"] = {name: f"{{{{ args.{name} }}}}" for name in self._properties}
        given = self._wiring.headers(config, parts.hostname)
        if "json" in http:
            given = {name: one for name, one in given.items() if not _says_json(name, one)}
        headers, auth = authorized({name: without_templates(value) for name, value in given.items()})
        return http | ({"headers": headers} if headers else {}) | ({"auth": auth} if auth else {})

    def _holes(self, text: str) -> list[tuple[str, re.Match[str]]]:
        """`${name}` of an argument, also where it is encoded, which is done here anyway."""
        found = []
        for one in _HOLE.finditer(text):
            encoded = _ENCODED.fullmatch(one[1])
            name = encoded[1] if encoded else one[1].strip()
            if name in self._properties:
                found.append((name, one))
        return found

    def _url(self, address: str) -> str:
        """The address with holes: what stands in a path is always given, and one value."""
        pieces: list[str] = []
        at = 0
        for name, found in self._holes(address):
            pieces += [before_brace(self._piece(address[at : found.start()])), f"{{{name}}}"]
            at = found.end()
            required = self._parameters.setdefault("required", [])
            required += [] if name in required else [name]
            self._properties[name] = as_scalar(self._properties[name])
        return "".join([*pieces, self._piece(address[at:])])

    def _piece(self, text: str) -> str:
        """A piece of a path that has no holes; variables are read in it."""
        pieces = re.split(r"(\$\{[^{}]*\})", self._wired(text))
        return "".join(one if one.startswith("${") else one.replace("{", "%7B").replace("}", "%7D") for one in pieces)

    def _query(self, query: str) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            made = self._templated(name, value)
            if name in entries:
                before = entries[name]
                entries[name] = [*(before if isinstance(before, list) else [before]), made]
            else:
                entries[name] = made
        return entries

    def _templated(self, name: str, text: str) -> str:
        holes = self._holes(text)
        if not holes:
            return without_templates(self._wiring.value(self._config, "endpoint", name, text))
        pieces: list[str] = []
        at = 0
        for argument, found in holes:
            pieces += [
                before_template(before_brace(self._wired(text[at : found.start()]))),
                f"{{{{ args.{argument} }}}}",
            ]
            at = found.end()
        return "".join([*pieces, without_templates(self._wired(text[at:]))])

    def _wired(self, text: str) -> str:
        return self._wiring.text(self._config, "endpoint", text)


def _says_json(name: str, value: str) -> bool:
    return name.lower() == "content-type" and value.lower().startswith("application/json")
