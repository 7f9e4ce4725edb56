"""How OpenAPI's styles write a value: in a path, a query, a header, a cookie, a form. Pure.

Every name and value is encoded where it lands; what stands between them is written as it is, so that no value can be
taken for two. Null and empty lists and objects have no form: they write nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from agentrun.openapi.operation import Style

Encode = Callable[[str], str]
Member = tuple[str, str]

# Of what `allowReserved` lets through, all that can stand in a query and can't end a value or begin another.
_RESERVED = ":/?@!$'()*,;"
# Of what a cookie's value may hold (RFC 6265), all but `%`, which begins what is encoded.
_COOKIE = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_SEPARATORS: Mapping[Style, str] = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
_EXACT = 2**53


def encoded(text: str) -> str:
    """Raises `UnicodeEncodeError` for half a surrogate pair, as all of these do."""
    return quote(text, safe="")


def with_reserved(text: str) -> str:
    return quote(text, safe=_RESERVED)


def for_form(text: str) -> str:
    return quote_plus(text)


def for_cookie(text: str) -> str:
    return quote(text, safe=_COOKIE)


def as_text(value: Any) -> str:
    """A text as it is, all else as JSON. A whole number is written as one: 3.0 is 3."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def listed(value: Any) -> list[str]:
    """A list's items as texts."""
    return [as_text(item) for item in value if item is not None]


def named(value: Mapping[str, Any]) -> list[Member]:
    """An object's members as texts."""
    return [(name, as_text(child)) for name, child in value.items() if child is not None]


def is_nothing(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(child is None for child in value.values())
    return value is None or (isinstance(value, list) and all(item is None for item in value))


# -- the styles ---------------------------------------------------------------------------------------------------


def entries(name: str, value: Any, style: Style, explode: bool, encode: Encode, value_encode: Encode) -> Iterator[str]:
    """The `name=value` entries of a query or a form: `form`, `spaceDelimited`, `pipeDelimited`, `deepObject`.

    Where a style says nothing of a value, it is written as `form` would.
    """
    if is_nothing(value):
        return
    if style == "deepObject" and isinstance(value, (list, Mapping)):
        for route, text in _deep(name, value):
            yield f"{encode(route)}={value_encode(text)}"
    elif isinstance(value, Mapping) and explode:
        yield from (f"{encode(member)}={value_encode(text)}" for member, text in named(value))
    elif isinstance(value, list) and explode:
        yield from (f"{encode(name)}={value_encode(text)}" for text in listed(value))
    else:
        yield f"{encode(name)}={_SEPARATORS.get(style, ',').join(map(value_encode, _flat(value)))}"


def segment(name: str, value: Any, style: Style, explode: bool) -> str:
    """What stands in a path: `simple`, `label`, `matrix`."""
    if isinstance(value, Mapping) and explode:
        pieces = [f"{encoded(member)}={encoded(text)}" for member, text in named(value)]
    else:
        pieces = [encoded(text) for text in _flat(value)]
    if style == "label":
        return "." + ("." if explode else ",").join(pieces)
    if style == "matrix":
        if isinstance(value, Mapping) and explode:
            return "".join(f";{piece}" for piece in pieces)
        joined = pieces if explode else [",".join(pieces)]
        return "".join(f";{encoded(name)}={piece}" for piece in joined)
    return ",".join(pieces)


def line(value: Any, explode: bool) -> str:
    """What stands in a header: `simple`, and nothing is encoded."""
    if isinstance(value, Mapping) and explode:
        return ",".join(f"{member}={text}" for member, text in named(value))
    return ",".join(_flat(value))


def _flat(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for member in named(value) for text in member]
    return listed(value) if isinstance(value, list) else [as_text(value)]


def _deep(route: str, value: Any) -> Iterator[Member]:
    """`a[b][c]`; a list of plain values is `a[]`, one whose items have members of their own is `a[0][b]`."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _deep(f"{route}[{name}]", child)
    elif isinstance(value, list):
        nests = any(isinstance(item, (list, Mapping)) for item in value)
        for index, item in enumerate(value):
            yield from _deep(f"{route}[{index if nests else ''}]", item)
    elif value is not None:
        yield route, as_text(value)
