"""The `url` of an http tool, compiled: the author owns scheme, host, port and the shape of the path.

A value is always one piece of what the author wrote: it is percent-encoded whole, so it can't open a new segment, a query or
a fragment. `url: "{url}"` alone is the exception: there the model chooses, and whoever sends the request must hold
the result against `hosts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from agentrun.errors import ToolFailure, UsageError
from agentrun.templates import Hole, parse_url, to_text
from agentrun.tools.url import BadUrl, Origin, Url, encode_path, encode_query, parse_origin, parse_whole_url

Piece = str | Hole
Pieces = tuple[Piece, ...]

_WHOLE = re.compile(r"https?://", re.IGNORECASE)
_HEAD = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_DOTS = (".", "..")


class UrlTemplate(msgspec.Struct, frozen=True):
    """`path` and `query` are encoded literals and holes. Without an `origin` the model chooses the whole URL.

    `source` is the URL as the author wrote it, base and all.
    """

    source: str
    origin: Origin | None
    path: Pieces
    query: tuple[Pieces, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(piece.name for part in (self.path, *self.query) for piece in part if isinstance(piece, Hole))

    def render(self, arguments: Mapping[str, Any]) -> Url:
        """Raises `ToolFailure`, and `UnicodeEncodeError` for a lone surrogate."""
        if self.origin is None:
            return _chosen(arguments, self.path)
        path = "".join(piece if isinstance(piece, str) else _segments(piece, arguments) for piece in self.path)
        for segment in path.split("/"):
            if unquote(segment) in _DOTS:
                raise _invalid("the arguments make a path with a `.` or `..` piece, which is refused")
        entries = [_entry(pieces, arguments) for pieces in self.query]
        return Url(self.origin, path, "&".join(entry for entry in entries if entry is not None))


def compile_url(url: str, base_url: str | None) -> UrlTemplate:
    """Raises `UsageError`: what is wrong here came from a `${VAR}`, or was found before the run."""
    pieces = parse_url(url)
    if not base_url and len(pieces) == 1 and isinstance(pieces[0], Hole):
        return UrlTemplate(url, None, pieces)
    source = url
    if base_url and not _WHOLE.match(url):
        if "?" in base_url or "#" in base_url:
            raise UsageError("`base_url` has a query or a fragment", help="end it after the path; use `query`")
        base = _joined_base(base_url, url)
        pieces = (base, *pieces)
        source = base + url
    return _compile(source, pieces)


def _joined_base(base_url: str, url: str) -> str:
    """Plain concatenation with one slash between; never RFC 3986 resolution, where `//host` would win."""
    if not url:
        return base_url
    return base_url.rstrip("/") + ("" if url.startswith(("/", "?")) else "/")


def _compile(source: str, pieces: Pieces) -> UrlTemplate:
    text = _leading_text(pieces)
    head = _HEAD.fullmatch(text)
    if head is None:
        raise UsageError("the url of an http tool must start with http:// or https://", help="write it in `base_url`")
    scheme, authority, rest = head.groups()
    holes_follow = any(isinstance(piece, Hole) for piece in pieces)
    if not rest and holes_follow:
        raise UsageError("a hole stands in the host of a url", help="holes come after the authority")
    try:
        origin = parse_origin(scheme, authority)
    except BadUrl as error:
        raise UsageError(f"the url of an http tool can't be used: {error}") from None
    literals = sum(1 for _ in _leading(pieces))
    tail = _cut(_cut_off((rest, *pieces[literals:]), "#")[0], "?")
    path = tuple(piece if isinstance(piece, Hole) else encode_path(piece) for piece in tail[0])
    _refuse_dots(path)
    if not path or not (isinstance(path[0], str) and path[0].startswith("/")):
        path = ("/", *path)
    return UrlTemplate(source, origin, path, _entries(tail[1]))


def _leading(pieces: Pieces) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if isinstance(piece, Hole):
            break
        found.append(piece)
    return found


def _leading_text(pieces: Pieces) -> str:
    return "".join(_leading(pieces))
