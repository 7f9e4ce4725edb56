"""A curl command line as an http tool that sends the same request: values become parameters, credentials variables.

What a browser adds for itself is dropped and told; what agentrun has nothing for is listed as left.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.converted import Converted, NewFile
from agentrun.foreign.curl_body import BodyReader, pairs_of
from agentrun.foreign.curl_options import CurlCommand, Header, read_command
from agentrun.foreign.curl_parameters import Parameters, legal_name, typed
from agentrun.foreign.curl_values import Secrets, is_secret, written
from agentrun.foreign.shell_words import VARIABLE, Split, named
from agentrun.foreign.yaml_text import yaml_document
from agentrun.spec.credential_words import (
    KEY,
    has_key,
    looks_random,
    names_credential,
    names_query_credential,
)
from agentrun.spec.types import NAME_PATTERN

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_READS = ("GET", "HEAD", "OPTIONS")
_URL = re.compile(r"(?:(https?)://)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}|<([^<>/]+)>|:([A-Za-z_][A-Za-z0-9_]*)|%7B([^/%]+)%7D", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_LONG_ID = re.compile(r"(?=.*[0-9])(?:[0-9a-f]{12,}|[0-9A-HJKMNP-TV-Z]{26}|[a-z]{1,8}_(?=.*[A-Z0-9])[A-Za-z0-9]{8,})")
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
        self._scheme, whole, self._path, self._query = _parts(command.url, self.notes)
        self._user, self._host = _user_and_host(whole)
        self.method = _method(command)
        self.name = name or _tool_name(self.method, self._path)
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise UsageError(f"`{self.name}` is no name of a tool", help="letters, digits, `_` and `-`, at most 64")
        self.parameters = Parameters(chosen, reads=self.method in _READS)
        self.secrets = Secrets(self._host, self.name, command.printed)
        self._body = BodyReader(self.parameters, self.secrets, above)

    def data(self) -> dict[str, Any]:
        """The tool's document."""
        command = self._command
        self._authorize(command.user if command.user is not None else self._user)
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
        document: dict[str, Any] = {"description": f"Calls {self.method} {path} of {named(self._host)}."}
        if (schema := self.parameters.schema) is not None:
            document["parameters"] = schema
        if command.timeout_s is not None:
            document["timeout"] = command.timeout_s
        return {**document, "http": http}

    # -- url

    def _url(self) -> tuple[str, str]:
        """The url with its holes, and its path as a person reads it."""
        self.secrets.keep(self._host)
        segments: list[str] = []
        before = ""
        secret = _secret_segment(self._host, self._path)
        for index, segment in enumerate(self._path.split("/")):
            if index == secret or (segment and names_query_credential(before) and looks_random(segment)):
                segments.append(self.secrets.hide(segment, "path_key", "the key in the path"))
            else:
                segments.append(self._segment(segment, before, first=index == 1))
            before = segment if segments[-1] == segment else before
        path = "/".join(segments)
        start = f"{self._scheme}://" if self._scheme else ""
        return f"{start}{written(self._host)}{path}", path or "/"

    def _segment(self, segment: str, before: str, *, first: bool) -> str:
        found = _PLACEHOLDER.fullmatch(segment)
        if found:
            name = legal_name(next(one for one in found.groups() if one))
            return f"{{{self.parameters.ask((name,), {'type': 'string'})}}}"
        if VARIABLE.search(segment):
            self.secrets.keep(segment)
            return written(segment)
        text = unquote(segment)
        if not text or text in (".", ".."):
            return written(segment)
        is_id = _is_id(text) and not (first and len(text) == 1)
        name = f"{_singular(legal_name(before))}_id" if before else "id"
        taken = self.parameters.take("path" if is_id else "header", (name,), typed(text) if is_id else text)
        if taken is not None:
            self.parameters.require(taken)
            return f"{{{taken}}}"
        return written(segment).replace("{", "%7B").replace("}", "%7D") if "$" not in segment else written(segment)

    def _fields(self) -> tuple[dict[str, Any], list[str]]:
        """The query, and the entries of it that have no value: those stay in the url."""
        bare: list[str] = []
        pairs: list[tuple[str, str]] = []
        for piece in (self._query or "").split("&"):
            if piece and "=" not in piece:
                bare.append(written(piece).replace("{", "%7B").replace("}", "%7D"))
            else:
                pairs += pairs_of(piece)
        for text in self._command.query:
            pairs += pairs_of(text)
        for one in self._command.data if self._command.get else []:
            pairs += pairs_of(one)
        kept = []
        for name, value in pairs:
            if names_query_credential(name) and value and "auth" not in self._http:
                hidden = self.secrets.hide(value, name if names_credential(name) else f"{name}_key", "the key")
                self._http["auth"] = {"api_key": {"in": "query", "name": name, "value": hidden}}
            else:
                kept.append((name, value))
        return self._body.fields("query", kept), bare

    # -- headers and credentials

    def _authorize(self, user: str | None) -> None:
        """`auth`, of the one credential that a tool has: from `-u`, the url, `--oauth2-bearer` or a header."""
        if user is not None:
            self._http["auth"] = {"basic": self._basic(user)}
        elif self._command.bearer is not None:
            self._http["auth"] = {"bearer": self.secrets.hide(self._command.bearer, "token", "the bearer token")}
        for header in list(self._command.headers):
            if "auth" in self._http:
                break
            auth = self._auth_of(header)
            if auth is not None:
                self._http["auth"] = auth
                self._command.headers.remove(header)

    def _basic(self, user: str) -> dict[str, str]:
        username, colon, password = user.partition(":")
        if not password and colon:  # the key stands where the name would
            return {
                "username": self.secrets.hide(username, "key", "the user name, which is a key here"),
                "password": "",
            }
        return {
            "username": self.secrets.hide(username, "username", "the user name"),
            "password": self.secrets.hide(password, "password", "the password"),
        }

    def _auth_of(self, header: Header) -> dict[str, Any] | None:
        name, value = header.name.lower(), header.value
        if name == "authorization":
            scheme, _, credential = value.partition(" ")
            if scheme.lower() == "bearer" and credential.strip():
                return {"bearer": self.secrets.hide(credential.strip(), "token", "the bearer token")}
            if scheme.lower() == "basic" and (user := _decoded(credential)) is not None:
                return {"basic": self._basic(user)}
            return None
        if names_credential(name) and name not in _DROPPED:
            hidden = self.secrets.hide(value, name, f"the value of the header {header.name}")
            return {"api_key": {"in": "header", "name": header.name, "value": hidden}}
        return None

    def _headers(self, media_type: str | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        dropped: list[str] = []
        json_flag = any(one.kind == "json" for one in self._command.data) and not self._command.get
        if json_flag and not any(one.name.lower() == "accept" for one in self._command.headers):
            made["Accept"] = "application/json"
        for header in self._command.headers:
            name, value = header.name.lower(), header.value
            if name == "content-type" and (media_type is None or _same_type(value, media_type)):
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


def _parts(url: str, notes: list[str]) -> tuple[str, str, str, str | None]:
    """Scheme, authority, path and query."""
    if _SCHEME.match(url) and not re.match(r"https?://", url, re.IGNORECASE):
        raise UsageError(f"`{named(url)[:80]}` is no HTTP address", help="a tool speaks http and https")
    found = _URL.fullmatch(url)
    if found is None or not found[2]:
        raise UsageError(f"`{named(url)[:80]}` is no URL", help="a curl command names one such as https://host/path")
    scheme = (found[1] or "").lower()
    if not scheme and not found[2].startswith("\0"):
        scheme = "http"
        notes.append("the command names no scheme, and curl takes http: write https if the server has it")
    return scheme, found[2], found[3], found[4]


def _user_and_host(authority: str) -> tuple[str | None, str]:
    user, at, host = authority.rpartition("@")
    return (unquote(user), host) if at else (None, authority)


def _method(command: CurlCommand) -> str:
    has_body = bool(command.parts) or (bool(command.data) and not command.get)
    method = command.method or ("HEAD" if command.head else "POST" if has_body else "GET")
    if method not in METHODS:
        raise UsageError(f"a tool can't send the method `{named(method)}`", help=f"it can send {', '.join(METHODS)}")
    return method


def _secret_segment(host: str, path: str) -> int | None:
    """Which segment of a path is a key by its form, as in the address of a web hook."""
    whole = f"{host}{path}"
    if not has_key(whole):
        return None
    ends = [found.end() - len(host) for found in KEY.finditer(whole) if found.end() > len(host)]
    return path.count("/", 0, ends[-1]) if ends else None


def _is_id(text: str) -> bool:
    is_number = text.isascii() and text.isdigit()
    return is_number or _UUID.fullmatch(text) is not None or _LONG_ID.fullmatch(text) is not None


def _tool_name(method: str, path: str) -> str:
    segments = path.split("/")
    words = [one for one in segments if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", one) and not _is_id(one)]
    words = [one for one in words if not re.fullmatch(r"v\d+(\.\d+)*|api|rest", one, re.IGNORECASE)]
    last = legal_name(re.sub(r"\.(json|xml|php)$", "", words[-1])).lower() if words else "request"
    of_one = words and (path.rstrip("/").rpartition("/")[2] != words[-1])
    return f"{method.lower()}_{_singular(last) if of_one else last}"[:64]


def _singular(word: str) -> str:
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith(("ss", "us")):
            return word[: -len(ending)] + kept
    return word


def _same_type(value: str, media_type: str) -> bool:
    kind, _, rest = value.partition(";")
    kind = kind.strip().lower()
    if media_type == "multipart/form-data":
        return kind == media_type
    return kind == media_type and (not rest.strip() or rest.strip().lower().replace(" ", "") == "charset=utf-8")


def _decoded(credential: str) -> str | None:
    try:
        text = base64.b64decode(credential.strip(), validate=True).decode()
    except ValueError:
        return None
    return text if ":" in text else None
