"""From arguments to a request, without touching the network.

A spec is compiled once; `build` then places each value as data: percent-encoded in the URL, as JSON in a JSON body,
checked in a header. Nothing is templated as text and parsed again. Sending is `http_send.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from agentrun.errors import ToolFailure, UsageError
from agentrun.spec.guarded import is_guarded_header
from agentrun.spec.types import HttpSpec
from agentrun.templates import Absent, Template, to_text
from agentrun.tools.auth import authorized_header, check_authors_header, credentials, header_problem
from agentrun.tools.data_templates import Shape, compile_data, render, templates_of
from agentrun.tools.multipart import FilePart, compile_parts, encode_parts, templates_in
from agentrun.tools.url import Url
from agentrun.tools.url_template import ChosenUrl, compile_url

DEFAULT_HEADERS = (("User-Agent", "agentrun"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"))
_ARGUMENTS_IN_QUERY = ("GET", "HEAD", "DELETE")
_JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_TEXT = "text/plain; charset=utf-8"


class PreparedRequest(msgspec.Struct, frozen=True):
    """All that is sent. `content` is None where there is no body.

    `checked`: the host wasn't the author's choice, so every address of it must be a public one. `key` is the query
    entry that carries a credential: it is already part of `url`, and never shown.
    """

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    checked: bool = False
    key: tuple[str, str] | None = None

    def has_header(self, name: str) -> bool:
        return any(given.lower() == name for given, _ in self.headers)

    def with_header(self, name: str, value: str) -> PreparedRequest:
        """With a header in place of all of that name."""
        others = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        return msgspec.structs.replace(self, headers=(*others, (name, value)))

    def shown(self) -> str:
        return f"{self.method} {self.url.shown(self.key[0] if self.key else None)}"


class RequestTemplate:
    """A compiled `http:` block. Which arguments it places is known before any call."""

    def __init__(
        self, spec: HttpSpec, parameters: Mapping[str, Any], folders: Mapping[str, Path] | None = None
    ) -> None:
        """`folders` are where the parts of `multipart` find their files.

        Raises `UsageError` for what only the environment could have got wrong.
        """
        self.url = compile_url(spec.url, spec.base_url)
        bodies = (spec.json, spec.form, spec.body)
        has_body = any(body is not None for body in (*bodies, spec.multipart))
        self.method = spec.method or ("POST" if has_body else "GET")
        self._query = compile_data(spec.query or {})
        self._headers = {name: compile_data(value) for name, value in spec.headers.items()}
        self._json, self._form, self._body = (None if body is None else compile_data(body) for body in bodies)
        self._parts = None if spec.multipart is None else compile_parts(spec.multipart, folders or {})
        if spec.auth and isinstance(self.url, ChosenUrl):
            help = "write `base_url`: credentials are sent to the tool's own origin only"
            raise UsageError(f"`auth` can't be used with `url: {spec.url}`", help=help)
        self._credentials = credentials(spec.auth)
        for name, shape in self._headers.items():
            taken = "`auth`" if name.lower() == authorized_header(spec.auth) else None
            if self._parts is not None and name.lower() == "content-type":
                taken = "`multipart`"
            if taken is not None:
                raise UsageError(f"the header {name} is set by {taken}", help="take it out of `headers`")
            check_authors_header(name, shape.source if isinstance(shape, Template) and shape.literal else None)

        templates = [*templates_of([self._query, self._headers, self._json, self._form, self._body])]
        templates += templates_in(self._parts or {})
        self._placed = self.url.names.union(*(template.args for template in templates))
        self._places_rest = all(written is None for written in (spec.query, *bodies, spec.multipart)) and not any(
            template.uses_all_args for template in templates
        )
        self._has_rest = bool(set(parameters.get("properties", ())) - self._placed)

    @property
    def reads_files(self) -> bool:
        return any(isinstance(part, FilePart) for part in (self._parts or {}).values())

    def build(self, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> PreparedRequest:
        """`variables` are what templates see. Raises `ToolFailure`."""
        try:
            return self._build(arguments, variables)
        except UnicodeEncodeError:
            message = "an argument holds half a surrogate pair: that is no text, and can't be sent"
            raise ToolFailure("invalid_arguments", message) from None

    def _build(self, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> PreparedRequest:
        url = self.url.render(arguments)
        pairs = list(_pairs("query", self._query, variables))
        content, content_type = self._content(variables)
        if self._places_rest:
            rest = {name: value for name, value in arguments.items() if name not in self._placed}
            if self.method in _ARGUMENTS_IN_QUERY:
                pairs += _spread(rest.items())
            elif rest or self._has_rest:
                content, content_type = _as_json(rest), _JSON
        key = self._credentials.query
        headers = self._all_headers(variables, content_type)
        url = url.with_query([*pairs, key] if key else pairs)
        if content is None and self.method in ("POST", "PUT", "PATCH"):
            content = b""  # makes `Content-Length: 0`, which some servers insist on
        return PreparedRequest(self.method, url, headers, content, isinstance(self.url, ChosenUrl), key)

    def _content(self, variables: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
        if self._parts is not None:
            return encode_parts(self._parts, variables)
        if self._form is not None:
            return urlencode(list(_pairs("form", self._form, variables))).encode("ascii"), FORM
        try:
            if self._json is not None:
                return _as_json(render("json", self._json, variables)), _JSON
            if self._body is not None:
                return to_text(render("body", self._body, variables)).encode(), _TEXT
        except Absent:
            pass  # the whole body was one absent argument
        return None, None

    def _all_headers(self, variables: Mapping[str, Any], content_type: str | None) -> tuple[tuple[str, str], ...]:
        """Defaults, what the author wrote, credentials: the later wins."""
        headers = {name.lower(): (name, value) for name, value in DEFAULT_HEADERS}
        if content_type:
            headers["content-type"] = ("Content-Type", content_type)
        for name, shape in self._headers.items():
            value = _header(name, shape, variables)
            if value is not None:
                headers[name.lower()] = (name, value)
        if self._credentials.header:
            headers[self._credentials.header[0].lower()] = self._credentials.header
        return tuple(headers.values())


# -- where values go ----------------------------------------------------------------------------------------------


def _pairs(place: str, shape: Mapping[str, Shape], variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, below in shape.items():
        try:
            value = render(f"{place}.{name}", below, variables)
        except Absent:
            continue
        yield from _spread([(name, value)])


def _spread(members: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """A list repeats its key, null is left out, all else that isn't text is sent as JSON text."""
    for name, value in members:
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield name, to_text(item)


def _header(name: str, shape: Shape, variables: Mapping[str, Any]) -> str | None:
    if is_guarded_header(name) and any(one.args or one.uses_all_args for one in templates_of(shape)):
        raise ToolFailure("invalid_arguments", f"the header {name} can't be set by an argument")
    try:
        value = render(f"headers.{name}", shape, variables)
    except Absent:
        return None
    if value is None:
        return None
    text = to_text(value)
    problem = header_problem(text)
    if problem:
        raise ToolFailure("invalid_arguments", f"the header {name} {problem}")
    return text


def _as_json(data: Any) -> bytes:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise ToolFailure("invalid_arguments", "the JSON body holds NaN or an infinite number") from None
    return text.encode()
