"""The URL of an example request: its pieces, what of its path is an id, a key or a place to be filled in, and the name
that a tool gets by it. Pure.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.curl_parameters import legal_name
from agentrun.foreign.shell_words import named
from agentrun.spec.credential_words import KEY, has_key

_URL = re.compile(r"(?:(https?)://)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST = re.compile(r"(?:(?:[\w\0-]+\.)*[\w\0-]+\.?|\[[0-9a-f:.]+\])(?::(?:[0-9]+|\0\w+\0))?", re.IGNORECASE)
_HOST_BLANK = re.compile(r"\$?\{([^{}]+)\}|<([^<>]+)>|%7B([^%]+)%7D|\$([A-Za-z_]\w*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}|<([^<>/]+)>|:([A-Za-z_][A-Za-z0-9_]*)|%7B([^/%]+)%7D", re.IGNORECASE)
_CAPITALS = re.compile(r"(?!(.)\1+\Z)[A-Z]{3,}(?:_[A-Z0-9]+)*")  # `OWNER`, as documentation has it
_VERSION = re.compile(r"(?:api|rest|v)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_LONG_ID = re.compile(r"(?=.*[0-9])(?:[0-9a-f]{12,}|[0-9A-HJKMNP-TV-Z]{26}|[a-z]{1,8}_(?=.*[A-Z0-9])[A-Za-z0-9]{8,})")


class Address(msgspec.Struct, frozen=True):
    """`user` is what stands before the `@`; `query` is without its `?`, None where there is none."""

    scheme: str
    user: str | None
    host: str
    path: str
    query: str | None


def read_address(url: str, notes: list[str]) -> Address:
    """A place to be filled in that stands in the host is a variable. Raises `UsageError`."""
    if _SCHEME.match(url) and not re.match(r"https?://", url, re.IGNORECASE):
        raise UsageError(f"`{named(url)[:80]}` is no HTTP address", help="a tool speaks http and https")
    found = _URL.fullmatch(url)
    authority = found[2] if found else ""
    user, at, host = authority.rpartition("@")
    host = _HOST_BLANK.sub(lambda one: _variable(next(filter(None, one.groups()))), host)
    if found is None or not _HOST.fullmatch(host):
        raise UsageError(f"`{named(url)[:80]}` is no URL", help="a curl command names one such as https://host/path")
    scheme = (found[1] or "").lower()
    if not scheme and not host.startswith("\0"):
        scheme = "http"
        notes.append("the command names no scheme, and curl takes http: write https if the server has it")
    return Address(scheme, unquote(user) if at else None, host, _without_dots(found[3]), found[4])


def _variable(name: str) -> str:
    return f"\0{legal_name(name).upper()}\0"


def _without_dots(path: str) -> str:
    """A path without `.` and `..`, which curl takes away before it sends it."""
    made: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(made) > 1:
            made.pop()
        elif segment not in (".", ".."):
            made.append(segment)
    return "/".join([*made, ""] if segments[-1] in (".", "..") and made[-1:] != [""] else made)


def blank_in(segment: str) -> str | None:
    """The name in a segment that is a place to be filled in: `{id}`, `<id>`, `:id`."""
    found = _PLACEHOLDER.fullmatch(segment)
    return next(one for one in found.groups() if one) if found else None


def is_version(segment: str, before: str) -> bool:
    """Whether a digit says which API is meant: the `3` of `/3/movie`, and of `/rest/api/3`."""
    return len(segment) == 1 and (not before or _VERSION.fullmatch(before) is not None)


def is_capitals(segment: str) -> bool:
    """Whether a segment is a word that stands for another: the `OWNER` of `/repos/OWNER`."""
    return _CAPITALS.fullmatch(segment) is not None


def secret_segment(host: str, path: str) -> int | None:
    """Which segment of a path is a key by its form, as in the address of a web hook."""
    whole = f"{host}{path}"
    if not has_key(whole):
        return None
    ends = [found.end() - len(host) for found in KEY.finditer(whole) if found.end() > len(host)]
    return path.count("/", 0, ends[-1]) if ends else None


def is_id(text: str) -> bool:
    is_number = text.isascii() and text.isdigit()
    return is_number or _UUID.fullmatch(text) is not None or _LONG_ID.fullmatch(text) is not None


def tool_name(method: str, path: str) -> str:
    segments = path.split("/")
    words = [one for one in segments if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", one) and not is_id(one)]
    words = [one for one in words if not re.fullmatch(r"v\d+(\.\d+)*|api|rest", one, re.IGNORECASE)]
    last = legal_name(re.sub(r"\.(json|xml|php)$", "", words[-1])).lower() if words else "request"
    of_one = words and (path.rstrip("/").rpartition("/")[2] != words[-1])
    return f"{method.lower()}_{singular(last) if of_one else last}"[:64]


def singular(word: str) -> str:
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith(("ss", "us")):
            return word[: -len(ending)] + kept
    return word
