"""The `url` of an http tool, compiled: the author owns scheme, host, port and the shape of the path.

A value is always one piece of what the author wrote: it is percent-encoded whole, so it can't open a new segment, a
query or a fragment. `url: "{url}"` alone is the exception: there the model chooses, and whoever sends the request must
hold the result against `hosts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from agentrun.errors import ToolFailure, UsageError
from agentrun.templates import Hole, parse_url, to_text
from agentrun.tools.url import BadUrl, Origin, Url, encode_path, encode_query, parse_origin, parse_whole_url

Pieces = tuple[str | Hole, ...]

_WHOLE = re.compile(r"https?://", re.IGNORECASE)
_HEAD = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_DOTS = (".", "..")


class UrlTemplate(msgspec.Struct, frozen=True):
    """`path` and the entries of `query` are encoded literals and holes."""

    origin: Origin
    path: Pieces
    query: tuple[Pieces, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(piece.name for part in (self.path, *self.query) for piece in part if isinstance(piece, Hole))

    def render(self, arguments: Mapping[str, Any]) -> Url:
        """Raises `ToolFailure`, and `UnicodeEncodeError` for half a surrogate pair."""
        path = "".join(piece if isinstance(piece, str) else _in_path(piece, arguments) for piece in self.path)
        entries = (_entry(pieces, arguments) for pieces in self.query)
        return Url(self.origin, path, "&".join(entry for entry in entries if entry is not None))


class ChosenUrl(msgspec.Struct, frozen=True):
    """`url: "{url}"`: an argument is the whole URL."""

    hole: Hole

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.hole.name})

    def render(self, arguments: Mapping[str, Any]) -> Url:
        """Raises as `UrlTemplate.render` does."""
        try:
            return parse_whole_url(_text(self.hole, arguments))
        except BadUrl as error:
            raise _refused(f"`{self.hole.name}`: {error}") from None


def compile_url(url: str, base_url: str | None) -> UrlTemplate | ChosenUrl:
    """Raises `UsageError`: a url is checked when files are read, so what is wrong here came from a `${VAR}`."""
    pieces = parse_url(url)
    if not base_url and len(pieces) == 1 and isinstance(pieces[0], Hole):
        return ChosenUrl(pieces[0])
    if base_url and not _WHOLE.match(url) and ("?" in base_url or "#" in base_url):
        raise UsageError("`base_url` has a query or a fragment", help="end it after the path, and use `query`")
    base = whole_url(url, base_url).removesuffix(url)
    first = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    holes_and_more = pieces[1:] if first else pieces
    head = _HEAD.fullmatch(base + first)
    if head is None:
        raise UsageError("the url of an http tool must start with http:// or https://", help="write it in `base_url`")
    scheme, authority, rest = head.groups()
    if not rest and holes_and_more:
        raise UsageError("a hole stands in the host of a url", help="holes come after the authority")
    try:
        origin = parse_origin(scheme, authority)
    except BadUrl as error:
        raise UsageError(f"the url of an http tool can't be used: {error}") from None
    target, _ = _split((rest, *holes_and_more), "#")
    path, query = _split(target, "?")
    if any(unquote(segment) in _DOTS for segment in _sketch(path).split("/")):
        raise UsageError("the path of a url has a `.` or `..` piece", help="write the path that is meant")
    return UrlTemplate(origin, _encoded(path, encode_path) or ("/",), _entries(query))


def whole_url(url: str, base_url: str | None) -> str:
    """`url` behind `base_url`, with one slash between, and no resolving: `//host` would win."""
    if not base_url or not url or _WHOLE.match(url):
        return url or base_url or ""
    return base_url.rstrip("/") + ("" if url.startswith(("/", "?")) else "/") + url


def _split(pieces: Pieces, mark: str) -> tuple[Pieces, Pieces]:
    """What stands before and behind the first `mark` that the author wrote."""
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) and mark in piece:
            before, _, behind = piece.partition(mark)
            return _without_empty((*pieces[:index], before)), _without_empty((behind, *pieces[index + 1 :]))
    return _without_empty(pieces), ()


def _without_empty(pieces: Pieces) -> Pieces:
    return tuple(piece for piece in pieces if piece != "")


def _entries(query: Pieces) -> tuple[Pieces, ...]:
    entries: list[Pieces] = []
    while query:
        entry, query = _split(query, "&")
        if entry:
            entries.append(_encoded(entry, encode_query))
    return tuple(entries)


def _encoded(pieces: Pieces, encode: Callable[[str], str]) -> Pieces:
    return tuple(encode(piece) if isinstance(piece, str) else piece for piece in pieces)


def _sketch(pieces: Pieces) -> str:
    return "".join(piece if isinstance(piece, str) else "x" for piece in pieces)


# -- with arguments -------------------------------------------------------------------------------------------


def _in_path(hole: Hole, arguments: Mapping[str, Any]) -> str:
    """Dots alone are refused even where the author wrote more beside them, so no values make `..` together."""
    text = _text(hole, arguments)
    pieces = text.split("/") if hole.keep_slashes else [text]
    for piece in pieces:
        if piece in ("", *_DOTS):
            what = f"the piece `{piece}`" if piece else "an empty piece"
            raise _refused(f"`{hole.name}` puts {what} into the path of the url, and that is refused")
    return "/".join(quote(piece, safe="") for piece in pieces)


def _entry(pieces: Pieces, arguments: Mapping[str, Any]) -> str | None:
    """A part of the query, or None if it uses an argument that was left out."""
    if any(isinstance(piece, Hole) and arguments.get(piece.name) is None for piece in pieces):
        return None
    return "".join(piece if isinstance(piece, str) else quote(_text(piece, arguments), safe="") for piece in pieces)


def _text(hole: Hole, arguments: Mapping[str, Any]) -> str:
    value = arguments.get(hole.name)
    if value is None:
        raise _refused(f"`{hole.name}` is missing, and the url needs it")
    if not isinstance(value, (str, int, float)):
        raise _refused(f"`{hole.name}` is part of the url: it must be text, a number or a boolean")
    return to_text(value)


def _refused(message: str) -> ToolFailure:
    return ToolFailure("invalid_arguments", message)
