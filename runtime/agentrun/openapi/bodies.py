"""The body of a request from its argument: JSON, a form, parts, text, bytes. Pure.

Which member of a form is written how is said by its encoding, else by what its schema is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agentrun.errors import ToolFailure
from agentrun.openapi.media import kind_of
from agentrun.openapi.operation import Body, FieldEncoding
from agentrun.openapi.shapes import definitions, further, items, members, parts
from agentrun.openapi.styles import as_text, entries, for_form, is_nothing
from agentrun.openapi.uploads import is_file, upload

JSON = "application/json"
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:\s*;\s*[\w-]+=(?:[\w.+-]+|\"[\w.+ -]*\"))*", re.ASCII)
_FALLBACK = {
    "json": JSON,
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
    "text": "text/plain; charset=utf-8",
}
_BYTES = "application/octet-stream"


class Part(msgspec.Struct, frozen=True):
    """Of a multipart body. A text has neither file name nor media type."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


class Content(msgspec.Struct, frozen=True):
    """What is sent, and the media type that it is sent as. `body` are parts where somebody has yet to join them."""

    body: bytes | tuple[Part, ...]
    content_type: str


def body_of(body: Body, value: Any) -> Content:
    """Raises `ToolFailure`, and `UnicodeEncodeError` for half a surrogate pair."""
    kind = kind_of(body.media_type)
    sent_as = body.media_type.strip()
    if not _MEDIA_TYPE.fullmatch(sent_as):
        sent_as = _FALLBACK.get(kind, _BYTES)
    if kind == "json":
        return Content(as_json(value), sent_as)
    if kind == "form":
        return Content("&".join(_fields(body, value)).encode("ascii"), sent_as)
    if kind == "multipart":
        return Content(tuple(_parts(body, value)), sent_as)
    if kind == "text":
        return Content(as_text(value).encode(), sent_as if "charset" in sent_as else f"{sent_as}; charset=utf-8")
    return Content(upload(body.argument, value).content, sent_as)


def as_json(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise ToolFailure("invalid_arguments", "the JSON body holds NaN or an infinite number") from None
    return text.encode()


def is_empty_form(body: Body) -> bool:
    """Whether it names no member, and allows none expressly."""
    if kind_of(body.media_type) not in ("form", "multipart"):
        return False
    schemas, defs = [body.schema], definitions(body.schema)
    may_hold = any(part.get("additionalProperties") is True for part in parts(schemas, defs))
    return not (may_hold or members(schemas, defs) or further(schemas, defs))


def file_members(body: Body) -> dict[str, bool]:
    """The members of a multipart body that are files. True: a list of them."""
    found: dict[str, bool] = {}
    if kind_of(body.media_type) != "multipart":
        return found
    defs = definitions(body.schema)
    for name, schemas in members([body.schema], defs).items():
        if any(is_file(one) for one in schemas) or _is_sent_as_file(body.encoding.get(name), schemas):
            found[name] = False
        elif any(is_file(one) for one in items(schemas, defs)):
            found[name] = True
    return found


def _is_sent_as_file(encoding: FieldEncoding | None, schemas: list[Any]) -> bool:
    """`contentType: image/png` makes a file of a text, but not of an object, or of what is base64 on its way."""
    kind = encoding.content_type if encoding is not None else None
    if kind is None or kind_of(kind) in ("json", "text"):
        return False
    return all(
        isinstance(one, Mapping)
        and one.get("type", "string") == "string"
        and not one.keys() & {"contentEncoding", "properties", "anyOf", "allOf", "enum"}
        and one.get("format") != "byte"
        for one in schemas
    )


# -- forms ----------------------------------------------------------------------------------------------------------


def _object(body: Body, value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ToolFailure("invalid_arguments", f"`{body.argument}` is sent as a form: it must be an object")


def _fields(body: Body, value: Any) -> Iterator[str]:
    for name, member in _object(body, value).items():
        encoding = body.encoding.get(name)
        if encoding is not None and encoding.content_type is None:
            yield from entries(name, member, encoding.style, encoding.explode, for_form, for_form)
        elif isinstance(member, Mapping) or encoding is not None:
            if not is_nothing(member):
                yield f"{for_form(name)}={for_form(as_text(member))}"
        else:
            yield from entries(name, member, "form", True, for_form, for_form)


def _parts(body: Body, value: Any) -> Iterator[Part]:
    """A list is a part for each item; data is a part in JSON; a null sends nothing."""
    files = file_members(body)
    for name, member in _object(body, value).items():
        encoding = body.encoding.get(name)
        content_type = encoding.content_type if encoding is not None else None
        if content_type is not None and (not _MEDIA_TYPE.fullmatch(content_type) or "*" in content_type):
            content_type = None
        as_one = content_type is not None and kind_of(content_type) == "json"
        for item in [member] if as_one or not isinstance(member, list) else member:
            if item is None:
                continue
            if name in files:
                given = upload(f"{body.argument}.{name}", item)
                yield Part(name, given.content, given.filename or name, content_type or _BYTES)
            elif isinstance(item, (Mapping, list)):
                yield Part(name, as_json(item), None, content_type or JSON)
            else:
                yield Part(name, as_text(item).encode(), None, content_type)
