"""Addresses of others, which may be anything."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

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


def owner_of(host: str) -> str:
    """The word of a host that says whose it is."""
    words = [one for one in host.split(".")[:-1] if one not in _NOT_OF_AN_OWNER and not one.isdigit()]
    return words[-1] if words else re.sub(r"[^A-Za-z0-9]+", "_", host).strip("_") or "service"
