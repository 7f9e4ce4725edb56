"""Addresses of others, which may be anything."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from agentrun.spec.credential_words import has_key

_KEY_OF_A_PATH = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=.*[0-9])(?=.*[a-f])[0-9a-f]{20,}"
    r"|(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9_%=-]{24,}"
)
_NOT_OF_AN_OWNER = ("www", "api", "mcp")


def split_url(url: str) -> SplitResult:
    """The parts; none of what is no address."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return urlsplit("")
    return parts


def is_http(url: str) -> bool:
    """Whether a tool or model can be had there: an address without spaces, and without a name and password."""
    parts = split_url(url)
    has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    return has_host and re.search(r"[\s\x00-\x1f<>\"`\\]", url) is None


def path_keys(url: str) -> list[str]:
    """The pieces of a path that nobody would think of or type: whoever knows such an address is let in by it."""
    return [one for one in split_url(url).path.split("/") if _KEY_OF_A_PATH.fullmatch(one) or has_key(one)]


def owner_of(host: str) -> str:
    """The word of a host that says whose it is."""
    words = [one for one in host.split(".")[:-1] if one not in _NOT_OF_AN_OWNER and not one.isdigit()]
    return words[-1] if words else re.sub(r"[^A-Za-z0-9]+", "_", host).strip("_") or "service"
