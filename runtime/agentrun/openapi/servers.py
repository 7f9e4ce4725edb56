"""The address that an operation's requests go to: its server, its path's, or the document's; of several the first."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

_VARIABLE = re.compile(r"\{([^{}]+)\}")


def server_of(levels: list[Any], address: str) -> str:
    """`levels` are the lists of servers, the nearest first; `address` is the document's own URL, where it has one.

    Without a closing slash; empty where there is no whole address.
    """
    for written in levels:
        if isinstance(written, list) and written and isinstance(written[0], dict):
            return _address(written[0], address)
    return _whole(urljoin(address, "/")) if address else ""


def relative_server(levels: list[Any]) -> str:
    """What stands where a whole address is needed: "`/v2`"."""
    for written in levels:
        if isinstance(written, list) and written and isinstance(written[0], dict):
            url = written[0].get("url")
            return url if isinstance(url, str) else ""
    return ""


def _address(server: dict[str, Any], address: str) -> str:
    url = server.get("url")
    if not isinstance(url, str):
        return ""
    variables = server.get("variables")

    def value(found: re.Match[str]) -> str:
        one = variables.get(found[1]) if isinstance(variables, dict) else None
        default = one.get("default") if isinstance(one, dict) else None
        return str(default) if isinstance(default, (str, int, float)) else found[0]

    filled = _VARIABLE.sub(value, url.strip())
    try:
        return _whole(urljoin(address, filled) if address else filled)
    except ValueError:
        return ""


def _whole(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc or "{" in url or any(one.isspace() for one in url):
        return ""
    return url.partition("#")[0].partition("?")[0].rstrip("/")
