"""The remote tools of an Agent Spec file as http tools: `{{name}}` in their texts are inputs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from agentrun.foreign.agent_spec_book import PLACEHOLDER, REFERENCE, parameters, placeholders, properties, templated
from agentrun.foreign.agent_spec_models import retries
from agentrun.foreign.draft import as_scalar, authorized
from agentrun.foreign.fields import Fields, headers_of, text_in
from agentrun.foreign.urls import is_http, owner_of, split_url
from agentrun.foreign.yaml_text import before_brace, prose, without_variables
from agentrun.spec.nodes import Node

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_FORM = "application/x-www-form-urlencoded"


class RemoteTool:
    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._draft = fields.draft
        self._method = fields.text("http_method").upper()
        self._url = fields.text("url")
        self._host = split_url(self._url).hostname or ""
        self._inputs = properties(fields, "inputs")
        for key in ("url", "data", "query_params", "headers"):
            for name in placeholders(fields.data(key)):
                self._inputs.setdefault(name, {"type": "string"})

    def data(self) -> dict[str, Any] | None:
        """The tool's document; None, and told, where agentrun can't send such a request."""
        fields = self._fields
        description = prose(fields.text("description")).strip()
        http = self._http()
        confirms = fields.flag("requires_confirmation")
        outputs = fields.items("outputs")
        if len(outputs) > 1:
            fields.leave("outputs", "the whole result goes to the model; `output` of the tool picks parts of it")
        fields.leave("api_spec_uri", "`openapi:` makes tools of such a document")
        fields.rest()
        if http is None:
            return None
        data: dict[str, Any] = {"description": description or f"Calls {self._method} of {self._host}."}
        data |= {"parameters": parameters(self._inputs)} if self._inputs else {}
        data |= {"require_approval": "always"} if confirms else {}
        return {**data, "http": http}

    def _http(self) -> dict[str, Any] | None:
        fields = self._fields
        parts = split_url(self._url)
        if self._method not in _METHODS:
            fields.leave("http_method", f"a tool sends one of {', '.join(_METHODS)}")
            return None
        address, _, query = self._url.partition("?")
        if not is_http(PLACEHOLDER.sub("x", address)) or PLACEHOLDER.search(parts.netloc):
            why = "a tool's address is http:// or https:// and a host, which is no input, without a name or password"
            fields.leave("url", why)
            return None
        http: dict[str, Any] = {"url": self._path(address)}
        http |= {} if self._method == "GET" else {"method": self._method}
        entries = {name: self._value(name, one) for name, one in parse_qsl(query, keep_blank_values=True)}
        given = fields.data("query_params")
        if isinstance(given, dict):
            entries |= {str(name): self._value(str(name), one) for name, one in given.items() if one is not None}
        placed = placeholders([self._url, given])
        headers, body = self._headers(), self._body()
        if self._method in _BODILESS:
            http |= {"query": entries} if entries or set(self._inputs) - set(placed) else {}  # else: sent by itself
        else:
            http |= {"query": entries} if entries else {}
        http |= self._as_body(body, headers)
        headers, auth = authorized(headers)
        http |= {"headers": headers} if headers else {}
        http |= {"auth": auth} if auth else {}
        self._allowed(parts.scheme, parts.netloc)
        return http | retries(self._draft, fields, 10)

    def _path(self, address: str) -> str:
        pieces: list[str] = []
        at = 0
        for found in PLACEHOLDER.finditer(address):
            if found[1] in self._inputs:
                pieces += [before_brace(_plain(address[at : found.start()])), f"{{{found[1]}}}"]
                self._inputs[found[1]] = as_scalar(self._inputs[found[1]])
                at = found.end()
        return "".join([*pieces, _plain(address[at:])])

    def _value(self, name: str, value: Any) -> Any:
        """A member of a query or body: its placeholders are arguments, and a credential is a variable."""
        if isinstance(value, str):
            if PLACEHOLDER.search(value):
                return templated(without_variables(value))
            owner = owner_of(self._host)
            return templated(self._draft.wired(owner, name, value, f"`{name[:60]}` of a request"))
        if isinstance(value, list):
            return [self._value(name, one) for one in value]
        if isinstance(value, dict):
            for key in value:
                if PLACEHOLDER.search(key):
                    self._fields.leave("data", "a name of a member can't be an input: it stays as it is written")
            return {str(key): self._value(str(key), one) for key, one in value.items()}
        return value

    def _body(self) -> Any:
        value = self._fields.data("data")
        return self._value("", value) if value not in (None, "", {}, []) else None

    def _as_body(self, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        kind = next((name for name in headers if name.lower() == "content-type"), None)
        media = headers[kind].partition(";")[0].strip().lower() if kind else ""
        if body is None:
            return {} if self._method in _BODILESS or not self._inputs else {"json": {}}
        if isinstance(body, str):
            return {"body": body}
        if media == _FORM and isinstance(body, dict):
            headers.pop(kind or "")
            return {"form": body}
        if media == "application/json":
            headers.pop(kind or "")
        return {"json": body}

    def _headers(self) -> dict[str, str]:
        owner = owner_of(self._host)

        def written(name: str, text: str, place: Node) -> str:
            if PLACEHOLDER.search(text):
                return templated(without_variables(text))
            return templated(self._draft.header(owner, name, text))

        return headers_of(self._fields, written) | sensitive_headers(self._fields, owner)

    def _allowed(self, scheme: str, netloc: str) -> None:
        """A tool never leaves its own host, so that a list of no more than that says nothing."""
        allowed = [one for one, _ in self._fields.texts("url_allow_list")]
        if any(one.rstrip("/") != f"{scheme}://{netloc}" for one in allowed):
            self._fields.leave("url_allow_list", "a tool calls its own address alone; `hosts` names more for redirects")


def sensitive_headers(fields: Fields, owner: str) -> dict[str, str]:
    """Headers that are credentials: variables, whether their values stand in the file or not."""
    node = fields.take("sensitive_headers")
    if node is None:
        return {}
    if not node.is_mapping or node.get(REFERENCE) is not None:
        name = "Authorization"
        fields.draft.note(f"the sensitive headers of {owner} are not in the file: `{name}` is taken for what they are")
        return {name: fields.draft.hidden(owner, name, f"the value of the header {name} for {owner}")}
    made = {}
    for name, one in node.content.items():
        text = text_in(one) or ""
        bearer = re.fullmatch(r"(?i:bearer)\s+\S.*", text) is not None and name.lower() == "authorization"
        hidden = fields.draft.hidden(owner, "TOKEN" if bearer else name, f"the value of the header {name} for {owner}")
        made[name] = f"Bearer {hidden}" if bearer else hidden
    return made


def _plain(text: str) -> str:
    """A piece of an address without holes: what looks like one, or like a variable, is none."""
    return without_variables(text).replace("{", "%7B").replace("}", "%7D")
