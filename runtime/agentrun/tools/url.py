"""URLs as data: reading whole ones, joining a redirect's, and telling which hosts `hosts` lets through.

A `Url` is what is sent, byte for byte: the connection goes to its origin and the request line holds its target, so no
second parser can read it differently. It doesn't know templates (`url_template.py`) or addresses' classes
(`addresses.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from urllib.parse import quote, unquote_plus, urljoin

import msgspec

from agentrun.tools.addresses import parse_address

DEFAULT_PORTS = {"http": 80, "https": 443}

_WHOLE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadUrl(Exception):
    """A text is no URL that a tool may use. The message never holds the text: it may carry credentials."""


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port. `host` is ASCII, lower case, without brackets; an address is in its usual spelling."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Url(msgspec.Struct, frozen=True):
    """`path` starts with `/`; `query` has no `?`. Both are percent-encoded ASCII."""

    origin: Origin
    path: str
    query: str = ""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"

    def with_query(self, pairs: Iterable[tuple[str, str]]) -> Url:
        """The URL's own query is kept; the pairs come behind it."""
        entries = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]
        return msgspec.structs.replace(self, query="&".join([*filter(None, [self.query]), *entries]))

    def with_entry(self, name: str, value: str) -> Url:
        """In place of all entries of that name."""
        others = [entry for entry in self.query.split("&") if _entry_name(entry) != name]
        return msgspec.structs.replace(self, query="&".join(others)).with_query([(name, value)])

    def has_entry(self, name: str) -> bool:
        return any(_entry_name(entry) == name for entry in self.query.split("&"))

    def shown(self, hidden: str | None = None) -> str:
        """For messages: the value of the query entry `hidden` is not told."""
        entries = [
            f"{entry.partition('=')[0]}=***" if hidden is not None and _entry_name(entry) == hidden else entry
            for entry in self.query.split("&")
        ]
        return str(msgspec.structs.replace(self, query="&".join(entries)))


def _entry_name(entry: str) -> str:
    return unquote_plus(entry.partition("=")[0])


def parse_whole_url(text: str) -> Url:
    """Raises `BadUrl`."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise BadUrl("it must be a whole URL that starts with http:// or https://")
    scheme, authority, path, query = whole.groups()
    if _CONTROL.search(authority):
        raise BadUrl("white space or a control character stands in the host")
    return Url(parse_origin(scheme, authority), encode_path(path) or "/", encode_query(query or ""))


def parse_origin(scheme: str, authority: str) -> Origin:
    """Raises `BadUrl`."""
    if "@" in authority:
        raise BadUrl("credentials stand in front of the host")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise BadUrl("the host or port is not well formed")
    scheme = scheme.lower()
    port = int(parts.group(2)) if parts.group(2) else DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise BadUrl("the port must be between 1 and 65535")
    return Origin(scheme, normal_host(parts.group(1)), port)


def normal_host(text: str) -> str:
    """One spelling for each host. Raises `BadUrl`."""
    if text.startswith("["):
        if "%" in text:  # `[2001:db8::1%.example.com]` would end like a name of example.com
            raise BadUrl("the IPv6 address has a zone, and a URL takes none")
        address = parse_address(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise BadUrl("what stands in brackets is no IPv6 address")
        return str(address)
    host = text.lower() if text.isascii() else _idna(text)
    host = host.removesuffix(".")
    if not host:
        raise BadUrl("the host is missing")
    address = parse_address(host)
    if address is not None:
        return str(address)
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise BadUrl("the host is no valid name or address")
    return host


def _idna(host: str) -> str:
    import httpx2

    try:
        return httpx2.URL(scheme="http", host=host).raw_host.decode("ascii")
    except httpx2.InvalidURL:
        raise BadUrl("the host is no valid international name") from None


def encode_path(text: str) -> str:
    """What is already encoded stays; all else that may not stand in a path is encoded."""
    return _STRAY_PERCENT.sub("%25", quote(text, safe="/%:@!$&'()*+,;=~"))


def encode_query(text: str) -> str:
    return _STRAY_PERCENT.sub("%25", quote(text, safe="/%:@!$&'()*+,;=~?"))


def join_url(url: Url, location: str) -> Url:
    """Where a redirect or a link that `url` gave leads to. Raises `BadUrl`."""
    try:
        return parse_whole_url(urljoin(str(url), location.strip()))
    except ValueError:
        raise BadUrl("it is not well formed") from None


class HostPattern(msgspec.Struct, frozen=True):
    """One entry of `hosts`. Without a port it stands for the default port of the scheme."""

    host: str
    subdomains: bool
    port: int | None

    def matches(self, origin: Origin) -> bool:
        if origin.port != (self.port or DEFAULT_PORTS[origin.scheme]):
            return False
        return origin.host.endswith(f".{self.host}") if self.subdomains else origin.host == self.host


def parse_host_pattern(text: str) -> HostPattern:
    """`api.example.com`, `*.example.com` (subdomains only), each with or without `:port`. Raises `BadUrl`."""
    subdomains = text.startswith("*.")
    parts = _AUTHORITY.fullmatch(text.removeprefix("*."))
    if parts is None or "*" in parts.group(1):
        raise BadUrl("a host is written as `api.example.com`, `*.example.com` or `api.example.com:8443`")
    port = int(parts.group(2)) if parts.group(2) else None
    if port is not None and not 1 <= port <= 65535:
        raise BadUrl("the port must be between 1 and 65535")
    return HostPattern(normal_host(parts.group(1)), subdomains, port)
