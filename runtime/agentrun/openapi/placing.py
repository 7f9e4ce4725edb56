"""From an operation's arguments to what a request is made of: path, query, headers, cookies and body. Pure.

The document owns method, path and names; an argument is a value in its place and nothing else. What the operation
doesn't name is placed nowhere. How a style writes a value is `styles.py`'s; sending is `tools/openapi.py`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from agentrun.errors import ToolFailure
from agentrun.openapi.bodies import Content, body_of
from agentrun.openapi.media import kind_of
from agentrun.openapi.operation import Operation, Parameter
from agentrun.openapi.styles import (
    as_text,
    encoded,
    entries,
    for_cookie,
    is_nothing,
    line,
    listed,
    named,
    segment,
    with_reserved,
)

_HOLE = re.compile(r"\{([^{}]*)\}")
_IN_PATH = "/%:@!$&'()*+,;=~"
_REFUSED = ("", ".", "..")


class Placed(msgspec.Struct, frozen=True):
    """`path` begins with `/`; it and `query` are percent-encoded. `cookies` are `name=value`, ready to be joined."""

    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]
    content: Content | None


def placed(operation: Operation, arguments: Mapping[str, Any]) -> Placed:
    """Raises `ToolFailure`, and `UnicodeEncodeError` for half a surrogate pair."""
    path, own_query = _path(operation, arguments)
    query = _all_entries(operation, arguments, "query", encoded)
    body = operation.body
    given = body is not None and body.argument in arguments
    return Placed(
        path=path,
        query="&".join([*filter(None, [own_query]), *query]),
        headers=tuple(_headers(operation, arguments)),
        cookies=tuple(_all_entries(operation, arguments, "cookie", for_cookie)),
        content=body_of(body, arguments[body.argument]) if body is not None and given else None,
    )


def fixed_path(path: str) -> tuple[str, str]:
    """Path and query that a document wrote, holes and all; what follows `#` tells operations apart, and is never sent.

    Raises `ValueError` for a path that no request could have.
    """
    target, _, _ = path.partition("#")
    bare, _, query = target.partition("?")
    if any(unquote(one) in (".", "..") for one in _HOLE.sub("x", bare).split("/")):
        raise ValueError("its path has a `.` or `..` piece")
    if "{" in _HOLE.sub("", bare) or "}" in _HOLE.sub("", bare) or "{" in query:
        raise ValueError("its path has a brace that belongs to no parameter")
    return bare if bare.startswith("/") else f"/{bare}", query


# -- path -----------------------------------------------------------------------------------------------------------


def _path(operation: Operation, arguments: Mapping[str, Any]) -> tuple[str, str]:
    parameters = {one.name: one for one in operation.parameters if one.place == "path"}
    bare, query = fixed_path(operation.path)
    pieces = _HOLE.split(bare)  # literal, name, literal, name, …, literal
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            pieces[index] = quote(piece, safe=_IN_PATH)
        elif piece in parameters:
            pieces[index] = _segment(parameters[piece], arguments)
        else:
            raise ToolFailure("invalid_arguments", f"the path has `{{{piece}}}`, and no parameter fills it")
    path = "".join(pieces)
    if any(unquote(one) in (".", "..") for one in path.split("/")):
        raise ToolFailure("invalid_arguments", "the path would have a `.` or `..` piece, and that is refused")
    return path, quote(query, safe="/%:@!$&'()*+,;=~?")


def _segment(parameter: Parameter, arguments: Mapping[str, Any]) -> str:
    name, value = parameter.argument, arguments.get(parameter.argument)
    if is_nothing(value):
        what = "missing" if value is None else "empty"
        raise ToolFailure("invalid_arguments", f"`{name}` is {what}, and the path needs it")
    if parameter.content_type is not None:
        return encoded(_as_content(parameter.content_type, value))
    for text in [text for _, text in named(value)] if isinstance(value, Mapping) else _texts(value):
        if text in _REFUSED:
            what = f"the piece `{text}`" if text else "an empty piece"
            raise ToolFailure("invalid_arguments", f"`{name}` puts {what} into the path, and that is refused")
    return segment(parameter.name, value, parameter.style, parameter.explode)


def _texts(value: Any) -> list[str]:
    return listed(value) if isinstance(value, list) else [as_text(value)]


# -- query, cookies, headers ----------------------------------------------------------------------------------------


def _given(operation: Operation, arguments: Mapping[str, Any], place: str) -> Iterator[tuple[Parameter, Any]]:
    for one in operation.parameters:
        if one.place != place or one.argument not in arguments:
            continue
        value = arguments[one.argument]
        if one.content_type is None and is_nothing(value):
            if one.required:
                what = "null" if value is None else "empty"
                raise ToolFailure("invalid_arguments", f"`{one.argument}` is needed, and {what}: nothing would be sent")
            continue
        yield one, value


def _all_entries(operation: Operation, arguments: Mapping[str, Any], place: str, encode: Any) -> list[str]:
    found: list[str] = []
    names = {one.name for one in operation.parameters if one.place == place}
    for one, value in _given(operation, arguments, place):
        encode_value = with_reserved if one.allow_reserved and place == "query" else encode
        if one.content_type is not None:
            found.append(f"{encoded(one.name)}={encode_value(_as_content(one.content_type, value))}")
            continue
        if isinstance(value, Mapping) and one.explode and one.style != "deepObject":
            _check_free(one, value, names)
        found += entries(one.name, value, one.style, one.explode, encoded, encode_value)
    return found


def _check_free(parameter: Parameter, value: Mapping[str, Any], names: set[str]) -> None:
    """The members of such an object stand beside the other parameters: one may not pass for another."""
    for name in value:
        if name in names - {parameter.name}:
            message = f"`{parameter.argument}` has a member `{name}`, which is a parameter of its own"
            raise ToolFailure("invalid_arguments", message)


def _headers(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one, value in _given(operation, arguments, "header"):
        if one.content_type is not None:
            yield one.name, _as_content(one.content_type, value, ascii_only=True)
        else:
            yield one.name, line(value, one.explode)


def _as_content(content_type: str, value: Any, *, ascii_only: bool = False) -> str:
    """A value that is sent in a media type of its own. A header takes no other letters than ASCII's."""
    if kind_of(content_type) != "json":
        return as_text(value)
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
