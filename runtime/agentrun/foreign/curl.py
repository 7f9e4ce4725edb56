"""A curl command line as an http tool that sends the same request: values become parameters, credentials variables.

What a browser adds for itself is dropped and told; what agentrun has nothing for is listed as left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.converted import Converted, Left, NewFile
from agentrun.foreign.curl_auth import Credentials
from agentrun.foreign.curl_body import MULTIPART, BodyReader, encoded, file_of, pairs_of
from agentrun.foreign.curl_options import CurlCommand, Header, read_command
from agentrun.foreign.curl_parameters import Parameters, legal_name, typed
from agentrun.foreign.curl_url import (
    blank_in,
    is_capitals,
    is_id,
    is_version,
    read_address,
    secret_segment,
    singular,
    tool_name,
)
from agentrun.foreign.curl_values import Secrets, is_secret, written, written_in_url
from agentrun.foreign.shell_commands import Split
from agentrun.foreign.shell_words import VARIABLE, named
from agentrun.foreign.yaml_text import yaml_document
from agentrun.spec.credential_words import (
    looks_random,
    names_credential,
    names_query_credential,
)
from agentrun.spec.types import NAME_PATTERN

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_READS = ("GET", "HEAD", "OPTIONS")
_BROWSERS = re.compile(r"Mozilla/|curl/", re.IGNORECASE)
# Headers that belong to a connection or to a browser, and to no tool.
_DROPPED = {
    **dict.fromkeys(("host", "content-length", "connection", "transfer-encoding", "te", "trailer"), ""),
    **dict.fromkeys(("upgrade", "keep-alive", "proxy-connection", "expect", "accept-encoding"), ""),
    **dict.fromkeys(("dnt", "priority", "origin", "referer", "upgrade-insecure-requests"), ""),
    **dict.fromkeys(("cache-control", "pragma", "if-none-match", "if-modified-since"), ""),
    "cookie": "they are a browser's session: give the tool a credential of its own",
}


class FromCurl(msgspec.Struct, frozen=True):
    """`arguments` are those with which the tool sends what the command sent; `shown` is the request on one line."""

    name: str
    arguments: dict[str, Any]
    shown: str
    converted: Converted


def from_curl(
    split: Split, *, name: str | None = None, chosen: Sequence[str] = (), path: str | None = None, above: str = ".."
) -> FromCurl:
    """`chosen` are what becomes a parameter, as `Parameters` takes it; `path` is the file, tools.d/NAME.yaml if None.
    `above` leads from its folder to the one in which the command would run. Raises `UsageError`.
    """
    command = read_command(split)
    stem = PurePath(path).stem if path else None
    tool = _Tool(command, name or stem, chosen, above)
    data = tool.data()
    if stem not in (None, tool.name):
        data = {"name": tool.name, **data}
    tool.parameters.check_all_used()
    target = path or f"tools.d/{tool.name}.yaml"
    variables = [f"{variable}: {about}" for variable, about in tool.secrets.variables.items()]
    comment = "From a curl command. The model chooses by the description: say what the tool does."
    converted = Converted(
        files=[NewFile(target, yaml_document(data, path=target, comments=[comment]))],
        left=command.left,
        notes=tool.notes,
        variables=variables,
    )
    return FromCurl(tool.name, tool.parameters.arguments, f"{tool.method} {data['http']['url']}", converted)


class _Tool:
    def __init__(self, command: CurlCommand, name: str | None, chosen: Sequence[str], above: str) -> None:
        self._command = command
        self.notes: list[str] = []
        self._http: dict[str, Any] = {}
        self._address = read_address(command.url, self.notes)
        self.method = _method(command)
        self.name = name or tool_name(self.method, self._address.path)
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise UsageError(f"`{self.name}` is no name of a tool", help="letters, digits, `_` and `-`, at most 64")
        self.parameters = Parameters(chosen, reads=self.method in _READS)
        self.secrets = Secrets(self._address.host, self.name, command.printed)
        self._body = BodyReader(self.parameters, self.secrets, above)

    def data(self) -> dict[str, Any]:
        """The tool's document."""
        command = self._command
        auth = Credentials(self.secrets).of(command, self._address.user)
        self._http |= {"auth": auth} if auth else {}
        url, path = self._url()
        query, bare = self._fields()
        content_type = next((one.value for one in command.headers if one.name.lower() == "content-type"), "")
        body = self._body.read(command, content_type.partition(";")[0].strip().lower())
        headers = self._headers(body.media_type if body else None)
        if body is not None and body.media_type == "text/plain" and "Content-Type" not in headers:
            headers["Content-Type"] = content_type or "application/x-www-form-urlencoded"
        self.notes += body.notes if body else []
        http: dict[str, Any] = {"url": url + (f"?{'&'.join(bare)}" if bare else "")}
        if self.method != ("POST" if body else "GET"):
            http["method"] = self.method
        http |= {"query": query} if query else {}
        http |= {"headers": headers} if headers else {}
        http |= body.keys if body else {}
        http |= self._http
        if command.follows and self.method in _READS:
            self.notes.append("redirects are followed on the same host; `hosts` lists further ones")
        document: dict[str, Any] = {"description": f"Calls {self.method} {path} of {named(self._address.host)}."}
        if (schema := self.parameters.schema) is not None:
            document["parameters"] = schema
        if command.timeout_s is not None:
            document["timeout"] = command.timeout_s
        return self.secrets.swept({**document, "http": http})

    # -- url

    def _url(self) -> tuple[str, str]:
        """The url with its holes, and its path as a person reads it."""
        self.secrets.keep(self._address.host, "a part of the address")
        segments: list[str] = []
        before = ""
        secret = secret_segment(self._address.host, self._address.path)
        for index, segment in enumerate(self._address.path.split("/")):
            is_key = index == secret or (names_query_credential(before) and looks_random(segment))
            if is_key and segment and not VARIABLE.search(segment):
                segments.append(self.secrets.hide(segment, "path_key", "the key in the path"))
            else:
                segments.append(self._segment(segment, before))
            before = segment if segments[-1] == segment else before
        path = "/".join(segments)
        start = f"{self._address.scheme}://" if self._address.scheme else ""
        return f"{start}{written_in_url(self._address.host)}{path}", path or "/"

    def _segment(self, segment: str, before: str) -> str:
        if (blank := blank_in(segment)) is not None:
            return f"{{{self.parameters.ask((legal_name(blank),), {'type': 'string'})}}}"
        if VARIABLE.search(segment):
            self.secrets.keep(segment)
            return written_in_url(segment)
        text = unquote(segment)
        if not text:
            return ""
        name = f"{singular(legal_name(before))}_id" if before else "id"
        value: Any = text
        place = "header"  # a word of the path is a parameter where it is chosen
        if is_id(text) and not is_version(text, before):
            place, value = "path", typed(text)
        elif is_capitals(text):
            place, name = "path", text.lower()
        taken = self.parameters.take(place, (name,), value)
        if taken is not None:
            self.parameters.require(taken)
            return f"{{{taken}}}"
        return written_in_url(segment)

    def _fields(self) -> tuple[dict[str, Any], list[str]]:
        """The query, and the entries of it that have no value: those stay in the url."""
        bare: list[str] = []
        pairs: list[tuple[str, str]] = []
        for piece in (self._address.query or "").split("&"):
            if piece and ("=" not in piece or VARIABLE.search(piece.partition("=")[0])):
                self.secrets.keep(piece)
                bare.append(written_in_url(piece))
            else:
                pairs += pairs_of(piece)
        for one in (*self._command.query, *(self._command.data if self._command.get else ())):
            if (file := file_of(one)) is not None:
                why = "what a file adds to the query is not known here"
                self._command.left.append(Left(one.line, f"{one.kind} of `{named(file)}`", why))
            elif one.kind == "urlencode" and "=" not in one.text.lstrip("="):
                self.secrets.keep(one.text)
                bare.append(written_in_url(encoded(one.text)))
            else:
                pairs += pairs_of(one)
        kept = []
        for name, value in pairs:
            if names_query_credential(name) and value and "auth" not in self._http:
                hidden = self.secrets.hide(value, name if names_credential(name) else f"{name}_key", "the key")
                self._http["auth"] = {"api_key": {"in": "query", "name": name, "value": hidden}}
            else:
                kept.append((name, value))
        return self._body.fields("query", kept), bare

    # -- headers

    def _headers(self, media_type: str | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        dropped: list[str] = []
        authorized = "auth" in self._http and "api_key" not in self._http["auth"]
        json_flag = any(one.kind == "json" for one in self._command.data) and not self._command.get
        if json_flag and not any(one.name.lower() == "accept" for one in self._command.headers):
            made["Accept"] = "application/json"
        for header in self._command.headers:
            name, value = header.name.lower(), header.value
            if name == "content-type" and (media_type is None or _same_type(value, media_type)):
                continue
            if name == "content-type" and media_type == MULTIPART:
                self.notes.append(f"the body has parts, and the tool says {MULTIPART}, not {named(value)}")
                continue
            if name == "authorization" and authorized:
                self.notes.append("the command has several credentials: the tool sends the first")
                continue
            if name == "accept" and value == "*/*":
                continue
            is_browsers = name == "user-agent" and _BROWSERS.match(value) is not None
            if name in _DROPPED or name.startswith("sec-") or is_browsers:
                dropped.append(header.name)
            else:
                made[header.name] = self._header(header)
        if dropped:
            listed = ", ".join(dict.fromkeys(named(one) for one in dropped))
            self.notes.append(f"left out, as they are the connection's or a browser's: {listed}")
        if any(one.lower() == "cookie" for one in dropped):
            self.notes.append(f"no cookies are sent: {_DROPPED['cookie']}")
        return made

    def _header(self, header: Header) -> Any:
        name, value = header.name.lower(), header.value
        if name == "idempotency-key":
            self.notes.append(f"{header.name} is the call's own id: a call that is repeated has the same")
            return "{{ call.id }}"
        if name == "authorization":
            scheme, space, credential = value.partition(" ")
            hidden = self.secrets.hide(credential if space else scheme, "token", "the credential")
            return f"{written(scheme)} {hidden}" if space else hidden
        if is_secret(name, value) or names_credential(name) or (looks_random(value) and not VARIABLE.search(value)):
            return self.secrets.hide(value, name, f"the value of the header {header.name}")
        self.secrets.keep(value)
        taken = None if VARIABLE.search(value) else self.parameters.take("header", (name,), value)
        return written(value) if taken is None else f"{{{{ args.{taken} }}}}"


def _method(command: CurlCommand) -> str:
    has_body = bool(command.parts) or (bool(command.data) and not command.get)
    method = command.method or ("HEAD" if command.head else "POST" if has_body else "GET")
    if method not in METHODS:
        raise UsageError(f"a tool can't send the method `{named(method)}`", help=f"it can send {', '.join(METHODS)}")
    return method


def _same_type(value: str, media_type: str) -> bool:
    kind, _, rest = value.partition(";")
    kind = kind.strip().lower()
    if media_type == "multipart/form-data":
        return kind == media_type
    return kind == media_type and (not rest.strip() or rest.strip().lower().replace(" ", "") == "charset=utf-8")
